//! A run: up, down, or as a rehearsal. Files and history are checked before anything runs, and once more under the lock.

use std::time::{Duration, Instant};

use crate::context;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::manager::DatabaseManager;
use crate::migrate::adapter;
use crate::migrate::apply::{Purpose, Runner};
use crate::migrate::check;
use crate::migrate::files::{self, Files, Script};
use crate::migrate::history::{Action, History};
use crate::migrate::lock;
use crate::migrate::plan::{self, Applied, Plan};
use crate::migrate::problem::refusal;
use crate::migrate::status::{AppliedMigration, MigrationProgress, MigrationReport};
use crate::migrate::version::Version;
use crate::session::Session;
use crate::settings::Settings;

/// What a caller asks of a run.
pub(crate) struct Request<'a> {
    /// Versions above are left alone on the way up, and undone on the way down.
    pub(crate) to: Option<Version>,
    /// The limit on waiting for the lock.
    pub(crate) wait: Duration,
    pub(crate) progress: &'a dyn Fn(&MigrationProgress<'_>),
}

impl Request<'_> {
    fn lock_deadline(&self) -> Deadline {
        Deadline::after(Instant::now(), self.wait).earlier(context::deadline())
    }
}

/// The files of the settings: those of the program, or those of the folder.
///
/// # Errors
///
/// As [`files::read`]; `Config` where the settings name a folder that is not there: a slip of the pen would pass for a
/// database that has no migrations.
pub(crate) fn read_files(settings: &Settings) -> Result<Files> {
    let files = read_files_so_far(settings)?;
    if !files.found && settings.names_migrations_dir {
        let folder = settings.migrations_dir.display();
        return Err(Error::config(format!("the folder of the migrations, \"{folder}\", is not there"))
            .with_hint(
                "MIGRATIONS_DIR or the builder names it: correct it, or remove it if there are no migrations",
            ));
    }
    Ok(files)
}

/// The same where the folder may be missing.
///
/// # Errors
///
/// As [`files::read`].
pub(crate) fn read_files_so_far(settings: &Settings) -> Result<Files> {
    match settings.migrations {
        Some(migrations) => Ok(files::embedded(migrations)),
        None => files::read(&settings.migrations_dir),
    }
}

/// The plan of a run, when nothing at all speaks against it: neither names nor history nor the texts.
pub(crate) fn checked<'f>(
    files: &'f Files,
    rows: &'f [Applied],
    history: &History,
    settings: &Settings,
    to: Option<&Version>,
) -> Result<Plan<'f>> {
    if let Some(unknown) = to.filter(|to| !is_known(files, rows, to)) {
        return Err(Error::migration(format!("no file has the version {unknown}")));
    }
    let plan = plan::up(files, rows, to);
    let mut problems = match &plan {
        Ok(_) => Vec::new(),
        Err(problems) => problems.clone(),
    };
    let callbacks = files.before.iter().chain(&files.after);
    for script in plan.iter().flat_map(Plan::pending).map(|step| step.script).chain(callbacks) {
        problems.extend(check::problems_of(script, history.engine().dialect(), &settings.placeholders));
    }
    match plan {
        Ok(plan) if problems.is_empty() => Ok(plan),
        _ => Err(refusal(&problems)),
    }
}

fn is_known(files: &Files, rows: &[Applied], version: &Version) -> bool {
    let in_files = files.versioned.iter().filter_map(|script| script.id.version());
    in_files.chain(rows.iter().filter_map(|row| row.id.version())).any(|known| known == version)
}

/// The rows as far as they can be judged without the lock: a file without a transaction counts as failed for as long as
/// another runner has it under way.
fn without_failures(rows: &[Applied]) -> Vec<Applied> {
    let hopeful = |row: &Applied| match row.success {
        true => row.clone(),
        false => Applied { success: true, crc32: None, sha256: None, ..row.clone() },
    };
    rows.iter().map(hopeful).collect()
}

/// Applies what is pending.
pub(crate) fn up(
    manager: &DatabaseManager,
    session: &mut Session<'_>,
    request: &Request<'_>,
) -> Result<MigrationReport> {
    let settings = manager.settings();
    let files = read_files(settings)?;
    if !files.found {
        let (database, folder) = (&*settings.database, settings.migrations_dir.display());
        log::info!(database; "{database}: no migrations, because there is no folder \"{folder}\"");
    }
    let history = History::locate(session)?;
    let rows = history.read(session)?;
    let to = request.to.as_ref();
    let nothing_to_do =
        checked(&files, &without_failures(&rows), &history, settings, to)?.pending().next().is_none();
    for problem in plan::future(&files, &rows) {
        let database = &*settings.database;
        log::warn!(database; "{database}: {problem}");
    }
    let is_at_rest = nothing_to_do && rows.iter().all(|row| row.success);
    if is_at_rest && !owes(session, &history, &files)? {
        return Ok(report(&rows));
    }
    let mut run = Run::new(manager, &history, request);
    // What is reported is read under the lock: a session that does not get rid of it is closed.
    let rows = lock::hold(manager, session, &history, request.lock_deadline(), |session| {
        run.up(session, &files)?;
        history.read(session)
    })?;
    Ok(MigrationReport { applied: run.done, ..report(&rows) })
}

