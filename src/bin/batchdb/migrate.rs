//! `batchdb migrate`: one function for each thing to do, and what is printed of it.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use batchdb::{
    DatabaseManager, FindingKind, ForeignHistory, MigrationProgress, MigrationReport, MigrationState,
    MigrationStatus, Migrations,
};

use self::options::{MigrateAction, Tool};
use super::show::{self, Colour, Out, counted, paint, plain, tell};
use super::{Failure, code};

pub(crate) mod options;

pub(super) fn run(db: &DatabaseManager, action: &MigrateAction, out: Out<'_>) -> Result<u8, Failure> {
    match action {
        MigrateAction::Status { history: true, json } => history(db, *json, out),
        MigrateAction::Status { history: false, json } => status(db, *json, out),
        MigrateAction::Plan { to, json } => plan(db, to.as_deref(), *json, out),
        MigrateAction::Up { to, dry_run, wait } => up(db, to.as_deref(), *dry_run, *wait, out),
        MigrateAction::Undo { to, wait } => {
            let migrations = limited(db, Some(to), *wait);
            let report = live(migrations, "undone", out, |migrations| migrations.undo())?;
            summary(db, "undone", report.undone.len(), &report, out)
        }
        MigrateAction::Validate { json } => validate(db, *json, out),
        MigrateAction::Repair(repair) => self::repair(db, repair, out),
        MigrateAction::Baseline { version, from } => baseline(db, version.as_deref(), *from, out),
        MigrateAction::New { description, undo } => {
            for path in db.migrations().create(description, *undo)? {
                writeln!(out, "{}", path.display())?;
            }
            Ok(code::DONE)
        }
    }
}

fn status(db: &DatabaseManager, json: bool, out: Out<'_>) -> Result<u8, Failure> {
    let status = db.migration_status()?;
    let is_running = status.history.iter().any(|row| row.state == MigrationState::Running);
    let code = match (status.problems.is_empty(), status.pending_migrations.is_empty() && !is_running) {
        (false, _) => code::FAILED,
        (true, true) => code::DONE,
        (true, false) => code::PENDING,
    };
    if json {
        show::json(out, &status)?;
    } else {
        table(db, &status, out)?;
    }
    Ok(code)
}

fn table(db: &DatabaseManager, status: &MigrationStatus, out: Out<'_>) -> io::Result<()> {
    let mut table = show::table(["version", "description", "state", "installed on", "by", "ms"]);
    for row in &status.history {
        let state = match row.state {
            MigrationState::Applied => "applied",
            MigrationState::Failed => "FAILED",
            MigrationState::Running => "running",
            MigrationState::Baseline => "baseline",
            _ => "unknown",
        };
        table.add_row([
            plain(&row.version),
            plain(&row.description),
            state.to_owned(),
            row.installed_on.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            plain(&row.installed_by),
            row.duration.as_millis().to_string(),
        ]);
    }
    for pending in &status.pending_migrations {
        table.add_row([plain(pending).as_str(), "", "pending", "", "", ""]);
    }
    if !table.is_empty() {
        writeln!(out, "{table}")?;
    }
    let version = status.current_version.as_deref().unwrap_or("none");
    writeln!(out, "{}: the version is {version}; {} applied", db.name(), status.total_migrations)?;
    match status.pending_migrations.as_slice() {
        [] => writeln!(out, "{}: {}", db.name(), paint(Colour::Green, "nothing is pending")),
        pending => {
            let text = format!("pending: {}", pending.join(", "));
            writeln!(out, "{}: {}", db.name(), paint(Colour::Yellow, &plain(&text)))
        }
    }
}

