//! The binary form of values, by the type of the column.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use postgres::types::private::BytesMut;
use postgres::types::{Kind, Type};

use super::{base, is_integer, is_text, refuse, text};
use crate::backend::postgres::spelling::EPOCH;
use crate::error::{Error, Result};
use crate::value::{Value, to_double, to_integer, to_single};

/// Whether [`write`] knows the binary form of this type for a value of this kind. The type is no domain.
pub(super) fn is_known(value: &Value, ty: &Type) -> bool {
    let is_known = match value {
        Value::Null => return false,
        Value::Bool(_) => *ty == Type::BOOL,
        Value::Int(_) | Value::Decimal(_) | Value::Float(_) => is_number(ty),
        Value::Text(_) => *ty == Type::JSONB,
        Value::Bytes(_) => *ty == Type::BYTEA,
        Value::Date(_) => matches!(*ty, Type::DATE | Type::TIMESTAMP),
        Value::Time(_) => *ty == Type::TIME,
        Value::Timestamp(_) => matches!(*ty, Type::TIMESTAMP | Type::DATE),
        Value::TimestampTz(_) => *ty == Type::TIMESTAMPTZ,
        Value::Interval(_) => *ty == Type::INTERVAL,
        Value::Uuid(_) => *ty == Type::UUID,
        Value::Json(_) => *ty == Type::JSONB,
        Value::List(_) if *ty == Type::JSONB => true,
        Value::List(items) => match ty.kind() {
            Kind::Array(element) => {
                let element = base(element);
                items.iter().all(|item| match item {
                    Value::Null => true,
                    Value::List(_) => is_known(item, ty),
                    item => is_known(item, element),
                })
            }
            _ => false,
        },
    };
    is_known || is_text(ty)
}

fn is_number(ty: &Type) -> bool {
    is_integer(ty) || matches!(*ty, Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC)
}

