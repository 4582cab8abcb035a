//! What psqlODBC makes of PostgreSQL's values, where it says something else than it means. Pure.
//!
//! Years before our era are negative in a struct, and marked `BC` in a text, both without a year 0. `-infinity` is the
//! year 9999 before our era, which no timestamp of PostgreSQL reaches. Two things cannot be told from what they seem to
//! be: `infinity` from the last second of the year 9999, and a timestamp of a year with five digits from the beginning
//! of today. A date before our era has lost its sign, and an infinite one has no month.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

use super::{misfit, parse, timestamp};
use crate::error::Result;
use crate::value::Value;

/// The year that `-infinity` has.
const ENDLESS: i32 = -9998;

fn checked(at: NaiveDateTime, make: impl FnOnce(NaiveDateTime) -> Value) -> Value {
    if at.year() == ENDLESS { Value::from("-infinity") } else { make(at) }
}

/// A timestamp that came as a struct.
pub(super) fn from_struct(at: &odbc_sys::Timestamp) -> Result<Value> {
    let year = if at.year < 0 { at.year + 1 } else { at.year };
    timestamp(&odbc_sys::Timestamp { year, ..*at }).map(|at| checked(at, Value::Timestamp))
}

/// A point in time that came as text, without the offset, which is UTC's.
pub(super) fn instant(text: &str) -> Result<Value> {
    const WANTED: &str = "a timestamp";
    let (text, before) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let text = if before {
        // Before it is parsed, or the 29th of February would be none in the year that is written.
        let (year, rest) = text.split_once('-').ok_or_else(|| misfit(WANTED))?;
        let year = 1 - parse::<i32>(year, WANTED)?;
        format!("{}{:04}-{rest}", if year < 0 { "-" } else { "" }, year.abs())
    } else {
        text.to_owned()
    };
    let at: NaiveDateTime = parse(&text.replacen(' ', "T", 1), WANTED)?;
    Ok(checked(at, |at| Value::TimestampTz(at.and_utc().fixed_offset())))
}

/// A date that came as text.
pub(super) fn date(text: &str) -> Result<Value> {
    parse::<NaiveDate>(text, "a date that psqlODBC can carry").map(Value::Date)
}

/// The end of the day is a time in PostgreSQL.
pub(super) fn time(text: &str) -> Result<Value> {
    match text {
        "24:00:00" => Ok(Value::from(text)),
        _ => parse::<NaiveTime>(text, "a time of the day").map(Value::Time),
    }
}

/// A `numeric` that is no number.
pub(super) fn no_number(text: &str) -> Option<Value> {
    match text {
        "NaN" => Some(Value::Float(f64::NAN)),
        "Infinity" => Some(Value::Float(f64::INFINITY)),
        "-Infinity" => Some(Value::Float(f64::NEG_INFINITY)),
        _ => None,
    }
}
