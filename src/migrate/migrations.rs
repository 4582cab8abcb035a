//! The handle for everything about the migrations of one database.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::context;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::migrate::baseline::{self, ForeignHistory};
use crate::migrate::check;
use crate::migrate::create;
use crate::migrate::files::Files;
use crate::migrate::history::History;
use crate::migrate::lock;
use crate::migrate::name::Id;
use crate::migrate::plan::{self, Applied};
use crate::migrate::problem::{self, Problem, refusal};
use crate::migrate::repair::{self, Repair, RepairReport};
use crate::migrate::run::{self, Request, read_files, read_files_so_far};
use crate::migrate::status::{
    MigrationEvent, MigrationPlan, MigrationProgress, MigrationReport, MigrationStatus, MigrationValidation,
    PlannedMigration,
};
use crate::migrate::version::Version;
use crate::session::Session;

type OnProgress<'m> = Box<dyn Fn(&MigrationProgress<'_>) + 'm>;

/// Everything about the migrations of one database. Made by [`DatabaseManager::migrations`].
///
/// ```no_run
/// use std::time::Duration;
///
/// let db = batchdb::DatabaseManager::new("rpa_db")?;
/// let report = db
///     .migrations()
///     .to("V012")
///     .wait(Duration::from_secs(60))
///     .on_progress(|at| eprintln!("{} of {}: {}", at.number, at.total, at.file))
///     .run()?;
/// # Ok::<(), batchdb::Error>(())
/// ```
#[must_use = "nothing is done before `run` or another method that says what to do"]
pub struct Migrations<'m> {
    manager: &'m DatabaseManager,
    to: Option<String>,
    wait: Option<Duration>,
    progress: Option<OnProgress<'m>>,
}

