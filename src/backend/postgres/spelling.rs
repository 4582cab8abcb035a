//! The text form of values as PostgreSQL writes it in ISO style, which its input functions read without loss. Pure.

use std::fmt::Write;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

use crate::value::{Value, calendar};

/// A calendar day of any year: PostgreSQL's range is larger than chrono's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    /// The astronomical year: 0 is 1 BC.
    year: i64,
    month: u32,
    day: u32,
}

impl From<NaiveDate> for Day {
    fn from(date: NaiveDate) -> Day {
        Day { year: date.year().into(), month: date.month(), day: date.day() }
    }
}

/// PostgreSQL counts from 2000-01-01.
pub(super) const EPOCH: NaiveDateTime = match NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(day) => day.and_time(NaiveTime::MIN),
    None => NaiveDateTime::MIN,
};

impl Day {
    /// The day so many days after PostgreSQL's epoch. The calendar repeats itself every 400 years.
    pub(super) fn since_epoch(days: i64) -> Day {
        const CYCLE: i64 = 146_097;
        let within = chrono::TimeDelta::days(days.rem_euclid(CYCLE));
        let twin = Day::from(EPOCH.date() + within);
        Day { year: twin.year + 400 * days.div_euclid(CYCLE), ..twin }
    }

    /// The day, the text that follows it, and `BC` if the year is one.
    fn with(self, rest: &str) -> String {
        calendar::day(self.year, self.month, self.day, rest)
    }

    pub(super) fn text(self) -> String {
        self.with("")
    }

    /// The day with a time of the day.
    pub(super) fn at(self, time: NaiveTime, zone: &str) -> String {
        self.with(&format!(" {}{zone}", clock(time)))
    }
}

/// A time of the day; a fraction without trailing zeros.
pub(super) fn clock(time: NaiveTime) -> String {
    let mut text = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    let fraction = time.nanosecond() % 1_000_000_000;
    if fraction > 0 {
        let digits = format!("{fraction:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}

/// A time zone offset, from seconds east of Greenwich: `+02`, `-03:30`.
pub(super) fn zone(east: i32) -> String {
    let seconds = east.unsigned_abs();
    let mut text = format!("{}{:02}", if east < 0 { '-' } else { '+' }, seconds / 3600);
    for part in [seconds / 60 % 60, seconds % 60] {
        let _ = write!(text, ":{part:02}");
    }
    while let Some(shorter) = text.strip_suffix(":00") {
        text.truncate(shorter.len());
    }
    text
}

pub(super) fn date(date: NaiveDate) -> String {
    Day::from(date).text()
}

pub(super) fn timestamp(at: NaiveDateTime) -> String {
    Day::from(at.date()).at(at.time(), "")
}

/// A point in time, in UTC.
pub(super) fn instant(at: &DateTime<FixedOffset>) -> String {
    let at = at.with_timezone(&Utc).naive_utc();
    Day::from(at.date()).at(at.time(), "+00")
}

/// The shortest digits that read back as this number, with an exponent where PostgreSQL writes one.
pub(super) fn float(number: f64) -> String {
    shortest(number, number.to_string(), format!("{number:e}"))
}

/// As above, with the digits that a `real` needs.
pub(super) fn single(number: f32) -> String {
    shortest(number.into(), number.to_string(), format!("{number:e}"))
}

fn shortest(number: f64, plain: String, scientific: String) -> String {
    let size = number.abs();
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if size == 0.0 || (1e-4..1e15).contains(&size) {
        plain
    } else {
        match scientific.split_once('e') {
            Some((digits, exponent)) => {
                let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |size| ("-", size));
                format!("{digits}e{sign}{exponent:0>2}")
            }
            None => plain,
        }
    }
}

/// `\x00ff`
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A value that is no list, in the form that the input function of its type reads.
pub(super) fn of(value: &Value) -> String {
    match value {
        Value::Bool(flag) => if *flag { "t" } else { "f" }.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => float(*number),
        Value::Bytes(content) => bytes(content),
        Value::Date(day) => date(*day),
        Value::Time(time) => clock(*time),
        Value::Timestamp(at) => timestamp(*at),
        Value::TimestampTz(at) => instant(at),
        Value::Json(json) => json.to_string(),
        other => other.spelling().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_any_year_are_spelled() {
        assert_eq!(Day::since_epoch(0).text(), "2000-01-01");
        assert_eq!(Day::since_epoch(-1).text(), "1999-12-31");
        assert_eq!(Day::since_epoch(59).text(), "2000-02-29");
        // The two ends of PostgreSQL's calendar.
        assert_eq!(Day::since_epoch(-2_451_545).text(), "4714-11-24 BC");
        assert_eq!(Day::since_epoch(2_145_031_948).text(), "5874897-12-31");
        assert_eq!(date(NaiveDate::from_ymd_opt(0, 12, 31).unwrap()), "0001-12-31 BC");
        assert_eq!(date(NaiveDate::from_ymd_opt(44, 3, 15).unwrap()), "0044-03-15");
    }

    #[test]
    fn floats_are_spelled_as_the_server_does() {
        for (number, text) in [
            (0.1, "0.1"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e-7, "1.5e-07"),
            (1e-4, "0.0001"),
            (-0.0, "-0"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float(number), text);
        }
        assert_eq!(single(0.1), "0.1");
    }

    #[test]
    fn zones_show_what_is_not_zero() {
        assert_eq!(zone(7200), "+02");
        assert_eq!(zone(-12_600), "-03:30");
        assert_eq!(zone(1172), "+00:19:32");
        assert_eq!(zone(0), "+00");
        assert_eq!(zone(3601), "+01:00:01");
    }
}
