//! One runner at a time: a lock of the session, held around a whole run.
//!
//! It is polled, never waited for inside the server: a statement that waits for an advisory lock holds a
//! snapshot, and `CREATE INDEX CONCURRENTLY` of the holder would wait for that snapshot for ever. It
//! belongs to the session and to no transaction, for the same reason. A pooler that hands the server's
//! sessions around by transaction (PgBouncer) weakens it; then the primary key of the history still lets
//! only one of two runners commit a version.

use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::deadline::Deadline;
use crate::error::{Error, Phase, Result};
use crate::migrate::engine::Engine;
use crate::migrate::history::History;
use crate::params;
use crate::session::Session;

/// The time between two attempts, give or take a fifth, so that many runners do not ask in step.
const PAUSE: Duration = Duration::from_millis(250);

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
    let Some(lock) = Lock::of(history) else { return work(session) };
    lock.acquire(session, deadline)?;
    let outcome = work(session);
    if let Err(error) = lock.release(session) {
        // The lock ends with the session. After a failure the session is often gone already.
        session.discard();
        if outcome.is_ok() {
            log::warn!("the lock of the migrations was not freed, the connection is closed: {error}");
        }
    }
    outcome
}

/// The lock of one history.
#[derive(Debug, PartialEq, Eq)]
enum Lock {
    /// The key of an advisory lock. PostgreSQL keeps such locks apart by database.
    Postgres(i64),
    /// The resource of an application lock. SQL Server keeps such locks apart by database.
    SqlServer(String),
}

impl Lock {
    /// `None` for SQLite, which has no such lock: each migration claims the file for itself.
    fn of(history: &History) -> Option<Lock> {
        let digest = Sha256::digest(format!("batchdb migrations {}", history.table()));
        let mut key = [0; 8];
        key.copy_from_slice(&digest[..8]);
        match history.engine() {
            Engine::Postgres => Some(Lock::Postgres(i64::from_be_bytes(key))),
            // Its view of locks shows the first 32 characters, and this is 32 long.
            Engine::SqlServer => {
                Some(Lock::SqlServer(format!("batchdb-migrate-{:016x}", u64::from_be_bytes(key))))
            }
            Engine::Sqlite => None,
        }
    }

    fn acquire(&self, session: &mut Session<'_>, deadline: Deadline) -> Result<()> {
        let mut holder = None;
        while !self.try_acquire(session)? {
            let holder = holder.get_or_insert_with(|| {
                let holder = self.holder(session);
                log::info!("waiting for the lock of the migrations, held by {holder}");
                holder
            });
            match pause(deadline.left(Instant::now()), fastrand::f64()) {
                Some(pause) => thread::sleep(pause),
                None => {
                    return Err(deadline
                        .passed(Phase::Lock)
                        .with_hint(format!("the lock of the migrations is held by {holder}")));
                }
            }
        }
        Ok(())
    }

    fn try_acquire(&self, session: &mut Session<'_>) -> Result<bool> {
        match self {
            Lock::Postgres(key) => session
                .query_one("SELECT CAST(pg_try_advisory_lock(:key) AS int) AS got", params! { key: *key })?
                .get::<bool>(0),
            Lock::SqlServer(resource) => {
                // The return code is the answer: without a look at it one would run unlocked after -1.
                let code: i64 = session
                    .query_one(
                        &format!(
                            "SET NOCOUNT ON; DECLARE @code int; EXEC @code = sp_getapplock \
                             @Resource = N'{resource}', @LockMode = 'Exclusive', @LockOwner = 'Session', \
                             @LockTimeout = 0; SELECT @code AS code"
                        ),
                        (),
                    )?
                    .get(0)?;
                match code {
                    0 | 1 => Ok(true),
                    -1 => Ok(false),
                    code => Err(Error::migration(format!(
                        "the lock of the migrations was refused: sp_getapplock returned {code}"
                    ))),
                }
            }
        }
    }

