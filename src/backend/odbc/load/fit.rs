//! What a column would take and change, and what of a text its database would read by other rules than ours. Pure.
//!
//! A driver sends a value as what it is, and the database converts it to its column's type: the offset of a point in time
//! is dropped, a fraction cut or rounded, without a word. PostgreSQL's own protocol tells the types first; here they are
//! asked for, once for a load. What SQL Server makes of a value where PostgreSQL would refuse it is in `t_sql`.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use crate::error::{Error, Result};
use crate::value::{Value, calendar, float_text, to_double, to_integer};

use crate::backend::odbc::columns::{Kind, declared};
use crate::backend::odbc::flavor::Flavor;

mod t_sql;

/// The most bytes of PostgreSQL's `name`.
const NAME_BYTES: usize = 63;

/// What a column holds, where a value could lose something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Bit,
    Integer,
    Float,
    /// SQL Server's.
    Decimal,
    Text,
    /// SQL Server's.
    Binary,
    Date,
    Time,
    Timestamp,
    /// SQL Server's `datetimeoffset`.
    Instant,
    /// SQL Server's `datetime` and `smalldatetime`: of them `2026-01-05` is the 1st of May where the login's language puts
    /// days first.
    OldTimestamp,
    /// PostgreSQL's reads a float by `lc_monetary`: psqlODBC sends one as a text, and a decimal as a `numeric`.
    Money,
    /// SQL Server's.
    Uuid,
    /// PostgreSQL's, of whose text it keeps the first 63 bytes.
    Name,
    /// SQLite's, in which `true` would stay a text, which is not true.
    Boolean,
    /// SQLite's, which are texts and compared as such: of a file's `2026-01-05T08:00` none would be the same as what a
    /// parameter is, or as `CURRENT_TIMESTAMP`.
    TextStamp,
    TextInstant,
}

impl Held {
    /// By the name of the type, in small letters.
    fn of(type_name: &str, flavor: Flavor) -> Option<Held> {
        match (flavor, type_name) {
            (Flavor::Sqlite, name) => match declared(name) {
                Kind::Bool => Some(Held::Boolean),
                Kind::Timestamp => Some(Held::TextStamp),
                Kind::TimestampTz => Some(Held::TextInstant),
                _ => None,
            },
            (Flavor::Other, _) => None,
            (_, "int2" | "int4" | "int8" | "oid" | "tinyint" | "smallint" | "int" | "bigint") => {
                Some(Held::Integer)
            }
            (_, "float4" | "float8" | "float" | "real") => Some(Held::Float),
            (_, "money" | "smallmoney") => Some(Held::Money),
            (Flavor::Postgres, "name") => Some(Held::Name),
            (Flavor::Postgres, "bpchar" | "citext") => Some(Held::Text),
            (_, "varchar" | "text" | "char" | "nchar" | "nvarchar" | "ntext") => Some(Held::Text),
            (_, "date") => Some(Held::Date),
            (_, "time" | "timetz") => Some(Held::Time),
            // SQL Server's `timestamp` is a number of the row, and takes no value.
            (Flavor::Postgres, "timestamp") | (_, "datetime2") => Some(Held::Timestamp),
            (_, "datetime" | "smalldatetime") => Some(Held::OldTimestamp),
            (Flavor::SqlServer, name) => t_sql::held(name),
            _ => None,
        }
    }

    fn is_point_without_zone(self) -> bool {
        matches!(self, Held::Date | Held::Time | Held::Timestamp | Held::OldTimestamp)
    }
}

/// The columns of a load, in its order.
#[derive(Debug)]
pub(super) struct Fit {
    columns: Vec<(Box<str>, Option<Held>)>,
    flavor: Flavor,
}

impl Fit {
    /// By the names of the columns, and what the database says of all that the table has: names and types.
    pub(super) fn new(columns: &[Box<str>], told: &[(String, String)], flavor: Flavor) -> Fit {
        let held = |name: &str| {
            let (_, ty) = of_name(told, name, flavor)?;
            Held::of(&ty.to_lowercase(), flavor)
        };
        Fit { columns: columns.iter().map(|name| (name.clone(), held(name))).collect(), flavor }
    }

    /// Checks a row, and has its texts say what they mean.
    ///
    /// # Errors
    ///
    /// `Params`, which names the column, where it cannot hold the value as it is.
    pub(super) fn settle(&self, row: &mut [Value]) -> Result<()> {
        for (value, (name, held)) in row.iter_mut().zip(&self.columns) {
            let Some(held) = *held else { continue };
            check(value, held, self.flavor).map_err(|error| error.at(format_args!("column \"{name}\"")))?;
            let meant = match value {
                Value::Text(text) => meant(text, held),
                _ if held == Held::Text => spelled(value, self.flavor),
                _ => None,
            };
            if let Some(meant) = meant {
                *value = meant;
            }
        }
        Ok(())
    }
}

