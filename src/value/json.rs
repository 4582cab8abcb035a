//! Values as JSON, and serde in both directions.

use bigdecimal::BigDecimal;
use chrono::{FixedOffset, Offset, SecondsFormat, Utc};
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
use serde::ser::{Serialize, Serializer};

use super::serialize::is_own;
use super::{FromValue, Value};
use crate::error::{Error, Result};

impl Value {
    /// The value as JSON.
    ///
    /// Every integer is a number, also beyond 2⁵³. Decimals, dates, times, intervals (ISO 8601) and UUIDs are strings,
    /// so that no reader rounds them. Bytes are a string of hexadecimal digits. A float that JSON cannot express is the
    /// string `NaN`, `inf` or `-inf`.
    ///
    /// ```
    /// use batchdb::Value;
    ///
    /// assert_eq!(Value::from(4_i64).to_json(), serde_json::json!(4));
    /// assert_eq!(Value::from(vec![1_i64, 2]).to_json(), serde_json::json!([1, 2]));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Int(number) => (*number).into(),
            Value::Float(number) => serde_json::Number::from_f64(*number)
                .map_or_else(|| number.to_string().into(), serde_json::Value::Number),
            Value::Json(json) => (**json).clone(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            other => other.spelling().unwrap_or_default().into(),
        }
    }

    /// The standard text of the kinds that have one and are not text already.
    pub(crate) fn spelling(&self) -> Option<String> {
        Some(match self {
            Value::Text(text) => text.to_string(),
            Value::Decimal(number) => decimal(number),
            Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Value::Date(date) => date.to_string(),
            Value::Time(time) => time.to_string(),
            Value::Timestamp(at) => at.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
            Value::TimestampTz(at) => {
                at.with_timezone(&whole_minutes(*at.offset())).to_rfc3339_opts(SecondsFormat::AutoSi, true)
            }
            Value::Interval(interval) => interval.to_string(),
            Value::Uuid(id) => id.to_string(),
            _ => return None,
        })
    }
}

/// An offset that a text can have. One with seconds in it becomes none, and the point in time is told in UTC.
pub(crate) fn whole_minutes(offset: FixedOffset) -> FixedOffset {
    if offset.local_minus_utc() % 60 == 0 { offset } else { Utc.fix() }
}

/// All digits of a decimal, and no more zeros than any database has places.
fn decimal(number: &BigDecimal) -> String {
    const PLACES: u64 = 200_000;
    if number.fractional_digit_count().unsigned_abs() <= PLACES {
        number.to_plain_string()
    } else {
        number.to_scientific_notation()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_own::<S>() {
            return self.to_own(serializer);
        }
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Json(json) => Plain(json).serialize(serializer),
            Value::List(items) => items.serialize(serializer),
            other => other.to_json().serialize(serializer),
        }
    }
}

impl Value {
    /// To our own serializer, which knows the types that serde does not: a value in a record stays what it is.
    fn to_own<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "Value";
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Decimal(number) => serializer.serialize_newtype_struct(NAME, &**number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::Date(date) => serializer.serialize_newtype_struct(NAME, date),
            Value::Time(time) => serializer.serialize_newtype_struct(NAME, time),
            Value::Timestamp(at) => serializer.serialize_newtype_struct(NAME, at),
            Value::TimestampTz(at) => serializer.serialize_newtype_struct(NAME, at),
            Value::Interval(interval) => serializer.serialize_newtype_struct(NAME, interval),
            Value::Uuid(id) => serializer.serialize_newtype_struct(NAME, id),
            Value::Json(json) => serializer.serialize_newtype_struct(NAME, &**json),
            Value::List(items) => items.serialize(serializer),
        }
    }
}

