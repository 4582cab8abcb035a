//! Text that must not leave: it prints as nothing, is wiped when dropped, and is found again in any spelling.

use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::Zeroizing;

/// What stands where a secret stood.
pub(super) const HIDDEN: &str = "***";

/// A password, or a text that holds one. Only [`expose`](Secret::expose) shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one call that hands it to a driver.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Replaces every secret in `text`, whichever way a driver may have spelled it.
///
/// A driver quotes a connection string as it was written or as it was understood, so each character is
/// recognised as itself, percent-encoded, with a backslash before it, as the `+` of a form for a space, and
/// as the doubled closing brace of ODBC, in any mixture. A list of whole spellings would miss mixtures.
pub(crate) fn scrub(text: &str, secrets: &[Secret]) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let found = secrets.iter().filter_map(|secret| spelled(rest, secret.expose())).max();
        match found.and_then(|length| rest.get(length..)) {
            Some(behind) => {
                clean.push_str(HIDDEN);
                rest = behind;
            }
            None => {
                clean.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    clean
}

/// Whether `text` holds one of the secrets, in any spelling.
pub(super) fn reveals(text: &str, secrets: &[Secret]) -> bool {
    text.char_indices()
        .any(|(at, _)| secrets.iter().any(|secret| spelled(&text[at..], secret.expose()).is_some()))
}

/// How many bytes of the beginning of `text` spell `secret`. The longest reading wins; an empty secret is
/// nowhere.
fn spelled(text: &str, secret: &str) -> Option<usize> {
    if secret.is_empty() {
        return None;
    }
    let text = text.as_bytes();
    let mut ends = vec![0];
    for &byte in secret.as_bytes() {
        let mut next: Vec<usize> = ends.iter().flat_map(|&at| readings(text, at, byte)).flatten().collect();
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.last().copied()
}

/// The places at which `byte`, spelled at `at`, can end.
fn readings(text: &[u8], at: usize, byte: u8) -> [Option<usize>; 4] {
    let rest = text.get(at..).unwrap_or_default();
    let plain = rest.first() == Some(&byte) || (byte == b' ' && rest.first() == Some(&b'+'));
    let braced = byte == b'}' && rest.starts_with(b"}}");
    let slashed = rest.first() == Some(&b'\\') && rest.get(1) == Some(&byte);
    let coded = match rest {
        [b'%', high, low, ..] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            digit(high).zip(digit(low)).is_some_and(|(high, low)| high * 16 + low == u32::from(byte))
        }
        _ => false,
    };
    [plain.then_some(at + 1), braced.then_some(at + 2), slashed.then_some(at + 2), coded.then_some(at + 3)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_nothing() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:#?}", Some(&secret)), "*** *** Some(\n    ***,\n)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn every_spelling_is_found() {
        let secrets = [Secret::new("p@ }é'%41"), Secret::new(""), Secret::new("p")];
        for spelling in [
            "p@ }é'%41",
            "p%40%20%7D%C3%A9%27%2541",
            "p%40+%7d%c3%a9'%2541",
            "{p@ }}é'%41}",
            "p@ }é\\'%41",
            "p%40 }}é'%41",
        ] {
            let clean = scrub(&format!("login({spelling}) failed for ö"), &secrets);
            assert!(clean.starts_with("login("), "{clean}");
            assert!(clean.ends_with(") failed for ö"), "{clean}");
            assert!(clean.contains(HIDDEN) && !clean.contains("41") && !clean.contains('é'), "{clean}");
            assert!(reveals(spelling, &secrets[..1]));
        }
        assert!(!reveals("nothing of it", &secrets[..1]));
        assert_eq!(scrub("nothing of it", &secrets), "nothing of it");
    }

    #[test]
    fn a_long_row_of_braces_is_read_in_no_time() {
        let secrets = [Secret::new(format!("{}x", "}".repeat(40)))];
        let text = "}".repeat(200);
        assert_eq!(scrub(&text, &secrets), text);
    }
}
