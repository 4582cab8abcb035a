-- Reports ask for a customer's surveys and for those of a day; operators ask for the few that failed.

CREATE INDEX idx_rpa1_processed_surveys_customer ON dbo.rpa1_processed_surveys (customer_id);
CREATE INDEX idx_rpa1_processed_surveys_processed_at ON dbo.rpa1_processed_surveys (processed_at);
GO
-- A filtered index wants these two options, and the sessions that write to the table want them too.
SET QUOTED_IDENTIFIER ON;
SET ANSI_NULLS ON;
CREATE INDEX idx_rpa1_processed_surveys_failed ON dbo.rpa1_processed_surveys (survey_id) WHERE status = N'failed';
GO
