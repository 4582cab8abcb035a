//! A database of a test's own, on a server that is there.

mod scratch;

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::fs;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::scratch::Scratch;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::settings::MigrateOnStart;

/// How long a test waits for another one that makes the same template.
const TEMPLATE_LIMIT: Duration = Duration::from_secs(120);

/// A PostgreSQL database for one test: made empty or migrated, and dropped at the end of the test.
///
/// It is used as a handle. Of many tests that want the same migrations only the first runs them; the others get a copy
/// of what it made, which takes PostgreSQL some ten milliseconds. What a test that was killed left behind is dropped by
/// a later one, an hour after it was made.
///
/// It works only where it can do no harm: not in an environment called production, and it drops no database that it
/// has not made and marked itself.
///
/// ```no_run
/// use batchdb::params;
/// use batchdb::testing::{EmbeddedPostgres, TestDatabase};
///
/// let server = EmbeddedPostgres::shared()?;
/// let db = TestDatabase::on(&server.url()).name("rpa_db").migrations("migrations/rpa_db").create()?;
/// db.execute("INSERT INTO processing_queue (survey_id) VALUES (:id)", params! { id: 7 })?;
/// # Ok::<(), batchdb::Error>(())
/// ```
pub struct TestDatabase {
    manager: DatabaseManager,
    connection_string: String,
    /// `None` once it was dropped.
    scratch: Option<Scratch>,
}

/// How a [`TestDatabase`] is made.
#[must_use = "nothing is made before `create`"]
pub struct TestDatabaseBuilder {
    server: String,
    name: String,
    migrations: Option<PathBuf>,
}

impl TestDatabase {
    /// Begins a test database on the server of this URL, whose user may create databases there.
    pub fn on(url: &str) -> TestDatabaseBuilder {
        TestDatabaseBuilder { server: url.to_owned(), name: "test".to_owned(), migrations: None }
    }

    /// Where the database is, for code that makes its own handles. It holds the password.
    #[must_use]
    pub fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// The handle on the database.
    #[must_use]
    pub fn manager(&self) -> &DatabaseManager {
        &self.manager
    }

    /// Leaves the database there, to be looked at; says what it is called on the server.
    #[must_use = "somebody must drop it by this name"]
    pub fn keep(mut self) -> String {
        self.scratch.take().map(Scratch::keep).unwrap_or_default()
    }

    /// Drops the database now. Dropping the value does the same, and can only log what went wrong.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn close(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let Some(scratch) = self.scratch.take() else { return Ok(()) };
        self.manager.shutdown();
        scratch.drop_database()
    }
}

impl Deref for TestDatabase {
    type Target = DatabaseManager;

    fn deref(&self) -> &DatabaseManager {
        &self.manager
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::warn!("a test database could not be dropped: {error}");
        }
    }
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabase").field("manager", &self.manager).finish_non_exhaustive()
    }
}

impl fmt::Debug for TestDatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabaseBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TestDatabaseBuilder {
    /// What the handle is called in the program. Default: `test`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The folder of the migrations that the database begins with. Default: none, it is empty.
    pub fn migrations(mut self, folder: impl Into<PathBuf>) -> Self {
        self.migrations = Some(folder.into());
        self
    }

    /// Makes the database.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] in an environment called production; [`ErrorKind::Config`] when the URL is none of
    /// PostgreSQL's; [`ErrorKind::Io`] when the folder of migrations cannot be read; what connecting, creating and
    /// migrating give.
    pub fn create(self) -> Result<TestDatabase> {
        let admin = handle("batchdb_test_server", &self.server, None)?;
        refuse_production(admin.settings().environment())?;
        scratch::sweep(&admin)?;
        let template = match &self.migrations {
            Some(folder) => Some(self.template(&admin, folder)?),
            None => None,
        };
        let scratch = Scratch::create(admin, template.as_deref())?;
        let connection_string = on_database(&self.server, scratch.name())?;
        let manager = handle(&self.name, &connection_string, self.migrations.as_deref())?;
        Ok(TestDatabase { manager, connection_string, scratch: Some(scratch) })
    }

    /// The database that these migrations have made, made now where it is not there.
    fn template(&self, admin: &DatabaseManager, folder: &Path) -> Result<String> {
        let print = fingerprint(folder)?;
        let name = scratch::template_name(print);
        admin.with_lock(&name, TEMPLATE_LIMIT, |_| {
            if scratch::is_ready(admin, &name)? {
                return Ok(());
            }
            scratch::create_template(admin, &name)?;
            let manager = handle(&self.name, &on_database(&self.server, &name)?, Some(folder))?;
            let migrated = manager.run_migrations();
            // A database that somebody is connected to cannot be copied.
            manager.shutdown();
            migrated?;
            scratch::mark_ready(admin, &name)
        })?;
        Ok(name)
    }
}

fn handle(name: &str, url: &str, migrations: Option<&Path>) -> Result<DatabaseManager> {
    let builder = DatabaseManager::builder(name).connection_string(url).migrate_on_start(MigrateOnStart::Off);
    match migrations {
        Some(folder) => builder.migrations_dir(folder).build(),
        None => builder.build(),
    }
}

/// Tests belong nowhere near production, whatever the URL says.
fn refuse_production(environment: &str) -> Result<()> {
    let name = environment.to_ascii_lowercase();
    if !["prod", "prd", "live"].iter().any(|word| name.starts_with(word)) {
        return Ok(());
    }
    Err(Error::usage(format!("the environment is `{environment}`: no test databases are made there"))
        .with_hint("set BATCHDB_ENVIRONMENT to that of the tests"))
}

/// The same URL for another database of the server.
fn on_database(url: &str, name: &str) -> Result<String> {
    let unfit = || {
        Error::config("a test database is made on a PostgreSQL server, by its URL")
            .with_hint("postgresql://user:password@host:port/database")
    };
    let (scheme, rest) =
        url.split_once("://").filter(|(scheme, _)| scheme.starts_with("postgres")).ok_or_else(unfit)?;
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, format!("?{query}")),
        None => (rest, String::new()),
    };
    let server = place.split_once('/').map_or(place, |(server, _)| server);
    Ok(format!("{scheme}://{server}/{name}{query}"))
}

/// The same for the same files with the same contents.
fn fingerprint(folder: &Path) -> Result<u64> {
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
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced_and_the_rest_stays() {
        let on = |url: &str| on_database(url, "x").ok();
        assert_eq!(
            on("postgresql://u:p%2F@h:1/a?sslmode=disable").unwrap(),
            "postgresql://u:p%2F@h:1/x?sslmode=disable"
        );
        assert_eq!(on("postgres://h").unwrap(), "postgres://h/x");
        assert_eq!(on("mssql+pyodbc://h/a"), None);
        assert_eq!(on("host=h"), None);
    }

    #[test]
    fn production_is_refused_by_any_of_its_names() {
        for name in ["production", "Prod", "PRD", "live-eu"] {
            assert_eq!(refuse_production(name).unwrap_err().kind(), ErrorKind::Usage, "{name}");
        }
        for name in ["development", "test", "reproduction"] {
            refuse_production(name).unwrap();
        }
    }
}
