//! From the driver's form of a value to a [`Value`]: exact, or an error that names the row and the column. Pure.

use std::cell::Cell;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::row::{Columns, Row};
use crate::value::{Text, Value, calendar, exact_json};

use super::cells::{Cells, Chunk, Values};
use super::columns::{Column, Kind};
use super::flavor::Flavor;

mod psqlodbc;

/// Turns the chunks of one result into rows, in the caller's thread.
pub(super) struct Decoder {
    columns: Vec<Column>,
    names: Arc<Columns>,
    flavor: Flavor,
    /// How many rows were given away, for messages.
    given: Cell<usize>,
}

impl Decoder {
    pub(super) fn new(columns: Vec<Column>, flavor: Flavor) -> Decoder {
        let names = Columns::new(columns.iter().map(|column| column.name.as_str()));
        Decoder { columns, names, flavor, given: Cell::new(0) }
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> &Arc<Columns> {
        &self.names
    }

    /// Gives the rows of a chunk away, in their order, up to the first that cannot be read. They share their memory.
    pub(super) fn rows(&self, chunk: &Chunk, mut give: impl FnMut(Row)) -> Result<()> {
        self.blocks(chunk, |values| Row::block(&self.names, values).for_each(&mut give))
    }

    /// The same for rows that go their own ways, one after the other.
    pub(super) fn single_rows(&self, chunk: &Chunk, mut give: impl FnMut(Row)) -> Result<()> {
        self.blocks(chunk, |values| {
            let mut values = values.into_iter();
            while values.len() > 0 {
                let row = values.by_ref().take(self.columns.len()).collect();
                give(Row::new(Arc::clone(&self.names), row));
            }
        })
    }

    /// Gives away the values of some rows at a time, row by row.
    fn blocks(&self, chunk: &Chunk, mut give: impl FnMut(Vec<Value>)) -> Result<()> {
        /// So many values, no more than stay in the nearest cache.
        const AT_ONCE: usize = 640;
        let width = self.columns.len().max(1);
        let rows = (AT_ONCE / width).max(1);
        for start in (0..chunk.rows).step_by(rows) {
            let (values, made) = self.make(chunk, start..chunk.rows.min(start + rows));
            self.given.set(self.given.get() + values.len() / width);
            give(values);
            made.map_err(|error| error.at(format_args!("row {}", self.given.get() + 1)))?;
        }
        Ok(())
    }

    /// Makes some rows, column by column, so that what a column is gets asked once for many values; and says what is
    /// wrong with the row behind the last of them.
    fn make(&self, chunk: &Chunk, places: Range<usize>) -> (Vec<Value>, Result<()>) {
        let width = self.columns.len();
        // Not `vec!`, which clones one value so many times.
        let mut values: Vec<Value> = (0..places.len() * width).map(|_| Value::Null).collect();
        let mut made = Ok(());
        for (number, (column, cells)) in self.columns.iter().zip(&chunk.columns).enumerate() {
            let rows = values.len() / width;
            let mut target = values.iter_mut().skip(number).step_by(width);
            let places = places.start..places.start + rows;
            if let Err((row, error)) = put(&mut target, cells, places, column.kind, self.flavor) {
                // The columns behind this one are read as far as it could be read.
                values.truncate(row * width);
                made = Err(error.at(format_args!("column \"{}\"", column.name)));
            }
        }
        (values, made)
    }
}

/// Puts the values of a column into their rows. An error comes with the number of rows that have got theirs.
fn put<'v>(
    rows: &mut impl Iterator<Item = &'v mut Value>,
    cells: &Cells,
    places: Range<usize>,
    kind: Kind,
    flavor: Flavor,
) -> std::result::Result<(), (usize, Error)> {
    let nulls = &cells.nulls[places.clone()];
    match &cells.values {
        Values::Bit(values) => each(rows, nulls, &values[places], |value| Ok(Value::Bool(*value != 0))),
        Values::Int(values) => each(rows, nulls, &values[places], |value| Ok(Value::Int(*value))),
        Values::Float(values) => each(rows, nulls, &values[places], |value| Ok(Value::Float(*value))),
        Values::Single(values) => {
            each(rows, nulls, &values[places], |value| Ok(Value::Float(f64::from(*value))))
        }
        Values::Date(values) => {
            each(rows, nulls, &values[places], |at| day(at.year, at.month, at.day).map(Value::Date))
        }
        Values::Timestamp(values) if flavor == Flavor::Postgres => {
            each(rows, nulls, &values[places], psqlodbc::from_struct)
        }
        Values::Timestamp(values) => {
            each(rows, nulls, &values[places], |at| timestamp(at).map(Value::Timestamp))
        }
        Values::Bytes(values) => {
            each(rows, nulls, values.some(places), |bytes| Ok(Value::Bytes(bytes.into())))
        }
        Values::Utf8(values) => each(rows, nulls, values.some(places), |bytes| {
            Text::from_utf8(bytes).and_then(|text| parsed(text, kind, flavor))
        }),
        Values::Utf16(values) if kind == Kind::Text => {
            each(rows, nulls, values.some(places), |units| Text::from_utf16(units).map(Value::Text))
        }
        Values::Utf16(values) => each(rows, nulls, values.some(places), |units| {
            Text::from_utf16(units).and_then(|text| parsed(text, kind, flavor))
        }),
    }
}