fn history(db: &DatabaseManager, json: bool, out: Out<'_>) -> Result<u8, Failure> {
    let events = db.migrations().events()?;
    if json {
        show::json(out, &events)?;
        return Ok(code::DONE);
    }
    let mut table = show::table(["when", "what", "file", "by", "ms", "message"]);
    for event in &events {
        table.add_row([
            event.done_at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            plain(&event.action),
            plain(&event.file),
            plain(&event.done_by),
            event.duration.map_or_else(String::new, |took| took.as_millis().to_string()),
            plain(event.message.as_deref().unwrap_or_default()),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(code::DONE)
}

fn plan(db: &DatabaseManager, to: Option<&str>, json: bool, out: Out<'_>) -> Result<u8, Failure> {
    let plan = limited(db, to, None).plan()?;
    if json {
        show::json(out, &plan)?;
    } else {
        let is_terminal = io::stdout().is_terminal();
        for warning in &plan.warnings {
            writeln!(out, "-- {}", paint(Colour::Yellow, &plain(warning)))?;
        }
        for step in &plan.steps {
            let how = match (step.in_transaction, step.again) {
                (false, _) => ", without a transaction",
                (true, true) => ", again: it has changed",
                (true, false) => "",
            };
            // As it is for a program, and for a terminal without what moves its cursor or paints on it.
            let sql = step.sql.trim_end();
            let sql = if is_terminal { show::lines(sql) } else { sql.into() };
            writeln!(out, "-- {}{how}\n{sql}", paint(Colour::Yellow, &plain(&step.file)))?;
            writeln!(out)?;
        }
        writeln!(out, "-- {}: {} to run", db.name(), counted(plan.steps.len() as u64, "migration"))?;
    }
    Ok(if plan.steps.is_empty() { code::DONE } else { code::PENDING })
}

fn up(
    db: &DatabaseManager,
    to: Option<&str>,
    dry_run: bool,
    wait: Option<u64>,
    out: Out<'_>,
) -> Result<u8, Failure> {
    let migrations = limited(db, to, wait);
    if !dry_run {
        let report = live(migrations, "applied", out, |migrations| migrations.run())?;
        return summary(db, "applied", report.applied.len(), &report, out);
    }
    let report = live(migrations, "rehearsed", out, |migrations| migrations.dry_run())?;
    for file in &report.not_rehearsed {
        let text = format!("not rehearsed: {}, which runs without a transaction", plain(file));
        writeln!(out, "{}: {}", db.name(), paint(Colour::Yellow, &text))?;
    }
    let rehearsed = counted(report.applied.len() as u64, "migration");
    writeln!(out, "{}: {rehearsed} would be applied; nothing was kept", db.name())?;
    Ok(code::DONE)
}

fn validate(db: &DatabaseManager, json: bool, out: Out<'_>) -> Result<u8, Failure> {
    let validation = db.validate_migrations()?;
    if json {
        show::json(out, &validation)?;
    } else {
        // A project that undoes nothing would read one line for each of its files.
        let (alone, told): (Vec<_>, Vec<_>) =
            validation.findings.iter().partition(|finding| finding.kind == FindingKind::UndoMissing);
        for finding in told {
            let (mark, colour) =
                if finding.kind.is_problem() { ("problem", Colour::Red) } else { ("note", Colour::Yellow) };
            writeln!(out, "{}: {}", paint(colour, mark), plain(&finding.message))?;
        }
        if !alone.is_empty() {
            let (note, count) = (paint(Colour::Yellow, "note"), counted(alone.len() as u64, "version"));
            writeln!(out, "{note}: {count} without a file to undo it; --json names them")?;
        }
        let problems = validation.findings.iter().filter(|finding| finding.kind.is_problem()).count();
        writeln!(out, "{}: {}", db.name(), counted(problems as u64, "problem"))?;
    }
    let is_pending = validation.findings.iter().any(|finding| finding.kind == FindingKind::Pending);
    Ok(match (validation.is_valid(), is_pending) {
        (false, _) => code::FAILED,
        (true, true) => code::PENDING,
        (true, false) => code::DONE,
    })
}

fn repair(db: &DatabaseManager, repair: &options::Repair, out: Out<'_>) -> Result<u8, Failure> {
    let how = match (repair.done, repair.forget) {
        (true, _) => batchdb::Repair::AcceptAsDone,
        (_, true) => batchdb::Repair::Forget,
        _ => batchdb::Repair::AcceptText,
    };
    let which: Vec<Option<&str>> = match repair.all {
        true => vec![None],
        false => repair.versions.iter().map(|version| Some(version.as_str())).collect(),
    };
    let mut count = 0;
    for only in which {
        for done in db.migrations().repair(how, only)?.repaired {
            count += 1;
            writeln!(out, "{}: {}: {}", db.name(), plain(&done.file), done.action)?;
        }
    }
    if count == 0 {
        writeln!(out, "{}: nothing needs this repair", db.name())?;
    }
    Ok(code::DONE)
}

fn baseline(
    db: &DatabaseManager,
    version: Option<&str>,
    from: Option<Tool>,
    out: Out<'_>,
) -> Result<u8, Failure> {
    let tool = match (from, version) {
        (Some(Tool::Flyway), _) => ForeignHistory::Flyway,
        (Some(Tool::Pyway), _) => ForeignHistory::Pyway,
        (None, version) => {
            let version = version.unwrap_or_default();
            db.migrations().baseline(version)?;
            writeln!(out, "{}: migrations begin after {version}", db.name())?;
            return Ok(code::DONE);
        }
    };
    let rows = db.migrations().baseline_from(tool)?;
    writeln!(out, "{}: {} taken over", db.name(), counted(rows as u64, "migration"))?;
    Ok(code::DONE)
}

fn limited<'m>(db: &'m DatabaseManager, to: Option<&str>, wait: Option<u64>) -> Migrations<'m> {
    let migrations = db.migrations();
    let migrations = match to {
        Some(version) => migrations.to(version),
        None => migrations,
    };
    match wait {
        Some(seconds) => migrations.wait(Duration::from_secs(seconds)),
        None => migrations,
    }
}

/// Runs, and prints each file as soon as it is done.
fn live<'m>(
    migrations: Migrations<'m>,
    verb: &'m str,
    out: Out<'m>,
    run: impl FnOnce(&Migrations<'_>) -> batchdb::Result<MigrationReport>,
) -> Result<MigrationReport, Failure> {
    let out = RefCell::new((out, Ok(())));
    let progress = |at: &MigrationProgress<'_>| {
        let Some(took) = at.finished else { return };
        let (out, outcome) = &mut *out.borrow_mut();
        if outcome.is_ok() {
            let (number, total, file) = (at.number, at.total, plain(at.file));
            *outcome =
                writeln!(out, "[{number}/{total}] {verb} {file} in {took:.1?}").and_then(|()| out.flush());
        }
    };
    let report = run(&migrations.on_progress(progress))?;
    out.into_inner().1?;
    Ok(report)
}

