//! The text form that the server's input functions read.

use postgres::types::{Kind, Type};

use super::refuse::whole;
use super::{base, is_integer, is_json};
use crate::backend::postgres::spelling;
use crate::error::Result;
use crate::value::{Value, to_integer};

/// The text of a value for a parameter of this type (not a domain).
pub(super) fn of(value: &Value, ty: &Type) -> Result<String> {
    Ok(match value {
        Value::List(_) if is_json(ty) => value.to_json().to_string(),
        Value::List(items) => {
            let element = if let Kind::Array(element) = ty.kind() { base(element) } else { ty };
            // An empty list must not be taken for an empty object of JSON, which has no form feed before it.
            if items.is_empty() && *ty == Type::UNKNOWN {
                "\x0c{}".to_owned()
            } else {
                array(items, element)?
            }
        }
        // These input functions read only digits, not the `.00` or the exponent of a whole number.
        Value::Decimal(number) if is_integer(ty) => {
            to_integer(number).map_or_else(|| spelling::of(value), |whole| whole.to_string())
        }
        Value::Float(number) if is_integer(ty) => {
            whole(*number).map_or_else(|| spelling::of(value), |whole| whole.to_string())
        }
        // The float of 4 bytes that the binary form would be: the digits of the longer one may be nearer to another.
        #[allow(clippy::cast_possible_truncation, reason = "a column of type real keeps fewer digits")]
        Value::Float(number) if *ty == Type::FLOAT4 => spelling::single(*number as f32),
        // A value that the server parses as a keyword is sent as that keyword.
        Value::Bool(flag) => flag.to_string(),
        other => spelling::of(other),
    })
}

/// An array literal: `{1,NULL,"a \"b\""}`. Elements are always quoted, which every element type reads.
fn array(items: &[Value], element: &Type) -> Result<String> {
    let mut literal = String::from("{");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            literal.push(',');
        }
        match item {
            Value::Null => literal.push_str("NULL"),
            Value::List(inner) => literal.push_str(&array(inner, element)?),
            other => {
                literal.push('"');
                for character in of(other, element)?.chars() {
                    if matches!(character, '"' | '\\') {
                        literal.push('\\');
                    }
                    literal.push(character);
                }
                literal.push('"');
            }
        }
    }
    literal.push('}');
    Ok(literal)
}
