DROP VIEW rpa1_survey_summary;