fn summary(
    db: &DatabaseManager,
    verb: &str,
    count: usize,
    report: &MigrationReport,
    out: Out<'_>,
) -> Result<u8, Failure> {
    let version = report.current_version.as_deref().unwrap_or("none");
    match count {
        0 => writeln!(out, "{}: nothing to do; the version is {version}", db.name())?,
        count => {
            let text = format!("{} {verb}; the version is {version}", counted(count as u64, "migration"));
            writeln!(out, "{}: {}", db.name(), paint(Colour::Green, &text))?;
        }
    }
    Ok(code::DONE)
}

/// Prints on standard error, as it comes, what the database says and who is waited for. What is done is printed
/// elsewhere.
pub(super) fn tell_notices() {
    struct Notices;

    impl log::Log for Notices {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            let target = metadata.target();
            let ours = target == "batchdb" || target.starts_with("batchdb::");
            let is_told = target.starts_with("batchdb::migrate") && metadata.level() >= log::Level::Info;
            ours && !is_told && metadata.level() <= log::Level::Info
        }

        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                // Whoever read them may have seen enough (`2>&1 | head`), and the migrations go on.
                tell(format_args!("{}", plain(&record.args().to_string())));
            }
        }

        fn flush(&self) {}
    }

    static NOTICES: Notices = Notices;
    if log::set_logger(&NOTICES).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}
