//! The survey job for several replicas on the same databases: each claims batches of surveys, scores them, and writes
//! the results in the transaction that holds the claim. Any of them may be killed at any moment: what it held is free
//! at once, and the others do it.
//!
//! ```sh
//! cargo run --example replicated_survey   # on as many machines as you like
//! ```
//!
//! SIGTERM or Ctrl-C end it within ten seconds, with the results of what was under way. Its last line on standard
//! output is its own part of the result as JSON; it exits with 0, or with 1 when it was told to stop or failed.
//!
//! It ends when nothing is left, as a Job of Kubernetes does. A Deployment runs for ever: there `--every 60` looks for
//! new surveys each minute, and `--monitor 0.0.0.0:9187` (with the feature `monitor`) answers its probes. The folder
//! `kubernetes` has both.

#![allow(clippy::print_stdout, reason = "the result is what this program is run for")]

use std::process::ExitCode;
use std::time::Duration;

use batchdb::{
    CancelToken, Claim, DatabaseManager, ErrorKind, MapOptions, Result, Row, Transaction, map_tasks, params,
};
use chrono::Utc;
use clap::Parser;
use serde_json::json;

#[path = "shared/store.rs"]
mod store;
#[path = "shared/survey.rs"]
mod survey;

use survey::Response;

/// How many batches this process works on at a time.
const WORKERS: usize = 4;

/// So many surveys are done again when a process dies.
const BATCH: u32 = 20;

/// Docker kills ten seconds after it has asked.
const GRACE: Duration = Duration::from_secs(8);

/// Scores the surveys of SurveyHub, together with all other replicas
#[derive(Debug, Parser)]
struct Options {
    /// Looks for new surveys again after so many seconds, until it is told to stop; without it, ends when none is left
    #[arg(long, value_name = "SECONDS")]
    every: Option<u64>,
    /// Answers probes and Prometheus on this address, such as 0.0.0.0:9187
    #[cfg(feature = "monitor")]
    #[arg(long, value_name = "ADDRESS")]
    monitor: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    batchdb::init_logging();
    match batchdb::with_flow(store::FLOW, || run(&options)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            log::error!("the workflow failed: {error}");
            println!("{}", json!({ "status": "failed", "error": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<u8> {
    let stop = CancelToken::on_signals()?;
    let rpa_db = store::open("rpa_db")?;
    let survey_hub = store::open("SurveyHub")?;
    #[cfg(feature = "monitor")]
    let _monitor = match &options.monitor {
        Some(address) => Some(batchdb::Monitor::serve(address, [&rpa_db, &survey_hub])?),
        None => None,
    };
    // All replicas may run this at once: one does, the others wait for it.
    rpa_db.run_migrations()?;
    loop {
        let (result, code) = workflow(&rpa_db, &survey_hub, stop.clone())?;
        println!("{result}");
        match options.every {
            Some(seconds) if !stop.wait(Duration::from_secs(seconds)) => (),
            _ => return Ok(code),
        }
    }
}

fn workflow(
    rpa_db: &DatabaseManager,
    survey_hub: &DatabaseManager,
    stop: CancelToken,
) -> Result<(serde_json::Value, u8)> {
    enqueue(survey_hub, rpa_db)?;

    let queue = Claim::new("rpa1_survey_queue", "survey_id")
        .pending("done_at IS NULL")
        .done("done_at = now()")
        .batch(BATCH);
    let options = MapOptions::default()
        .workers(WORKERS)
        .cancel(stop)
        .grace(GRACE)
        // The claim and its results stand together or not at all, so a transaction that broke may be repeated. Where
        // nobody knows whether it was committed, the queue does: what is done is not claimed again.
        .retries(5)
        .retry_delay(Duration::from_millis(500))
        .retry_if(|error| {
            error
                .as_batchdb()
                .is_some_and(|error| error.is_transient() || error.kind() == ErrorKind::OutcomeUnknown)
        });
    let results = map_tasks(0..WORKERS, options, |_| {
        rpa_db.claim_all(&queue, |tx, rows| score_and_write(survey_hub, tx, rows))
    });
    let stopped = results.failed().any(|record| {
        record
            .error()
            .and_then(|error| error.as_batchdb())
            .is_some_and(|error| error.kind() == ErrorKind::Cancelled)
    });
    if stopped {
        return Ok((json!({ "status": "stopped" }), 1));
    }
    let surveys: u64 = results.into_values()?.iter().sum();
    Ok((json!({ "status": "success", "surveys_processed": surveys }), 0))
}

/// Puts what SurveyHub has and `rpa_db` has no result for into the queue. What is there already stays as it is,
/// claimed, done or neither, so any number of replicas may do this at any time.
fn enqueue(survey_hub: &DatabaseManager, rpa_db: &DatabaseManager) -> Result<()> {
    let mut responses = store::unprocessed_responses(survey_hub)?;
    let done = store::already_processed(rpa_db, &responses)?;
    responses.retain(|response| !done.contains(&response.survey_id));
    // In the order of the key, so that replicas wait for each other and never in a circle.
    rpa_db.execute_many(
        "INSERT INTO rpa1_survey_queue (survey_id) VALUES (:id) ON CONFLICT (survey_id) DO NOTHING",
        responses.iter().map(|response| params! { id: response.survey_id }),
    )?;
    Ok(())
}

/// One batch. Whatever goes wrong here, the transaction is rolled back and the surveys are free again.
fn score_and_write(
    survey_hub: &DatabaseManager,
    tx: &mut Transaction<'_, '_>,
    claimed: &[Row],
) -> Result<()> {
    let ids = claimed.iter().map(|row| row.get::<i64>("survey_id")).collect::<Result<Vec<_>>>()?;
    let rows = survey_hub.execute_query(
        "SELECT survey_id, customer_id, response_data FROM survey_responses WHERE survey_id IN (:ids)",
        params! { ids: ids },
    )?;
    let process = |row| Response::from_row(row).map(|response| survey::process(&response, Utc::now()));
    store::write_all(tx, &rows.iter().map(process).collect::<Result<Vec<_>>>()?)
}
