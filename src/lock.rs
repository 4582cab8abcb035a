//! Named locks, held by a connection of their own: one process of the whole cluster at a time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::advisory::{AdvisoryLock, Polled};
use crate::context;
use crate::deadline::Deadline;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::session::Session;

/// How long the server may take to say whether the lock is held, and to free it.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A lock that is held. It is passed to the closure of [`with_lock`](DatabaseManager::with_lock).
#[derive(Debug)]
pub struct Lock<'l, 's> {
    name: &'l str,
    lock: AdvisoryLock,
    session: Mutex<&'l mut Session<'s>>,
}

impl DatabaseManager {
    /// Runs `work` while holding the lock `name`. Only one caller can hold it on this database at a time, over all
    /// processes and machines; for example, to allow only one nightly run at a time.
    ///
    /// Waits at most `wait` for the lock, asking about four times a second. The lock is released when `work` returns,
    /// fails or panics, and by the server when the process dies. (When the machine dies, the server releases it when
    /// its TCP keepalive ends the session.)
    ///
    /// The lock belongs to a session of the server (`pg_try_advisory_lock`, `sp_getapplock`), so it uses one connection
    /// of the pool for as long as `work` runs. If that connection fails, the lock is lost, but `work` is not
    /// interrupted: call [`Lock::check`] before a step that must not be done twice. Behind a pooler in transaction mode
    /// such locks do not work: connect to the server directly. The lock is not reentrant: taking the same name again
    /// inside `work` waits until the timeout.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) in the phase `lock`, which names the holder; the error of `work`;
    /// [`LockLost`](ErrorKind::LockLost) when `work` returned `Ok`, but the lock was not held any more;
    /// [`Usage`](ErrorKind::Usage) for a database without such locks, such as SQLite; and those of
    /// [`session`](DatabaseManager::session).
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// db.with_lock("nightly-run", Duration::from_secs(60), |lock| {
    ///     db.execute("UPDATE job SET state = 'due' WHERE state = 'new'", ())?;
    ///     lock.check()?;
    ///     db.execute("DELETE FROM job WHERE state = 'done'", ())
    /// })?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn with_lock<R, E: From<Error>>(
        &self,
        name: &str,
        wait: Duration,
        work: impl FnOnce(&Lock<'_, '_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.without_deadline().session(|session| {
            let lock = named(session, name)?;
            let deadline = Deadline::after(Instant::now(), wait).earlier(context::deadline());
            lock.acquire(session, deadline).map_err(|error| told(error, self))?;
            hold(session, self, name, lock, work)
        })
    }

    /// As [`with_lock`](DatabaseManager::with_lock), but returns `None` at once if somebody else holds the lock.
    ///
    /// # Errors
    ///
    /// As [`with_lock`](DatabaseManager::with_lock), except the timeout.
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let done = db.try_lock("nightly-run", |_| db.execute("UPDATE job SET state = 'due'", ()))?;
    /// if done.is_none() {
    ///     println!("another replica is at it");
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn try_lock<R, E: From<Error>>(
        &self,
        name: &str,
        work: impl FnOnce(&Lock<'_, '_>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        self.without_deadline().session(|session| {
            let lock = named(session, name)?;
            if !lock.try_acquire(session).map_err(|error| told(error, self))? {
                return Ok(None);
            }
            hold(session, self, name, lock, work).map(Some)
        })
    }
}

impl<'s> Lock<'_, 's> {
    /// Lends the connection that holds the lock, to a holder that must not wait for another one.
    #[cfg(feature = "testing")]
    pub(crate) fn on_session<R>(&self, work: impl FnOnce(&mut Session<'s>) -> R) -> R {
        work(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Asks the server whether the lock is still held. It takes at most 5 s, and may be called from any thread.
    ///
    /// # Errors
    ///
    /// [`LockLost`](ErrorKind::LockLost) when it is not, or the connection has failed.
    pub fn check(&self) -> Result<()> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        in_own_time(&mut session, |session| match self.lock.is_held(session) {
            Ok(true) => Ok(()),
            Ok(false) => Err(lost(self.name)),
            Err(error) => Err(lost(self.name).with_source(error)),
        })
    }
}

fn named(session: &mut Session<'_>, name: &str) -> Result<AdvisoryLock> {
    let lock = Engine::of(session)?.and_then(|engine| {
        AdvisoryLock::new(
            engine,
            format!("the lock `{name}`"),
            &format!("batchdb lock {name}"),
            "batchdb-lock-",
        )
    });
    lock.ok_or_else(|| {
        Error::usage("this database has no locks by name; PostgreSQL and SQL Server do")
            .with_hint("take the lock on the database that the results are written to")
            .in_database(&session.settings().database)
    })
}

/// Runs `work` under a lock that was taken, and frees it.
fn hold<R, E: From<Error>>(
    session: &mut Session<'_>,
    db: &DatabaseManager,
    name: &str,
    lock: AdvisoryLock,
    work: impl FnOnce(&Lock<'_, '_>) -> Result<R, E>,
) -> Result<R, E> {
    log::debug!(database = db.name(); "holding the lock `{name}`");
    let held = Lock { name, lock, session: Mutex::new(session) };
    let outcome = work(&held);
    let Lock { lock, session, .. } = held;
    let session = session.into_inner().unwrap_or_else(PoisonError::into_inner);
    let freed = in_own_time(session, |session| match lock.release(session) {
        Ok(true) => Ok(()),
        Ok(false) => Err(lost(name)),
        Err(error) => Err(lost(name).with_source(error)),
    });
    let Err(lost) = freed.map_err(|lost| told(lost, db)) else { return outcome };
    session.discard();
    match outcome {
        Ok(_) => Err(lost.into()),
        Err(error) => {
            log::warn!("{lost}");
            Err(error)
        }
    }
}

/// The task's deadline and cancellation do not apply here: they must not leave a lock behind, or make one look lost.
fn in_own_time<R>(session: &mut Session<'_>, ask: impl FnOnce(&mut Session<'_>) -> R) -> R {
    let _apart = context::without_limits();
    let usual = session.set_limit(ANSWER_LIMIT);
    let answer = ask(session);
    session.set_limit(usual);
    answer
}

fn lost(name: &str) -> Error {
    Error::new(
        ErrorKind::LockLost,
        format!("the lock `{name}` was lost while the work went on: its connection failed, or a pooler gave it away"),
    )
    .with_hint("somebody else may have done the same work at the same time")
}

fn told(error: Error, db: &DatabaseManager) -> Error {
    error.during("with_lock").in_database(&db.settings().database)
}
