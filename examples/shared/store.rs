//! What the flows ask of their two databases: SurveyHub, which has the responses, and `rpa_db`, which gets the results.

#![allow(dead_code, reason = "each example uses its own part of it")]

use std::collections::HashSet;

use batchdb::{DatabaseManager, Result, Transaction, params, record};

use super::survey::{ProcessedSurvey, Response};

/// The flow whose settings go before the global ones.
pub(crate) const FLOW: &str = "rpa1";

/// The databases that the flow needs.
pub(crate) const DATABASES: [&str; 2] = ["rpa_db", "SurveyHub"];

/// The responses that SurveyHub does not know to be processed.
pub(crate) const OPEN: &str = "SELECT survey_id, customer_id, response_data FROM survey_responses WHERE processed = 0 ORDER BY survey_id";

/// Those of the surveys whose result is written already.
pub(crate) const DONE: &str = "SELECT survey_id FROM rpa1_processed_surveys WHERE survey_id IN (:ids)";

/// Writes a result. Harmless when it is there already, so it may be tried again whatever went wrong.
pub(crate) const WRITE: &str = "INSERT INTO rpa1_processed_surveys
         (survey_id, customer_id, satisfaction_score, processed_at, status, error)
     VALUES (:survey_id, :customer_id, :satisfaction_score, :processed_at, :status, :error)
     ON CONFLICT (survey_id) DO NOTHING";

/// So many ids are asked for in one statement.
const CHUNK: usize = 10_000;

/// A handle with the flow's settings. All handles for one database share one pool, so a task may open its own.
pub(crate) fn open(database: &str) -> Result<DatabaseManager> {
    DatabaseManager::builder(database).flow(FLOW).build()
}

/// The responses that SurveyHub does not know to be processed.
pub(crate) fn unprocessed_responses(survey_hub: &DatabaseManager) -> Result<Vec<Response>> {
    survey_hub.execute_query(OPEN, ())?.iter().map(Response::from_row).collect()
}

/// Those of the responses whose result is written already: the table of results is the truth about what is done.
pub(crate) fn already_processed(rpa_db: &DatabaseManager, responses: &[Response]) -> Result<HashSet<i64>> {
    let mut done = HashSet::new();
    for chunk in responses.chunks(CHUNK) {
        let ids: Vec<i64> = chunk.iter().map(|response| response.survey_id).collect();
        for row in rpa_db.execute_query(DONE, params! { ids: ids })? {
            done.insert(row.get("survey_id")?);
        }
    }
    Ok(done)
}

/// Writes a result. It may be tried again whatever went wrong.
pub(crate) fn write(rpa_db: &DatabaseManager, survey: &ProcessedSurvey) -> Result<()> {
    rpa_db.execute(WRITE, record(survey)).map(|_| ())
}

/// Writes results in the transaction that holds the claim on their surveys.
pub(crate) fn write_all(tx: &mut Transaction<'_, '_>, surveys: &[ProcessedSurvey]) -> Result<()> {
    tx.execute_many(WRITE, surveys.iter().map(record)).map(|_| ())
}

/// Tells a writable SurveyHub which responses need not be read again.
pub(crate) fn mark_processed(survey_hub: &DatabaseManager, ids: &[i64]) -> Result<u64> {
    survey_hub.execute_many(
        "UPDATE survey_responses SET processed = 1 WHERE survey_id = :id",
        ids.iter().map(|&id| params! { id: id }),
    )
}
