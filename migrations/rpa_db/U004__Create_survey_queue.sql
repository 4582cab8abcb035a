DROP TABLE rpa1_survey_queue;
