//! Reads a few named fields of any serializable item as text, without building the rest of it.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;
use serde::ser::{Impossible, SerializeMap, SerializeStruct, SerializeStructVariant, Serializer};

/// The most characters of a field that are taken: names are for people and log lines.
const LONGEST: usize = 80;

/// The texts of the wanted fields that an item has.
#[derive(Debug)]
pub(super) struct Found<'a> {
    wanted: &'a [Box<str>],
    texts: Vec<Option<String>>,
}

impl<'a> Found<'a> {
    pub(super) fn read(wanted: &'a [Box<str>], item: &impl Serialize) -> Found<'a> {
        let mut found = Found { wanted, texts: vec![None; wanted.len()] };
        if !wanted.is_empty() {
            // An item that cannot be serialized has the fields that were read until then.
            let _ = item.serialize(Reader::Fields(&mut found));
        }
        found
    }

    pub(super) fn text(&self, place: usize) -> Option<&str> {
        self.texts.get(place)?.as_deref()
    }

    fn offer(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        let Some(place) = self.wanted.iter().position(|wanted| **wanted == *name) else { return };
        let mut text = String::new();
        if value.serialize(Reader::Text(&mut text)).is_ok() {
            if let Some((end, _)) = text.char_indices().nth(LONGEST) {
                text.truncate(end);
            }
            self.texts[place] = Some(text);
        }
    }
}

/// Goes through an item: either for its fields or, one level down, for the text of a field.
enum Reader<'r, 'a> {
    Fields(&'r mut Found<'a>),
    Text(&'r mut String),
}

type Unread = Impossible<(), fmt::Error>;

impl<'r, 'a> Reader<'r, 'a> {
    fn scalar(self, value: impl Display) -> fmt::Result {
        match self {
            Reader::Fields(_) => Err(fmt::Error),
            Reader::Text(text) => write!(text, "{value}"),
        }
    }

    fn fields(self) -> Result<Fields<'r, 'a>, fmt::Error> {
        match self {
            Reader::Fields(found) => Ok(Fields { found, key: String::new() }),
            Reader::Text(_) => Err(fmt::Error),
        }
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty),+ $(,)?) => { $(
        fn $method(self, value: $type) -> fmt::Result {
            self.scalar(value)
        }
    )+ };
}

impl<'r, 'a> Serializer for Reader<'r, 'a> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Unread;
    type SerializeTuple = Unread;
    type SerializeTupleStruct = Unread;
    type SerializeTupleVariant = Unread;
    type SerializeMap = Fields<'r, 'a>;
    type SerializeStruct = Fields<'r, 'a>;
    type SerializeStructVariant = Fields<'r, 'a>;

    scalars! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
    }

    fn serialize_bytes(self, _: &[u8]) -> fmt::Result {
        Err(fmt::Error)
    }

    fn serialize_none(self) -> fmt::Result {
        Err(fmt::Error)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> fmt::Result {
        Err(fmt::Error)
    }

    fn serialize_unit_struct(self, _: &'static str) -> fmt::Result {
        Err(fmt::Error)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> fmt::Result {
        self.scalar(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Unread, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple(self, _: usize) -> Result<Unread, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Unread, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Unread, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'r, 'a>, fmt::Error> {
        self.fields()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'r, 'a>, fmt::Error> {
        self.fields()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Fields<'r, 'a>, fmt::Error> {
        self.fields()
    }
}

/// The fields of the item, of which the wanted ones are kept.
struct Fields<'r, 'a> {
    found: &'r mut Found<'a>,
    /// The key of the map's next value, in one buffer for all of them.
    key: String,
}

impl SerializeMap for Fields<'_, '_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> fmt::Result {
        self.key.clear();
        key.serialize(Reader::Text(&mut self.key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
        self.found.offer(&self.key, value);
        Ok(())
    }

    fn end(self) -> fmt::Result {
        Ok(())
    }
}

impl SerializeStruct for Fields<'_, '_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> fmt::Result {
        self.found.offer(name, value);
        Ok(())
    }

    fn end(self) -> fmt::Result {
        Ok(())
    }
}

impl SerializeStructVariant for Fields<'_, '_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> fmt::Result {
        SerializeStruct::serialize_field(self, name, value)
    }

    fn end(self) -> fmt::Result {
        Ok(())
    }
}
