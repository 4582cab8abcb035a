//! Blocking PostgreSQL and SQL Server for batch programs.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod backend;
mod context;
mod deadline;
mod dialect;
mod error;
mod params;
mod row;
mod settings;
mod sql;
mod value;

pub use crate::{
    backend::Isolation,
    context::with_flow,
    dialect::Dialect,
    error::{Error, ErrorKind, Phase, Result},
    params::{IntoParams, Params, record},
    row::{ColumnIndex, Row},
    settings::{MigrateOnStart, Settings},
    value::{FromValue, Value},
};
