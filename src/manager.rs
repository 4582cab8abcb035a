//! The façade: one handle per database, cheap to clone, blocking.
//!
//! It does not know that migrations, health checks and fan-outs exist; they extend it from outside.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{self, Context};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::metrics::Recorder;
use crate::params::{IntoParams, Params};
use crate::pool::{self, PoolHandle, PoolStatus, pool_for};
use crate::retry::RetryPolicy;
use crate::row::Row;
use crate::session::{Procedure, ProcedureResult, Session};
use crate::settings::Settings;

mod again;
mod settle;

/// What runs when a pool is used for the first time.
pub(crate) type FirstUseHook = fn(&DatabaseManager) -> Result<()>;

/// Blocking access to one database.
///
/// A cheap handle: clones, and handles made anew for the same database and settings, share one pool in
/// the process. Nothing connects before the first use.
///
/// ```no_run
/// use batchdb::{DatabaseManager, params};
///
/// let db = DatabaseManager::new("rpa_db")?;
/// let todo = db.execute_query("SELECT id, name FROM job WHERE state = :state", params! { state: "new" })?;
/// for job in &todo {
///     println!("{} {}", job.get::<i64>("id")?, job.get::<String>("name")?);
/// }
/// # Ok::<(), batchdb::Error>(())
/// ```
///
/// # Limits
///
/// Each statement ends by `TIMEOUT`, waiting for a connection by `POOL_TIMEOUT`, connecting by
/// `CONNECT_TIMEOUT`. [`with_deadline`](DatabaseManager::with_deadline) limits whole calls. Inside a task of a
/// fan-out the task's own deadline shortens them all.
#[derive(Debug, Clone)]
pub struct DatabaseManager {
    handle: PoolHandle,
    /// The handle's own: two handles may share a pool and limit their statements differently.
    settings: Arc<Settings>,
    hook: Option<FirstUseHook>,
    /// The limit on each whole call of this handle.
    whole: Option<Duration>,
    /// When calls are made again, where the handle has a rule of its own.
    retry: Option<RetryPolicy>,
    /// Calls may be made again although they may have happened.
    idempotent: bool,
}

/// One call of a handle, over all its attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// The end of the whole.
    pub(crate) whole: Deadline,
    /// Where the program made it, for warnings of leaks.
    place: &'static Location<'static>,
}

/// The result of [`execute_query_with_timing`](DatabaseManager::execute_query_with_timing).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimedQuery {
    /// The rows.
    pub results: Vec<Row>,
    /// How long the whole call took, in milliseconds to two places.
    pub execution_time_ms: f64,
    /// How many rows came.
    pub row_count: usize,
    /// Always `success`: an error is returned as one.
    pub status: &'static str,
}

impl DatabaseManager {
    /// The handle for checked settings. The hook runs before the first statement of the pool.
    pub(crate) fn with_settings(settings: Settings, hook: Option<FirstUseHook>) -> Result<DatabaseManager> {
        let settings = Arc::new(settings);
        let handle = pool_for(&settings)?;
        Ok(DatabaseManager { handle, settings, hook, whole: None, retry: None, idempotent: false })
    }