fn each<'v, C>(
    rows: &mut impl Iterator<Item = &'v mut Value>,
    nulls: &[bool],
    cells: impl IntoIterator<Item = C>,
    read: impl Fn(C) -> Result<Value>,
) -> std::result::Result<(), (usize, Error)> {
    for (place, ((row, null), cell)) in rows.zip(nulls).zip(cells).enumerate() {
        if !*null {
            let value = read(cell).map_err(|error| (place, error))?;
            // What stood there is a NULL, which has nothing to free: to look would take as long as to write.
            std::mem::forget(std::mem::replace(row, value));
        }
    }
    Ok(())
}

fn day(year: i16, month: u16, day: u16) -> Result<NaiveDate> {
    NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))
        .ok_or_else(|| misfit("a date of the calendar"))
}

fn timestamp(at: &odbc_sys::Timestamp) -> Result<NaiveDateTime> {
    day(at.year, at.month, at.day)?
        .and_hms_nano_opt(u32::from(at.hour), u32::from(at.minute), u32::from(at.second), at.fraction)
        .ok_or_else(|| misfit("a time of the day"))
}

fn misfit(wanted: &str) -> Error {
    Error::decode(format!("a value is not {wanted}")).with_hint("cast the column in the SQL")
}

fn parse<T: FromStr>(text: &str, wanted: &str) -> Result<T> {
    text.parse().map_err(|_| misfit(wanted))
}

/// Reads a value that came as text.
fn parsed(text: Text, kind: Kind, flavor: Flavor) -> Result<Value> {
    match kind {
        Kind::Text => Ok(Value::Text(text)),
        Kind::Int => integer(&text),
        Kind::Float => float(text.trim()),
        Kind::Decimal => match psqlodbc::no_number(&text).filter(|_| flavor == Flavor::Postgres) {
            Some(value) => Ok(value),
            None => parse::<BigDecimal>(text.trim(), "an exact decimal").map(Value::from),
        },
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Ok(Value::Bool(true)),
            "0" | "f" | "false" => Ok(Value::Bool(false)),
            _ => Err(misfit("a boolean")),
        },
        Kind::Bytes => Ok(hexadecimal(&text).map_or(Value::Text(text), Value::from)),
        Kind::Date if flavor == Flavor::Postgres => psqlodbc::date(&text),
        Kind::Date => parse(&calendar::iso(&text), "a date").map(Value::Date),
        Kind::Time if flavor == Flavor::Postgres => psqlodbc::time(&text),
        Kind::Time => parse::<NaiveTime>(&text, "a time of the day").map(Value::Time),
        Kind::Timestamp => {
            parse(&calendar::iso(&text).replacen(' ', "T", 1), "a timestamp").map(Value::Timestamp)
        }
        Kind::TimestampTz if flavor == Flavor::Postgres => psqlodbc::instant(&text),
        Kind::TimestampTz => instant(&text),
        Kind::Interval => parse(&text, "an interval").map(Value::Interval),
        Kind::Uuid => parse::<Uuid>(&text, "a UUID").map(Value::Uuid),
        Kind::Json => exact_json(&text).map_err(|_| misfit("JSON")),
    }
}

/// An integer; SQLite also keeps real numbers in integer columns, and they stay what they are.
fn integer(text: &str) -> Result<Value> {
    match text.parse() {
        Ok(number) => Ok(Value::Int(number)),
        Err(_) if text.contains(['.', 'e', 'E']) => float(text),
        Err(_) => Err(misfit("an integer")),
    }
}

/// A float. SQLite's driver rounds to 15 digits, which takes the largest ones beyond the largest: no number with digits is
/// infinite.
fn float(text: &str) -> Result<Value> {
    match parse::<f64>(text, "a number")? {
        number if number.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => {
            Err(misfit("a float in the form that the driver gives"))
        }
        number => Ok(Value::Float(number)),
    }
}

