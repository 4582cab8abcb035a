//! What SQL Server makes of a value that is of another kind than its column: a number or the 1st of January 1900 of a text
//! that says neither, a date of a number, a number of bytes. All of that without a word, and none of it is meant. Pure.

use uuid::Uuid;

use super::Held;
use crate::error::{Error, Result};
use crate::value::{Value, to_integer};

/// The bytes of a `uniqueidentifier`. Of others it would cut the end, or add zeros.
const UUID_BYTES: usize = 16;

/// What a column of SQL Server holds, by the name of a type that PostgreSQL has not.
pub(super) fn held(type_name: &str) -> Option<Held> {
    match type_name {
        "bit" => Some(Held::Bit),
        "decimal" | "numeric" => Some(Held::Decimal),
        "binary" | "varbinary" | "image" => Some(Held::Binary),
        "datetimeoffset" => Some(Held::Instant),
        "uniqueidentifier" => Some(Held::Uuid),
        _ => None,
    }
}

/// # Errors
///
/// `Params`, where the server would take the value for another.
pub(super) fn check(value: &Value, held: Held) -> Result<()> {
    match value {
        Value::Text(text) => check_text(text, held),
        Value::Bytes(bytes) => match held {
            Held::Binary => Ok(()),
            Held::Uuid if bytes.len() == UUID_BYTES => Ok(()),
            _ => Err(other("bytes were given", held)),
        },
        Value::Bool(_) if matches!(held, Held::Binary | Held::OldTimestamp) => {
            Err(other("a boolean was given", held))
        }
        Value::Float(number) if held == Held::Decimal && !number.is_finite() => {
            Err(other("a float that is no number was given", held))
        }
        Value::Int(_) | Value::Float(_) | Value::Decimal(_) => match held {
            Held::Binary | Held::OldTimestamp => Err(other("a number was given", held)),
            // Any number but 0 would be true.
            Held::Bit if !is_bit(value) => Err(other("a number that is neither 0 nor 1 was given", held)),
            _ => Ok(()),
        },
        Value::Time(_) if has_day(held) => Err(other("a time of the day was given", held)),
        Value::Date(_) if held == Held::Time => Err(other("a date was given", held)),
        _ => Ok(()),
    }
}

fn check_text(text: &str, held: Held) -> Result<()> {
    let has_digit = || text.bytes().any(|byte| byte.is_ascii_digit());
    match held {
        // `5` would be true.
        Held::Bit => match text.trim().to_ascii_lowercase().as_str() {
            "0" | "1" | "true" | "false" => Ok(()),
            _ => Err(other("a text that is none of 0, 1, true and false was given", held)),
        },
        Held::Integer | Held::Float | Held::Decimal | Held::Money | Held::Time if !has_digit() => {
            Err(other("a text without a digit was given", held))
        }
        // It is left out wherever it stands: `1,5` would be 15.
        Held::Money if text.contains(',') => Err(other("a text with a comma was given", held)),
        Held::Uuid if Uuid::parse_str(text.trim_end()).is_err() => {
            Err(other("a text that is no UUID was given", held))
        }
        // It would be midnight.
        Held::Time if !text.contains(':') && !is_time(text) => {
            Err(other("a text without a time of the day was given", held))
        }
        // Four digits would be the 1st of January of that year.
        _ if has_day(held) && (!has_digit() || is_time(text) || is_year(text)) => {
            Err(other("a text without a date was given", held))
        }
        _ => Ok(()),
    }
}

fn has_day(held: Held) -> bool {
    matches!(held, Held::Date | Held::Timestamp | Held::OldTimestamp | Held::Instant)
}

fn is_bit(value: &Value) -> bool {
    match value {
        Value::Int(number) => matches!(number, 0 | 1),
        Value::Float(number) => *number == 0.0 || *number == 1.0,
        Value::Decimal(number) => matches!(to_integer(number), Some(0 | 1)),
        _ => false,
    }
}

