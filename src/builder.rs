//! How a handle is made: settings read and checked, the pool shared, the first use prepared.

use std::path::PathBuf;
use std::time::Duration;

use crate::embedded::EmbeddedMigrations;
use crate::error::Result;
#[cfg(feature = "testing")]
use crate::fault::FaultInjector;
use crate::manager::DatabaseManager;
use crate::migrate;
use crate::settings::{
    MigrateOnStart, Overrides, Secret, SecretSource, Settings, SharedSource, TextParameters,
};

impl DatabaseManager {
    /// Makes a handle for the database called `name`, with the settings of the environment.
    ///
    /// Reads `{ENVIRONMENT}_GLOBAL_{NAME}_…` from the process environment and from
    /// `envs/.env.{environment}`. Nothing is connected.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config), which lists every missing and wrong setting at once, each with its key
    /// and the file that was looked in.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn new(name: &str) -> Result<DatabaseManager> {
        DatabaseManager::builder(name).build()
    }

    /// Begins a handle for which the program sets some settings itself. They override everything that is read from the
    /// environment and the file.
    ///
    /// ```no_run
    /// use batchdb::DatabaseManager;
    ///
    /// let db = DatabaseManager::builder("rpa_db").flow("rpa1").pool_size(20).max_overflow(30).build()?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn builder(name: &str) -> DatabaseManagerBuilder {
        DatabaseManagerBuilder { name: name.to_owned(), overrides: Overrides::default() }
    }
}

/// Settings that a program sets itself. Each overrides the environment and the file; the others are read from there.
/// [`build`](DatabaseManagerBuilder::build) checks them and reports all problems at once.
#[derive(Debug, Clone)]
#[must_use = "nothing is made before `build`"]
pub struct DatabaseManagerBuilder {
    name: String,
    overrides: Overrides,
}

impl DatabaseManagerBuilder {
    /// The name of the flow (job), whose settings (`{ENVIRONMENT}_{FLOW}_{NAME}_…`) override the `GLOBAL` ones.
    /// Default: none.
    pub fn flow(mut self, flow: &str) -> Self {
        self.overrides.flow = Some(flow.to_owned());
        self
    }

    /// The environment. Default: `BATCHDB_ENVIRONMENT`, else `PREFECT_ENVIRONMENT`, else `development`.
    pub fn environment(mut self, environment: &str) -> Self {
        self.overrides.environment = Some(environment.to_owned());
        self
    }

    /// The folder that holds `envs` and `migrations`. Default: `BATCHDB_HOME`, else the working directory.
    pub fn home(mut self, folder: impl Into<PathBuf>) -> Self {
        self.overrides.home = Some(folder.into());
        self
    }

    /// The connection string: a URL or a plain ODBC string, taken as it is. Default: `CONNECTION_STRING`.
    pub fn connection_string(mut self, text: impl Into<String>) -> Self {
        self.overrides.connection_string = Some(Secret::new(text));
        self
    }

    /// A source that is asked for the connection string, now and again when a login is refused. Default: none, the
    /// connection string comes from the settings.
    pub fn secret_source(mut self, source: impl SecretSource + 'static) -> Self {
        self.overrides.secret_source = Some(SharedSource::new(source));
        self
    }

    /// How long [`build`](DatabaseManagerBuilder::build) waits for the command of `CONNECTION_STRING_COMMAND`, or for a
    /// [`SecretSource`]. Default: 30 s for a command, which is also its maximum; no limit for a source.
    ///
    /// A command that fails or takes too long is a [transient](crate::Error::is_transient) error, if nothing else is
    /// wrong.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let builder = batchdb::DatabaseManager::builder("rpa_db").secret_timeout(Duration::from_secs(5));
    /// let is_away = matches!(builder.build(), Err(error) if error.is_transient());
    /// ```
    pub fn secret_timeout(mut self, limit: Duration) -> Self {
        self.overrides.secret_timeout = Some(limit);
        self
    }

    /// `postgresql`, `sqlserver` or `odbc`. Default: `TYPE`, else found from the connection string.
    pub fn database_type(mut self, name: &str) -> Self {
        self.overrides.database_type = Some(name.to_owned());
        self
    }

