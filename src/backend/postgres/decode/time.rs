//! Dates, times and intervals. What chrono cannot hold becomes a text: an infinity, a year beyond 262142, 24:00.

use chrono::{NaiveTime, TimeDelta};

use super::{Reader, fixed, malformed};
use crate::backend::postgres::spelling::{self, Day, EPOCH};
use crate::error::Result;
use crate::value::{Interval, Value};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The least and the greatest number mean an infinity.
fn infinity(least: bool) -> Value {
    Value::from(if least { "-infinity" } else { "infinity" })
}

pub(super) fn date(days: i32) -> Value {
    if matches!(days, i32::MIN | i32::MAX) {
        return infinity(days < 0);
    }
    match EPOCH.date().checked_add_signed(TimeDelta::days(days.into())) {
        Some(date) => Value::Date(date),
        None => Value::from(Day::since_epoch(days.into()).text()),
    }
}

pub(super) fn timestamp(micros: i64) -> Value {
    if matches!(micros, i64::MIN | i64::MAX) {
        return infinity(micros < 0);
    }
    match EPOCH.checked_add_signed(TimeDelta::microseconds(micros)) {
        Some(at) => Value::Timestamp(at),
        None => far(micros, ""),
    }
}

/// A point in time, in UTC.
pub(super) fn timestamp_tz(micros: i64) -> Value {
    match timestamp(micros) {
        Value::Timestamp(at) => Value::TimestampTz(at.and_utc().fixed_offset()),
        Value::Text(_) if !matches!(micros, i64::MIN | i64::MAX) => far(micros, "+00"),
        infinite => infinite,
    }
}

fn far(micros: i64, zone: &str) -> Value {
    let time = of_day(micros.rem_euclid(DAY)).unwrap_or_default();
    Value::from(Day::since_epoch(micros.div_euclid(DAY)).at(time, zone))
}

/// The time so many microseconds after midnight, where that is within the day.
fn of_day(micros: i64) -> Option<NaiveTime> {
    let seconds = u32::try_from(micros.div_euclid(SECOND)).ok()?;
    let nanos = u32::try_from(micros.rem_euclid(SECOND) * 1_000).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
}

/// 24:00 is a valid time in PostgreSQL, but not in chrono.
const MIDNIGHT: &str = "24:00:00";

pub(super) fn time(micros: i64) -> Result<Value> {
    match of_day(micros) {
        Some(time) => Ok(Value::Time(time)),
        None if micros == DAY => Ok(Value::from(MIDNIGHT)),
        None => Err(malformed()),
    }
}

/// A time with an offset, which is stored in seconds west of Greenwich.
pub(super) fn time_tz(bytes: &[u8]) -> Result<String> {
    let mut reader = Reader(bytes);
    let micros = i64::from_be_bytes(fixed(reader.take(8)?)?);
    let west = reader.i32()?;
    reader.end()?;
    if !(-86_400..=86_400).contains(&west) {
        return Err(malformed());
    }
    let clock = match time(micros)? {
        Value::Time(time) => spelling::clock(time),
        _ => MIDNIGHT.to_owned(),
    };
    Ok(clock + &spelling::zone(-west))
}

/// From PostgreSQL 17 on the two ends of all three parts together mean an infinity.
pub(super) fn interval(bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader(bytes);
    let microseconds = i64::from_be_bytes(fixed(reader.take(8)?)?);
    let days = reader.i32()?;
    let months = reader.i32()?;
    reader.end()?;
    Ok(match (months, days, microseconds) {
        (i32::MIN, i32::MIN, i64::MIN) => infinity(true),
        (i32::MAX, i32::MAX, i64::MAX) => infinity(false),
        _ => Value::Interval(Interval { months, days, microseconds }),
    })
}
