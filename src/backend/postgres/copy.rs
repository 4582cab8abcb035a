//! Rows into a table by COPY.
//!
//! The rows are sent in binary as long as each value has the type of its column. From the first other value on, that
//! statement is ended, and the rest of the load is sent as text, which the server's input functions read as they read
//! parameters. The driver's `write` never looks at the server's answer, which comes only at the end of a `COPY`; so a
//! load is many `COPY` statements, one for each chunk.

use std::io::Write;
use std::time::{Duration, Instant};

use postgres::CopyInWriter;
use postgres::types::Type;
use postgres::types::private::BytesMut;

use super::connection::PgConnection;
use super::encode;
use super::failure::Failed;
use super::runtime;
use super::watchdog::Control;
use crate::backend::{LoadTarget, RowSource, takes_no_values};
use crate::context;
use crate::deadline::{Budget, Deadline};
use crate::dialect::Dialect;
use crate::error::{Effect, Error, ErrorKind, Object, Phase, Result};
use crate::value::Value;

/// How many bytes are handed to the driver at a time. A call of the driver costs about a microsecond, as much as
/// encoding a row.
const BUFFER: usize = 64 * 1024;

/// The maximum number of bytes in one statement. More would only mean more work to repeat after an error.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The head of a binary stream: the signature, no flags, no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The end of a binary stream, in the place of a row's number of columns.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The quotation marks that a server puts around a name, in any of its languages.
const QUOTES: [char; 11] = ['"', '\'', '«', '»', '„', '“', '”', '‘', '’', '「', '」'];

/// The target of a load, as the server describes it.
pub(super) struct Copy {
    /// The table and its columns, in SQL.
    into: String,
    /// The table's own name, as it appears in the server's message when a row fails.
    table: Box<str>,
    columns: Vec<(Box<str>, Type)>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
}

/// The result of one statement.
struct Section {
    rows: u64,
    /// The last row taken from the source is not part of it: it needs the text form.
    left_over: bool,
    /// The statement has reached its maximum number of bytes.
    full: bool,
}

/// The driver calls of one step. Their time is limited, without the time of the row source.
struct Clock<'c> {
    control: &'c Control,
    budget: Budget,
    used: Duration,
    in_transaction: bool,
}

impl Clock<'_> {
    /// Makes one call of the driver. An error says whether the connection can go on after it.
    fn call<T>(
        &mut self,
        broken: &mut bool,
        work: impl FnOnce() -> Result<T, postgres::Error>,
    ) -> Result<T, Refused> {
        let started = Instant::now();
        let deadline = self.budget.rest(started, self.used);
        deadline.left_for(Phase::Query, started).map_err(|late| late.with_effect(Effect::RolledBack))?;
        self.control.arm(deadline);
        let outcome = work();
        let in_time = self.control.disarm();
        self.used += started.elapsed();
        match outcome {
            Ok(value) if in_time => Ok(value),
            Ok(_) => Err(too_late(deadline).into()),
            Err(error) => {
                *broken = !in_time;
                let failed = Failed {
                    in_time,
                    in_transaction: self.in_transaction,
                    writes: true,
                    phase: Phase::Query,
                    deadline,
                };
                let place = error.as_db_error().and_then(|database| database.where_()).map(Box::from);
                Err(Refused { error: failed.explain(&error, broken), place })
            }
        }
    }
}

/// A failed call, and where the server was in the rows.
struct Refused {
    error: Error,
    place: Option<Box<str>>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused { error, place: None }
    }
}

fn too_late(deadline: Deadline) -> Error {
    context::in_force(deadline).passed(Phase::Query).with_effect(Effect::RolledBack)
}

impl PgConnection {
    /// Asks the server for the types of the columns. This also locks the table, so that they cannot change any more.
    pub(super) fn describe_copy(&mut self, target: &LoadTarget, budget: Budget) -> Result<()> {
        self.copy = None;
        let quoted: Vec<String> = target.columns.iter().map(|name| Dialect::Postgres.quote(name)).collect();
        let quoted = quoted.join(", ");
        let question = format!("SELECT {quoted} FROM {}", target.table);
        let deadline = budget.step(Instant::now());
        let answer = self.prepare_text(&question, deadline)?;
        let types = answer.columns().iter().map(|column| column.type_().clone());
        self.copy = Some(Copy {
            into: format!("{} ({quoted})", target.table),
            table: target.name.as_str().into(),
            columns: target.columns.iter().cloned().zip(types).collect(),
            form: Form::Binary,
        });
        Ok(())
    }

