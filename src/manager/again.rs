//! Calls that are made again when they fail for a reason that may pass.

use std::time::{Duration, Instant};

use log::Level;

use super::{Call, DatabaseManager};
use crate::context;
use crate::error::{Error, Result};
use crate::log_line;
use crate::params::IntoParams;
use crate::retry::{RetryPolicy, Spent};
use crate::row::Row;
use crate::transaction::{Failed, Transaction, TransactionOptions};

impl DatabaseManager {
    /// The same handle for the rest of a call that began at `began`: with what is left of its limit on whole calls.
    pub(crate) fn for_the_rest(&self, began: Instant) -> DatabaseManager {
        DatabaseManager {
            whole: self.whole.map(|limit| limit.saturating_sub(began.elapsed())),
            ..self.clone()
        }
    }

    /// The other handle, with calls that end by this one's limit on whole calls and by `limit`.
    pub(crate) fn limited_as(&self, other: DatabaseManager, limit: Duration) -> DatabaseManager {
        DatabaseManager { whole: Some(self.whole.map_or(limit, |whole| whole.min(limit))), ..other }
    }

    /// Returns a handle that retries by `policy`, instead of by `RETRY_ATTEMPTS` and `RETRY_BUDGET`.
    ///
    /// It applies to the calls that retry: [`execute_query_with_retry`], [`execute_query_safe`], [`transaction`],
    /// [`transaction_with`] and [`execute_transaction`]. [`RetryPolicy::never`] turns their retries off.
    ///
    /// [`execute_query_with_retry`]: DatabaseManager::execute_query_with_retry
    /// [`execute_query_safe`]: DatabaseManager::execute_query_safe
    /// [`transaction`]: DatabaseManager::transaction
    /// [`transaction_with`]: DatabaseManager::transaction_with
    /// [`execute_transaction`]: DatabaseManager::execute_transaction
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use batchdb::{DatabaseManager, RetryPolicy};
    ///
    /// let patient = RetryPolicy::default().attempts(20).budget(Duration::from_secs(600));
    /// let db = DatabaseManager::new("rpa_db")?.with_retry(patient);
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[must_use]
    pub fn with_retry(&self, policy: RetryPolicy) -> DatabaseManager {
        DatabaseManager { retry: Some(policy), ..self.clone() }
    }

