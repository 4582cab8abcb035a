//! The main job: reads survey responses from SurveyHub, scores them on eight threads, and writes each result to
//! `rpa_db` as soon as it is there. It may be killed at any moment and started again: no survey is written twice.
//!
//! ```sh
//! cargo run --example concurrent_survey [-- --mark-processed]
//! ```
//!
//! A person gets a progress bar and a table, a program the last line of standard output: the result as JSON. It
//! exits with 0 for `success`, 3 for `aborted` (a database was not ready; nothing was done) and 1 for `failed`.

#![allow(clippy::print_stdout, reason = "the table and the result are what this program is run for")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use batchdb::{ErrorKind, MapOptions, TaskError, TaskResults, database_health_check, stage};
use bigdecimal::BigDecimal;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Parser;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

#[path = "shared/store.rs"]
mod store;
#[path = "shared/survey.rs"]
mod survey;

use store::{DATABASES, FLOW};
use survey::{ProcessedSurvey, Response};

/// How many surveys are scored and written at a time.
const WORKERS: usize = 8;

/// How many failures the table shows. All of them are in the table of results.
const FAILURES_SHOWN: usize = 10;

/// Scores the survey responses of SurveyHub and writes the results to rpa_db.
#[derive(Parser)]
#[command(name = "concurrent_survey")]
struct Options {
    /// Also mark the responses as processed in SurveyHub, which must be writable then
    #[arg(long)]
    mark_processed: bool,
}

pub(crate) fn main() -> ExitCode {
    let options = Options::parse();
    batchdb::init_logging();
    let (mut result, code) = batchdb::with_flow(FLOW, || workflow(&options));
    result["timestamp"] = timestamp(Utc::now()).into();
    println!("{result}");
    ExitCode::from(code)
}

/// The flow: its result and its exit code.
fn workflow(options: &Options) -> (serde_json::Value, u8) {
    // One healthy database is of no use to this flow, hence all of them.
    let prerequisites = batchdb::validate_database_prerequisites(&DATABASES, FLOW).require_all();
    if !prerequisites.passed() {
        return (json!({ "status": "aborted", "reason": "database_health_check_failed" }), 3);
    }
    match process_surveys(options) {
        Ok(summary) => {
            let final_health = database_health_check(&DATABASES, FLOW).overall_status;
            println!("{}", summary.table(&final_health.to_string()));
            (summary.result(&final_health.to_string()), 0)
        }
        Err(error) => {
            log::error!("the workflow failed: {error}");
            let health = database_health_check(&DATABASES, FLOW).to_json();
            (json!({ "status": "failed", "error": error.to_string(), "diagnostic_health": health }), 1)
        }
    }
}

fn process_surveys(options: &Options) -> Result<Summary, Box<dyn Error>> {
    let rpa_db = store::open("rpa_db")?;
    let survey_hub = store::open("SurveyHub")?;
    if options.mark_processed && survey_hub.settings().is_read_only() {
        return Err(
            "SurveyHub is set to READ_ONLY, so nothing can be marked in it by --mark-processed".into()
        );
    }
    rpa_db.run_migrations()?;

    let unprocessed = store::unprocessed_responses(&survey_hub)?;
    let done = store::already_processed(&rpa_db, &unprocessed)?;
    let (done, todo): (Vec<Response>, Vec<Response>) =
        unprocessed.into_iter().partition(|response| done.contains(&response.survey_id));
    log::info!(found = todo.len(), done_before = done.len(); "read the survey responses");

    let found = todo.len();
    let (processed, written) = score_and_write(todo);
    for failure in written.failed() {
        let error = failure.error().map(ToString::to_string).unwrap_or_default();
        log::error!(task = failure.name(), state:% = failure.state(); "a result was not written: {error}");
    }
    // A fan-out that did not run at all is no success with nothing in it.
    if let Some(refusal) = written.refusal() {
        return Err(refusal.clone().into());
    }
    let successful_writes = written.completed().count();

    let mut marked = None;
    if options.mark_processed {
        // Those of an earlier run too: it may have ended between its writes and this.
        let ids: Vec<i64> =
            done.iter().map(|response| response.survey_id).chain(written.into_completed()).collect();
        marked = Some(store::mark_processed(&survey_hub, &ids)?);
    }
    Ok(Summary {
        found,
        done_before: done.len(),
        processed: processed.into_completed().collect(),
        successful_writes,
        marked,
    })
}

