//! Lists of values as vectors, of one dimension or two.

use bigdecimal::BigDecimal;
use chrono::{DateTime, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use uuid::Uuid;

use super::convert::mismatch;
use super::{FromValue, Interval, Value};
use crate::error::Result;

fn list<T>(value: &Value, read: impl Fn(&Value) -> Result<T>) -> Result<Vec<T>> {
    match value {
        Value::List(items) => items.iter().map(read).collect(),
        _ => mismatch(value, "a list"),
    }
}

// A vector of just any type would also be one of `u8`, and that is what bytes are read as.
macro_rules! lists {
    ($($item:ty),+ $(,)?) => { $(
        impl FromValue for Vec<$item> {
            fn from_value(value: &Value) -> Result<Self> {
                list(value, <$item>::from_value)
            }
        }

        impl FromValue for Vec<Option<$item>> {
            fn from_value(value: &Value) -> Result<Self> {
                list(value, Option::<$item>::from_value)
            }
        }

        impl FromValue for Vec<Vec<$item>> {
            fn from_value(value: &Value) -> Result<Self> {
                list(value, Vec::<$item>::from_value)
            }
        }
    )+ };
}

lists!(
    bool,
    i16,
    i32,
    i64,
    i128,
    u16,
    u32,
    u64,
    u128,
    f32,
    f64,
    BigDecimal,
    String,
    Vec<u8>,
    NaiveDate,
    NaiveTime,
    NaiveDateTime,
    DateTime<FixedOffset>,
    DateTime<Utc>,
    DateTime<Local>,
    Interval,
    Uuid,
    serde_json::Value,
    Value,
);
