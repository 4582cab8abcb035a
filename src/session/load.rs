//! How mass loads and `execute_many` run their steps in a session.

use std::time::{Duration, Instant};

use super::Session;
use super::told::Call;
use crate::backend::{Connection, Rows};
use crate::context;
use crate::deadline::{Budget, Deadline};
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::params::IntoParams;
use crate::row::Row;
use crate::sql::{self, Statement};

/// The deadline of the whole call, for a load that waits for rows of the program's iterator. The steps of a load check
/// it themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeLimit(Option<Deadline>);

impl WholeLimit {
    /// Returns an error if the deadline has passed, or the grace period after a cancel is over.
    pub(crate) fn check(self) -> Result<()> {
        let Some(whole) = self.0 else { return Ok(()) };
        let left = context::in_force(whole).left_for(Phase::Query, Instant::now());
        // What was loaded is rolled back.
        left.map(|_| ()).map_err(|late| late.with_effect(Effect::RolledBack))
    }
}

impl Session<'_> {
    /// The deadline of the whole call; if there is none, checking it costs nothing.
    pub(crate) fn whole_limit(&self) -> WholeLimit {
        let whole = self.budget().whole;
        WholeLimit((whole.at().is_some() || whole.shrinks()).then_some(whole))
    }

    /// The limit on each statement.
    pub(crate) fn limit_of_each(&self) -> Duration {
        self.budget().each
    }

    /// Runs what is one call for the program, but several steps internally, and counts and logs it once; `written`
    /// gives the number of rows. Without a text it is a load, which writes.
    pub(crate) fn as_call<T, E>(
        &mut self,
        operation: &'static str,
        text: Option<&str>,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
        written: impl FnOnce(&Result<T, E>) -> Result<u64, &Error>,
    ) -> Result<T, E> {
        let call = Call::begin(operation);
        let call = text.map_or_else(|| call.about(None, true), |text| call.of_text(text));
        let outcome = work(self);
        call.end(self.settings, self.lease.recorder(), written(&outcome));
        outcome
    }

    /// Runs one step of a mass load on the connection, as a part of a call: refused with `READ_ONLY`, and with database
    /// and call added to its errors.
    pub(crate) fn load_step<T>(
        &mut self,
        operation: &'static str,
        step: impl FnOnce(&mut dyn Connection, Budget) -> Result<T>,
    ) -> Result<T> {
        self.lease.note(operation);
        let outcome = if self.settings.read_only {
            Err(Error::new(ErrorKind::ReadOnly, "the database is read-only by its settings (READ_ONLY)"))
        } else {
            let budget = self.budget();
            self.connection().and_then(|connection| step(connection, budget))
        };
        self.step_ended(operation, outcome)
    }

    /// Runs an already compiled statement, as a part of a call.
    pub(crate) fn run_bound(
        &mut self,
        operation: &'static str,
        statement: &Statement,
        rows: Rows<'_>,
    ) -> Result<u64> {
        self.lease.note(operation);
        let outcome = self.admit_compiled(statement).and_then(|()| self.run_admitted(statement, rows));
        self.step_ended(operation, outcome)
    }

    /// Asks the database something for our own sake, as a part of a call.
    pub(crate) fn ask(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl IntoParams,
    ) -> Result<Vec<Row>> {
        let statement = self.dialect().and_then(|dialect| sql::compile(sql, dialect, params.into_params()?));
        let statement = statement.map_err(|error| self.failed_by(error.during(operation)))?;
        let mut rows = Vec::new();
        self.run_bound(operation, &statement, Rows::Collect(&mut rows))?;
        Ok(rows)
    }

    fn step_ended<T>(&mut self, operation: &'static str, outcome: Result<T>) -> Result<T> {
        self.lease.used(Instant::now());
        outcome.map_err(|error| self.failed_by(error.during(operation)))
    }

    /// Whether several records may be sent as the rows of one statement.
    pub(crate) fn takes_many_rows(&mut self) -> Result<bool> {
        Ok(self.connection()?.takes_many_rows())
    }
}
