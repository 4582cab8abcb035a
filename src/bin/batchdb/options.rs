//! What the command line says, and what `--help` teaches.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Looks at the databases of batch programs: their settings, their health, their migrations, their rows
#[derive(Debug, Parser)]
#[command(name = "batchdb", version, arg_required_else_help = true, after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The environment [default: BATCHDB_ENVIRONMENT, else PREFECT_ENVIRONMENT, else development]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// The folder with `envs` and `migrations` [default: BATCHDB_HOME, else the working directory]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) home: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Settings are read from the process environment and from envs/.env.{environment}, by keys such as
PRODUCTION_GLOBAL_RPA_DB_CONNECTION_STRING; a password is best kept as ${VAR} there. No command prints one.

Examples:
  batchdb check                                   are the settings right? nothing is connected
  batchdb --environment production health         do all databases answer?
  batchdb migrate status rpa_db                   what would `migrate run` apply?
  batchdb query rpa_db 'SELECT * FROM job WHERE id = :id' -p id=7

Exit codes:
   0  done; `health`: healthy
   1  failed; `check`: a setting is wrong; `health`: unhealthy or not configured
   2  `health`: degraded
  64  the command line is wrong
  75  failed, nothing happened, and the same again may succeed
  78  the settings are wrong

RUST_LOG=batchdb=debug shows on standard error what the library does, without any value.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the settings, all problems at once; nothing is connected
    ///
    /// Prints for each database where it is, the sizes of its pool and its limits, or everything that is wrong with
    /// its settings, each with the key, the file and the line. Certificate files are read too.
    Check {
        /// The databases [default: all that are configured]
        #[arg(value_name = "DB")]
        databases: Vec<String>,
    },
    /// Connect to the databases, run a query in each and look at the migrations
    ///
    /// The databases are checked side by side. Pending migrations do not make a database unhealthy.
    Health {
        /// The databases [default: all that are configured]
        #[arg(value_name = "DB")]
        databases: Vec<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Apply migrations, or say which are pending
    #[command(subcommand)]
    Migrate(Migrate),
    /// Run one statement and print its rows
    ///
    /// The session is read-only unless --write is given: a write is refused before it is sent, and by the server where
    /// it knows how. MIGRATE_ON_START is not looked at.
    Query(Query),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Apply the pending migrations, oldest first
    ///
    /// The files are migrations/{DB}/V<version>__<description>.sql. Each runs in one transaction together with its row
    /// of the table `schema_version`. All files are checked before anything runs, and a lock keeps a second runner out.
    Run {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
    },
    /// Say which migrations are applied and which are pending; changes nothing
    Status {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The database
    #[arg(value_name = "DB")]
    pub(crate) database: String,
    /// The database's own SQL, with :name for each parameter
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// A parameter: name=text, which the server reads as the type it needs, or name:=JSON for a number, null or a list
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    /// Print one JSON object a row, as the rows come
    #[arg(long)]
    pub(crate) json: bool,
    /// Allow writing, and print how many rows were changed instead of rows
    #[arg(long)]
    pub(crate) write: bool,
}
