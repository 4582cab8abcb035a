//! Values as the arguments of a statement, each in the form that its database takes without loss.
#![allow(unsafe_code, reason = "an argument promises ODBC that its pointers are valid")]

use std::ffi::c_void;
use std::num::NonZeroUsize;

use bigdecimal::BigDecimal;
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use odbc_api::DataType;
use odbc_api::handles::{CData, HasDataType};
use odbc_sys::{CDataType, Len, NULL_DATA, SqlDataType};

use crate::error::{Error, Result};
use crate::settings::TextParameters;
use crate::value::{Value, calendar, whole_minutes};

use super::flavor::Flavor;

/// One argument, with its buffer and the description of it.
#[derive(Debug)]
pub(super) struct Argument {
    buffer: Buffer,
    sql_type: SqlDataType,
    size: usize,
    digits: i16,
    /// The length of the buffer's content in bytes, or the mark of NULL.
    indicator: Len,
}

/// A value in the C type that the driver reads.
enum Buffer {
    Null,
    Bit(u8),
    Int(i64),
    Float(f64),
    Utf8(Vec<u8>),
    Wide(Vec<u16>),
    Bytes(Vec<u8>),
    Date(odbc_sys::Date),
    Timestamp(odbc_sys::Timestamp),
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<value>")
    }
}

/// How a driver is told of a value that has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Long {
    /// By the long types of ODBC, of which FreeTDS makes `varchar(max)` and its like.
    Typed,
    /// By no size: Microsoft's drivers make `varchar(max)` and its like of that, and of the long types the old `text` and
    /// `image`, which can be compared with nothing. FreeTDS 1.3 would cut the value at 8,000 bytes, without an error.
    Unsized,
}

/// What the form of an argument depends on, besides its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    pub(super) flavor: Flavor,
    pub(super) long: Long,
    pub(super) texts: TextParameters,
}

/// The arguments of a statement.
///
/// # Errors
///
/// `Params`, when the database cannot take a value as it is.
pub(super) fn arguments(values: &[Value], forms: Forms) -> Result<Vec<Argument>> {
    (1..)
        .zip(values)
        .map(|(number, value)| {
            argument(value, forms.flavor, forms.texts)
                .map(|argument| argument.with(forms.long))
                .map_err(|error| error.at(format_args!("parameter {number}")))
        })
        .collect()
}

fn argument(value: &Value, flavor: Flavor, texts: TextParameters) -> Result<Argument> {
    Ok(match value {
        Value::Null => Argument::fixed(Buffer::Null, SqlDataType::VARCHAR, 1, 0),
        Value::Bool(flag) => Argument::fixed(Buffer::Bit(u8::from(*flag)), SqlDataType::EXT_BIT, 1, 0),
        Value::Int(number) => Argument::fixed(Buffer::Int(*number), SqlDataType::EXT_BIG_INT, 19, 0),
        Value::Float(number) if number.is_nan() && flavor == Flavor::Sqlite => {
            return Err(Error::params("a float is NaN, which SQLite would keep as NULL")
                .with_hint("give None where NULL is meant"));
        }
        Value::Float(number) => Argument::fixed(Buffer::Float(*number), SqlDataType::DOUBLE, 53, 0),
        Value::Decimal(number) => decimal(number, flavor)?,
        Value::Text(text) => worded(checked(text, flavor)?, flavor, texts)?,
        Value::Bytes(bytes) => Argument::bytes(bytes),
        Value::Date(date) if goes_as_struct(*date, flavor) => {
            Argument::fixed(Buffer::Date(day(*date)?), SqlDataType::DATE, 10, 0)
        }
        Value::Date(date) => Argument::text(&dated(*date, "", flavor), flavor),
        // The struct that ODBC has for a time has no fraction.
        Value::Time(time) => Argument::text(&clock(*time, flavor)?, flavor),
        Value::Timestamp(at) if goes_as_struct(at.date(), flavor) => timestamp(*kept(at, flavor)?)?,
        Value::Timestamp(at) => {
            let clock = format!(" {}", clock(at.time(), flavor)?);
            Argument::text(&dated(at.date(), &clock, flavor), flavor)
        }
        Value::TimestampTz(at) => {
            let at = at.with_timezone(&whole_minutes(*kept(at, flavor)?.offset()));
            let clock = format!(" {} {}", clock(at.time(), flavor)?, at.offset());
            Argument::text(&dated(at.date_naive(), &clock, flavor), flavor)
        }
        Value::Interval(interval) => Argument::text(&interval.to_string(), flavor),
        Value::Uuid(id) => Argument::text(&id.to_string(), flavor),
        Value::Json(json) => worded(checked(&json.to_string(), flavor)?, flavor, texts)?,
        Value::List(_) => {
            return Err(Error::params("a list cannot be a parameter of its own here")
                .with_hint("lists are for IN (:name)"));
        }
    })
}

