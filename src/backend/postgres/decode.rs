//! Decodes values from PostgreSQL: the binary form of every known type, exactly.
//!
//! A value that no Rust type can hold (infinite dates, ranges, addresses, …) becomes the text that the server would
//! print, which its input function can read again.

mod nested;
mod network;
mod number;
mod time;

use std::error::Error as StdError;
use std::sync::Arc;

use postgres::types::{FromSql, Kind, Type};
use uuid::Uuid;

use super::spelling;
use crate::error::{Error, Result};
use crate::value::{Value, exact_json};

/// How the values of one column are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decoder {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    /// An unsigned number of 64 bits.
    Xid8,
    Float4,
    Float8,
    Numeric,
    Text,
    Char,
    Bytes,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    /// A text after a version number.
    JsonPath,
    Network,
    MacAddress,
    Bits,
    Lsn,
    Tid,
    Void,
    Array(Box<Decoder>),
    /// `int2vector` and `oidvector`: arrays with a different text form.
    Vector(Box<Decoder>),
    Range(Box<Decoder>),
    Multirange(Box<Decoder>),
    /// The types of its fields with their numbers, as the driver looked them up.
    Composite(Arc<[(u32, Decoder)]>),
    /// A row without a named type: the value itself says which types its fields have.
    Record,
}

impl Decoder {
    /// The decoder for a type.
    ///
    /// # Errors
    ///
    /// `Decode` for a type whose binary form is not known: a text made of it would be garbage.
    pub(super) fn of(ty: &Type) -> Result<Decoder> {
        Ok(match *ty {
            Type::BOOL => Decoder::Bool,
            Type::INT2 => Decoder::Int2,
            Type::INT4 => Decoder::Int4,
            Type::INT8 => Decoder::Int8,
            Type::OID | Type::XID | Type::CID => Decoder::Oid,
            Type::REGCLASS | Type::REGTYPE | Type::REGPROC | Type::REGPROCEDURE | Type::REGOPER => {
                Decoder::Oid
            }
            Type::REGOPERATOR | Type::REGNAMESPACE | Type::REGROLE | Type::REGCOLLATION => Decoder::Oid,
            Type::REGCONFIG | Type::REGDICTIONARY => Decoder::Oid,
            Type::XID8 => Decoder::Xid8,
            Type::FLOAT4 => Decoder::Float4,
            Type::FLOAT8 => Decoder::Float8,
            Type::NUMERIC => Decoder::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::XML => {
                Decoder::Text
            }
            Type::CSTRING | Type::REFCURSOR => Decoder::Text,
            Type::CHAR => Decoder::Char,
            Type::BYTEA => Decoder::Bytes,
            Type::DATE => Decoder::Date,
            Type::TIME => Decoder::Time,
            Type::TIMETZ => Decoder::TimeTz,
            Type::TIMESTAMP => Decoder::Timestamp,
            Type::TIMESTAMPTZ => Decoder::TimestampTz,
            Type::INTERVAL => Decoder::Interval,
            Type::UUID => Decoder::Uuid,
            Type::JSON => Decoder::Json,
            Type::JSONB => Decoder::Jsonb,
            Type::JSONPATH => Decoder::JsonPath,
            Type::INET | Type::CIDR => Decoder::Network,
            Type::MACADDR | Type::MACADDR8 => Decoder::MacAddress,
            Type::BIT | Type::VARBIT => Decoder::Bits,
            Type::PG_LSN => Decoder::Lsn,
            Type::TID => Decoder::Tid,
            Type::VOID => Decoder::Void,
            Type::RECORD => Decoder::Record,
            _ => {
                match ty.kind() {
                    Kind::Array(element) if matches!(*ty, Type::INT2_VECTOR | Type::OID_VECTOR) => {
                        Decoder::Vector(Box::new(Decoder::of(element)?))
                    }
                    Kind::Array(element) => Decoder::Array(Box::new(Decoder::of(element)?)),
                    Kind::Range(element) => Decoder::Range(Box::new(Decoder::of(element)?)),
                    Kind::Multirange(element) => Decoder::Multirange(Box::new(Decoder::of(element)?)),
                    Kind::Composite(fields) => Decoder::Composite(
                        fields
                            .iter()
                            .map(|field| Ok((field.type_().oid(), Decoder::of(field.type_())?)))
                            .collect::<Result<_>>()?,
                    ),
                    // The binary form of an enum and of citext is its text, that of a domain its base type's.
                    Kind::Enum(_) => Decoder::Text,
                    Kind::Domain(base) => Decoder::of(base)?,
                    Kind::Simple if ty.name() == "citext" => Decoder::Text,
                    _ => {
                        return Err(Error::decode(format!("values of type {} cannot be read", ty.name())).with_hint(
                        // The text of money depends on the server's locale.
                        match ty.name() {
                            "money" => "cast the column to numeric in the SQL: column::numeric".to_owned(),
                            other => {
                                format!("cast the column to text in the SQL: column::text, instead of {other}")
                            }
                        },
                    ));
                    }
                }
            }
        })
    }

