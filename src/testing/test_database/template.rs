//! The databases that those of the tests are copies of: one for each state of the migrations, made once.
//!
//! A template has its name from the moment on when it is whole: it is made as any test database is, and renamed. So a
//! program that is killed meanwhile leaves what is swept, and nothing in the template's place.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::scratch::{self, comment, drop_by_name, mark, seconds};
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::manager::DatabaseManager;
use crate::params;
use crate::session::Session;
use crate::settings::{Settings, Target};

/// With what the name of each template begins.
const TEMPLATE: &str = "batchdb_template_";
/// The comment of a template, up to the time when it was last asked for.
const READY: &str = "batchdb: made for tests, ready to be copied, wanted at ";

/// How long a test waits for another one that makes the same template.
const LIMIT: Duration = Duration::from_secs(120);
/// A template that was wanted since is not marked anew.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// A template that nobody has wanted for so long is dropped: of migrations that were edited, or of a branch that is gone.
const STALE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the template of these migrations is called: the same for the same files, with the same values of placeholders,
/// run by the same user with the same options.
pub(super) fn name_for(folder: &Path, settings: &Settings) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("the migrations in {} cannot be read", folder.display()))
            .with_source(error)
    };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files.iter().filter(|file| file.is_file()) {
        file.file_name().hash(&mut hasher);
        fs::read(file).map_err(failed)?.hash(&mut hasher);
    }
    for (name, value) in &settings.placeholders {
        (name, value.expose()).hash(&mut hasher);
    }
    if let Target::Postgres(target) = settings.target() {
        (&target.user, &target.options).hash(&mut hasher);
    }
    Ok(format!("{TEMPLATE}{:016x}", hasher.finish()))
}

/// Has the template there, made by `migrate` where it is not. That is given the name of an empty database, and leaves
/// nobody connected to it.
///
/// Only one test at a time makes it. Those of the same process wait without a connection, and who makes it needs no more
/// than the one that holds the lock: many tests would otherwise wait for each other until the pool's limit.
pub(super) fn have(
    admin: &DatabaseManager,
    name: &str,
    migrate: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let is_fresh = || {
        let wanted = admin.session(|session| wanted_at(session, name))?;
        Ok::<_, Error>(wanted.is_some_and(|wanted| !is_past(wanted, FRESH)))
    };
    if is_fresh()? {
        return Ok(());
    }
    let end = Instant::now() + LIMIT;
    let _turn = Turn::take(name, end)?;
    if is_fresh()? {
        return Ok(());
    }
    admin.with_lock(name, end.saturating_duration_since(Instant::now()), |lock| {
        if lock.on_session(|session| wanted_at(session, name))?.is_some() {
            return lock.on_session(|session| mark_wanted(session, name));
        }
        let scratch = lock.on_session(|session| scratch::create(session, None))?;
        let made =
            migrate(&scratch).and_then(|()| lock.on_session(|session| promote(session, &scratch, name)));
        if made.is_err()
            && let Err(error) = lock.on_session(|session| drop_by_name(session, &scratch))
        {
            log::debug!("a template that was not finished could not be dropped: {error}");
        }
        made
    })
}

/// Drops the templates that nobody has wanted for long.
pub(super) fn sweep(admin: &DatabaseManager) -> Result<()> {
    let rows = admin.execute_query(
        "SELECT d.datname AS name, shobj_description(d.oid, 'pg_database') AS comment \
         FROM pg_catalog.pg_database d \
         WHERE starts_with(shobj_description(d.oid, 'pg_database'), :ready) \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)",
        params! { ready: READY },
    )?;
    for row in rows {
        let (name, comment): (String, String) = (row.get("name")?, row.get("comment")?);
        if !is_ours(&name) || !wanted_in(&comment).is_some_and(|wanted| is_past(wanted, STALE)) {
            continue;
        }
        // Under its lock, and only if it is still old then: somebody may want it at this moment.
        let swept = admin.try_lock(&name, |lock| {
            lock.on_session(|session| match wanted_at(session, &name)? {
                Some(wanted) if is_past(wanted, STALE) => drop_by_name(session, &name),
                _ => Ok(()),
            })
        });
        if let Err(error) = swept {
            log::debug!("a template that nobody wants could not be dropped: {error}");
        }
    }
    Ok(())
}

