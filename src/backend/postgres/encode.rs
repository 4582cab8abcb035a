//! Values on their way to PostgreSQL.
//!
//! A value is sent in binary if we know the binary form of the type that the server inferred. Otherwise, or if the
//! value would have to be parsed first (a text for a timestamp), it is sent as text, and the server's own input
//! function reads it. The driver calls `encode_format` for each value with its type. Values that the server would
//! accept but change are refused before they are sent.

mod binary;
mod refuse;
mod text;

use std::borrow::Cow;
use std::error::Error as StdError;

use postgres::types::private::BytesMut;
use postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::error::Result;
use crate::value::Value;

/// One argument of a statement.
pub(super) struct Param<'a>(pub(super) &'a Value);

/// Most statements have at most this many arguments; their list is kept on the stack.
const FEW: usize = 8;

/// Hands the arguments to a call in the form that the driver takes.
pub(super) fn with_params<R>(args: &[Value], call: impl FnOnce(&[&(dyn ToSql + Sync)]) -> R) -> R {
    let (few, few_listed, many, many_listed);
    let params: &[&(dyn ToSql + Sync)] = if args.len() <= FEW {
        few = {
            let mut few = [const { Param(&Value::Null) }; FEW];
            few.iter_mut().zip(args).for_each(|(param, value)| param.0 = value);
            few
        };
        few_listed = few.each_ref().map(|param| param as &(dyn ToSql + Sync));
        &few_listed[..args.len()]
    } else {
        many = args.iter().map(Param).collect::<Vec<_>>();
        many_listed = many.iter().map(|param| param as &(dyn ToSql + Sync)).collect::<Vec<_>>();
        &many_listed
    };
    call(params)
}

impl<'a> Param<'a> {
    /// An argument, and the type that the server is told for it if it was not asked which one it expects.
    pub(super) fn told(value: &'a Value) -> (Param<'a>, Type) {
        let param = Param(value);
        let ty = param.told_type();
        (param, ty)
    }

    /// The server infers most types by itself. But without its type, a point in time would lose its offset in a column
    /// without time zone, and bytes would be taken for a text.
    fn told_type(&self) -> Type {
        match self.0 {
            Value::TimestampTz(_) => Type::TIMESTAMPTZ,
            Value::Bytes(_) => Type::BYTEA,
            Value::List(items) => match items.iter().find(|item| !item.is_null()) {
                Some(Value::TimestampTz(_)) => Type::TIMESTAMPTZ_ARRAY,
                Some(Value::Bytes(_)) => Type::BYTEA_ARRAY,
                _ => Type::UNKNOWN,
            },
            _ => Type::UNKNOWN,
        }
    }
}

impl std::fmt::Debug for Param<'_> {
    /// The driver logs its parameters with `Debug` at level DEBUG, so this prints the kind only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match usual(self.0, ty) {
            Some(Usual::Int4(number)) => out.extend_from_slice(&number.to_be_bytes()),
            Some(Usual::Int8(number)) => out.extend_from_slice(&number.to_be_bytes()),
            Some(Usual::Text(text)) => out.extend_from_slice(text.as_bytes()),
            None if self.0.is_null() => return Ok(IsNull::Yes),
            None => match binary_type(self.0, ty) {
                Some(ty) => write(self.0, ty, out)?,
                None => out.extend_from_slice(text(self.0, ty)?.as_bytes()),
            },
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        if usual(self.0, ty).is_some() || has_binary(self.0, ty) { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}

/// The most common parameters, which can be sent in binary without any check of value or type.
enum Usual<'v> {
    Int4(i32),
    Int8(i64),
    Text(&'v str),
}

fn usual<'v>(value: &'v Value, ty: &Type) -> Option<Usual<'v>> {
    match value {
        Value::Int(number) if *ty == Type::INT4 => i32::try_from(*number).ok().map(Usual::Int4),
        Value::Int(number) if *ty == Type::INT8 => Some(Usual::Int8(*number)),
        Value::Text(text) if matches!(*ty, Type::TEXT | Type::VARCHAR) => Some(Usual::Text(text)),
        _ => None,
    }
}

/// Whether [`binary`] can write a value of this kind for a parameter or column of this type. It depends only on the
/// kinds, for a list also on those of its items. NULL has no form.
pub(super) fn has_binary(value: &Value, ty: &Type) -> bool {
    binary_type(value, ty).is_some()
}

/// The type, or the base type of a domain, if [`binary`] can write the value for it.
fn binary_type<'t>(value: &Value, ty: &'t Type) -> Option<&'t Type> {
    // It is nearly always the type itself; asking for the kind of type first would cost extra for every value.
    if binary::is_known(value, ty) {
        return Some(ty);
    }
    Some(base(ty)).filter(|ty| binary::is_known(value, ty))
}

/// Writes a value in the binary form of this type, without its length, if [`has_binary`] is true.
///
/// # Errors
///
/// `Params`, when the type cannot hold the value exactly; the message says why, but not the value.
pub(super) fn binary(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<()> {
    write(value, base(ty), out)
}

/// The same for a type that is known not to be a domain.
fn write(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<()> {
    refuse::check(value, ty)?;
    binary::write(value, ty, out)
}

/// The text form that the input function of this type reads, for any value except NULL.
///
/// # Errors
///
/// As [`binary`].
pub(super) fn text<'v>(value: &'v Value, ty: &Type) -> Result<Cow<'v, str>> {
    let ty = base(ty);
    refuse::check(value, ty)?;
    Ok(match value {
        Value::Text(text) => Cow::Borrowed(text),
        _ => Cow::Owned(text::of(value, ty)?),
    })
}

/// The base type of a domain, and any other type itself: domain and base type have the same forms.
fn base(ty: &Type) -> &Type {
    match ty.kind() {
        Kind::Domain(of) => base(of),
        _ => ty,
    }
}

/// Whether the binary form of the type is its text. Not for XML, which would be decoded by the encoding that it
/// declares, and not for `"char"`, whose empty text is a value too: these are sent as text.
fn is_text(ty: &Type) -> bool {
    match *ty {
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON => true,
        _ => match ty.kind() {
            Kind::Enum(_) => true,
            Kind::Simple => ty.name() == "citext",
            _ => false,
        },
    }
}

/// Whether the type can hold any text.
fn holds_text(ty: &Type) -> bool {
    is_text(ty) || *ty == Type::XML
}

fn is_integer(ty: &Type) -> bool {
    matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8 | Type::OID)
}

fn is_json(ty: &Type) -> bool {
    matches!(*ty, Type::JSON | Type::JSONB)
}

#[cfg(test)]
mod tests;
