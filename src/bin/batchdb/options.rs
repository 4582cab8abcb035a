//! What the command line says, and what `--help` teaches. Each command's own arguments stand in its own file.

use std::path::PathBuf;

use batchdb::{DatabaseManager, DatabaseManagerBuilder, Settings};
use clap::{Parser, Subcommand};

use super::{
    Failure, bench, check, copy, doctor, export, generate, health, import, migrate, pool, query, wait,
};

/// Looks after the databases of batch programs: settings, health, migrations, rows
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
  batchdb wait rpa_db --for 60s && ./job          start a container when its database is there
  batchdb --environment production health         do all databases answer?
  batchdb doctor rpa_db                           where does it stop, and what is to be done?
  batchdb migrate rpa_db status                   which migrations are applied, which are pending?
  batchdb migrate rpa_db up                       apply them
  batchdb query rpa_db 'SELECT * FROM job WHERE id = :id' -p id=7
  batchdb export rpa_db 'SELECT * FROM job' --to jobs.csv
  batchdb import rpa_db customer customers.csv

Exit codes:
   0  done; `health`: healthy; `doctor`: nothing is wrong
   1  failed; `check`: a setting is wrong; `health`: unhealthy or not configured; `doctor`: it stops at a step
   2  `health`: degraded; `doctor`: everything works, and something should be looked at
  64  the command line is wrong
  75  failed, nothing happened, and the same again may succeed; `wait`: the time is over
  78  the settings are wrong
 130  told to stop (Ctrl-C, SIGTERM): `migrate`, `query`, `export`, `import` and `copy` leave nothing half done
`migrate` has its own, for a gate in a pipeline: see `batchdb help migrate`.

RUST_LOG=batchdb=debug shows on standard error what the library does, without any value.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the settings, all problems at once; nothing is connected
    ///
    /// Prints for each database where it is and each setting with the place that it comes from: a line of the file, a
    /// variable of the process, the default. Or everything that is wrong, each with the key, the file and the line.
    /// What a secret is it never prints. Certificate files are read too, and commands for connection strings run.
    #[command(after_help = check::EXAMPLES)]
    Check(check::Check),
    /// Wait until databases answer, such as at the start of a container
    ///
    /// Tries again until each has answered a query or the time is over, and tells on standard error why it waits, once
    /// for each new reason. Two things are not waited for, because they do not heal by themselves: wrong settings, and
    /// a login that is refused, which could lock the account. A command for a secret that fails is waited for.
    #[command(after_help = wait::EXAMPLES)]
    Wait(wait::Wait),
    /// Connect to the databases, run a query in each and look at the migrations
    ///
    /// The databases are checked side by side. Pending migrations do not make a database unhealthy.
    #[command(after_help = health::EXAMPLES)]
    Health(health::Health),
    /// Walk the whole way to a database, and say where it stops and what to do
    ///
    /// Settings, name resolution, TCP, TLS and certificate, login, permissions, round-trip time, the server's settings,
    /// its clock, migrations, versions. Each step has its limit, and the whole ends by --limit even when the server is
    /// silent. Nothing is changed.
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::Doctor),
    /// Show who uses the connections of a database, and how the pool's sizes fit the server
    ///
    /// The pools of programs live in their processes. What is shown here is what the server sees of them: its sessions
    /// in this database, by program, host and state, beside what the settings allow one process to open. (A program
    /// tells of its own pool by `pool_status()`, and by the feature `monitor`.)
    #[command(after_help = pool::EXAMPLES)]
    Pool(pool::Pool),
    /// Look at migrations, apply them, undo them, repair their history
    #[command(after_help = migrate::options::EXAMPLES)]
    Migrate(migrate::options::Migrate),
    /// Run one statement and print its rows
    ///
    /// The session is read-only unless --write is given: a write is refused before it is sent, and by the server where
    /// it knows how. MIGRATE_ON_START is not looked at.
    #[command(after_help = query::EXAMPLES)]
    Query(query::Query),
    /// Write the rows of a query to a file, as CSV or JSON lines
    ///
    /// The rows are streamed, so the result may be of any size. The file is there as a whole or not at all: it is
    /// written under another name beside its place and renamed when it is complete.
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Load a CSV file into a table, all rows or none
    ///
    /// The first line names the columns. An empty field is NULL, and \"\" the empty text. What `export` wrote comes back
    /// as it was. An error names the line.
    #[command(after_help = import::EXAMPLES)]
    Import(import::Import),
    /// Copy the rows of a query from one database into a table of another, all rows or none
    #[command(after_help = copy::EXAMPLES)]
    Copy(copy::Copy),
    /// Measure point queries and inserts, in a temporary table that nobody else sees
    ///
    /// Half of the time goes to queries for one row by its key, half to inserts of one row, each committed by itself. No
    /// table of yours is touched. The first second of each half is not counted.
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Bench),
    /// Print the script that completes this command's words in a shell
    #[command(after_help = generate::COMPLETIONS)]
    Completions(generate::Completions),
    /// Print a manual page
    #[command(after_help = generate::MAN)]
    Man(generate::Man),
}

impl Options {
    /// The builder of a handle, with what the command line says of the place of settings.
    pub(crate) fn builder(&self, database: &str) -> DatabaseManagerBuilder {
        let mut builder = DatabaseManager::builder(database);
        if let Some(environment) = &self.environment {
            builder = builder.environment(environment);
        }
        if let Some(home) = &self.home {
            builder = builder.home(home);
        }
        builder
    }

    /// The databases that were named, or all that are configured.
    pub(crate) fn wanted(&self, named: &[String]) -> Result<Vec<String>, Failure> {
        if !named.is_empty() {
            return Ok(named.to_vec());
        }
        let all = Settings::configured_databases(self.environment.as_deref(), self.home.as_deref())?;
        if all.is_empty() {
            return Err(Failure::Usage(
                "no database is configured: there is no key `{ENVIRONMENT}_GLOBAL_{NAME}_CONNECTION_STRING`, neither \
                 in the process environment nor in envs/.env.{environment} (see --home and --environment)"
                    .to_owned(),
            ));
        }
        Ok(all)
    }
}
