//! Whether a number survives a change of its form.
//!
//! A float and a decimal are the same number to us when the shortest digits that read back as the float are those
//! of the decimal: `0.1` is `0.1`, although no float is a tenth. What has more digits than a float keeps is not.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use super::Value;
use super::unique::Unique;
use crate::error::{Error, Result};

/// The digits of a number without zeros at their ends, and the power of ten of the last one.
#[derive(PartialEq, Eq)]
struct Digits {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Digits {
    /// The digits of a number as Rust and JSON spell it: `-12.5e-3`.
    fn of(text: &str) -> Option<Digits> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 = exponent.parse().ok()?;
        let negative = mantissa.starts_with('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{}{fraction}", whole.strip_prefix(['-', '+']).unwrap_or(whole));
        let short = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len() - short.len()).ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
        let digits = short.trim_start_matches('0').to_owned();
        Some(if digits.is_empty() {
            Digits { negative: false, digits, exponent: 0 }
        } else {
            Digits { negative, digits, exponent }
        })
    }
}

/// Whether a float that was read from this text is spelled by the same digits. An infinity is spelled by none.
fn survives(text: &str, float: &str) -> bool {
    matches!((Digits::of(text), Digits::of(float)), (Some(text), Some(float)) if text == float)
}

/// The shortest text that reads back as the same number, in the words that databases have for what is none.
pub(crate) fn float_text(number: f64) -> String {
    match number {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        number if number == 0.0 || (1e-5..1e16).contains(&number.abs()) || number.is_nan() => {
            number.to_string()
        }
        number => format!("{number:e}"),
    }
}

/// A decimal as text, whose length depends on its digits and not on their place.
#[cfg(any(feature = "postgres", feature = "odbc"))]
fn scientific(number: &BigDecimal) -> String {
    let (digits, scale) = number.as_bigint_and_exponent();
    format!("{digits}e{}", -i128::from(scale))
}

/// The double that is the same number.
#[cfg(any(feature = "postgres", feature = "odbc"))]
pub(crate) fn to_double(number: &BigDecimal) -> Option<f64> {
    let text = scientific(number);
    let float: f64 = text.parse().ok()?;
    survives(&text, &format!("{float:e}")).then_some(float)
}

/// The float of 4 bytes that is the same number.
#[cfg(feature = "postgres")]
pub(crate) fn to_single(number: &BigDecimal) -> Option<f32> {
    let text = scientific(number);
    let float: f32 = text.parse().ok()?;
    survives(&text, &format!("{float:e}")).then_some(float)
}

/// The integer that is the same number.
pub(crate) fn to_integer(number: &BigDecimal) -> Option<i128> {
    let (digits, scale) = number.as_bigint_and_exponent();
    if digits == BigInt::ZERO {
        return Some(0);
    }
    // So many zeros behind the point, or before it: nothing is computed for a number that cannot fit.
    let power = |places: u64| u32::try_from(places).ok().and_then(|places| 10_i128.checked_pow(places));
    if scale <= 0 {
        return i128::try_from(digits).ok()?.checked_mul(power(scale.unsigned_abs())?);
    }
    if let (Ok(digits), Some(power)) = (i128::try_from(&digits), power(scale.unsigned_abs())) {
        return (digits % power == 0).then(|| digits / power);
    }
    let text = digits.to_string();
    let (whole, fraction) = text.split_at_checked(text.len().checked_sub(usize::try_from(scale).ok()?)?)?;
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok())?
}

