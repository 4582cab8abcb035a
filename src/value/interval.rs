//! A length of time in the calendar's own units, which have no fixed ratio.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};

const SECOND: i64 = 1_000_000;

/// A duration like PostgreSQL's `interval`: months, days and microseconds, each with its own sign.
///
/// The three are kept apart, because a month has no fixed number of days, and a day on which daylight saving time
/// begins or ends does not have 24 hours. Two intervals are equal if all three parts are: one day is not equal to 24
/// hours.
///
/// `Display` writes ISO 8601 with a sign for each number, which PostgreSQL can read. `parse` reads that, and
/// PostgreSQL's own output form.
///
/// ```
/// use batchdb::Interval;
///
/// let interval = Interval { months: 14, days: -3, microseconds: 4_500_000 };
/// assert_eq!(interval.to_string(), "P1Y2M-3DT4.5S");
/// assert_eq!("P1Y2M-3DT4.5S".parse::<Interval>()?, interval);
/// assert_eq!("1 year 2 mons -3 days +00:00:04.5".parse::<Interval>()?, interval);
///
/// // Only what has neither months nor days has a fixed length.
/// assert!(chrono::TimeDelta::try_from(interval).is_err());
/// let minute = Interval::try_from(chrono::TimeDelta::minutes(1))?;
/// assert_eq!(minute.microseconds, 60_000_000);
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    /// Months; a year is twelve of them.
    pub months: i32,
    /// Calendar days.
    pub days: i32,
    /// Microseconds.
    pub microseconds: i64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Interval::default() {
            return f.write_str("PT0S");
        }
        f.write_str("P")?;
        for (number, unit) in [(self.months / 12, 'Y'), (self.months % 12, 'M'), (self.days, 'D')] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        if self.microseconds == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        let seconds = self.microseconds / SECOND;
        for (number, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        let (seconds, fraction) = (seconds % 60, self.microseconds % SECOND);
        if seconds == 0 && fraction == 0 {
            return Ok(());
        }
        let sign = if self.microseconds < 0 { "-" } else { "" };
        write!(f, "{sign}{}", seconds.abs())?;
        if fraction != 0 {
            write!(f, ".{}", format!("{:06}", fraction.abs()).trim_end_matches('0'))?;
        }
        f.write_str("S")
    }
}

impl FromStr for Interval {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the text is not an interval, or is out of range.
    fn from_str(text: &str) -> Result<Interval> {
        let parsed = match text.strip_prefix('P') {
            Some(iso) => from_iso(iso),
            None => from_words(text),
        };
        parsed.ok_or_else(|| Error::decode("the text does not spell an interval, or one that fits"))
    }
}

impl Interval {
    /// Adds so many times a unit of these sizes, where the sum fits.
    fn add(&mut self, number: i64, (months, days, microseconds): (i32, i32, i64)) -> Option<()> {
        let small = |number: i64, unit: i32| i32::try_from(number.checked_mul(unit.into())?).ok();
        self.months = self.months.checked_add(small(number, months)?)?;
        self.days = self.days.checked_add(small(number, days)?)?;
        self.microseconds = self.microseconds.checked_add(number.checked_mul(microseconds)?)?;
        Some(())
    }

    /// Adds seconds with a fraction, as a text.
    fn add_seconds(&mut self, text: &str) -> Option<()> {
        let negative = text.starts_with('-');
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        if whole.is_empty() || fraction.len() > 6 || !(whole.bytes().chain(fraction.bytes())).all(is_digit) {
            return None;
        }
        let sign = if negative { -1 } else { 1 };
        let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
        self.add(whole.parse::<i64>().ok()? * sign, (0, 0, SECOND))?;
        self.add(fraction * sign, (0, 0, 1))
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// What stands behind the `P` of ISO 8601: `1Y2M-3DT4H5M6.7S`.
fn from_iso(text: &str) -> Option<Interval> {
    let mut interval = Interval::default();
    let (mut rest, mut in_time) = (text, false);
    if text.is_empty() || text.ends_with('T') {
        return None;
    }
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T').filter(|_| !in_time) {
            (rest, in_time) = (time, true);
            continue;
        }
        let end = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
        let (number, unit) = (&rest[..end], &rest[end..=end]);
        match (unit, in_time) {
            ("Y", false) => interval.add(number.parse().ok()?, (12, 0, 0))?,
            ("M", false) => interval.add(number.parse().ok()?, (1, 0, 0))?,
            ("W", false) => interval.add(number.parse().ok()?, (0, 7, 0))?,
            ("D", false) => interval.add(number.parse().ok()?, (0, 1, 0))?,
            ("H", true) => interval.add(number.parse().ok()?, (0, 0, 3600 * SECOND))?,
            ("M", true) => interval.add(number.parse().ok()?, (0, 0, 60 * SECOND))?,
            ("S", true) => interval.add_seconds(number)?,
            _ => return None,
        }
        rest = &rest[end + 1..];
    }
    Some(interval)
}

