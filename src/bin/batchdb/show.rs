//! What a person reads: tables and plain lines. What a program reads is JSON.

use std::io::{self, Write};

use batchdb::{DatabaseHealth, Error, HealthReport, MigrateOnStart, MigrationHealth, Row, Settings, Value};
use comfy_table::{Table, presets};
use serde::Serialize;

pub(crate) type Out<'a> = &'a mut dyn Write;

pub(crate) fn json(out: Out<'_>, document: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

pub(crate) fn settings(out: Out<'_>, settings: &Settings) -> io::Result<()> {
    let on_start = match settings.migrate_on_start() {
        MigrateOnStart::Check => "pending ones are logged on the first connection",
        MigrateOnStart::Run => "applied on the first connection",
        _ => "not looked at on the first connection",
    };
    writeln!(out, "{} ({}): the settings are right", settings.database(), settings.environment())?;
    writeln!(out, "  where       {}", settings.describe())?;
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
    if settings.is_read_only() {
        return writeln!(out, "  writes      refused (READ_ONLY)");
    }
    writeln!(out, "  migrations  {}; {on_start}", settings.migrations_dir().display())
}

/// The error's own text has one line for each problem, with the key, the place and what it must be.
pub(crate) fn problems(out: Out<'_>, database: &str, error: &Error) -> io::Result<()> {
    let text = error.to_string();
    writeln!(out, "{database}: {}", text.strip_prefix(&format!("{database}: ")).unwrap_or(&text))
}

pub(crate) fn health(out: Out<'_>, report: &HealthReport) -> io::Result<()> {
    let mut table = table(["database", "type", "status", "connection", "query", "migrations", "ms"]);
    for database in &report.databases {
        let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        table.add_row([
            plain(&database.database_name),
            database.database_type.clone().unwrap_or_else(|| "-".to_owned()),
            database.status.to_string(),
            yes(database.connection),
            yes(database.query_test),
            migrations_of(database),
            database.response_time_ms.map_or_else(|| "-".to_owned(), |time| time.to_string()),
        ]);
    }
    writeln!(out, "{table}")?;
    for database in &report.databases {
        if let Some(error) = &database.error {
            writeln!(out, "{error}")?;
        }
    }
    writeln!(out, "overall: {}", report.overall_status)
}

fn migrations_of(database: &DatabaseHealth) -> String {
    match &database.migration_status {
        None => "-".to_owned(),
        Some(MigrationHealth::ReadOnly) => "read-only".to_owned(),
        Some(MigrationHealth::Status(status)) => {
            let version = status.current_version.as_deref().unwrap_or("none");
            match status.pending_migrations.len() {
                0 => version.to_owned(),
                pending => format!("{version}, {pending} pending"),
            }
        }
        Some(_) => "unavailable".to_owned(),
    }
}

pub(crate) fn rows(out: Out<'_>, rows: &[Row]) -> io::Result<()> {
    // Without a row nobody knows the columns.
    if let Some(first) = rows.first() {
        let mut table = table(first.columns().map(plain));
        for row in rows {
            table.add_row(row.values().iter().map(cell));
        }
        writeln!(out, "{table}")?;
    }
    writeln!(out, "({})", counted(rows.len() as u64, "row"))
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

pub(crate) fn table(header: impl IntoIterator<Item = impl Into<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header.into_iter().map(Into::into).collect::<Vec<String>>());
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Text(text) => plain(text),
        other => match other.to_json() {
            serde_json::Value::String(text) => plain(&text),
            json => json.to_string(),
        },
    }
}

/// Text that cannot move the cursor or break the table.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let (escaped, itself) =
                if c.is_control() { (Some(c.escape_default()), None) } else { (None, Some(c)) };
            escaped.into_iter().flatten().chain(itself)
        })
        .collect()
}
