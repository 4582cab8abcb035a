//! A lock of the session, by name: PostgreSQL's advisory locks and SQL Server's application locks.
//!
//! It is polled, never waited for inside the server: a statement that waits for an advisory lock holds a
//! snapshot, and `CREATE INDEX CONCURRENTLY` of the holder would wait for that snapshot for ever. It
//! belongs to the session and to no transaction, for the same reason. A pooler that hands the server's
//! sessions around by transaction (PgBouncer) breaks it.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::context;
use crate::deadline::Deadline;
use crate::engine::Engine;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::params;
use crate::row::Row;
use crate::session::Session;

/// The time between two attempts, give or take a fifth, so that many who wait do not ask in step.
const PAUSE: Duration = Duration::from_millis(250);

/// After so long the holder is asked for again: it may be another one.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// A lock that is polled.
pub(crate) trait Polled {
    /// How messages call it, such as `the lock of the migrations`.
    fn title(&self) -> &str;

    /// Takes the lock if it is free.
    fn try_acquire(&self, session: &mut Session<'_>) -> Result<bool>;

    /// Who holds the lock, in words; `None` where nobody does, or the user may not see it.
    ///
    /// # Errors
    ///
    /// `Timeout` alone, after which the session is of no use.
    fn holder(&self, session: &mut Session<'_>) -> Result<Option<String>>;

    /// Takes the lock as soon as it is free. Each question has `TIMEOUT`, and no more than is left.
    ///
    /// # Errors
    ///
    /// `Timeout(Lock)` when it was not free before `deadline`; it names the holder. `Cancelled` when the thread's
    /// work was told to stop meanwhile.
    fn acquire(&self, session: &mut Session<'_>, deadline: Deadline) -> Result<()> {
        let each = session.settings().timeout;
        let usual = session.set_limit(each);
        let outcome = self.poll(session, deadline, each);
        session.set_limit(usual);
        outcome
    }

    /// The loop of [`acquire`](Polled::acquire).
    fn poll(&self, session: &mut Session<'_>, deadline: Deadline, each: Duration) -> Result<()> {
        let mut holder: Option<String> = None;
        let mut asked: Option<Instant> = None;
        let held = |holder: &Option<String>| {
            format!("{} is held by {}", self.title(), holder.as_deref().unwrap_or(SOMEBODY))
        };
        loop {
            session.set_limit(question(deadline, each, Instant::now()));
            let late = |error: Error, holder: &Option<String>| {
                if !is_late(&error) || !deadline.left(Instant::now()).is_zero() {
                    return error;
                }
                deadline.passed(Phase::Lock).with_hint(held(holder)).with_source(error)
            };
            if self.try_acquire(session).map_err(|error| late(error, &holder))? {
                return Ok(());
            }
            let time = pause(deadline.left(Instant::now()), fastrand::f64());
            if time.is_none() || asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
                session.set_limit(question(deadline, each, Instant::now()));
                let found = self.holder(session).map_err(|error| late(error, &holder))?;
                if asked.is_none() || (found.is_some() && found != holder) {
                    log::info!(
                        "waiting for {}, held by {}",
                        self.title(),
                        found.as_deref().unwrap_or(SOMEBODY)
                    );
                    holder = found;
                }
                asked = Some(Instant::now());
            }
            let Some(time) = time else {
                return Err(deadline.passed(Phase::Lock).with_hint(held(&holder)));
            };
            if !context::pause(time) {
                let message = format!("told to stop while waiting for {}", self.title());
                return Err(Error::new(ErrorKind::Cancelled, message)
                    .with_effect(Effect::NotSent)
                    .with_hint(held(&holder)));
            }
        }
    }
}

/// The holder of whom nothing is known.
const SOMEBODY: &str = "another session";

fn is_late(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout(_))
}

/// One lock of one database. It ends when it is released, and with its session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AdvisoryLock {
    title: String,
    key: Key,
}

