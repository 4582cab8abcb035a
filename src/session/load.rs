//! The door for mass loads, which are no statements of the caller's.

use super::{Session, to_be_logged};
use crate::backend::Connection;
use crate::deadline::Budget;
use crate::error::{Error, ErrorKind, Result};

impl Session<'_> {
    /// Has the connection do one step of a mass load: refused where the settings say so, its errors named, logged.
    pub(crate) fn load_step(
        &mut self,
        operation: &'static str,
        step: impl FnOnce(&mut dyn Connection, Budget) -> Result<u64>,
    ) -> Result<u64> {
        let started = to_be_logged();
        self.lease.note(operation);
        let outcome = if self.settings.read_only {
            Err(Error::new(ErrorKind::ReadOnly, "the database is read-only by its settings (READ_ONLY)"))
        } else {
            let budget = self.budget();
            self.lease.connection().and_then(|connection| step(connection, budget))
        };
        self.end(operation, started, outcome)
    }
}
