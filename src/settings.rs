//! Settings: what is written in the environment, a file and the program, read into checked values.
//!
//! Reading is a thin shell around a pure core: `sources` looks at the process and the file, `resolve` decides
//! on plain maps, `connection` takes connection strings apart. Secrets live in `secret` and print as nothing.

mod connection;
mod dotenv;
mod keys;
mod names;
mod origin;
mod outside;
mod overrides;
mod parse;
mod permissions;
mod resolve;
mod secret;
mod secret_source;
mod sources;
mod target;
mod template;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::names::NotConfigured;
use self::origin::Notes;
use self::sources::Sources;
use crate::dialect::Dialect;
use crate::embedded::EmbeddedMigrations;
use crate::error::{Error, Result};
#[cfg(feature = "testing")]
use crate::fault::FaultInjector;
use crate::retry::RetryPolicy;

pub(crate) use self::secret::scrub;
pub use self::{
    origin::{Origin, Setting},
    secret_source::SecretSource,
};
pub(crate) use self::{
    overrides::Overrides,
    parse::{is_placeholder, limit},
    secret::Secret,
    secret_source::SharedSource,
    target::{Driver, OdbcPlace, OdbcTarget, PostgresTarget, SslMode, Target},
};

/// What happens to pending migrations at the first connection: the key `MIGRATE_ON_START`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MigrateOnStart {
    /// Pending migrations are logged.
    #[default]
    Check,
    /// Pending migrations are applied.
    Run,
    /// Nothing happens.
    Off,
}

impl MigrateOnStart {
    fn parse(text: &str) -> Option<MigrateOnStart> {
        match text.trim().to_ascii_lowercase().as_str() {
            "check" => Some(MigrateOnStart::Check),
            "run" => Some(MigrateOnStart::Run),
            "off" => Some(MigrateOnStart::Off),
            _ => None,
        }
    }
}

/// How texts are sent to SQL Server: the key `TEXT_PARAMETERS`. Other databases have only one kind of text.
///
/// If an `nvarchar` parameter is compared with a `varchar` column, the server converts the column row by row, and does
/// not use its index. A `CAST(:name AS …)` in the statement overrides this setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TextParameters {
    /// `varchar` if the text is ASCII, else `nvarchar`: works for columns of both kinds.
    #[default]
    Auto,
    /// Always `varchar`. A text that is not ASCII is refused, because the server's code page is not known, and the
    /// server would replace unknown characters by `?`.
    Varchar,
    /// Always `nvarchar`: each statement has a single plan. For databases whose text columns are all `nvarchar`.
    Nvarchar,
}

impl TextParameters {
    fn parse(text: &str) -> Option<TextParameters> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Some(TextParameters::Auto),
            "varchar" => Some(TextParameters::Varchar),
            "nvarchar" => Some(TextParameters::Nvarchar),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            TextParameters::Auto => "auto",
            TextParameters::Varchar => "varchar",
            TextParameters::Nvarchar => "nvarchar",
        }
    }
}

/// The checked settings of one database.
///
/// They come from keys of the form `{ENVIRONMENT}_{SCOPE}_{NAME}_{KEY}`, such as `PRODUCTION_GLOBAL_RPA_DB_POOL_SIZE`.
/// The scope is a flow's name or `GLOBAL`. The first of these that sets a key wins:
///
/// 1. what the program sets in the builder,
/// 2. the flow's scope: the process environment, then the file `envs/.env.{environment}`,
/// 3. the scope `GLOBAL`: the process environment, then the file,
/// 4. the keys for all databases, `{ENVIRONMENT}_GLOBAL_DATABASE_TIMEOUT` and
///    `{ENVIRONMENT}_GLOBAL_CONNECTION_POOL_SIZE`,
/// 5. the default. [`reference`](Settings::reference) lists all keys with their defaults.
///
/// An empty value counts as not set. `${VAR}` in a value is replaced from the process environment; in a connection
/// string after it was split, so that a secret needs no encoding. A bare `$x` is not replaced, nor is anything between
/// single quotes in the file. The guide's page on [settings](crate::guide::settings) has the rest.
///
/// `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) database: Arc<str>,
    pub(crate) environment: String,
    pub(crate) flow: Option<String>,
    pub(crate) target: Target,
    pub(crate) pool_size: u32,
    pub(crate) max_overflow: u32,
    pub(crate) pool_timeout: Duration,
    /// Zero: never.
    pub(crate) pool_recycle: Duration,
    /// Zero: always.
    pub(crate) ping_after_idle: Duration,
    /// Zero: nobody looks.
    pub(crate) leak_after: Duration,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    /// Zero: statements are not prepared for later.
    pub(crate) statement_cache: usize,
    /// Zero: none is slow.
    pub(crate) slow_query: Duration,
    pub(crate) audit: bool,
    pub(crate) read_only: bool,
    pub(crate) text_parameters: TextParameters,
    pub(crate) migrations_dir: PathBuf,
    /// Whether it is there because somebody said so, and not by default.
    pub(crate) names_migrations_dir: bool,
    /// They take the place of the folder.
    pub(crate) migrations: Option<EmbeddedMigrations>,
    /// The values of `${name}` in migrations. They may hold passwords.
    pub(crate) placeholders: BTreeMap<String, Secret>,
    pub(crate) migration_timeout: Duration,
    pub(crate) migrate_on_start: MigrateOnStart,
    #[cfg(feature = "testing")]
    pub(crate) faults: Option<FaultInjector>,
    /// What they were read by, where the way in may be another one when it is read again.
    overrides: Option<Arc<Overrides>>,
    /// Every secret, as it is and as it was written, to be found in other people's texts.
    secrets: Vec<Secret>,
    /// Where each of them was found.
    notes: Arc<Notes>,
}

