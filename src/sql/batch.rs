//! Batches of T-SQL that say themselves what a driver does not tell. Pure.

use super::insert::COUNT;
use super::lexer::{Token, tokens};
use crate::dialect::Dialect;

/// What begins a statement that changes rows.
const CHANGES: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "WITH"];

/// What is no part of a statement that changes rows.
const OTHERS: &[&str] = &[
    "PRINT",
    "DECLARE",
    "IF",
    "WHILE",
    "BEGIN",
    "RETURN",
    "TRUNCATE",
    "CREATE",
    "ALTER",
    "DROP",
    "RAISERROR",
    "THROW",
    "WAITFOR",
    "USE",
    "GOTO",
    "EXEC",
    "EXECUTE",
    "COMMIT",
    "ROLLBACK",
    "SAVE",
];

/// The text with a question behind it for how many rows its last statement has changed; `None` where the text is not, or
/// does not end in, a statement that changes rows: the answer would be about something else, or the question would
/// become a part of a procedure that the text makes.
pub(crate) fn with_count(text: &str) -> Option<String> {
    let all: Vec<Token<'_>> = tokens(text, Dialect::SqlServer).filter(Token::is_significant).collect();
    let ends = all.last()?.is(";");
    let all = &all[..all.len() - usize::from(ends)];
    let last = all.rsplit(|token| token.is(";")).next()?;
    let changes = |token: Option<&Token<'_>>| token.is_some_and(|token| token.is_one_of(CHANGES));
    // Statements need no semicolon between them. What is told by a word is told; `MERGE` has to end in one.
    let sets = last.iter().filter(|token| token.is_word("SET")).count();
    let is_one = match last.first()? {
        first if first.is_word("MERGE") => true,
        first if first.is_word("UPDATE") || first.is_word("WITH") => sets <= 1,
        _ => sets == 0,
    };
    let is_alone = is_one && !last.iter().any(|token| token.is_one_of(OTHERS));
    (changes(all.first()) && changes(last.first()) && is_alone).then(|| {
        // On a line of its own: the text may end in a comment.
        format!("{text}\n{}SELECT CAST(@@ROWCOUNT AS bigint) AS {COUNT}", if ends { "" } else { "; " })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_asked_for_behind_a_statement_that_changes_rows() {
        let asked = "SELECT CAST(@@ROWCOUNT AS bigint) AS batchdb_changed";
        for (text, joint) in [
            ("INSERT INTO t VALUES (?)", "\n; "),
            ("-- x\nupdate t set a = 1 -- nightly", "\n; "),
            ("DELETE FROM a; UPDATE t SET a = b;", "\n"),
            ("WITH x AS (SELECT 1 AS n) DELETE FROM t", "\n; "),
            (
                "MERGE t USING s ON 1 = 1 WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT (a) VALUES (1);",
                "\n",
            ),
        ] {
            assert_eq!(with_count(text).unwrap(), format!("{text}{joint}{asked}"));
        }
        for text in [
            "",
            "SELECT 1",
            "CREATE PROCEDURE p AS UPDATE t SET a = 1",
            "CREATE TRIGGER x ON t AFTER INSERT AS DELETE FROM a; DELETE FROM b",
            "INSERT INTO t VALUES (1); SELECT 1",
            "INSERT INTO t VALUES (1); PRINT 'x'",
            "INSERT INTO t VALUES (1) PRINT 'x'",
            "INSERT INTO t VALUES (1) SET @a = 1",
            "UPDATE t SET a = 1 SET @b = 2",
            "INSERT INTO t EXEC p",
            "DECLARE @a int; DELETE FROM t",
        ] {
            assert_eq!(with_count(text), None, "{text}");
        }
    }
}