/// A JSON text as a value, where that holds all of it, and the text itself where it would not: a number would be
/// rounded, a key of an object stands there twice, half a surrogate is no character, or more than 127 brackets stand in
/// each other.
///
/// # Errors
///
/// `Decode`, when the text is no JSON.
pub(crate) fn exact_json(text: &str) -> Result<Value> {
    if numbers(text).all(is_held)
        && let Ok(Unique(json)) = serde_json::from_str(text)
    {
        return Ok(Value::from(json));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map(|_| Value::from(text))
        .map_err(|error| Error::decode("the text is not JSON").with_source(error))
}

/// Whether an integer of 64 bits or a double is this number.
pub(super) fn is_held(number: &str) -> bool {
    /// So many digits fit every double whose exponent is not at its ends.
    const SAFE: usize = 15;
    if number.len() <= SAFE && !number.contains(['e', 'E']) {
        return true;
    }
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    number.parse::<f64>().is_ok_and(|float| survives(number, &format!("{float:e}")))
}

/// The numbers in a JSON text, without what stands in strings.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut place = 0;
    std::iter::from_fn(move || {
        while place < bytes.len() {
            match bytes[place] {
                b'"' => {
                    place += 1;
                    while place < bytes.len() && bytes[place] != b'"' {
                        place += if bytes[place] == b'\\' { 2 } else { 1 };
                    }
                    place += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let start = place;
                    let of_number =
                        |byte: &&u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                    place += bytes[start..].iter().take_while(of_number).count();
                    return text.get(start..place);
                }
                _ => place += 1,
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::FromValue;

    fn decimal(text: &str) -> BigDecimal {
        text.parse().unwrap()
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_decimal_is_a_float_where_their_digits_are_the_same() {
        assert_eq!(to_double(&decimal("0.10")), Some(0.1));
        assert_eq!(to_double(&decimal("-1e300")), Some(-1e300));
        assert_eq!(to_double(&decimal("0.0")), Some(0.0));
        assert_eq!(to_double(&decimal("9007199254740992")), Some(9_007_199_254_740_992.0));
        for lost in ["9007199254740993", "0.12345678901234567890", "1e400", "1e-400", "1e-1000000000"] {
            assert_eq!(to_double(&decimal(lost)), None, "{lost}");
        }
        assert_eq!(to_single(&decimal("0.1")), Some(0.1));
        assert_eq!(to_single(&decimal("16777217")), None);
    }

    #[test]
    fn a_decimal_is_an_integer_where_it_has_no_fraction() {
        assert_eq!(to_integer(&decimal("12.00")), Some(12));
        assert_eq!(to_integer(&decimal("-12e3")), Some(-12_000));
        assert_eq!(to_integer(&decimal("0e-1000000000")), Some(0));
        let long = format!("7.{}", "0".repeat(60));
        assert_eq!(to_integer(&decimal(&long)), Some(7));
        for none in ["12.5", "1e1000000000", "1e-1000000000", "0.5", "1e39"] {
            assert_eq!(to_integer(&decimal(none)), None, "{none}");
        }
    }

    #[test]
    fn json_stays_text_where_a_number_would_be_rounded() {
        let held = |text: &str| exact_json(text).unwrap().kind() == "json";
        assert!(held(r#"{"a": [1, -2.50, 1e3, 18446744073709551615, 0.30000000000000004, null]}"#));
        assert!(held(r#"{"a": "123456789012345678901234567890.5", "b\"1": "\\"}"#));
        assert!(held("9007199254740993"));
        for text in
            ["[0.1234567890123456789]", "123456789012345678901234567890", "[1e400]", r#"{"a": 1e-400}"#]
        {
            assert!(exact_json(text).unwrap() == Value::from(text), "{text}");
        }
    }

    /// As `make features` shows, in a build in which `serde_json` has `arbitrary_precision` too.
    #[test]
    fn json_is_the_same_whatever_another_crate_asks_of_its_reader() {
        let text = r#"{"a": 1.50, "b": [-0, 1e3, {"c": -2.5e-7}], "d": 18446744073709551615, "e": 1e20}"#;
        let json = serde_json::json!({
            "a": 1.5, "b": [-0.0, 1000.0, {"c": -2.5e-7}], "d": 18_446_744_073_709_551_615_u64, "e": 1e20
        });
        assert!(exact_json(text).unwrap() == Value::from(json));
        assert!(exact_json(" 0.5").unwrap() == Value::from(serde_json::json!(0.5)));
        // These are objects, and one of them would be taken for a number.
        let raw = r#"{"$serde_json::private::RawValue": "1.5"}"#;
        assert_eq!(exact_json(raw).unwrap().to_json().to_string(), raw.replace(' ', ""));
        for text in [
            r#"{"$serde_json::private::Number": "1.5"}"#,
            r#"[{"\u0024serde_json::private::Number": "1.\u0035"}]"#,
            r#"{"a": 1, "$serde_json::private::Number": 1.5}"#,
        ] {
            assert!(exact_json(text).unwrap() == Value::from(text), "{text}");
        }
    }

    #[test]
    fn json_stays_text_where_something_of_it_would_be_lost() {
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        for text in [r#"{"a": 1, "b": [{"k": 1, "k": 1}]}"#, r#"{"a": 1, "\u0061": 2}"#, r#""\ud800""#, &deep]
        {
            assert!(exact_json(text).unwrap() == Value::from(text), "{text}");
            let error = serde_json::Value::from_value(&Value::from(text)).unwrap_err();
            assert!(error.to_string().contains("read it as String"), "{error}");
        }
        let twins =
            exact_json(r#"{"a": {"k": 1.5, "K": -1}, "b": {"k": true, "": null}, "c": "\u00e9"}"#).unwrap();
        assert_eq!(twins.to_json().to_string(), r#"{"a":{"k":1.5,"K":-1},"b":{"k":true,"":null},"c":"é"}"#);
        for broken in ["", "{", "\"", "\"\\", "1 2", "[1,]", "-"] {
            assert!(exact_json(broken).is_err(), "{broken}");
        }
    }
}
