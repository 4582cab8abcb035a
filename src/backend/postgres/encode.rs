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
    if args.len() <= FEW {
        let params: [Param<'_>; FEW] =
            std::array::from_fn(|place| Param(args.get(place).unwrap_or(&Value::Null)));
        return call(&params.each_ref().map(|param| param as &(dyn ToSql + Sync))[..args.len()]);
    }
    let params: Vec<Param<'_>> = args.iter().map(Param).collect();
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
    call(&params)
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
        if self.0.is_null() {
            return Ok(IsNull::Yes);
        }
        if has_binary(self.0, ty) {
            binary(self.0, ty, out)?;
        } else {
            out.extend_from_slice(text(self.0, ty)?.as_bytes());
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        if has_binary(self.0, ty) { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}

/// Whether [`binary`] knows how to write a value of this kind for a parameter or a column of this type. It depends on
/// the kinds only, for a list also on those of its items. NULL has no form at all.
pub(super) fn has_binary(value: &Value, ty: &Type) -> bool {
    binary::is_known(value, base(ty))
}

/// Writes a value in the binary form of this type, without its length, where [`has_binary`] says that it can.
///
/// # Errors
///
/// `Params`, when the type cannot hold the value as it is; it says why, and not which value it is.
pub(super) fn binary(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<()> {
    let ty = base(ty);
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

fn is_json(ty: &Type) -> bool {
    matches!(*ty, Type::JSON | Type::JSONB)
}

#[cfg(test)]
mod tests;
