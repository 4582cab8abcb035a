//! Health before, during and after a flow, and a diagnosis when it fails.
//!
//! Its last line on standard output is the result as JSON, above it the report on all configured databases. It exits
//! with 3 when a database was not ready, and with 1 when the flow failed.

#![allow(clippy::print_stdout, reason = "the reports are what this program is run for")]

use std::process::ExitCode;

use batchdb::{HealthStatus, database_health_check, health_check_all, validate_database_prerequisites};
use chrono::Utc;
use serde_json::json;

#[path = "shared/store.rs"]
mod store;
#[path = "shared/survey.rs"]
mod survey;

use store::{DATABASES, FLOW};

fn main() -> ExitCode {
    batchdb::init_logging();
    let prerequisites = validate_database_prerequisites(&DATABASES, FLOW).require_all();
    let initial_health = prerequisites.passed();
    let (mut result, code) = if initial_health {
        match batchdb::with_flow(FLOW, workflow) {
            Ok(result) => (result, 0),
            Err(error) => {
                log::error!("the workflow failed: {error}");
                let diagnosis = database_health_check(&DATABASES, FLOW).to_json();
                (json!({ "status": "failed", "error": error.to_string(), "diagnostic_health": diagnosis }), 1)
            }
        }
    } else {
        (json!({ "status": "aborted", "reason": "database_health_check_failed" }), 3)
    };
    result["initial_health"] = initial_health.into();
    result["timestamp"] = json!(Utc::now());
    println!("{result}");
    ExitCode::from(code)
}

fn workflow() -> batchdb::Result<serde_json::Value> {
    let rpa_db = store::open("rpa_db")?;
    let survey_hub = store::open("SurveyHub")?;
    rpa_db.run_migrations()?;

    let mid_workflow_health = database_health_check(&DATABASES, FLOW).overall_status;
    if mid_workflow_health != HealthStatus::Healthy {
        log::warn!(status:% = mid_workflow_health; "a database is in trouble, going on");
    }

    let mut responses = store::unprocessed_responses(&survey_hub)?;
    let done = store::already_processed(&rpa_db, &responses)?;
    responses.retain(|response| !done.contains(&response.survey_id));
    for response in &responses {
        store::write(&rpa_db, &survey::process(response, Utc::now()))?;
    }

    println!("{}", health_check_all(FLOW)?.to_json());
    Ok(json!({
        "status": "success",
        "surveys_processed": responses.len(),
        "responses_found": responses.len(),
        "mid_workflow_health": mid_workflow_health,
        "final_health": database_health_check(&DATABASES, FLOW).overall_status,
    }))
}
