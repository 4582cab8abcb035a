//! A join over two databases of different kinds, made in memory: the scores of `rpa_db` with the days on which
//! SurveyHub got the responses.
//!
//! Prints the average of each day, and as its last line on standard output the result as JSON.

#![allow(clippy::print_stdout, reason = "the result is what this program is run for")]

use std::collections::{BTreeMap, HashMap};

use batchdb::{DatabaseManager, Error, Result, Row};
use bigdecimal::BigDecimal;
use chrono::NaiveDateTime;
use serde_json::json;

#[path = "shared/survey.rs"]
mod survey;

fn main() -> Result<()> {
    batchdb::init_logging();
    let rpa_db = DatabaseManager::new("rpa_db")?;
    let survey_hub = DatabaseManager::new("SurveyHub")?;

    let scores = rpa_db.execute_query(
        "SELECT survey_id, satisfaction_score FROM rpa1_processed_surveys WHERE status = 'completed'",
        (),
    )?;
    let keyed = |row: &Row| Ok((row.get("survey_id")?, row.get("satisfaction_score")?));
    let scores: HashMap<i64, BigDecimal> = scores.iter().map(keyed).collect::<Result<_>>()?;

    // The larger side is streamed and not kept: the memory holds the scores and the sums.
    let mut days: BTreeMap<String, Vec<&BigDecimal>> = BTreeMap::new();
    let mut without_score = 0;
    let responses =
        survey_hub.query_each("SELECT survey_id, submitted_at FROM survey_responses", (), |response| {
            match scores.get(&response.get("survey_id")?) {
                Some(score) => days.entry(day(&response)?).or_default().push(score),
                None => without_score += 1,
            }
            Ok::<_, Error>(true)
        })?;

    for (day, scores) in &days {
        let average = survey::average(scores.iter().copied()).unwrap_or_default();
        println!("{day}: {:5} surveys, {average} on average", scores.len());
    }
    let joined: usize = days.values().map(Vec::len).sum();
    let result = json!({
        "responses": responses,
        "joined": joined,
        "without_score": without_score,
        "days": days.len(),
    });
    println!("{result}");
    Ok(())
}

/// SQL Server has a type for it, SQLite keeps text; both are read as the same.
fn day(response: &Row) -> Result<String> {
    let submitted: Option<NaiveDateTime> = response.get("submitted_at")?;
    Ok(submitted.map_or("unknown day".to_owned(), |at| at.date().to_string()))
}