/// Writes a value that was checked for the type, which is no domain.
pub(super) fn write(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<()> {
    match value {
        Value::Int(number) if is_number(ty) => integer(*number, ty, out)?,
        Value::Float(number) if is_number(ty) => float(*number, ty, out)?,
        Value::Decimal(number) if is_number(ty) => decimal(number, ty, out)?,
        // The version of the form stands before the text.
        _ if *ty == Type::JSONB => {
            out.extend_from_slice(&[1]);
            out.extend_from_slice(text::of(value, ty)?.as_bytes());
        }
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        _ if is_text(ty) => out.extend_from_slice(text::of(value, ty)?.as_bytes()),
        Value::Bool(flag) => out.extend_from_slice(&[u8::from(*flag)]),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Date(date) if *ty == Type::DATE => out.extend_from_slice(&days(*date)?.to_be_bytes()),
        Value::Date(date) => out.extend_from_slice(&micros(date.and_time(NaiveTime::MIN))?.to_be_bytes()),
        Value::Time(time) => {
            let since = time.signed_duration_since(NaiveTime::MIN).num_microseconds().ok_or_else(unfit)?;
            out.extend_from_slice(&since.to_be_bytes());
        }
        Value::Timestamp(at) if *ty == Type::DATE => out.extend_from_slice(&days(at.date())?.to_be_bytes()),
        Value::Timestamp(at) => out.extend_from_slice(&micros(*at)?.to_be_bytes()),
        Value::TimestampTz(at) => out.extend_from_slice(&micros(at.naive_utc())?.to_be_bytes()),
        Value::Interval(interval) => {
            out.extend_from_slice(&interval.microseconds.to_be_bytes());
            out.extend_from_slice(&interval.days.to_be_bytes());
            out.extend_from_slice(&interval.months.to_be_bytes());
        }
        Value::Uuid(id) => out.extend_from_slice(id.as_bytes()),
        Value::List(items) => array(items, ty, out)?,
        Value::Null | Value::Int(_) | Value::Float(_) | Value::Decimal(_) | Value::Json(_) => {
            return Err(unfit());
        }
    }
    Ok(())
}

fn unfit() -> Error {
    Error::params("a value does not fit the binary form of its column's type")
}

fn integer(number: i64, ty: &Type, out: &mut BytesMut) -> Result<()> {
    match *ty {
        Type::INT2 => out.extend_from_slice(&i16::try_from(number).map_err(|_| unfit())?.to_be_bytes()),
        Type::INT4 => out.extend_from_slice(&i32::try_from(number).map_err(|_| unfit())?.to_be_bytes()),
        Type::INT8 => out.extend_from_slice(&number.to_be_bytes()),
        Type::OID => out.extend_from_slice(&u32::try_from(number).map_err(|_| unfit())?.to_be_bytes()),
        _ => decimal(&number.into(), ty, out)?,
    }
    Ok(())
}

fn float(number: f64, ty: &Type, out: &mut BytesMut) -> Result<()> {
    match *ty {
        Type::FLOAT8 => out.extend_from_slice(&number.to_be_bytes()),
        #[allow(clippy::cast_possible_truncation, reason = "a column of type real keeps fewer digits")]
        Type::FLOAT4 => out.extend_from_slice(&(number as f32).to_be_bytes()),
        // What is no number has a sign of its own and no digits.
        Type::NUMERIC if !number.is_finite() => {
            let sign: u16 = match number {
                number if number.is_nan() => 0xC000,
                number if number > 0.0 => 0xD000,
                _ => 0xF000,
            };
            for word in [0, 0, sign, 0] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
        // The shortest digits that read back as the float; `refuse` says why these.
        Type::NUMERIC => numeric(&number.to_string().parse().map_err(|_| unfit())?, out)?,
        _ => integer(refuse::whole(number).ok_or_else(unfit)?, ty, out)?,
    }
    Ok(())
}

fn decimal(number: &BigDecimal, ty: &Type, out: &mut BytesMut) -> Result<()> {
    match *ty {
        Type::NUMERIC => numeric(number, out)?,
        Type::FLOAT8 => out.extend_from_slice(&to_double(number).ok_or_else(unfit)?.to_be_bytes()),
        Type::FLOAT4 => out.extend_from_slice(&to_single(number).ok_or_else(unfit)?.to_be_bytes()),
        _ => {
            let whole = to_integer(number).and_then(|whole| i64::try_from(whole).ok()).ok_or_else(unfit)?;
            integer(whole, ty, out)?;
        }
    }
    Ok(())
}

/// The binary form of `numeric`: a count of base-10,000 digits, the weight of the first, sign, scale, the digits.
fn numeric(number: &BigDecimal, out: &mut BytesMut) -> Result<()> {
    let (unscaled, scale) = number.as_bigint_and_exponent();
    let (sign, magnitude) = unscaled.into_parts();
    let mut decimal = magnitude.to_radix_be(10);
    // Zeros at the end, so that the last base-10,000 digit ends with the last decimal one.
    let zeros = if scale < 0 { scale.unsigned_abs() } else { (4 - scale.unsigned_abs() % 4) % 4 };
    let behind = i64::try_from(u64::try_from(scale).unwrap_or(0).next_multiple_of(4)).map_err(|_| unfit())?;
    decimal.resize(decimal.len() + usize::try_from(zeros).map_err(|_| unfit())?, 0);
    let mut digits: Vec<u16> = decimal
        .rchunks(4)
        .map(|chunk| chunk.iter().fold(0, |sum, digit| sum * 10 + u16::from(*digit)))
        .collect();
    // The digits stand in ascending order of their weights here.
    let lowest = -(behind / 4);
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let weight = lowest + digits.len() as i64 - 1;
    let ends = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[ends..];
    let weight = if digits.is_empty() { 0 } else { weight };
    let too_long = |_| Error::params("a decimal has more digits than a numeric holds");
    let head = [
        u16::try_from(digits.len()).map_err(too_long)?,
        i16::try_from(weight).map_err(too_long)?.cast_unsigned(),
        if sign == Sign::Minus && !digits.is_empty() { 0x4000 } else { 0 },
        u16::try_from(scale.max(0)).map_err(too_long)?,
    ];
    for word in head.iter().chain(digits.iter().rev()) {
        out.extend_from_slice(&word.to_be_bytes());
    }
    Ok(())
}

fn days(date: NaiveDate) -> Result<i32> {
    i32::try_from(date.signed_duration_since(EPOCH.date()).num_days()).map_err(|_| unfit())
}

fn micros(at: NaiveDateTime) -> Result<i64> {
    at.signed_duration_since(EPOCH).num_microseconds().ok_or_else(unfit)
}

/// An array: its dimensions, each from 1 on, and the elements in storage order, each behind its length.
fn array(items: &[Value], ty: &Type, out: &mut BytesMut) -> Result<()> {
    let Kind::Array(element) = ty.kind() else { return Err(unfit()) };
    let mut dimensions = vec![items.len()];
    let mut first = items.first();
    while let Some(Value::List(inner)) = first {
        dimensions.push(inner.len());
        first = inner.first();
    }
    if dimensions.contains(&0) {
        dimensions.clear();
    }
    let size = |number: usize| i32::try_from(number).map(i32::to_be_bytes).map_err(|_| unfit());
    out.extend_from_slice(&size(dimensions.len())?);
    out.extend_from_slice(&i32::from(has_null(items)).to_be_bytes());
    out.extend_from_slice(&element.oid().to_be_bytes());
    for length in dimensions {
        out.extend_from_slice(&size(length)?);
        out.extend_from_slice(&1_i32.to_be_bytes());
    }
    elements(items, base(element), out)
}

fn has_null(items: &[Value]) -> bool {
    items.iter().any(|item| match item {
        Value::Null => true,
        Value::List(inner) => has_null(inner),
        _ => false,
    })
}

fn elements(items: &[Value], element: &Type, out: &mut BytesMut) -> Result<()> {
    for item in items {
        match item {
            Value::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            Value::List(inner) => elements(inner, element, out)?,
            item => {
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                write(item, element, out)?;
                let length = i32::try_from(out.len() - start - 4).map_err(|_| unfit())?;
                out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
    }
    Ok(())
}
