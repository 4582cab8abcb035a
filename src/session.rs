//! One borrowed connection: compile, check, run, log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;
use serde::de::DeserializeOwned;

use self::told::Call;
use self::trouble::Trouble;
use crate::backend::{Begin, CommitMark, Connection, Listener, Rows};
use crate::context;
use crate::deadline::{Budget, Deadline};
use crate::dialect::Dialect;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::log_line;
use crate::metrics::Recorder;
use crate::params::{IntoParams, Params};
use crate::pool::Lease;
use crate::row::Row;
use crate::settings::Settings;
use crate::sql::{self, Statement};

mod load;

pub(crate) use load::WholeLimit;
mod procedure;
mod rows;
mod sets;
mod told;
mod trouble;

pub use procedure::{Procedure, ProcedureResult};
pub use rows::RowIter;

/// One connection, borrowed for several calls in a row.
///
/// Made by [`DatabaseManager::session`](crate::DatabaseManager::session). Every call commits by itself, unless it runs
/// in a [`transaction`](Session::transaction). What a call leaves in the session (a `SET`, a temporary table) lasts
/// until the session ends; then the connection is cleaned.
///
/// ```no_run
/// use batchdb::{DatabaseManager, params};
///
/// let db = DatabaseManager::new("rpa_db")?;
/// let due = db.session(|session| {
///     session.execute("CREATE TEMPORARY TABLE due (id bigint)", ())?;
///     session.execute_many("INSERT INTO due VALUES (:id)", (1..=1000).map(|id| params! { id: id }))?;
///     session.execute_query("SELECT job.* FROM job JOIN due USING (id)", ())
/// })?;
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Debug)]
pub struct Session<'a> {
    lease: Lease<'a>,
    settings: &'a Arc<Settings>,
    budget: Budget,
    /// 0 outside transactions, 1 in one, more in savepoints.
    pub(crate) depth: u32,
    trouble: Trouble,
}

