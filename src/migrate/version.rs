//! The version of a migration: numbers, compared as numbers. Pure.

use std::cmp::Ordering;
use std::fmt;

/// The version in a migration's file name, such as the `001` of `V001__Create_tables.sql`.
///
/// Numbers of any length are divided by dots or underscores. They are compared as numbers, and zeros at
/// the end say nothing: `1`, `001` and `1.0` are one version, and `2` comes before `10`.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    spelled: Box<str>,
    numbers: Vec<Number>,
}

impl Version {
    /// Reads numbers divided by single dots or underscores; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.split(['.', '_']).map(Number::parse).collect::<Option<Vec<_>>>()?;
        while numbers.last().is_some_and(Number::is_zero) {
            numbers.pop();
        }
        Some(Version { spelled: text.into(), numbers })
    }

    /// The version as the history keeps it: with its leading zeros, and dots between the numbers.
    pub(crate) fn stored(&self) -> String {
        self.spelled.replace('_', ".")
    }

    /// The version behind this one, spelled alike: its last number and one, with as many digits.
    pub(crate) fn next(&self) -> String {
        let last = self.spelled.rfind(['.', '_']).map_or(0, |place| place + 1);
        let (before, digits) = self.spelled.split_at(last);
        let mut next: Vec<u8> = digits.bytes().collect();
        for digit in next.iter_mut().rev() {
            *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
            if *digit != b'0' {
                break;
            }
        }
        let carried = next.iter().all(|digit| *digit == b'0');
        let next = String::from_utf8_lossy(&next);
        format!("{before}{}{next}", if carried { "1" } else { "" })
    }

    /// Reads what a person writes: with or without the `V` of the file's name.
    pub(crate) fn parse_spoken(text: &str) -> Option<Version> {
        Version::parse(text.strip_prefix(['V', 'v']).unwrap_or(text))
    }

    /// The version as one small counting number: none for `1.2`, and none for a date such as `20260115`,
    /// whose neighbour is not one day further.
    pub(crate) fn counting_number(&self) -> Option<u32> {
        match self.numbers.as_slice() {
            [] => Some(0),
            [number] if number.length < 8 => number.digits.parse().ok(),
            _ => None,
        }
    }
}

/// As in the file name: `V001`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}", self.spelled)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

/// A number of any length, without leading zeros. The order of the fields is the order of the numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    length: usize,
    digits: Box<str>,
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = text.trim_start_matches('0');
        Some(Number { length: digits.len(), digits: digits.into() })
    }

    fn is_zero(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn zeros_in_front_and_at_the_end_say_nothing() {
        for same in ["1", "001", "1.0", "1_0_0", "01.00"] {
            assert_eq!(version(same), version("1"), "{same}");
        }
        assert_eq!(version("0"), version("0.0"));
        assert_ne!(version("1"), version("1.0.1"));
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let ordered =
            ["0", "1", "1.0.1", "1.2", "1.10", "2", "10", "20260115103000", "9".repeat(45).as_str()]
                .map(version);
        assert!(ordered.is_sorted());
        assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn only_digits_divided_by_single_dots_or_underscores_are_versions() {
        for wrong in ["", "1.", ".1", "1..2", "1__2", "1a", "-1", "1 ", "١"] {
            assert!(Version::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_version_is_shown_as_spelled_and_stored_with_dots() {
        assert_eq!(version("001").to_string(), "V001");
        assert_eq!(version("1_02").to_string(), "V1_02");
        assert_eq!(version("1_02").stored(), "1.02");
    }

    #[test]
    fn the_next_version_is_spelled_like_the_last() {
        for (last, next) in
            [("001", "002"), ("099", "100"), ("9", "10"), ("1.9", "1.10"), ("2_07", "2_08"), ("000", "001")]
        {
            assert_eq!(version(last).next(), next);
            assert!(version(last) < version(next));
        }
        assert_eq!(Version::parse_spoken("V003"), Version::parse("3"));
        assert!(Version::parse_spoken("X3").is_none());
    }

    #[test]
    fn counting_numbers_are_small_and_whole() {
        assert_eq!(version("003").counting_number(), Some(3));
        assert_eq!(version("0").counting_number(), Some(0));
        assert_eq!(version("1.2").counting_number(), None);
        assert_eq!(version("20260115").counting_number(), None);
    }
}