/// The bytes of SQLite's blob, which its driver spells `X'00FF'`; `None` where it is a text after all.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("X'")?.strip_suffix('\'')?.as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// A point in time. A time without an offset is none. FreeTDS writes a year before 1000 without its zeros.
fn instant(text: &str) -> Result<Value> {
    let text = &match text.find('-') {
        Some(digits @ 1..4) => format!("{}{text}", &"000"[digits - 1..]),
        _ => text.to_owned(),
    };
    let compact = match text.rsplit_once(' ') {
        Some((at, offset)) if offset.starts_with(['+', '-']) => format!("{at}{offset}"),
        _ => text.to_owned(),
    }
    .replacen(' ', "T", 1);
    calendar::instant(&compact).map(Value::TimestampTz).ok_or_else(|| misfit("a timestamp with an offset"))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike};

    use super::*;
    use crate::backend::odbc::columns::Form;
    use crate::error::ErrorKind;

    #[track_caller]
    fn read(text: &str, kind: Kind, json: &str) {
        let value = parsed(text.into(), kind, Flavor::Sqlite).unwrap();
        assert_eq!(value.to_json().to_string(), json);
    }

    #[track_caller]
    fn refused(text: &str, kind: Kind) {
        let error = parsed(text.into(), kind, Flavor::Sqlite).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(!error.report().contains(text), "{}", error.report());
    }

    #[test]
    fn texts_of_drivers_are_read_exactly_or_refused() {
        read("9223372036854775807", Kind::Int, "9223372036854775807");
        read("2.5", Kind::Int, "2.5");
        refused("twelve", Kind::Int);
        assert_eq!(
            parsed(".50".into(), Kind::Decimal, Flavor::SqlServer).unwrap(),
            Value::from("0.50".parse::<BigDecimal>().unwrap())
        );
        refused("NaN", Kind::Decimal);
        // The largest float, as SQLite's driver rounds it.
        refused("1.79769313486232e+308", Kind::Float);
        read("-Inf", Kind::Float, "\"-inf\"");
        refused("$12.50", Kind::Decimal);
        assert_eq!(
            parsed("X'00fF'".into(), Kind::Bytes, Flavor::Sqlite).unwrap(),
            Value::Bytes(vec![0, 255].into())
        );
        assert_eq!(parsed("X'0'".into(), Kind::Bytes, Flavor::Sqlite).unwrap(), Value::from("X'0'"));
        refused("yesterday", Kind::Date);
        refused("perhaps", Kind::Bool);
    }

    #[test]
    fn rows_are_given_up_to_the_first_that_cannot_be_read() {
        let column = |name: &str, kind| Column { name: name.into(), kind, form: Form::Utf16, bound: None };
        let columns = vec![column("a", Kind::Int), column("b", Kind::Date)];
        let texts = |bad: usize, good: &str| {
            let texts = (0..400).map(|row| if row == bad { "x" } else { good });
            Cells { values: Values::Utf16(texts.collect()), nulls: (0..400).map(|row| row == 3).collect() }
        };
        let decoder = Decoder::new(columns, Flavor::SqlServer);
        for (bad, column) in [((300, 200), "\"b\""), ((200, 201), "\"a\""), ((150, 150), "\"a\"")] {
            let columns = vec![texts(bad.0, "7"), texts(bad.1, "2026-01-05")];
            let mut rows = Vec::new();
            let error = decoder
                .rows(&Chunk { rows: 400, columns, serves_again: false }, |row| rows.push(row))
                .unwrap_err();
            assert_eq!(rows.len(), bad.0.min(bad.1));
            assert!(error.to_string().contains(column), "{error}");
            assert!(rows[3].values().iter().all(Value::is_null) && rows[2]["a"] == Value::Int(7));
        }
    }

    #[test]
    fn points_in_time_keep_their_offset_and_need_one() {
        let at = |text: &str, flavor| parsed(text.into(), Kind::TimestampTz, flavor);
        let wanted =
            Value::TimestampTz(DateTime::parse_from_rfc3339("2026-01-02T03:04:05.1234567+02:00").unwrap());
        assert_eq!(at("2026-01-02 03:04:05.1234567 +02:00", Flavor::SqlServer).unwrap(), wanted);
        assert_eq!(at("2026-01-02T03:04:05.1234567+02:00", Flavor::Sqlite).unwrap(), wanted);
        assert_eq!(
            at("2026-01-02 03:04:05.5", Flavor::Postgres).unwrap(),
            Value::TimestampTz(DateTime::parse_from_rfc3339("2026-01-02T03:04:05.5Z").unwrap())
        );
        assert!(at("2026-01-02 03:04:05.5", Flavor::Sqlite).is_err());
        assert_eq!(
            at("0045-02-29 00:00:00 BC", Flavor::Postgres).unwrap(),
            Value::TimestampTz(
                DateTime::parse_from_rfc3339("0001-02-28T00:00:00Z").unwrap().with_year(-44).unwrap()
                    + chrono::TimeDelta::days(1)
            )
        );
        assert_eq!(at("9999-01-01 00:00:00 BC", Flavor::Postgres).unwrap(), Value::from("-infinity"));
        assert!(at("0000-00-00 00:00:00", Flavor::Postgres).is_err());
    }
}
