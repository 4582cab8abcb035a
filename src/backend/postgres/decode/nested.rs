//! Values made of values: arrays become lists, the others the text that the server would print.

use std::fmt::Write;

use postgres::types::Type;

use super::{Decoder, Reader, malformed};
use crate::error::{Error, Result};
use crate::value::Value;

/// An array: the length and the lowest index of each dimension, and the elements in storage order.
struct Array<'a> {
    dimensions: Vec<(usize, i32)>,
    elements: Vec<Option<&'a [u8]>>,
}

impl<'a> Array<'a> {
    fn read(bytes: &'a [u8]) -> Result<Array<'a>> {
        /// The most dimensions of an array.
        const MOST: u32 = 6;
        let mut reader = Reader(bytes);
        let count = reader.u32()?;
        if count > MOST {
            return Err(malformed());
        }
        // The flag for NULLs and the element's type are known already.
        reader.take(8)?;
        let mut dimensions = Vec::new();
        let mut size = usize::from(count > 0);
        for _ in 0..count {
            let length = usize::try_from(reader.i32()?).map_err(|_| malformed())?;
            dimensions.push((length, reader.i32()?));
            size = size.checked_mul(length).ok_or_else(malformed)?;
        }
        // Memory is not allocated for an announced length.
        let mut elements = Vec::new();
        for _ in 0..size {
            elements.push(reader.value()?);
        }
        reader.end()?;
        Ok(Array { dimensions, elements })
    }

    /// Whether one of its dimensions does not start at index 1. An empty array has no dimensions.
    fn begins_elsewhere(&self) -> bool {
        !self.elements.is_empty() && self.dimensions.iter().any(|(_, lowest)| *lowest != 1)
    }
}

/// An array as a list, with nested lists for several dimensions. An array whose index does not start at 1 becomes the
/// text that the server prints, because a list would be sent back as a different array.
pub(super) fn array(bytes: &[u8], element: &Decoder) -> Result<Value> {
    let read = Array::read(bytes)?;
    if read.begins_elsewhere() {
        return print(read, element).map(Value::from);
    }
    list(read, element)
}

/// An `int2vector` or `oidvector`, whose index always begins at 0.
pub(super) fn vector(bytes: &[u8], element: &Decoder) -> Result<Value> {
    list(Array::read(bytes)?, element)
}

/// A vector within another value: `1 2`.
pub(super) fn print_vector(bytes: &[u8], element: &Decoder) -> Result<String> {
    let printed =
        Array::read(bytes)?.elements.into_iter().map(|raw| element.print(raw.ok_or_else(malformed)?));
    Ok(printed.collect::<Result<Vec<_>>>()?.join(" "))
}

fn list(Array { dimensions, elements }: Array<'_>, element: &Decoder) -> Result<Value> {
    let mut values = elements.into_iter().map(|raw| element.read(raw)).collect::<Result<Vec<Value>>>()?;
    // From the innermost dimension outwards, runs of values become lists.
    for &(length, _) in dimensions.iter().skip(1).rev() {
        let mut rest = values.into_iter();
        let mut lists = Vec::new();
        loop {
            let list: Vec<Value> = rest.by_ref().take(length).collect();
            if list.is_empty() {
                break;
            }
            lists.push(Value::from(list));
        }
        values = lists;
    }
    Ok(Value::from(values))
}

/// An array within another value: `{1,NULL,"a b"}`, with its index bounds if they do not start at 1.
pub(super) fn print_array(bytes: &[u8], element: &Decoder) -> Result<String> {
    print(Array::read(bytes)?, element)
}

fn print(array: Array<'_>, element: &Decoder) -> Result<String> {
    let begins_elsewhere = array.begins_elsewhere();
    let Array { dimensions, elements } = array;
    if elements.is_empty() {
        return Ok("{}".to_owned());
    }
    let mut text = String::new();
    if begins_elsewhere {
        for (length, lowest) in &dimensions {
            let highest = i64::from(*lowest) + *length as i64 - 1;
            let _ = write!(text, "[{lowest}:{highest}]");
        }
        text.push('=');
    }
    // How many elements a list of each dimension has in all, from the outermost to the innermost.
    let mut spans: Vec<usize> = Vec::new();
    for (length, _) in dimensions.iter().rev() {
        spans.insert(0, length * spans.first().unwrap_or(&1));
    }
    for (place, raw) in elements.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.extend(spans.iter().filter(|span| place % **span == 0).map(|_| '{'));
        match raw {
            None => text.push_str("NULL"),
            Some(raw) => {
                let plain = element.print(raw)?;
                let odd = |letter: char| {
                    "{},\"\\".contains(letter) || letter.is_ascii_whitespace() || letter == '\x0b'
                };
                if plain.is_empty() || plain.eq_ignore_ascii_case("null") || plain.contains(odd) {
                    quoted(&mut text, &plain, |letter| format!("\\{letter}"));
                } else {
                    text.push_str(&plain);
                }
            }
        }
        text.extend(spans.iter().filter(|span| (place + 1) % **span == 0).map(|_| '}'));
    }
    Ok(text)
}

