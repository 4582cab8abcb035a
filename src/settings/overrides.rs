//! What a program sets itself, above everything that is read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::outside::Asked;
use super::secret::Secret;
use super::secret_source::SharedSource;
use super::{MigrateOnStart, TextParameters};
use crate::embedded::EmbeddedMigrations;
#[cfg(feature = "testing")]
use crate::fault::FaultInjector;

/// What the builder was told. A field that is `None` is left to the environment and the file.
///
/// The connection string is taken as it is: `${VAR}` has no meaning in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// The flow whose scope goes before `GLOBAL`.
    pub(crate) flow: Option<String>,
    pub(crate) environment: Option<String>,
    /// The folder of `envs` and `migrations`.
    pub(crate) home: Option<PathBuf>,
    /// The folder of the `.env` files themselves.
    pub(crate) envs_dir: Option<PathBuf>,
    /// `postgresql`, `sqlserver` or `odbc`.
    pub(crate) database_type: Option<String>,
    pub(crate) connection_string: Option<Secret>,
    /// Asked where no connection string is given.
    pub(crate) secret_source: Option<SharedSource>,
    /// What commands have said before does not count, and they have this time to say it again.
    pub(crate) afresh: Option<Duration>,
    /// How long a command, or a source, may take to say a secret when a handle is built.
    pub(crate) secret_timeout: Option<Duration>,
    pub(crate) pool_size: Option<u32>,
    pub(crate) max_overflow: Option<u32>,
    pub(crate) pool_timeout: Option<Duration>,
    pub(crate) pool_recycle: Option<Duration>,
    pub(crate) ping_after_idle: Option<Duration>,
    pub(crate) leak_after: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) retry_attempts: Option<u32>,
    pub(crate) retry_budget: Option<Duration>,
    pub(crate) statement_cache: Option<u32>,
    pub(crate) slow_query: Option<Duration>,
    pub(crate) audit: Option<bool>,
    pub(crate) read_only: Option<bool>,
    pub(crate) text_parameters: Option<TextParameters>,
    /// As it is: a relative folder is one of the working directory, not of the home.
    pub(crate) migrations_dir: Option<PathBuf>,
    pub(crate) migrations: Option<EmbeddedMigrations>,
    /// By name.
    pub(crate) placeholders: BTreeMap<String, Secret>,
    pub(crate) migration_timeout: Option<Duration>,
    pub(crate) migrate_on_start: Option<MigrateOnStart>,
    #[cfg(feature = "testing")]
    pub(crate) faults: Option<FaultInjector>,
}

impl Overrides {
    /// How secrets that are elsewhere are asked for.
    pub(super) fn asked(&self) -> Asked {
        Asked { afresh: self.afresh.is_some(), limit: self.afresh.or(self.secret_timeout) }
    }
}
