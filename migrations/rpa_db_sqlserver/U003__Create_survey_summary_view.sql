DROP VIEW dbo.rpa1_survey_summary;