    /// How many idle connections the pool keeps open. Default: `POOL_SIZE`, else 5.
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.overrides.pool_size = Some(connections);
        self
    }

    /// How many more connections may be open at a peak. Default: `MAX_OVERFLOW`, else 10.
    pub fn max_overflow(mut self, connections: u32) -> Self {
        self.overrides.max_overflow = Some(connections);
        self
    }

    /// How long a caller waits for a connection. Default: `POOL_TIMEOUT`, else 30 s.
    pub fn pool_timeout(mut self, limit: Duration) -> Self {
        self.overrides.pool_timeout = Some(limit);
        self
    }

    /// The age at which a connection is replaced, at its next use; zero for never. Default: `POOL_RECYCLE`, else 3600
    /// s.
    pub fn pool_recycle(mut self, age: Duration) -> Self {
        self.overrides.pool_recycle = Some(age);
        self
    }

    /// How long a connection may be idle before it is tested at the next use; zero tests it always. Default:
    /// `PING_AFTER_IDLE`, else 500 ms.
    pub fn ping_after_idle(mut self, idle: Duration) -> Self {
        self.overrides.ping_after_idle = Some(idle);
        self
    }

    /// How long a connection may be held before a warning in the log says which line, flow and task borrowed it; zero
    /// for no warning. Default: `LEAK_AFTER`, else zero.
    ///
    /// Set it a little longer than the longest use that you expect. [`with_lock`](DatabaseManager::with_lock) holds a
    /// connection for as long as its work runs.
    pub fn leak_after(mut self, held: Duration) -> Self {
        self.overrides.leak_after = Some(held);
        self
    }

    /// The limit on one statement, and on each fetch of a streamed result. Default: `TIMEOUT`, else 30 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.overrides.timeout = Some(limit);
        self
    }

    /// The limit on opening a connection, from the name lookup to the end of the login. Default: `CONNECT_TIMEOUT`,
    /// else 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.overrides.connect_timeout = Some(limit);
        self
    }

    /// How many attempts a transaction, or another call that retries, has in all; 1 for no retries. Default:
    /// `RETRY_ATTEMPTS`, else 3. To change the waits, use [`with_retry`](DatabaseManager::with_retry).
    pub fn retry_attempts(mut self, attempts: u32) -> Self {
        self.overrides.retry_attempts = Some(attempts);
        self
    }

    /// The time, from the beginning of the call, within which the last attempt must begin. Default: `RETRY_BUDGET`,
    /// else 60 s.
    pub fn retry_budget(mut self, limit: Duration) -> Self {
        self.overrides.retry_budget = Some(limit);
        self
    }

    /// How many prepared statements each connection keeps; 0 for none, as poolers in transaction mode need it. Default:
    /// `STATEMENT_CACHE`, else 256.
    pub fn statement_cache(mut self, statements: u32) -> Self {
        self.overrides.statement_cache = Some(statements);
        self
    }

    /// A statement that takes at least this long is logged at `WARN`, with its text but without values; zero for none.
    /// The time of a streamed result includes that of its reader. Default: `SLOW_QUERY`, else zero.
    pub fn slow_query(mut self, limit: Duration) -> Self {
        self.overrides.slow_query = Some(limit);
        self
    }

    /// Logs every call at `INFO` under the target `batchdb::audit`: the environment, server, user and process, flow and
    /// task, the operation, whether it writes, how long it took, and its rows or the kind of its error. Default:
    /// `AUDIT`, else no.
    pub fn audit(mut self, audit: bool) -> Self {
        self.overrides.audit = Some(audit);
        self
    }

    /// Refuses writes in the client and asks the server for a read-only session. Default: `READ_ONLY`, else no.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.overrides.read_only = Some(read_only);
        self
    }

    /// How texts are sent to SQL Server. Default: `TEXT_PARAMETERS`, else [`TextParameters::Auto`].
    pub fn text_parameters(mut self, texts: TextParameters) -> Self {
        self.overrides.text_parameters = Some(texts);
        self
    }

    /// The folder of the migration files. Default: `MIGRATIONS_DIR`, else `migrations/{name}`.
    pub fn migrations_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.overrides.migrations_dir = Some(folder.into());
        self
    }

    /// Migrations that are compiled into the program, to be used instead of a folder. Default: the folder.
    pub fn migrations(mut self, migrations: EmbeddedMigrations) -> Self {
        self.overrides.migrations = Some(migrations);
        self
    }

    /// The value of `${name}` in migration files. It is added to those of `MIGRATION_PLACEHOLDERS`. Default: none.
    pub fn placeholder(mut self, name: &str, value: impl Into<String>) -> Self {
        self.overrides.placeholders.insert(name.to_owned(), Secret::new(value));
        self
    }

    /// The limit on one migration file, and on waiting for the migration lock. Default: `MIGRATION_TIMEOUT`, else 3600
    /// s.
    pub fn migration_timeout(mut self, limit: Duration) -> Self {
        self.overrides.migration_timeout = Some(limit);
        self
    }

    /// What happens to pending migrations at the first connection. Default: `MIGRATE_ON_START`, else
    /// [`MigrateOnStart::Check`], which logs them.
    pub fn migrate_on_start(mut self, mode: MigrateOnStart) -> Self {
        self.overrides.migrate_on_start = Some(mode);
        self
    }

    /// Injects faults into the connections of the handle; see [`FaultInjector`](crate::testing::FaultInjector). With
    /// the feature `testing`.
    #[cfg(feature = "testing")]
    pub fn faults(mut self, faults: &FaultInjector) -> Self {
        self.overrides.faults = Some(faults.clone());
        self
    }

    /// Reads the settings that were not set here, checks everything, and makes the handle. Nothing is connected.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config), which lists all problems at once.
    pub fn build(self) -> Result<DatabaseManager> {
        let settings = Settings::load(&self.name, &self.overrides)?;
        DatabaseManager::with_settings(settings, Some(migrate::on_first_use))
    }
}