/// JSON for any serializer. Where a crate of the build has turned on the feature `arbitrary_precision` of `serde_json`, that
/// gives its numbers as structs, whose name no other serializer knows.
struct Plain<'a>(&'a serde_json::Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            serde_json::Value::Number(number) => {
                if let Some(whole) = number.as_i64() {
                    return serializer.serialize_i64(whole);
                }
                if let Some(whole) = number.as_u64() {
                    return serializer.serialize_u64(whole);
                }
                match number.as_f64() {
                    Some(float) if serde_json::Number::from_f64(float).as_ref() == Some(number) => {
                        serializer.serialize_f64(float)
                    }
                    // It has more digits than a float, or spells them in a way of its own.
                    _ => number.serialize(serializer),
                }
            }
            serde_json::Value::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            serde_json::Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, Plain(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

impl de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        // serde's own messages quote the value that did not fit, and a value must not reach a log line.
        let text = message.to_string();
        let shape = text.split_once(" `").or_else(|| text.split_once(" \"")).map(|(head, _)| head.to_owned());
        match text.split_once(", expected ") {
            Some(("invalid type: unit value", expected)) => {
                Error::decode(format!("NULL found where {expected} was expected"))
                    .with_hint("read it as an Option")
            }
            Some((head, expected)) => {
                // What is told of these quotes nothing.
                let kind = match head {
                    "invalid type: map" => "fields with names",
                    "invalid type: sequence" => "a list",
                    _ => "another value",
                };
                let found = shape.unwrap_or_else(|| kind.to_owned());
                Error::decode(format!("{found} found where {expected} was expected"))
            }
            None if ["missing field `", "duplicate field `"].iter().any(|head| text.starts_with(head)) => {
                Error::decode(text)
            }
            // A type's own words may quote what it was given.
            None => Error::decode("the type that is read refuses a value")
                .with_source(std::io::Error::other(text)),
        }
    }
}

/// A value as a source for serde. Numbers are checked by [`FromValue`] before a visitor sees them.
pub(crate) struct ValueDeserializer<'a>(pub(crate) &'a Value);

macro_rules! checked_numbers {
    ($($method:ident => $visit:ident: $number:ty),+ $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(<$number>::from_value(self.0)?)
        }
    )+ };
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::Bytes(bytes) => visitor.visit_bytes(bytes),
            Value::Json(json) => {
                (**json).clone().into_deserializer().deserialize_any(visitor).map_err(Error::from_serde_json)
            }
            Value::List(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.iter().map(ValueDeserializer)))
            }
            other => visitor.visit_string(other.spelling().unwrap_or_default()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            Value::Text(text) => {
                let source: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
                source.deserialize_enum(name, variants, visitor)
            }
            Value::Json(json) => (**json)
                .clone()
                .into_deserializer()
                .deserialize_enum(name, variants, visitor)
                .map_err(Error::from_serde_json),
            other => Err(Error::decode(format!("a value of type {} cannot be read as {name}", other.kind()))),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_byte_buf(Vec::<u8>::from_value(self.0)?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_byte_buf(Vec::<u8>::from_value(self.0)?)
    }

    /// Text that holds JSON may be read as a struct or a map: SQLite has no JSON type.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let json = serde_json::Value::from_value(self.0)?;
        json.into_deserializer().deserialize_struct(name, fields, visitor).map_err(Error::from_serde_json)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let json = serde_json::Value::from_value(self.0)?;
        json.into_deserializer().deserialize_map(visitor).map_err(Error::from_serde_json)
    }

    checked_numbers! {
        deserialize_bool => visit_bool: bool,
        deserialize_i8 => visit_i8: i8,
        deserialize_i16 => visit_i16: i16,
        deserialize_i32 => visit_i32: i32,
        deserialize_i64 => visit_i64: i64,
        deserialize_i128 => visit_i128: i128,
        deserialize_u8 => visit_u8: u8,
        deserialize_u16 => visit_u16: u16,
        deserialize_u32 => visit_u32: u32,
        deserialize_u64 => visit_u64: u64,
        deserialize_u128 => visit_u128: u128,
        deserialize_f32 => visit_f32: f32,
        deserialize_f64 => visit_f64: f64,
    }

    serde::forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for ValueDeserializer<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Error {
    fn from_serde_json(error: serde_json::Error) -> Error {
        Error::decode("the JSON does not have the shape that was asked for").with_source(error)
    }
}

/// Reads a struct or a map from names and values; an error says which column it is about.
pub(crate) fn from_pairs<'a, T: DeserializeOwned>(
    pairs: impl Iterator<Item = (&'a str, &'a Value)>,
) -> Result<T> {
    T::deserialize(Pairs { pairs, next: None })
}

