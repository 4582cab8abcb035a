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
mod params;
mod pool;
mod row;
mod session;
mod settings;
mod sql;
#[cfg(feature = "testing")]
pub mod testing;
