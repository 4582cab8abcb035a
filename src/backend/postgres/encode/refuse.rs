//! Refuses values that the server would accept but silently change. Pure.

use chrono::{NaiveTime, Timelike};
use postgres::types::{Kind, Type};

use super::{base, holds_text, is_integer, is_json, text};
use crate::error::{Error, Result};
use crate::value::{Value, to_double, to_integer, to_single};

/// The most bytes of a `name`, in a server that was built as all are (`NAMEDATALEN`).
const NAME_BYTES: usize = 63;

/// Checks a value (not NULL) for a parameter of this type (not a domain).
///
/// # Errors
///
/// `Params`, with the reason why the type cannot hold the value exactly.
pub(super) fn check(value: &Value, ty: &Type) -> Result<()> {
    match value {
        Value::List(items) => list(items, ty),
        // The server would keep only the first byte of a longer text.
        _ if *ty == Type::CHAR && text::of(value, ty)?.len() > 1 => {
            Err(Error::params("a parameter of type \"char\" holds one byte, and the value's text has more"))
        }
        // The server refuses a longer name in binary, but truncates it in text form.
        _ if *ty == Type::NAME && text::of(value, ty)?.len() > NAME_BYTES => Err(Error::params(format!(
            "a parameter of type name holds {NAME_BYTES} bytes, and the value's text has more"
        ))),
        Value::Int(number) if matches!(*ty, Type::FLOAT4 | Type::FLOAT8) => decimal(&(*number).into(), ty),
        Value::Int(number) => integer(*number, ty),
        Value::Decimal(number) => decimal(number, ty),
        Value::Float(number) => float(*number, ty),
        Value::Time(time) if !holds_text(ty) => micros(time),
        Value::Timestamp(at) if !holds_text(ty) => {
            match *ty {
                Type::DATE if at.time() != NaiveTime::MIN => {
                    return Err(cut("timestamp", "time of the day", ty));
                }
                Type::TIME | Type::TIMETZ => return Err(cut("timestamp", "date", ty)),
                _ => (),
            }
            micros(at)
        }
        Value::TimestampTz(at) if !holds_text(ty) => {
            if matches!(*ty, Type::TIMESTAMP | Type::DATE | Type::TIME | Type::TIMETZ) {
                // The server would drop the offset and keep the local time, which is a different point in time.
                return Err(Error::params(format!(
                    "a point in time was given for a parameter of type {}, which has none",
                    ty.name()
                ))
                .with_hint(
                    "cast it in the SQL (:at::timestamptz AT TIME ZONE 'UTC'), or give a NaiveDateTime or a NaiveDate",
                ));
            }
            micros(at)
        }
        Value::Bytes(_) if holds_text(ty) => {
            Err(Error::params(format!("bytes were given for a parameter of type {}", ty.name())).with_hint(
                "say in the SQL how they are meant: encode(:bytes, 'hex'), or convert_from(:bytes, 'UTF8')",
            ))
        }
        _ => Ok(()),
    }
}

fn out_of_range(ty: &Type) -> Error {
    Error::params(format!("a number is out of range for a parameter of type {}", ty.name()))
}

fn cut(what: &str, part: &str, ty: &Type) -> Error {
    Error::params(format!(
        "a {what} was given for a parameter of type {}, which would lose its {part}",
        ty.name()
    ))
    .with_hint("say in the SQL what is meant: :at::timestamp::date, or give a value of the column's type")
}

fn integer(number: i64, ty: &Type) -> Result<()> {
    let fits = match *ty {
        Type::INT2 => i16::try_from(number).is_ok(),
        Type::INT4 => i32::try_from(number).is_ok(),
        Type::OID => u32::try_from(number).is_ok(),
        _ => true,
    };
    if fits { Ok(()) } else { Err(out_of_range(ty)) }
}