/// Names and values as a source for serde.
struct Pairs<'a, I> {
    pairs: I,
    /// The pair whose name was read and whose value was not.
    next: Option<(&'a str, &'a Value)>,
}

impl<'a, 'de, I: Iterator<Item = (&'a str, &'a Value)>> MapAccess<'de> for Pairs<'a, I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.next = self.pairs.next();
        let Some((name, _)) = self.next else { return Ok(None) };
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let (name, value) =
            self.next.take().ok_or_else(|| Error::decode("a value was asked for before its name"))?;
        seed.deserialize(ValueDeserializer(value))
            .map_err(|error| error.at(format_args!("column \"{name}\"")))
    }
}

impl<'a, 'de, I: Iterator<Item = (&'a str, &'a Value)>> Deserializer<'de> for Pairs<'a, I> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Survey {
        id: u32,
        score: Option<BigDecimal>,
        note: String,
    }

    fn read(id: Value, score: Value) -> Result<Survey> {
        from_pairs([("id", &id), ("score", &score), ("note", &Value::from("x"))].into_iter())
    }

    #[test]
    fn structs_are_read_exactly() {
        let survey = read(Value::Int(7), Value::from("4.20".parse::<BigDecimal>().unwrap())).unwrap();
        assert_eq!(survey, Survey { id: 7, score: Some("4.20".parse().unwrap()), note: "x".into() });
        assert_eq!(read(Value::Int(7), Value::Null).unwrap().score, None);
        let error = read(Value::Int(-7), Value::Null).unwrap_err().to_string();
        assert!(error.contains("column \"id\"") && error.contains("u32"), "{error}");
        assert!(read(Value::Null, Value::Null).is_err());
    }

    #[test]
    fn messages_of_serde_lose_the_value() {
        let error = read(Value::from("hunter2"), Value::Null).unwrap_err();
        assert!(!error.report().contains("hunter2"), "{}", error.report());
        let error = bool::deserialize(ValueDeserializer(&Value::from("hunter2"))).unwrap_err();
        assert!(!error.report().contains("hunter2"), "{}", error.report());
        let error = Vec::<i64>::deserialize(ValueDeserializer(&Value::from("hunter2"))).unwrap_err();
        assert!(!error.report().contains("hunter2"), "{}", error.report());
    }

    /// As `make features` shows, in a build in which `serde_json` has `arbitrary_precision` too.
    #[test]
    fn json_in_a_row_has_numbers_for_any_serializer() {
        /// serde's own serializer to a text knows numbers, and no structs.
        struct Shown(serde_json::Value);

        impl std::fmt::Display for Shown {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Value::from(self.0.clone()).serialize(f)
            }
        }

        assert_eq!(Shown(serde_json::json!(1.5)).to_string(), "1.5");
        assert_eq!(Shown(serde_json::json!(-7)).to_string(), "-7");
        let json = serde_json::json!({"a": [1.5, -0.0, -7, u64::MAX], "b": null});
        let text = serde_json::to_string(&Value::from(json.clone())).unwrap();
        assert_eq!(text, r#"{"a":[1.5,-0.0,-7,18446744073709551615],"b":null}"#);
        assert_eq!(serde_json::to_value(Value::from(json.clone())).unwrap(), json);
    }

    #[test]
    fn json_keeps_digits() {
        let digits = "123456789012345678901234567890.123456789";
        assert_eq!(Value::from(digits.parse::<BigDecimal>().unwrap()).to_json(), digits);
        assert_eq!(Value::Float(f64::INFINITY).to_json(), "inf");
        assert_eq!(Value::Int(i64::MAX).to_json(), serde_json::json!(i64::MAX));
        assert_eq!(Value::Decimal(Box::new("1e1000000000".parse().unwrap())).to_json(), "1e1000000000");
        let odd = FixedOffset::east_opt(30).unwrap();
        let at =
            chrono::DateTime::parse_from_rfc3339("2026-01-05T08:00:37+00:00").unwrap().with_timezone(&odd);
        assert_eq!(Value::TimestampTz(at).to_json(), "2026-01-05T08:00:37Z");
    }
}
