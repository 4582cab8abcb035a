-- The whole table in one row; an empty table has counts of 0 and no average.
GO
-- A view is the only statement of its batch.
CREATE VIEW dbo.rpa1_survey_summary AS
SELECT COUNT_BIG(*)                                                   AS total_surveys,
       COUNT_BIG(CASE WHEN status = N'completed' THEN 1 END)          AS completed_surveys,
       COUNT_BIG(CASE WHEN status = N'failed' THEN 1 END)             AS failed_surveys,
       AVG(satisfaction_score)                                        AS average_score,
       SUM(satisfaction_score)                                        AS score_sum,
       MAX(processed_at)                                              AS last_processed_at
FROM dbo.rpa1_processed_surveys;
GO
