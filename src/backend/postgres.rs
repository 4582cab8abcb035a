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
