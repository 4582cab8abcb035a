//! What a person reads: tables and plain lines. What a program reads is JSON.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use batchdb::{DatabaseHealth, HealthReport, MigrationHealth, Row, Value};
use comfy_table::{Table, presets};
use serde::Serialize;

pub(crate) type Out<'a> = &'a mut dyn Write;

pub(crate) fn json(out: Out<'_>, document: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

/// One object on one line, for a reader that takes them as they come.
pub(crate) fn json_line(out: Out<'_>, document: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, document)?;
    writeln!(out)
}

/// Reads a time of the command line: `60`, `90s`, `500ms`, `5m`, `1h`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a number of seconds above 0, or one with `ms`, `s`, `m` or `h`".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    // An instant further away than this cannot be told from none.
    if time.is_zero() || time.as_secs() > 365 * 24 * 3600 { Err(wrong()) } else { Ok(time) }
}

#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// In colour where a person looks at it: on a terminal, unless `NO_COLOR` is set.
pub(crate) fn paint(colour: Colour, text: &str) -> String {
    let wanted =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match wanted {
        true => format!("\u{1b}[{}m{text}\u{1b}[0m", colour as u8),
        false => text.to_owned(),
    }
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
            writeln!(out, "{}", lines(error))?;
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

/// Says something on standard error, in lines that cannot speak to a terminal: a server's words are in them. Where nobody
/// reads it any more, nothing is said, and the work and its exit code are the same.
pub(crate) fn tell(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{}", lines(&text.to_string()));
}

/// Lines that cannot move the cursor or paint; tabs stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let lines = text.split('\n').map(|line| line.split('\t').map(plain).collect::<Vec<_>>().join("\t"));
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

/// Rows on their way to where they are as they are for a program, and harmless for a terminal.
pub(crate) struct Rows<'o> {
    out: Out<'o>,
    is_terminal: bool,
    /// The beginning of a character whose end is still to come.
    held: Vec<u8>,
}

impl<'o> Rows<'o> {
    pub(crate) fn new(out: Out<'o>) -> Rows<'o> {
        Rows { out, is_terminal: io::stdout().is_terminal(), held: Vec::new() }
    }
}

impl Write for Rows<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.out.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.held) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.held.len(),
        };
        let text: Vec<u8> = self.held.drain(..whole).collect();
        self.out.write_all(lines(&String::from_utf8_lossy(&text)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_an_end() {
        for (text, milliseconds) in
            [("60", 60_000), ("1.5s", 1500), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(time(text).map(|time| time.as_millis()), Ok(milliseconds), "{text}");
        }
        for wrong in ["", "0", "-1", "s", "1d", "1e400", "soon", "9999999h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_text_moves_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), r"a\u{1b}[2Jb\nc");
        let text = "SELECT 1;\n\tSELECT '\u{1b}[2J\u{9b}31m\u{7}';";
        assert_eq!(lines(text), "SELECT 1;\n\tSELECT '\\u{1b}[2J\\u{9b}31m\\u{7}';");
        assert!(matches!(lines("SELECT 'é';\n\tSELECT 2"), Cow::Borrowed(_)));
    }

    #[test]
    fn rows_are_harmless_on_a_terminal_only() {
        // The last is the one byte form of `ESC [`, which is two bytes in UTF-8 and comes here in two pieces.
        let pieces: [&[u8]; 3] = [b"id\n\x1b[2J", b"\xc3\xa9\xc2", b"\x9b1\n"];
        for (is_terminal, wanted) in [(true, "id\n\\u{1b}[2Jé\\u{9b}1\n"), (false, "id\n\u{1b}[2Jé\u{9b}1\n")]
        {
            let mut written = Vec::new();
            let mut rows = Rows { out: &mut written, is_terminal, held: Vec::new() };
            pieces.iter().for_each(|piece| rows.write_all(piece).unwrap());
            assert_eq!(String::from_utf8(written).unwrap(), wanted);
        }
    }
}