    /// Returns a handle for calls that do no harm when they happen twice. The calls that retry (see
    /// [`with_retry`](DatabaseManager::with_retry)) then also retry when it is not known whether they happened: after
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), or after a timeout during a write.
    ///
    /// ```no_run
    /// use batchdb::{DatabaseManager, params};
    ///
    /// let db = DatabaseManager::new("rpa_db")?;
    /// let sql = "INSERT INTO job (id) VALUES (:id) ON CONFLICT (id) DO NOTHING";
    /// db.idempotent().execute_query_with_retry(sql, params! { id: 7 })?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[must_use]
    pub fn idempotent(&self) -> DatabaseManager {
        DatabaseManager { idempotent: true, ..self.clone() }
    }

    /// Runs any statement and returns its rows; retries, after a wait, when the statement certainly did not happen: the
    /// server could not be reached, undid the statement in a deadlock, or was short of a resource. Queries that only
    /// read are also retried when the connection broke during the call.
    ///
    /// There are at most `RETRY_ATTEMPTS` (3) attempts in all, the last of which begins within `RETRY_BUDGET` (60 s). A
    /// write whose outcome is unknown is not retried, unless the handle is [`idempotent`](DatabaseManager::idempotent).
    /// The usual limits apply to each attempt; [`with_deadline`](DatabaseManager::with_deadline) limits all attempts
    /// and waits together.
    ///
    /// # Errors
    ///
    /// That of the last attempt, as [`execute_query`](DatabaseManager::execute_query).
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let open = db.execute_query_with_retry("SELECT id FROM job WHERE state = 'new'", ())?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_query_with_retry(&self, sql: &str, params: impl IntoParams) -> Result<Vec<Row>> {
        let params = params.into_params();
        self.again(
            self.call(),
            "execute_query_with_retry",
            |call| self.session_for(call, |session| session.execute_query(sql, params.clone())),
            |error| Some(error),
        )
    }

    /// [`execute_query_with_retry`](DatabaseManager::execute_query_with_retry) if `retry_on_failure` is true, else
    /// [`execute_query`](DatabaseManager::execute_query).
    ///
    /// # Errors
    ///
    /// As the two.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let sql = "INSERT INTO processed_surveys (survey_id, status) VALUES (:survey_id, :status)";
    /// db.execute_query_safe(sql, params! { survey_id: 7, status: "completed" }, true)?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_query_safe(
        &self,
        sql: &str,
        params: impl IntoParams,
        retry_on_failure: bool,
    ) -> Result<Vec<Row>> {
        if retry_on_failure {
            self.execute_query_with_retry(sql, params)
        } else {
            self.execute_query(sql, params)
        }
    }

    /// Runs several statements in one transaction and returns the rows of each. It retries as a whole, like
    /// [`transaction`](DatabaseManager::transaction); for that, the statements are collected before the first one runs.
    ///
    /// # Errors
    ///
    /// As [`execute_query`](DatabaseManager::execute_query); the message names the statement, counted from 1. None of
    /// the statements is kept then.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// db.execute_transaction([
    ///     ("INSERT INTO orders (customer_id, amount) VALUES (:id, :amount)", params! { id: 1, amount: 100 }),
    ///     ("UPDATE customers SET last_order = now() WHERE id = :id", params! { id: 1 }),
    /// ])?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_transaction<S: AsRef<str>, P: IntoParams>(
        &self,
        statements: impl IntoIterator<Item = (S, P)>,
    ) -> Result<Vec<Vec<Row>>> {
        let statements: Vec<_> =
            statements.into_iter().map(|(sql, params)| (sql, params.into_params())).collect();
        self.transaction(|tx| {
            let run = |(place, (sql, params)): (usize, &(S, _))| {
                tx.execute_query(sql.as_ref(), Result::clone(params))
                    .map_err(|error| error.at(format_args!("statement {}", place + 1)))
            };
            statements.iter().enumerate().map(run).collect()
        })
    }

    /// Runs `work` in a transaction: commits when it returns `Ok`, rolls back when it returns `Err` or
    /// panics. `Ok` means that the server has committed.
    ///
    /// If the database undid the transaction for a transient reason (a deadlock, a serialization failure, a connection
    /// that broke before the commit), or could not be reached, `work` **runs again from the beginning**, by the
    /// handle's [`RetryPolicy`]. Its changes in the database have been undone by then; what it did elsewhere, to a
    /// variable or a file, happens again. An error of your own, or a panic, is not retried. For work that must run at
    /// most once use [`transaction_once`](DatabaseManager::transaction_once).
    ///
    /// # Errors
    ///
    /// The error of `work`, or of beginning and committing. [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when
    /// the connection broke after the commit was sent: that is retried only on an
    /// [`idempotent`](DatabaseManager::idempotent) handle; [`settle_commit`](TransactionOptions::settle_commit) finds
    /// out what happened.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, Error, params};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let moved = db.transaction(|tx| {
    ///     tx.execute("UPDATE account SET sum = sum - 5 WHERE id = :id", params! { id: 1 })?;
    ///     tx.execute("UPDATE account SET sum = sum + 5 WHERE id = :id", params! { id: 2 })
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn transaction<R, E: From<Error>>(
        &self,
        work: impl FnMut(&mut Transaction<'_, '_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.transaction_with(TransactionOptions::new(), work)
    }

    /// As [`transaction`](DatabaseManager::transaction), with an isolation level, in read-only mode, or with
    /// [`settle_commit`](TransactionOptions::settle_commit).
    ///
    /// # Errors
    ///
    /// As [`transaction`](DatabaseManager::transaction).
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, Error, Isolation, TransactionOptions};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let options = TransactionOptions::new().isolation(Isolation::Serializable).settle_commit();
    /// db.transaction_with(options, |tx| tx.execute("UPDATE counter SET n = n + 1", ()))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn transaction_with<R, E: From<Error>>(
        &self,
        options: TransactionOptions,
        mut work: impl FnMut(&mut Transaction<'_, '_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let attempt = |call| {
            self.session_for(call, |session| session.try_transaction(options, &mut work))
                .or_else(|failed| self.settle(failed, call))
        };
        self.again(self.call(), "transaction", attempt, Failed::cause).map_err(Failed::into_error)
    }

    /// Runs `work` in a transaction at most once, without retries. With options: `db.session(|session|
    /// session.transaction_with(options, work))`.
    ///
    /// # Errors
    ///
    /// As [`transaction`](DatabaseManager::transaction).
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let records = vec![params! { id: 1 }, params! { id: 2 }];
    /// // The records are moved into the closure, which therefore can run only once.
    /// db.transaction_once(move |tx| tx.execute_many("INSERT INTO job (id) VALUES (:id)", records))?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn transaction_once<R, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Transaction<'_, '_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.session(|session| session.transaction(|tx| work(tx)))
    }

    /// Makes a call until it succeeds, fails for good, the policy or the deadline allows no further attempt, or the
    /// program is told to stop. `cause` extracts the database's error from a failure.
    fn again<R, F>(
        &self,
        call: Call,
        operation: &'static str,
        mut attempt: impl FnMut(Call) -> Result<R, F>,
        cause: impl Fn(&F) -> Option<&Error>,
    ) -> Result<R, F> {
        let started = Instant::now();
        let policy = self.retry.as_ref().unwrap_or(&self.settings.retry);
        let mut number = 0_u32;
        loop {
            number += 1;
            let failure = match attempt(call) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let now = Instant::now();
            let spent = Spent {
                attempt: number,
                elapsed: now - started,
                left: call.whole.earlier(context::deadline()).left(now),
            };
            let Some(error) = cause(&failure) else { return Err(failure) };
            let Some(wait) = policy.next(spent, error, self.idempotent, fastrand::f64()) else {
                return Err(failure);
            };
            let kind = error.kind();
            let fields = [
                ("database", self.name().into()),
                ("operation", operation.into()),
                ("attempt", number.into()),
                ("kind", log::kv::Value::from_display(&kind)),
                ("wait_ms", log_line::milliseconds(wait).into()),
            ];
            log_line::event(Level::Warn, "failed, and is tried again", &fields);
            self.recorder().count_retry();
            if !context::pause(wait) {
                return Err(failure);
            }
        }
    }
}
