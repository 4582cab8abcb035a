//! Migrations: SQL files that are applied once each, in order.
//!
//! The files `V<version>__<description>.sql` of a folder are compared with the table `schema_version`;
//! what is missing there is applied, oldest first, each file in one transaction with its row. Everything
//! is checked before anything runs, and a lock keeps a second runner out.

mod adapter;
mod apply;
mod checksum;
mod files;
mod history;
mod lock;
mod plan;
mod problem;
mod status;
mod version;

use std::time::{Duration, Instant};

pub use status::{AppliedMigration, MigrationReport, MigrationStatus};

use crate::context;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::session::Session;
use crate::settings::{MigrateOnStart, Settings};
use files::{Folder, Script};
use history::History;
use plan::{Applied, Plan};

impl DatabaseManager {
    /// Applies the migrations that are pending, oldest first, and stops at the first that fails.
    ///
    /// The files are `migrations/{database}/V<version>__<description>.sql`. Each runs in one transaction
    /// together with its row in the table `schema_version`: it is applied and recorded, or it leaves
    /// nothing behind. Before anything runs, every file is checked against the history. Of several
    /// programs that run this at once, one works and the others wait. `MIGRATION_TIMEOUT` limits each file,
    /// and the wait.
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
    /// [`ErrorKind::Migration`] when a file is misnamed, was changed after it was applied, is missing, is
    /// out of order or has a twin (all such files are named at once, and nothing ran), or when a file
    /// failed (nothing of that one was kept). [`ErrorKind::Timeout`] of [`Phase::Lock`](crate::Phase::Lock) when another
    /// runner held the lock for too long. [`ErrorKind::OutcomeUnknown`] when the connection broke during
    /// a commit: run it again, and the history tells. [`ErrorKind::ReadOnly`] for a database that is
    /// read-only.
    pub fn run_migrations(&self) -> Result<MigrationReport> {
        const CALL: &str = "run_migrations";
        let settings = self.settings();
        if settings.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "migrations write, and the database is read-only")
                .with_hint("remove READ_ONLY, or do not run migrations here")
                .in_database(&settings.database)
                .during(CALL));
        }
        self.session_without_hook(|session| run(session, settings))
            .map_err(|error| error.in_database(&settings.database).during(CALL))
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
    /// [`ErrorKind::Migration`] when a file is misnamed or has a twin, for then nobody can say what is
    /// pending; and those of a query.
    pub fn migration_status(&self) -> Result<MigrationStatus> {
        let settings = self.settings();
        if settings.read_only {
            return Ok(MigrationStatus::default());
        }
        self.session_without_hook(|session| status(session, settings))
            .map_err(|error| error.in_database(&settings.database).during("migration_status"))
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

fn status(session: &mut Session<'_>, settings: &Settings) -> Result<MigrationStatus> {
    let folder = files::read(&settings.migrations_dir)?;
    let mut problems = folder.problems;
    problems.extend(plan::duplicates(&folder.scripts));
    if !problems.is_empty() {
        return Err(problem::refusal(&problems));
    }
    let rows = History::locate(session)?.read(session)?;
    if let Err(problems) = plan::plan(&folder.scripts, &rows) {
        for problem in problems {
            log::warn!(database:% = settings.database; "{}: {problem}", settings.database);
        }
    }
    Ok(MigrationStatus::of(&folder.scripts, &rows))
}

fn run(session: &mut Session<'_>, settings: &Settings) -> Result<MigrationReport> {
    let began = Instant::now();
    let usual = session.set_limit(settings.migration_timeout);
    let report = run_pending(session, settings);
    session.set_limit(usual);
    let report = MigrationReport { duration: began.elapsed(), ..report? };
    log::info!(
        database:% = settings.database,
        applied = report.applied.len(),
        duration_ms = millis(report.duration);
        "{}: {} migrations applied in {:?}; the version is {}",
        settings.database,
        report.applied.len(),
        report.duration,
        report.current_version.as_deref().unwrap_or("none")
    );
    Ok(report)
}

fn run_pending(session: &mut Session<'_>, settings: &Settings) -> Result<MigrationReport> {
    let folder = read_folder(settings)?;
    let history = History::locate(session)?;
    let rows = history.read(session)?;
    let limit = settings.migration_timeout;
    let mut run = Run { database: &settings.database, limit, history: &history, applied: Vec::new() };
    let rows = if check(&folder, &rows, &history)?.pending().next().is_none() {
        rows
    } else {
        let deadline = Deadline::after(Instant::now(), limit).earlier(context::deadline());
        lock::hold(session, &history, deadline, |session| run.apply_pending(session, &folder))?;
        history.read(session)?
    };
    Ok(MigrationReport {
        applied: run.applied,
        current_version: plan::newest(&rows).map(Applied::name),
        duration: Duration::ZERO,
    })
}

fn read_folder(settings: &Settings) -> Result<Folder> {
    let folder = files::read(&settings.migrations_dir)?;
    if !folder.found {
        log::info!(
            database:% = settings.database;
            "{}: no migrations, because there is no folder \"{}\"",
            settings.database,
            settings.migrations_dir.display()
        );
    }
    Ok(folder)
}

/// The plan, when nothing at all speaks against it.
fn check<'f>(folder: &'f Folder, rows: &[Applied], history: &History) -> Result<Plan<'f>> {
    let mut problems = folder.problems.clone();
    let plan = match plan::plan(&folder.scripts, rows) {
        Ok(plan) => Some(plan),
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    let pending = plan.iter().flat_map(Plan::pending);
    problems.extend(pending.filter_map(|script| apply::problem_of(history.engine(), script)));
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problem::refusal(&problems)),
    }
}

/// A run of the migrations.
struct Run<'a> {
    database: &'a str,
    /// The limit on each file.
    limit: Duration,
    history: &'a History,
    applied: Vec<AppliedMigration>,
}

impl Run<'_> {
    /// Looks at the history again, now that nobody else changes it, and applies what is pending.
    fn apply_pending(&mut self, session: &mut Session<'_>, folder: &Folder) -> Result<()> {
        self.history.prepare(session)?;
        let rows = self.history.read(session)?;
        let plan = check(folder, &rows, self.history)?;
        for warning in &plan.warnings {
            log::warn!(database = self.database; "{}: {warning}", self.database);
        }
        let mut rank = rows.iter().map(|row| row.rank).max().unwrap_or(0);
        adapter::apply_pending(&plan, &mut |script| {
            rank += 1;
            self.apply(session, script, rank)
        })
    }

    fn apply(&mut self, session: &mut Session<'_>, script: &Script, rank: i64) -> Result<()> {
        let (database, file) = (self.database, &*script.file);
        let Some(took) = apply::apply(session, self.history, script, rank, self.limit)? else {
            log::info!(database, file; "{database}: {file} was applied by another runner meanwhile");
            return Ok(());
        };
        log::info!(database, file, duration_ms = millis(took); "{database}: {file} applied in {took:?}");
        self.applied.push(AppliedMigration {
            version: script.version.to_string(),
            file: script.file.clone(),
            duration: took,
        });
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