fn check(value: &Value, held: Held, flavor: Flavor) -> Result<()> {
    match value {
        Value::Bytes(_) if held == Held::Text => Err(Error::params(
            "bytes were given for a column of text, and nothing says which letters they are",
        )
        .with_hint("give a String, or let the column be one of bytes")),
        Value::Decimal(number) if held == Held::Integer && to_integer(number).is_none() => {
            Err(cut("a fraction"))
        }
        Value::Float(number) if held == Held::Integer && number.fract() != 0.0 => Err(cut("a fraction")),
        Value::Decimal(number) if held == Held::Float && to_double(number).is_none() => {
            Err(cut("more digits than a float holds"))
        }
        Value::Int(number) if held == Held::Float && to_double(&(*number).into()).is_none() => {
            Err(cut("more digits than a float holds"))
        }
        Value::Float(_) if held == Held::Money && flavor == Flavor::Postgres => Err(Error::params(
            "a float was given for a column of type money, which reads its text by the server's locale",
        )
        .with_hint("give a BigDecimal")),
        Value::Text(text) if held == Held::Name && text.len() > NAME_BYTES => Err(Error::params(format!(
            "a column of type name holds {NAME_BYTES} bytes, and the text has more"
        ))),
        Value::TimestampTz(_) if held.is_point_without_zone() => Err(Error::params(
            "a point in time was given for a column without a time zone, which would drop its offset",
        )
        .with_hint("give a NaiveDateTime or a NaiveDate in the time zone of the column")),
        Value::Timestamp(at) if held == Held::Date && at.time() != NaiveTime::MIN => {
            Err(cut("a time of the day"))
        }
        Value::Timestamp(_) if held == Held::Time => Err(cut("a date")),
        _ if flavor == Flavor::SqlServer => t_sql::check(value, held),
        _ => Ok(()),
    }
}

fn cut(what: &str) -> Error {
    Error::params(format!("a value has {what}, which its column would lose"))
        .with_hint("round it in the program, or give a value of the column's type")
}

/// What a text means in a column that would read it in another way, or not at all.
fn meant(text: &str, held: Held) -> Option<Value> {
    match held {
        Held::Boolean if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        Held::Boolean if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        // A leap second stays a text: a parameter cannot have one.
        Held::TextStamp if is_iso(text) => {
            stamp(text).filter(|at| at.nanosecond() < 1_000_000_000).map(Value::Timestamp)
        }
        Held::TextInstant if is_iso(text) => {
            calendar::instant(text).filter(|at| at.nanosecond() < 1_000_000_000).map(Value::TimestampTz)
        }
        Held::OldTimestamp => stamp(text).filter(|at| at.nanosecond() % 100 == 0).map(Value::Timestamp),
        _ => None,
    }
}

/// What the catalog says of a column: in a database in which case counts, of the one with just this name.
pub(super) fn of_name<'t, T>(told: &'t [(String, T)], name: &str, flavor: Flavor) -> Option<&'t (String, T)> {
    let folded = || match flavor {
        Flavor::Postgres => None,
        _ => told.iter().find(|(known, _)| known.to_lowercase() == name.to_lowercase()),
    };
    told.iter().find(|(known, _)| known == name).or_else(folded)
}

/// What goes as a text into a column of texts. Of a float SQL Server keeps six digits, and psqlODBC writes more than it has;
/// of a date for which the column is too short, SQL Server cuts the end.
fn spelled(value: &Value, flavor: Flavor) -> Option<Value> {
    match value {
        Value::Float(number) => Some(float_text(*number).into()),
        Value::Date(day) if flavor == Flavor::SqlServer => Some(day.to_string().into()),
        // As the server writes one, which reads no more digits than these; what has more is refused later.
        Value::Timestamp(at) if flavor == Flavor::SqlServer => {
            let nanos = at.nanosecond();
            let fits = nanos < 1_000_000_000 && nanos.is_multiple_of(100);
            fits.then(|| format!("{}.{:07}", at.format("%Y-%m-%d %H:%M:%S"), nanos / 100).into())
        }
        _ => None,
    }
}

/// Whether a text is a point in time as ISO 8601 has it, with a `T` behind the date.
fn is_iso(text: &str) -> bool {
    text.as_bytes().get(10) == Some(&b'T')
}

