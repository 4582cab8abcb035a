//! The doors for many rows and many records: statements that were made elsewhere.

use super::Session;
use super::told::Call;
use crate::backend::{Connection, Rows};
use crate::deadline::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Statement;

impl Session<'_> {
    /// Has the connection do one step of a mass load: refused where the settings say so, its errors named, logged.
    pub(crate) fn load_step(
        &mut self,
        operation: &'static str,
        step: impl FnOnce(&mut dyn Connection, Budget) -> Result<u64>,
    ) -> Result<u64> {
        let call = Call::begin(operation);
        self.lease.note(operation);
        let outcome = if self.settings.read_only {
            Err(Error::new(ErrorKind::ReadOnly, "the database is read-only by its settings (READ_ONLY)"))
        } else {
            let budget = self.budget();
            self.lease.connection().and_then(|connection| step(connection, budget))
        };
        self.end(call, outcome)
    }

    /// Runs a statement that was compiled before, as one of a call's.
    pub(crate) fn run_bound(
        &mut self,
        operation: &'static str,
        statement: &Statement,
        rows: Rows<'_>,
    ) -> Result<u64> {
        let call = Call::begin(operation);
        self.lease.note(operation);
        let outcome = self.admit_compiled(statement).and_then(|()| self.run_admitted(statement, rows));
        self.end(call, outcome)
    }

    /// Whether records may go as the rows of one statement.
    pub(crate) fn takes_many_rows(&mut self) -> Result<bool> {
        Ok(self.lease.connection()?.takes_many_rows())
    }
}
