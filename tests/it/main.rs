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
mod health_sqlserver;
mod hostile;
mod kubernetes;
mod lock;
mod login;
mod many;
mod map_stream;
mod migrate;
mod mock;
mod monitor;
mod odbc;
mod pool;
mod query;
mod quoting;
mod retry;
mod secrets;
mod shutdown;
mod stream;
#[allow(dead_code, reason = "of all that the scripted server can do, some is asked for here")]
#[path = "../faults/tds.rs"]
mod tds;
mod telemetry;
mod test_database;
mod tidy;
mod tls;
mod transaction;
mod transfer;
mod types;