/// Makes the test database `scratch` the template `name`, both its name and its mark or neither.
fn promote(session: &mut Session<'_>, scratch: &str, name: &str) -> Result<()> {
    let renamed = session.transaction(|tx| {
        tx.execute(&format!("ALTER DATABASE {scratch} RENAME TO {name}"), ())?;
        mark_wanted(tx, name)
    });
    // The lock is one of the database that the server's URL names. Who came by another one may have been faster.
    if renamed.is_err() && wanted_at(session, name)?.is_some() {
        return drop_by_name(session, scratch);
    }
    renamed
}

fn mark_wanted(session: &mut Session<'_>, name: &str) -> Result<()> {
    mark(session, name, &format!("{READY}{}", seconds(SystemTime::now())))
}

/// When the template was last asked for, in seconds since 1970; `None` when it is not there, whole.
fn wanted_at(session: &mut Session<'_>, name: &str) -> Result<Option<u64>> {
    Ok(comment(session, name)?.as_deref().and_then(wanted_in))
}

fn wanted_in(comment: &str) -> Option<u64> {
    comment.strip_prefix(READY)?.parse().ok()
}

/// Whether this time is so long ago.
fn is_past(time: u64, age: Duration) -> bool {
    time.saturating_add(age.as_secs()) <= seconds(SystemTime::now())
}

fn is_ours(name: &str) -> bool {
    let digits = name.strip_prefix(TEMPLATE);
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// The templates that a test of this process makes.
static BUSY: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// One of them is done.
static DONE: Condvar = Condvar::new();

/// The right to make one template, among the tests of this process.
struct Turn(String);

impl Turn {
    fn take(name: &str, end: Instant) -> Result<Turn> {
        let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let left = end.saturating_duration_since(Instant::now());
        let waited = DONE.wait_timeout_while(busy, left, |busy| busy.contains(name));
        let (mut busy, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Error::timeout(Phase::Lock, LIMIT)
                .with_hint("another test of this program runs the same migrations and does not finish"));
        }
        busy.insert(name.to_owned());
        Ok(Turn(name.to_owned()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUSY.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        DONE.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, schema: &str) -> Settings {
        let builder = DatabaseManager::builder("rpa_db").connection_string(url);
        builder.placeholder("schema", schema).build().unwrap().settings().clone()
    }

    #[test]
    fn a_template_is_named_by_all_that_its_migrations_depend_on() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("V1__a.sql"), "CREATE SCHEMA ${schema}").unwrap();
        let name = |url: &str, schema: &str| name_for(folder.path(), &settings(url, schema)).unwrap();
        let first = name("postgresql://u:p@h/a", "rpa");
        assert!(is_ours(&first), "{first}");
        assert_eq!(name("postgresql://u:other@elsewhere/b", "rpa"), first);
        assert_ne!(name("postgresql://u:p@h/a", "theirs"), first);
        // What another user has made is his, and may not be copied.
        assert_ne!(name("postgresql://v:p@h/a", "rpa"), first);
        fs::write(folder.path().join("V1__a.sql"), "CREATE SCHEMA ${schema};").unwrap();
        assert_ne!(name("postgresql://u:p@h/a", "rpa"), first);
    }

    #[test]
    fn whoever_waits_for_a_turn_has_it_when_it_is_free_or_is_told() {
        let soon = || Instant::now() + Duration::from_millis(20);
        let held = Turn::take("a", soon()).unwrap();
        let _other = Turn::take("b", soon()).unwrap();
        let told = Turn::take("a", soon()).map(drop).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Timeout(Phase::Lock));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Turn::take("a", Instant::now() + LIMIT).map(drop));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn only_comments_of_ours_have_a_time() {
        assert_eq!(wanted_in(&format!("{READY}17")), Some(17));
        for text in ["", "batchdb: made for a test", READY, &format!("{READY}17 or so")] {
            assert_eq!(wanted_in(text), None, "{text}");
        }
        assert!(!is_ours("batchdb_template_mine") && !is_ours("batchdb_template_"));
    }
}
