DROP TABLE dbo.rpa1_survey_queue;