/// PostgreSQL's output form: `1 year 2 mons -3 days +04:05:06.7`.
fn from_words(text: &str) -> Option<Interval> {
    let mut interval = Interval::default();
    let mut words = text.split_ascii_whitespace();
    let mut found = false;
    while let Some(word) = words.next() {
        found = true;
        if word.contains(':') {
            let (clock, seconds) = word.rsplit_once(':')?;
            let (hours, minutes) = clock.split_once(':')?;
            let sign = if hours.starts_with('-') { "-" } else { "" };
            interval.add(hours.parse().ok()?, (0, 0, 3600 * SECOND))?;
            interval.add(format!("{sign}{minutes}").parse().ok()?, (0, 0, 60 * SECOND))?;
            interval.add_seconds(&format!("{sign}{seconds}"))?;
            continue;
        }
        let number = word.parse().ok()?;
        match words.next()? {
            "year" | "years" => interval.add(number, (12, 0, 0))?,
            "mon" | "mons" => interval.add(number, (1, 0, 0))?,
            "day" | "days" => interval.add(number, (0, 1, 0))?,
            _ => return None,
        }
    }
    found.then_some(interval)
}

impl TryFrom<TimeDelta> for Interval {
    type Error = Error;

    fn try_from(length: TimeDelta) -> Result<Interval> {
        if length.subsec_nanos() % 1000 != 0 {
            return Err(Error::params(
                "the length of time has nanoseconds, and an interval keeps microseconds",
            ));
        }
        let microseconds = length
            .num_microseconds()
            .ok_or_else(|| Error::params("the length of time is out of range for an interval"))?;
        Ok(Interval { microseconds, ..Interval::default() })
    }
}

impl TryFrom<Interval> for TimeDelta {
    type Error = Error;

    fn try_from(interval: Interval) -> Result<TimeDelta> {
        if interval.months != 0 || interval.days != 0 {
            return Err(Error::decode("an interval with months or days has no fixed length")
                .with_hint("read it as Interval, or convert it in the SQL"));
        }
        Ok(TimeDelta::microseconds(interval.microseconds))
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Interval, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("the text does not spell an interval"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn reads(text: &str, months: i32, days: i32, microseconds: i64) {
        assert_eq!(text.parse::<Interval>().unwrap(), Interval { months, days, microseconds }, "{text}");
    }

    #[test]
    fn both_spellings_are_read() {
        reads("PT0S", 0, 0, 0);
        reads("P1Y2M3W4DT5H6M7.000001S", 14, 25, 18_367_000_001);
        reads("PT-0.5S", 0, 0, -500_000);
        reads("00:00:00", 0, 0, 0);
        reads("-1 years -2 mons +3 days -04:05:06.789", -14, 3, -14_706_789_000);
        reads("1 day", 0, 1, 0);
    }

    #[test]
    fn what_is_no_interval_or_does_not_fit_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "P1DT",
            "P1S",
            "PT1Y",
            "P1.5D",
            "PT1.0000001S",
            "P2147483648D",
            "1",
            "1 fortnight",
            "1 day ago",
            "12:30",
            "PT.S",
            "PT1é",
            "P9999999999999Y",
            "PT9999999999999999999S",
        ] {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(months: i32, days: i32, microseconds: i64) {
            let interval = Interval { months, days, microseconds };
            prop_assert_eq!(interval.to_string().parse::<Interval>().unwrap(), interval);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[PTYMWDHS0-9.: +\\-ydmons]{0,24}") {
            let _ = text.parse::<Interval>();
        }
    }
}
