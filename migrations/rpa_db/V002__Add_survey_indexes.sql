-- Reports ask for a customer's surveys and for those of a day; operators ask for the few that failed.

CREATE INDEX idx_rpa1_processed_surveys_customer ON rpa1_processed_surveys (customer_id);
CREATE INDEX idx_rpa1_processed_surveys_processed_at ON rpa1_processed_surveys (processed_at);
CREATE INDEX idx_rpa1_processed_surveys_failed ON rpa1_processed_surveys (survey_id) WHERE status = 'failed';
