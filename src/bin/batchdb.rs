//! The `batchdb` command: looks at settings, health and migrations, and runs a query. It uses the library's public
//! face and nothing else, so what it does a program can do.

use std::io::{self, Write};
use std::process::ExitCode;

use batchdb::{DatabaseManager, DatabaseManagerBuilder, Error, ErrorKind, MigrateOnStart, Settings};
use clap::Parser;
use clap::error::ErrorKind as Usage;

use self::options::{Command, Options, Query};

#[path = "batchdb/migrate.rs"]
mod migrate;
#[path = "batchdb/options.rs"]
mod options;
#[path = "batchdb/params.rs"]
mod params;
#[path = "batchdb/show.rs"]
mod show;

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
}

/// What ends a command before it is done.
enum Failure {
    Database(Error),
    Usage(String),
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Database(error)
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
                _ if is_migrate(std::env::args().skip(1)) => ExitCode::from(code::MIGRATE_USAGE),
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
            (_, true) => code::FAILED,
            (code, false) => code,
        });
    ExitCode::from(code)
}

/// Whether the command is `migrate`, of a line that could not be read.
fn is_migrate(arguments: impl Iterator<Item = String>) -> bool {
    let mut takes_value = false;
    let mut words = arguments.filter(|argument| {
        let is_value =
            std::mem::replace(&mut takes_value, matches!(argument.as_str(), "--environment" | "--home"));
        !is_value && !argument.starts_with('-')
    });
    words.next().is_some_and(|command| command == "migrate")
}

/// Says on standard error what went wrong, the whole chain, and which exit code that is.
fn told(failure: &Failure) -> u8 {
    match failure {
        // Whoever read our output has seen enough of it.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => code::DONE,
        Failure::Output(error) => {
            eprintln!("batchdb: the output cannot be written: {error}");
            code::FAILED
        }
        Failure::Usage(text) => {
            eprintln!("batchdb: {text}");
            code::USAGE
        }
        Failure::Database(error) => {
            eprintln!("batchdb: {}", error.report());
            match error.kind() {
                ErrorKind::Config => code::CONFIG,
                ErrorKind::Params | ErrorKind::Usage => code::USAGE,
                _ if error.is_transient() => code::TRY_AGAIN,
                _ => code::FAILED,
            }
        }
    }
}

fn run(options: &Options, out: &mut dyn Write) -> Result<u8, Failure> {
    match &options.command {
        Command::Check { databases } => check(options, databases, out),
        Command::Health { databases, json } => health(options, databases, *json, out),
        Command::Migrate(options_of) => {
            let database = builder(options, &options_of.database).build()?;
            migrate::run(&database, &options_of.action, out)
        }
        Command::Query(query) => run_query(options, query, out),
    }
}

fn builder(options: &Options, database: &str) -> DatabaseManagerBuilder {
    let mut builder = DatabaseManager::builder(database);
    if let Some(environment) = &options.environment {
        builder = builder.environment(environment);
    }
    if let Some(home) = &options.home {
        builder = builder.home(home);
    }
    builder
}

/// The databases that were named, or all that are configured.
fn wanted(options: &Options, named: &[String]) -> Result<Vec<String>, Failure> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let all = Settings::configured_databases(options.environment.as_deref(), options.home.as_deref())?;
    if all.is_empty() {
        return Err(Failure::Usage(
            "no database is configured: there is no key `{ENVIRONMENT}_GLOBAL_{NAME}_CONNECTION_STRING`, neither in \
             the process environment nor in envs/.env.{environment} (see --home and --environment)"
                .to_owned(),
        ));
    }
    Ok(all)
}

fn check(options: &Options, named: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let mut worst = code::DONE;
    for name in wanted(options, named)? {
        match builder(options, &name).build() {
            Ok(manager) => show::settings(out, manager.settings())?,
            Err(error) => {
                worst = code::FAILED;
                show::problems(out, &name, &error)?;
            }
        }
    }
    Ok(worst)
}

fn health(options: &Options, named: &[String], json: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let names = wanted(options, named)?;
    let opened = names.iter().map(|name| (name.as_str(), builder(options, name).build()));
    let report = batchdb::health_check_of(opened);
    if json {
        show::json(out, &report)?;
    } else {
        show::health(out, &report)?;
    }
    Ok(match report.overall_status {
        batchdb::HealthStatus::Healthy => code::DONE,
        batchdb::HealthStatus::Degraded => code::DEGRADED,
        _ => code::FAILED,
    })
}

fn run_query(options: &Options, query: &Query, out: &mut dyn Write) -> Result<u8, Failure> {
    let params = params::parse(&query.params).map_err(Failure::Usage)?;
    // Whoever looks at a database does not mean to migrate it, whatever MIGRATE_ON_START says.
    let builder = builder(options, &query.database).migrate_on_start(MigrateOnStart::Off);
    if query.write {
        let changed = builder.build()?.execute(&query.sql, params)?;
        match query.json {
            true => writeln!(out, "{{\"rows_changed\":{changed}}}")?,
            false => writeln!(out, "{} changed", show::counted(changed, "row"))?,
        }
        return Ok(code::DONE);
    }
    let database = builder.read_only(true).build()?;
    if query.json {
        // Row by row, so that the result may be of any size.
        database.query_each(&query.sql, params, |row| {
            writeln!(out, "{}", row.to_json()?)?;
            Ok::<_, Failure>(true)
        })?;
    } else {
        show::rows(out, &database.execute_query(&query.sql, params)?)?;
    }
    Ok(code::DONE)
}