/// Whether the callback behind the versions is still to be run, of which nothing but the log of what was done tells.
fn owes(session: &mut Session<'_>, history: &History, files: &Files) -> Result<bool> {
    files.after.as_ref().map_or(Ok(false), |after| history.owes(session, after))
}

/// Runs what is pending in one transaction, and rolls that back.
pub(crate) fn rehearse(
    manager: &DatabaseManager,
    session: &mut Session<'_>,
    request: &Request<'_>,
) -> Result<MigrationReport> {
    let settings = manager.settings();
    let files = read_files(settings)?;
    let history = History::locate(session)?;
    let rows = history.read(session)?;
    checked(&files, &without_failures(&rows), &history, settings, request.to.as_ref())?;
    let mut run = Run { is_rehearsal: true, ..Run::new(manager, &history, request) };
    lock::hold(manager, session, &history, request.lock_deadline(), |session| {
        let outcome = session.transaction(|tx| {
            run.up(tx, &files)?;
            Err::<(), _>(Rehearsed::Done)
        });
        match outcome {
            Ok(()) | Err(Rehearsed::Done) => Ok(()),
            Err(Rehearsed::Failed(error)) => Err(error),
        }
    })?;
    Ok(MigrationReport { applied: run.done, not_rehearsed: run.left_out, ..report(&rows) })
}

/// How a rehearsal ends: in either way the transaction is rolled back.
enum Rehearsed {
    Done,
    Failed(Error),
}

impl From<Error> for Rehearsed {
    fn from(error: Error) -> Rehearsed {
        Rehearsed::Failed(error)
    }
}

/// Undoes the versions above that of the request, the newest first.
pub(crate) fn down(
    manager: &DatabaseManager,
    session: &mut Session<'_>,
    request: &Request<'_>,
) -> Result<MigrationReport> {
    let settings = manager.settings();
    let files = read_files(settings)?;
    let history = History::locate(session)?;
    let to = request.to.as_ref();
    checked_down(&files, &without_failures(&history.read(session)?), &history, settings, to)?;
    let mut run = Run::new(manager, &history, request);
    let rows = lock::hold(manager, session, &history, request.lock_deadline(), |session| {
        let rows = history.read(session)?;
        let plan = checked_down(&files, &rows, &history, settings, to)?;
        if plan.steps.is_empty() {
            return Ok(rows);
        }
        history.prepare(session)?;
        run.down(session, &plan)?;
        history.read(session)
    })?;
    Ok(MigrationReport { undone: run.done, ..report(&rows) })
}

/// The plan of the way down, when nothing speaks against it.
fn checked_down<'f>(
    files: &'f Files,
    rows: &'f [Applied],
    history: &History,
    settings: &Settings,
    to: Option<&Version>,
) -> Result<Plan<'f>> {
    let has = |version: &Version| rows.iter().any(|row| row.id.version() == Some(version));
    // 0 is before all versions, unless it is one of them.
    let to = to.filter(|to| to.counting_number() != Some(0) || has(to));
    if let Some(unknown) = to.filter(|to| !has(to)) {
        return Err(Error::migration(format!("the version {unknown} was not applied"))
            .with_hint("name the version that shall remain as the last one, or 0 for none"));
    }
    let plan = plan::down(files, rows, to).map_err(|problems| refusal(&problems))?;
    let texts = plan.steps.iter().map(|step| step.script);
    let dialect = history.engine().dialect();
    let problems: Vec<_> =
        texts.flat_map(|script| check::problems_of(script, dialect, &settings.placeholders)).collect();
    if problems.is_empty() { Ok(plan) } else { Err(refusal(&problems)) }
}

