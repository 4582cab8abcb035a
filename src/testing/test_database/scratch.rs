//! Databases that come and go: how they are called and marked, so that nothing else is ever dropped.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::params;
use crate::session::Session;

/// With what the name of each test database begins.
const TEST: &str = "batchdb_test_";
/// The comment of a database that was made here. A name alone may be chance.
const MARK: &str = "batchdb: made for a test";
/// The comment of one that is to stay.
const KEPT: &str = "batchdb: made for a test, and kept";

/// How old a test database is that no test can still want.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A database that exists for one test.
pub(super) struct Scratch {
    admin: DatabaseManager,
    name: String,
}

impl Scratch {
    /// Makes a database, empty or as a copy of `template`.
    pub(super) fn create(admin: DatabaseManager, template: Option<&str>) -> Result<Scratch> {
        let name = admin.session(|session| create(session, template))?;
        Ok(Scratch { admin, name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the database alone from now on, and has the tests that come later do the same.
    pub(super) fn keep(self) -> String {
        if let Err(error) = self.admin.session(|session| mark(session, &self.name, KEPT)) {
            log::warn!(
                "the database {} is dropped in an hour, because it was not marked: {error}",
                self.name
            );
        }
        self.name
    }

    pub(super) fn drop_database(self) -> Result<()> {
        self.admin.session(|session| {
            if comment(session, &self.name)?.as_deref() == Some(MARK) {
                return drop_by_name(session, &self.name);
            }
            Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "the database {} is not marked as one of a test any more, and is left alone",
                    self.name
                ),
            ))
        })
    }
}

/// Makes a database with a name of its own and the mark; says what it is called.
pub(super) fn create(session: &mut Session<'_>, template: Option<&str>) -> Result<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Names of ours: letters, digits and `_`, so there is nothing to quote.
    let name = format!("{TEST}{}_{}_{number}", seconds(SystemTime::now()), process::id());
    let copied = template.map_or(String::new(), |template| format!(" TEMPLATE {template}"));
    session.execute(&format!("CREATE DATABASE {name}{copied}"), ())?;
    if let Err(error) = mark(session, &name, MARK) {
        // Unmarked, nobody would ever drop it.
        drop_by_name(session, &name)?;
        return Err(error);
    }
    Ok(name)
}

/// Drops the test databases that were left behind: made here, an hour ago or more, and used by nobody.
pub(super) fn sweep(session: &mut Session<'_>) -> Result<()> {
    let rows = session.execute_query(
        "SELECT d.datname AS name FROM pg_catalog.pg_database d \
         WHERE shobj_description(d.oid, 'pg_database') = :mark \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)",
        params! { mark: MARK },
    )?;
    let now = seconds(SystemTime::now());
    for row in rows {
        let name: String = row.get("name")?;
        if made_at(&name).is_some_and(|made| made + ABANDONED.as_secs() <= now)
            && let Err(error) = drop_by_name(session, &name)
        {
            // Another process sweeps too, and was faster.
            log::debug!("a test database that was left behind could not be dropped: {error}");
        }
    }
    Ok(())
}

/// When the database of this name was made, in seconds since 1970; `None` for a name that is none of ours.
fn made_at(name: &str) -> Option<u64> {
    let mut parts = name.strip_prefix(TEST)?.split('_');
    let made = parts.next()?.parse().ok()?;
    let numbers = parts.clone().count() == 2 && parts.all(|part| part.parse::<u64>().is_ok());
    numbers.then_some(made)
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The comment of a database, which is its mark; `None` where it has none or is not there.
pub(super) fn comment(session: &mut Session<'_>, name: &str) -> Result<Option<String>> {
    let row = session.query_opt(
        "SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_catalog.pg_database WHERE datname = :name",
        params! { name: name },
    )?;
    row.map_or(Ok(None), |row| row.get("comment"))
}

pub(super) fn mark(session: &mut Session<'_>, name: &str, text: &str) -> Result<()> {
    session.execute(&format!("COMMENT ON DATABASE {name} IS '{text}'"), ()).map(drop)
}

/// Sessions that are still there end with it.
pub(super) fn drop_by_name(session: &mut Session<'_>, name: &str) -> Result<()> {
    session.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), ()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_have_an_age() {
        assert_eq!(made_at("batchdb_test_1700000000_12_0"), Some(1_700_000_000));
        for name in [
            "batchdb_test_1700000000",
            "batchdb_test_x_1_2",
            "batchdb_test_1_2_y",
            "customers",
            "batchdb_test_1_2_3_4",
        ] {
            assert_eq!(made_at(name), None, "{name}");
        }
    }
}