fn decimal(number: &bigdecimal::BigDecimal, ty: &Type) -> Result<()> {
    /// The most digits of a `numeric` before its point and behind it.
    const PLACES: std::ops::RangeInclusive<i64> = -131_072..=16_383;
    let digits = |held: bool| {
        if held {
            return Ok(());
        }
        Err(Error::params(format!("a number has more digits than a parameter of type {} holds", ty.name()))
            .with_hint("cast it in the SQL (:number::numeric), which says that it may be rounded"))
    };
    match *ty {
        Type::MONEY => Err(no_money()),
        Type::FLOAT8 => digits(to_double(number).is_some()),
        Type::FLOAT4 => digits(to_single(number).is_some()),
        _ if is_integer(ty) => {
            let whole = to_integer(number).ok_or_else(|| {
                Error::params(format!(
                    "a decimal with a fraction, or out of range, was given for a parameter of type {}",
                    ty.name()
                ))
            })?;
            i64::try_from(whole).map_err(|_| out_of_range(ty)).and_then(|whole| integer(whole, ty))
        }
        // Its text would have all these zeros.
        _ if !PLACES.contains(&number.fractional_digit_count()) => Err(out_of_range(ty)),
        _ => Ok(()),
    }
}

fn float(number: f64, ty: &Type) -> Result<()> {
    match *ty {
        // As with the scale of a numeric: a column of type real keeps fewer digits. But nothing becomes 0 or infinite.
        #[allow(clippy::cast_possible_truncation, reason = "what does not fit is what is looked for")]
        Type::FLOAT4 => {
            let single = number as f32;
            let lost = (single == 0.0) != (number == 0.0) || single.is_infinite() != number.is_infinite();
            if lost { Err(out_of_range(ty)) } else { Ok(()) }
        }
        Type::MONEY => Err(no_money()),
        _ if is_integer(ty) => match whole(number) {
            Some(whole) => integer(whole, ty),
            None => Err(Error::params(format!(
                "a float with a fraction, or out of range, was given for a parameter of type {}",
                ty.name()
            ))),
        },
        _ => Ok(()),
    }
}

/// The input function of `money` reads a text by `lc_monetary`. If the point separates thousands there, `1.50` would be
/// 150. All decimals and floats are refused, not only those with a fraction, so that already the first row shows the
/// problem. Integers are read the same in every locale.
fn no_money() -> Error {
    Error::params("a decimal or a float was given for a parameter of type money, which reads its text by the server's locale")
        .with_hint("cast it in the SQL (:amount::numeric), or let the column be numeric")
}

/// The integer that a float is.
pub(super) fn whole(number: f64) -> Option<i64> {
    /// 2⁶³, the first number beyond `i64`.
    const END: f64 = 9_223_372_036_854_775_808.0;
    #[allow(clippy::cast_possible_truncation, reason = "the guard admits integers in range only")]
    (number.fract() == 0.0 && (-END..END).contains(&number)).then_some(number as i64)
}

/// PostgreSQL stores microseconds and no leap seconds; nanoseconds would be dropped silently.
fn micros(time: &impl Timelike) -> Result<()> {
    match time.nanosecond() {
        1_000_000_000.. => Err(Error::params("a time parameter is a leap second, and PostgreSQL has none")),
        nanos if nanos.is_multiple_of(1_000) => Ok(()),
        _ => Err(Error::params("a time parameter has nanoseconds, and PostgreSQL keeps microseconds")
            .with_hint("round it with chrono's `trunc_subsecs(6)`")),
    }
}

/// How long the lists are at each depth; `None` where two of one depth differ, or a list stands beside something else.
fn shape(items: &[Value]) -> Option<Vec<usize>> {
    let mut inner = None;
    for (place, item) in items.iter().enumerate() {
        let of_item = match item {
            Value::List(items) => Some(shape(items)?),
            _ => None,
        };
        if place == 0 {
            inner = of_item;
        } else if inner != of_item {
            return None;
        }
    }
    Some([items.len()].into_iter().chain(inner.into_iter().flatten()).collect())
}

fn list(items: &[Value], ty: &Type) -> Result<()> {
    let element = match ty.kind() {
        _ if is_json(ty) => return Ok(()),
        Kind::Array(element) => base(element),
        // An unknown type may accept lists, so the server gets the text of the list.
        _ if *ty == Type::UNKNOWN => ty,
        _ => {
            return Err(Error::params(format!("a list was given for a parameter of type {}", ty.name())).with_hint(
                "lists are for arrays, for json and for IN (:ids); to store one as text, give its JSON as a String",
            ));
        }
    };
    if shape(items).is_none() {
        return Err(Error::params("a list has lists of different lengths in it, which no array holds"));
    }
    items.iter().filter(|item| !item.is_null()).try_for_each(|item| match item {
        Value::List(inner) => list(inner, ty),
        item => check(item, element),
    })
}
