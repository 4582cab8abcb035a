//! Where a database is and how to get in: what the backends are given.

use std::path::PathBuf;

use super::secret::Secret;
use crate::dialect::Dialect;

/// One of the two ways to a database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Postgres(PostgresTarget),
    Odbc(OdbcTarget),
    /// The mock of this number.
    #[cfg(feature = "testing")]
    Mock(u64),
}

impl Target {
    /// The place and the user, without a secret, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Target::Postgres(target) => target.describe(),
            Target::Odbc(target) => target.description.clone(),
            #[cfg(feature = "testing")]
            Target::Mock(number) => format!("mock {number}"),
        }
    }

    /// The SQL that is spoken there.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Target::Postgres(_) => Dialect::Postgres,
            Target::Odbc(target) => target.dialect,
            #[cfg(feature = "testing")]
            Target::Mock(_) => Dialect::Postgres,
        }
    }
}

/// How far TLS goes, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}

/// A PostgreSQL server, reached by its own protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PostgresTarget {
    /// Tried in this order. A path that begins with `/` is the folder of a Unix socket.
    pub(crate) hosts: Vec<(String, u16)>,
    /// `None` is the user of the operating system.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) dbname: String,
    pub(crate) ssl_mode: SslMode,
    /// `None` is what the machine trusts.
    pub(crate) ssl_root_cert: Option<PathBuf>,
    /// Given together with the key, or not at all.
    pub(crate) ssl_cert: Option<PathBuf>,
    pub(crate) ssl_key: Option<PathBuf>,
    pub(crate) application_name: String,
    pub(crate) options: Option<String>,
}

impl PostgresTarget {
    fn describe(&self) -> String {
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .map(
                |(host, port)| {
                    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
                },
            )
            .collect();
        let user = self.user.as_ref().map_or(String::new(), |user| format!(", user {user}"));
        let mode = self.ssl_mode.name();
        format!("postgresql, server {}, database {}{user}, sslmode {mode}", hosts.join(","), self.dbname)
    }
}

/// Which driver leads to a database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Driver {
    /// The string names it, and is in its words.
    Named,
    /// It is FreeTDS, and the string is in its words.
    FreeTds,
    /// That of a data source, which the string names.
    Source {
        name: String,
        /// The same in the words of FreeTDS, for where that is its driver.
        freetds: InWordsOfFreeTds,
    },
    /// Any for SQL Server that is installed. The connection string is in the words of Microsoft's, without `Driver=`.
    Installed {
        /// The same in the words of FreeTDS.
        freetds: InWordsOfFreeTds,
    },
}

impl Driver {
    /// Whether it is FreeTDS, by the name of the driver or the path of its library.
    pub(crate) fn is_freetds(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        name.contains("freetds") || name.contains("tdsodbc")
    }
}

/// A connection string, or why FreeTDS cannot do what the settings ask for.
pub(crate) type InWordsOfFreeTds = std::result::Result<Secret, &'static str>;

/// Where a database behind a driver is, as far as its string tells in words that are known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum OdbcPlace {
    Server(String, u16),
    /// A named instance on this host, whose port the driver asks for.
    Instance(String),
    File(PathBuf),
    Unknown,
}

/// A database behind an ODBC driver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OdbcTarget {
    /// Ready for the driver manager, secrets included, but for the driver's name where that is left to what is
    /// installed.
    pub(crate) connection_string: Secret,
    pub(crate) driver: Driver,
    /// Driver, server, database and user, for messages.
    pub(crate) description: String,
    pub(crate) dialect: Dialect,
    pub(crate) place: OdbcPlace,
    /// The database on the server, where the string names it.
    pub(crate) database: Option<String>,
    pub(crate) has_password: bool,
    /// Every secret of the string, raw, to be scrubbed from the driver's texts.
    pub(crate) secrets: Vec<Secret>,
}
