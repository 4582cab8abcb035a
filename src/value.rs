//! One SQL value, owned, the same for every database.

pub(crate) mod calendar;
mod convert;
mod exact;
mod interval;
mod json;
mod known;
mod lists;
mod serialize;
mod text;
mod unique;

pub use convert::FromValue;
#[cfg(any(feature = "postgres", feature = "odbc"))]
pub(crate) use exact::to_double;
#[cfg(feature = "postgres")]
pub(crate) use exact::to_single;
pub(crate) use exact::{exact_json, float_text, to_integer};
pub use interval::Interval;
pub(crate) use json::from_pairs;
pub(crate) use json::whole_minutes;
pub(crate) use serialize::to_fields;
pub use text::Text;

use bigdecimal::BigDecimal;
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

/// One SQL value.
///
/// All databases give the same variant for the same kind of data, whatever its width: every integer is an
/// [`Int`](Value::Int), `numeric` and `decimal` keep every digit, nothing is converted through a float. What no variant
/// can hold (an infinite date, a range, an address) is the [`Text`](Value::Text) that the server itself prints, which
/// it accepts as a parameter. The guide has the [tables of types](crate::guide::types).
///
/// `Debug` prints only the type of the value, so that a row that is logged by mistake does not reveal anybody's data.
/// Use [`to_json`](Value::to_json) to see the value.
///
/// ```
/// use batchdb::Value;
///
/// let value = Value::from("hunter2");
/// assert_eq!((value.as_str(), value.is_null()), (Some("hunter2"), false));
/// assert!(!format!("{value:?}").contains("hunter2"));
/// assert_eq!(Value::from(7_i32), Value::from(7_u64)); // an integer is an integer
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL `NULL`.
    Null,
    /// `boolean`, `bit`.
    Bool(bool),
    /// Every integer type, SQL Server's unsigned `tinyint` included.
    Int(i64),
    /// `real` and `double precision`, and a `numeric` that is `NaN` or infinite. A `real` is converted to `f64`
    /// exactly.
    Float(f64),
    /// `numeric`, `decimal`, and `money` through ODBC: exact, of any size. Boxed, like JSON, bytes and lists, to keep a
    /// value small, because a large result consists mostly of values.
    Decimal(Box<BigDecimal>),
    /// Every text type, and whatever has no variant of its own.
    Text(Text),
    /// `bytea`, `varbinary`, `blob`.
    Bytes(Box<[u8]>),
    /// `date`.
    Date(NaiveDate),
    /// `time` without zone.
    Time(NaiveTime),
    /// `timestamp`, `datetime`, `datetime2`: a date and a time without zone.
    Timestamp(NaiveDateTime),
    /// `timestamptz` (given in UTC) and `datetimeoffset` (with its offset): a point in time.
    TimestampTz(DateTime<FixedOffset>),
    /// `interval`.
    Interval(Interval),
    /// `uuid`, `uniqueidentifier`.
    Uuid(Uuid),
    /// `json`, `jsonb`.
    Json(Box<serde_json::Value>),
    /// A PostgreSQL array (nested lists for several dimensions), or the list for an `IN (:ids)`.
    List(Box<[Value]>),
}

/// The memory of a JSON document, without the value itself.
fn json_weight(json: &serde_json::Value) -> usize {
    use serde_json::Value as Json;

    let each = size_of::<Json>();
    match json {
        Json::String(text) => each + text.len(),
        Json::Array(items) => each + items.iter().map(json_weight).sum::<usize>(),
        Json::Object(fields) => {
            each + fields.iter().map(|(key, value)| 2 * each + key.len() + json_weight(value)).sum::<usize>()
        }
        _ => each,
    }
}

impl Value {
    /// Whether this is SQL `NULL`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The name of the type, for messages: `text`, `integer`, `timestamp with time zone`, …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "float",
            Value::Decimal(_) => "decimal",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::Timestamp(_) => "timestamp",
            Value::TimestampTz(_) => "timestamp with time zone",
            Value::Interval(_) => "interval",
            Value::Uuid(_) => "uuid",
            Value::Json(_) => "json",
            Value::List(_) => "list",
        }
    }

    /// The approximate memory that the value uses.
    pub(crate) fn weight(&self) -> usize {
        let beside = match self {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(items) => items.iter().map(Value::weight).sum(),
            Value::Json(json) => json_weight(json),
            _ => 0,
        };
        size_of::<Value>() + beside
    }

    /// The text, if the value is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if the value is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::List(items) => write!(f, "<list of {}>", items.len()),
            other => write!(f, "<{}>", other.kind()),
        }
    }
}

macro_rules! value_from {
    ($($source:ty => $make:expr),+ $(,)?) => { $(
        impl From<$source> for Value {
            fn from(value: $source) -> Value {
                #[allow(clippy::redundant_closure_call, reason = "the macro takes paths and closures alike")]
                ($make)(value)
            }
        }

        impl From<Vec<$source>> for Value {
            fn from(values: Vec<$source>) -> Value {
                Value::List(values.into_iter().map(Value::from).collect())
            }
        }

        impl From<Vec<Option<$source>>> for Value {
            fn from(values: Vec<Option<$source>>) -> Value {
                Value::List(values.into_iter().map(Value::from).collect())
            }
        }
    )+ };
}

value_from! {
    bool => Value::Bool,
    i8 => |n| Value::Int(i64::from(n)),
    i16 => |n| Value::Int(i64::from(n)),
    i32 => |n| Value::Int(i64::from(n)),
    i64 => Value::Int,
    u16 => |n| Value::Int(i64::from(n)),
    u32 => |n| Value::Int(i64::from(n)),
    f32 => |n| Value::Float(f64::from(n)),
    f64 => Value::Float,
    BigDecimal => |number| Value::Decimal(Box::new(number)),
    Text => Value::Text,
    String => |text: String| Value::Text(text.into()),
    &str => |text: &str| Value::Text(text.into()),
    Vec<u8> => |bytes: Vec<u8>| Value::Bytes(bytes.into()),
    NaiveDate => Value::Date,
    NaiveTime => Value::Time,
    NaiveDateTime => Value::Timestamp,
    DateTime<FixedOffset> => Value::TimestampTz,
    DateTime<chrono::Utc> => |at: DateTime<chrono::Utc>| Value::TimestampTz(at.fixed_offset()),
    DateTime<chrono::Local> => |at: DateTime<chrono::Local>| Value::TimestampTz(at.fixed_offset()),
    Interval => Value::Interval,
    Uuid => Value::Uuid,
    serde_json::Value => |json| Value::Json(Box::new(json)),
}

/// A number beyond `i64::MAX` becomes an exact decimal, because no integer type of a database can hold it.
impl From<u64> for Value {
    fn from(number: u64) -> Value {
        i64::try_from(number).map_or_else(|_| Value::from(BigDecimal::from(number)), Value::Int)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Value {
        Value::from(number as u64)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        Value::Bytes(bytes.into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::from(text.as_str())
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Value {
        value.clone()
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value::List(values.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn a_cell_is_small() {
        assert!(size_of::<Value>() <= 24, "a result has one for each cell: {}", size_of::<Value>());
    }
}
