//! Blocking PostgreSQL and SQL Server for batch programs.
#![warn(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(
    not(any(feature = "postgres", feature = "odbc")),
    allow(dead_code, unused_imports, reason = "without a backend nothing can be run, only described")
)]

mod backend;
mod builder;
mod context;
mod deadline;
mod dialect;
mod error;
mod health;
mod log_line;
mod logging;
mod manager;
mod migrate;
mod params;
mod pool;
mod row;
mod session;
mod settings;
mod sql;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod transaction;
mod value;

pub use crate::{
    backend::Isolation,
    builder::DatabaseManagerBuilder,
    context::with_flow,
    dialect::Dialect,
    error::{Error, ErrorKind, Phase, Result},
    health::{
        DatabaseHealth, HealthReport, HealthStatus, MigrationHealth, Prerequisites, database_health_check,
        health_check_all, health_check_of, validate_database_prerequisites,
    },
    logging::{init_logging, init_logging_json},
    manager::{DatabaseManager, TimedQuery},
    migrate::{AppliedMigration, MigrationReport, MigrationStatus},
    params::{IntoParams, Params, record},
    pool::PoolStatus,
    row::{ColumnIndex, Row},
    session::Session,
    settings::{MigrateOnStart, Settings},
    tasks::{
        MapOptions, Progress, Stage, TaskError, TaskRecord, TaskResults, TaskState, ThreeStages, TwoStages,
        map_tasks, stage,
    },
    transaction::{Transaction, TransactionOptions},
    value::{FromValue, Value},
};
