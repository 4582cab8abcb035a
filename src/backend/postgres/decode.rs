//! Values on their way from PostgreSQL: the binary form of each type that we know, exactly.

use std::error::Error as StdError;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use postgres::types::{FromSql, Kind, Type};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::value::Value;

/// How the values of one column are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decoder {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Char,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Json,
    Jsonb,
    Void,
    Array(Box<Decoder>),
}

impl Decoder {
    /// The decoder for a type.
    ///
    /// # Errors
    ///
    /// `Decode` for a type whose binary form we do not know: text of it would be garbage.
    pub(super) fn of(ty: &Type) -> Result<Decoder> {
        Ok(match *ty {
            Type::BOOL => Decoder::Bool,
            Type::INT2 => Decoder::Int2,
            Type::INT4 => Decoder::Int4,
            Type::INT8 => Decoder::Int8,
            Type::OID | Type::XID | Type::CID | Type::REGCLASS | Type::REGTYPE | Type::REGPROC => {
                Decoder::Oid
            }
            Type::FLOAT4 => Decoder::Float4,
            Type::FLOAT8 => Decoder::Float8,
            Type::NUMERIC => Decoder::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::XML => {
                Decoder::Text
            }
            Type::CHAR => Decoder::Char,
            Type::BYTEA => Decoder::Bytes,
            Type::DATE => Decoder::Date,
            Type::TIME => Decoder::Time,
            Type::TIMESTAMP => Decoder::Timestamp,
            Type::TIMESTAMPTZ => Decoder::TimestampTz,
            Type::UUID => Decoder::Uuid,
            Type::JSON => Decoder::Json,
            Type::JSONB => Decoder::Jsonb,
            Type::VOID => Decoder::Void,
            _ => match ty.kind() {
                Kind::Array(element) => Decoder::Array(Box::new(Decoder::of(element)?)),
                // The binary form of an enum and of citext is its text, that of a domain its base type's.
                Kind::Enum(_) => Decoder::Text,
                Kind::Domain(base) => Decoder::of(base)?,
                Kind::Simple if ty.name() == "citext" => Decoder::Text,
                _ => {
                    return Err(Error::decode(format!("values of type {} cannot be read", ty.name()))
                        .with_hint(format!(
                            "cast the column to text in the SQL: column::text, instead of {}",
                            ty.name()
                        )));
                }
            },
        })
    }

    /// Reads one value.
    pub(super) fn read(&self, bytes: Option<&[u8]>) -> Result<Value> {
        let Some(bytes) = bytes else {
            return Ok(Value::Null);
        };
        Ok(match self {
            Decoder::Bool => Value::Bool(fixed::<1>(bytes)? != [0]),
            Decoder::Int2 => Value::Int(i16::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Int4 => Value::Int(i32::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Int8 => Value::Int(i64::from_be_bytes(fixed(bytes)?)),
            Decoder::Oid => Value::Int(u32::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Float4 => Value::Float(f32::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Float8 => Value::Float(f64::from_be_bytes(fixed(bytes)?)),
            Decoder::Numeric => numeric(bytes)?,
            Decoder::Text => Value::Text(utf8(bytes)?.to_owned()),
            Decoder::Char => Value::Text(char::from(fixed::<1>(bytes)?[0]).to_string()),
            Decoder::Bytes => Value::Bytes(bytes.to_vec()),
            Decoder::Date => Value::Date(date(i32::from_be_bytes(fixed(bytes)?))?),
            Decoder::Time => Value::Time(time(i64::from_be_bytes(fixed(bytes)?))?),
            Decoder::Timestamp => Value::Timestamp(timestamp(i64::from_be_bytes(fixed(bytes)?))?),
            Decoder::TimestampTz => {
                let at = timestamp(i64::from_be_bytes(fixed(bytes)?))?;
                Value::TimestampTz(DateTime::<Utc>::from_naive_utc_and_offset(at, Utc).fixed_offset())
            }
            Decoder::Uuid => Value::Uuid(Uuid::from_bytes(fixed(bytes)?)),
            Decoder::Json => Value::from(json(bytes)?),
            // The first byte is the version of the form; there is only version 1.
            Decoder::Jsonb => match bytes {
                [1, json_text @ ..] => Value::from(json(json_text)?),
                _ => return Err(malformed()),
            },
            Decoder::Void => Value::Null,
            Decoder::Array(element) => array(bytes, element)?,
        })
    }
}

/// The raw bytes of one column of a row.
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn malformed() -> Error {
    Error::decode("the server sent a value whose form is not that of its type")
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed())
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        Error::decode("the server sent text that is not UTF-8").with_hint("set client_encoding to UTF8")
    })
}

fn json(bytes: &[u8]) -> Result<serde_json::Value> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::decode("the server sent JSON that cannot be held exactly, such as a number out of range")
            .with_hint("cast the column to text in the SQL")
            .with_source(error)
    })
}

