//! Types that are more than they say to serde, told by their names.
//!
//! serde has neither decimals nor dates nor JSON: such a field comes as a text, or as whatever the JSON is, and a column
//! may read that as something else. The door that a field comes through knows its type and can ask nothing of it but its
//! name, which Rust gives as well as it can. A name that is not known leaves the field what serde says that it is.

use std::any::type_name;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use uuid::Uuid;

use super::{Interval, Value};

/// The name of a type, without the references and pointers that serde looks through.
pub(super) fn bare<T: ?Sized>() -> &'static str {
    uncover(type_name::<T>())
}

fn uncover(mut name: &str) -> &str {
    const POINTERS: [&str; 4] =
        ["alloc::boxed::Box<", "alloc::borrow::Cow<", "alloc::rc::Rc<", "alloc::sync::Arc<"];
    loop {
        // Some compilers tell that there is a lifetime.
        let within = |pointer: &&str| {
            let inner = name.strip_prefix(*pointer)?.strip_suffix('>')?;
            Some(inner.strip_prefix("'_, ").unwrap_or(inner))
        };
        let reference = || name.strip_prefix('&').map(|name| name.strip_prefix("mut ").unwrap_or(name));
        match POINTERS.iter().find_map(within).or_else(reference) {
            Some(inner) => name = inner,
            None => return name,
        }
    }
}

/// What an `Option` may hold, and any other type itself.
pub(super) fn optional(name: &str) -> &str {
    let inner = name.strip_prefix("core::option::Option<").and_then(|name| name.strip_suffix('>'));
    inner.map_or(name, uncover)
}

/// Whether it is JSON of `serde_json`'s.
pub(super) fn is_json(name: &str) -> bool {
    name == type_name::<serde_json::Value>()
        || name == type_name::<serde_json::Map<String, serde_json::Value>>()
}

/// What a text was before serde: a value of the type of this name.
pub(super) fn read(name: &str, text: &str) -> Option<Value> {
    fn parse<T: FromStr + Into<Value>>(text: &str) -> Option<Value> {
        text.parse::<T>().ok().map(Into::into)
    }
    type Known = (fn() -> &'static str, fn(&str) -> Option<Value>);
    const KNOWN: [Known; 6] = [
        (type_name::<BigDecimal>, parse::<BigDecimal>),
        (type_name::<NaiveDate>, parse::<NaiveDate>),
        (type_name::<NaiveTime>, parse::<NaiveTime>),
        (type_name::<NaiveDateTime>, parse::<NaiveDateTime>),
        (type_name::<Uuid>, parse::<Uuid>),
        (type_name::<Interval>, parse::<Interval>),
    ];
    if let Some((_, parse)) = KNOWN.iter().find(|(known, _)| known() == name) {
        return parse(text);
    }
    // It has a parameter, which may be a zone of any crate.
    let point = type_name::<DateTime<Utc>>().split_once('<')?.0;
    name.strip_prefix(point)?.strip_prefix('<')?;
    parse::<DateTime<FixedOffset>>(text)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_type_is_known_behind_its_pointers() {
        assert!(is_json(bare::<serde_json::Value>()));
        assert!(is_json(bare::<&&mut Box<serde_json::Value>>()));
        assert!(is_json(bare::<Arc<serde_json::Map<String, serde_json::Value>>>()));
        assert!(is_json(optional(bare::<&Option<Cow<'_, serde_json::Value>>>())));
        assert!(!is_json(bare::<Option<serde_json::Value>>()));
        assert!(!is_json(bare::<Vec<serde_json::Value>>()));
    }

    #[test]
    fn a_text_is_what_it_was() {
        assert!(read(bare::<String>(), "2026-01-05").is_none());
        assert!(read(bare::<Option<NaiveDate>>(), "2026-01-05").is_none());
        let read = |name, text| read(name, text).unwrap().kind();
        assert_eq!(read(bare::<&NaiveDate>(), "2026-01-05"), "date");
        assert_eq!(
            read(bare::<DateTime<chrono::Local>>(), "2026-01-05T08:00:37+02:00"),
            "timestamp with time zone"
        );
        assert_eq!(read(bare::<Box<BigDecimal>>(), "5.00"), "decimal");
        assert_eq!(read(bare::<Uuid>(), "67e55044-10b1-426f-9247-bb680e5fe0c8"), "uuid");
    }
}
