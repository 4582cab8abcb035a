use bigdecimal::BigDecimal;
use proptest::prelude::*;

use super::super::decode::Decoder;
use super::*;
use crate::error::ErrorKind;
use crate::value::Interval;

fn decimal(text: &str) -> Value {
    Value::Decimal(Box::new(text.parse().unwrap()))
}

fn timestamp(text: &str) -> Value {
    Value::Timestamp(text.parse().unwrap())
}

#[track_caller]
fn check_text(value: Value, ty: &Type, expected: &str) {
    assert!(!has_binary(&value, ty) || is_text(ty));
    let mut out = BytesMut::new();
    Param(&value).to_sql(ty, &mut out).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
}

#[track_caller]
fn refused(value: Value, ty: &Type) {
    let mut out = BytesMut::new();
    let error = Param(&value).to_sql(ty, &mut out).err().unwrap();
    let error = error.downcast::<crate::Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Params, "{ty}");
    assert!(out.is_empty());
}

/// Writes a value in binary and reads it again.
#[track_caller]
fn through(value: &Value, ty: &Type) -> Value {
    assert!(has_binary(value, ty), "{ty}");
    let mut out = BytesMut::new();
    binary(value, ty, &mut out).unwrap();
    Decoder::of(ty).unwrap().read(Some(&out)).unwrap()
}

#[test]
fn what_must_be_understood_goes_as_text() {
    check_text(Value::Int(5), &Type::TEXT, "5");
    check_text(Value::from("2026-01-05"), &Type::DATE, "2026-01-05");
    check_text(Value::from("10.0.0.0/8"), &Type::INET, "10.0.0.0/8");
    check_text(timestamp("2026-01-05T08:00:37.5"), &Type::TEXT, "2026-01-05 08:00:37.5");
    check_text(Value::Date("-0043-03-15".parse().unwrap()), &Type::UNKNOWN, "0044-03-15 BC");
    check_text(Value::Bool(true), &Type::TEXT, "true");
    check_text(Value::Float(f64::NAN), &Type::UNKNOWN, "NaN");
    check_text(
        Value::Interval(Interval { months: -1, days: 2, microseconds: -1 }),
        &Type::UNKNOWN,
        "P-1M2DT-0.000001S",
    );
    check_text(
        Value::from(vec![Value::from("a\"b\\c"), Value::Null, Value::from("")]),
        &Type::UNKNOWN,
        "{\"a\\\"b\\\\c\",NULL,\"\"}",
    );
    check_text(Value::from(vec![Value::from(vec![Value::Int(1)])]), &Type::UNKNOWN, "{{\"1\"}}");
    // An empty list of no known type must not be taken for an empty object.
    check_text(Value::List(Box::default()), &Type::UNKNOWN, "\x0c{}");
    check_text(Value::List(Box::default()), &Type::JSON, "[]");
    check_text(Value::from(vec![Value::Int(1), Value::from("x")]), &Type::JSON, "[1,\"x\"]");
}

#[test]
fn a_text_is_what_the_binary_form_would_be() {
    // A load goes on in text behind a row that has no binary form, and the integers' input functions read digits only.
    for (value, ty, expected) in [
        (decimal("5.00"), Type::INT2, "5"),
        (decimal("-5e3"), Type::INT4, "-5000"),
        (Value::Float(1e15), Type::INT8, "1000000000000000"),
        (Value::Float(-0.0), Type::OID, "0"),
        (Value::from(vec![decimal("5.00"), Value::Null]), Type::INT4_ARRAY, "{\"5\",NULL}"),
        (Value::from(vec![Value::from(vec![1e18])]), Type::INT8_ARRAY, "{{\"1000000000000000000\"}}"),
        // Half-way between two floats of 4 bytes, and its shortest digits are beyond the half.
        (Value::Float(1.0 + f64::powi(2.0, -24)), Type::FLOAT4, "1"),
        (decimal("5.00"), Type::NUMERIC, "5.00"),
        (decimal("5.00"), Type::TEXT, "5.00"),
    ] {
        assert_eq!(text(&value, &ty).unwrap(), expected, "{ty}");
    }
    for value in [decimal("5.5"), Value::Float(0.5), decimal("1e19"), Value::Float(f64::NAN)] {
        assert_eq!(text(&value, &Type::INT8).unwrap_err().kind(), ErrorKind::Params);
    }
}

#[test]
fn what_the_column_holds_goes_in_binary() {
    for (value, ty, expected) in [
        (Value::Int(5), Type::NUMERIC, decimal("5")),
        (Value::Int(5), Type::FLOAT8, Value::Float(5.0)),
        (Value::Float(5.0), Type::INT4, Value::Int(5)),
        (Value::Float(0.1), Type::NUMERIC, decimal("0.1")),
        (Value::Float(0.1), Type::FLOAT4, Value::Float(f64::from(0.1_f32))),
        (Value::Float(f64::INFINITY), Type::NUMERIC, Value::Float(f64::INFINITY)),
        (Value::Float(f64::NEG_INFINITY), Type::FLOAT4, Value::Float(f64::NEG_INFINITY)),
        (decimal("42.00"), Type::INT2, Value::Int(42)),
        (decimal("0.10"), Type::FLOAT8, Value::Float(0.1)),
        (Value::Date("2026-01-05".parse().unwrap()), Type::TIMESTAMP, timestamp("2026-01-05T00:00:00")),
        (timestamp("2026-01-05T00:00:00"), Type::DATE, Value::Date("2026-01-05".parse().unwrap())),
        (Value::List(Box::default()), Type::INT4_ARRAY, Value::List(Box::default())),
        (Value::List(Box::default()), Type::JSONB, Value::from(serde_json::json!([]))),
        (Value::from("[1]"), Type::JSONB, Value::from(serde_json::json!([1]))),
        (Value::Int(7), Type::VARCHAR, Value::from("7")),
    ] {
        assert!(through(&value, &ty) == expected, "{ty}");
    }
    let nested = Value::from(vec![Value::from(vec![Some(1_i64), None]), Value::from(vec![3_i64, 4])]);
    assert!(through(&nested, &Type::INT4_ARRAY) == nested);
}

