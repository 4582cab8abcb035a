//! Values on their way to PostgreSQL.
//!
//! A value goes in binary where its type is the one that the server inferred for the parameter. Where the
//! two differ (text for a timestamp, an integer for a numeric) it goes as text, and the server's own
//! input function reads it: `encode_format` is asked for each value with the type.

use std::error::Error as StdError;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Utc};
use postgres::types::private::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::error::{Error, Result};
use crate::value::Value;

/// One argument of a statement.
pub(super) struct Param<'a>(pub(super) &'a Value);

impl std::fmt::Debug for Param<'_> {
    /// The driver logs its parameters with `Debug` at level DEBUG, so this prints the kind only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

pub(super) type Encoded = Result<IsNull, Box<dyn StdError + Sync + Send>>;

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        let value = self.0;
        if value.is_null() {
            return Ok(IsNull::Yes);
        }
        if let Some(written) = binary(value, ty, out) {
            return written;
        }
        out.extend_from_slice(text(value, ty)?.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        if goes_binary(self.0, ty) { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}

fn goes_binary(value: &Value, ty: &Type) -> bool {
    match value {
        Value::Bool(_) => *ty == Type::BOOL,
        Value::Int(_) => matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8),
        Value::Float(_) => *ty == Type::FLOAT8,
        Value::Text(_) => matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME),
        Value::Bytes(_) => *ty == Type::BYTEA,
        Value::Date(_) => *ty == Type::DATE,
        Value::Time(_) => *ty == Type::TIME,
        Value::Timestamp(_) => *ty == Type::TIMESTAMP,
        Value::TimestampTz(_) => *ty == Type::TIMESTAMPTZ,
        Value::Uuid(_) => *ty == Type::UUID,
        Value::Json(_) => matches!(*ty, Type::JSON | Type::JSONB),
        // NULL has no form at all; decimals and lists go as text, which is exact.
        Value::Null | Value::Decimal(_) | Value::List(_) => false,
    }
}

/// Writes the value in the binary form of exactly this type, or not at all.
pub(super) fn binary(value: &Value, ty: &Type, out: &mut BytesMut) -> Option<Encoded> {
    if !goes_binary(value, ty) {
        return None;
    }
    Some(match value {
        Value::Bool(flag) => flag.to_sql(ty, out),
        Value::Int(number) => integer(*number, ty, out),
        Value::Float(number) => number.to_sql(ty, out),
        Value::Text(text) => text.as_str().to_sql(ty, out),
        Value::Bytes(bytes) => bytes.as_slice().to_sql(ty, out),
        Value::Date(date) => <NaiveDate as ToSql>::to_sql(date, ty, out),
        Value::Time(time) => match micros_only(time) {
            Ok(()) => <NaiveTime as ToSql>::to_sql(time, ty, out),
            Err(error) => Err(error.into()),
        },
        Value::Timestamp(at) => match micros_only(at) {
            Ok(()) => <NaiveDateTime as ToSql>::to_sql(at, ty, out),
            Err(error) => Err(error.into()),
        },
        Value::TimestampTz(at) => match micros_only(at) {
            Ok(()) => at.with_timezone(&Utc).to_sql(ty, out),
            Err(error) => Err(error.into()),
        },
        Value::Uuid(id) => id.to_sql(ty, out),
        Value::Json(json) => json.to_sql(ty, out),
        Value::Null | Value::Decimal(_) | Value::List(_) => return None,
    })
}

fn integer(number: i64, ty: &Type, out: &mut BytesMut) -> Encoded {
    let out_of_range = |_| Error::params(format!("an integer parameter is out of range for {}", ty.name()));
    match *ty {
        Type::INT2 => i16::try_from(number).map_err(out_of_range)?.to_sql(ty, out),
        Type::INT4 => i32::try_from(number).map_err(out_of_range)?.to_sql(ty, out),
        _ => number.to_sql(ty, out),
    }
}

/// PostgreSQL keeps microseconds; what is finer would be cut off without a word.
fn micros_only(time: &impl chrono::Timelike) -> Result<()> {
    if time.nanosecond().is_multiple_of(1_000) {
        return Ok(());
    }
    Err(Error::params("a time parameter has nanoseconds, and PostgreSQL keeps microseconds")
        .with_hint("round it with chrono's `trunc_subsecs(6)`"))
}

