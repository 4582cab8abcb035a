//! skeleton
use crate::{
    backend::{Connection, Connector},
    deadline::Deadline,
    error::Result,
    settings::{OdbcTarget, Settings},
};
use std::sync::Arc;
pub(super) struct OdbcConnector;
impl OdbcConnector {
    pub(super) fn new(_target: &OdbcTarget, _settings: &Settings) -> Result<Self> {
        Ok(Self)
    }
}
impl Connector for OdbcConnector {
    fn connect(&self, _: Deadline) -> Result<Box<dyn Connection>> {
        todo!()
    }
}
