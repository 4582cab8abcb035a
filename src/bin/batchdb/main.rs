//! The `batchdb` command: looks at settings, health and migrations, and moves rows. It uses the library's public
//! face and nothing else, so what it does a program can do.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use batchdb::{CancelToken, Error, ErrorKind};
use clap::Parser;
use clap::error::ErrorKind as Usage;

use self::options::{Command, Options};
use self::show::{Rows, tell};

mod bench;
mod check;
mod copy;
mod doctor;
mod export;
mod generate;
mod health;
mod import;
mod migrate;
mod options;
mod params;
mod pool;
mod progress;
mod query;
mod show;
mod wait;
mod watch;

/// The exit codes; `--help` promises them.
mod code {
    pub(crate) const DONE: u8 = 0;
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const DEGRADED: u8 = 2;
    /// Of `migrate` alone, which needs few codes for a gate in a pipeline.
    pub(crate) const MIGRATE_USAGE: u8 = 2;
    pub(crate) const PENDING: u8 = 3;
    // From here on as in `sysexits.h`.
    pub(crate) const USAGE: u8 = 64;
    pub(crate) const TRY_AGAIN: u8 = 75;
    pub(crate) const CONFIG: u8 = 78;
    /// As a shell counts a program that was told to stop.
    pub(crate) const STOPPED: u8 = 130;
}

/// What ends a command before it is done.
enum Failure {
    Database(Error),
    /// A load that failed, with what stays of it.
    Load(batchdb::BulkFailure),
    Usage(String),
    /// The file or terminal at the other end of the command.
    Local(String),
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Database(error)
    }
}

impl From<batchdb::BulkFailure> for Failure {
    fn from(failure: batchdb::BulkFailure) -> Failure {
        Failure::Load(failure)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Nowhere to say it when even this cannot be written.
            let _ = error.print();
            return match error.kind() {
                Usage::DisplayHelp | Usage::DisplayVersion => ExitCode::from(code::DONE),
                _ if is_migrate(std::env::args_os().skip(1)) => ExitCode::from(code::MIGRATE_USAGE),
                // clap's own 2 would read as `degraded`.
                _ => ExitCode::from(code::USAGE),
            };
        }
    };
    let migrates = matches!(options.command, Command::Migrate(_));
    // What a command has to say it prints itself; the log is for those who ask for it.
    if std::env::var_os("RUST_LOG").is_some() {
        batchdb::init_logging();
    } else if migrates {
        migrate::tell_notices();
    }
    let code =
        run(&options, &mut io::stdout().lock()).unwrap_or_else(|failure| match (told(&failure), migrates) {
            (code::USAGE, true) => code::MIGRATE_USAGE,
            (code::DONE, _) => code::DONE,
            (code::STOPPED, true) => code::STOPPED,
            (_, true) => code::FAILED,
            (code, false) => code,
        });
    ExitCode::from(code)
}

/// Whether the command is `migrate`, of a line that could not be read.
fn is_migrate(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut takes_value = false;
    let mut words = arguments.filter(|argument| {
        let is_value =
            std::mem::replace(&mut takes_value, argument == "--environment" || argument == "--home");
        !is_value && !argument.to_string_lossy().starts_with('-')
    });
    words.next().is_some_and(|command| command == "migrate")
}

/// Says on standard error what went wrong, the whole chain, and which exit code that is.
fn told(failure: &Failure) -> u8 {
    match failure {
        // Whoever read our output has seen enough of it.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => code::DONE,
        Failure::Output(error) => {
            tell(format_args!("batchdb: the output cannot be written: {error}"));
            code::FAILED
        }
        Failure::Usage(text) => {
            tell(format_args!("batchdb: {text}"));
            code::USAGE
        }
        Failure::Local(text) => {
            tell(format_args!("batchdb: {text}"));
            code::FAILED
        }
        Failure::Load(failure) => {
            let code = told_error(&failure.error);
            if failure.report.rows + failure.in_doubt == 0 {
                tell(format_args!("batchdb: nothing of it stays"));
                return code;
            }
            tell(format_args!("batchdb: {failure}"));
            // The same again would load the rows that stay a second time.
            code::FAILED
        }
        Failure::Database(error) => told_error(error),
    }
}

fn told_error(error: &Error) -> u8 {
    // Output that is gone is met by the library, where it writes rows by itself.
    if is_broken_pipe(error) {
        return code::DONE;
    }
    tell(format_args!("batchdb: {}", error.report()));
    code_of(error)
}

fn code_of(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Config => code::CONFIG,
        ErrorKind::Params | ErrorKind::Usage => code::USAGE,
        ErrorKind::Cancelled | ErrorKind::Io if is_stopped() => code::STOPPED,
        _ if error.is_transient() => code::TRY_AGAIN,
        _ => code::FAILED,
    }
}

/// Whether Ctrl-C or SIGTERM has come, in a command that listens.
fn is_stopped() -> bool {
    CancelToken::on_signals().is_ok_and(|token| token.is_cancelled())
}

/// Work that Ctrl-C or SIGTERM ends in an orderly way: what runs is cancelled on the server, and no half of a file is
/// left. A second signal ends the process at once. Threads that a command starts are told by a call of their own.
fn stoppable<T, E: From<Error>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let token = CancelToken::on_signals()?;
    batchdb::with_cancel(&token, Duration::ZERO, work)
}

fn is_broken_pipe(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    error.kind() == ErrorKind::Io && source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

fn run(options: &Options, out: &mut dyn Write) -> Result<u8, Failure> {
    match &options.command {
        Command::Check(check) => check::run(options, check, out),
        Command::Wait(wait) => stoppable(|| wait::run(options, wait, out)),
        Command::Health(health) => stoppable(|| health::run(options, health, out)),
        Command::Doctor(doctor) => doctor::run(options, doctor, out),
        Command::Pool(pool) => stoppable(|| pool::run(options, pool, out)),
        Command::Migrate(migrate) => {
            stoppable(|| migrate::run(&options.builder(&migrate.database).build()?, &migrate.action, out))
        }
        Command::Query(query) => stoppable(|| query::run(options, query, &mut Rows::new(out))),
        Command::Export(export) => stoppable(|| export::run(options, export, &mut Rows::new(out))),
        Command::Import(import) => stoppable(|| import::run(options, import, out)),
        Command::Copy(copy) => stoppable(|| copy::run(options, copy, out)),
        Command::Bench(bench) => stoppable(|| bench::run(options, bench, out)),
        Command::Completions(completions) => generate::completions(completions, out),
        Command::Man(man) => generate::man(man, out),
    }
}
