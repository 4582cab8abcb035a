//! Transactions and savepoints, ended on every way out.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::backend::{Begin, CommitMark, Isolation};
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;

/// How long a savepoint statement may take. Such statements never wait for a lock.
const SAVEPOINT_LIMIT: Duration = Duration::from_secs(5);

/// The isolation level and mode of a transaction. Default: the database's own.
///
/// ```
/// use batchdb::{Isolation, TransactionOptions};
///
/// let options = TransactionOptions::new().isolation(Isolation::Serializable).read_only();
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TransactionOptions {
    begin: Begin,
}

impl TransactionOptions {
    /// The database's defaults.
    #[must_use]
    pub fn new() -> TransactionOptions {
        TransactionOptions::default()
    }

    /// Sets the isolation level. Default: the database's.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> TransactionOptions {
        self.begin.isolation = Some(isolation);
        self
    }

    /// Makes the server refuse writes, if it can. Default: writes are allowed.
    #[must_use]
    pub fn read_only(mut self) -> TransactionOptions {
        self.begin.read_only = true;
        self
    }

    /// If the answer to the commit is lost, looks up on a new connection whether it was committed, instead of returning
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). Default: no.
    ///
    /// It works with [`DatabaseManager::transaction_with`](crate::DatabaseManager::transaction_with) on PostgreSQL 13
    /// and newer by its own protocol, and has no effect elsewhere, because no other database can be asked. The
    /// transaction is assigned its ID when it begins instead of at its first write, without another round trip. The
    /// look-up takes at most `TIMEOUT`. If it gets no answer, or an answer from another server or from a standby that
    /// took over, the outcome stays unknown.
    #[must_use]
    pub fn settle_commit(mut self) -> TransactionOptions {
        self.begin.settle = true;
        self
    }
}

/// An open transaction. It has all methods of [`Session`].
///
/// It is committed when its closure returns `Ok`, and rolled back when the closure returns `Err` or panics.
/// [`transaction`](Session::transaction) inside a transaction is a savepoint.
///
/// ```no_run
/// use batchdb::{DatabaseManager, Result, Transaction, params};
///
/// fn close(tx: &mut Transaction<'_, '_>, id: i64) -> Result<u64> {
///     tx.execute("INSERT INTO closed (job_id) VALUES (:id)", params! { id: id })?;
///     tx.execute("DELETE FROM job WHERE id = :id", params! { id: id })
/// }
///
/// let db = DatabaseManager::new("rpa_db")?;
/// assert_eq!(db.transaction(|tx| close(tx, 7))?, 1); // both, or neither
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Debug)]
pub struct Transaction<'t, 's> {
    session: &'t mut Session<'s>,
}

impl<'s> Deref for Transaction<'_, 's> {
    type Target = Session<'s>;

    fn deref(&self) -> &Session<'s> {
        self.session
    }
}

impl<'s> DerefMut for Transaction<'_, 's> {
    fn deref_mut(&mut self) -> &mut Session<'s> {
        self.session
    }
}

/// Why a transaction failed: the database's own error is kept apart from the error that the closure returned.
pub(crate) enum Failed<R, E> {
    /// The database, or the way to it: beginning, committing, borrowing a connection.
    Ours(Error),
    /// The answer to the commit did not come. `value` is what the closure had returned.
    Unsettled { error: Error, mark: CommitMark, value: R },
    /// The closure's error, and the first transient error of the database before it, if any.
    Theirs(E, Option<Error>),
}

impl<R, E> From<Error> for Failed<R, E> {
    fn from(error: Error) -> Failed<R, E> {
        Failed::Ours(error)
    }
}

impl<R, E: From<Error>> Failed<R, E> {
    /// What the database said.
    pub(crate) fn cause(&self) -> Option<&Error> {
        match self {
            Failed::Ours(error) | Failed::Unsettled { error, .. } => Some(error),
            Failed::Theirs(_, cause) => cause.as_ref(),
        }
    }

    /// What the caller is told.
    pub(crate) fn into_error(self) -> E {
        match self {
            Failed::Ours(error) | Failed::Unsettled { error, .. } => error.into(),
            Failed::Theirs(error, _) => error,
        }
    }
}

