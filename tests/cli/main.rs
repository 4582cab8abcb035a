//! The `batchdb` command as it is built, on a throw-away PostgreSQL and an SQLite file behind its ODBC driver.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that fails by `unwrap` says where and why, in its helpers too"
)]

mod bench;
mod check;
mod doctor;
mod health;
mod line;
mod migrate;
mod query;
mod source;
#[allow(dead_code, reason = "of all that the scripted server can do, some is asked for here")]
#[path = "../faults/tds.rs"]
mod tds;
mod transfer;
mod wait;
mod world;
