-- What became of each survey response: one row a survey, so that a job that is run again changes nothing.

CREATE TABLE dbo.rpa1_processed_surveys (
    id                 BIGINT IDENTITY(1, 1) NOT NULL CONSTRAINT pk_rpa1_processed_surveys PRIMARY KEY,
    survey_id          BIGINT NOT NULL CONSTRAINT uq_rpa1_processed_surveys UNIQUE,
    -- NULL: a response may be anonymous.
    customer_id        BIGINT NULL,
    -- A failed survey has no score.
    satisfaction_score DECIMAL(38, 19) NULL,
    processed_at       DATETIMEOFFSET NOT NULL CONSTRAINT df_rpa1_processed_at DEFAULT SYSDATETIMEOFFSET(),
    status             NVARCHAR(20) NOT NULL CONSTRAINT ck_rpa1_status CHECK (status IN (N'completed', N'failed')),
    error              NVARCHAR(MAX) NULL,
    processed_by       NVARCHAR(200) NULL
);
