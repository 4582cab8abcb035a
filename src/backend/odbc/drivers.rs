//! The driver for SQL Server, where the settings leave it to what is installed. Pure, but for the question what is.

#![allow(unsafe_code, reason = "the driver manager writes names into a buffer")]

use std::ptr::null_mut;

use odbc_api::handles::{AnyHandle as _, Environment, SqlResult};
use odbc_sys::{AttrOdbcVersion, FetchOrientation, SqlReturn};

use crate::settings::Driver;

/// The longest name that unixODBC reads from its files has 1,000 characters.
const UNITS: i16 = 1024;

/// The names of the drivers that the driver manager knows.
///
/// They are asked for here and without their attributes, because unixODBC tells a length for these that lacks the end
/// mark which it writes: odbc-api's list of drivers gives it just that room, and the mark lands in somebody else's memory.
pub(super) fn installed() -> Vec<String> {
    let mut names = listed(|environment, direction, name, _| {
        // SAFETY: the handle is valid; the buffer has the length that is told, and no attributes are asked for.
        unsafe {
            odbc_sys::SQLDriversW(
                environment.as_handle().as_henv(),
                direction,
                name.as_mut_ptr(),
                UNITS,
                null_mut(),
                null_mut(),
                0,
                null_mut(),
            )
        }
    });
    names.sort();
    names.into_iter().map(|(name, _)| name).collect()
}

/// What a data source says of its driver: the name of one, or the file of its library. `None` where nobody knows it.
pub(super) fn of_source(wanted: &str) -> Option<String> {
    let sources = listed(|environment, direction, name, about| {
        // SAFETY: the handle is valid, and both buffers have the lengths that are told.
        unsafe {
            odbc_sys::SQLDataSourcesW(
                environment.as_handle().as_henv(),
                direction,
                name.as_mut_ptr(),
                UNITS,
                null_mut(),
                about.as_mut_ptr(),
                UNITS,
                null_mut(),
            )
        }
    });
    sources.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, driver)| driver)
}

/// A list of the driver manager's, to its end: names, and what is said of them.
fn listed(
    next: impl Fn(&Environment, FetchOrientation, &mut [u16], &mut [u16]) -> SqlReturn,
) -> Vec<(String, String)> {
    // An environment of its own, since the place in the list is a part of it.
    let (SqlResult::Success(environment) | SqlResult::SuccessWithInfo(environment)) = Environment::new()
    else {
        return Vec::new();
    };
    if environment.declare_version(AttrOdbcVersion::Odbc3_80).is_err() {
        return Vec::new();
    }
    let text =
        |units: &[u16]| String::from_utf16_lossy(units.split(|unit| *unit == 0).next().unwrap_or_default());
    let mut found = Vec::new();
    let mut direction = FetchOrientation::First;
    loop {
        let (mut name, mut about) = ([0_u16; UNITS as usize], [0_u16; UNITS as usize]);
        let result = next(&environment, direction, &mut name, &mut about);
        if !matches!(result, SqlReturn::SUCCESS | SqlReturn::SUCCESS_WITH_INFO) {
            return found;
        }
        direction = FetchOrientation::Next;
        found.push((text(&name), text(&about)));
    }
}

/// A driver that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice<'n> {
    Microsoft(&'n str),
    FreeTds(&'n str),
}

/// The best of the installed drivers for SQL Server: Microsoft's newest, then FreeTDS, then what Windows brings.
pub(super) fn choose(installed: &[String], freetds_will_do: bool) -> Option<Choice<'_>> {
    let newest = installed.iter().filter_map(|name| Some((version(name)?, name.as_str()))).max();
    let freetds = || installed.iter().find(|name| Driver::is_freetds(name));
    let old = || {
        installed.iter().find(|name| ["SQL Server", "SQL Server Native Client 11.0"].contains(&name.as_str()))
    };
    match newest {
        Some((_, name)) => Some(Choice::Microsoft(name)),
        None => match freetds().filter(|_| freetds_will_do) {
            Some(name) => Some(Choice::FreeTds(name)),
            None => old().map(|name| Choice::Microsoft(name)),
        },
    }
}

/// The number in `ODBC Driver 18 for SQL Server`.
fn version(name: &str) -> Option<u32> {
    name.strip_prefix("ODBC Driver ")?.strip_suffix(" for SQL Server")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], freetds_will_do: bool) -> Option<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        choose(&names, freetds_will_do).map(|choice| match choice {
            Choice::Microsoft(name) => format!("M {name}"),
            Choice::FreeTds(name) => format!("F {name}"),
        })
    }

    #[test]
    fn microsofts_newest_driver_goes_first_and_then_freetds() {
        let (m9, m17, m18) =
            ["9", "17", "18"].map(|number| format!("ODBC Driver {number} for SQL Server")).into();
        let all = ["FreeTDS", "SQL Server", "SQLite3", &m17, &m18, &m9];
        assert_eq!(chosen(&all, true), Some(format!("M {m18}")));
        assert_eq!(chosen(&all[..3], true).as_deref(), Some("F FreeTDS"));
        assert_eq!(chosen(&all[..3], false).as_deref(), Some("M SQL Server"));
        assert_eq!(chosen(&["FreeTDS"], false), None);
        assert_eq!(chosen(&["SQLite3", "PostgreSQL Unicode"], true), None);
    }
}
