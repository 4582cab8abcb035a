//! Blocking PostgreSQL and SQL Server for batch programs.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod backend;
mod context;
mod deadline;
mod dialect;
mod error;
mod log_line;
mod logging;
mod params;
mod row;
mod settings;
mod sql;
mod tasks;
mod value;

pub use crate::{
    backend::Isolation,
    context::with_flow,
    dialect::Dialect,
    error::{Error, ErrorKind, Phase, Result},
    logging::{init_logging, init_logging_json},
    params::{IntoParams, Params, record},
    row::{ColumnIndex, Row},
    tasks::{
        MapOptions, Progress, Stage, TaskError, TaskRecord, TaskResults, TaskState, ThreeStages, TwoStages,
        map_tasks, stage,
    },
    value::{FromValue, Value},
};