    fn release(&self, session: &mut Session<'_>) -> Result<()> {
        let freed = match self {
            Lock::Postgres(key) => session
                .query_one("SELECT CAST(pg_advisory_unlock(:key) AS int) AS freed", params! { key: *key })?
                .get::<bool>(0)?,
            Lock::SqlServer(resource) => {
                let code: i64 = session
                    .query_one(
                        &format!(
                            "SET NOCOUNT ON; DECLARE @code int; EXEC @code = sp_releaseapplock \
                             @Resource = N'{resource}', @LockOwner = 'Session'; SELECT @code AS code"
                        ),
                        (),
                    )?
                    .get(0)?;
                code == 0
            }
        };
        if freed {
            return Ok(());
        }
        Err(Error::migration("the session did not hold the lock of the migrations any more")
            .with_hint("connect to the server itself, not through a pooler in transaction mode"))
    }

    /// Who holds the lock, in words. What the user may not see is left out.
    fn holder(&self, session: &mut Session<'_>) -> String {
        let found = match self {
            Lock::Postgres(key) => {
                // An advisory lock's key is shown in two halves.
                let (high, low) = ((key.cast_unsigned() >> 32) as i64, key & 0xFFFF_FFFF);
                session.query_opt(
                    "SELECT l.pid AS session, a.application_name AS program, \
                     CAST(a.client_addr AS text) AS host \
                     FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                     AND CAST(l.classid AS bigint) = :high AND CAST(l.objid AS bigint) = :low \
                     AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                                       WHERE datname = current_database())",
                    params! { high: high, low: low },
                )
            }
            Lock::SqlServer(resource) => session.query_opt(
                &format!(
                    "SELECT TOP 1 l.request_session_id AS session, s.program_name AS program, \
                     s.host_name AS host \
                     FROM sys.dm_tran_locks l LEFT JOIN sys.dm_exec_sessions s \
                     ON s.session_id = l.request_session_id \
                     WHERE l.resource_type = 'APPLICATION' AND l.request_status = 'GRANT' \
                     AND l.resource_database_id = DB_ID() AND l.resource_description LIKE '%{resource}%'"
                ),
                (),
            ),
        };
        let Ok(Some(row)) = found else { return "another session".to_owned() };
        let text =
            |column: &str| row.get::<Option<String>>(column).ok().flatten().filter(|text| !text.is_empty());
        let mut words = match row.get::<i64>("session") {
            Ok(session) => format!("session {session}"),
            Err(_) => "another session".to_owned(),
        };
        if let Some(program) = text("program") {
            words.push_str(&format!(" of \"{program}\""));
        }
        if let Some(host) = text("host") {
            words.push_str(&format!(" on {host}"));
        }
        words
    }
}

/// How long to wait before the next attempt: `None` when no time is left. `chance` is from 0 to 1.
fn pause(left: Duration, chance: f64) -> Option<Duration> {
    if left.is_zero() { None } else { Some(left.min(PAUSE.mul_f64(0.8 + 0.4 * chance))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_jitter_and_end_with_the_limit() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(second, 0.0), Some(Duration::from_millis(200)));
        assert_eq!(pause(second, 1.0), Some(Duration::from_millis(300)));
        assert_eq!(pause(Duration::from_millis(7), 0.5), Some(Duration::from_millis(7)));
        assert_eq!(pause(Duration::ZERO, 0.5), None);
    }

    #[test]
    fn the_lock_is_the_same_for_all_runners_and_another_for_another_schema() {
        let lock = |engine, schema| Lock::of(&History::new(engine, schema));
        assert_eq!(lock(Engine::Postgres, "public"), lock(Engine::Postgres, "public"));
        assert_ne!(lock(Engine::Postgres, "public"), lock(Engine::Postgres, "other"));
        assert_eq!(lock(Engine::Sqlite, "main"), None);
    }

    #[test]
    fn a_resource_fits_what_sql_server_shows_of_it() {
        let Some(Lock::SqlServer(resource)) = Lock::of(&History::new(Engine::SqlServer, "dbo")) else {
            panic!("SQL Server locks by resource");
        };
        assert_eq!(resource.len(), 32);
        assert!(resource.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    }
}