/// PostgreSQL counts from 2000-01-01. The two ends of the range mean -infinity and infinity.
const EPOCH: NaiveDateTime = match NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(day) => day.and_time(NaiveTime::MIN),
    None => NaiveDateTime::MIN,
};

fn infinite(what: &str) -> Error {
    Error::decode(format!("an infinite {what}, or one beyond what chrono can hold, cannot be read"))
        .with_hint("cast the column to text in the SQL")
}

fn date(days: i32) -> Result<NaiveDate> {
    if matches!(days, i32::MIN | i32::MAX) {
        return Err(infinite("date"));
    }
    EPOCH.date().checked_add_signed(TimeDelta::days(days.into())).ok_or_else(|| infinite("date"))
}

fn time(micros: i64) -> Result<NaiveTime> {
    // 24:00:00 is a time in PostgreSQL and in nothing else.
    let seconds = u32::try_from(micros.div_euclid(1_000_000)).map_err(|_| malformed())?;
    let nanos = u32::try_from(micros.rem_euclid(1_000_000)).map_err(|_| malformed())? * 1_000;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos).ok_or_else(|| {
        Error::decode("the time 24:00:00 cannot be read").with_hint("cast the column to text in the SQL")
    })
}

fn timestamp(micros: i64) -> Result<NaiveDateTime> {
    if matches!(micros, i64::MIN | i64::MAX) {
        return Err(infinite("timestamp"));
    }
    EPOCH.checked_add_signed(TimeDelta::microseconds(micros)).ok_or_else(|| infinite("timestamp"))
}

/// The binary form of `numeric`: a count of base-10,000 digits, the weight of the first, sign, scale.
/// (`numeric_send` in PostgreSQL's `src/backend/utils/adt/numeric.c`.) What is not a number is a float.
fn numeric(bytes: &[u8]) -> Result<Value> {
    let word = |place: usize| -> Result<u16> {
        let pair = bytes.get(place * 2..place * 2 + 2).ok_or_else(malformed)?;
        Ok(u16::from_be_bytes(fixed(pair)?))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?.cast_signed(), word(2)?, word(3)?);
    let sign = match sign {
        0x0000 => Sign::Plus,
        0x4000 => Sign::Minus,
        0xC000 => return Ok(Value::Float(f64::NAN)),
        0xD000 => return Ok(Value::Float(f64::INFINITY)),
        0xF000 => return Ok(Value::Float(f64::NEG_INFINITY)),
        _ => return Err(malformed()),
    };
    let digits = (0..usize::from(count)).map(|place| word(4 + place));
    // 38 decimal digits fit 128 bits, which most numbers need not fill; the rest go the long way.
    let unscaled = if count <= 9 {
        let mut sum = 0_i128;
        for digit in digits {
            sum = sum * 10_000 + i128::from(digit?);
        }
        BigInt::from(if sign == Sign::Minus { -sum } else { sum })
    } else {
        let mut decimal = String::with_capacity(usize::from(count) * 4);
        for digit in digits {
            decimal.push_str(&format!("{:04}", digit?));
        }
        let magnitude = decimal.parse::<BigInt>().map_err(|_| malformed())?;
        if sign == Sign::Minus { -magnitude } else { magnitude }
    };
    let lowest = (i64::from(weight) - i64::from(count) + 1) * 4;
    // Digits beyond the scale are zeros: cutting them off loses nothing and keeps `1.50` as `1.50`.
    Ok(Value::Decimal(BigDecimal::new(unscaled, -lowest).with_scale(scale.into())))
}

