//! Anything that serde can serialize, as values: what a record's fields are as parameters.
//!
//! Not by way of JSON, which has neither `NaN` nor bytes: a field that is `NaN` would become NULL without a word.

use bigdecimal::BigDecimal;
use serde::ser::{self, Serialize, Serializer};

use super::{Value, exact_json};
use crate::error::{Error, Result};

/// The fields of a struct or a map, or `None` where the thing is neither.
///
/// # Errors
///
/// `Params`, when it will not be serialized, or has keys that are no names.
pub(crate) fn to_fields(thing: &impl Serialize) -> Result<Option<Vec<(String, Value)>>> {
    match thing.serialize(ToValue)? {
        Node::Map(fields) => Ok(Some(fields)),
        Node::Value(_) => Ok(None),
    }
}

/// What became of a part: a value, or fields, which are JSON within a value.
pub(crate) enum Node {
    Value(Value),
    Map(Vec<(String, Value)>),
}

impl From<Node> for Value {
    fn from(node: Node) -> Value {
        match node {
            Node::Value(value) => value,
            Node::Map(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, value.to_json()));
                Value::from(serde_json::Value::Object(fields.collect()))
            }
        }
    }
}

impl ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        // The words are somebody else's and may quote a value: they are for the report.
        Error::params("the record cannot be turned into named parameters")
            .with_source(std::io::Error::other(message.to_string()))
    }
}

/// The serializer.
struct ToValue;

fn node(value: impl Into<Value>) -> Result<Node> {
    Ok(Node::Value(value.into()))
}

/// `{"variant": content}`, as JSON has it.
fn variant(name: &'static str, content: Value) -> Node {
    Node::Map(vec![(name.to_owned(), content)])
}

macro_rules! plain {
    ($($method:ident: $source:ty),+ $(,)?) => { $(
        fn $method(self, value: $source) -> Result<Node> {
            node(value)
        }
    )+ };
}

impl Serializer for ToValue {
    type Ok = Node;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_u8(self, value: u8) -> Result<Node> {
        node(u16::from(value))
    }

    fn serialize_i128(self, value: i128) -> Result<Node> {
        node(i64::try_from(value).map_or_else(|_| Value::from(BigDecimal::from(value)), Value::Int))
    }

    fn serialize_u128(self, value: u128) -> Result<Node> {
        node(i64::try_from(value).map_or_else(|_| Value::from(BigDecimal::from(value)), Value::Int))
    }

    fn serialize_char(self, value: char) -> Result<Node> {
        node(value.to_string())
    }