    /// Copies all rows of the source, or as many as fit into one statement.
    pub(super) fn copy_rows(&mut self, source: &mut dyn RowSource, budget: Budget) -> Result<u64> {
        let Some(mut copy) = self.copy.take() else {
            return Err(Error::usage("rows were to be loaded before the table was looked at"));
        };
        let mut row = Vec::with_capacity(copy.columns.len());
        let mut used = Duration::ZERO;
        let mut rows = 0;
        let mut wanting = source.next(&mut row)?;
        while wanting {
            let section = self.copy_section(&copy, &mut row, source, budget, &mut used)?;
            rows += section.rows;
            if section.left_over {
                copy.form = Form::Text;
            } else if section.full {
                break;
            }
            wanting = section.left_over;
        }
        self.copy = Some(copy);
        Ok(rows)
    }

    /// One COPY, beginning with the row that was taken last.
    fn copy_section(
        &mut self,
        copy: &Copy,
        row: &mut Vec<Value>,
        source: &mut dyn RowSource,
        budget: Budget,
        used: &mut Duration,
    ) -> Result<Section> {
        runtime::refuse_async()?;
        let before = source.given().saturating_sub(1);
        let PgConnection { client, control, broken, in_transaction, .. } = self;
        let Some(client) = client.as_mut().filter(|_| !*broken) else {
            return Err(Error::new(ErrorKind::Connect, "the connection has failed before")
                .with_effect(Effect::RolledBack));
        };
        let mut clock = Clock { control, budget, used: *used, in_transaction: *in_transaction };
        // If this function is left early, also by a panic of the source, a statement is still under way. So the
        // connection counts as broken until the statement has ended.
        *broken = true;
        let opened = clock.call(broken, || client.copy_in(&copy.statement()));
        let mut writer = match opened {
            Ok(writer) => writer,
            Err(refused) => {
                // If a COPY was refused at its beginning, the driver ends it twice (rust-postgres issue 789). Later
                // answers could then be taken for those of the next statement, so this connection is not used again.
                *broken = true;
                return Err(copy.not_begun(refused.error));
            }
        };
        let mut buffer = BytesMut::with_capacity(BUFFER + BUFFER / 4);
        if copy.form == Form::Binary {
            buffer.extend_from_slice(HEAD);
        }
        let (mut rows, mut bytes) = (0, 0);
        let left_over = loop {
            match copy.encode(row, &mut buffer) {
                Ok(true) => rows += 1,
                Ok(false) => break true,
                Err(error) => {
                    // Dropping the copy tells the server only with the next call, which is the rollback.
                    *broken = false;
                    return Err(error.at_records(source.given()..=source.given()));
                }
            }
            if buffer.len() >= BUFFER {
                bytes += buffer.len();
                send(&mut clock, broken, &mut writer, &mut buffer)
                    .map_err(|refused| copy.place(refused, before))?;
            }
            if bytes + buffer.len() >= MOST_BYTES {
                break false;
            }
            row.clear();
            match source.next(row) {
                Ok(true) => (),
                Ok(false) => break false,
                Err(error) => {
                    *broken = false;
                    return Err(error);
                }
            }
        };
        let full = bytes + buffer.len() >= MOST_BYTES;
        if copy.form == Form::Binary {
            buffer.extend_from_slice(&TRAILER);
        }
        send(&mut clock, broken, &mut writer, &mut buffer).map_err(|refused| copy.place(refused, before))?;
        let counted = clock.call(broken, || writer.finish());
        let counted = counted.map_err(|refused| copy.place(refused, before))?;
        *broken = false;
        *used = clock.used;
        if counted != rows {
            return Err(Error::new(
                ErrorKind::RowCount,
                format!("the server kept {counted} of {rows} rows from record {} on", before + 1),
            )
            .with_hint("a trigger of the table skips rows; use `execute_many`, which allows that"));
        }
        Ok(Section { rows, left_over, full })
    }
}