impl<'s> Session<'s> {
    /// Runs `work` in a transaction: commits when it returns `Ok`, rolls back when it returns `Err` or panics. Inside a
    /// transaction it is a savepoint, and only what `work` did is rolled back; but a timeout, a cancellation or a lost
    /// connection closes the connection and so ends the whole transaction.
    ///
    /// It is not retried, because a retry needs a new connection, and the state of this session would be lost.
    ///
    /// # Errors
    ///
    /// The error of `work`, or of beginning and committing. See
    /// [`DatabaseManager::transaction`](crate::DatabaseManager::transaction).
    pub fn transaction<R, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_, 's>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.transaction_with(TransactionOptions::new(), work)
    }

    /// As [`transaction`](Session::transaction), with an isolation level or in read-only mode. Inside a transaction the
    /// options have no effect: a savepoint runs as its transaction does.
    ///
    /// # Errors
    ///
    /// As [`transaction`](Session::transaction).
    pub fn transaction_with<R, E: From<Error>>(
        &mut self,
        options: TransactionOptions,
        work: impl FnOnce(&mut Transaction<'_, 's>) -> Result<R, E>,
    ) -> Result<R, E> {
        if self.depth > 0 {
            return self.savepoint(work);
        }
        self.try_transaction(options, work).map_err(Failed::into_error)
    }

    /// The same outside any transaction; the failure carries everything that is known about it.
    pub(crate) fn try_transaction<R, E>(
        &mut self,
        options: TransactionOptions,
        work: impl FnOnce(&mut Transaction<'_, 's>) -> Result<R, E>,
    ) -> Result<R, Failed<R, E>> {
        self.forget_trouble();
        self.begin(options.begin)
            .map_err(|error| error.during("transaction").in_database(&self.settings().database))?;
        let outcome = self.guarded(work);
        let doom = self.take_doom();
        let value = match outcome {
            Ok(value) => value,
            Err(error) => {
                self.rollback();
                self.forget_trouble();
                return Err(Failed::Theirs(error, doom));
            }
        };
        let committed = self.commit();
        self.forget_trouble();
        let Err(error) = committed else { return Ok(value) };
        Err(match (error.kind(), doom, self.commit_mark()) {
            (ErrorKind::OutcomeUnknown, _, Some(mark)) => Failed::Unsettled { error, mark, value },
            // The commit was refused because of an earlier error that the closure had ignored.
            (ErrorKind::Database, Some(doom), _) => Failed::Ours(error.with_effect(doom.effect())),
            _ => Failed::Ours(error),
        })
    }

    fn savepoint<R, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_, 's>) -> Result<R, E>,
    ) -> Result<R, E> {
        let dialect = self.dialect()?;
        // The name consists of letters and a number, so it needs no quotes.
        let name = format!("batchdb_{}", self.depth);
        self.run_own(&dialect.savepoint(&name), SAVEPOINT_LIMIT)?;
        let outcome = self.guarded(work).and_then(|value| {
            // If the release fails, the savepoint has failed, whatever the closure returned, and is rolled back.
            dialect.release(&name).map_or(Ok(()), |release| self.run_own(&release, SAVEPOINT_LIMIT))?;
            Ok(value)
        });
        if outcome.is_err() {
            if self.has_failed() {
                // The server has rolled back the whole transaction, so there is nothing to send.
                self.discard();
                return outcome;
            }
            match self.run_own(&dialect.rollback_to(&name), SAVEPOINT_LIMIT) {
                // The errors were undone with the savepoint, so later errors do not follow from them.
                Ok(()) => self.forget_trouble(),
                Err(error) => {
                    // The savepoint's work cannot be undone by itself any more, so the whole transaction ends.
                    self.warn(&format!("a savepoint could not be undone, the connection is closed: {error}"));
                    self.discard();
                }
            }
        }
        outcome
    }

    /// Runs `work` one level deeper; a panic in it costs the connection.
    fn guarded<R, E>(&mut self, work: impl FnOnce(&mut Transaction<'_, 's>) -> Result<R, E>) -> Result<R, E> {
        self.depth += 1;
        let mut open = Open { session: self, ended: false };
        let outcome = work(&mut Transaction { session: &mut *open.session });
        open.ended = true;
        outcome
    }
}

/// A transaction or savepoint under way. Dropped in a panic, it takes the connection with it, and the
/// server undoes what was not committed.
struct Open<'t, 's> {
    session: &'t mut Session<'s>,
    ended: bool,
}

impl Drop for Open<'_, '_> {
    fn drop(&mut self) {
        self.session.depth -= 1;
        if !self.ended {
            self.session.discard();
        }
    }
}