/// Equal for settings that can share one pool. Made of everything in which two pools can differ, the secrets
/// included, and printed as nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(Arc<FingerprintParts>);

type FingerprintParts = (
    Arc<str>,
    Target,
    [u32; 2],
    [Duration; 5],
    usize,
    (bool, TextParameters),
    PathBuf,
    Option<usize>,
    MigrateOnStart,
    Option<u64>,
);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint")
    }
}

impl Settings {
    /// Reads the settings of `database` from the process environment, the file and `overrides`.
    ///
    /// # Errors
    ///
    /// `Config`, with all problems at once, one a line, each with its key and the file. No problem quotes a
    /// value. [`is_not_configured`] tells whether anything is set for the database at all.
    pub(crate) fn load(database: &str, overrides: &Overrides) -> Result<Settings> {
        let sources = Sources::read(overrides);
        let settings = resolve::resolve(database, overrides, &sources)?;
        if sources.file_reveals(&settings.secrets) {
            permissions::warn_if_open(&sources.path);
        }
        Ok(settings)
    }

    /// Whether the way in comes from where it may change: a file, a command, a program's own source.
    pub(crate) fn may_rotate(&self) -> bool {
        self.overrides.is_some()
    }

    /// The same settings with the secret that holds now, which a command has `limit` to say.
    ///
    /// # Errors
    ///
    /// As [`load`](Settings::load).
    pub(crate) fn read_again(&self, limit: Duration) -> Result<Settings> {
        let overrides = self.overrides.as_deref().cloned().unwrap_or_default();
        Settings::load(&self.database, &Overrides { afresh: Some(limit), ..overrides })
    }

    /// The name of the database, as the program gave it.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The environment whose keys were read, such as `production`.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// The flow whose scope overrides `GLOBAL`.
    #[must_use]
    pub fn flow(&self) -> Option<&str> {
        self.flow.as_deref()
    }

