-- The results go with it.

DROP TABLE rpa1_processed_surveys;