/// Whether a text begins with a time of the day, such as `8:00`, `08:00:37 PM` or `8 pm`. Every form of a date has more
/// before its first colon.
fn is_time(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let half = text.strip_suffix("am").or_else(|| text.strip_suffix("pm"));
    let hour = text.split_once(':').map(|(hour, _)| hour).or(half);
    hour.is_some_and(|hour| {
        let hour = hour.trim();
        (1..=2).contains(&hour.len()) && hour.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_year(text: &str) -> bool {
    let text = text.trim();
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn other(given: &str, held: Held) -> Error {
    let (kind, hint) = match held {
        Held::Bit => ("bits", "give a bool"),
        Held::Integer => ("integers", "give an integer, or None for what is not there"),
        Held::Float | Held::Decimal => ("numbers", "give a number, or None for what is not there"),
        Held::Money => {
            ("money", "give a BigDecimal, or its digits without separators, or None for what is not there")
        }
        Held::Binary => ("bytes", "give bytes"),
        Held::Time => ("times of the day", "give a NaiveTime, or None for what is not there"),
        Held::Uuid => ("UUIDs", "give a Uuid, or None for what is not there"),
        Held::Date | Held::Timestamp | Held::OldTimestamp => {
            ("dates", "give a NaiveDate or a NaiveDateTime, or None for what is not there")
        }
        Held::Instant => ("points in time", "give a DateTime, or None for what is not there"),
        Held::Text | Held::Name | Held::Boolean | Held::TextStamp | Held::TextInstant => {
            ("texts", "give a text")
        }
    };
    Error::params(format!("{given} for a column of {kind}")).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use bigdecimal::BigDecimal;
    use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

    use super::*;
    use crate::backend::odbc::flavor::Flavor;

    fn settled(ty: &str, value: impl Into<Value>) -> Result<Value> {
        let fit = super::super::Fit::new(&["v".into()], &[("v".into(), ty.into())], Flavor::SqlServer);
        let mut row = [value.into()];
        fit.settle(&mut row)?;
        let [value] = row;
        Ok(value)
    }

    #[track_caller]
    fn refused(ty: &str, value: impl Into<Value>) {
        let error = settled(ty, value).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("column \"v\": ") && told.contains(" given for a column of "), "{error}");
    }

    #[track_caller]
    fn goes(ty: &str, value: impl Into<Value>) {
        let value = value.into();
        assert_eq!(settled(ty, value.clone()).unwrap(), value, "{ty}");
    }

    #[test]
    fn a_text_that_says_no_number_and_no_date_is_none() {
        for ty in [
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "real",
            "decimal",
            "numeric",
            "money",
            "smallmoney",
            "bit",
            "date",
            "time",
            "datetime",
            "smalldatetime",
            "datetime2",
            "datetimeoffset",
            "uniqueidentifier",
        ] {
            for text in ["", "  ", "-", "."] {
                refused(ty, text);
            }
            goes(ty, Value::Null);
        }
        for ty in ["date", "datetime", "smalldatetime", "datetime2", "datetimeoffset"] {
            refused(ty, "08:00");
            refused(ty, "08:00:37.5 ");
            refused(ty, "08:00 PM");
            refused(ty, "8pm");
            refused(ty, "08:00:00+02:00");
            refused(ty, "2026");
            refused(ty, NaiveTime::MIN);
        }
        refused("time", NaiveDate::MIN);
        refused("time", "2026-01-05");
        refused("time", "20260105");
        refused("money", "1,5");
        refused("bit", "5");
        for (ty, text) in [
            ("int", " 7 "),
            ("float", "1e3"),
            ("decimal", "-.5"),
            ("money", "$1.5"),
            ("bit", "True"),
            ("time", "08:00"),
            ("time", "8 PM"),
            ("datetime2", "Jan 5 2026 8:00PM"),
            ("datetime2", "2026-01-05T08:00:37"),
            ("date", "20260105"),
            ("datetime2", "2026-01-05 08:00"),
            ("datetimeoffset", "2026-01-05T08:00:00Z"),
            ("varchar", ""),
            ("nvarchar", "-"),
            ("xml", ""),
            ("uniqueidentifier", "0e984725-c51c-4bf4-9960-e1c80e27aba0  "),
            ("uniqueidentifier", "{0e984725-c51c-4bf4-9960-e1c80e27aba0}"),
        ] {
            goes(ty, text);
        }
        refused("uniqueidentifier", "0e984725-c51c-4bf4-9960-e1c80e27aba0-and-more");
    }

    #[test]
    fn a_value_of_another_kind_is_not_reinterpreted() {
        let bytes = || Value::from(b"abc".to_vec());
        for ty in ["varchar", "nchar", "int", "decimal", "money", "bit", "datetime", "uniqueidentifier"] {
            refused(ty, bytes());
        }
        goes("varbinary", bytes());
        goes("uniqueidentifier", vec![7_u8; 16]);
        goes("xml", bytes());
        let one = || Value::from("1.0".parse::<BigDecimal>().unwrap());
        for number in [Value::Int(1), Value::Float(1.0), one(), Value::Bool(true)] {
            refused("varbinary", number.clone());
            refused("datetime", number.clone());
            goes("bit", number);
        }
        for number in [Value::Int(2), Value::Float(0.1), Value::Float(f64::NAN), Value::Int(-1)] {
            refused("bit", number);
        }
        refused("decimal", f64::NAN);
        goes("int", true);
    }

    #[test]
    fn a_text_has_every_digit() {
        let at: NaiveDateTime = "2026-01-05T08:00:37.25".parse().unwrap();
        for (value, text) in [
            (Value::from(1_234_567.891), "1234567.891"),
            (Value::from(1e-7), "1e-7"),
            (Value::from(at.date()), "2026-01-05"),
            (Value::from(at), "2026-01-05 08:00:37.2500000"),
        ] {
            assert_eq!(settled("varchar", value).unwrap(), Value::from(text));
        }
        goes("varchar", 7);
    }
}
