<<<<<<< .merge_file_nPpgwP
//! PostgreSQL by the `postgres` crate, in the caller's thread, on a stream that can be cut.

mod abort;
mod cancel;
mod classify;
mod connect;
mod connection;
mod decode;
mod encode;
mod runtime;
mod statements;
mod tls;
mod verify;
mod watchdog;

pub(super) use connect::PostgresConnector;
=======
//! skeleton
use crate::{
    backend::{Connection, Connector},
    deadline::Deadline,
    error::Result,
    settings::{PostgresTarget, Settings},
};
use std::sync::Arc;
pub(super) struct PostgresConnector;
impl PostgresConnector {
    pub(super) fn new(_target: &PostgresTarget, _settings: &Settings) -> Result<Self> {
        Ok(Self)
    }
}
impl Connector for PostgresConnector {
    fn connect(&self, _: Deadline) -> Result<Box<dyn Connection>> {
        todo!()
    }
}
>>>>>>> .merge_file_hxidi6
