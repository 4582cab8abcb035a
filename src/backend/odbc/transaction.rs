//! The words that begin and end a transaction. Pure.
//!
//! Where the database has words for it they are sent as text, and the driver stays in its autocommit
//! mode: FreeTDS opens no new transaction after the server undid one, so that later statements would run
//! outside any, and psqlODBC answers `SQLEndTran` with a success after its server was killed. A text is
//! a statement like any other, and fails like one.

use std::borrow::Cow;

use crate::backend::{Begin, Isolation};

use super::classify::{COMMIT_REFUSED, ENDED_BEFORE};
use super::flavor::Flavor;

/// A step in the life of a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Control {
    Begin(Begin),
    Commit(Begin),
    Rollback(Begin),
}

/// The text for a step; `None` where only the driver's own functions will do.
pub(super) fn words(flavor: Flavor, control: Control) -> Option<Cow<'static, str>> {
    Some(match (flavor, control) {
        (Flavor::Other, _) => return None,
        (Flavor::SqlServer, Control::Begin(begin)) => match begin.isolation {
            None => "BEGIN TRANSACTION".into(),
            Some(level) => {
                let level = if level == Isolation::Snapshot { "SNAPSHOT" } else { level.sql() };
                format!("SET TRANSACTION ISOLATION LEVEL {level}; BEGIN TRANSACTION").into()
            }
        },
        // A transaction that the server has doomed, or that a procedure left at another depth, would be
        // committed in part or not at all without an error. Of one that is gone nobody knows whether by COMMIT.
        (Flavor::SqlServer, Control::Commit(begin)) => format!(
            "IF XACT_STATE() = 1 AND @@TRANCOUNT = 1 COMMIT TRANSACTION ELSE IF @@TRANCOUNT > 0 BEGIN \
             ROLLBACK TRANSACTION; \
             THROW {COMMIT_REFUSED}, 'the transaction cannot be committed and was rolled back', 1 END \
             ELSE BEGIN SET XACT_ABORT ON; \
             THROW {ENDED_BEFORE}, 'the transaction was ended before its commit', 1 END{}",
            calmed(begin)
        )
        .into(),
        (Flavor::SqlServer, Control::Rollback(begin)) => {
            format!("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION{}", calmed(begin)).into()
        }
        (Flavor::Postgres, Control::Begin(begin)) => {
            let mut text = String::from("BEGIN");
            if let Some(level) = begin.isolation {
                text.push_str(" ISOLATION LEVEL ");
                text.push_str(level.sql());
            }
            if begin.read_only {
                text.push_str(" READ ONLY");
            }
            text.into()
        }
        // SQLite is always serializable. Two transactions that read first and write later would fail
        // each other; the lock from the start makes the second wait.
        (Flavor::Sqlite, Control::Begin(Begin { read_only: false, .. })) => "BEGIN IMMEDIATE".into(),
        (Flavor::Sqlite, Control::Begin(_)) => "BEGIN DEFERRED".into(),
        (Flavor::Postgres | Flavor::Sqlite, Control::Commit(_)) => "COMMIT".into(),
        (Flavor::Postgres | Flavor::Sqlite, Control::Rollback(_)) => "ROLLBACK".into(),
    })
}

/// On SQL Server the isolation level belongs to the session and outlives the transaction.
fn calmed(begin: Begin) -> &'static str {
    match begin.isolation {
        None => "",
        Some(_) => "; SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    }
}

/// The value of `SQL_ATTR_TXN_ISOLATION` for a level.
pub(super) fn attribute(level: Isolation) -> u32 {
    match level {
        Isolation::ReadCommitted => 2,
        Isolation::RepeatableRead => 4,
        // ODBC knows no other that keeps all of a snapshot's promise.
        Isolation::Serializable | Isolation::Snapshot => 8,
    }
}

/// Whether a statement of our own rolls back, as a whole or to a savepoint.
pub(super) fn begins_with_rollback(text: &str) -> bool {
    text.trim_start().get(..8).is_some_and(|word| word.eq_ignore_ascii_case("ROLLBACK"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_hears_its_own_words() {
        let begin = Begin { isolation: Some(Isolation::Serializable), read_only: true, ..Begin::default() };
        let say = |flavor, control| words(flavor, control).unwrap().into_owned();
        assert_eq!(
            say(Flavor::Postgres, Control::Begin(begin)),
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"
        );
        assert_eq!(
            say(Flavor::SqlServer, Control::Begin(begin)),
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRANSACTION"
        );
        let snapshot = Begin { isolation: Some(Isolation::Snapshot), ..Begin::default() };
        assert!(say(Flavor::SqlServer, Control::Begin(snapshot)).contains("LEVEL SNAPSHOT;"));
        assert_eq!(say(Flavor::Postgres, Control::Begin(snapshot)), "BEGIN ISOLATION LEVEL REPEATABLE READ");
        assert!(say(Flavor::SqlServer, Control::Commit(begin)).ends_with("LEVEL READ COMMITTED"));
        let commit = say(Flavor::SqlServer, Control::Commit(Begin::default()));
        assert!(
            commit.starts_with("IF XACT_STATE() = 1 AND @@TRANCOUNT = 1 COMMIT") && commit.ends_with("1 END")
        );
        assert_eq!(commit.matches("; THROW 507").count(), 2, "a THROW wants a `;` before it");
        assert_eq!(say(Flavor::Sqlite, Control::Begin(Begin::default())), "BEGIN IMMEDIATE");
        assert!(words(Flavor::Other, Control::Begin(begin)).is_none());
    }
}
