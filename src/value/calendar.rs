//! Days of any year, as databases write them: `0044-03-15 BC`, `10000-01-01`. ISO 8601, and chrono, have signs for what
//! is no year of four digits: `-0043-03-15`, `+10000-01-01`. Pure.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime};

use super::{Value, whole_minutes};

/// A day of the astronomer's year, in which 0 is the year 1 before our era; what follows it, and the era where that is
/// not ours.
pub(crate) fn day(year: i64, month: u32, day: u32, rest: &str) -> String {
    match year {
        1.. => format!("{year:04}-{month:02}-{day:02}{rest}"),
        _ => format!("{:04}-{month:02}-{day:02}{rest} BC", 1 - year),
    }
}

/// The same of a date.
pub(crate) fn spelled(date: NaiveDate, rest: &str) -> String {
    day(date.year().into(), date.month(), date.day(), rest)
}

/// The text of a date or a point in time whose year has not four digits; `None` for any other value.
pub(crate) fn far(value: &Value) -> Option<String> {
    let at = |at: NaiveDateTime, zone: &str| spelled(at.date(), &format!(" {}{zone}", at.time()));
    match value {
        Value::Date(date) if is_far(*date) => Some(spelled(*date, "")),
        Value::Timestamp(stamp) if is_far(stamp.date()) => Some(at(*stamp, "")),
        Value::TimestampTz(instant) => {
            let local = instant.with_timezone(&whole_minutes(*instant.offset()));
            is_far(local.date_naive()).then(|| at(local.naive_local(), &local.offset().to_string()))
        }
        _ => None,
    }
}

fn is_far(date: NaiveDate) -> bool {
    !(1..=9999).contains(&date.year())
}

/// The text with the year in the form of ISO 8601, which chrono reads. What has another form stays as it is.
pub(crate) fn iso(text: &str) -> Cow<'_, str> {
    let before = text.strip_suffix(" BC");
    let Some((year, rest)) = before.unwrap_or(text).split_once('-') else { return Cow::Borrowed(text) };
    let is_year = year.bytes().all(|byte| byte.is_ascii_digit());
    match year.parse::<i64>() {
        Ok(year) if is_year && before.is_some() => {
            let sign = if year > 1 { "-" } else { "" };
            Cow::Owned(format!("{sign}{:04}-{rest}", (1 - year).abs()))
        }
        Ok(_) if is_year && year.len() > 4 => Cow::Owned(format!("+{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// The point in time that a text spells.
pub(crate) fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    let text = iso(text);
    // The first is strict about the form and knows years of four digits only, the second knows any.
    DateTime::parse_from_rfc3339(&text).or_else(|_| text.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::FromValue;

    fn date(year: i32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, 2, 28).unwrap()
    }

    #[test]
    fn years_of_another_length_are_spelled_as_databases_do_and_read_back() {
        for (year, text) in [
            (-43, "0044-02-28 BC"),
            (0, "0001-02-28 BC"),
            (-9999, "10000-02-28 BC"),
            (10_000, "10000-02-28"),
            (262_000, "262000-02-28"),
        ] {
            assert_eq!(far(&Value::Date(date(year))).unwrap(), text);
            assert_eq!(NaiveDate::from_value(&Value::from(text)).unwrap(), date(year));
        }
        let at = date(-43).and_hms_micro_opt(1, 2, 3, 500_000).unwrap();
        let text = far(&Value::Timestamp(at)).unwrap();
        assert_eq!(text, "0044-02-28 01:02:03.500 BC");
        assert_eq!(NaiveDateTime::from_value(&Value::from(text)).unwrap(), at);
        for year in [-43, 10_000] {
            let zone = FixedOffset::east_opt(7200).unwrap();
            let at = date(year).and_hms_opt(23, 0, 0).unwrap().and_local_timezone(zone).unwrap();
            let text = far(&Value::TimestampTz(at)).unwrap();
            assert!(text.contains("-02-28 23:00:00+02:00"), "{text}");
            assert_eq!(DateTime::<FixedOffset>::from_value(&Value::from(text)).unwrap(), at);
        }
    }

    #[test]
    fn what_has_another_form_is_left_alone() {
        for text in [
            "2026-01-05",
            "-0043-02-28",
            "+10000-01-01",
            "infinity",
            "",
            "BC",
            "a-b",
            "-",
            "12345",
            "+2026-01-05 BC",
            "x-1 BC",
        ] {
            assert_eq!(iso(text), text);
        }
        assert_eq!(far(&Value::Date(date(9999))), None);
        assert_eq!(far(&Value::Date(date(1))), None);
        // The 29th of February of a leap year before our era.
        assert_eq!(iso("0005-02-29 BC"), "-0004-02-29");
        assert!(NaiveDate::from_value(&Value::from("0005-02-29 BC")).is_ok());
        assert!(NaiveDate::from_value(&Value::from("0004-02-29 BC")).is_err());
    }
}
