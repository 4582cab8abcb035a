//! What the command line says, and what `--help` teaches.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

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
  batchdb migrate rpa_db status                   which migrations are applied, which are pending?
  batchdb migrate rpa_db up --dry-run             would they work? nothing is kept
  batchdb migrate rpa_db up                       apply them
  batchdb query rpa_db 'SELECT * FROM job WHERE id = :id' -p id=7

Exit codes:
   0  done; `health`: healthy
   1  failed; `check`: a setting is wrong; `health`: unhealthy or not configured
   2  `health`: degraded
  64  the command line is wrong
  75  failed, nothing happened, and the same again may succeed
  78  the settings are wrong

Exit codes of `migrate`, for a gate in a pipeline:
   0  fine: done, or nothing to do
   1  failed, or a problem was found
   2  the command line is wrong
   3  `status`, `plan`, `validate`: migrations are pending, and nothing is wrong

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
    /// Look at migrations, apply them, undo them, repair their history
    Migrate(Migrate),
    /// Run one statement and print its rows
    ///
    /// The session is read-only unless --write is given: a write is refused before it is sent, and by the server where
    /// it knows how. MIGRATE_ON_START is not looked at.
    Query(Query),
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The database
    #[arg(value_name = "DB")]
    pub(crate) database: String,
    #[command(subcommand)]
    pub(crate) action: MigrateAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateAction {
    /// Say which migrations are applied and which are pending; changes nothing
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// Print everything that was ever done instead: runs, failures, undos, repairs
        #[arg(long)]
        history: bool,
    },
    /// Print what `up` would run, with the SQL; changes nothing
    Plan {
        /// The last version that would be applied [default: the newest]
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Apply the pending migrations, oldest first
    ///
    /// The files are migrations/{DB}/V<version>__<description>.sql, then R__<description>.sql where they have changed.
    /// Each runs in one transaction together with its row of the table `schema_version`. All files are checked before
    /// anything runs, and a lock keeps a second runner out.
    #[command(alias = "run")]
    Up {
        /// The last version to apply [default: the newest]
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
        /// Run everything in one transaction and roll it back
        #[arg(long)]
        dry_run: bool,
        /// How many seconds another runner is waited for [default: MIGRATION_TIMEOUT]
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
    },
    /// Undo the versions above one, the newest first, by their files U<version>__<description>.sql
    Undo {
        /// The version that stays as the last one; 0 undoes all
        #[arg(long, value_name = "VERSION")]
        to: String,
        /// How many seconds another runner is waited for [default: MIGRATION_TIMEOUT]
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
    },
    /// Find everything that is wrong, all at once; changes nothing
    Validate {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Repair what the history says; the database itself is not changed
    Repair(Repair),
    /// Begin to keep the migrations of a database that exists, or take over from another tool
    Baseline {
        /// The version up to which everything is there already
        #[arg(value_name = "VERSION", required_unless_present = "from")]
        version: Option<String>,
        /// Take over the history of this tool
        #[arg(long, value_name = "TOOL", conflicts_with = "version")]
        from: Option<Tool>,
    },
    /// Write a new migration file with the next number
    New {
        /// What it does, such as "Add customer phone"
        #[arg(value_name = "DESCRIPTION")]
        description: String,
        /// Write the file that undoes it too
        #[arg(long)]
        undo: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Tool {
    Flyway,
    Pyway,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("how").required(true)), group(ArgGroup::new("which").required(true)))]
pub(crate) struct Repair {
    /// What failed is done: it was finished by hand. A version that was never run is recorded without being run
    #[arg(long, group = "how")]
    pub(crate) done: bool,
    /// What failed is forgotten and run again; so is what has lost its file
    #[arg(long, group = "how")]
    pub(crate) forget: bool,
    /// The text that the file has now is the one that was applied
    #[arg(long, group = "how")]
    pub(crate) accept: bool,
    /// Everything with this trouble
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    /// The versions, or names of repeatable migrations
    #[arg(value_name = "VERSION", group = "which")]
    pub(crate) versions: Vec<String>,
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
