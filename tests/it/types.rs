//! What becomes of each type, to every database and back.
//!
//! `TYPES_SEED` says which random values; without it they are others each time, and the seed is printed.

mod generator;
mod odbc;
mod postgres;
mod random;
mod sqlserver;
mod tokens;

use batchdb::Value;

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
        _ => one == other,
    }
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Box::new(text.parse().unwrap()))
}
