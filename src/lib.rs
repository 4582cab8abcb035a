//! Blocking PostgreSQL and SQL Server access for batch programs: pools, named parameters, transactions, deadlines,
//! retries, migrations from SQL files, health checks, and parallel tasks on threads. No async anywhere.
//!
//! ```no_run
//! use batchdb::{DatabaseManager, MapOptions, Result, Row, map_tasks, params};
//!
//! fn score(row: &Row) -> Result<(i64, i64)> {
//!     Ok((row.get("survey_id")?, row.get::<String>("response_data")?.len() as i64))
//! }
//!
//! let hub = DatabaseManager::new("SurveyHub")?;
//! let rpa = DatabaseManager::new("rpa_db")?;
//! rpa.run_migrations()?;
//!
//! let sql = "SELECT survey_id, response_data FROM survey_responses WHERE processed = :p";
//! let todo = hub.execute_query(sql, params! { p: 0 })?;
//! let scores = map_tasks(todo, MapOptions::new("score-{survey_id}").workers(8), score).into_values()?;
//!
//! let records = scores.into_iter().map(|(id, score)| params! { id: id, score: score });
//! rpa.execute_many("INSERT INTO survey_score (survey_id, score) VALUES (:id, :score)", records)?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Where the databases are is read from the file `envs/.env.{environment}` or from the process environment: see
//! [`Settings`] and the guide's page on [settings](guide::settings).
//!
//! * A call returns by its deadline, whatever the server does.
//! * `Ok` means done. An outcome that cannot be known is [`ErrorKind::OutcomeUnknown`]. Nothing is applied twice by the
//!   library itself.
//! * Every borrowed connection is a clean session, and a pool heals after an outage.
//! * No password and no value of yours appears in a log line, in `Debug` output, or in the `Display` of an [`Error`].
//!
//! New here? Start with [getting started](guide::getting_started) in the [`guide`]. The README lists the limits of
//! these promises.
//!
//! # Features
//!
//! On by default: `postgres`, `odbc` and `signals` ([`CancelToken::on_signals`]). With `postgres` alone ODBC is not
//! needed. Off by default: `testing` (`testing::MockDatabase`, `testing::EmbeddedPostgres` and more), `cli` (the
//! command `batchdb`), `monitor` (a [page, metrics and probes](Monitor) over HTTP).
#![warn(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(
    not(any(feature = "postgres", feature = "odbc")),
    allow(dead_code, unused_imports, reason = "without a backend nothing can be run, only described")
)]

mod advisory;
mod backend;
mod builder;
mod bulk;
mod cancel;
mod claim;
mod context;
mod deadline;
mod dialect;
mod doctor;
mod embedded;
mod engine;
mod error;
#[cfg(feature = "testing")]
mod fault;
pub mod guide;
mod health;
mod lock;
mod log_line;
mod logging;
mod manager;
mod many;
mod metrics;
mod migrate;
#[cfg(feature = "monitor")]
mod monitor;
mod params;
mod pool;
mod retry;
mod row;
mod session;
mod settings;
mod sql;
mod tasks;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod transaction;
mod transfer;
mod value;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use crate::migrate::fuzzing;
pub use crate::{
    backend::Isolation,
    builder::DatabaseManagerBuilder,
    bulk::{BulkFailure, BulkOptions, BulkReport, IntoRow},
    cancel::CancelToken,
    claim::Claim,
    context::{with_cancel, with_flow},
    dialect::Dialect,
    doctor::{Diagnosis, DiagnosisStep, StepOutcome},
    embedded::EmbeddedMigrations,
    error::{Error, ErrorKind, Phase, Result},
    health::{
        DatabaseHealth, HealthReport, HealthStatus, MigrationHealth, Prerequisites, ServerHealth,
        database_health_check, health_check_all, health_check_of, validate_database_prerequisites,
    },
    lock::Lock,
    logging::{init_logging, init_logging_json},
    manager::{DatabaseManager, TimedQuery},
    migrate::{
        AppliedMigration, FindingKind, ForeignHistory, MigrationEvent, MigrationFinding, MigrationPlan,
        MigrationProgress, MigrationRecord, MigrationReport, MigrationState, MigrationStatus,
        MigrationValidation, Migrations, PlannedMigration, Repair, RepairReport, RepairedMigration,
    },
    params::{IntoParams, Params, record},
    pool::PoolStatus,
    retry::RetryPolicy,
    row::{ColumnIndex, Row},
    session::{Procedure, ProcedureResult, RowIter, Session},
    settings::{MigrateOnStart, Origin, SecretSource, Setting, Settings, TextParameters},
    tasks::{
        MapOptions, Progress, Stage, TaskError, TaskRecord, TaskResults, TaskState, TaskStream, ThreeStages,
        TwoStages, map_stream, map_tasks, stage, try_map_stream,
    },
    telemetry::{DatabaseMetrics, ErrorCount, LastError, Metrics, OperationMetrics, ProcessMetrics, metrics},
    transaction::{Transaction, TransactionOptions},
    transfer::{CsvFormat, ExportOptions, ImportOptions, copy_query, copy_table},
    value::{FromValue, Interval, Text, Value},
};

#[doc(hidden)]
pub use batchdb_macros::files_of as __files_of;

#[cfg(feature = "monitor")]
pub use crate::monitor::Monitor;

/// The README's program is compiled with the examples of this documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
