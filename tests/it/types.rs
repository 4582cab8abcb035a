//! What becomes of each type, to every database and back.
//!
//! `TYPES_SEED` says which random values; without it they are others each time, and the seed is printed.

mod generator;
mod odbc;
mod postgres;
mod random;
mod record;
mod sqlserver;
mod tokens;

use batchdb::Value;
use bigdecimal::BigDecimal;

/// Whether two values are one: as `==` has it, but a NaN is a NaN.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => one == other || (one.is_nan() && other.is_nan()),
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        // A decimal keeps its scale.
        (Value::Decimal(one), Value::Decimal(other)) => {
            one == other && one.fractional_digit_count() == other.fractional_digit_count()
        }
        (Value::Json(one), Value::Json(other)) => same_json(one, other),
        _ => one == other,
    }
}

/// Whether two JSON values are one. `jsonb` spells a number as a `numeric`: of `4e16` it makes an integer.
fn same_json(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (one, other) {
        (Number(one), Number(other)) => {
            let decimal = |number: &serde_json::Number| number.to_string().parse::<BigDecimal>().unwrap();
            one == other || decimal(one) == decimal(other)
        }
        (Array(one), Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_json(one, other))
        }
        (Object(one), Object(other)) => {
            let found = |(name, one)| other.get(name).is_some_and(|other| same_json(one, other));
            one.len() == other.len() && one.iter().all(found)
        }
        _ => one == other,
    }
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Box::new(text.parse().unwrap()))
}
