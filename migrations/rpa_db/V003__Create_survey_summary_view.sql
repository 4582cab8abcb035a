-- The whole table in one row; an empty table has counts of 0 and no average.

CREATE VIEW rpa1_survey_summary AS
SELECT count(*)                                     AS total_surveys,
       count(*) FILTER (WHERE status = 'completed') AS completed_surveys,
       count(*) FILTER (WHERE status = 'failed')    AS failed_surveys,
       avg(satisfaction_score)                      AS average_score,
       sum(satisfaction_score)                      AS score_sum,
       max(processed_at)                            AS last_processed_at
FROM rpa1_processed_surveys;
