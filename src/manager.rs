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
/// A cheap handle: clones, and other handles with the same database and settings, share one pool in the process.
/// Nothing is connected before the first call.
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
/// `TIMEOUT` (30 s) limits each statement, `POOL_TIMEOUT` (30 s) the wait for a connection, `CONNECT_TIMEOUT` (10 s)
/// connecting. [`with_deadline`](DatabaseManager::with_deadline) limits whole calls. Inside a task of a fan-out the
/// task's timeout applies too.
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

    /// The settings that are in force for this handle.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The database's name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings().database
    }

    /// Returns a handle on the same pool whose calls each end within `limit`, retries and all waits included.
    ///
    /// Default: no limit on whole calls, only on each step: a long stream may take longer than `TIMEOUT`.
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

    /// Borrows one connection for several calls in a row, and returns what `work` returns.
    ///
    /// # Errors
    ///
    /// The error of `work`, or that of borrowing: [`Checkout`](crate::ErrorKind::Checkout) when no connection became
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

    /// Runs any statement and returns its rows; an empty list if it returns none. A write is committed.
    ///
    /// # Errors
    ///
    /// [`Params`](crate::ErrorKind::Params) when the parameters do not match the names or types in the statement;
    /// [`Constraint`](crate::ErrorKind::Constraint), [`Syntax`](crate::ErrorKind::Syntax),
    /// [`Data`](crate::ErrorKind::Data), [`Permission`](crate::ErrorKind::Permission),
    /// [`Conflict`](crate::ErrorKind::Conflict) when the server refuses the statement;
    /// [`Timeout`](crate::ErrorKind::Timeout), which names the phase;
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when the connection broke during a write;
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) for a write when `READ_ONLY` is set; and the errors of
    /// [`session`](DatabaseManager::session).
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

    /// Runs any statement and returns its rows, together with the time that the call took in milliseconds.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query); an error is returned, not made part of the result.
    #[track_caller]
    pub fn execute_query_with_timing(&self, sql: &str, params: impl IntoParams) -> Result<TimedQuery> {
        let started = Instant::now();
        let results = self.execute_query(sql, params)?;
        let execution_time_ms = (started.elapsed().as_secs_f64() * 100_000.0).round() / 100.0;
        Ok(TimedQuery { execution_time_ms, row_count: results.len(), status: "success", results })
    }

    /// Runs any statement within `limit`, which replaces `TIMEOUT` and counts from waiting for a connection to the last
    /// row. When it passes, the statement is cancelled on the server. It may be below a second.
    ///
    /// # Errors
    ///
    /// [`Timeout`](crate::ErrorKind::Timeout), which names the phase in which the limit passed; else as
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

    /// Runs a query and reads each row by serde as a `T`, a struct or a map. For one value: `query_one(…)?.get(0)?`.
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

    /// Runs a query and hands its rows to `receive` one by one, in bounded memory. `Ok(true)` asks for the next row,
    /// `Ok(false)` ends the query. Returns the number of rows handed over. See [`Session::query_each`].
    ///
    /// # Errors
    ///
    /// The error of `receive`; [`Timeout`](crate::ErrorKind::Timeout) in the phase `fetch`; else as
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
    /// A result without columns (the row count of an `UPDATE`) is left out. Messages of the server (`PRINT`,
    /// `RAISERROR` of a low severity) are logged at level `INFO` as they come. On PostgreSQL a statement has at most
    /// one result.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query); an error in any of the results fails the whole call.
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

    /// Calls a stored procedure of SQL Server or PostgreSQL, with its parameters by name (without `@`).
    ///
    /// On SQL Server all output parameters are returned, whether you pass a value for them or not. batchdb asks the
    /// server for their types, which takes a round trip, unless a [`Procedure`] states them. On PostgreSQL every output
    /// parameter must be passed, as NULL if it takes no value.
    ///
    /// # Errors
    ///
    /// As [`query_sets`](DatabaseManager::query_sets); [`Usage`](crate::ErrorKind::Usage) for other databases;
    /// [`Syntax`](crate::ErrorKind::Syntax) when SQL Server finds no such procedure.
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

    /// Runs one statement for each record, in one transaction: all or nothing. Returns the number of changed rows.
    ///
    /// A record is [`params!`](crate::params!), a [`Row`], a map, or a serde struct through [`record`](crate::record).
    ///
    /// A plain `INSERT INTO t (…) VALUES (…)` is sent as multi-row statements, on PostgreSQL mostly as `COPY`, if that
    /// certainly has the effect of a loop: `VALUES` holds only constants, parameters and functions that do not look at
    /// tables, at most `ON CONFLICT … DO NOTHING` follows, and the table has no triggers, no rules and no foreign key
    /// to itself. (Two differences remain: on SQLite a column default that reads the clock gives all rows of one
    /// statement the same time, and a default that reads the table does not see the rows before its own.) Anything else
    /// is sent as one statement per record.
    ///
    /// It is not retried, because the records are read as they come and are not kept. If you can produce them again,
    /// `db.transaction(|tx| tx.execute_many(sql, records.clone()))` retries.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query); the message names the record, counted from 1. None of the
    /// other records is kept.
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

    /// The state of the pool: its size, connections in use, waiting callers.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        self.handle.pool().status()
    }

    /// Whether the two take their connections from one pool that has no more than one of them.
    pub(crate) fn shares_its_only_connection_with(&self, other: &DatabaseManager) -> bool {
        Arc::ptr_eq(self.handle.pool(), other.handle.pool()) && self.handle.pool().capacity() < 2
    }

    /// Gives this handle up. If it is the last one of its pool in the process, the pool is closed at once; otherwise it
    /// stays open for the others. (When the last handle is only dropped, the pool stays open for another 60 s.)
    pub fn close(self) {
        self.handle.close();
    }

    /// Closes the pool for all handles in the process: waiting callers get [`Closed`](crate::ErrorKind::Closed), and
    /// connections in use are closed when they are returned. Waits until they are, for at most 5 s.
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }
}