/// The binary form of an array, several dimensions included.
fn array(bytes: &[u8], element: &Decoder) -> Result<Value> {
    let parsed = postgres_array(bytes)?;
    let mut values = parsed.1.into_iter().map(|raw| element.read(raw)).collect::<Result<Vec<Value>>>()?;
    // From the innermost dimension outwards, runs of values become lists.
    for &length in parsed.0.iter().skip(1).rev() {
        let mut rest = values.into_iter();
        let mut lists = Vec::new();
        loop {
            let list: Vec<Value> = rest.by_ref().take(length).collect();
            if list.is_empty() {
                break;
            }
            lists.push(Value::List(list));
        }
        values = lists;
    }
    Ok(Value::List(values))
}

type Elements<'a> = (Vec<usize>, Vec<Option<&'a [u8]>>);

/// The lengths of the dimensions, and the elements in storage order.
fn postgres_array(bytes: &[u8]) -> Result<Elements<'_>> {
    let mut rest = bytes;
    let mut take = |length: usize| -> Result<&[u8]> {
        let (head, tail) = rest.split_at_checked(length).ok_or_else(malformed)?;
        rest = tail;
        Ok(head)
    };
    let dimensions = u32::from_be_bytes(fixed(take(4)?)?);
    // The flag for NULLs and the element's type are known already.
    take(8)?;
    let mut lengths = Vec::new();
    let mut count = usize::from(dimensions > 0);
    for _ in 0..dimensions {
        let length = u32::from_be_bytes(fixed(take(4)?)?) as usize;
        take(4)?;
        count = count.checked_mul(length).ok_or_else(malformed)?;
        lengths.push(length);
    }
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(match i32::from_be_bytes(fixed(take(4)?)?) {
            -1 => None,
            length => Some(take(usize::try_from(length).map_err(|_| malformed())?)?),
        });
    }
    Ok((lengths, elements))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[track_caller]
    fn check_numeric(form: &[u16], expected: &str) {
        match numeric(&words(form)).unwrap() {
            Value::Decimal(number) => assert_eq!(number.to_plain_string(), expected),
            _ => panic!("not a decimal"),
        }
    }

    #[test]
    fn numerics_keep_every_digit_and_their_scale() {
        check_numeric(&[0, 0, 0, 0], "0");
        check_numeric(&[0, 0, 0, 2], "0.00");
        check_numeric(&[2, 0, 0, 2, 1, 5000], "1.50");
        check_numeric(&[1, 0xffff, 0x4000, 4, 1], "-0.0001");
        check_numeric(&[1, 2, 0, 0, 7], "700000000");
        check_numeric(
            &[11, 10, 0x4000, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            "-10002000300040005000600070008000900100011",
        );
        assert_eq!(numeric(&words(&[0, 0, 0xD000, 0])).unwrap(), Value::Float(f64::INFINITY));
    }

    #[test]
    fn broken_forms_are_errors_and_not_panics() {
        for length in 0..24 {
            let bytes = vec![0xff; length];
            for decoder in [
                Decoder::Bool,
                Decoder::Int4,
                Decoder::Numeric,
                Decoder::Text,
                Decoder::Date,
                Decoder::Time,
                Decoder::Timestamp,
                Decoder::Jsonb,
                Decoder::Uuid,
                Decoder::Array(Box::new(Decoder::Int4)),
            ] {
                let _ = decoder.read(Some(&bytes));
            }
        }
        assert!(Decoder::Int4.read(Some(&[1])).is_err());
        assert!(Decoder::Text.read(Some(&[0xff])).is_err());
    }

    #[test]
    fn the_ends_of_time_are_errors() {
        assert!(Decoder::Timestamp.read(Some(&i64::MAX.to_be_bytes())).is_err());
        assert!(Decoder::Date.read(Some(&i32::MIN.to_be_bytes())).is_err());
        assert!(Decoder::Time.read(Some(&86_400_000_000_i64.to_be_bytes())).is_err());
    }
}