/// Refuses a NUL character. Most drivers end the text there. SQL Server itself would keep it, but who reads it through
/// such a driver would see a part of the text.
fn checked(text: &str, flavor: Flavor) -> Result<&str> {
    if text.contains('\0') {
        let message = match flavor {
            Flavor::SqlServer => "the text has a NUL character in it, which few programs read back",
            _ => "the text has a NUL character in it, and the driver would cut it there",
        };
        return Err(Error::params(message).with_hint("send it as bytes, or take the NUL out"));
    }
    Ok(text)
}

/// A text of the program, as what it is to go to SQL Server. What has another type and is only spelled as a text is left
/// out of that: it is converted in any case.
fn worded(text: &str, flavor: Flavor, texts: TextParameters) -> Result<Argument> {
    match (flavor, texts) {
        (Flavor::SqlServer, TextParameters::Nvarchar) => Ok(Argument::wide(text)),
        (Flavor::SqlServer, TextParameters::Varchar) if !text.is_ascii() => {
            Err(Error::params("the text is not ASCII, and TEXT_PARAMETERS=varchar lets no other text go")
                .with_hint("set TEXT_PARAMETERS=auto, under which it goes as nvarchar"))
        }
        _ => Ok(Argument::text(text, flavor)),
    }
}

/// A decimal goes as text. SQL Server is told its exact type; the others read the text as the column's.
fn decimal(number: &BigDecimal, flavor: Flavor) -> Result<Argument> {
    /// The most digits of SQL Server's `decimal`.
    const MOST: usize = 38;
    /// The most digits of PostgreSQL's `numeric` before its point and behind it, which no other database exceeds.
    const PLACES: std::ops::RangeInclusive<i64> = -131_072..=16_383;
    if !PLACES.contains(&number.fractional_digit_count()) {
        return Err(Error::params("a number is out of range for a decimal of any database"));
    }
    let text = number.to_plain_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let scale = fraction.len();
    // A zero before the point is no digit of a number that has others.
    let digits = whole.trim_start_matches(['-', '0']).len().max(usize::from(scale == 0)) + scale;
    let argument = Argument::text(&text, flavor);
    Ok(match i16::try_from(scale) {
        Ok(scale) if flavor == Flavor::SqlServer && digits <= MOST => {
            Argument { sql_type: SqlDataType::DECIMAL, size: digits, digits: scale, ..argument }
        }
        Ok(scale) if flavor == Flavor::Postgres => {
            Argument { sql_type: SqlDataType::NUMERIC, size: digits, digits: scale, ..argument }
        }
        _ => argument,
    })
}

/// A date and what follows it. PostgreSQL has its own form for years that have no four digits.
fn dated(date: NaiveDate, rest: &str, flavor: Flavor) -> String {
    match flavor {
        Flavor::Postgres => calendar::spelled(date, rest),
        _ => format!("{date}{rest}"),
    }
}

fn day(date: NaiveDate) -> Result<odbc_sys::Date> {
    Ok(odbc_sys::Date { year: year(date)?, month: small(date.month()), day: small(date.day()) })
}

