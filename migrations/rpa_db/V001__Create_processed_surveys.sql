-- What became of each survey response: one row a survey, so that a job that is run again changes nothing.

CREATE TABLE rpa1_processed_surveys (
    id                 BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    survey_id          BIGINT NOT NULL UNIQUE,
    -- NULL: a response may be anonymous.
    customer_id        BIGINT,
    -- NUMERIC without a scale keeps every digit of a score. A failed survey has none.
    satisfaction_score NUMERIC,
    processed_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    status             VARCHAR(20) NOT NULL CHECK (status IN ('completed', 'failed')),
    error              TEXT,
    processed_by       TEXT
);