impl fmt::Debug for Migrations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations")
            .field("database", &self.manager.name())
            .field("to", &self.to)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl<'m> Migrations<'m> {
    pub(crate) fn new(manager: &'m DatabaseManager) -> Migrations<'m> {
        Migrations { manager, to: None, wait: None, progress: None }
    }

    /// The target version, such as `V003` or `3`: the last one to be applied, or the last one that is not undone.
    /// Default: the newest file.
    ///
    /// As long as a version is left out, repeatable migrations are not applied.
    pub fn to(mut self, version: &str) -> Self {
        self.to = Some(version.to_owned());
        self
    }

    /// How long to wait for another runner. Default: `MIGRATION_TIMEOUT`.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = Some(limit);
        self
    }

    /// Sets a callback that is called when a file begins and when it is done. Default: none.
    pub fn on_progress(mut self, progress: impl Fn(&MigrationProgress<'_>) + 'm) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Applies what is pending; see [`DatabaseManager::run_migrations`].
    ///
    /// # Errors
    ///
    /// As there; and `Migration` when no file has the target version.
    pub fn run(&self) -> Result<MigrationReport> {
        self.timed("run_migrations", "applied", run::up)
    }

    /// Applies what is pending in one transaction and rolls it back: a file that would fail fails now, and nothing is
    /// changed. Files with `no-transaction` are left out and named in the report; files that depend on them fail.
    ///
    /// It takes the same locks and the same time as a real run.
    ///
    /// # Errors
    ///
    /// As [`run`](Migrations::run).
    pub fn dry_run(&self) -> Result<MigrationReport> {
        self.timed("dry_run", "rehearsed", run::rehearse)
    }

    /// Undoes the versions above [`to`](Migrations::to); see [`DatabaseManager::undo_migrations`].
    ///
    /// # Errors
    ///
    /// As there; and `Usage` when no target version was set.
    pub fn undo(&self) -> Result<MigrationReport> {
        if self.to.is_none() {
            return Err(Error::usage("undoing needs the version to go back to")
                .with_hint("set it with `to`; 0 undoes everything")
                .in_database(&self.manager.settings().database));
        }
        self.timed("undo_migrations", "undone", run::down)
    }

    /// What [`run`](Migrations::run) would do; see [`DatabaseManager::plan_migrations`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn plan(&self) -> Result<MigrationPlan> {
        let settings = self.manager.settings();
        if settings.read_only {
            return Ok(MigrationPlan::default());
        }
        self.call("plan_migrations", |session| {
            let (files, to) = (read_files(settings)?, self.version()?);
            let history = History::locate(session)?;
            let rows = history.read(session)?;
            let plan = run::checked(&files, &rows, &history, settings, to.as_ref())?;
            let planned = |step: plan::Step<'_>| PlannedMigration {
                version: step.script.id.to_string(),
                description: step.script.description.clone(),
                file: step.script.file.clone(),
                sql: step.script.text.clone(),
                in_transaction: !step.script.directives.no_transaction,
                again: step.row.is_some(),
                out_of_order: step.late,
            };
            let steps = plan.pending().map(planned).collect();
            Ok(MigrationPlan { steps, warnings: plan.warnings })
        })
    }

    /// All that can be found without running anything; see [`DatabaseManager::validate_migrations`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn validate(&self) -> Result<MigrationValidation> {
        let settings = self.manager.settings();
        if settings.read_only {
            return Ok(MigrationValidation::default());
        }
        self.call("validate_migrations", |session| {
            let files = read_files(settings)?;
            let history = History::locate(session)?;
            let (rows, running) = self.looked_at(session, &history)?;
            let mut problems = findings(&files, &rows, running);
            let dialect = history.engine().dialect();
            let others = files.undo.iter().chain(&files.before).chain(&files.after);
            for script in plan::pending(&files, &rows).chain(others) {
                problems.extend(check::problems_of(script, dialect, &settings.placeholders));
            }
            Ok(MigrationValidation::of(&problems))
        })
    }

    /// Where the database stands; see [`DatabaseManager::migration_status`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn status(&self) -> Result<MigrationStatus> {
        let settings = self.manager.settings();
        if settings.read_only {
            return Ok(MigrationStatus::default());
        }
        self.call("migration_status", |session| {
            let files = read_files(settings)?;
            if !files.problems.is_empty() {
                return Err(refusal(&files.problems));
            }
            let history = History::locate(session)?;
            let (rows, running) = self.looked_at(session, &history)?;
            let found = findings(&files, &rows, running);
            for problem in found.iter().filter(|problem| problem.kind().is_problem()) {
                log::warn!(database:% = settings.database; "{}: {problem}", settings.database);
            }
            Ok(MigrationStatus::of(&files, &rows, running, &found))
        })
    }

    /// Returns everything that was ever done, oldest first: the rows of `schema_version_history`.
    ///
    /// # Errors
    ///
    /// Those of a query.
    pub fn events(&self) -> Result<Vec<MigrationEvent>> {
        self.call("migration_events", |session| History::locate(session)?.events(session))
    }

    /// Repairs the history of one version (or of one repeatable migration, by its name), or of all that have the same
    /// problem. Changes only the history, never the database's own tables.
    ///
    /// ```no_run
    /// use batchdb::Repair;
    ///
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// db.migrations().repair(Repair::AcceptText, Some("V003"))?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Migration`](ErrorKind::Migration) when the named migration does not need this repair; and as for
    /// [`run`](Migrations::run).
    pub fn repair(&self, how: Repair, only: Option<&str>) -> Result<RepairReport> {
        let report = self.changing("repair", |session, history| {
            let files = read_files(self.manager.settings())?;
            if !files.problems.is_empty() {
                return Err(refusal(&files.problems));
            }
            let only = only.map(parse_id).transpose()?;
            if history.read(session)?.is_empty() && only.is_none() {
                return Ok(RepairReport::default());
            }
            history.prepare(session)?;
            repair::repair(session, history, &files, how, only.as_ref(), Utc::now())
        })?;
        let database = self.manager.name();
        for done in &report.repaired {
            log::info!(database, file = done.file; "{database}: {}: {}", done.file, done.action);
        }
        Ok(report)
    }

    /// Records that the database already has everything up to `version`, for a database that was made without
    /// migrations.
    ///
    /// # Errors
    ///
    /// [`Migration`](ErrorKind::Migration) when there is a history already; and as for [`run`](Migrations::run).
    pub fn baseline(&self, version: &str) -> Result<()> {
        let version = parse_version(version)?;
        self.changing("baseline", |session, history| {
            baseline::at(session, history, &version, Utc::now()).map(drop)
        })
    }

    /// Takes over the history of another tool, and returns the number of its migrations. What was applied there counts
    /// as applied; a file that was changed since counts as changed.
    ///
    /// # Errors
    ///
    /// [`Migration`](ErrorKind::Migration) when there is no such history, when it contains a failed migration, or when
    /// batchdb's own history already has rows; and as for [`run`](Migrations::run).
    pub fn baseline_from(&self, tool: ForeignHistory) -> Result<usize> {
        self.changing("baseline", |session, history| {
            let files = read_files(self.manager.settings())?;
            baseline::import(session, history, &files, tool)
        })
    }

    /// Creates a new, empty migration file with the next version number, and with `undo` also its undo file. Returns
    /// their paths. Nothing is connected.
    ///
    /// # Errors
    ///
    /// [`Usage`](ErrorKind::Usage) when the description gives no name, or the migrations are compiled into the program;
    /// [`Io`](ErrorKind::Io).
    pub fn create(&self, description: &str, undo: bool) -> Result<Vec<PathBuf>> {
        let settings = self.manager.settings();
        let named = |error: Error| error.in_database(&settings.database).during("new migration");
        if settings.migrations.is_some() {
            return Err(named(Error::usage(
                "the migrations are compiled into the program, and have no folder",
            )));
        }
        let files = read_files_so_far(settings).map_err(named)?;
        create::create(&settings.migrations_dir, &files, description, undo).map_err(named)
    }

    /// The rows, and whether one that did not come to its end is being run now.
    fn looked_at(&self, session: &mut Session<'_>, history: &History) -> Result<(Vec<Applied>, bool)> {
        let rows = history.read(session)?;
        if rows.iter().all(|row| row.success) {
            return Ok((rows, false));
        }
        match lock::is_held(self.manager, session, history) {
            true => Ok((rows, true)),
            // It may have come to its end in between.
            false => Ok((history.read(session)?, false)),
        }
    }

    fn version(&self) -> Result<Option<Version>> {
        self.to.as_deref().map(parse_version).transpose()
    }

    fn wait_limit(&self) -> Duration {
        self.wait.unwrap_or(self.manager.settings().migration_timeout)
    }

    /// A call on a session of its own, which names database and operation in its error.
    fn call<R>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Session<'_>) -> Result<R>,
    ) -> Result<R> {
        let database = &self.manager.settings().database;
        self.manager.session_without_hook(work).map_err(|error| error.in_database(database).during(operation))
    }

    fn refuse_read_only(&self, operation: &'static str) -> Result<()> {
        let settings = self.manager.settings();
        if !settings.read_only {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ReadOnly, "migrations write, and the database is read-only")
            .with_hint("remove READ_ONLY, or do not run migrations here")
            .in_database(&settings.database)
            .during(operation))
    }

    /// A change of the history alone, under the lock.
    fn changing<R>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Session<'_>, &History) -> Result<R>,
    ) -> Result<R> {
        self.refuse_read_only(operation)?;
        self.call(operation, |session| {
            let usual = session.set_limit(repair::LIMIT);
            let deadline = Deadline::after(Instant::now(), self.wait_limit()).earlier(context::deadline());
            let outcome = History::locate(session).and_then(|history| {
                lock::hold(self.manager, session, &history, deadline, |session| work(session, &history))
            });
            session.set_limit(usual);
            outcome
        })
    }

    fn timed(
        &self,
        operation: &'static str,
        verb: &str,
        run: fn(&DatabaseManager, &mut Session<'_>, &Request<'_>) -> Result<MigrationReport>,
    ) -> Result<MigrationReport> {
        self.refuse_read_only(operation)?;
        let settings = self.manager.settings();
        let began = Instant::now();
        let nobody = |_: &MigrationProgress<'_>| ();
        let report = self.call(operation, |session| {
            let request = Request {
                to: self.version()?,
                wait: self.wait_limit(),
                progress: self.progress.as_deref().unwrap_or(&nobody),
            };
            let usual = session.set_limit(settings.migration_timeout);
            let report = run(self.manager, session, &request);
            session.set_limit(usual);
            report
        })?;
        let report = MigrationReport { duration: began.elapsed(), ..report };
        let count = report.applied.len() + report.undone.len();
        log::info!(
            database:% = settings.database,
            count,
            duration_ms = u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX);
            "{}: {count} migrations {verb} in {:.1?}; the version is {}",
            settings.database,
            report.duration,
            report.current_version.as_deref().unwrap_or("none")
        );
        Ok(report)
    }
}

fn findings(files: &Files, rows: &[Applied], running: bool) -> Vec<Problem> {
    let found = plan::findings(files, rows);
    if running { problem::while_running(found) } else { found }
}

fn parse_version(text: &str) -> Result<Version> {
    Version::parse_spoken(text).ok_or_else(|| {
        Error::usage("a version is made of numbers divided by dots or underscores, such as V003 or 1.2")
    })
}

fn parse_id(text: &str) -> Result<Id> {
    match Id::parse(text) {
        Some(id @ Id::Repeatable(_)) => Ok(id),
        _ => parse_version(text).map(Id::Version),
    }
}
