//! One runner at a time: a lock that is held around a whole run, and freed however its process ends.

mod sqlite;

use crate::advisory::{AdvisoryLock, Polled};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::manager::DatabaseManager;
use crate::migrate::history::History;
use crate::migrate::pooler;
use crate::session::Session;
use sqlite::FileLock;

/// Runs `work` while the lock is held, and frees it whatever `work` returns.
///
/// # Errors
///
/// `Timeout(Lock)` when the lock was not free before `deadline`; it names the holder. `Migration` behind a pooler that
/// leaves no session to the lock. Those of `work`.
pub(crate) fn hold<'s, R>(
    manager: &DatabaseManager,
    session: &mut Session<'s>,
    history: &History,
    deadline: Deadline,
    work: impl FnOnce(&mut Session<'s>) -> Result<R>,
) -> Result<R> {
    pooler::refuse(manager, history.engine(), session)?;
    let Some(lock) = lock_of(history) else {
        return match FileLock::of(session)? {
            Some(lock) => lock.hold(manager, deadline, || work(session)),
            // Nobody else has a database in memory.
            None => work(session),
        };
    };
    lock.acquire(session, deadline)?;
    let outcome = work(session);
    let usual = session.set_limit(manager.settings().timeout);
    let released = lock.release(session);
    session.set_limit(usual);
    let why = match released {
        Ok(true) => return outcome,
        Ok(false) => "the session did not hold it any more".to_owned(),
        Err(error) => error.to_string(),
    };
    // The lock ends with the session. After a failure the session is often gone already.
    session.discard();
    if outcome.is_ok() {
        log::warn!("the lock of the migrations was not freed, the connection is closed: {why}");
    }
    outcome
}

/// Whether somebody holds the lock now: where that cannot be told, nobody.
pub(crate) fn is_held(manager: &DatabaseManager, session: &mut Session<'_>, history: &History) -> bool {
    let held = match lock_of(history) {
        Some(lock) => lock.is_taken(session),
        None => FileLock::of(session).and_then(|lock| lock.map_or(Ok(false), |lock| lock.is_taken(manager))),
    };
    held.unwrap_or_else(|error| {
        let database = manager.name();
        log::debug!(database; "{database}: whether migrations are being run could not be told: {error}");
        false
    })
}

/// Asks whether the session holds the lock of its run still, after a file that may have freed it.
///
/// # Errors
///
/// `Migration`, when it does not: another runner may be at work.
pub(crate) fn still_held(session: &mut Session<'_>, history: &History, file: &str) -> Result<()> {
    match lock_of(history) {
        Some(lock) if !lock.is_held(session)? => Err(Error::migration(format!(
            "\"{file}\" has freed {TITLE}, and the files after it were not run"
        ))
        .with_hint("remove `DISCARD ALL`, or the call that frees all locks, from the file")),
        _ => Ok(()),
    }
}

fn lock_of(history: &History) -> Option<AdvisoryLock> {
    let seed = format!("batchdb migrations {}", history.table());
    AdvisoryLock::new(history.engine(), TITLE.to_owned(), &seed, "batchdb-migrate-")
}

/// How messages call it.
const TITLE: &str = "the lock of the migrations";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    #[test]
    fn each_schema_has_a_lock_of_its_own() {
        let lock = |schema| lock_of(&History::fake(Engine::Postgres, schema));
        assert!(lock("public").is_some());
        assert_eq!(lock("public"), lock("public"));
        assert_ne!(lock("public"), lock("other"));
    }
}