    /// The SQL that the database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.target.dialect()
    }

    /// How many idle connections the pool keeps open.
    #[must_use]
    pub fn pool_size(&self) -> u32 {
        self.pool_size
    }

    /// How many connections beyond [`pool_size`](Settings::pool_size) may be open at a peak.
    #[must_use]
    pub fn max_overflow(&self) -> u32 {
        self.max_overflow
    }

    /// How long a call waits for a free connection.
    #[must_use]
    pub fn pool_timeout(&self) -> Duration {
        self.pool_timeout
    }

    /// The limit on one statement, and on each fetch of a streamed result.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The limit on opening a connection.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// When a transaction, or another call that retries, is retried.
    pub fn retry_policy(&self) -> &RetryPolicy {
        &self.retry
    }

    /// Whether every write is refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The folder of the migration files.
    #[must_use]
    pub fn migrations_dir(&self) -> &Path {
        &self.migrations_dir
    }

    /// What happens to pending migrations at the first connection.
    #[must_use]
    pub fn migrate_on_start(&self) -> MigrateOnStart {
        self.migrate_on_start
    }

    /// Server, database and user in one line, without a secret.
    #[must_use]
    pub fn describe(&self) -> String {
        self.target.describe()
    }

    /// All keys with their defaults and meanings, as a Markdown table.
    ///
    /// ```
    /// let table = batchdb::Settings::reference();
    /// assert!(table.contains("| `POOL_SIZE` | `5` |"));
    /// ```
    #[must_use]
    pub fn reference() -> String {
        keys::reference()
    }

    /// The names of all databases that have a connection string in the scope `GLOBAL` of an environment.
    ///
    /// The first argument is the environment, the second the folder that holds `envs` and `migrations`. `None` stands
    /// for the same defaults as for a handle: `BATCHDB_ENVIRONMENT`, else `PREFECT_ENVIRONMENT`, else `development`;
    /// and `BATCHDB_HOME`, else the working directory. Because keys are in upper case, a name is written like its
    /// folder of migrations, if there is one, else in lower case.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) when the file of the environment cannot be read.
    ///
    /// ```no_run
    /// for name in batchdb::Settings::configured_databases(Some("production"), None)? {
    ///     println!("{name}");
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn configured_databases(environment: Option<&str>, home: Option<&Path>) -> Result<Vec<String>> {
        configured_databases(&Overrides {
            environment: environment.map(str::to_owned),
            home: home.map(Path::to_path_buf),
            ..Overrides::default()
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The key under which a pool is shared. The limits on calls, attempts and migrations, the flow and the name of
    /// the environment belong to a handle, not to its pool.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Arc::new((
            Arc::clone(&self.database),
            self.target.clone(),
            [self.pool_size, self.max_overflow],
            [
                self.pool_timeout,
                self.pool_recycle,
                self.ping_after_idle,
                self.connect_timeout,
                self.leak_after,
            ],
            self.statement_cache,
            (self.read_only, self.text_parameters),
            self.migrations_dir.clone(),
            // They last as long as the program, so where they are says which they are.
            self.migrations.map(|migrations| migrations.files().as_ptr().addr()),
            self.migrate_on_start,
            self.fault_id(),
        )))
    }

    #[cfg(feature = "testing")]
    fn fault_id(&self) -> Option<u64> {
        self.faults.as_ref().map(FaultInjector::id)
    }

    #[cfg(not(feature = "testing"))]
    fn fault_id(&self) -> Option<u64> {
        None
    }

    /// What must be in no text about a migration: our secrets, and the values of placeholders, whose names do not tell
    /// which of them are passwords. One of up to three characters stands in too many words.
    pub(crate) fn migration_secrets(&self) -> Vec<Secret> {
        let values = self.placeholders.values().filter(|value| value.expose().chars().count() >= 4);
        self.secrets.iter().chain(values).cloned().collect()
    }

    /// The same for a connection that does not wait for locks inside the driver. SQLite's waits for 100 s, whatever
    /// `PRAGMA busy_timeout` says, for ever by `Timeout=0`, and heeds the first such word alone.
    pub(crate) fn without_patience(&self) -> Settings {
        let mut settings = self.clone();
        if let Target::Odbc(target) = &mut settings.target
            && target.dialect == Dialect::Sqlite
        {
            let string = format!("Timeout=1;{}", target.connection_string.expose());
            target.connection_string = Secret::new(string);
        }
        settings
    }

    /// The same for `master` of the same SQL Server, which knows the states of all databases, and the name of ours.
    /// `None` where there is no such thing. They are not read again for another secret, which would lead back.
    pub(crate) fn in_master(&self) -> Option<(Settings, String)> {
        let mut settings = Settings { overrides: None, ..self.clone() };
        let Target::Odbc(target) = &mut settings.target else { return None };
        let name = target.database.clone().filter(|_| target.dialect == Dialect::SqlServer)?;
        // Of two such words Microsoft's driver takes the first, and FreeTDS the last.
        let within =
            |text: &Secret| Secret::new(format!("Database=master;{}Database=master;", text.expose()));
        target.connection_string = within(&target.connection_string);
        if let Driver::Source { freetds: Ok(text), .. } | Driver::Installed { freetds: Ok(text) } =
            &mut target.driver
        {
            *text = within(text);
        }
        Some((settings, name))
    }

    /// Somebody else's text without our secrets, in whichever spelling they stand in it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        secret::scrub(text, &self.secrets)
    }
}

/// Whether the error says that nothing at all is set for the database, not that something is wrong with it.
pub(crate) fn is_not_configured(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<NotConfigured>())
}

/// The names of all databases for which the environment, or the flow of `overrides`, has a connection string.
///
/// Keys are in upper case, so the spelling is that of the folder of migrations, else lower case.
///
/// # Errors
///
/// `Config`, when the file cannot be read: a list that is short in silence would look like health.
pub(crate) fn configured_databases(overrides: &Overrides) -> Result<Vec<String>> {
    let sources = Sources::read(overrides);
    if !sources.file.faults.is_empty() {
        return Err(Error::config(sources.file.faults.join("\n")));
    }
    let folders: Vec<String> = std::fs::read_dir(sources.home.join("migrations"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let spelled = |name: String| {
        let folder = folders.iter().find(|folder| keys::word(folder) == name);
        folder.cloned().unwrap_or_else(|| name.to_ascii_lowercase())
    };
    let names = names::configured(&sources, &resolve::scopes(overrides.flow.as_deref()));
    Ok(names.into_iter().map(spelled).collect())
}

#[cfg(test)]
mod tests;
