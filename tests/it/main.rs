//! The tests of the whole, in one binary, so that they share one server.
#![allow(
    clippy::unwrap_used,
    reason = "a test that fails by `unwrap` says where and why, in its helpers too"
)]

mod bulk;
mod claim;
mod common;
mod copy;
mod deadline;
mod doctor;
mod faulty;
mod health;
mod hostile;
mod kubernetes;
mod lock;
mod many;
mod map_stream;
mod migrate;
mod mock;
mod monitor;
mod odbc;
mod pool;
mod query;
mod retry;
mod secrets;
mod shutdown;
mod stream;
mod telemetry;
mod test_database;
mod tidy;
mod tls;
mod transaction;
mod transfer;
mod types;