#[derive(Debug, PartialEq, Eq)]
enum Key {
    /// The key of an advisory lock. PostgreSQL keeps such locks apart by database.
    Postgres(i64),
    /// The resource of an application lock. SQL Server keeps such locks apart by database.
    SqlServer(String),
}

impl Polled for AdvisoryLock {
    fn title(&self) -> &str {
        &self.title
    }

    fn try_acquire(&self, session: &mut Session<'_>) -> Result<bool> {
        match &self.key {
            Key::Postgres(key) => session
                .query_one("SELECT CAST(pg_try_advisory_lock(:key) AS int) AS got", params! { key: *key })?
                .get::<bool>(0),
            Key::SqlServer(resource) => {
                // The return code is the answer: without a look at it one would run unlocked after -1. What the
                // session does next counts its rows again.
                let code: i64 = session
                    .query_one(
                        &format!(
                            "SET NOCOUNT ON; DECLARE @code int; EXEC @code = sp_getapplock \
                             @Resource = N'{resource}', @LockMode = 'Exclusive', @LockOwner = 'Session', \
                             @LockTimeout = 0; SELECT @code AS code; SET NOCOUNT OFF"
                        ),
                        (),
                    )?
                    .get(0)?;
                match code {
                    0 | 1 => Ok(true),
                    -1 => Ok(false),
                    code => Err(Error::new(
                        ErrorKind::Database,
                        format!("{} was refused: sp_getapplock returned {code}", self.title),
                    )),
                }
            }
        }
    }

    /// What the user may not see is left out.
    fn holder(&self, session: &mut Session<'_>) -> Result<Option<String>> {
        let row = match self.find_holder(session) {
            Ok(Some(row)) => row,
            Err(error) if is_late(&error) => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        };
        let text =
            |column: &str| row.get::<Option<String>>(column).ok().flatten().filter(|text| !text.is_empty());
        let mut words = match row.get::<i64>("session") {
            Ok(session) => format!("session {session}"),
            Err(_) => SOMEBODY.to_owned(),
        };
        if let Some(program) = text("program") {
            words.push_str(&format!(" of \"{program}\""));
        }
        if let Some(host) = text("host") {
            words.push_str(&format!(" on {host}"));
        }
        Ok(Some(words))
    }
}

impl AdvisoryLock {
    /// The lock that all who give the same `seed` mean. `prefix` makes it known among SQL Server's locks, of whose
    /// names the first 32 characters are shown: 16 of them are left for it. `None` for SQLite, which has no such
    /// lock.
    pub(crate) fn new(engine: Engine, title: String, seed: &str, prefix: &str) -> Option<AdvisoryLock> {
        let digest = Sha256::digest(seed);
        let mut key = [0; 8];
        key.copy_from_slice(&digest[..8]);
        let key = match engine {
            Engine::Postgres => Key::Postgres(i64::from_be_bytes(key)),
            Engine::SqlServer => Key::SqlServer(format!("{prefix}{:016x}", u64::from_be_bytes(key))),
            Engine::Sqlite => return None,
        };
        Some(AdvisoryLock { title, key })
    }

    /// Frees the lock. False when the session did not hold it any more.
    pub(crate) fn release(&self, session: &mut Session<'_>) -> Result<bool> {
        match &self.key {
            Key::Postgres(key) => session
                .query_one("SELECT CAST(pg_advisory_unlock(:key) AS int) AS freed", params! { key: *key })?
                .get::<bool>(0),
            Key::SqlServer(resource) => {
                let code: i64 = session
                    .query_one(
                        &format!(
                            "SET NOCOUNT ON; DECLARE @code int; EXEC @code = sp_releaseapplock \
                             @Resource = N'{resource}', @LockOwner = 'Session'; SELECT @code AS code; SET NOCOUNT OFF"
                        ),
                        (),
                    )?
                    .get(0)?;
                Ok(code == 0)
            }
        }
    }

