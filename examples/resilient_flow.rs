//! A flow that goes on where it can: with the schema that is there when a migration fails, with the next survey when
//! one cannot be written, and with a second attempt where a failure may pass.
//!
//! Its last line on standard output is the result as JSON. It exits with 1 when nothing could be done.

#![allow(clippy::print_stdout, reason = "the result is what this program is run for")]

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use batchdb::{Error, ErrorKind};
use chrono::Utc;
use serde_json::json;

#[path = "shared/store.rs"]
mod store;
#[path = "shared/survey.rs"]
mod survey;

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
    let mut responses = again_if_it_may_help(|| store::unprocessed_responses(&survey_hub))?;
    let done = again_if_it_may_help(|| store::already_processed(&rpa_db, &responses))?;
    responses.retain(|response| !done.contains(&response.survey_id));
    if responses.is_empty() {
        return Ok(json!({ "status": "success", "message": "No data to process" }));
    }

    let mut processed = 0;
    for response in &responses {
        let survey = survey::process(response, Utc::now());
        match again_if_it_may_help(|| store::write(&rpa_db, &survey)) {
            Ok(()) => processed += 1,
            Err(error) => log::error!(survey_id = survey.survey_id; "the survey was not written: {error}"),
        }
    }
    let failed = responses.len() - processed;
    Ok(json!({ "status": "success", "processed": processed, "failed": failed, "total": responses.len() }))
}

/// Three attempts, with a pause that doubles. Only an error after which nothing can have happened is worth another.
fn again_if_it_may_help<R>(work: impl Fn() -> batchdb::Result<R>) -> batchdb::Result<R> {
    for pause in [250, 500].map(Duration::from_millis) {
        match work() {
            Err(error) if error.is_transient() => log::warn!("trying again: {error}"),
            outcome => return outcome,
        }
        thread::sleep(pause);
    }
    work()
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
