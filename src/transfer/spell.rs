//! Values as the text of a file.

use std::fmt::Write;

use crate::value::{Value, calendar, float_text};

/// The text of a value for CSV; `None` for NULL. What is not text already is written to `scratch`, so that a file of
/// numbers does not ask for memory for each.
///
/// It is what the server takes back: `true` and `false`; numbers with all their digits; dates and times by ISO 8601,
/// and where the year has not four digits as databases have it, `0044-03-15 BC` and `10000-01-01`; bytes as `\x` and hexadecimal digits, which is PostgreSQL's own form; JSON as it is; a list as an array literal of
/// PostgreSQL.
pub(super) fn text<'v>(value: &'v Value, scratch: &'v mut String) -> Option<&'v str> {
    scratch.clear();
    match value {
        Value::Null => return None,
        Value::Text(text) => return Some(text),
        Value::Bool(flag) => append(scratch, flag),
        Value::Int(number) => append(scratch, number),
        Value::Float(number) => scratch.push_str(&float_text(*number)),
        Value::Bytes(bytes) => hex(bytes, scratch),
        Value::Json(json) => append(scratch, json),
        Value::List(items) => array(items, scratch),
        other => {
            let text = calendar::far(other).or_else(|| other.spelling());
            scratch.push_str(&text.unwrap_or_default());
        }
    }
    Some(scratch)
}

fn append(out: &mut String, what: &impl std::fmt::Display) {
    // Writing to a text cannot fail.
    let _ = write!(out, "{what}");
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len() * 2 + 2);
    out.push_str("\\x");
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// Bytes from their text.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}

fn array(items: &[Value], out: &mut String) {
    out.push('{');
    let mut scratch = String::new();
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        match item {
            Value::List(items) => array(items, out),
            item => match text(item, &mut scratch) {
                None => out.push_str("NULL"),
                Some(text) => element(text, out),
            },
        }
    }
    out.push('}');
}

/// An element in quotes where it would be read as something else without them.
fn element(text: &str, out: &mut String) {
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("NULL")
        && !text.contains(|c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace());
    if plain {
        return out.push_str(text);
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: impl Into<Value>, wanted: &str) {
        assert_eq!(text(&value.into(), &mut String::from("before")), Some(wanted));
    }

    #[test]
    fn every_digit_is_kept_and_nothing_is_written_with_an_exponent_that_was_none() {
        check(i64::MIN, "-9223372036854775808");
        check(
            "123456789012345678901234567890.000001".parse::<bigdecimal::BigDecimal>().unwrap(),
            "123456789012345678901234567890.000001",
        );
        check(0.1, "0.1");
        check(-1.5e300, "-1.5e300");
        check(5e-324, "5e-324");
        check(f64::MAX, "1.7976931348623157e308");
        check(0.0, "0");
        check(f64::NEG_INFINITY, "-Infinity");
        check(f64::NAN, "NaN");
        assert_eq!(text(&Value::Null, &mut String::new()), None);
    }

    #[test]
    fn bytes_and_lists_read_as_postgresql_prints_them() {
        check(vec![0_u8, 171, 255], "\\x00abff");
        assert_eq!(bytes("\\x00abff").unwrap(), [0, 171, 255]);
        assert_eq!(bytes("00ABff").unwrap(), [0, 171, 255]);
        assert_eq!(bytes("\\x").unwrap(), [0_u8; 0]);
        assert!(bytes("\\x0").is_none() && bytes("zz").is_none() && bytes("\\xé").is_none());
        check(vec![1_i64, 2], "{1,2}");
        let odd = ["a b", "", "null", "x,y", "q\"\\", "plain"].map(Value::from).to_vec();
        check(odd, r#"{"a b","","null","x,y","q\"\\",plain}"#);
        check(
            vec![Value::from(vec![Value::Null, Value::Bool(true)]), Value::from(Vec::<Value>::new())],
            "{{NULL,true},{}}",
        );
    }
}
