//! Getting started: from an empty folder to a job that can be killed at any moment.
//!
//! 1. [What is needed](#what-is-needed)
//! 2. [A folder](#a-folder)
//! 3. [A first program](#a-first-program)
//! 4. [A job](#a-job)
//! 5. [Where to go from here](#where-to-go-from-here)
//!
//! # What is needed
//!
//! Rust 1.88 or newer, and a database. For PostgreSQL nothing else is needed, because batchdb speaks its protocol
//! itself:
//!
//! ```toml
//! [dependencies]
//! batchdb = { path = "../batchdb", default-features = false, features = ["postgres", "signals"] }
//! ```
//!
//! The default features also include ODBC, for SQL Server, SQLite and others. That needs unixODBC to link
//! (`unixodbc-dev` on Debian and Ubuntu, `brew install unixodbc` on macOS, nothing on Windows), and at run time the
//! ODBC driver of the database.
//!
//! # A folder
//!
//! ```text
//! Cargo.toml
//! src/main.rs
//! envs/.env.development                     where the databases are
//! migrations/rpa_db/V001__Create_job.sql    what rpa_db is made of
//! ```
//!
//! The folders `envs` and `migrations` are looked for under `BATCHDB_HOME`, or in the working directory when that is
//! not set. Either may be missing, but a folder that `MIGRATIONS_DIR` names must exist. A program states only the
//! *name* of a database, so one binary runs everywhere; the settings say where that database is:
//!
//! ```text
//! # envs/.env.development
//! DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://postgres:${POSTGRES_PASSWORD}@localhost:5432/rpa_db
//! ```
//!
//! ```sql
//! -- migrations/rpa_db/V001__Create_job.sql
//! CREATE TABLE job (id BIGINT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'new');
//! ```
//!
//! # A first program
//!
//! ```no_run
//! use batchdb::{DatabaseManager, params};
//!
//! fn main() -> batchdb::Result<()> {
//!     batchdb::init_logging();
//!     let db = DatabaseManager::new("rpa_db")?; // settings are read and checked, nothing is connected
//!     db.run_migrations()?; // V001 now, nothing the next time
//!     db.execute(
//!         "INSERT INTO job (id, name) VALUES (:id, :name) ON CONFLICT (id) DO NOTHING",
//!         params! { id: 1, name: "nightly" },
//!     )?;
//!     for row in db.execute_query("SELECT id, name FROM job WHERE state = :state", params! { state: "new" })? {
//!         println!("{} {}", row.get::<i64>("id")?, row.get::<String>("name")?);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Run it with `POSTGRES_PASSWORD=… cargo run`. The PostgreSQL server needs an empty database `rpa_db`. A missing or
//! misspelled setting is an error before anything runs; the error names the key, the file and the nearest valid key.
//! With the feature `cli`, the command `batchdb check` reports the same without a program, and shows the settings in
//! force.
//!
//! # A job
//!
//! A job reads records, processes them in parallel and writes the results. Here the records come from a second
//! database, an SQLite file. That needs the feature `odbc` in `Cargo.toml` (a default feature), two lines in the
//! settings, and a table for the results:
//!
//! ```text
//! # envs/.env.development
//! DEVELOPMENT_GLOBAL_SURVEYHUB_TYPE=odbc
//! DEVELOPMENT_GLOBAL_SURVEYHUB_CONNECTION_STRING="Driver=SQLite3;Database=survey_hub.sqlite;"
//! ```
//!
//! ```sql
//! -- migrations/rpa_db/V002__Create_survey_score.sql
//! CREATE TABLE survey_score (survey_id BIGINT PRIMARY KEY, score BIGINT NOT NULL);
//! ```
//!
//! `make demo ARGS="--keep /path/of/the/folder"`, run in batchdb's folder, leaves such a `survey_hub.sqlite` there.
//! (For a mistyped path SQLite creates an empty database; `NoCreat=1;` at the end of the string makes that an error.)
//! Whatever happens to the job, the next run writes what is missing:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, MapOptions, Result, Row, map_tasks, params};
//!
//! fn score(row: &Row) -> Result<i64> {
//!     Ok(row.get::<String>("response_data")?.len() as i64)
//! }
//!
//! fn main() -> Result<()> {
//!     batchdb::init_logging();
//!     let hub = DatabaseManager::new("SurveyHub")?;
//!     let rpa = DatabaseManager::new("rpa_db")?;
//!     rpa.run_migrations()?;
//!
//!     let todo = hub.execute_query(
//!         "SELECT survey_id, response_data FROM survey_responses WHERE processed = :p",
//!         params! { p: 0 },
//!     )?;
//!     let options = MapOptions::new("survey-{survey_id}").workers(8).retries(2);
//!     let results = map_tasks(todo, options, |row: &Row| -> Result<()> {
//!         let (id, score) = (row.get::<i64>("survey_id")?, score(row)?);
//!         // One statement, and harmless when it is done twice: that is what a task with retries should be.
//!         rpa.execute(
//!             "INSERT INTO survey_score (survey_id, score) VALUES (:id, :score) ON CONFLICT (survey_id) DO NOTHING",
//!             params! { id: id, score: score },
//!         )?;
//!         Ok(())
//!     });
//!     println!("{:?}", results.counts()); // every survey has a record, whatever became of it
//!     results.into_values()?; // an error when one did not complete
//!     Ok(())
//! }
//! ```
//!
//! Each result is committed as soon as it is computed, one failure does not stop the other tasks, and a result that was
//! written before is not written again. It is computed again, though: if that is expensive, mark what is done, or
//! [claim](super::replicas#all-at-once) the rows. The example `concurrent_survey` is this job with a progress bar,
//! stages and a summary; `make demo` runs it.
//!
//! # Where to go from here
//!
//! * [Settings](super::settings): precedence, secrets, connection strings.
//! * [Queries](super::queries), [transactions and retries](super::transactions_and_retry),
//!   [deadlines](super::deadlines).
//! * [Parallel tasks](super::map_tasks) and [several replicas](super::replicas).
//! * [Testing](super::testing) your program, on a real server that starts in 1 to 5 seconds.
//! * [Monitoring](super::monitoring) and [Kubernetes](super::kubernetes).
//! * Something went wrong? [Troubleshooting](super::troubleshooting) has a section for each kind of error.