/// Each survey goes from its score to its row on one worker; nothing waits for the last score.
fn score_and_write(todo: Vec<Response>) -> (TaskResults<ProcessedSurvey>, TaskResults<i64>) {
    let bar = progress_bar(todo.len());
    let advancing = bar.clone();
    let score = MapOptions::new("process-survey-{survey_id}").workers(WORKERS);
    let write = MapOptions::new("write-survey-results-{survey_id}")
        .workers(WORKERS)
        .retries(2)
        .retry_delay(Duration::from_millis(250))
        .retry_if(may_be_written_again)
        .on_progress(move |progress| advancing.set_position(progress.done as u64));

    let results = stage(score, |response| Ok::<_, batchdb::Error>(survey::process(response, Utc::now())))
        .then(write, |processed: &ProcessedSurvey| {
            // All handles share one pool, so a task opens its own where it needs one.
            store::write(&store::open("rpa_db")?, processed)?;
            Ok::<_, batchdb::Error>(processed.survey_id)
        })
        .map(todo);
    bar.finish_and_clear();
    results
}

/// The unique key makes a second write harmless, also where it is not known whether the first one happened.
fn may_be_written_again(error: &TaskError) -> bool {
    error.as_batchdb().is_some_and(|error| error.is_transient() || error.kind() == ErrorKind::OutcomeUnknown)
}

/// On standard error, and only where that is a terminal.
fn progress_bar(surveys: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} surveys, {per_sec}, {eta} left");
    let bar = ProgressBar::new(surveys as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What the flow has done.
struct Summary {
    found: usize,
    done_before: usize,
    processed: Vec<ProcessedSurvey>,
    successful_writes: usize,
    marked: Option<u64>,
}

impl Summary {
    fn failed_writes(&self) -> usize {
        self.found - self.successful_writes
    }

    fn average(&self) -> Option<BigDecimal> {
        survey::average(self.processed.iter().filter_map(|survey| survey.satisfaction_score.as_ref()))
    }

    /// For a program.
    fn result(&self, final_health: &str) -> serde_json::Value {
        json!({
            "status": "success",
            "responses_found": self.found,
            "surveys_processed": self.processed.len(),
            "successful_writes": self.successful_writes,
            "failed_writes": self.failed_writes(),
            "average_satisfaction_score": survey::json_number(self.average().as_ref()),
            "final_health": final_health,
        })
    }

    /// For a person.
    fn table(&self, final_health: &str) -> Table {
        let failed = || self.processed.iter().filter(|survey| survey.error.is_some());
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["survey job", ""]);
        let average = self.average().map_or_else(|| "none".to_owned(), |average| average.to_string());
        for (what, value) in [
            ("responses found", self.found.to_string()),
            ("done by earlier runs", self.done_before.to_string()),
            ("surveys processed", self.processed.len().to_string()),
            ("of them failed", failed().count().to_string()),
            ("results written", self.successful_writes.to_string()),
            ("results not written", self.failed_writes().to_string()),
            ("average satisfaction", average),
            ("databases at the end", final_health.to_owned()),
        ] {
            table.add_row([what, &value]);
        }
        if let Some(marked) = self.marked {
            table.add_row(["marked in SurveyHub", &marked.to_string()]);
        }
        for survey in failed().take(FAILURES_SHOWN) {
            let error = survey.error.clone().unwrap_or_default();
            table.add_row([format!("failed: survey {}", survey.survey_id), error]);
        }
        if let Some(rest) = failed().count().checked_sub(FAILURES_SHOWN).filter(|rest| *rest > 0) {
            table.add_row([format!("and {rest} more"), "see rpa1_processed_surveys".to_owned()]);
        }
        table
    }
}
