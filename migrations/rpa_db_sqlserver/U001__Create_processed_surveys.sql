-- The results go with it.

DROP TABLE dbo.rpa1_processed_surveys;