/// A timestamp with the seven digits of SQL Server's `datetime2`.
///
/// A `datetime` counts in 1/300 s, what is read of it is rounded to milliseconds, and from compatibility level 130 on the
/// two are not equal. Fewer digits here would not make them so, for it is compared unrounded: who looks for the row writes
/// `CAST(:at AS datetime)`.
fn timestamp(at: NaiveDateTime) -> Result<Argument> {
    let value = odbc_sys::Timestamp {
        year: year(at.date())?,
        month: small(at.month()),
        day: small(at.day()),
        hour: small(at.hour()),
        minute: small(at.minute()),
        second: small(at.second()),
        fraction: at.nanosecond(),
    };
    Ok(Argument::fixed(Buffer::Timestamp(value), SqlDataType::TIMESTAMP, 27, 7))
}

/// Whether a date goes as the struct of ODBC. FreeTDS (1.3) sends one from before the year 1600 as the day before or after
/// it, so that goes as text, which `date` and `datetime2` read in any language. `datetime` has no year before 1753.
fn goes_as_struct(date: NaiveDate, flavor: Flavor) -> bool {
    matches!(flavor, Flavor::SqlServer | Flavor::Other) && date.year() >= 1753
}

/// The time, where the database keeps it as it is. It would round what is finer.
fn kept<T: Timelike>(time: &T, flavor: Flavor) -> Result<&T> {
    let (step, name) = match flavor {
        Flavor::SqlServer | Flavor::Other => (100, "100 ns"),
        Flavor::Postgres => (1_000, "microseconds"),
        // A text, and all of it.
        Flavor::Sqlite => (1, "nanoseconds"),
    };
    match time.nanosecond() {
        1_000_000_000.. => Err(Error::params("a time is a leap second, and the database has none")),
        nanos if nanos.is_multiple_of(step) => Ok(time),
        _ => Err(Error::params(format!("a time is finer than the {name} that the database keeps"))
            .with_hint("truncate it first, with chrono's `trunc_subsecs`")),
    }
}

/// A time of the day. SQL Server reads seven digits of a second and refuses more, where chrono writes three, six or nine.
fn clock(time: NaiveTime, flavor: Flavor) -> Result<String> {
    const SEVEN: usize = "00:00:00.0000000".len();
    let mut text = kept(&time, flavor)?.format("%H:%M:%S%.f").to_string();
    if flavor != Flavor::Sqlite {
        text.truncate(SEVEN);
    }
    Ok(text)
}

fn year(date: NaiveDate) -> Result<i16> {
    i16::try_from(date.year()).map_err(|_| Error::params("the year is out of range for a date of ODBC"))
}

/// A part of a calendar date or a time of day, none of which exceeds 60.
fn small(part: u32) -> u16 {
    u16::try_from(part).unwrap_or(u16::MAX)
}

/// The first size that the length fits into.
fn step(sizes: [usize; 3], length: usize) -> Option<usize> {
    sizes.into_iter().find(|&size| length <= size)
}

impl Argument {
    fn fixed(buffer: Buffer, sql_type: SqlDataType, size: usize, digits: i16) -> Argument {
        let indicator = if matches!(buffer, Buffer::Null) { NULL_DATA } else { 0 };
        Argument { buffer, sql_type, size, digits, indicator }
    }

    /// A text. On SQL Server a plain one goes as `varchar`, because an `nvarchar` argument keeps the
    /// server from using the index of a `varchar` column; the sizes go in steps, because each size makes
    /// a plan of its own.
    fn text(text: &str, flavor: Flavor) -> Argument {
        if flavor.takes_utf8() || (flavor == Flavor::SqlServer && text.is_ascii()) {
            Argument::narrow(text)
        } else {
            Argument::wide(text)
        }
    }

