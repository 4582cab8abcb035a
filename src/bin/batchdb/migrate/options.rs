//! The command line of `batchdb migrate`.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb migrate rpa_db status               what is applied, what is pending?
  batchdb migrate rpa_db up --dry-run         would it work? nothing is kept
  batchdb migrate rpa_db up                   apply what is pending
  batchdb migrate rpa_db undo --to V003       undo everything above version 3
  batchdb migrate rpa_db validate             before a deployment, in a pipeline
  batchdb migrate rpa_db new 'Add customer phone' --undo

Exit codes:
   0  fine: done, or nothing to do
   1  failed, or a problem was found
   2  the command line is wrong
   3  `status`, `plan`, `validate`: migrations are pending, and nothing is wrong
 130  told to stop (Ctrl-C, SIGTERM): the file under way is undone, the lock is free, and those before it stay. A file
      without a transaction is noted as not finished, as one that failed";

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
