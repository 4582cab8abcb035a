//! The doors for many rows and many records: statements that were made elsewhere.

use std::time::Instant;

use super::Session;
use super::told::Call;
use crate::backend::{Connection, Rows};
use crate::context;
use crate::deadline::{Budget, Deadline};
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::sql::Statement;

/// The limit on the whole call, for a load that waits for somebody else's rows. Its steps look at it themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeLimit(Option<Deadline>);

impl WholeLimit {
    /// An error when it has passed, or the program was told to stop and its grace is over.
    pub(crate) fn check(self) -> Result<()> {
        let Some(whole) = self.0 else { return Ok(()) };
        let left = context::in_force(whole).left_for(Phase::Query, Instant::now());
        // What was loaded is rolled back.
        left.map(|_| ()).map_err(|late| late.with_effect(Effect::RolledBack))
    }
}

impl Session<'_> {
    /// The limit on the whole call; free to look at where there is none.
    pub(crate) fn whole_limit(&self) -> WholeLimit {
        let whole = self.budget().whole;
        WholeLimit((whole.at().is_some() || whole.shrinks()).then_some(whole))
    }

    /// Has the connection make ready for a load. It is told of only where it fails: the load is the call.
    pub(crate) fn prepare_load(
        &mut self,
        operation: &'static str,
        prepare: impl FnOnce(&mut dyn Connection, Budget) -> Result<()>,
    ) -> Result<()> {
        let call = Call::begin(operation).about(None, true);
        match self.loading(operation, prepare) {
            Ok(()) => Ok(()),
            Err(error) => self.end(call, Err(error)).map(|_| ()),
        }
    }

    /// Has the connection load, all rows or a chunk of them.
    pub(crate) fn load(
        &mut self,
        operation: &'static str,
        load: impl FnOnce(&mut dyn Connection, Budget) -> Result<u64>,
    ) -> Result<u64> {
        let call = Call::begin(operation).about(None, true);
        let outcome = self.loading(operation, load);
        self.end(call, outcome)
    }

    /// One step of a mass load: refused where the settings say so.
    fn loading<T>(
        &mut self,
        operation: &'static str,
        step: impl FnOnce(&mut dyn Connection, Budget) -> Result<T>,
    ) -> Result<T> {
        self.lease.note(operation);
        if self.settings.read_only {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                "the database is read-only by its settings (READ_ONLY)",
            ));
        }
        let budget = self.budget();
        step(self.lease.connection()?, budget)
    }

    /// Runs a statement that was compiled before, as one of a call's.
    pub(crate) fn run_bound(
        &mut self,
        operation: &'static str,
        statement: &Statement,
        rows: Rows<'_>,
    ) -> Result<u64> {
        let call = Call::begin(operation).about(Some(statement.source()), statement.traits.writes);
        self.lease.note(operation);
        let outcome = self.admit_compiled(statement).and_then(|()| self.run_admitted(statement, rows));
        self.end(call, outcome)
    }

    /// Whether records may go as the rows of one statement.
    pub(crate) fn takes_many_rows(&mut self) -> Result<bool> {
        Ok(self.lease.connection()?.takes_many_rows())
    }
}
