//! `batchdb wait`: returns when the databases answer, or when the time is over.

use std::thread;
use std::time::{Duration, Instant};

use batchdb::{CancelToken, DatabaseManager, Error, ErrorKind, MigrateOnStart, MigrationState};
use clap::Args;

use super::options::Options;
use super::show::{self, Out, tell};
use super::{Failure, code, is_stopped, stoppable};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb wait rpa_db SurveyHub --for 60s && exec ./job
  batchdb wait rpa_db --for 5m --migrated     until another job has applied the migrations

Exit codes:
   0  all answer
   1  a login was refused
  75  the time is over
  78  the settings are wrong
 130  told to stop";

/// The pause between two attempts. A server that has just opened its port is met half a second later at most.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The databases [default: all that are configured]
    #[arg(value_name = "DB")]
    databases: Vec<String>,
    /// How long: seconds, or a number with `ms`, `s`, `m` or `h`
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = show::time)]
    limit: Duration,
    /// Wait until no migration is pending too
    #[arg(long)]
    migrated: bool,
}

/// Why a database is not ready.
enum Unready {
    Failed(Error),
    Pending(Vec<String>),
}

impl From<Error> for Unready {
    fn from(error: Error) -> Unready {
        Unready::Failed(error)
    }
}

impl Unready {
    /// Why, without the database's name, which each line begins with.
    fn text(&self, name: &str) -> String {
        match self {
            Unready::Failed(error) => {
                let text = error.report();
                text.strip_prefix(&format!("{name}: ")).map(str::to_owned).unwrap_or(text)
            }
            Unready::Pending(versions) => format!("migrations are pending: {}", versions.join(", ")),
        }
    }

    /// The exit code.
    fn code(&self) -> u8 {
        match self {
            Unready::Failed(error) if error.kind() == ErrorKind::Config && !error.is_transient() => {
                code::CONFIG
            }
            Unready::Failed(error) if error.kind() == ErrorKind::Auth => code::FAILED,
            _ => code::TRY_AGAIN,
        }
    }

    /// Whether waiting may help.
    fn may_pass(&self) -> bool {
        self.code() == code::TRY_AGAIN
    }

    /// What is the same for the same reason: how much time an attempt still had is part of some texts.
    fn reason(&self, name: &str) -> String {
        match self {
            Unready::Failed(error) if matches!(error.kind(), ErrorKind::Timeout(_)) => {
                error.kind().to_string()
            }
            other => other.text(name),
        }
    }
}

pub(crate) fn run(options: &Options, wait: &Wait, out: Out<'_>) -> Result<u8, Failure> {
    let names = options.wanted(&wait.databases)?;
    let began = Instant::now();
    let end = began + wait.limit;
    let outcomes: Vec<Result<(), Unready>> = thread::scope(|scope| {
        let start = |name: &'_ String| {
            let name = name.clone();
            scope.spawn(move || stoppable(|| one(options, wait, &name, end)))
        };
        let threads: Vec<_> = names.iter().map(start).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    if is_stopped() && outcomes.iter().any(Result::is_err) {
        tell(format_args!("batchdb: told to stop"));
        return Ok(code::STOPPED);
    }
    // What no waiting heals weighs more than what more waiting might.
    let weight =
        |code: &u8| [code::DONE, code::TRY_AGAIN, code::FAILED, code::CONFIG].iter().position(|c| c == code);
    let codes = outcomes.iter().map(|outcome| outcome.as_ref().map_or_else(Unready::code, |()| code::DONE));
    let worst = codes.max_by_key(weight).unwrap_or(code::DONE);
    for (name, unready) in
        names.iter().zip(&outcomes).filter_map(|(name, outcome)| Some((name, outcome.as_ref().err()?)))
    {
        match unready.may_pass() {
            true => tell(format_args!(
                "batchdb: {name}: not ready after {:?}: {}",
                wait.limit,
                unready.text(name)
            )),
            false => tell(format_args!("batchdb: {name}: not waited for: {}", unready.text(name))),
        }
    }
    if worst == code::DONE {
        writeln!(out, "ready after {:.1?}: {}", began.elapsed(), names.join(", "))?;
    }
    Ok(worst)
}

/// Tries until the database is ready, and tells each new reason why it is not.
fn one(options: &Options, wait: &Wait, name: &str, end: Instant) -> Result<(), Unready> {
    let mut told = String::new();
    loop {
        let Err(unready) = attempt(options, wait, name, end) else { return Ok(()) };
        let left = end.saturating_duration_since(Instant::now());
        if !unready.may_pass() || left <= PAUSE || is_stopped() {
            return Err(unready);
        }
        let reason = unready.reason(name);
        if reason != told {
            tell(format_args!("batchdb: {name}: waiting: {}", unready.text(name)));
            told = reason;
        }
        if CancelToken::on_signals()?.wait(PAUSE) {
            return Err(unready);
        }
    }
}

/// One attempt with a handle of its own: a pool would remember for a while that the last one had failed.
fn attempt(options: &Options, wait: &Wait, name: &str, end: Instant) -> Result<(), Unready> {
    let left = || end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    // A command for the secret may need the vault that comes up meanwhile, and has no more time than this one.
    let builder = options.builder(name).migrate_on_start(MigrateOnStart::Off).secret_timeout(left());
    let db = builder.build()?;
    let outcome = look(&db.with_deadline(left()), wait.migrated);
    db.close();
    outcome
}

fn look(db: &DatabaseManager, migrated: bool) -> Result<(), Unready> {
    db.query_one("SELECT 1 AS answer", ()).map_err(Unready::Failed)?;
    if !migrated {
        return Ok(());
    }
    let status = db.migration_status().map_err(Unready::Failed)?;
    // What is being run now, or has failed, is not done either.
    let begun = |state| matches!(state, MigrationState::Running | MigrationState::Failed);
    let begun = status.history.into_iter().filter(|row| begun(row.state)).map(|row| row.version);
    let pending: Vec<String> = begun.chain(status.pending_migrations).collect();
    if pending.is_empty() { Ok(()) } else { Err(Unready::Pending(pending)) }
}
