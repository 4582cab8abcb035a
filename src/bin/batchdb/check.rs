//! `batchdb check`: what the settings are, and where each comes from.

use std::io;

use batchdb::{Error, MigrateOnStart, Origin, Setting, Settings};
use clap::Args;
use serde_json::{Value as Json, json};

use super::options::Options;
use super::show::{self, Out};
use super::{Failure, code};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb check                             all databases of the environment
  batchdb --environment production check    before a deployment
  batchdb check rpa_db --flow rpa1          as the flow `rpa1` sees them
  batchdb check --json                      for a program

Exit codes: 0 all settings are right, 1 something is wrong";

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The databases [default: all that are configured]
    #[arg(value_name = "DB")]
    databases: Vec<String>,
    /// The flow whose settings go before the global ones
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, check: &Check, out: Out<'_>) -> Result<u8, Failure> {
    let mut worst = code::DONE;
    let mut documents = serde_json::Map::new();
    for name in options.wanted(&check.databases)? {
        let mut builder = options.builder(&name);
        if let Some(flow) = &check.flow {
            builder = builder.flow(flow);
        }
        let outcome = builder.build();
        if outcome.is_err() {
            worst = code::FAILED;
        }
        match &outcome {
            _ if check.json => {
                documents.insert(name, document(outcome.as_ref().map(|db| db.settings())));
            }
            Ok(db) => settings(out, db.settings())?,
            Err(error) => problems(out, &name, error)?,
        }
    }
    if check.json {
        show::json(out, &documents)?;
    }
    Ok(worst)
}

fn document(outcome: Result<&Settings, &Error>) -> Json {
    match outcome {
        Ok(settings) => json!({
            "environment": settings.environment(),
            "where": settings.describe(),
            "settings": settings.sources(),
        }),
        Err(error) => json!({ "problem": error.to_string() }),
    }
}

fn settings(out: Out<'_>, settings: &Settings) -> io::Result<()> {
    let on_start = match settings.migrate_on_start() {
        MigrateOnStart::Check => "pending ones are logged on the first connection",
        MigrateOnStart::Run => "applied on the first connection",
        _ => "not looked at on the first connection",
    };
    writeln!(out, "{} ({}): the settings are right", settings.database(), settings.environment())?;
    writeln!(out, "  where       {}", show::plain(&settings.describe()))?;
    writeln!(
        out,
        "  pool        {} connections, {} more at a peak; {:?} to wait for one",
        settings.pool_size(),
        settings.max_overflow(),
        settings.pool_timeout(),
    )?;
    writeln!(
        out,
        "  limits      {:?} to connect, {:?} for a statement",
        settings.connect_timeout(),
        settings.timeout()
    )?;
    let all = settings.sources();
    let files = all.iter().find_map(|setting| match &setting.origin {
        Origin::File { path, .. } => Some(path),
        _ => None,
    });
    if let Some(path) = files {
        writeln!(out, "  file        {}", show::plain(&path.display().to_string()))?;
    }
    match settings.is_read_only() {
        true => writeln!(out, "  writes      refused (READ_ONLY)")?,
        false => writeln!(out, "  migrations  {}; {on_start}", settings.migrations_dir().display())?,
    }
    sources(out, &all)
}

/// What is set nowhere and has no default has no line.
fn sources(out: Out<'_>, all: &[Setting]) -> io::Result<()> {
    let mut table = show::table(["key", "value", "comes from"]);
    for setting in all.iter().filter(|setting| setting.origin != Origin::Unset) {
        let value = setting.value.as_deref().map_or_else(|| "(not shown)".to_owned(), show::plain);
        table.add_row([setting.key, &value, &show::plain(&origin(setting))]);
    }
    writeln!(out, "{table}")
}

fn origin(setting: &Setting) -> String {
    let mut text = place(&setting.origin);
    for variable in &setting.variables {
        text.push_str(&format!(", with ${{{variable}}}"));
    }
    for weaker in &setting.overridden {
        text.push_str(&format!("; goes before {}", place(weaker)));
    }
    text
}

/// The path of the file stands once above the table.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::Default(_) => "default".to_owned(),
        Origin::File { key, line, .. } => format!("line {line}: {key}"),
        Origin::Process(key) => format!("process: {key}"),
        other => other.to_string(),
    }
}

/// The error's own text has one line for each problem, with the key, the place and what it must be.
fn problems(out: Out<'_>, database: &str, error: &Error) -> io::Result<()> {
    let text = error.to_string();
    let text = show::lines(text.strip_prefix(&format!("{database}: ")).unwrap_or(&text));
    writeln!(out, "{}: {text}", show::plain(database))
}
