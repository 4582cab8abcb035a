//! A database for one test, on an existing server.

mod scratch;
mod template;

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use self::scratch::Scratch;
use crate::builder::DatabaseManagerBuilder;
use crate::error::{Error, Result};
use crate::manager::DatabaseManager;
use crate::settings::{MigrateOnStart, Secret};

/// A PostgreSQL database for one test: created empty or migrated, and dropped at the end of the test.
///
/// It dereferences to its handle. If many tests use the same migrations, only the first one runs them; the others get a
/// copy of the result, which takes PostgreSQL some ten milliseconds. A database that a killed test has left behind is
/// dropped by a later test, one hour after it was created; a template for copies, when it was not used for a week.
///
/// For safety it refuses environments whose name begins with `prod`, `prd` or `live`, and drops only databases that it
/// has created and marked itself.
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

/// The options of a [`TestDatabase`].
#[must_use = "nothing is made before `create`"]
pub struct TestDatabaseBuilder {
    server: String,
    name: String,
    migrations: Option<PathBuf>,
    placeholders: Vec<(String, Secret)>,
}

impl TestDatabase {
    /// Begins a test database on the server of this URL. The URL's user must be allowed to create databases.
    pub fn on(url: &str) -> TestDatabaseBuilder {
        TestDatabaseBuilder {
            server: url.to_owned(),
            name: "test".to_owned(),
            migrations: None,
            placeholders: Vec::new(),
        }
    }

    /// The connection string, for code that makes its own handles. It contains the password.
    #[must_use]
    pub fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// The handle on the database.
    #[must_use]
    pub fn manager(&self) -> &DatabaseManager {
        &self.manager
    }

    /// Keeps the database for inspection, and returns its name on the server. No later test drops it.
    #[must_use = "somebody must drop it by this name"]
    pub fn keep(mut self) -> String {
        self.scratch.take().map(Scratch::keep).unwrap_or_default()
    }

    /// Drops the database now. Dropping the value does the same, but can only log an error.
    ///
    /// # Errors
    ///
    /// Those of the server.
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
    /// The database name of the handle. Default: `test`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The folder of the migrations that are applied first. Default: none, the database is empty.
    pub fn migrations(mut self, folder: impl Into<PathBuf>) -> Self {
        self.migrations = Some(folder.into());
        self
    }

    /// The value of `${name}` in the migrations, in addition to `MIGRATION_PLACEHOLDERS`.
    pub fn placeholder(mut self, name: &str, value: impl Into<String>) -> Self {
        self.placeholders.push((name.to_owned(), Secret::new(value)));
        self
    }

    /// Makes the database.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) in a production environment; [`Config`](crate::ErrorKind::Config) when the
    /// URL is not a PostgreSQL URL; [`Io`](crate::ErrorKind::Io) when the folder of migrations cannot be read; and
    /// those of connecting, creating and migrating.
    pub fn create(self) -> Result<TestDatabase> {
        let admin = builder("batchdb_test_server", &self.server).build()?;
        refuse_production(admin.settings().environment())?;
        admin.session(scratch::sweep)?;
        template::sweep(&admin)?;
        let template = match &self.migrations {
            Some(folder) => Some(self.template(&admin, folder)?),
            None => None,
        };
        let scratch = Scratch::create(admin, template.as_deref())?;
        let connection_string = on_database(&self.server, scratch.name())?;
        let manager = self.handle(&connection_string)?;
        Ok(TestDatabase { manager, connection_string, scratch: Some(scratch) })
    }

    /// The database that these migrations have made, made now where it is not there.
    fn template(&self, admin: &DatabaseManager, folder: &Path) -> Result<String> {
        let name = template::name_for(folder, self.handle(&self.server)?.settings())?;
        template::have(admin, &name, |scratch| {
            let manager = self.handle(&on_database(&self.server, scratch)?)?;
            let migrated = manager.run_migrations();
            // A database that somebody is connected to can be neither renamed nor copied.
            manager.shutdown();
            migrated.map(drop)
        })?;
        Ok(name)
    }

    /// The test's handle on the database of this URL.
    fn handle(&self, url: &str) -> Result<DatabaseManager> {
        let mut builder = builder(&self.name, url);
        if let Some(folder) = &self.migrations {
            builder = builder.migrations_dir(folder);
        }
        let placeholders = self.placeholders.iter();
        placeholders.fold(builder, |builder, (name, value)| builder.placeholder(name, value.expose())).build()
    }
}

fn builder(name: &str, url: &str) -> DatabaseManagerBuilder {
    DatabaseManager::builder(name).connection_string(url).migrate_on_start(MigrateOnStart::Off)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

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
