//! Settings: keys, who wins, where secrets come from, connection strings.
//!
//! 1. [Keys](#keys)
//! 2. [Who wins](#who-wins)
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
//! | environment | `BATCHDB_ENVIRONMENT`, else `PREFECT_ENVIRONMENT`, else `development` |
//! | scope | `GLOBAL`, or the name of a flow that the builder was given |
//! | name | the database's name, of ASCII letters, digits, `_` and `-`; `-` becomes `_` |
//! | key | [`Settings::reference`](crate::Settings::reference) lists them with their defaults, and so does the README |
//!
//! Two keys are for all databases: `{ENVIRONMENT}_GLOBAL_DATABASE_TIMEOUT` and
//! `{ENVIRONMENT}_GLOBAL_CONNECTION_POOL_SIZE`. So `DATABASE` and `CONNECTION` cannot name a database.
//!
//! Times are seconds, or a number with `ms`, `s`, `m` or `h`; only `PING_AFTER_IDLE` takes a bare number as
//! milliseconds. Yes and no are `true` and `false`, `yes` and `no`, `on` and `off`, `1` and `0`. An empty value counts
//! as not set.
//!
//! # Who wins
//!
//! First to last:
//!
//! 1. what the program sets in the builder,
//! 2. the flow's scope, then `GLOBAL`; in each the process environment before the file,
//! 3. the keys for all databases,
//! 4. the default.
//!
//! ```no_run
//! use batchdb::DatabaseManager;
//!
//! // DEVELOPMENT_RPA1_RPA_DB_… goes before DEVELOPMENT_GLOBAL_RPA_DB_…, and `pool_size` before both.
//! let rpa = DatabaseManager::builder("rpa_db").flow("rpa1").pool_size(20).build()?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Handles for one database with the same settings share one pool in the process. Limits that belong to calls
//! (`TIMEOUT`, retries) may differ within it; anything that makes the connections different makes another pool.
//!
//! # The file
//!
//! `envs/.env.{environment}` is a `.env` file: a line for each key, `#` begins a comment, a value with spaces stands in
//! quotes. A key of this database that stands there twice is an error, unless the process environment has it too and
//! wins. `${VAR}` is replaced from the process environment, so that no
//! secret stands in the file; a variable that is not set is an error and not an empty text. Between single quotes
//! everything is left as it is, and so is a bare `$x`.
//!
//! In a connection string the replacement comes after the string was split: a password may hold `@`, `/`, `%` and `;`
//! as they are.
//!
//! # Secrets
//!
//! One of these says where a database is:
//!
//! | key | what it holds |
//! | --- | --- |
//! | `CONNECTION_STRING` | the string, with `${VAR}` for its password |
//! | `CONNECTION_STRING_FILE` | a regular file with the string, or a link to one, such as a mounted secret of Docker or Kubernetes |
//! | `CONNECTION_STRING_COMMAND` | a line of the shell that prints the string, such as a vault's client; it has no terminal to ask at, and 30 s, or when it is run again what is left of `CONNECT_TIMEOUT`; `secret_timeout` of the builder is a shorter limit |
//! | `CONNECTION_STRING` and `PASSWORD_FILE` | a string without a password, and a file with the password alone |
//!
//! For any other place there is [`SecretSource`](crate::SecretSource):
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
//! Files, commands and sources are read again when the server refuses a login, and the login is tried once more if the
//! secret has changed: a password that was rotated needs no restart. Repeated attempts lock accounts, so a refusal is
//! remembered for 10 s, in which every call that needs a new connection gets its error; the first one after that tries
//! the same secret once more, if it still is the same. A secret that cannot be read again counts as one that has not changed: the error stays
//! [`Auth`](crate::ErrorKind::Auth), with the reason in front.
//!
//! When `.env` itself has a secret written out and every user of the machine can read it, the log says so, once. The
//! other files that hold secrets are not looked at in this way.
//!
//! # Connection strings
//!
//! SQLAlchemy's, libpq's, JDBC's, ADO's and plain ODBC strings work as they are; what is not understood is an error.
//!
//! ```text
//! postgresql://user:${PW}@db.example:5432/rpa_db?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem
//! postgresql+psycopg2://user:${PW}@db.example/rpa_db
//! host=db.example,standby.example dbname=rpa_db user=job password=${PW}
//! mssql+pyodbc://sa:${PW}@db.example:1433/hub?driver=ODBC+Driver+18+for+SQL+Server
//! Driver=SQLite3;Database=survey_hub.sqlite;
//! ```
//!
//! In the file a string with spaces stands in double quotes, as libpq's:
//! `…_CONNECTION_STRING="host=db.example dbname=rpa_db password=${PW}"`. (Between single quotes `${PW}` would stay as it is.)
//!
//! `TYPE` (`postgresql`, `sqlserver`, `odbc`) is found from the string. To say it guards against a string of the wrong
//! kind, and `odbc` with any driver's string is how every other database is reached. (A data source, `DSN=`, does not tell:
//! it needs one of the two, and a SQL Server found behind `odbc` is refused, because its SQL is another.) The [page on SQL
//! Server](super::sqlserver) has its strings, the one on [TLS](super::tls) what `sslmode` asks for.
//!
//! SQLite's driver makes an empty database where there is none, also of a mistyped path. `NoCreat=1` in the string makes that
//! an error: `Driver=SQLite3;Database=survey_hub.sqlite;NoCreat=1;`. `READ_ONLY=true`
//! sets it by itself where the string names the driver; of a data source put it into `odbc.ini`.
//!
//! # When something is wrong
//!
//! Making a handle connects to nothing. It checks all settings, and its error lists everything that is wrong with them,
//! each with the key, the file and the line, and never with a value:
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
//! Of a mistyped key the last part is found: `DEVELOPMENT_GLOBAL_RPA_DB_POOLSIZE` is an error that names the nearest one, and
//! so is a database that nobody has configured. The parts before it (environment, scope, database) cannot be found, because
//! they may be those of another environment, flow or database: such a key sets nothing, without an error. `batchdb check` shows
//! where each setting comes from: use it, and look whether the keys that you have set are named there.