/// A date or a timestamp of ISO 8601, whose year has four digits.
fn stamp(text: &str) -> Option<NaiveDateTime> {
    let year = text.split_once('-')?.0;
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.and_time(NaiveTime::MIN));
    }
    let text = text.replacen(' ', "T", 1);
    text.parse().or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(ty: &str, flavor: Flavor) -> Fit {
        Fit::new(&["V".into()], &[("v".into(), "bad".into()), ("V".into(), ty.into())][1..], flavor)
    }

    #[track_caller]
    fn becomes(ty: &str, flavor: Flavor, value: impl Into<Value>, wanted: impl Into<Value>) {
        let mut row = [value.into()];
        fit(ty, flavor).settle(&mut row).unwrap();
        assert_eq!(row[0], wanted.into());
    }

    #[track_caller]
    fn refused(ty: &str, flavor: Flavor, value: impl Into<Value>) {
        let error = fit(ty, flavor).settle(&mut [value.into()]).unwrap_err();
        assert!(error.to_string().contains("column \"V\""), "{error}");
    }

    fn decimal(text: &str) -> Value {
        Value::from(text.parse::<bigdecimal::BigDecimal>().unwrap())
    }

    #[test]
    fn what_a_column_would_lose_is_refused() {
        let at: NaiveDateTime = "2026-01-05T08:00:37".parse().unwrap();
        let midnight: NaiveDateTime = "2026-01-05T00:00:00".parse().unwrap();
        for flavor in [Flavor::Postgres, Flavor::SqlServer] {
            refused("bigint", flavor, decimal("1.5"));
            refused("int", flavor, 1.5);
            becomes("int", flavor, decimal("2.0"), decimal("2.0"));
            refused("float", flavor, decimal("0.12345678901234567890"));
            refused("real", flavor, (1_i64 << 53) + 1);
            refused("date", flavor, at);
            becomes("date", flavor, midnight, midnight);
            refused("time", flavor, at);
            refused("date", flavor, at.and_utc());
            becomes("numeric", flavor, decimal("1.5"), decimal("1.5"));
            becomes("int", flavor, Value::Null, Value::Null);
        }
        for (ty, flavor) in [
            ("timestamp", Flavor::Postgres),
            ("datetime2", Flavor::SqlServer),
            ("datetime", Flavor::SqlServer),
            ("smalldatetime", Flavor::SqlServer),
        ] {
            refused(ty, flavor, at.and_utc());
            becomes(ty, flavor, at, at);
        }
        for (ty, flavor) in [("timestamptz", Flavor::Postgres), ("datetimeoffset", Flavor::SqlServer)] {
            becomes(ty, flavor, at.and_utc(), at.and_utc());
        }
        refused("money", Flavor::Postgres, 1.5);
        becomes("money", Flavor::Postgres, decimal("1.5"), decimal("1.5"));
        becomes("money", Flavor::SqlServer, 1.5, 1.5);
        refused("name", Flavor::Postgres, "é".repeat(32));
        becomes("name", Flavor::Postgres, "x".repeat(63), "x".repeat(63));
        // Nothing is lost in SQLite, whatever the column is called, and of others nothing is known.
        becomes("integer", Flavor::Sqlite, 1.5, 1.5);
        becomes("int", Flavor::Other, 1.5, 1.5);
    }

    #[test]
    fn a_text_says_what_it_means() {
        for (text, wanted) in [
            ("2026-01-05", "2026-01-05T00:00:00"),
            ("2026-01-05 08:00", "2026-01-05T08:00:00"),
            ("2026-01-05T08:00:37.1234567", "2026-01-05T08:00:37.1234567"),
        ] {
            let at: NaiveDateTime = wanted.parse().unwrap();
            becomes("datetime", Flavor::SqlServer, text, at);
            becomes("smalldatetime", Flavor::SqlServer, text, at);
            // This one reads it as ISO 8601 in any language.
            becomes("datetime2", Flavor::SqlServer, text, text);
        }
        // What has another form is the server's to read.
        for text in ["05.01.2026", "20260105", "2026-13-05", "2026-01-05T08:00:00Z", "12026-01-05", "x-1"] {
            becomes("datetime", Flavor::SqlServer, text, text);
        }
        let at: NaiveDateTime = "2026-01-05T08:00:37.5".parse().unwrap();
        becomes("DATETIME", Flavor::Sqlite, "2026-01-05T08:00:37.500", at);
        becomes("timestamp", Flavor::Sqlite, "2026-01-05T08:00:37.500", at);
        becomes("TIMESTAMPTZ", Flavor::Sqlite, "2026-01-05T08:00:37.500Z", at.and_utc());
        let kept =
            ["2026-01-05 08:00:37", "2026-01-05", "2026-01-05T", "yesterdayT", "", "12026-01-05T08:00"];
        for text in kept.into_iter().chain(["2016-12-31T23:59:60", "2016-12-31T23:59:60Z"]) {
            becomes("timestamp", Flavor::Sqlite, text, text);
            becomes("timestamptz", Flavor::Sqlite, text, text);
        }
        becomes("BOOLEAN", Flavor::Sqlite, "true", true);
        becomes("boolean", Flavor::Sqlite, "False", false);
        becomes("boolean", Flavor::Sqlite, "yes", "yes");
        becomes("text", Flavor::Sqlite, "true", "true");
        becomes("bool", Flavor::Postgres, "true", "true");
    }
}
