//! The driver for SQL Server, where the settings leave it to what is installed. Pure, but for the question what is.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The names of the drivers that the driver manager knows.
pub(super) fn installed() -> Vec<String> {
    // odbc-api panics over a driver entry that it cannot read.
    let listed = catch_unwind(AssertUnwindSafe(|| {
        odbc_api::environment().and_then(odbc_api::Environment::drivers).unwrap_or_default()
    }));
    let mut names: Vec<String> =
        listed.unwrap_or_default().into_iter().map(|driver| driver.description).collect();
    names.sort();
    names
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
    let freetds = || installed.iter().find(|name| name.to_ascii_lowercase().contains("freetds"));
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