/// A run under the lock.
struct Run<'a> {
    runner: Runner<'a>,
    request: &'a Request<'a>,
    /// All of it is one transaction, which is rolled back.
    is_rehearsal: bool,
    done: Vec<AppliedMigration>,
    /// What a rehearsal could not run.
    left_out: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(manager: &'a DatabaseManager, history: &'a History, request: &'a Request<'a>) -> Run<'a> {
        let runner = Runner { manager, history };
        Run { runner, request, is_rehearsal: false, done: Vec::new(), left_out: Vec::new() }
    }

    fn up(&mut self, session: &mut Session<'_>, files: &Files) -> Result<()> {
        let history = self.runner.history;
        history.prepare(session)?;
        let rows = history.read(session)?;
        let plan = plan::up(files, &rows, self.request.to.as_ref()).map_err(|problems| refusal(&problems))?;
        let total = plan.pending().count();
        if total == 0 {
            let owed = owes(session, history, files)?;
            return if owed { self.callback(session, files.after.as_ref()) } else { Ok(()) };
        }
        let database = self.database();
        for warning in &plan.warnings {
            log::warn!(database; "{database}: {warning}");
        }
        self.callback(session, files.before.as_ref())?;
        if let Some(after) = files.after.as_ref().filter(|_| !self.is_rehearsal) {
            // Whoever ends this run before its end, the next one knows that the callback is missing.
            session.transaction(|tx| history.note(tx, Action::Owed, after, None, None))?;
        }
        let (mut rank, mut number) = (last_rank(&rows), 0);
        adapter::up(&plan, &mut |step| {
            (rank, number) = (rank + 1, number + 1);
            let purpose = Purpose::Apply { rank, again: step.row.is_some() };
            self.one(session, step.script, purpose, number, total)
        })?;
        self.callback(session, files.after.as_ref())
    }

    fn down(&mut self, session: &mut Session<'_>, plan: &Plan<'_>) -> Result<()> {
        let (mut number, total) = (0, plan.steps.len());
        adapter::down(plan, &mut |step| {
            number += 1;
            let purpose = Purpose::Undo { row: step.row.unwrap_or(&step.script.id) };
            self.one(session, step.script, purpose, number, total)
        })
    }

    fn one(
        &mut self,
        session: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
        number: usize,
        total: usize,
    ) -> Result<()> {
        let progress = Counted { request: self.request, number, total };
        progress.tell(script, None);
        let Some(took) = self.run(session, script, purpose)? else { return Ok(()) };
        progress.tell(script, Some(took));
        let verb = match purpose {
            _ if self.is_rehearsal => "was rehearsed",
            Purpose::Undo { .. } => "has undone its version",
            _ => "applied",
        };
        let (database, file) = (self.database(), &*script.file);
        log::info!(
            database, file, duration_ms = millis(took);
            "{database}: {file} {verb} in {took:.1?} ({number} of {total})"
        );
        if !self.is_rehearsal {
            session.count_migration();
        }
        self.done.push(done(script, took));
        Ok(())
    }

    fn callback(&mut self, session: &mut Session<'_>, script: Option<&Script>) -> Result<()> {
        let Some(script) = script else { return Ok(()) };
        let Some(took) = self.run(session, script, Purpose::Callback)? else { return Ok(()) };
        let (database, file) = (self.database(), &*script.file);
        log::info!(database, file, duration_ms = millis(took); "{database}: {file} ran in {took:.1?}");
        Ok(())
    }

    /// Runs one file. `None`: a rehearsal cannot.
    fn run(
        &mut self,
        session: &mut Session<'_>,
        script: &Script,
        purpose: Purpose<'_>,
    ) -> Result<Option<Duration>> {
        match self.is_rehearsal {
            false => {
                let took = self.runner.run(session, script, purpose)?;
                if script.directives.no_transaction {
                    lock::still_held(session, self.runner.history, &script.file)?;
                }
                Ok(Some(took))
            }
            true if script.directives.no_transaction => {
                self.left_out.push(script.file.clone());
                Ok(None)
            }
            true => self.runner.rehearse(session, script, purpose).map(Some),
        }
    }

    fn database(&self) -> &'a str {
        self.runner.manager.name()
    }
}

/// The place of a file among those of a run.
struct Counted<'a> {
    request: &'a Request<'a>,
    number: usize,
    total: usize,
}

impl Counted<'_> {
    fn tell(&self, script: &Script, finished: Option<Duration>) {
        let Counted { request, number, total } = *self;
        (request.progress)(&MigrationProgress { file: &script.file, number, total, finished });
    }
}

fn done(script: &Script, took: Duration) -> AppliedMigration {
    AppliedMigration { version: script.id.to_string(), file: script.file.clone(), duration: took }
}

fn report(rows: &[Applied]) -> MigrationReport {
    MigrationReport { current_version: plan::newest(rows).map(Applied::name), ..MigrationReport::default() }
}

pub(crate) fn last_rank(rows: &[Applied]) -> i64 {
    rows.iter().map(|row| row.rank).max().unwrap_or(0)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
