//! What a migration file says of itself: `-- batchdb: no-transaction, timeout=10m` in the comments at its head. Pure.

use std::time::Duration;

use crate::dialect::Dialect;
use crate::settings;
use crate::sql::{self, Comment};

/// How one file wants to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    /// Statement by statement, each committed by itself.
    pub(crate) no_transaction: bool,
    /// Also after newer ones.
    pub(crate) out_of_order: bool,
    /// `${…}` means nothing in it.
    pub(crate) no_placeholders: bool,
    /// The limit on the file, in place of `MIGRATION_TIMEOUT`.
    pub(crate) timeout: Option<Duration>,
    /// The limit on each wait for a lock of the database.
    pub(crate) lock_timeout: Option<Duration>,
    /// What could not be understood, with its line.
    pub(crate) wrong: Vec<(usize, String)>,
}

/// The directives there are, without their values.
const NAMES: [&str; 5] = ["no-transaction", "out-of-order", "no-placeholders", "timeout", "lock-timeout"];

/// Reads the comments before the first statement. All databases have the same, but for comments in comments.
pub(crate) fn read(text: &str) -> Directives {
    let mut directives = Directives::default();
    for comment in sql::comments(text, Dialect::Postgres).take_while(|comment| comment.is_at_head) {
        let line = line_of(text, comment);
        match said(comment.text) {
            Said::Words(words) => {
                for word in words.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
                    if let Err(reason) = directives.take(word) {
                        directives.wrong.push((line, reason));
                    }
                }
            }
            Said::Slip(reason) => directives.wrong.push((line, reason)),
            Said::Nothing => (),
        }
    }
    directives
}

/// What stands below the first statement as if it were a directive, with its line: nobody would heed it.
pub(crate) fn misplaced(text: &str, dialect: Dialect) -> Vec<(usize, String)> {
    let below = sql::comments(text, dialect).filter(|comment| !comment.is_at_head);
    below
        .filter(|comment| !matches!(said(comment.text), Said::Nothing))
        .map(|comment| {
            (
                line_of(text, comment),
                "it stands below the first statement; move it to the head of the file".to_owned(),
            )
        })
        .collect()
}

fn line_of(text: &str, comment: Comment<'_>) -> usize {
    text[..comment.at].matches('\n').count() + 1
}

/// What a comment says to this crate.
enum Said<'c> {
    /// What stands behind `batchdb:`.
    Words(&'c str),
    /// It is meant as a directive, and is none.
    Slip(String),
    Nothing,
}

fn said(comment: &str) -> Said<'_> {
    let Some(body) = comment.strip_prefix("--") else {
        let body = comment.trim_start_matches(['/', '*']);
        return match meant(body) {
            Said::Nothing => Said::Nothing,
            _ => Said::Slip("a directive stands in a comment that begins with `--`".to_owned()),
        };
    };
    meant(body)
}

fn meant(body: &str) -> Said<'_> {
    const OURS: &str = "batchdb";
    let body = body.trim();
    let Some(name) = body.get(..OURS.len()).filter(|name| name.eq_ignore_ascii_case(OURS)) else {
        return Said::Nothing;
    };
    let rest = &body[name.len()..];
    if let Some(words) = rest.trim_start().strip_prefix(':') {
        return Said::Words(words);
    }
    // Only what names a directive is one: a comment may begin with our name.
    let word = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = word.find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_')).unwrap_or(word.len());
    let word = word[..end].to_lowercase().replace('_', "-");
    match NAMES.contains(&word.as_str()) && !rest.starts_with(char::is_alphanumeric) {
        true => Said::Slip(format!("a colon is missing; write `-- batchdb: {word}`")),
        false => Said::Nothing,
    }
}

