//! One runner at a time: a lock of the session, held around a whole run.
//!
//! Behind a pooler that hands the server's sessions around by transaction it is weak; then the primary key of the
//! history still lets only one of two runners commit a version.

use crate::advisory::AdvisoryLock;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::migrate::history::History;
use crate::session::Session;

/// Runs `work` while the lock is held, and frees it whatever `work` returns.
///
/// # Errors
///
/// `Timeout(Lock)` when the lock was not free before `deadline`; it names the holder. Those of `work`.
pub(crate) fn hold<R>(
    session: &mut Session<'_>,
    history: &History,
    deadline: Deadline,
    work: impl FnOnce(&mut Session<'_>) -> Result<R>,
) -> Result<R> {
    // SQLite has no such lock: each migration claims the file for itself.
    let Some(lock) = lock_of(history) else { return work(session) };
    lock.acquire(session, deadline)?;
    let outcome = work(session);
    let why = match lock.release(session) {
        Ok(true) => return outcome,
        Ok(false) => "the session did not hold it any more; connect to the server itself, \
                      not through a pooler in transaction mode"
            .to_owned(),
        Err(error) => error.to_string(),
    };
    // The lock ends with the session. After a failure the session is often gone already.
    session.discard();
    if outcome.is_ok() {
        log::warn!("the lock of the migrations was not freed, the connection is closed: {why}");
    }
    outcome
}

fn lock_of(history: &History) -> Option<AdvisoryLock> {
    let seed = format!("batchdb migrations {}", history.table());
    AdvisoryLock::new(history.engine(), "the lock of the migrations".to_owned(), &seed, "batchdb-migrate-")
}

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
