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
    /// Returns the handle for everything else about migrations: a target version, progress, dry runs, undoing,
    /// repairing, baselines.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// db.migrations().to("V003").run()?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn migrations(&self) -> Migrations<'_> {
        Migrations::new(self)
    }

    /// Applies the pending migrations, oldest first, and stops at the first that fails. Returns what was applied.
    ///
    /// The files are `migrations/{database}/V<version>__<description>.sql`, and after them `R__<description>.sql`,
    /// which are applied again whenever they have changed. Each file runs in one transaction together with its row in
    /// the table `schema_version`, so it is applied and recorded, or leaves nothing behind. Before anything runs, every
    /// file is checked against the history. If several programs run this at once, one works and the others wait.
    /// `MIGRATION_TIMEOUT` (1 h) limits each file, and the wait. Messages of the database (`RAISE NOTICE`, `PRINT`) are
    /// logged. The guide's page on [migrations](crate::guide::migrations) has the rest.
    ///
    /// If the default folder does not exist, there are no migrations; a folder that `MIGRATIONS_DIR` names must exist.
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
    /// missing, is out of order or has the same version as another file (all such files are named at once, and nothing
    /// ran); when a file failed (with line, column, statement and the database's message; nothing of that file was
    /// kept, unless it has `no-transaction`); and behind a pooler in transaction mode.
    /// [`Timeout`](crate::ErrorKind::Timeout) of [`Phase::Lock`](crate::Phase::Lock) when another runner held the lock
    /// for too long. [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when the connection broke during a commit:
    /// run it again, the history shows whether the file was applied. [`ReadOnly`](crate::ErrorKind::ReadOnly) for a
    /// database that is read-only.
    pub fn run_migrations(&self) -> Result<MigrationReport> {
        self.migrations().run()
    }

    /// Which migrations have been applied, and which are pending. Changes nothing.
    ///
    /// Without the table `schema_version` nothing counts as applied. A database with `READ_ONLY` has no migrations at
    /// all. Changed or missing files are logged at `WARN`.
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
    /// [`Migration`](crate::ErrorKind::Migration) when a file is misnamed or two files have the same version, because
    /// then it is not clear what is pending; and those of a query.
    pub fn migration_status(&self) -> Result<MigrationStatus> {
        self.migrations().status()
    }

    /// Returns what [`run_migrations`](DatabaseManager::run_migrations) would run, with the SQL. Changes nothing.
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
    /// [`Migration`](crate::ErrorKind::Migration) with all problems that would prevent a run; and those of a query.
    pub fn plan_migrations(&self) -> Result<MigrationPlan> {
        self.migrations().plan()
    }

    /// Returns everything that can be found without running anything: files that are changed, missing, misnamed, out of
    /// order, failed, or that contain statements which cannot run; pending files; versions that cannot be undone.
    /// Changes nothing.
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
    /// Those of reading the files and of a query. Findings are not errors.
    pub fn validate_migrations(&self) -> Result<MigrationValidation> {
        self.migrations().validate()
    }

    /// Undoes the versions above `to`, the newest first, by their files `U<version>__<description>.sql`. `"0"` undoes
    /// all of them.
    ///
    /// Each file runs in one transaction, which also removes its row from `schema_version`. Repeatable migrations are
    /// removed from the history, so that the next run applies them again.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// db.undo_migrations("V002")?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Migration`](crate::ErrorKind::Migration) when a version has no undo file, or `to` was not applied: then
    /// nothing ran. Otherwise as [`run_migrations`](DatabaseManager::run_migrations).
    pub fn undo_migrations(&self, to: &str) -> Result<MigrationReport> {
        self.migrations().to(to).undo()
    }
}

/// What `MIGRATE_ON_START` asks for, before the first statement of a pool.
///
/// # Errors
///
/// For `run`, those of [`DatabaseManager::run_migrations`]. A check never fails: its findings, and errors in finding
/// out, are logged at `WARN`.
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