    fn narrow(text: &str) -> Argument {
        let bytes = text.as_bytes().to_vec();
        let length = bytes.len();
        let (sql_type, size) = match step([100, 1000, 8000], length) {
            Some(size) => (SqlDataType::VARCHAR, size),
            None => (SqlDataType::EXT_LONG_VARCHAR, length),
        };
        Argument { buffer: Buffer::Utf8(bytes), sql_type, size, digits: 0, indicator: length as Len }
    }

    fn wide(text: &str) -> Argument {
        let units: Vec<u16> = text.encode_utf16().collect();
        let length = units.len();
        let (sql_type, size) = match step([100, 1000, 4000], length) {
            Some(size) => (SqlDataType::EXT_W_VARCHAR, size),
            None => (SqlDataType::EXT_W_LONG_VARCHAR, length),
        };
        let indicator = (length * size_of::<u16>()) as Len;
        Argument { buffer: Buffer::Wide(units), sql_type, size, digits: 0, indicator }
    }

    fn bytes(bytes: &[u8]) -> Argument {
        let (sql_type, size) = match step([100, 1000, 8000], bytes.len()) {
            Some(size) => (SqlDataType::EXT_VAR_BINARY, size),
            None => (SqlDataType::EXT_LONG_VAR_BINARY, bytes.len()),
        };
        let indicator = bytes.len() as Len;
        Argument { buffer: Buffer::Bytes(bytes.to_vec()), sql_type, size, digits: 0, indicator }
    }
}

impl Argument {
    fn with(self, long: Long) -> Argument {
        let sql_type = match self.sql_type {
            _ if long == Long::Typed => return self,
            SqlDataType::EXT_LONG_VARCHAR => SqlDataType::VARCHAR,
            SqlDataType::EXT_W_LONG_VARCHAR => SqlDataType::EXT_W_VARCHAR,
            SqlDataType::EXT_LONG_VAR_BINARY => SqlDataType::EXT_VAR_BINARY,
            _ => return self,
        };
        Argument { sql_type, size: 0, ..self }
    }
}

impl HasDataType for Argument {
    fn data_type(&self) -> DataType {
        DataType::Other {
            data_type: self.sql_type,
            column_size: NonZeroUsize::new(self.size),
            decimal_digits: self.digits,
        }
    }
}

// SAFETY: the value pointer leads to the buffer of the C type that is told, which has as many bytes as the
// indicator and the buffer length say; the indicator pointer leads to a field of the argument itself. Both
// are valid for as long as the argument is not moved, changed or dropped.
unsafe impl CData for Argument {
    fn cdata_type(&self) -> CDataType {
        match &self.buffer {
            Buffer::Null | Buffer::Utf8(_) => CDataType::Char,
            Buffer::Bit(_) => CDataType::Bit,
            Buffer::Int(_) => CDataType::SBigInt,
            Buffer::Float(_) => CDataType::Double,
            Buffer::Wide(_) => CDataType::WChar,
            Buffer::Bytes(_) => CDataType::Binary,
            Buffer::Date(_) => CDataType::TypeDate,
            Buffer::Timestamp(_) => CDataType::TypeTimestamp,
        }
    }

    fn indicator_ptr(&self) -> *const Len {
        &raw const self.indicator
    }

    fn value_ptr(&self) -> *const c_void {
        match &self.buffer {
            Buffer::Null => std::ptr::null(),
            Buffer::Bit(value) => (&raw const *value).cast(),
            Buffer::Int(value) => (&raw const *value).cast(),
            Buffer::Float(value) => (&raw const *value).cast(),
            Buffer::Utf8(bytes) | Buffer::Bytes(bytes) => bytes.as_ptr().cast(),
            Buffer::Wide(units) => units.as_ptr().cast(),
            Buffer::Date(value) => (&raw const *value).cast(),
            Buffer::Timestamp(value) => (&raw const *value).cast(),
        }
    }

    fn buffer_length(&self) -> Len {
        match &self.buffer {
            Buffer::Utf8(_) | Buffer::Wide(_) | Buffer::Bytes(_) => self.indicator,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
