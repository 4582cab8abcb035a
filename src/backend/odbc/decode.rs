//! From the driver's form of a value to a [`Value`]: exact, or an error that names the column. Pure.

use std::str::FromStr;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::row::{Columns, Row};
use crate::value::{Value, calendar, exact_json};

use super::cells::{Cells, Chunk, Values};
use super::columns::{Column, Kind};
use super::flavor::Flavor;

mod psqlodbc;

/// Turns the chunks of one result into rows, in the caller's thread.
pub(super) struct Decoder {
    columns: Vec<Column>,
    names: Arc<Columns>,
    flavor: Flavor,
}

impl Decoder {
    pub(super) fn new(columns: Vec<Column>, flavor: Flavor) -> Decoder {
        let names = Columns::new(columns.iter().map(|column| column.name.as_str()));
        Decoder { columns, names, flavor }
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> &Arc<Columns> {
        &self.names
    }

    /// One row of a chunk.
    pub(super) fn row(&self, chunk: &Chunk, row: usize) -> Result<Row> {
        let mut values = Vec::with_capacity(self.columns.len());
        for (column, cells) in self.columns.iter().zip(&chunk.columns) {
            let value = value(cells, row, column.kind, self.flavor)
                .map_err(|error| error.at(format_args!("column \"{}\"", column.name)))?;
            values.push(value);
        }
        Ok(Row::new(Arc::clone(&self.names), values))
    }
}

fn value(cells: &Cells, row: usize, kind: Kind, flavor: Flavor) -> Result<Value> {
    if cells.nulls[row] {
        return Ok(Value::Null);
    }
    match &cells.values {
        Values::Bit(values) => Ok(Value::Bool(values[row] != 0)),
        Values::Int(values) => Ok(Value::Int(values[row])),
        Values::Float(values) => Ok(Value::Float(values[row])),
        Values::Single(values) => Ok(Value::Float(f64::from(values[row]))),
        Values::Date(values) => day(values[row].year, values[row].month, values[row].day).map(Value::Date),
        Values::Timestamp(values) if flavor == Flavor::Postgres => psqlodbc::from_struct(&values[row]),
        Values::Timestamp(values) => timestamp(&values[row]).map(Value::Timestamp),
        Values::Bytes(values) => Ok(Value::Bytes(values.get(row).into())),
        Values::Utf8(values) => String::from_utf8(values.get(row).to_vec())
            .map_err(|_| Error::decode("the text is not valid UTF-8"))
            .and_then(|text| parsed(text, kind, flavor)),
        Values::Utf16(values) => utf16(values.get(row)).and_then(|text| parsed(text, kind, flavor)),
    }
}

/// Most text is ASCII, and that goes much faster than UTF-16 in general.
fn utf16(units: &[u16]) -> Result<String> {
    let text = if units.iter().fold(0, |all, unit| all | unit) < 0x80 {
        let mut ascii = Vec::with_capacity(units.len());
        ascii.extend(units.iter().map(|unit| unit.to_le_bytes()[0]));
        String::from_utf8(ascii).ok()
    } else {
        String::from_utf16(units).ok()
    };
    text.ok_or_else(|| Error::decode("the text is not valid UTF-16"))
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
fn parsed(text: String, kind: Kind, flavor: Flavor) -> Result<Value> {
    match kind {
        Kind::Text => Ok(Value::Text(text)),
        Kind::Int => integer(&text),
        Kind::Float => parse(text.trim(), "a number").map(Value::Float),
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
        Err(_) if text.contains(['.', 'e', 'E']) => parse(text, "a number").map(Value::Float),
        Err(_) => Err(misfit("an integer")),
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
    fn utf16_is_read_whole_or_refused() {
        for text in ["", "plain", "é€😀"] {
            assert_eq!(utf16(&text.encode_utf16().collect::<Vec<_>>()).unwrap(), text);
        }
        assert_eq!(utf16(&[0x61, 0xd83d]).unwrap_err().kind(), ErrorKind::Decode);
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