    fn serialize_none(self) -> Result<Node> {
        node(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Node> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Node> {
        node(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Node> {
        node(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Node> {
        node(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Node> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Node> {
        Ok(variant(name, value.serialize(self)?.into()))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items> {
        // A length that somebody claims is a hint.
        Ok(Items { variant: None, items: Vec::with_capacity(length.unwrap_or(0).min(1024)) })
    }

    fn serialize_tuple(self, length: usize) -> Result<Items> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Items> {
        Ok(Items { variant: Some(name), items: Vec::new() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields> {
        Ok(Fields::default())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields> {
        // By such a name serde_json tells its own serializer that a text is JSON: `RawValue`, and long numbers.
        Ok(Fields { is_json: name.starts_with("$serde_json::private::"), ..Fields::default() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Fields> {
        Ok(Fields { variant: Some(name), ..Fields::default() })
    }
}

/// The items of a list.
struct Items {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl Items {
    fn add<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
        self.items.push(item.serialize(ToValue)?.into());
        Ok(())
    }

    fn node(self) -> Node {
        let list = Value::from(self.items);
        match self.variant {
            Some(name) => variant(name, list),
            None => Node::Value(list),
        }
    }
}

/// The fields of a struct or a map.
#[derive(Default)]
struct Fields {
    variant: Option<&'static str>,
    /// The one field is the text of a JSON value.
    is_json: bool,
    fields: Vec<(String, Value)>,
    /// The key that was read and whose value was not.
    key: Option<String>,
}

impl Fields {
    fn add<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<()> {
        let value = value.serialize(ToValue).map_err(|error| error.at(format_args!("field `{name}`")))?;
        self.fields.push((name, value.into()));
        Ok(())
    }

    fn node(mut self) -> Result<Node> {
        if self.is_json {
            return match self.fields.pop() {
                Some((_, Value::Text(text))) => exact_json(&text).map(Node::Value),
                _ => Err(ser::Error::custom("JSON that is no text")),
            };
        }
        let fields = Node::Map(self.fields);
        Ok(match self.variant {
            Some(name) => variant(name, fields.into()),
            None => fields,
        })
    }
}

/// A key as a name, where JSON would take it as one.
fn name(key: Value) -> Result<String> {
    match key {
        Value::Text(text) => Ok(text.into()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Decimal(number) => Ok(number.to_plain_string()),
        _ => Err(Error::params("a record has a key that is neither text nor a number")),
    }
}

macro_rules! items {
    ($($group:ident: $method:ident),+ $(,)?) => { $(
        impl ser::$group for Items {
            type Ok = Node;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
                self.add(item)
            }

            fn end(self) -> Result<Node> {
                Ok(self.node())
            }
        }
    )+ };
}

items! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

macro_rules! fields {
    ($($group:ident),+ $(,)?) => { $(
        impl ser::$group for Fields {
            type Ok = Node;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.add(name.to_owned(), value)
            }

            fn end(self) -> Result<Node> {
                self.node()
            }
        }
    )+ };
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields {
    type Ok = Node;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(name(key.serialize(ToValue)?.into())?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take().ok_or_else(|| Error::params("a record has a value before its key"))?;
        self.add(key, value)
    }

    fn end(self) -> Result<Node> {
        self.node()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    enum Choice {
        Plain,
        One(i32),
        Two(i32, i32),
        Named { a: Option<i32> },
    }

    #[derive(Serialize)]
    struct Inner {
        a: u8,
        b: f64,
    }

    #[derive(Serialize)]
    struct Record<'a> {
        nan: f64,
        single: f32,
        large: u128,
        missing: Option<i32>,
        letter: char,
        list: Vec<Option<i64>>,
        inner: Inner,
        map: BTreeMap<i32, &'a str>,
        choices: [Choice; 4],
        raw: &'a serde_json::value::RawValue,
    }

    #[test]
    fn every_field_is_the_value_that_it_was() {
        let raw = serde_json::from_str("{\"a\": [1]}").unwrap();
        let record = Record {
            nan: f64::NAN,
            single: 0.1,
            large: u128::MAX,
            missing: None,
            letter: 'é',
            list: vec![Some(1), None],
            inner: Inner { a: 1, b: f64::INFINITY },
            map: BTreeMap::from([(1, "one")]),
            choices: [Choice::Plain, Choice::One(1), Choice::Two(1, 2), Choice::Named { a: None }],
            raw,
        };
        let fields = to_fields(&record).unwrap().unwrap();
        let field = |name: &str| &fields.iter().find(|(known, _)| known == name).unwrap().1;
        assert!(matches!(field("nan"), Value::Float(number) if number.is_nan()));
        assert!(*field("single") == Value::Float(f64::from(0.1_f32)));
        assert!(*field("large") == Value::from(BigDecimal::from(u128::MAX)));
        assert!(field("missing").is_null());
        assert!(*field("letter") == Value::from("é"));
        assert!(*field("list") == Value::from(vec![Some(1_i64), None]));
        assert!(*field("inner") == Value::from(serde_json::json!({"a": 1, "b": "inf"})));
        assert!(*field("map") == Value::from(serde_json::json!({"1": "one"})));
        assert!(*field("raw") == Value::from(serde_json::json!({"a": [1]})));
        let choices = serde_json::json!(["Plain", {"One": 1}, {"Two": [1, 2]}, {"Named": {"a": null}}]);
        assert_eq!(field("choices").to_json(), choices);
    }

    #[test]
    fn what_has_no_names_is_no_record_and_errors_show_no_value() {
        assert!(to_fields(&7).unwrap().is_none());
        assert!(to_fields(&[1, 2]).unwrap().is_none());
        assert!(to_fields(&BTreeMap::from([(vec![1], 2)])).is_err());
        let error: Error = ser::Error::custom("hunter2");
        assert!(!error.to_string().contains("hunter2"));
    }
}
