//! What keeps a statement of a script from being run as one step of a transaction.

use super::lexer::{Kind, Token, tokens};
use super::statements::statements;
use super::traits::{changes_quoting, defines_module, t_sql_control};
use crate::dialect::Dialect;

/// One such statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) kind: ObstacleKind,
    /// The byte of the text at which it begins.
    pub(crate) at: usize,
    /// Its first words, to be named by.
    pub(crate) words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObstacleKind {
    /// It begins, divides or ends a transaction.
    TransactionControl,
    /// The database runs it outside of transactions only, or it has no effect inside.
    OutsideOnly,
    /// It exchanges rows with the client, and a script has none: `COPY … FROM STDIN`.
    FromClient,
    /// What comes behind it is done in another database.
    OtherDatabase,
    /// What comes behind it would be read otherwise than it was here.
    ChangesQuoting,
}

/// T-SQL's procedures that refuse to run in a transaction.
const OUTSIDE_PROCEDURES: &[&str] = &[
    "sp_addsubscription",
    "sp_dropsubscription",
    "sp_adddistributor",
    "sp_dropdistributor",
    "sp_adddistributiondb",
    "sp_addpublication",
    "sp_replicationdboption",
    "sp_addlinkedserver",
    "sp_addlinkedsrvlogin",
    "sp_droplinkedsrvlogin",
    "sp_dropserver",
    "sp_serveroption",
    "sp_fulltext_database",
];

/// The pragmas that SQLite ignores or refuses in a transaction.
const OUTSIDE_PRAGMAS: &[&str] = &["foreign_keys", "journal_mode", "synchronous"];

/// The obstacles of a statement or batch, in their order.
pub(crate) fn obstacles(text: &str, dialect: Dialect) -> Vec<Obstacle> {
    let significant: Vec<Token<'_>> = tokens(text, dialect).filter(Token::is_significant).collect();
    if dialect == Dialect::SqlServer {
        return t_sql(&significant);
    }
    statements(&significant)
        .filter_map(|statement| {
            let kind = match dialect {
                Dialect::Sqlite => sqlite(statement),
                _ => postgres(statement),
            };
            let kind = if is_control(statement) { Some(ObstacleKind::TransactionControl) } else { kind };
            Some(obstacle(kind?, statement))
        })
        .collect()
}

