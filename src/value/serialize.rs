//! Anything that serde can serialize, as values: what a record's fields are as parameters.
//!
//! Not by way of JSON, which has neither `NaN` nor bytes: a field that is `NaN` would become NULL without a word. A field
//! whose type is known by its name is the value that it would be without serde.

use std::any::type_name;
use std::collections::HashSet;

use bigdecimal::BigDecimal;
use serde::ser::{self, Serialize, Serializer};

use super::exact::is_held;
use super::{Value, exact_json, known};
use crate::error::{Error, Result};

/// The fields of a struct or a map, or `None` where the thing is neither.
///
/// # Errors
///
/// `Params`, when it will not be serialized, has keys that are no names, or one twice.
pub(crate) fn to_fields(thing: &impl Serialize) -> Result<Option<Vec<(String, Value)>>> {
    match thing.serialize(ToValue { is_record: true })? {
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
struct ToValue {
    /// It is given the record itself, and not a part of it.
    is_record: bool,
}

/// Whether this is the serializer here.
pub(super) fn is_own<S>() -> bool {
    type_name::<S>() == type_name::<ToValue>()
}

/// A part of a record.
fn part<T: Serialize + ?Sized>(part: &T) -> Result<Node> {
    let name = known::bare::<T>();
    if known::is_json(name) {
        return json(part).map(Value::from).and_then(node);
    }
    Ok(match part.serialize(ToValue { is_record: false })? {
        Node::Value(Value::Text(text)) => Node::Value(known::read(name, &text).unwrap_or(Value::Text(text))),
        other => other,
    })
}

/// What is JSON already, as it is.
fn json<T: Serialize + ?Sized>(json: &T) -> Result<serde_json::Value> {
    serde_json::to_value(json).map_err(ser::Error::custom)
}

/// A value of a JSON object that is a record itself: the SQL value of its kind. It is as it came from serde, whose numbers
/// are the same whatever form `serde_json` keeps them in.
fn of_json(json: serde_json::Value) -> Result<Value> {
    Ok(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => flag.into(),
        serde_json::Value::Number(digits) => number(&digits.to_string())?,
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(items) => {
            Value::List(items.into_iter().map(of_json).collect::<Result<_>>()?)
        }
        object @ serde_json::Value::Object(_) => object.into(),
    })
}

/// The number of a JSON text: a float where that holds it, and else a decimal.
fn number(digits: &str) -> Result<Value> {
    if let (Ok(whole), false) = (digits.parse::<i64>(), digits == "-0") {
        return Ok(whole.into());
    }
    if let Ok(whole) = digits.parse::<u64>() {
        return Ok(whole.into());
    }
    match digits.parse::<f64>() {
        Ok(float) if is_held(digits) => Ok(float.into()),
        _ => digits.parse::<BigDecimal>().map(Value::from).map_err(ser::Error::custom),
    }
}

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
        if self.is_record { value.serialize(self) } else { part(value) }
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
        self.serialize_some(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Node> {
        Ok(variant(name, part(value)?.into()))
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
        Ok(Fields { is_map_record: self.is_record, ..Fields::default() })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields> {
        // By such names serde_json tells its own serializer that a text is JSON: `RawValue`, and numbers where a crate
        // of the build has turned on `arbitrary_precision`.
        let text_of = match name {
            "$serde_json::private::Number" => Some(TextOf::Number),
            name if name.starts_with("$serde_json::private::") => Some(TextOf::Json),
            _ => None,
        };
        Ok(Fields { text_of, ..Fields::default() })
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
        self.items.push(part(item)?.into());
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
    /// What the text is that is the one field, where it stands for something else.
    text_of: Option<TextOf>,
    /// They are the entries of a map, which is the record.
    is_map_record: bool,
    fields: Vec<(String, Value)>,
    /// The key that was read and whose value was not.
    key: Option<String>,
}

#[derive(Clone, Copy)]
enum TextOf {
    Json,
    Number,
}

impl Fields {
    fn add(&mut self, name: String, value: Result<Value>) -> Result<()> {
        let value = value.map_err(|error| error.at(format_args!("field `{name}`")))?;
        self.fields.push((name, value));
        Ok(())
    }

    /// An entry of a map. JSON in a record that is a map is what its kind is in SQL: such a record is often an object
    /// that was read from a file, in which nothing else tells a text from a document.
    fn entry<T: Serialize + ?Sized>(&self, value: &T) -> Result<Value> {
        if self.is_map_record && known::is_json(known::optional(known::bare::<T>())) {
            return json(value).and_then(of_json);
        }
        part(value).map(Value::from)
    }

    fn node(mut self) -> Result<Node> {
        if let Some(text_of) = self.text_of {
            return match (self.fields.pop(), text_of) {
                (Some((_, Value::Text(text))), TextOf::Json) => exact_json(&text).map(Node::Value),
                (Some((_, Value::Text(text))), TextOf::Number) => number(&text).map(Node::Value),
                _ => Err(ser::Error::custom("JSON that is no text")),
            };
        }
        if let Some(name) = repeated(&self.fields) {
            return Err(Error::params(format!("a record has the field `{name}` twice")).with_hint(
                "a flattened map or struct has a name that the record has too; leave one of them out",
            ));
        }
        let fields = Node::Map(self.fields);
        Ok(match self.variant {
            Some(name) => variant(name, fields.into()),
            None => fields,
        })
    }
}

/// The first name that was there before.
fn repeated(fields: &[(String, Value)]) -> Option<&str> {
    /// So few are compared sooner than hashed.
    const FEW: usize = 16;
    let names = || fields.iter().map(|(name, _)| name.as_str());
    if fields.len() <= FEW {
        return names()
            .enumerate()
            .find(|(place, name)| names().take(*place).any(|other| other == *name))
            .map(|(_, name)| name);
    }
    let mut seen = HashSet::with_capacity(fields.len());
    names().find(|name| !seen.insert(*name))
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
                self.add(name.to_owned(), part(value).map(Value::from))
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
        self.key = Some(name(key.serialize(ToValue { is_record: false })?.into())?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take().ok_or_else(|| Error::params("a record has a value before its key"))?;
        let value = self.entry(value);
        self.add(key, value)
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<()> {
        // A struct in which something is flattened comes as a map. But its own names are `str`s, which the keys of no map
        // are: those have a size.
        let is_field = type_name::<K>() == type_name::<str>();
        let value = if is_field { part(value).map(Value::from) } else { self.entry(value) };
        self.add(name(key.serialize(ToValue { is_record: false })?.into())?, value)
    }

    fn end(self) -> Result<Node> {
        self.node()
    }
}

#[cfg(test)]
mod tests;
