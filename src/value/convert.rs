//! From a [`Value`] to a type of Rust: exact or an error, never a silent loss.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use chrono::{DateTime, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Interval, Text, Value, calendar, exact_json, to_integer};
use crate::error::{Error, Result};

/// A Rust type that a [`Value`] can be read as.
///
/// A conversion is exact or an error. Errors are an integer that does not fit, a decimal with a fraction read as an
/// integer, and a decimal read as a float. A text is parsed if the target type has one standard text form (UUID, JSON,
/// ISO dates, decimals), because SQLite stores these as text.
///
/// ```
/// use batchdb::{FromValue, Result, Row, Value};
///
/// #[derive(Debug, PartialEq)]
/// struct Cents(i64);
///
/// impl FromValue for Cents {
///     fn from_value(value: &Value) -> Result<Self> {
///         i64::from_value(value).map(Cents)
///     }
/// }
///
/// let row = Row::from_pairs([("price", Value::from(150)), ("rebate", Value::Null)]);
/// assert_eq!(row.get::<Cents>("price")?, Cents(150));
/// assert_eq!(row.get::<Option<Cents>>("rebate")?, None);
/// # Ok::<(), batchdb::Error>(())
/// ```
pub trait FromValue: Sized {
    /// Reads the value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode), which names both types but never the value.
    fn from_value(value: &Value) -> Result<Self>;
}

pub(super) fn mismatch<T>(value: &Value, wanted: &str) -> Result<T> {
    let error = Error::decode(format!("a value of type {} cannot be read as {wanted}", value.kind()));
    Err(match value {
        Value::Null => error.with_hint("read it as an Option to allow NULL"),
        Value::Decimal(_) if wanted.starts_with('f') => error
            .with_hint("read it as BigDecimal, which is exact, or cast it to double precision in the SQL"),
        _ => error,
    })
}

fn out_of_range<T>(value: &Value, wanted: &str) -> Result<T> {
    Err(Error::decode(format!("a value of type {} is out of range for {wanted}", value.kind())))
}

macro_rules! integers {
    ($($target:ty),+) => { $(
        impl FromValue for $target {
            fn from_value(value: &Value) -> Result<Self> {
                match value {
                    Value::Int(number) => <$target>::try_from(*number)
                        .or_else(|_| out_of_range(value, stringify!($target))),
                    Value::Decimal(number) => match to_integer(number) {
                        Some(number) => <$target>::try_from(number)
                            .or_else(|_| out_of_range(value, stringify!($target))),
                        None => Err(Error::decode(format!(
                            "a decimal has a fraction, or is out of range for {}", stringify!($target)
                        ))),
                    },
                    _ => mismatch(value, stringify!($target)),
                }
            }
        }
    )+ };
}

integers!(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128, isize, usize);

impl FromValue for f64 {
    fn from_value(value: &Value) -> Result<Self> {
        /// 2⁵³: up to here every integer is a double.
        const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
        match value {
            Value::Float(number) => Ok(*number),
            #[allow(clippy::cast_precision_loss, reason = "the guard admits exact integers only")]
            Value::Int(number) if number.unsigned_abs() <= EXACT => Ok(*number as f64),
            Value::Int(_) => out_of_range(value, "f64"),
            _ => mismatch(value, "f64"),
        }
    }
}

impl FromValue for f32 {
    fn from_value(value: &Value) -> Result<Self> {
        let wide = f64::from_value(value).or_else(|_| mismatch(value, "f32"))?;
        #[allow(clippy::cast_possible_truncation, reason = "the next line refuses what was lost")]
        let narrow = wide as f32;
        if f64::from(narrow) == wide || wide.is_nan() { Ok(narrow) } else { out_of_range(value, "f32") }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            // SQLite has no boolean and stores 0 and 1.
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            _ => mismatch(value, "bool"),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self> {
        value.as_str().map_or_else(|| mismatch(value, "String"), |text| Ok(text.to_owned()))
    }
}

impl FromValue for Text {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            _ => mismatch(value, "Text"),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            _ => mismatch(value, "bytes (Vec<u8>)"),
        }
    }
}