/// The text that the server's input function of `ty` reads.
pub(super) fn text(value: &Value, ty: &Type) -> Result<String> {
    Ok(match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bytes(bytes) => {
            bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
        }
        Value::Json(json) => json.to_string(),
        Value::List(items) => array(items, ty)?,
        Value::TimestampTz(_) if matches!(*ty, Type::TIMESTAMP | Type::DATE | Type::TIME) => {
            // The server would drop the offset and keep the clock's reading: another point in time.
            return Err(Error::params(format!(
                "a point in time was given for a parameter of type {}, which has no time zone",
                ty.name()
            ))
            .with_hint("cast it in the SQL (:at::timestamptz AT TIME ZONE 'UTC'), or give a NaiveDateTime"));
        }
        other => {
            match other {
                Value::Time(time) => micros_only(time)?,
                Value::Timestamp(at) => micros_only(at)?,
                Value::TimestampTz(at) => micros_only(at)?,
                _ => (),
            }
            other.spelling().unwrap_or_default()
        }
    })
}

/// An array literal: `{1,NULL,"a \"b\""}`. Elements are always quoted, which every element type reads.
fn array(items: &[Value], ty: &Type) -> Result<String> {
    let mut literal = String::from("{");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            literal.push(',');
        }
        match item {
            Value::Null => literal.push_str("NULL"),
            Value::List(inner) => literal.push_str(&array(inner, ty)?),
            other => {
                let element = match ty.kind() {
                    postgres::types::Kind::Array(element) => element,
                    _ => ty,
                };
                literal.push('"');
                for character in text(other, element)?.chars() {
                    if matches!(character, '"' | '\\') {
                        literal.push('\\');
                    }
                    literal.push(character);
                }
                literal.push('"');
            }
        }
    }
    literal.push('}');
    Ok(literal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[track_caller]
    fn check_text(value: Value, ty: &Type, expected: &str) {
        assert!(!goes_binary(&value, ty));
        let mut out = BytesMut::new();
        Param(&value).to_sql(ty, &mut out).unwrap();
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    }

    #[test]
    fn what_differs_from_the_column_goes_as_text() {
        check_text(Value::Int(5), &Type::NUMERIC, "5");
        check_text(Value::Int(5), &Type::TEXT, "5");
        check_text(Value::Float(f64::NAN), &Type::NUMERIC, "NaN");
        check_text(Value::Decimal("1.50".parse().unwrap()), &Type::NUMERIC, "1.50");
        check_text(Value::from("2026-01-05"), &Type::DATE, "2026-01-05");
        check_text(Value::Bytes(vec![0, 255]), &Type::TEXT, "\\x00ff");
        check_text(
            Value::List(vec![Value::from("a\"b\\c"), Value::Null, Value::from("")]),
            &Type::TEXT_ARRAY,
            "{\"a\\\"b\\\\c\",NULL,\"\"}",
        );
        check_text(Value::List(vec![Value::List(vec![Value::Int(1)])]), &Type::INT4_ARRAY, "{{\"1\"}}");
    }

    #[test]
    fn integers_that_do_not_fit_are_refused_before_they_are_sent() {
        let mut out = BytesMut::new();
        assert!(Param(&Value::Int(40_000)).to_sql(&Type::INT2, &mut out).is_err());
        assert!(Param(&Value::Int(40_000)).to_sql(&Type::INT4, &mut out).is_ok());
    }

    #[test]
    fn time_is_never_shifted_or_cut() {
        let at = chrono::DateTime::parse_from_rfc3339("2026-01-05T08:00:37.123456789+02:00").unwrap();
        let mut out = BytesMut::new();
        assert!(Param(&Value::TimestampTz(at)).to_sql(&Type::TIMESTAMPTZ, &mut out).is_err());
        assert!(Param(&Value::TimestampTz(at)).to_sql(&Type::TIMESTAMP, &mut out).is_err());
        assert!(Param(&Value::Timestamp(at.naive_utc())).to_sql(&Type::TIMESTAMP, &mut out).is_err());
    }

    #[test]
    fn the_drivers_own_log_gets_no_value() {
        assert_eq!(format!("{:?}", Param(&Value::from("hunter2"))), "<text>");
    }
}
