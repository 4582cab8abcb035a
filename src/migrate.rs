//! Migrations: SQL files that are applied once each, in order.
//!
//! The files of a folder, or of the program, are compared with the table `schema_version`; what is missing there is
//! applied, oldest first, each file in one transaction with its row. Everything is checked before anything runs, and a
//! lock keeps a second runner out.

mod adapter;
mod apply;
mod baseline;
mod check;
mod checksum;
mod create;
mod deferred;
mod directives;
mod failure;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod history;
mod lock;
mod migrations;
mod name;
mod plan;
mod pooler;
mod problem;
mod repair;
mod run;
mod send;
mod status;
mod text;
mod version;

pub use baseline::ForeignHistory;
pub use migrations::Migrations;
pub use problem::FindingKind;
pub use repair::{Repair, RepairReport, RepairedMigration};
pub use status::{
    AppliedMigration, MigrationEvent, MigrationFinding, MigrationPlan, MigrationProgress, MigrationRecord,
    MigrationReport, MigrationState, MigrationStatus, MigrationValidation, PlannedMigration,
};

use crate::error::Result;
use crate::manager::DatabaseManager;
use crate::settings::MigrateOnStart;

impl DatabaseManager {
    /// Everything about the migrations of the database: a limit to go to, a callback, undoing, repairing.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// db.migrations().to("V003").run()?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn migrations(&self) -> Migrations<'_> {
        Migrations::new(self)
    }

    /// Applies the migrations that are pending, oldest first, and stops at the first that fails.
    ///
    /// The files are `migrations/{database}/V<version>__<description>.sql`, and after them
    /// `R__<description>.sql`, which are applied again whenever they have changed. Each runs in one transaction
    /// together with its row in the table `schema_version`: it is applied and recorded, or it leaves
    /// nothing behind. Before anything runs, every file is checked against the history. Of several
    /// programs that run this at once, one works and the others wait. `MIGRATION_TIMEOUT` limits each file,
    /// and the wait. What the database says meanwhile (`RAISE NOTICE`, `PRINT`) is in the log.
    ///
    /// A folder that does not exist has no migrations.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// for migration in db.run_migrations()?.applied {
    ///     println!("{} took {:?}", migration.file, migration.duration);
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Migration`](crate::ErrorKind::Migration) when a file is misnamed, was changed after it was applied, is
    /// missing, is out of order or has a twin (all such files are named at once, and nothing ran), or when a file
    /// failed: with its line and column, the statement, and what the database said. Nothing of that file was kept,
    /// unless it asked for no transaction. Also behind a pooler in transaction mode.
    /// [`Timeout`](crate::ErrorKind::Timeout) of [`Phase::Lock`](crate::Phase::Lock) when another
    /// runner held the lock for too long. [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when the connection
    /// broke during a commit: run it again, and the history tells. [`ReadOnly`](crate::ErrorKind::ReadOnly) for a
    /// database that is read-only.
    pub fn run_migrations(&self) -> Result<MigrationReport> {
        self.migrations().run()
    }

    /// Which migrations have been applied, and which are pending. Changes nothing.
    ///
    /// A database without the table `schema_version` has none applied, and one that is read-only has
    /// none at all. A file that was changed or is missing is told in the log, at WARN.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// let status = db.migration_status()?;
    /// assert!(status.pending_migrations.is_empty(), "waiting: {:?}", status.pending_migrations);
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Migration`](crate::ErrorKind::Migration) when a file is misnamed or has a twin, for then nobody can say what
    /// is pending; and those of a query.
    pub fn migration_status(&self) -> Result<MigrationStatus> {
        self.migrations().status()
    }

    /// What [`run_migrations`](DatabaseManager::run_migrations) would run, with the SQL. Changes nothing.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// for step in db.plan_migrations()?.steps {
    ///     println!("-- {}\n{}", step.file, step.sql);
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Migration`](crate::ErrorKind::Migration) for everything that would keep it from running, all at once; and
    /// those of a query.
    pub fn plan_migrations(&self) -> Result<MigrationPlan> {
        self.migrations().plan()
    }

    /// Everything that can be found without running anything: files that are changed, missing, misnamed, out of order,
    /// failed or unfit; what is pending; what cannot be undone. Changes nothing.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// for finding in db.validate_migrations()?.findings {
    ///     println!("{:?}: {}", finding.kind, finding.message);
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of reading the files and of a query. What is found is no error.
    pub fn validate_migrations(&self) -> Result<MigrationValidation> {
        self.migrations().validate()
    }

    /// Undoes the versions above `to`, the newest first, by their files `U<version>__<description>.sql`. `"0"` undoes
    /// all of them.
    ///
    /// Each file runs in one transaction, in which the row is taken out of `schema_version`. Repeatable migrations are
    /// forgotten, so that the next run applies them.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// db.undo_migrations("V002")?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Migration`](crate::ErrorKind::Migration) when a version has no file that undoes it, or `to` was not applied:
    /// then nothing ran. Otherwise as [`run_migrations`](DatabaseManager::run_migrations).
    pub fn undo_migrations(&self, to: &str) -> Result<MigrationReport> {
        self.migrations().to(to).undo()
    }
}

/// What `MIGRATE_ON_START` asks for, before the first statement of a pool.
///
/// # Errors
///
/// For `run`, those of [`DatabaseManager::run_migrations`]. A mere check never fails: what it finds, and
/// what keeps it from looking, is told in the log at WARN.
pub(crate) fn on_first_use(manager: &DatabaseManager) -> Result<()> {
    let settings = manager.settings();
    let database = manager.name();
    match settings.migrate_on_start {
        _ if settings.read_only => (),
        MigrateOnStart::Off => (),
        MigrateOnStart::Run => {
            manager.run_migrations()?;
        }
        MigrateOnStart::Check => match manager.migration_status() {
            Ok(status) if status.pending_migrations.is_empty() => (),
            Ok(status) => log::warn!(
                database, pending = status.pending_migrations.len();
                "{database}: pending migrations: {}; run_migrations applies them",
                status.pending_migrations.join(", ")
            ),
            Err(error) => {
                log::warn!(database; "{database}: the migrations could not be checked: {error}");
            }
        },
    }
    Ok(())
}
