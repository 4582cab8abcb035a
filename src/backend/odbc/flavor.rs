//! Which database is behind the driver, as far as this room must treat it in its own way. Pure.

use crate::dialect::Dialect;

/// The driver gives points in time as the session's clock reads them, and intervals as the session spells them.
/// `caller::spelling` sees to it that nobody changes them unseen.
const PSQLODBC: &str = "SET TIME ZONE 'UTC'";

/// What Amazon's Redshift, which psqlODBC speaks to as well, does not know is not set there.
const PSQLODBC_SPELLING: &str = "SELECT pg_catalog.set_config(name, \
     CASE name WHEN 'IntervalStyle' THEN 'postgres' ELSE 'on' END, false) \
     FROM pg_catalog.pg_settings WHERE name IN ('IntervalStyle', 'standard_conforming_strings')";

/// The database behind a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    SqlServer,
    Sqlite,
    /// PostgreSQL through psqlODBC.
    Postgres,
    Other,
}

impl Flavor {
    /// Tells the flavor from the settings, and where they leave it open from the name that the driver
    /// gives for its database.
    pub(super) fn of(dialect: Dialect, database_system: &str) -> Flavor {
        match dialect {
            Dialect::SqlServer => Flavor::SqlServer,
            Dialect::Sqlite => Flavor::Sqlite,
            Dialect::Postgres => Flavor::Postgres,
            Dialect::Odbc => match database_system.to_ascii_lowercase() {
                name if name.contains("sql server") => Flavor::SqlServer,
                name if name.contains("sqlite") => Flavor::Sqlite,
                name if name.contains("postgres") => Flavor::Postgres,
                _ => Flavor::Other,
            },
        }
    }

    /// The statements that every session begins with.
    ///
    /// SQL Server: an error must undo the whole transaction and not a part of it. `NOCOUNT` is off, whatever the server
    /// has for its logins (`user options`), because the number of changed rows is part of an answer; errors behind a count
    /// are found by draining all results. All else that matters, the server sets by itself for who calls himself ODBC. psqlODBC: see the head of this room for the time zone; a backslash in a plain string is
    /// a backslash, as the lexer of this crate takes it.
    pub(super) fn opening(self, read_only: bool) -> &'static [&'static str] {
        match (self, read_only) {
            (Flavor::SqlServer, _) => &["SET XACT_ABORT ON; SET NOCOUNT OFF"],
            (Flavor::Postgres, false) => &[PSQLODBC, PSQLODBC_SPELLING],
            (Flavor::Postgres, true) => {
                &[PSQLODBC, PSQLODBC_SPELLING, "SET default_transaction_read_only = on"]
            }
            (Flavor::Sqlite, true) => &["PRAGMA query_only = 1"],
            (Flavor::Sqlite, false) | (Flavor::Other, _) => &[],
        }
    }

    /// What the driver tells a session by itself: psqlODBC, how it reads dates.
    pub(super) fn opened_by_driver(self) -> &'static [&'static str] {
        if self == Flavor::Postgres { &["SET DateStyle = 'ISO'"] } else { &[] }
    }

    /// Whether texts go to the driver as UTF-8 bytes instead of UTF-16.
    ///
    /// SQLite's driver on Unix has no wide functions, and unixODBC would keep the low byte of each
    /// UTF-16 unit for it: `é€` would be stored as something else, without an error.
    pub(super) fn takes_utf8(self) -> bool {
        self == Flavor::Sqlite && cfg!(unix)
    }

    /// Whether the driver's own query timeout is set behind ours, so that a thread that was abandoned
    /// ends in the end. psqlODBC would spend two round trips on it, and SQLite's driver ignores it.
    pub(super) fn wants_query_timeout(self) -> bool {
        matches!(self, Flavor::SqlServer | Flavor::Other)
    }

    /// Whether the driver would run the statement and lose the rows that it returns: SQLite's driver
    /// takes every `INSERT`, `UPDATE` and `DELETE` for one that returns none.
    pub(super) fn loses_rows(self, text: &str) -> bool {
        let mut words = text
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .filter(|word| !word.is_empty());
        let is = |word: &str, wanted: &[&str]| wanted.iter().any(|known| word.eq_ignore_ascii_case(known));
        self == Flavor::Sqlite
            && words.next().is_some_and(|word| is(word, &["INSERT", "UPDATE", "DELETE", "REPLACE"]))
            && words.any(|word| is(word, &["RETURNING"]))
    }

    /// Whether many rows may be fetched in one call. SQLite's driver gives lengths that are not true.
    pub(super) fn fetches_blocks(self) -> bool {
        self != Flavor::Sqlite
    }

    /// Whether fetching may wait for the server. SQLite's driver has the whole result in memory by then,
    /// and its `SQLCancel` frees that memory.
    pub(super) fn waits_in_fetch(self) -> bool {
        self != Flavor::Sqlite
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generic_driver_is_known_by_the_name_of_its_database() {
        assert_eq!(Flavor::of(Dialect::Odbc, "PostgreSQL"), Flavor::Postgres);
        assert_eq!(Flavor::of(Dialect::Odbc, "Microsoft SQL Server"), Flavor::SqlServer);
        assert_eq!(Flavor::of(Dialect::Odbc, "Oracle"), Flavor::Other);
        assert_eq!(Flavor::of(Dialect::SqlServer, ""), Flavor::SqlServer);
    }

    #[test]
    fn a_session_of_sql_server_undoes_all_and_counts() {
        for read_only in [false, true] {
            let opening = Flavor::SqlServer.opening(read_only).concat();
            assert!(
                opening.contains("SET XACT_ABORT ON") && opening.contains("SET NOCOUNT OFF"),
                "{opening}"
            );
        }
    }

    #[test]
    fn rows_that_the_driver_would_lose_are_seen() {
        assert!(Flavor::Sqlite.loses_rows("insert into t (a) values (?)\nreturning a"));
        assert!(!Flavor::Sqlite.loses_rows("SELECT returning FROM t"));
        assert!(!Flavor::Sqlite.loses_rows("INSERT INTO t (not_returning) VALUES (1)"));
        assert!(!Flavor::Postgres.loses_rows("INSERT INTO t VALUES (1) RETURNING a"));
    }
}