#[test]
fn what_would_change_on_its_way_is_refused() {
    refused(Value::Int(40_000), &Type::INT2);
    refused(Value::Int(-1), &Type::OID);
    refused(Value::Int((1 << 53) + 1), &Type::FLOAT8);
    refused(Value::Int((1 << 24) + 1), &Type::FLOAT4);
    refused(Value::Float(1.5), &Type::INT8);
    refused(Value::Float(9_223_372_036_854_775_808.0), &Type::INT8);
    refused(Value::Float(1e300), &Type::FLOAT4);
    refused(Value::Float(1e-300), &Type::FLOAT4);
    refused(decimal("1.5"), &Type::INT4);
    refused(decimal("1.5"), &Type::MONEY);
    refused(decimal("150"), &Type::MONEY);
    refused(Value::Float(1.5), &Type::MONEY);
    refused(Value::from(vec![decimal("1.5")]), &Type::MONEY_ARRAY);
    refused(decimal("0.12345678901234567890"), &Type::FLOAT8);
    refused(decimal("1e1000000000"), &Type::NUMERIC);
    refused(decimal("1e-1000000000"), &Type::TEXT);
    refused(timestamp("2026-01-05T08:00:37"), &Type::DATE);
    refused(timestamp("2026-01-05T08:00:37"), &Type::TIME);
    refused(timestamp("2026-01-05T08:00:37.123456789"), &Type::TIMESTAMP);
    refused(timestamp("2026-01-05T08:00:37.123456789"), &Type::UNKNOWN);
    refused(timestamp("2026-01-05T23:59:60"), &Type::TIMESTAMP);
    let at = chrono::DateTime::parse_from_rfc3339("2026-01-05T08:00:37+02:00").unwrap();
    for ty in [Type::TIMESTAMP, Type::DATE, Type::TIME, Type::TIMETZ] {
        refused(Value::TimestampTz(at), &ty);
    }
    refused(Value::from(vec![at]), &Type::TIMESTAMP_ARRAY);
    refused(Value::Bytes(vec![0].into()), &Type::TEXT);
    refused(Value::from("ab"), &Type::CHAR);
    refused(Value::Int(42), &Type::CHAR);
    refused(Value::from("é".repeat(32)), &Type::NAME);
    refused(Value::from(vec!["x", &"x".repeat(64)]), &Type::NAME_ARRAY);
    assert!(text(&Value::from("x".repeat(63)), &Type::NAME).is_ok());
    refused(Value::from(vec![1_i64]), &Type::TEXT);
    refused(Value::from(vec![Value::from(vec![1_i64]), Value::from(vec![1_i64, 2])]), &Type::INT4_ARRAY);
    refused(Value::from(vec![Value::from(vec![1_i64]), Value::Null]), &Type::INT4_ARRAY);
    let list = |items: &[i64]| Value::from(items.to_vec());
    let nest = |items: Vec<Value>| Value::from(items);
    let jagged = nest(vec![nest(vec![list(&[1, 2])]), nest(vec![list(&[3])]), nest(vec![list(&[4, 5, 6])])]);
    refused(jagged, &Type::INT4_ARRAY);
    refused(nest(vec![nest(vec![list(&[1]), list(&[2])]), list(&[3, 4])]), &Type::INT4_ARRAY);
    refused(Value::from(vec![40_000_i64]), &Type::INT2_ARRAY);
}

#[test]
fn what_is_told_of_a_type_keeps_zones_and_bytes() {
    let at = chrono::DateTime::parse_from_rfc3339("2026-01-05T08:00:37+02:00").unwrap();
    assert_eq!(Param(&Value::TimestampTz(at)).told_type(), Type::TIMESTAMPTZ);
    assert_eq!(Param(&Value::from(vec![None, Some(at)])).told_type(), Type::TIMESTAMPTZ_ARRAY);
    assert_eq!(Param(&Value::Bytes(Box::default())).told_type(), Type::BYTEA);
    assert_eq!(Param(&Value::Int(1)).told_type(), Type::UNKNOWN);
}

#[test]
fn the_drivers_own_log_gets_no_value() {
    assert_eq!(format!("{:?}", Param(&Value::from("hunter2"))), "<text>");
}

proptest! {
    #[test]
    fn decimals_are_written_as_they_are_read(digits in "-?[0-9]{1,60}", scale in 0_i64..70) {
        let number = BigDecimal::new(digits.parse().unwrap(), scale);
        let Value::Decimal(read) = through(&Value::from(number.clone()), &Type::NUMERIC) else { panic!() };
        prop_assert_eq!(read.as_bigint_and_exponent(), number.as_bigint_and_exponent());
    }

    #[test]
    fn floats_are_written_as_they_are_read(number: f64) {
        prop_assert!(through(&Value::Float(number), &Type::FLOAT8) == Value::Float(number));
        if let Value::Decimal(read) = through(&Value::Float(number), &Type::NUMERIC) {
            prop_assert_eq!(read.to_string().parse::<f64>().unwrap(), number);
        }
    }
}
