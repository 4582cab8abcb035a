//! Transactions and savepoints, ended on every way out.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::backend::{Begin, CommitMark, Isolation};
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;

/// How long a savepoint statement may take. They wait for nobody.
const SAVEPOINT_LIMIT: Duration = Duration::from_secs(5);

/// How a transaction runs. The default is the database's own.
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

    /// Has the server refuse writes, where it can. Default: writes are allowed.
    #[must_use]
    pub fn read_only(mut self) -> TransactionOptions {
        self.begin.read_only = true;
        self
    }

    /// Has a commit whose answer was lost looked up on a new connection, so that it is not
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) but done or undone. Default: no.
    ///
    /// It is for [`DatabaseManager::transaction_with`](crate::DatabaseManager::transaction_with) on PostgreSQL 13 and
    /// newer by its own protocol, and has no effect elsewhere: no other database can be asked. The transaction gets
    /// its number at its begin instead of at its first write, without a round trip more. The look-up may take as long as
    /// `TIMEOUT`. When it gets no answer, or one from another server or from a standby that took over, the outcome
    /// stays unknown.
    #[must_use]
    pub fn settle_commit(mut self) -> TransactionOptions {
        self.begin.settle = true;
        self
    }
}

/// An open transaction. All calls of [`Session`] work on it.
///
/// It is committed when the closure that was given it returns `Ok`, and rolled back when it returns `Err`
/// or panics. [`transaction`](Session::transaction) inside a transaction is a savepoint.
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

/// Why a transaction failed: what the database said, apart from what the closure made of it.
pub(crate) enum Failed<R, E> {
    /// The database, or the way to it: beginning, committing, borrowing a connection.
    Ours(Error),
    /// The answer to the commit did not come. With what the closure had returned.
    Unsettled { error: Error, mark: CommitMark, value: R },
    /// The closure, with what the database had said before, where that may not be said again.
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
    /// Runs `work` in a transaction: commits when it returns `Ok`, rolls back when it returns `Err` or
    /// panics. Inside a transaction it is a savepoint, and only what `work` did is rolled back; but a timeout, a cancel
    /// or a lost connection costs the connection, and ends the whole transaction.
    ///
    /// It is attempted once: what else the session had done would be gone with a connection that broke.
    ///
    /// # Errors
    ///
    /// What `work` returns, what beginning and committing give. See
    /// [`DatabaseManager::transaction`](crate::DatabaseManager::transaction).
    pub fn transaction<R, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_, 's>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.transaction_with(TransactionOptions::new(), work)
    }

    /// The same with an isolation level or read-only. Inside a transaction the options have no effect: a
    /// savepoint runs as its transaction does.
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

    /// The same outside of any transaction, and its failure with all that is known of it.
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
            // The commit was refused for the sake of an error that the closure had swallowed.
            (ErrorKind::Database, Some(doom), _) => Failed::Ours(error.with_effect(doom.effect())),
            _ => Failed::Ours(error),
        })
    }

    fn savepoint<R, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_, 's>) -> Result<R, E>,
    ) -> Result<R, E> {
        let dialect = self.dialect()?;
        // A name of ours: letters and a number, so there is nothing to quote.
        let name = format!("batchdb_{}", self.depth);
        self.run_own(&dialect.savepoint(&name), SAVEPOINT_LIMIT)?;
        let outcome = self.guarded(work).and_then(|value| {
            // What cannot be released has failed, whatever the closure says, and is undone like the rest.
            dialect.release(&name).map_or(Ok(()), |release| self.run_own(&release, SAVEPOINT_LIMIT))?;
            Ok(value)
        });
        if outcome.is_err() {
            if self.has_failed() {
                // The server has undone the whole, and there is nothing to send.
                self.discard();
                return outcome;
            }
            match self.run_own(&dialect.rollback_to(&name), SAVEPOINT_LIMIT) {
                // What was undone ends nothing any more.
                Ok(()) => self.forget_trouble(),
                Err(error) => {
                    // What the savepoint was to undo can no longer be undone alone: the whole goes.
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