/// Writes a text in quotation marks, with marks and backslashes in it as `escape` has them.
fn quoted(out: &mut String, plain: &str, escape: impl Fn(char) -> String) {
    out.push('"');
    for letter in plain.chars() {
        match letter {
            '"' | '\\' => out.push_str(&escape(letter)),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Characters for which a part of a row or a range must be quoted, besides white space.
const ODD_IN_ROWS: &str = "(),\"\\";
const ODD_IN_RANGES: &str = "()[],\"\\";

/// Writes a part of a row or a range, in quotation marks where it needs them.
fn part(out: &mut String, plain: &str, odd: &str) {
    let odd = |letter: char| odd.contains(letter) || letter.is_ascii_whitespace() || letter == '\x0b';
    if plain.is_empty() || plain.contains(odd) {
        quoted(out, plain, |letter| format!("{letter}{letter}"));
    } else {
        out.push_str(plain);
    }
}

/// A range: `[1,5)`, `(,2026-01-05]`, `empty`.
pub(super) fn range(bytes: &[u8], element: &Decoder) -> Result<String> {
    const EMPTY: u8 = 1;
    const LOWER_INCLUDED: u8 = 2;
    const UPPER_INCLUDED: u8 = 4;
    const LOWER_INFINITE: u8 = 8;
    const UPPER_INFINITE: u8 = 16;
    let mut reader = Reader(bytes);
    let flags = reader.take(1)?[0];
    if flags & EMPTY != 0 {
        reader.end()?;
        return Ok("empty".to_owned());
    }
    let mut text = String::from(if flags & LOWER_INCLUDED == 0 { "(" } else { "[" });
    if flags & LOWER_INFINITE == 0 {
        part(&mut text, &element.print(reader.value()?.ok_or_else(malformed)?)?, ODD_IN_RANGES);
    }
    text.push(',');
    if flags & UPPER_INFINITE == 0 {
        part(&mut text, &element.print(reader.value()?.ok_or_else(malformed)?)?, ODD_IN_RANGES);
    }
    text.push(if flags & UPPER_INCLUDED == 0 { ')' } else { ']' });
    reader.end()?;
    Ok(text)
}

/// A multirange: `{[1,2),[5,9)}`.
pub(super) fn multirange(bytes: &[u8], element: &Decoder) -> Result<String> {
    let mut reader = Reader(bytes);
    let count = reader.u32()?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        ranges.push(range(reader.value()?.ok_or_else(malformed)?, element)?);
    }
    reader.end()?;
    Ok(format!("{{{}}}", ranges.join(",")))
}

/// A row in a column: `(1,"a b",)`. The value itself contains the type numbers of its fields. `known` are the fields of
/// the row's type as the driver looked them up, including user-defined types. The type may have been changed since then,
/// so the numbers in the value decide.
pub(super) fn composite(bytes: &[u8], known: &[(u32, Decoder)]) -> Result<String> {
    let mut reader = Reader(bytes);
    let count = reader.u32()?;
    let mut text = String::from("(");
    for place in 0..count as usize {
        if place > 0 {
            text.push(',');
        }
        let oid = reader.u32()?;
        let Some(value) = reader.value()? else { continue };
        let field = known.get(place).filter(|(known, _)| *known == oid);
        let plain = match field.or_else(|| known.iter().find(|(known, _)| *known == oid)) {
            Some((_, decoder)) => decoder.print(value)?,
            None => {
                let ty = Type::from_oid(oid).ok_or_else(|| {
                    Error::decode("a row has a field of a type that only its database knows")
                        .with_hint("cast the row to a type of its own, or its fields to text")
                })?;
                Decoder::of(&ty)?.print(value)?
            }
        };
        part(&mut text, &plain, ODD_IN_ROWS);
    }
    reader.end()?;
    text.push(')');
    Ok(text)
}
