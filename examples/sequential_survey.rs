//! The survey job in its simplest form: one survey after the other, in one thread.
//!
//! Its last line on standard output is the result as JSON. `concurrent_survey` is the same on eight threads.

#![allow(clippy::print_stdout, reason = "the result is what this program is run for")]

use chrono::Utc;
use serde_json::json;

#[path = "shared/store.rs"]
mod store;
#[path = "shared/survey.rs"]
mod survey;

fn main() -> batchdb::Result<()> {
    batchdb::init_logging();
    let result = batchdb::with_flow(store::FLOW, workflow)?;
    println!("{result}");
    Ok(())
}

fn workflow() -> batchdb::Result<serde_json::Value> {
    let rpa_db = store::open("rpa_db")?;
    let survey_hub = store::open("SurveyHub")?;
    rpa_db.run_migrations()?;

    let mut responses = store::unprocessed_responses(&survey_hub)?;
    let done = store::already_processed(&rpa_db, &responses)?;
    responses.retain(|response| !done.contains(&response.survey_id));

    let mut scores = Vec::new();
    for response in &responses {
        let processed = survey::process(response, Utc::now());
        store::write(&rpa_db, &processed)?;
        scores.extend(processed.satisfaction_score);
    }
    Ok(json!({
        "responses_found": responses.len(),
        "surveys_processed": responses.len(),
        "average_satisfaction_score": survey::json_number(survey::average(&scores).as_ref()),
    }))
}
