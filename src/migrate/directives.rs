//! What a migration file says of itself: `-- batchdb: no-transaction, timeout=10m` in the comments at its head. Pure.

use std::time::Duration;

use crate::settings;

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

/// Reads the comments before the first statement.
pub(crate) fn read(text: &str) -> Directives {
    let mut directives = Directives::default();
    let mut in_block = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if in_block || line.starts_with("/*") {
            in_block = !line.contains("*/");
            continue;
        }
        let Some(comment) = line.strip_prefix("--") else {
            if line.is_empty() {
                continue;
            }
            break;
        };
        let Some((name, words)) = comment.split_once(':') else { continue };
        if !name.trim().eq_ignore_ascii_case("batchdb") {
            continue;
        }
        for word in words.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
            if let Err(reason) = directives.take(word) {
                directives.wrong.push((number, reason));
            }
        }
    }
    directives
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
        assert_eq!(read("-- note: batchdb: no-transaction\n# batchdb: x"), Directives::default());
    }
}