/// Hands the encoded bytes to the driver.
fn send(
    clock: &mut Clock<'_>,
    broken: &mut bool,
    writer: &mut CopyInWriter<'_>,
    buffer: &mut BytesMut,
) -> Result<(), Refused> {
    let mut lost = None;
    let sent = clock.call(broken, || match writer.write_all(buffer) {
        Ok(()) => Ok(()),
        Err(error) => match error.downcast::<postgres::Error>() {
            Ok(drivers) => Err(drivers),
            Err(other) => {
                lost = Some(other);
                Ok(())
            }
        },
    });
    buffer.clear();
    match lost {
        None => sent,
        Some(other) => Err(Error::new(ErrorKind::Connect, "the connection failed while rows were sent")
            .with_effect(Effect::RolledBack)
            .with_source(other)
            .into()),
    }
}

impl Copy {
    fn statement(&self) -> String {
        match self.form {
            Form::Binary => format!("COPY {} FROM STDIN (FORMAT binary)", self.into),
            Form::Text => format!("COPY {} FROM STDIN", self.into),
        }
    }

    /// Encodes a row. Returns false, and appends nothing, if a value has no binary form for its column's type.
    ///
    /// # Errors
    ///
    /// `Params`, which names the column, when a value cannot be stored there at all.
    fn encode(&self, row: &[Value], out: &mut BytesMut) -> Result<bool> {
        let start = out.len();
        match self.form {
            Form::Binary => out.extend_from_slice(&self.count().to_be_bytes()),
            Form::Text => (),
        }
        for (place, (value, (name, ty))) in row.iter().zip(&self.columns).enumerate() {
            let written = match self.form {
                Form::Binary => binary(value, ty, out),
                Form::Text => {
                    if place > 0 {
                        out.extend_from_slice(b"\t");
                    }
                    text(value, ty, out).map(|()| true)
                }
            };
            match written {
                Ok(true) => (),
                Ok(false) => {
                    out.truncate(start);
                    return Ok(false);
                }
                Err(error) => return Err(error.at(format_args!("column \"{name}\""))),
            }
        }
        if self.form == Form::Text {
            out.extend_from_slice(b"\n");
        }
        Ok(true)
    }

    /// A table has at most 1,600 columns.
    fn count(&self) -> i16 {
        i16::try_from(self.columns.len()).unwrap_or(i16::MAX)
    }

    /// The error of a COPY that the server has refused before the first row.
    fn not_begun(&self, error: Error) -> Error {
        // For a COPY this code has only one meaning. The message names the column, in any language, in quotes.
        if error.sqlstate() != Some("42P10") {
            return error;
        }
        let text = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let told = |name: &str| {
            text.match_indices(name).any(|(at, _)| {
                let (before, after) = (&text[..at], &text[at + name.len()..]);
                before.trim_end().ends_with(QUOTES) && after.trim_start().starts_with(QUOTES)
            })
        };
        let columns = self.columns.iter().map(|(name, _)| &**name).filter(|name| told(name));
        takes_no_values(&self.table, columns.max_by_key(|name| name.len()), &error)
    }

    /// Adds the record and the column to the error, if the server named the line.
    fn place(&self, refused: Refused, before: u64) -> Error {
        let Refused { error, place } = refused;
        let Some((line, column)) = place.as_deref().and_then(|place| self.line(place)) else {
            return error;
        };
        let error = error.at_records(before + line..=before + line);
        match column {
            Some(column) if error.column().is_none() => {
                let object = Object {
                    table: error.table().or(Some(&self.table)).map(Box::from),
                    column: Some(column.into()),
                    constraint: error.constraint().map(Box::from),
                };
                error.with_object(object)
            }
            _ => error,
        }
    }