fn obstacle(kind: ObstacleKind, from: &[Token<'_>]) -> Obstacle {
    let words = from.iter().take_while(|token| token.kind == Kind::Word).take(3).map(|token| token.text);
    Obstacle {
        kind,
        at: from.first().map_or(0, |token| token.at),
        words: words.collect::<Vec<_>>().join(" ").to_uppercase(),
    }
}

fn is_control(statement: &[Token<'_>]) -> bool {
    const WORDS: &[&str] = &["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ABORT"];
    is(statement, 0, WORDS) || (is(statement, 0, &["START", "PREPARE"]) && is(statement, 1, &["TRANSACTION"]))
}

fn is(statement: &[Token<'_>], place: usize, words: &[&str]) -> bool {
    statement.get(place).is_some_and(|token| token.is_one_of(words))
}

fn has(statement: &[Token<'_>], word: &str) -> bool {
    statement.iter().any(|token| token.is_word(word))
}

fn postgres(statement: &[Token<'_>]) -> Option<ObstacleKind> {
    if changes_quoting(statement) {
        return Some(ObstacleKind::ChangesQuoting);
    }
    let head = |words| is(statement, 0, words);
    let second = |words| is(statement, 1, words);
    if head(&["COPY"]) {
        let streams = statement.windows(2).any(|pair| {
            (pair[0].is_word("FROM") && pair[1].is_word("STDIN"))
                || (pair[0].is_word("TO") && pair[1].is_word("STDOUT"))
        });
        return streams.then_some(ObstacleKind::FromClient);
    }
    let creates = head(&["CREATE", "DROP"]);
    let index = 1 + usize::from(second(&["UNIQUE"]));
    let outside = head(&["VACUUM"])
        || (creates && second(&["DATABASE", "TABLESPACE", "SUBSCRIPTION"]))
        || (creates && is(statement, index, &["INDEX"]) && is(statement, index + 1, &["CONCURRENTLY"]))
        || (head(&["ALTER"]) && second(&["SYSTEM"]))
        || (head(&["ALTER"]) && second(&["DATABASE"]) && has(statement, "TABLESPACE"))
        || (head(&["ALTER"]) && has(statement, "DETACH") && has(statement, "CONCURRENTLY"))
        || (head(&["DISCARD"]) && second(&["ALL"]))
        // Without a table it goes through all of them, each in a transaction of its own.
        || (head(&["CLUSTER"]) && (statement.len() == 1 || (statement.len() == 2 && second(&["VERBOSE"]))))
        || (head(&["REINDEX"])
            && statement.iter().any(|token| token.is_one_of(&["CONCURRENTLY", "SCHEMA", "DATABASE", "SYSTEM"])));
    outside.then_some(ObstacleKind::OutsideOnly)
}

fn sqlite(statement: &[Token<'_>]) -> Option<ObstacleKind> {
    let sets_pragma = is(statement, 0, &["PRAGMA"])
        && statement.iter().any(|token| token.is_one_of(OUTSIDE_PRAGMAS))
        && statement.iter().any(|token| token.is("=") || token.is("("));
    let outside = is(statement, 0, &["VACUUM", "DETACH"]) || sets_pragma;
    outside.then_some(ObstacleKind::OutsideOnly)
}

/// T-SQL needs no `;`, so a statement is told by the reserved words that it begins with, wherever they stand. What a
/// procedure does is not done now.
fn t_sql(batch: &[Token<'_>]) -> Vec<Obstacle> {
    if defines_module(batch) {
        return Vec::new();
    }
    let mut found: Vec<Obstacle> = t_sql_control(batch)
        .map(|place| obstacle(ObstacleKind::TransactionControl, &batch[place..]))
        .into_iter()
        .collect();
    let outside = batch.iter().enumerate().find(|(place, token)| {
        let next = |words| is(batch, place + 1, words);
        let procedure = |token: &Token<'_>| {
            let name = token.text.trim_matches(['[', ']', '"']);
            OUTSIDE_PROCEDURES.iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        (token.is_one_of(&["BACKUP", "RESTORE"]) && next(&["DATABASE", "LOG"]))
            || token.is_word("RECONFIGURE")
            || (token.is_one_of(&["CREATE", "ALTER", "DROP"]) && next(&["DATABASE", "FULLTEXT"]))
            || (token.is_one_of(&["EXEC", "EXECUTE"]) && batch[place + 1..].iter().take(5).any(procedure))
    });
    found.extend(outside.map(|(place, _)| obstacle(ObstacleKind::OutsideOnly, &batch[place..])));
    // `OPTION (USE HINT (…))` and `OPTION (USE PLAN …)` are hints.
    let moves = |place: usize| is(batch, place, &["USE"]) && !is(batch, place + 1, &["HINT", "PLAN"]);
    let other = (0..batch.len()).find(|place| moves(*place));
    found.extend(other.map(|place| obstacle(ObstacleKind::OtherDatabase, &batch[place..])));
    found.sort_by_key(|obstacle| obstacle.at);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Postgres, SqlServer, Sqlite};
    use ObstacleKind::{ChangesQuoting, FromClient, OtherDatabase, OutsideOnly, TransactionControl};

    #[track_caller]
    fn check(dialect: Dialect, text: &str, wanted: Option<(ObstacleKind, usize)>) {
        let found = obstacles(text, dialect);
        assert_eq!(found.first().map(|found| (found.kind, found.at)), wanted, "{text}");
    }

    #[test]
    fn postgres_runs_some_statements_outside_of_transactions_only() {
        for text in [
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "create unique index concurrently if not exists i ON t (a)",
            "DROP INDEX CONCURRENTLY i",
            "CREATE DATABASE d",
            "DROP TABLESPACE s",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "ALTER DATABASE d SET TABLESPACE s",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX (VERBOSE) SCHEMA s",
            "VACUUM ANALYZE t",
            "CLUSTER",
            "DISCARD ALL",
        ] {
            check(Postgres, text, Some((OutsideOnly, 0)));
        }
        for text in [
            "CREATE INDEX i ON t (a) -- CONCURRENTLY",
            "CREATE TABLE database (a int)",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "REINDEX TABLE t",
            "CLUSTER t",
            "SELECT 'VACUUM'",
            "ALTER TYPE t ADD VALUE 'x'",
            "COPY t FROM '/a/file'",
        ] {
            check(Postgres, text, None);
        }
        check(Postgres, "SELECT 1; SET standard_conforming_strings = off", Some((ChangesQuoting, 10)));
        check(Postgres, "SET standard_conforming_strings = on", None);
        check(Postgres, "COPY t (a) FROM stdin", Some((FromClient, 0)));
        check(Postgres, "/* a */ COMMIT", Some((TransactionControl, 8)));
        check(Postgres, "START TRANSACTION", Some((TransactionControl, 0)));
        check(Postgres, "DO $$ BEGIN COMMIT; END $$", None);
    }

    #[test]
    fn sqlite_has_its_own() {
        check(Sqlite, "VACUUM", Some((OutsideOnly, 0)));
        check(Sqlite, "PRAGMA foreign_keys = OFF", Some((OutsideOnly, 0)));
        check(Sqlite, "PRAGMA main.journal_mode(WAL)", Some((OutsideOnly, 0)));
        check(Sqlite, "PRAGMA user_version = 3", None);
        check(Sqlite, "ROLLBACK", Some((TransactionControl, 0)));
        check(Sqlite, "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END", None);
    }

    #[test]
    fn t_sql_is_searched_as_a_whole() {
        check(SqlServer, "SELECT 1 ALTER DATABASE d SET RECOVERY SIMPLE", Some((OutsideOnly, 9)));
        check(SqlServer, "BACKUP LOG d TO DISK = 'x'", Some((OutsideOnly, 0)));
        check(SqlServer, "CREATE FULLTEXT INDEX ON t(a) KEY INDEX k", Some((OutsideOnly, 0)));
        check(SqlServer, "EXEC master.dbo.[sp_addlinkedserver] @server = N'x'", Some((OutsideOnly, 0)));
        check(SqlServer, "EXEC sp_rename 'a', 'b'", None);
        check(SqlServer, "IF 1 = 1 BEGIN TRAN", Some((TransactionControl, 9)));
        check(SqlServer, "SELECT 1 SET NOCOUNT, IMPLICIT_TRANSACTIONS ON", Some((TransactionControl, 9)));
        check(SqlServer, "SET IMPLICIT_TRANSACTIONS OFF", None);
        check(SqlServer, "SELECT 1 use other", Some((OtherDatabase, 9)));
        check(SqlServer, "SELECT a AS [use] FROM t OPTION (USE HINT ('x'))", None);
        check(SqlServer, "CREATE PROC p AS BEGIN TRAN COMMIT", None);
        check(SqlServer, "SELECT 'CREATE DATABASE' -- DROP DATABASE", None);
    }
}
