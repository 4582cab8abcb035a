-- The surveys that replicas of the job share: each claims some, and writes their results in the same transaction.
--
-- A survey that is done stays, marked: a replica that has read SurveyHub before it was done cannot put it in again.

CREATE TABLE rpa1_survey_queue (
    survey_id BIGINT PRIMARY KEY,
    queued_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    done_at   TIMESTAMPTZ
);

CREATE INDEX idx_rpa1_survey_queue_pending ON rpa1_survey_queue (survey_id) WHERE done_at IS NULL;