/// Reads the standard spelling of `T` from text.
fn parse<T: FromStr>(value: &Value, text: &str, wanted: &str) -> Result<T> {
    text.parse().map_err(|_| misspelt(value, wanted))
}

fn misspelt(value: &Value, wanted: &str) -> Error {
    let error = Error::decode(format!("a value of type {} does not spell {wanted}", value.kind()));
    match wanted {
        "a date" | "a time" | "a timestamp" | "a timestamp with time zone" => error.with_hint(
            "a value that the Rust type cannot hold, such as infinity, is a text: read it as String",
        ),
        _ => error,
    }
}

impl FromValue for BigDecimal {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Decimal(number) => Ok((**number).clone()),
            Value::Int(number) => Ok(BigDecimal::from(*number)),
            Value::Text(text) => parse(value, text, "a decimal"),
            _ => mismatch(value, "BigDecimal"),
        }
    }
}

impl FromValue for NaiveDate {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Date(date) => Ok(*date),
            Value::Text(text) => parse(value, &calendar::iso(text), "a date"),
            _ => mismatch(value, "NaiveDate"),
        }
    }
}

impl FromValue for NaiveTime {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Time(time) => Ok(*time),
            Value::Text(text) => parse(value, text, "a time"),
            _ => mismatch(value, "NaiveTime"),
        }
    }
}

impl FromValue for NaiveDateTime {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Timestamp(at) => Ok(*at),
            Value::Text(text) => parse(value, &calendar::iso(text).replacen(' ', "T", 1), "a timestamp"),
            _ => mismatch(value, "NaiveDateTime"),
        }
    }
}

impl FromValue for DateTime<FixedOffset> {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::TimestampTz(at) => Ok(*at),
            Value::Text(text) => {
                calendar::instant(text).ok_or_else(|| misspelt(value, "a timestamp with time zone"))
            }
            _ => mismatch(value, "DateTime"),
        }
    }
}

impl FromValue for DateTime<Utc> {
    fn from_value(value: &Value) -> Result<Self> {
        DateTime::<FixedOffset>::from_value(value).map(|at| at.with_timezone(&Utc))
    }
}

impl FromValue for DateTime<Local> {
    fn from_value(value: &Value) -> Result<Self> {
        DateTime::<FixedOffset>::from_value(value).map(|at| at.with_timezone(&Local))
    }
}

impl FromValue for Uuid {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Uuid(id) => Ok(*id),
            Value::Text(text) => parse(value, text, "a UUID"),
            _ => mismatch(value, "Uuid"),
        }
    }
}

impl FromValue for Interval {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Interval(interval) => Ok(*interval),
            Value::Text(text) => parse(value, text, "an interval"),
            _ => mismatch(value, "Interval"),
        }
    }
}

/// An interval that has neither months nor days.
impl FromValue for TimeDelta {
    fn from_value(value: &Value) -> Result<Self> {
        Interval::from_value(value)?.try_into()
    }
}

