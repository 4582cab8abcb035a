//! A flow that goes on where it can: with the schema that is there when a migration fails, with the next survey when
//! one cannot be written, and with further attempts, seconds apart, where a failure may pass.
//!
//! Its last line on standard output is the result as JSON. It exits with 1 when nothing could be done.

#![allow(clippy::print_stdout, reason = "the result is what this program is run for")]

use std::collections::HashSet;
use std::process::ExitCode;

use batchdb::{Error, ErrorKind, params, record};
use chrono::Utc;
use serde_json::json;

#[path = "shared/store.rs"]
mod store;
#[path = "shared/survey.rs"]
mod survey;

use survey::Response;

fn main() -> ExitCode {
    batchdb::init_logging();
    let (result, code) = match batchdb::with_flow(store::FLOW, workflow) {
        Ok(result) => (result, ExitCode::SUCCESS),
        Err(error) => {
            log::error!("the workflow failed: {error}; {}", advice(&error));
            (json!({ "status": "failed", "error": error.to_string() }), ExitCode::FAILURE)
        }
    };
    println!("{result}");
    code
}

fn workflow() -> batchdb::Result<serde_json::Value> {
    let rpa_db = store::open("rpa_db")?;
    let survey_hub = store::open("SurveyHub")?;

    if let Err(error) = rpa_db.run_migrations() {
        log::warn!("the migrations failed, going on with the schema that is there: {error}");
    }
    // Tried again while the servers are away, or short of something.
    let rows = survey_hub.execute_query_safe(store::OPEN, (), true)?;
    let mut responses = rows.iter().map(Response::from_row).collect::<batchdb::Result<Vec<_>>>()?;
    let ids: Vec<i64> = responses.iter().map(|response| response.survey_id).collect();
    let rows = rpa_db.execute_query_safe(store::DONE, params! { ids: ids }, true)?;
    let done = rows.iter().map(|row| row.get("survey_id")).collect::<batchdb::Result<HashSet<i64>>>()?;
    responses.retain(|response| !done.contains(&response.survey_id));
    if responses.is_empty() {
        return Ok(json!({ "status": "success", "message": "No data to process" }));
    }

    // A result that is there already is left alone, so that writing it is tried again whatever went wrong.
    let rpa_db = rpa_db.idempotent();
    let mut processed = 0;
    for response in &responses {
        let survey = survey::process(response, Utc::now());
        match rpa_db.execute_query_safe(store::WRITE, record(&survey), true) {
            Ok(_) => processed += 1,
            Err(error) => log::error!(survey_id = survey.survey_id; "the survey was not written: {error}"),
        }
    }
    let failed = responses.len() - processed;
    Ok(json!({ "status": "success", "processed": processed, "failed": failed, "total": responses.len() }))
}

/// What an operator may do about it.
fn advice(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Config => "look at the settings",
        ErrorKind::Auth => "look at the user and the password",
        ErrorKind::Connect | ErrorKind::Timeout(_) => "see whether the server is up and can be reached",
        ErrorKind::Checkout => "the pool is too small for what goes on at a time",
        ErrorKind::Syntax => "the schema is not the one that the program was written for",
        _ => "see the log above",
    }
}
