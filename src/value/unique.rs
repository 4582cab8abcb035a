//! JSON in which no object has a key twice. The standard allows it, and `json` columns keep it; a map of Rust would keep
//! the last one and drop the others without a word.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Where any crate of the build has turned on the feature `arbitrary_precision` of `serde_json`, a number that is no
/// integer of 64 bits comes as a map, of which this is the key and the value its text.
const NUMBER: &str = "$serde_json::private::Number";

/// A JSON value that is read from a text as it stands there, or not at all.
pub(super) struct Unique(pub(super) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(Reader).map(Unique)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON whose objects have each key once")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number of JSON is finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == NUMBER {
                let Digits(text) = entries.next_value()?;
                return self.visit_f64(text.parse().map_err(A::Error::custom)?);
            }
            let Unique(value) = entries.next_value()?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("an object has a key twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// The text of such a number. It comes as a `String`; what an object of the text itself has under that key comes as a
/// `str`, and is refused: the object stays its text.
struct Digits(String);

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digits, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Digits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text of a number")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Digits, E> {
                Err(E::custom("an object has a key that stands for a number"))
            }

            fn visit_string<E>(self, text: String) -> Result<Digits, E> {
                Ok(Digits(text))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}
