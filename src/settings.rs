//! Settings. (skeleton: the settings helper fills this in)
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct Secret(String);
impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Settings { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("Settings") } }
/// Checked settings of one database.
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
    pub(crate) ping_after_idle: Duration,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_cache: usize,
    pub(crate) read_only: bool,
    pub(crate) migrations_dir: PathBuf,
    pub(crate) migration_timeout: Duration,
    pub(crate) migrate_on_start: MigrateOnStart,
}
#[derive(Clone,PartialEq,Eq,Hash,Debug)]
pub(crate) struct Fingerprint(u64);
impl Settings { pub(crate) fn fingerprint(&self)->Fingerprint{todo!()}
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}
pub enum MigrateOnStart {
    Check,
    Run,
    Off,
}
pub(crate) enum Target {
    Postgres(PostgresTarget),
    Odbc(OdbcTarget),
}
impl Target {
    pub(crate) fn describe(&self) -> String {
        todo!()
    }
}
#[derive(Clone, Copy)]
pub(crate) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}
#[derive(Clone)]
pub(crate) struct PostgresTarget {
    /// Tried in this order. A path that begins with `/` is the folder of a Unix socket.
    pub(crate) hosts: Vec<(String, u16)>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) dbname: String,
    pub(crate) ssl_mode: SslMode,
    pub(crate) ssl_root_cert: Option<PathBuf>,
    pub(crate) ssl_cert: Option<PathBuf>,
    pub(crate) ssl_key: Option<PathBuf>,
    pub(crate) application_name: String,
    pub(crate) options: Option<String>,
}
pub(crate) struct OdbcTarget {
    /// Ready for the driver manager, secrets included.
    pub(crate) connection_string: Secret,
    /// Driver, server, database and user, for messages.
    pub(crate) description: String,
    pub(crate) dialect: crate::dialect::Dialect,
    /// Every secret of the string, raw, to be scrubbed from the driver's texts.
    pub(crate) secrets: Vec<Secret>,
}