    /// Parses `COPY table, line 7, column name: "value"`, in which all words but the first are in the server's
    /// language.
    fn line(&self, place: &str) -> Option<(u64, Option<&str>)> {
        let rest = place.lines().find_map(|line| line.strip_prefix("COPY ")?.strip_prefix(&*self.table))?;
        let digits = rest.find(|c: char| c.is_ascii_digit())?;
        let rest = &rest[digits..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        // Line 0: the server had not read a line yet.
        let line = rest[..end].parse().ok().filter(|line| *line > 0)?;
        let told = |name: &str| {
            rest[end..].match_indices(name).any(|(at, _)| {
                let (before, after) = (&rest[end..end + at], &rest[end + at + name.len()..]);
                before.ends_with(' ') && (after.is_empty() || after.starts_with(':'))
            })
        };
        // If both `id` and `line id` match, the longer one is meant.
        let columns = self.columns.iter().map(|(name, _)| &**name).filter(|name| told(name));
        Some((line, columns.max_by_key(|name| name.len())))
    }
}

/// Appends a value with its length; returns false if it has no binary form for this type.
fn binary(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<bool> {
    let at = out.len();
    out.extend_from_slice(&(-1_i32).to_be_bytes());
    if value.is_null() {
        return Ok(true);
    }
    if !encode::has_binary(value, ty) {
        return Ok(false);
    }
    encode::binary(value, ty, out)?;
    let length = i32::try_from(out.len() - at - 4)
        .map_err(|_| Error::params("the value is longer than the 2 GiB that PostgreSQL's protocol takes"))?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(true)
}

/// Appends a value in the text format.
fn text(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<()> {
    if value.is_null() {
        out.extend_from_slice(b"\\N");
        return Ok(());
    }
    let text = encode::text(value, ty)?;
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(form: Form) -> Copy {
        let columns = [("id", Type::INT4), ("line id", Type::TEXT), ("at", Type::DATE)];
        Copy {
            into: String::new(),
            table: "odd 7".into(),
            columns: columns.into_iter().map(|(name, ty)| (name.into(), ty)).collect(),
            form,
        }
    }

    #[test]
    fn the_line_and_the_column_are_read_in_any_language() {
        let copy = copy(Form::Binary);
        assert_eq!(copy.line("COPY odd 7, line 12"), Some((12, None)));
        assert_eq!(copy.line("COPY odd 7, line 3, column id"), Some((3, Some("id"))));
        assert_eq!(copy.line("COPY odd 7, Zeile 3, Spalte line id: \"id\""), Some((3, Some("line id"))));
        assert_eq!(copy.line("PL/pgSQL function f() line 5\nCOPY odd 7, line 4"), Some((4, None)));
        assert_eq!(copy.line("COPY other, line 4"), None);
        assert_eq!(copy.line("COPY odd 7, line 0"), None);
    }

    #[test]
    fn a_computed_column_is_named_in_any_language() {
        let column = |text: &str| {
            let refused = Error::new(ErrorKind::Syntax, "refused").with_codes(Some("42P10"), None);
            let refused = refused.with_source(std::io::Error::other(text.to_owned()));
            copy(Form::Binary).not_begun(refused).column().map(str::to_owned)
        };
        assert_eq!(column("ERROR: column \"id\" is a generated column").as_deref(), Some("id"));
        assert_eq!(column("FEHLER: Spalte »line id« ist eine generierte Spalte").as_deref(), Some("line id"));
        assert_eq!(column("ERREUR: la colonne « at » est générée").as_deref(), Some("at"));
        assert_eq!(column("ERROR: at id").as_deref(), None);
    }

    #[test]
    fn a_row_goes_whole_or_not_at_all() {
        let mut out = BytesMut::new();
        let row = [Value::Int(1), Value::from("a\tb\\\n"), Value::from("2026-01-05")];
        assert!(!copy(Form::Binary).encode(&row, &mut out).unwrap());
        assert!(out.is_empty());
        assert!(copy(Form::Text).encode(&row, &mut out).unwrap());
        assert_eq!(&out[..], b"1\ta\\tb\\\\\\n\t2026-01-05\n");
        out.clear();
        assert!(copy(Form::Binary).encode(&[Value::Int(258), Value::Null, Value::Null], &mut out).unwrap());
        assert_eq!(&out[..], b"\0\x03\0\0\0\x04\0\0\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff");
        let error = copy(Form::Binary).encode(&[Value::Int(1 << 40)], &mut out).unwrap_err();
        assert!(error.to_string().starts_with("column \"id\": "), "{error}");
    }
}
