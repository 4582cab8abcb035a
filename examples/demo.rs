//! The demonstration: starts a throw-away PostgreSQL server, makes a SurveyHub in SQLite through its ODBC driver, fills
//! it with survey responses, and runs the job of `concurrent_survey` on the two.
//!
//! ```sh
//! cargo run --example demo --all-features -- --surveys responses.csv
//! ```
//!
//! What the job prints goes to standard output, so the last line there is its result. Everything else goes to standard
//! error. Nothing is left behind, whether it ends by itself or by Ctrl-C.

#![allow(clippy::print_stderr, reason = "a person watches it")]

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use batchdb::CancelToken;
use batchdb::testing::EmbeddedPostgres;
use clap::Parser;

#[path = "concurrent_survey.rs"]
mod concurrent_survey;
#[path = "shared/survey_hub.rs"]
mod survey_hub;

/// Set in the process that runs the job: this same program, with the settings of the job in its environment.
const RUN_THE_JOB: &str = "BATCHDB_DEMO_RUN_THE_JOB";

/// How a shell counts a program that ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Runs the survey job on a throw-away PostgreSQL server and an SQLite file.
#[derive(Parser)]
#[command(name = "demo")]
struct Options {
    /// Take the responses from this CSV file instead of making some up
    #[arg(long, value_name = "FILE")]
    surveys: Option<PathBuf>,
    /// How many responses are made up
    #[arg(long, value_name = "NUMBER", default_value_t = 500, conflicts_with = "surveys")]
    count: u32,
    /// Put SurveyHub into this folder and keep it
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Run the job a second time: it finds nothing to do
    #[arg(long)]
    twice: bool,
    /// Also mark the responses as processed in SurveyHub
    #[arg(long)]
    mark_processed: bool,
}

fn main() -> ExitCode {
    if env::var_os(RUN_THE_JOB).is_some() {
        return concurrent_survey::main();
    }
    match run(&Options::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<u8, Box<dyn Error>> {
    // Whoever holds on to a value cleans up when it is dropped, so a signal only asks for the end.
    let interrupted = CancelToken::on_signals()?;

    let responses = match &options.surveys {
        Some(path) => {
            let at_file = |error: &dyn Error| format!("{}: {error}", path.display());
            let file = File::open(path).map_err(|error| at_file(&error))?;
            survey_hub::from_csv(io::BufReader::new(file)).map_err(|error| at_file(&error))?
        }
        None => survey_hub::made_up(options.count),
    };
    let temporary = tempfile::tempdir()?;
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder)?;
    let file = fs::canonicalize(folder)?.join("survey_hub.sqlite");
    if file.exists() {
        return Err(format!("{} is there already", file.display()).into());
    }
    survey_hub::create(&file, &responses)?;
    eprintln!("demo: made SurveyHub with {} responses in {}", responses.len(), file.display());
    if interrupted.is_cancelled() {
        return Ok(INTERRUPTED);
    }

    let server = EmbeddedPostgres::start()?;
    server.create_database("rpa_db")?;
    eprintln!("demo: started a PostgreSQL server on port {}", server.port());

    let mut job = Command::new(env::current_exe()?);
    if options.mark_processed {
        job.arg("--mark-processed");
    }
    // An environment of its own: what is set up for another one has no say here.
    job.env(RUN_THE_JOB, "1")
        .env("BATCHDB_HOME", env!("CARGO_MANIFEST_DIR"))
        .env("BATCHDB_ENVIRONMENT", "demo")
        .env("DEMO_GLOBAL_RPA_DB_TYPE", "postgresql")
        .env("DEMO_GLOBAL_RPA_DB_CONNECTION_STRING", server.url_for("rpa_db"))
        .env("DEMO_GLOBAL_SURVEYHUB_TYPE", "odbc")
        .env("DEMO_GLOBAL_SURVEYHUB_CONNECTION_STRING", survey_hub::connection_string(&file)?)
        .env("DEMO_GLOBAL_SURVEYHUB_READ_ONLY", (!options.mark_processed).to_string());
    let runs = if options.twice { 2 } else { 1 };
    for run in 1..=runs {
        eprintln!("demo: running the job ({run} of {runs})");
        let Some(status) = run_until(&mut job, &interrupted)? else { return Ok(INTERRUPTED) };
        if !status.success() {
            // Ctrl-C reaches the job as well, and it has no code then: a shell makes one of the signal.
            let code = status.code().or_else(|| Some(128 + status.signal()?));
            return Ok(code.and_then(|code| code.try_into().ok()).unwrap_or(1));
        }
    }

    let [rows, sum, average] = ["count(*)", "sum(satisfaction_score)", "avg(satisfaction_score)"]
        .map(|what| server.psql("rpa_db", &format!("SELECT {what} FROM rpa1_processed_surveys")));
    eprintln!(
        "demo: SQL finds {} rows in rpa1_processed_surveys, scores that sum to {} and average {}",
        rows?, sum?, average?
    );
    if options.keep.is_some() {
        eprintln!(
            "demo: kept {}; its connection string is {}",
            file.display(),
            survey_hub::connection_string(&file)?
        );
    }
    Ok(0)
}

/// Runs a program to its end, or to ours: then it is none.
fn run_until(program: &mut Command, interrupted: &CancelToken) -> io::Result<Option<ExitStatus>> {
    if interrupted.is_cancelled() {
        return Ok(None);
    }
    let mut running = program.spawn()?;
    loop {
        if let Some(status) = running.try_wait()? {
            return Ok(Some(status));
        }
        if interrupted.wait(Duration::from_millis(20)) {
            running.kill()?;
            running.wait()?;
            return Ok(None);
        }
    }
}