    /// Whether the session holds the lock.
    pub(crate) fn is_held(&self, session: &mut Session<'_>) -> Result<bool> {
        match &self.key {
            Key::Postgres(key) => {
                let (high, low) = halves(*key);
                session
                    .query_one(
                        "SELECT count(*) AS held FROM pg_catalog.pg_locks \
                         WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid() \
                         AND CAST(classid AS bigint) = :high AND CAST(objid AS bigint) = :low",
                        params! { high: high, low: low },
                    )?
                    .get::<i64>(0)
                    .map(|held| held > 0)
            }
            Key::SqlServer(resource) => session
                .query_one(&format!("SELECT APPLOCK_MODE(N'public', N'{resource}', 'Session') AS mode"), ())?
                .get::<Option<String>>(0)
                .map(|mode| mode.as_deref() == Some("Exclusive")),
        }
    }

    /// Whether anybody holds the lock.
    pub(crate) fn is_taken(&self, session: &mut Session<'_>) -> Result<bool> {
        match &self.key {
            Key::Postgres(_) => self.find_holder(session).map(|holder| holder.is_some()),
            // Everybody may ask this, and not everybody may see the locks of others.
            Key::SqlServer(resource) => session
                .query_one(
                    &format!("SELECT APPLOCK_TEST(N'public', N'{resource}', 'Exclusive', 'Session') AS free"),
                    (),
                )?
                .get::<i64>(0)
                .map(|free| free == 0),
        }
    }

    fn find_holder(&self, session: &mut Session<'_>) -> Result<Option<Row>> {
        match &self.key {
            Key::Postgres(key) => {
                let (high, low) = halves(*key);
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
            Key::SqlServer(resource) => session.query_opt(
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
        }
    }
}

/// The two halves in which PostgreSQL shows the key of an advisory lock.
fn halves(key: i64) -> (i64, i64) {
    ((key.cast_unsigned() >> 32) as i64, key & 0xFFFF_FFFF)
}

/// How long a question may take. The last ones may be asked when no time is left, and have so much together.
fn question(deadline: Deadline, each: Duration, now: Instant) -> Duration {
    let last = deadline.at().and_then(|at| at.checked_add(PAUSE));
    last.map_or(each, |last| each.min(last.saturating_duration_since(now)))
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
    fn what_is_asked_behind_the_limit_has_one_time_together() {
        let (now, each) = (Instant::now(), Duration::from_secs(30));
        let at = |millis| now + Duration::from_millis(millis);
        let deadline = Deadline::after(now, Duration::from_secs(1));
        let left: Vec<u128> = [0, 900, 1_000, 1_200, 1_300]
            .map(|millis| question(deadline, each, at(millis)).as_millis())
            .into();
        assert_eq!(left, [1_250, 350, 250, 50, 0]);
        assert_eq!(question(deadline, Duration::from_millis(7), now), Duration::from_millis(7));
        assert_eq!(question(Deadline::NONE, each, now), each);
    }

    #[test]
    fn the_lock_is_the_same_for_all_and_another_for_another_seed() {
        let lock = |engine, seed| AdvisoryLock::new(engine, "the lock".to_owned(), seed, "batchdb-");
        assert_eq!(lock(Engine::Postgres, "a"), lock(Engine::Postgres, "a"));
        assert_ne!(lock(Engine::Postgres, "a"), lock(Engine::Postgres, "b"));
        assert_eq!(lock(Engine::Sqlite, "a"), None);
        let Some(AdvisoryLock { key: Key::SqlServer(resource), .. }) = lock(Engine::SqlServer, "a") else {
            panic!("SQL Server locks by resource");
        };
        assert!(resource.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{resource}");
    }

    #[test]
    fn a_key_is_shown_in_two_halves_whatever_its_sign() {
        assert_eq!(halves(-1), (0xFFFF_FFFF, 0xFFFF_FFFF));
        assert_eq!(halves(0x0000_0001_8000_0000), (1, 0x8000_0000));
    }
}
