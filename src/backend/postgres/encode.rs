//! Values on their way to PostgreSQL.
//!
//! A value goes in binary where we know the binary form of the type that the server inferred. Where we do not, or
//! the value would have to be understood first (a text for a timestamp), it goes as text, and the server's own
//! input function reads it: `encode_format` is asked for each value with the type. What the server would take and
//! change on the way is refused before it is sent.

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

/// How many arguments most statements have at most: their list needs no memory of its own.
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
    /// An argument, and the type that the server is told of it where nobody asks which it wants.
    pub(super) fn told(value: &'a Value) -> (Param<'a>, Type) {
        let param = Param(value);
        let ty = param.told_type();
        (param, ty)
    }

    /// The server infers most types by itself, but a point in time without its type would lose its zone in a column that
    /// has none, and bytes would be taken for a text.
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

/// What most parameters are, and can be sent in binary as it is: neither checked nor asked what kind of type it is for.
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

/// Whether [`binary`] knows how to write a value of this kind for a parameter or a column of this type. It depends on
/// the kinds only, for a list also on those of its items. NULL has no form at all.
pub(super) fn has_binary(value: &Value, ty: &Type) -> bool {
    binary_type(value, ty).is_some()
}

/// The type, or what the domain is made of, where [`binary`] knows how to write the value for it.
fn binary_type<'t>(value: &Value, ty: &'t Type) -> Option<&'t Type> {
    // It is the type itself nearly always, and to ask what kind of type it is would come on top for every value.
    if binary::is_known(value, ty) {
        return Some(ty);
    }
    Some(base(ty)).filter(|ty| binary::is_known(value, ty))
}

/// Writes a value in the binary form of this type, without its length, where [`has_binary`] says that it can.
///
/// # Errors
///
/// `Params`, when the type cannot hold the value as it is; it says why, and not which value it is.
pub(super) fn binary(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<()> {
    write(value, base(ty), out)
}

/// The same where the type is known to be no domain.
fn write(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<()> {
    refuse::check(value, ty)?;
    binary::write(value, ty, out)
}

/// The text that the server's input function of this type reads, for any value but NULL.
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

/// The type that a domain is made of, and any other type itself: they have the same forms.
fn base(ty: &Type) -> &Type {
    match ty.kind() {
        Kind::Domain(of) => base(of),
        _ => ty,
    }
}

/// Whether the binary form of the type is its text. That of XML is read by the encoding that it claims to have, so XML
/// goes as text, and so does `"char"`, of which nothing at all is a value.
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

/// Whether the type holds just any text.
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
