//! Settings: keys, precedence, where secrets come from, connection strings.
//!
//! 1. [Keys](#keys)
//! 2. [Precedence](#precedence)
//! 3. [The file](#the-file)
//! 4. [Secrets](#secrets)
//! 5. [Connection strings](#connection-strings)
//! 6. [When something is wrong](#when-something-is-wrong)
//!
//! # Keys
//!
//! A program names a database, and the settings say what that is:
//!
//! ```no_run
//! use batchdb::DatabaseManager;
//!
//! let rpa = DatabaseManager::new("rpa_db")?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! The keys are `{ENVIRONMENT}_{SCOPE}_{NAME}_{KEY}`, all in upper case: `PRODUCTION_GLOBAL_RPA_DB_POOL_SIZE`.
//!
//! | part | what it is |
//! | --- | --- |
//! | environment | the value of `BATCHDB_ENVIRONMENT`, else of `PREFECT_ENVIRONMENT`, else `development` |
//! | scope | `GLOBAL`, or the name of the flow (job) that the program gave to the builder |
//! | name | the database's name in upper case. It may have ASCII letters, digits, `_` and `-`; `-` becomes `_` |
//! | key | [`Settings::reference`](crate::Settings::reference) lists them with their defaults, and so does the README |
//!
//! Two keys are for all databases: `{ENVIRONMENT}_GLOBAL_DATABASE_TIMEOUT` and
//! `{ENVIRONMENT}_GLOBAL_CONNECTION_POOL_SIZE`. Therefore no database can be named `DATABASE` or `CONNECTION`.
//!
//! Times are in seconds, or a number with `ms`, `s`, `m` or `h`; only `PING_AFTER_IDLE` takes a bare number as
//! milliseconds. A yes/no value is `true` or `false`, `yes` or `no`, `on` or `off`, `1` or `0`. An empty value counts
//! as not set.
//!
//! # Precedence
//!
//! The first of these that sets a key wins:
//!
//! 1. what the program sets in the builder,
//! 2. the flow's scope, then `GLOBAL`; within each, the process environment before the file,
//! 3. the keys for all databases,
//! 4. the default.
//!
//! ```no_run
//! use batchdb::DatabaseManager;
//!
//! // DEVELOPMENT_RPA1_RPA_DB_… overrides DEVELOPMENT_GLOBAL_RPA_DB_…, and `pool_size` overrides both.
//! let rpa = DatabaseManager::builder("rpa_db").flow("rpa1").pool_size(20).build()?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Handles for one database with the same settings share one pool in the process. They may differ in the settings of
//! single calls (`TIMEOUT`, retries) and still share it; a difference in anything that concerns the connections makes a
//! second pool.
//!
//! # The file
//!
//! `envs/.env.{environment}` is a `.env` file: one line per key, `#` begins a comment, a value with spaces needs
//! quotes. A key of this database that is there twice is an error, unless the process environment sets it too and wins.
//! `${VAR}` is replaced from the process environment, so that the file holds no secret; a variable that is not set is
//! an error and not an empty text. Nothing is replaced between single quotes, and a bare `$x` is left alone everywhere.
//!
//! In a connection string the replacement happens after the string was split. So a password in a variable may contain
//! `@`, `/`, `%` and `;` without encoding.
//!
//! # Secrets
//!
//! Set one of these four:
//!
//! | key | what it holds |
//! | --- | --- |
//! | `CONNECTION_STRING` | the string, with `${VAR}` for its password |
//! | `CONNECTION_STRING_FILE` | the path of a regular file with the string, or of a link to one, such as a mounted secret of Docker or Kubernetes |
//! | `CONNECTION_STRING_COMMAND` | a shell command that prints the string, such as a vault client. It has no terminal to ask questions on. Its limit is 30 s, or the builder's shorter `secret_timeout`; when it is run again, what is left of `CONNECT_TIMEOUT` |
//! | `CONNECTION_STRING` and `PASSWORD_FILE` | the string without a password, and the path of a file with only the password |
//!
//! For any other source implement [`SecretSource`](crate::SecretSource):
//!
//! ```
//! use batchdb::{DatabaseManager, SecretSource};
//!
//! struct Vault;
//!
//! impl SecretSource for Vault {
//!     fn connection_string(&self, database: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
//!         Ok(format!("postgresql://job:what-the-vault-says@localhost/{database}"))
//!     }
//! }
//!
//! let db = DatabaseManager::builder("rpa_db").secret_source(Vault).build()?;
//! assert!(!format!("{db:?} {:?}", db.settings()).contains("what-the-vault-says"));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Files, commands and sources are read again when the server refuses a login. If the secret has changed, the login is
//! tried once more, so a rotated password needs no restart. Because repeated attempts lock accounts, a refusal is
//! remembered for 10 s; during that time every call that needs a new connection gets the same error. The first call
//! after that tries again, even if the secret is still the same. A secret that cannot be read again counts as
//! unchanged: the error stays [`Auth`](crate::ErrorKind::Auth), and begins with the reason.
//!
//! If the `.env` file itself contains a secret and every user of the machine can read it, the log warns once. Other
//! files with secrets are not checked.
//!
//! # Connection strings
//!
//! Strings of SQLAlchemy, libpq, JDBC, ADO and plain ODBC work unchanged. An option that is not understood is an error.
//!
//! ```text
//! postgresql://user:${PW}@db.example:5432/rpa_db?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem
//! postgresql+psycopg2://user:${PW}@db.example/rpa_db
//! host=db.example,standby.example dbname=rpa_db user=job password=${PW}
//! mssql+pyodbc://sa:${PW}@db.example:1433/hub?driver=ODBC+Driver+18+for+SQL+Server
//! Driver=SQLite3;Database=survey_hub.sqlite;
//! ```
//!
//! In the file put a string with spaces, such as libpq's, in double quotes: `…_CONNECTION_STRING="host=db.example
//! dbname=rpa_db password=${PW}"`. (Between single quotes `${PW}` would not be replaced.)
//!
//! `TYPE` (`postgresql`, `sqlserver`, `odbc`) is inferred from the string. Setting it guards against a string of the
//! wrong kind. Every other database is reached by `odbc` and the string of its ODBC driver. A data source (`DSN=`) does
//! not show what it leads to, so it needs `TYPE=sqlserver` or `TYPE=odbc`; a SQL Server behind `TYPE=odbc` is refused,
//! because its SQL dialect is different. The page on [SQL Server](super::sqlserver) has its strings, the one on
//! [TLS](super::tls) the values of `sslmode`.
//!
//! SQLite's driver creates an empty database when the file does not exist, for a mistyped path too. `NoCreat=1` in the
//! string makes that an error: `Driver=SQLite3;Database=survey_hub.sqlite;NoCreat=1;`. `READ_ONLY=true` adds it by
//! itself if the string names the driver; for a data source put it into `odbc.ini`.
//!
//! # When something is wrong
//!
//! Making a handle connects to nothing. It checks all settings, and its error lists every problem with key, file and
//! line, and never with a value:
//!
//! ```
//! use batchdb::{DatabaseManager, ErrorKind};
//!
//! let wrong = DatabaseManager::builder("rpa_db")
//!     .connection_string("postgresql://u:secret@localhost/rpa_db")
//!     .pool_size(0)
//!     .build()
//!     .unwrap_err();
//! assert_eq!(wrong.kind(), ErrorKind::Config);
//! assert!(wrong.to_string().contains("`pool_size` of the builder: must be a whole number from 1"));
//! assert!(!wrong.report().contains("secret"));
//! ```
//!
//! A mistyped last part of a key is found: `DEVELOPMENT_GLOBAL_RPA_DB_POOLSIZE` is an error that names the nearest
//! valid key. So is a database that has no settings. A mistype in the parts before it (environment, scope, database)
//! cannot be found, because the key might belong to another environment, flow or database: **such a key has no effect,
//! and there is no error.** `batchdb check` shows where each setting comes from; check that the keys that you have set
//! are listed there.