impl FromValue for serde_json::Value {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Json(json) => Ok((**json).clone()),
            Value::Text(text) => match exact_json(text) {
                Ok(Value::Json(json)) => Ok(*json),
                Ok(_) => Err(Error::decode(
                    "the JSON has what a value of it cannot hold: a number with more digits than a double, or an \
                     object with a key twice",
                )
                .with_hint("read it as String")),
                Err(error) => Err(error),
            },
            _ => mismatch(value, "JSON"),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self> {
        Ok(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

macro_rules! try_from_value {
    ($($target:ty),+ $(,)?) => { $(
        impl TryFrom<Value> for $target {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self> {
                <$target>::from_value(&value)
            }
        }
    )+ };
}

try_from_value!(
    bool,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    f32,
    f64,
    BigDecimal,
    NaiveDate,
    NaiveTime,
    NaiveDateTime,
    DateTime<FixedOffset>,
    DateTime<Utc>,
    Interval,
    TimeDelta,
    Uuid,
    serde_json::Value,
);

/// Moves the text out instead of copying it.
impl TryFrom<Value> for String {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        match value {
            Value::Text(text) => Ok(text.into()),
            other => mismatch(&other, "String"),
        }
    }
}

/// Moves the bytes out instead of copying them.
impl TryFrom<Value> for Vec<u8> {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.into()),
            other => mismatch(&other, "bytes (Vec<u8>)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[track_caller]
    fn refused<T: FromValue + std::fmt::Debug>(value: Value) {
        let error = T::from_value(&value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    }

    #[test]
    fn integers_fit_or_fail() {
        assert_eq!(i16::from_value(&Value::Int(-32768)).unwrap(), i16::MIN);
        assert_eq!(u8::from_value(&Value::Int(255)).unwrap(), 255);
        assert_eq!(i64::from_value(&Value::from("12.00".parse::<BigDecimal>().unwrap())).unwrap(), 12);
        refused::<i16>(Value::Int(32768));
        refused::<u8>(Value::Int(-1));
        refused::<i64>(Value::from("12.5".parse::<BigDecimal>().unwrap()));
        refused::<i64>(Value::Float(1.0));
        refused::<i64>(Value::Text("1".into()));
        refused::<i64>(Value::Null);
    }

    #[test]
    fn floats_are_exact_or_fail() {
        assert_eq!(f64::from_value(&Value::Int(1 << 53)).unwrap(), 9_007_199_254_740_992.0);
        assert_eq!(f32::from_value(&Value::Float(f64::from(0.1_f32))).unwrap(), 0.1_f32);
        refused::<f64>(Value::Int((1 << 53) + 1));
        refused::<f64>(Value::Int(i64::MIN));
        refused::<f32>(Value::Float(0.1));
        refused::<f64>(Value::from("4.2".parse::<BigDecimal>().unwrap()));
        assert!(
            f64::from_value(&Value::from("4.2".parse::<BigDecimal>().unwrap()))
                .unwrap_err()
                .to_string()
                .contains("BigDecimal")
        );
    }

    #[test]
    fn text_is_parsed_where_there_is_one_spelling() {
        let id = "6f2d1f64-5717-4562-b3fc-2c963f66afa6";
        assert_eq!(Uuid::from_value(&Value::from(id)).unwrap().to_string(), id);
        assert_eq!(
            NaiveDateTime::from_value(&Value::from("2026-01-05 08:00:37")).unwrap(),
            NaiveDateTime::from_value(&Value::from("2026-01-05T08:00:37")).unwrap(),
        );
        assert_eq!(BigDecimal::from_value(&Value::from("4.20")).unwrap().to_string(), "4.20");
        refused::<Uuid>(Value::from("nope"));
        refused::<NaiveDate>(Value::from("31.12.2026"));
        let endless = NaiveDate::from_value(&Value::from("infinity")).unwrap_err();
        assert!(endless.to_string().contains("read it as String"), "{endless}");
    }

    #[test]
    fn null_is_an_option_and_nothing_else() {
        assert_eq!(Option::<String>::from_value(&Value::Null).unwrap(), None);
        assert!(String::from_value(&Value::Null).unwrap_err().to_string().contains("Option"));
        assert_eq!(
            Vec::<Option<i64>>::from_value(&Value::from(vec![Value::Int(1), Value::Null])).unwrap(),
            [Some(1), None]
        );
    }

    #[test]
    fn errors_and_debug_name_no_value() {
        let secret = Value::from("hunter2");
        assert!(!i64::from_value(&secret).unwrap_err().report().contains("hunter2"));
        assert!(!format!("{secret:?}{:?}", Value::from(vec![secret.clone()])).contains("hunter2"));
    }
}