    /// Reads one value.
    pub(super) fn read(&self, bytes: Option<&[u8]>) -> Result<Value> {
        let Some(bytes) = bytes else {
            return Ok(Value::Null);
        };
        Ok(match self {
            Decoder::Bool => Value::Bool(boolean(bytes)?),
            Decoder::Int2 => Value::Int(i16::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Int4 => Value::Int(i32::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Int8 => Value::Int(i64::from_be_bytes(fixed(bytes)?)),
            Decoder::Oid => Value::Int(u32::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Xid8 => Value::from(u64::from_be_bytes(fixed(bytes)?)),
            Decoder::Float4 => Value::Float(f32::from_be_bytes(fixed(bytes)?).into()),
            Decoder::Float8 => Value::Float(f64::from_be_bytes(fixed(bytes)?)),
            Decoder::Numeric => number::numeric(bytes)?,
            Decoder::Text => Value::from(utf8(bytes)?),
            Decoder::Char => Value::from(char(bytes)?),
            Decoder::Bytes => Value::Bytes(bytes.into()),
            Decoder::Date => time::date(i32::from_be_bytes(fixed(bytes)?)),
            Decoder::Time => time::time(i64::from_be_bytes(fixed(bytes)?))?,
            Decoder::TimeTz => Value::from(time::time_tz(bytes)?),
            Decoder::Timestamp => time::timestamp(i64::from_be_bytes(fixed(bytes)?)),
            Decoder::TimestampTz => time::timestamp_tz(i64::from_be_bytes(fixed(bytes)?)),
            Decoder::Interval => time::interval(bytes)?,
            Decoder::Uuid => Value::Uuid(Uuid::from_bytes(fixed(bytes)?)),
            Decoder::Json => exact_json(utf8(bytes)?)?,
            Decoder::Jsonb => exact_json(versioned(bytes)?)?,
            Decoder::JsonPath => Value::from(versioned(bytes)?),
            Decoder::Network => Value::from(network::address(bytes)?),
            Decoder::MacAddress => Value::from(network::mac_address(bytes)?),
            Decoder::Bits => Value::from(number::bits(bytes)?),
            Decoder::Lsn => Value::from(number::lsn(u64::from_be_bytes(fixed(bytes)?))),
            Decoder::Tid => Value::from(number::tid(fixed(bytes)?)),
            Decoder::Void => Value::Null,
            Decoder::Array(element) => nested::array(bytes, element)?,
            Decoder::Vector(element) => nested::vector(bytes, element)?,
            Decoder::Range(element) => Value::from(nested::range(bytes, element)?),
            Decoder::Multirange(element) => Value::from(nested::multirange(bytes, element)?),
            Decoder::Composite(fields) => Value::from(nested::composite(bytes, fields)?),
            Decoder::Record => Value::from(nested::composite(bytes, &[])?),
        })
    }

    /// The text that the server would print for a value within another.
    fn print(&self, bytes: &[u8]) -> Result<String> {
        Ok(match self {
            Decoder::Float4 => spelling::single(f32::from_be_bytes(fixed(bytes)?)),
            Decoder::Json => utf8(bytes)?.to_owned(),
            Decoder::Jsonb => versioned(bytes)?.to_owned(),
            Decoder::Array(element) => nested::print_array(bytes, element)?,
            Decoder::Vector(element) => nested::print_vector(bytes, element)?,
            _ => match self.read(Some(bytes))? {
                Value::Null => String::new(),
                value => spelling::of(&value),
            },
        })
    }
}

/// The raw bytes of one column of a row.
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn malformed() -> Error {
    Error::decode("the server sent a value whose form is not that of its type")
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed())
}

fn boolean(bytes: &[u8]) -> Result<bool> {
    match bytes {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(malformed()),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        Error::decode("the server sent text that is not UTF-8").with_hint("set client_encoding to UTF8")
    })
}

/// `"char"`: one byte; 0 stands for the empty text.
fn char(bytes: &[u8]) -> Result<String> {
    match bytes {
        [0] => Ok(String::new()),
        [byte @ 1..=127] => Ok(char::from(*byte).to_string()),
        [_] => Err(Error::decode("a \"char\" that is not ASCII cannot be read")
            .with_hint("have the SQL compute ascii(column::text)")),
        _ => Err(malformed()),
    }
}

/// The text after the version number, which is always 1.
fn versioned(bytes: &[u8]) -> Result<&str> {
    match bytes {
        [1, text @ ..] => utf8(text),
        _ => Err(malformed()),
    }
}

/// Reads the parts of a value, from its beginning.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(fixed(self.take(4)?)?))
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(self.u32()?.cast_signed())
    }

    /// A value after its length, or NULL.
    fn value(&mut self) -> Result<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| malformed())?).map(Some),
        }
    }

    /// Checks that nothing is left.
    fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed()) }
    }
}

#[cfg(test)]
mod tests;
