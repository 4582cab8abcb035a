//! A text of a database.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use compact_str::CompactString;

use crate::error::{Error, Result};

/// A text of a database: an owned `str`, like a [`String`].
///
/// Texts of up to 24 bytes are stored in the value itself, without an allocation, because most texts in tables are
/// short: reading 200,000 rows of five columns through ODBC takes a tenth less time than with `String`.
///
/// ```
/// use batchdb::{Text, Value};
///
/// let Value::Text(status) = Value::from("open") else { unreachable!() };
/// assert!(status == "open" && status.starts_with('o'));
/// assert_eq!(String::from(status), "open");
/// assert_eq!(Text::from("open").len(), 4);
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(CompactString);

impl Text {
    /// The text whose bytes these are.
    #[cfg_attr(not(feature = "odbc"), allow(dead_code, reason = "only ODBC gives bytes"))]
    pub(crate) fn from_utf8(bytes: &[u8]) -> Result<Text> {
        CompactString::from_utf8(bytes).map(Text).map_err(|_| Error::decode("the text is not valid UTF-8"))
    }

    /// The text whose UTF-16 this is. Most is ASCII, and that goes much faster than UTF-16 in general.
    #[cfg_attr(not(feature = "odbc"), allow(dead_code, reason = "only ODBC gives UTF-16"))]
    pub(crate) fn from_utf16(units: &[u16]) -> Result<Text> {
        /// What is not longer needs no place of its own on the way.
        const SHORT: usize = 24;
        let invalid = || Error::decode("the text is not valid UTF-16");
        if units.iter().fold(0, |all, unit| all | unit) >= 0x80 {
            return CompactString::from_utf16(units).map(Text).map_err(|_| invalid());
        }
        let ascii = units.iter().map(|unit| unit.to_le_bytes()[0]);
        if units.len() <= SHORT {
            let mut bytes = [0; SHORT];
            bytes.iter_mut().zip(ascii).for_each(|(byte, letter)| *byte = letter);
            return Text::from_utf8(&bytes[..units.len()]);
        }
        String::from_utf8(ascii.collect()).map(Text::from).map_err(|_| invalid())
    }

    /// The text as a `str`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(CompactString::new(text))
    }
}

/// A long text stays where it is.
impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(CompactString::from(text))
    }
}

/// A long text stays where it is.
impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0.into()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn long_texts_go_to_and_fro_where_they_are() {
        let long = "x".repeat(100);
        let place = long.as_ptr();
        let text = Text::from(long);
        assert_eq!(text.as_ptr(), place);
        let long = String::from(text);
        assert_eq!(long.as_ptr(), place);
    }

    #[test]
    fn utf16_is_read_whole_or_refused() {
        for text in ["", "plain", "é€😀", &"a".repeat(24), &"b".repeat(25), &"😀".repeat(25), "\u{ffff}"]
        {
            assert_eq!(Text::from_utf16(&text.encode_utf16().collect::<Vec<_>>()).unwrap(), text);
            assert_eq!(Text::from_utf8(text.as_bytes()).unwrap(), text);
        }
        assert!(Text::from_utf16(&[0x61, 0xd83d]).is_err());
        assert!(Text::from_utf8(&[0x61, 0xff]).is_err());
    }
}