impl Directives {
    fn take(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let flag = match name {
            "no-transaction" => Some(&mut self.no_transaction),
            "out-of-order" => Some(&mut self.out_of_order),
            "no-placeholders" => Some(&mut self.no_placeholders),
            _ => None,
        };
        if let Some(flag) = flag {
            *flag = true;
            return if value.is_none() { Ok(()) } else { Err(format!("`{name}` takes no value")) };
        }
        let limit = match name {
            "timeout" => &mut self.timeout,
            "lock-timeout" => &mut self.lock_timeout,
            _ => {
                return Err(format!(
                    "`{name}` is none of no-transaction, out-of-order, no-placeholders, timeout=10m, lock-timeout=5s"
                ));
            }
        };
        *limit = value.and_then(settings::limit);
        match limit {
            Some(_) => Ok(()),
            None => Err(format!("`{name}` takes a time, such as {name}=30s")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn directives_stand_in_the_comments_at_the_head() {
        let read = read(
            "-- Adds an index.\n\n/* of the\n-- batchdb: out-of-order\n year */\n--batchdb: no-transaction, timeout=10m\n\
             -- BatchDB: lock-timeout=500ms no-placeholders\nSELECT 1;\n-- batchdb: out-of-order\n",
        );
        assert_eq!(
            read,
            Directives {
                no_transaction: true,
                no_placeholders: true,
                timeout: Some(Duration::from_secs(600)),
                lock_timeout: Some(Duration::from_millis(500)),
                ..Directives::default()
            }
        );
    }

    #[test]
    fn a_slip_is_told_with_its_line() {
        let read = read("-- batchdb: no_transaction\n-- batchdb: timeout=soon, out-of-order=1, timeout=0");
        let lines: Vec<usize> = read.wrong.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 2, 2]);
        assert!(read.wrong[0].1.contains("`no_transaction` is none of no-transaction"));
        assert!(read.wrong[1].1.contains("timeout=30s"));
    }

    #[test]
    fn other_comments_say_nothing() {
        for text in [
            "-- note: batchdb: no-transaction\n# batchdb: x",
            "-- BatchDB applies this at night, without a timeout\nSELECT 1",
            "-- batchdbs: timeout\n/* see -- batchdb: no-transaction */",
            "-- batchdbno-transaction",
            "-- é\n--",
        ] {
            assert_eq!(read(text), Directives::default(), "{text}");
        }
    }

    #[track_caller]
    fn check_slip(text: &str, line: usize, said: &str) {
        let Directives { wrong, no_transaction, .. } = read(text);
        let wrong = [wrong, misplaced(text, Dialect::SqlServer)].concat();
        assert!(!no_transaction, "{text}");
        assert_eq!(wrong.len(), 1, "{text}: {wrong:?}");
        assert!(wrong[0].0 == line && wrong[0].1.contains(said), "{text}: {wrong:?}");
    }

    #[test]
    fn what_is_meant_as_a_directive_and_is_none_is_told() {
        check_slip(
            "-- batchdb no-transaction\nVACUUM",
            1,
            "a colon is missing; write `-- batchdb: no-transaction`",
        );
        check_slip("-- one\n-- BATCHDB - No_Transaction", 2, "a colon is missing");
        check_slip("--batchdb=timeout=5m\nSELECT 1", 1, "`-- batchdb: timeout`");
        check_slip("/* batchdb: no-transaction */\nSELECT 1", 1, "begins with `--`");
        check_slip("SELECT 1;\n\n  -- batchdb: no-transaction\nSELECT 2", 3, "below the first statement");
        check_slip("SELECT 1 -- batchdb no-transaction", 1, "below the first statement");
        check_slip(
            "/* x */ CREATE TABLE t (a int);\n-- batchdb: no-transaction\nVACUUM",
            2,
            "below the first",
        );
        check_slip("/* x */ VACUUM; /* y\n-- batchdb: z */ -- batchdb: no-transaction", 2, "below the first");
    }

    #[test]
    fn a_directive_stands_behind_a_block_and_in_no_string() {
        assert!(read("/* x */ -- batchdb: no-transaction\nVACUUM").no_transaction);
        assert!(read("/* a /* b */ */\n-- batchdb: no-transaction\nVACUUM").no_transaction);
        assert_eq!(misplaced("SELECT '\n-- batchdb: x';\n-- a note", Dialect::Postgres), []);
    }

    const FRAGMENTS: [&str; 16] = [
        "-- batchdb: no-transaction",
        "-- batchdb no-transaction",
        "--batchdb:",
        "/* batchdb: timeout=5s */",
        "/*",
        "*/",
        "\n",
        " ",
        "'",
        "\"",
        "$$",
        "SELECT 1;",
        "é",
        "-- BATCHDB : out-of-order=1, x",
        "GO",
        "--",
    ];

    proptest! {
        #[test]
        fn what_is_told_of_any_text_has_a_line_in_it(
            parts in prop::collection::vec(prop::sample::select(&FRAGMENTS[..]), 0..30),
        ) {
            let text = parts.concat();
            let lines = text.matches('\n').count() + 1;
            for dialect in [Dialect::Postgres, Dialect::SqlServer, Dialect::Sqlite] {
                let (read, misplaced) = (read(&text), misplaced(&text, dialect));
                for (line, _) in read.wrong.iter().chain(&misplaced) {
                    prop_assert!((1..=lines).contains(line));
                }
                // Below the first statement nothing counts.
                let below = format!("SELECT 1;\n{text}");
                prop_assert_eq!(super::read(&below), Directives::default());
            }
        }
    }
}