impl<'a> Session<'a> {
    pub(crate) fn new(lease: Lease<'a>, settings: &'a Arc<Settings>, whole: Deadline) -> Session<'a> {
        let budget = Budget::new(settings.timeout, whole);
        Session { lease, settings, budget, depth: 0, trouble: Trouble::default() }
    }

    /// Counts and audits a call that began at `began` and got no connection.
    #[cold]
    pub(crate) fn refused(settings: &Settings, recorder: &Recorder, began: Option<Instant>, error: &Error) {
        recorder.count_checkout_error(error);
        if let Some(began) = began {
            Call::begun("checkout", began).audit(settings, began.elapsed(), Err(error));
        }
    }

    /// Which SQL the server speaks.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub(crate) fn dialect(&mut self) -> Result<Dialect> {
        Ok(self.connection()?.dialect())
    }

    /// The statements that set the session up when it was opened and whose effect `RESET ALL` takes back, each with its
    /// semicolon.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub(crate) fn opening(&mut self) -> Result<String> {
        Ok(self.connection()?.opening())
    }

    /// Changes the limit on each statement; returns the limit that it had.
    pub(crate) fn set_limit(&mut self, limit: Duration) -> Duration {
        std::mem::replace(&mut self.budget.each, limit)
    }

    /// The end of everything that is done in it.
    pub(crate) fn whole(&self) -> Deadline {
        self.budget().whole
    }

    /// The deadline of a step that starts now, the task's own deadline included.
    fn step(&self) -> Deadline {
        self.budget().step(Instant::now())
    }

    fn budget(&self) -> Budget {
        Budget::new(self.budget.each, self.budget.whole.earlier(context::deadline()))
    }

    /// The session is for a single call, which begins now: if taking the connection took no time, the clock need not be
    /// read again.
    pub(crate) fn begin_at_once(&mut self) {
        self.budget.began = self.lease.taken();
    }

    /// The front of every call: compiles, refuses what must not run here, runs, and logs without values.
    fn run(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl IntoParams,
        rows: Rows<'_>,
    ) -> Result<u64> {
        // Before the clock starts: it may be the program's own work.
        let params = params.into_params();
        let call = self.begin_call(operation, sql);
        let outcome = self.try_run(sql, params, rows, call.started);
        self.end(call, outcome.map(|count| (count, count)))
    }

    /// As [`run`](Session::run), for rows that are kept. `read` is part of the call: if it refuses the rows, the call
    /// has failed.
    fn read<T>(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl IntoParams,
        read: impl FnOnce(Vec<Row>) -> Result<T>,
    ) -> Result<T> {
        let params = params.into_params();
        let call = self.begin_call(operation, sql);
        let mut rows = Vec::new();
        let outcome = self.try_run(sql, params, Rows::Collect(&mut rows), call.started);
        let outcome = outcome.and_then(|count| Ok((count, read(rows)?)));
        self.end(call, outcome)
    }

    fn begin_call<'t>(&mut self, operation: &'static str, sql: &'t str) -> Call<'t> {
        self.lease.note(operation);
        let began = self.budget.began.take().unwrap_or_else(Instant::now);
        Call::begun(operation, began).of_text(sql)
    }

    fn try_run(&mut self, sql: &str, params: Result<Params>, rows: Rows<'_>, began: Instant) -> Result<u64> {
        let statement = self.admit(sql, params)?;
        let budget = Budget { began: Some(began), ..self.budget() };
        self.run_within(&statement, rows, budget)
    }

    fn run_admitted(&mut self, statement: &Statement, rows: Rows<'_>) -> Result<u64> {
        let budget = self.budget();
        self.run_within(statement, rows, budget)
    }

    fn run_within(&mut self, statement: &Statement, rows: Rows<'_>, budget: Budget) -> Result<u64> {
        let outcome = self.connection()?.run(statement, rows, budget);
        outcome.map_err(|error| in_part(error, self.depth == 0 && statement.traits.divisible))
    }

    /// Compiles a statement, and refuses what must not run here.
    fn admit(&mut self, sql: &str, params: impl IntoParams) -> Result<Statement> {
        let dialect = self.dialect()?;
        let statement = sql::compile(sql, dialect, params.into_params()?)?;
        self.admit_compiled(&statement)?;
        Ok(statement)
    }

    fn admit_compiled(&mut self, statement: &Statement) -> Result<()> {
        if statement.traits.transaction_control {
            return Err(Error::usage("transactions are not begun or ended by text")
                .with_hint("use `transaction(|tx| …)`, which ends them on every way out"));
        }
        if statement.traits.changes_quoting {
            return Err(Error::usage("standard_conforming_strings is not switched off by text")
                .with_hint("batchdb reads texts as if it were on; write E'…' for a string with escapes"));
        }
        if self.settings.read_only {
            self.refuse_writes(statement)?;
        }
        if statement.traits.leaves_traces {
            self.lease.mark_dirty();
        }
        Ok(())
    }

    fn refuse_writes(&mut self, statement: &Statement) -> Result<()> {
        if !statement.traits.may_write(self.connection()?.refuses_writes()) {
            return Ok(());
        }
        let error = Error::new(ErrorKind::ReadOnly, "the database is read-only by its settings (READ_ONLY)");
        if statement.traits.writes {
            return Err(error);
        }
        Err(error.with_hint(
            "it calls a function that may write, and this database would not refuse that by itself",
        ))
    }

    /// Adds database and operation to an error, and counts, logs and audits the call with its number of rows (the first
    /// of the pair).
    fn end<T>(&mut self, call: Call<'_>, outcome: Result<(u64, T)>) -> Result<T> {
        let outcome = outcome.map_err(|error| self.failed_by(error.during(call.operation)));
        let ended = call.end(self.settings, self.lease.recorder(), outcome.as_ref().map(|(rows, _)| *rows));
        self.lease.used(ended);
        outcome.map(|(_, result)| result)
    }

    /// Adds to an error the database and the earlier error that it follows from, and remembers it for later errors.
    #[cold]
    fn failed_by(&mut self, error: Error) -> Error {
        let error = self.trouble.explain(error.in_database(&self.settings.database));
        if self.depth > 0 {
            self.trouble.note(&error);
            self.settle_trouble();
        }
        error
    }

    /// Gives up a connection that was lost to an error that another attempt would meet again. Later calls must return this
    /// error, and not "connection lost", which would be retried.
    fn settle_trouble(&mut self) {
        if let Some(error) = self.trouble.take_lasting()
            && self.lease.connection().is_ok_and(|connection| connection.has_failed())
        {
            self.lease.give_up(&error);
        }
    }

    /// The connection, for every call. A stream borrows it, so that only the call after the stream can see whether the
    /// stream's error has closed it.
    ///
    /// # Errors
    ///
    /// When the connection is gone, and why.
    fn connection(&mut self) -> Result<&mut dyn Connection> {
        self.settle_trouble();
        self.lease.connection()
    }

    /// From here on, later errors do not follow from the earlier ones.
    pub(crate) fn forget_trouble(&mut self) {
        self.trouble.forget();
    }

    /// Takes the transient error that doomed the open transaction, if any: then it is worth another attempt.
    pub(crate) fn take_doom(&mut self) -> Option<Error> {
        self.trouble.take_doom()
    }

    /// Runs a statement and returns its rows; an empty list if it returns none.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::execute_query`](crate::DatabaseManager::execute_query).
    pub fn execute_query(&mut self, sql: &str, params: impl IntoParams) -> Result<Vec<Row>> {
        self.read("execute_query", sql, params, Ok)
    }

    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::execute`](crate::DatabaseManager::execute).
    pub fn execute(&mut self, sql: &str, params: impl IntoParams) -> Result<u64> {
        self.run("execute", sql, params, Rows::Ignore)
    }

    /// Runs a query that must return exactly one row.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RowCount`] when there is none or more than one; else as `execute_query`.
    pub fn query_one(&mut self, sql: &str, params: impl IntoParams) -> Result<Row> {
        self.read("query_one", sql, params, |rows| {
            let row = only(rows, "several rows came where exactly one was expected")?;
            row.ok_or_else(|| wrong_count("no row came where exactly one was expected"))
        })
    }

    /// Runs a query that returns one row or none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RowCount`] when there is more than one; else as `execute_query`.
    pub fn query_opt(&mut self, sql: &str, params: impl IntoParams) -> Result<Option<Row>> {
        let read = |rows| only(rows, "several rows came where at most one was expected");
        self.read("query_opt", sql, params, read)
    }

    /// Runs a query and reads each row by serde as a `T`, a struct or a map.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] when a row does not fit `T`, which names the row; else as `execute_query`.
    pub fn query_as<T: DeserializeOwned>(&mut self, sql: &str, params: impl IntoParams) -> Result<Vec<T>> {
        let read = |(place, row): (usize, &Row)| {
            row.read().map_err(|error: Error| error.at(format_args!("row {}", place + 1)))
        };
        self.read("query_as", sql, params, |rows| rows.iter().enumerate().map(read).collect())
    }

    /// Runs a text of several statements without parameters, such as a migration.
    pub(crate) fn run_script(&mut self, text: &str) -> Result<()> {
        let call = Call::begin("run_script").about(None, true);
        self.lease.mark_dirty();
        let deadline = self.step();
        let connection = sql::refuse_nul(text).and_then(|()| self.connection());
        let outcome = connection.and_then(|connection| connection.run_script(text, deadline));
        self.end(call, outcome.map(|()| (0, ())))
    }

    /// Sets who receives the messages of the server (notices, `PRINT`) from now on; `None` for nobody.
    pub(crate) fn listen(&mut self, listener: Option<Listener>) {
        // A connection that is gone says nothing any more.
        if let Ok(connection) = self.connection() {
            connection.listen(listener);
        }
    }

    /// Runs a statement of the library's own, even if `READ_ONLY` is set, with a time limit of its own.
    pub(crate) fn run_own(&mut self, sql: &str, limit: Duration) -> Result<()> {
        let dialect = self.dialect()?;
        let statement = sql::compile(sql, dialect, Params::new())?;
        let budget = self.budget().with_each(limit);
        let outcome = self.connection()?.run(&statement, Rows::Ignore, budget);
        outcome.map(|_| ()).map_err(|error| self.failed_by(error))
    }

    pub(crate) fn begin(&mut self, begin: Begin) -> Result<()> {
        let call = Call::begin("begin");
        let deadline = self.step();
        let outcome = self.connection().and_then(|connection| connection.begin(begin, deadline));
        // A `BEGIN` that succeeds is not counted as a call: the calls inside the transaction are.
        if outcome.is_err() {
            self.lease.discard();
            return self.end(call, outcome.map(|()| (0, ())));
        }
        Ok(())
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        let call = Call::begin("commit");
        let deadline = self.step();
        // Checked here, and not only by the backends: no time left means that nothing was sent, and an open transaction
        // must not stay in the session, where the next borrower's commit would commit it.
        let outcome = match deadline.left_for(Phase::Commit, Instant::now()) {
            Ok(_) => self.connection().and_then(|connection| connection.commit(deadline)),
            Err(late) => {
                self.rollback();
                Err(late.with_effect(Effect::RolledBack))
            }
        };
        self.end(call, outcome.map(|()| (0, ())))
    }

    /// The mark of the transaction that has just ended; see [`CommitMark`].
    pub(crate) fn commit_mark(&mut self) -> Option<CommitMark> {
        self.connection().ok()?.commit_mark()
    }

    /// Rolls back; a connection that cannot is closed, which has the same effect on the server.
    pub(crate) fn rollback(&mut self) {
        if self.has_failed() {
            return self.lease.discard();
        }
        // A rollback has a limit of its own, because the caller's limit has often just passed.
        let deadline = Deadline::after(Instant::now(), ROLLBACK_LIMIT);
        let outcome = self.connection().and_then(|connection| connection.rollback(deadline));
        if let Err(error) = outcome {
            self.warn(&format!("a rollback failed, the connection is closed: {error}"));
            self.lease.discard();
        }
    }

    /// Whether the connection has failed or was given up; then the server undoes the open transaction by itself.
    pub(crate) fn has_failed(&mut self) -> bool {
        self.connection().is_ok_and(|connection| connection.has_failed()) || self.lease.is_given_up()
    }

    pub(crate) fn count_migration(&self) {
        self.lease.recorder().count_migration();
    }

    /// Logs a warning about something that is not returned to the caller.
    pub(crate) fn warn(&self, message: &str) {
        log_line::event(Level::Warn, message, &[("database", (&*self.settings.database).into())]);
    }

    pub(crate) fn discard(&mut self) {
        self.lease.discard();
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        self.settings
    }
}

/// How long a rollback may take before the connection is closed instead.
const ROLLBACK_LIMIT: Duration = Duration::from_millis(250);

/// The row, where there is one.
fn only(mut rows: Vec<Row>, several: &'static str) -> Result<Option<Row>> {
    if rows.len() > 1 { Err(wrong_count(several)) } else { Ok(rows.pop()) }
}

fn wrong_count(message: &'static str) -> Error {
    Error::new(ErrorKind::RowCount, message)
}

/// Corrects the effect of a failed statement that may have committed a part of its work by itself (a procedure, a
/// batch): the server undid only the last part, so "rolled back" becomes "unknown".
fn in_part(error: Error, divisible: bool) -> Error {
    match error.effect() {
        Effect::RolledBack | Effect::Throttled if divisible => error.with_effect(Effect::Unknown),
        _ => error,
    }
}