    /// The settings that the handle works by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The database's name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings().database
    }

    /// A handle whose calls each end by `limit`, from waiting for a connection to the last row.
    ///
    /// Without it only the single steps are limited, so that a long stream is not killed by `TIMEOUT`.
    /// Default: no limit on the whole.
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// use std::time::Duration;
    ///
    /// let quick = db.with_deadline(Duration::from_secs(2));
    /// quick.execute_query("SELECT 1", ())?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[must_use]
    pub fn with_deadline(&self, limit: Duration) -> DatabaseManager {
        DatabaseManager { whole: Some(limit), ..self.clone() }
    }

    /// A handle with one connection of its own, outside of the pool, which is closed with it.
    ///
    /// # Errors
    ///
    /// When the settings do not lead to a database. Nothing connects yet.
    pub(crate) fn apart(&self) -> Result<DatabaseManager> {
        self.apart_by(Settings::clone(&self.settings))
    }

    /// The same by other settings of the same database.
    ///
    /// # Errors
    ///
    /// As [`apart`](DatabaseManager::apart).
    pub(crate) fn apart_by(&self, settings: Settings) -> Result<DatabaseManager> {
        let handle = pool::apart(settings)?;
        let settings = Arc::clone(handle.pool().settings());
        Ok(DatabaseManager { handle, settings, hook: None, ..self.without_deadline() })
    }

    /// The same handle without the limit on whole calls.
    pub(crate) fn without_deadline(&self) -> DatabaseManager {
        DatabaseManager { whole: None, ..self.clone() }
    }

    /// Borrows one connection for several calls in a row.
    ///
    /// # Errors
    ///
    /// What `work` returns; what borrowing gives: [`Checkout`](crate::ErrorKind::Checkout) when no connection became
    /// free in `POOL_TIMEOUT`, [`Auth`](crate::ErrorKind::Auth), [`Connect`](crate::ErrorKind::Connect),
    /// [`Timeout`](crate::ErrorKind::Timeout), [`Closed`](crate::ErrorKind::Closed).
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let local = db.session(|session| {
    ///     session.execute("SET TIME ZONE 'Europe/Berlin'", ())?;
    ///     session.query_one("SELECT now()::text AS now", ())
    /// })?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn session<R, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.session_for(self.call(), work)
    }

    /// A session for one call, which begins at once: nothing of the program's comes in between, not even making the
    /// parameters, so that the clock is read once for both.
    #[track_caller]
    fn single<R>(
        &self,
        params: impl IntoParams,
        call: impl FnOnce(&mut Session<'_>, Result<Params>) -> Result<R>,
    ) -> Result<R> {
        let params = params.into_params();
        self.session(|session| {
            session.begin_at_once();
            call(session, params)
        })
    }

    /// A session whose use does not count as the first one: for what looks at the database's state.
    #[track_caller]
    pub(crate) fn session_without_hook<R, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.borrow(self.call(), work)
    }

    /// A call that begins now, and here.
    #[track_caller]
    pub(crate) fn call(&self) -> Call {
        let whole = self.whole.map_or(Deadline::NONE, |limit| Deadline::after(Instant::now(), limit));
        Call { whole, place: Location::caller() }
    }

    pub(crate) fn session_for<R, E: From<Error>>(
        &self,
        call: Call,
        work: impl FnOnce(&mut Session<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        if let Some(hook) = self.hook {
            self.handle.pool().first_use.once(call.whole, || {
                // What the first use does is part of the call that happens to be first, and ends with it.
                let deadline = call.whole.earlier(context::deadline());
                let _entered = context::enter(Context { deadline, ..context::current() });
                hook(self)
            })?;
        }
        self.borrow(call, work)
    }

    fn borrow<R, E: From<Error>>(
        &self,
        Call { whole, place }: Call,
        work: impl FnOnce(&mut Session<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let began = self.settings.audit.then(Instant::now);
        let lease = self.handle.pool().checkout(whole, place);
        let lease = lease
            .map_err(|error| error.during("checkout").in_database(&self.settings.database))
            .inspect_err(|error| Session::refused(&self.settings, self.recorder(), began, error))?;
        work(&mut Session::new(lease, &self.settings, whole))
    }

    /// Runs any statement and returns its rows; none where it returns none. A write is committed.
    ///
    /// # Errors
    ///
    /// [`Params`](crate::ErrorKind::Params) when names and values do not fit each other;
    /// [`Constraint`](crate::ErrorKind::Constraint), [`Syntax`](crate::ErrorKind::Syntax),
    /// [`Data`](crate::ErrorKind::Data), [`Permission`](crate::ErrorKind::Permission),
    /// [`Conflict`](crate::ErrorKind::Conflict) as the server refuses;
    /// [`Timeout`](crate::ErrorKind::Timeout), which names the phase;
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when the connection broke under a write;
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) for a write when `READ_ONLY` is set; and what
    /// [`session`](DatabaseManager::session) gives.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let rows = db.execute_query(
    ///     "SELECT id FROM job WHERE id IN (:ids) AND created < :day::date",
    ///     params! { ids: vec![1, 2, 3], day: "2026-01-05" },
    /// )?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_query(&self, sql: &str, params: impl IntoParams) -> Result<Vec<Row>> {
        self.single(params, |session, params| session.execute_query(sql, params))
    }

    /// Runs any statement and returns its rows with the time that it took.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query): an error is returned and not made part of the result.
    #[track_caller]
    pub fn execute_query_with_timing(&self, sql: &str, params: impl IntoParams) -> Result<TimedQuery> {
        let started = Instant::now();
        let results = self.execute_query(sql, params)?;
        let execution_time_ms = (started.elapsed().as_secs_f64() * 100_000.0).round() / 100.0;
        Ok(TimedQuery { execution_time_ms, row_count: results.len(), status: "success", results })
    }

    /// Runs any statement within `limit`, from waiting for a connection to the last row. When the limit
    /// passes the statement is cancelled on the server. Limits below a second are kept.
    ///
    /// # Errors
    ///
    /// [`Timeout`](crate::ErrorKind::Timeout), which names the phase that the limit passed in; else as
    /// [`execute_query`](DatabaseManager::execute_query).
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let limit = std::time::Duration::from_millis(200);
    /// assert!(db.execute_query_with_timeout("SELECT pg_sleep(60)", (), limit).is_err()); // after 0.2 s
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_query_with_timeout(
        &self,
        sql: &str,
        params: impl IntoParams,
        limit: Duration,
    ) -> Result<Vec<Row>> {
        self.with_deadline(limit).session(|session| {
            session.set_limit(limit);
            session.execute_query(sql, params)
        })
    }

    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query).
    #[track_caller]
    pub fn execute(&self, sql: &str, params: impl IntoParams) -> Result<u64> {
        self.single(params, |session, params| session.execute(sql, params))
    }

    /// Runs a query that must return exactly one row.
    ///
    /// # Errors
    ///
    /// [`RowCount`](crate::ErrorKind::RowCount) when there is none or more than one; else as
    /// [`execute_query`](DatabaseManager::execute_query).
    #[track_caller]
    pub fn query_one(&self, sql: &str, params: impl IntoParams) -> Result<Row> {
        self.single(params, |session, params| session.query_one(sql, params))
    }

    /// Runs a query that returns one row or none.
    ///
    /// # Errors
    ///
    /// [`RowCount`](crate::ErrorKind::RowCount) when there is more than one; else as
    /// [`execute_query`](DatabaseManager::execute_query).
    ///
    /// ```no_run
    /// # use batchdb::params;
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let name = db.query_opt("SELECT name FROM job WHERE id = :id", params! { id: 7 })?;
    /// println!("{:?}", name.map(|row| row.get::<String>("name")).transpose()?);
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn query_opt(&self, sql: &str, params: impl IntoParams) -> Result<Option<Row>> {
        self.single(params, |session, params| session.query_opt(sql, params))
    }

    /// Runs a query and reads each row as a `T`, a struct or a map, by serde. For one value: `query_one(…)?.get(0)?`.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) when a row does not fit `T`; else as
    /// [`execute_query`](DatabaseManager::execute_query).
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// #[derive(serde::Deserialize)]
    /// struct Job { id: i64, name: Option<String> }
    ///
    /// let jobs: Vec<Job> = db.query_as("SELECT id, name FROM job", ())?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn query_as<T: DeserializeOwned>(&self, sql: &str, params: impl IntoParams) -> Result<Vec<T>> {
        self.single(params, |session, params| session.query_as(sql, params))
    }

    /// Runs a query and hands its rows to `receive` one by one, in bounded memory. See
    /// [`Session::query_each`].
    ///
    /// # Errors
    ///
    /// What `receive` returns, [`Timeout`](crate::ErrorKind::Timeout) in the phase `fetch`; else as
    /// [`execute_query`](DatabaseManager::execute_query).
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, Error};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let mut sum = 0;
    /// db.query_each("SELECT amount FROM payment", (), |row| {
    ///     sum += row.get::<i64>("amount")?;
    ///     Ok::<_, Error>(true)
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn query_each<E: From<Error>>(
        &self,
        sql: &str,
        params: impl IntoParams,
        receive: impl FnMut(Row) -> Result<bool, E>,
    ) -> Result<u64, E> {
        self.session(|session| session.query_each(sql, params, receive))
    }

    /// Runs a statement that has several results, and returns the rows of each, in order.
    ///
    /// A result without columns (the count of an `UPDATE`) is none. What the server says on the way (`PRINT`,
    /// `RAISERROR` of a low severity) is written to the log at level `INFO` as it comes. On PostgreSQL a statement has
    /// one result at most.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query); an error in any of the results is the error of the whole.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("SurveyHub")?;
    /// let sets = db.query_sets("SELECT 1 AS a; SELECT :b AS b", params! { b: 2 })?;
    /// println!("{} results", sets.len());
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn query_sets(&self, sql: &str, params: impl IntoParams) -> Result<Vec<Vec<Row>>> {
        self.session(|session| session.query_sets(sql, params))
    }

    /// Calls a stored procedure of SQL Server or PostgreSQL by its name, with its parameters by theirs (without `@`).
    ///
    /// On SQL Server an output parameter comes back whether it was given a value or not; asking the server for its
    /// type takes a round trip, unless a [`Procedure`] says it. On PostgreSQL every output parameter must be given, as NULL where it takes none.
    ///
    /// # Errors
    ///
    /// As [`query_sets`](DatabaseManager::query_sets); [`Usage`](crate::ErrorKind::Usage) for another database; [`Syntax`](crate::ErrorKind::Syntax) where SQL Server shows no such procedure.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("SurveyHub")?;
    /// let closed = db.call_procedure("dbo.close_day", params! { day: "2026-01-05" })?;
    /// println!("{:?}, {} rows", closed.return_value, closed.outputs.get::<i64>("row_count")?);
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn call_procedure(
        &self,
        procedure: impl Into<Procedure>,
        params: impl IntoParams,
    ) -> Result<ProcedureResult> {
        self.session(|session| session.call_procedure(procedure, params))
    }

    /// Runs one statement once for each record, in one transaction: all or nothing. Returns how many rows
    /// were changed in all.
    ///
    /// A record is [`params!`](crate::params!), a [`Row`], a map, or a serde struct by [`record`](crate::record).
    ///
    /// A plain `INSERT INTO t (…) VALUES (…)` goes in statements of many rows, on PostgreSQL mostly by `COPY`, wherever that surely does what a loop
    /// does: values, parameters and functions that look at nothing else, at most `ON CONFLICT … DO NOTHING` behind them,
    /// and a table without triggers, rules and a foreign key to itself. (Two things may tell it from a loop: on SQLite a
    /// column's default that reads the clock gives the rows of one statement one time, and a default that reads the table
    /// does not see the rows before its own.) Anything else is one statement a record.
    ///
    /// It is attempted once, because the records are read as they come and are not kept. Where they can be had a second
    /// time, `db.transaction(|tx| tx.execute_many(sql, records.clone()))` is attempted again.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query); the text names the record, counted from 1. Nothing of
    /// the others stays.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let records = (1..=3).map(|id| params! { id: id, name: format!("job {id}") });
    /// db.execute_many("INSERT INTO job (id, name) VALUES (:id, :name)", records)?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_many<P: IntoParams>(
        &self,
        sql: &str,
        records: impl IntoIterator<Item = P>,
    ) -> Result<u64> {
        self.session(|session| session.execute_many(sql, records))
    }

    /// What the calls on the pool do.
    pub(crate) fn recorder(&self) -> &Recorder {
        self.handle.pool().recorder()
    }

    /// The state of the pool: its size, who uses it, who waits.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        self.handle.pool().status()
    }

    /// Whether the two take their connections from one pool that has no more than one of them.
    pub(crate) fn shares_its_only_connection_with(&self, other: &DatabaseManager) -> bool {
        Arc::ptr_eq(self.handle.pool(), other.handle.pool()) && self.handle.pool().capacity() < 2
    }

    /// Gives this handle up. When it is the last one of its pool in the process, the pool is closed at once;
    /// otherwise it stays open for the others. (A handle that is just dropped leaves the pool open for
    /// another 60 s.)
    pub fn close(self) {
        self.handle.close();
    }

    /// Closes the pool for all handles in the process: callers that wait get
    /// [`Closed`](crate::ErrorKind::Closed), connections in use are closed when they come back. Returns when they
    /// are, or after 5 s.
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }
}
