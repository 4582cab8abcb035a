-- The surveys that replicas of the job share: each claims some, and writes their results in the same transaction.
--
-- A survey that is done stays, marked: a replica that has read SurveyHub before it was done cannot put it in again.

CREATE TABLE dbo.rpa1_survey_queue (
    survey_id BIGINT NOT NULL CONSTRAINT pk_rpa1_survey_queue PRIMARY KEY,
    queued_at DATETIMEOFFSET NOT NULL CONSTRAINT df_rpa1_queued_at DEFAULT SYSDATETIMEOFFSET(),
    done_at   DATETIMEOFFSET NULL
);
GO
CREATE INDEX idx_rpa1_survey_queue_pending ON dbo.rpa1_survey_queue (survey_id) WHERE done_at IS NULL;
