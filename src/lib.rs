//! Blocking PostgreSQL and SQL Server for batch programs.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod backend;
mod context;
mod deadline;
mod dialect;
mod error;
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
#[cfg(feature = "testing")]
pub mod testing;
mod tasks;
mod transaction;
mod value;

pub use crate::{
    backend::Isolation,
    context::with_flow,
    dialect::Dialect,
    error::{Error, ErrorKind, Phase, Result},
    logging::{init_logging, init_logging_json},
    manager::{DatabaseManager, TimedQuery},
    migrate::{AppliedMigration, MigrationReport, MigrationStatus},
    params::{IntoParams, Params, record},
    pool::PoolStatus,
    row::{ColumnIndex, Row},
    session::Session,
    tasks::{
        MapOptions, Progress, Stage, TaskError, TaskRecord, TaskResults, TaskState, ThreeStages, TwoStages,
        map_tasks, stage,
    },
    transaction::{Transaction, TransactionOptions},
    value::{FromValue, Value},
};
