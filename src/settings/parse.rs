//! One value at a time: durations and words. Pure, and silent about what it was given.

use std::time::Duration;

/// The unit of a number that stands without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

/// Reads `1.5`, `500ms`, `30s`, `5m` or `1h`. `None` for anything else, a negative or an endless time.
pub(super) fn duration(text: &str, bare: Unit) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match (text[digits.len()..].to_ascii_lowercase().as_str(), bare) {
        ("", Unit::Seconds) | ("s", _) => 1.0,
        ("", Unit::Milliseconds) | ("ms", _) => 0.001,
        ("m", _) => 60.0,
        ("h", _) => 3600.0,
        _ => return None,
    };
    let number: f64 = digits.trim_end().parse().ok()?;
    let exact = Duration::try_from_secs_f64(number * seconds).ok()?;
    // No limit is finer than a microsecond, and rounding hides that 0.001 is no binary fraction.
    let micros = u64::try_from((exact.as_nanos() + 500) / 1000).ok()?;
    Some(Duration::from_micros(micros))
}

/// Writes a time as [`duration`] reads it, with its unit.
pub(super) fn spelled(time: Duration) -> String {
    let (seconds, micros) = (time.as_secs(), time.subsec_micros());
    match (seconds, micros) {
        (0, 0) => "0".to_owned(),
        (seconds, 0) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", time.as_micros() as f64 / 1000.0),
    }
}

/// Whether this can be the name of a placeholder: Flyway's own have colons, such as `flyway:user`.
pub(crate) fn is_placeholder(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c))
}

/// Reads a limit that a migration file sets itself, such as `5s` or `10m`. A bare number is seconds.
pub(crate) fn limit(text: &str) -> Option<Duration> {
    duration(text, Unit::Seconds).filter(|limit| !limit.is_zero() && limit.as_secs() <= 365 * 24 * 3600)
}

/// Reads a yes or a no.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_a_unit_or_take_the_keys_own() {
        for (text, expected) in [
            ("30", Some(30_000)),
            ("1.5", Some(1500)),
            (" 500ms ", Some(500)),
            ("30S", Some(30_000)),
            ("5 m", Some(300_000)),
            ("0.5h", Some(1_800_000)),
            ("0", Some(0)),
            ("-1", None),
            ("", None),
            ("s", None),
            ("1d", None),
            ("nan", None),
            ("inf", None),
            ("1e300", None),
            ("1e300h", None),
            ("5,5", None),
        ] {
            assert_eq!(duration(text, Unit::Seconds), expected.map(Duration::from_millis), "{text}");
        }
        assert_eq!(duration("500", Unit::Milliseconds), Some(Duration::from_millis(500)));
        assert_eq!(duration("2s", Unit::Milliseconds), Some(Duration::from_secs(2)));
        assert_eq!(duration("0.001", Unit::Seconds), Some(Duration::from_millis(1)));
    }

    #[test]
    fn what_is_spelled_is_read_as_it_was() {
        for text in ["0", "500ms", "1.5ms", "1500ms", "30s", "1m", "90s", "2h"] {
            let time = duration(text, Unit::Seconds).unwrap();
            assert_eq!(spelled(time), text);
        }
    }

    #[test]
    fn a_yes_is_a_yes_in_every_common_form() {
        assert_eq!(["True", "YES", "on", "1"].map(boolean), [Some(true); 4]);
        assert_eq!(["false", "No", "off", "0"].map(boolean), [Some(false); 4]);
        assert_eq!(["", "maybe", "2"].map(boolean), [None; 3]);
    }
}
