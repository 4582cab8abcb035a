//! Batches of T-SQL made ready for a driver that does less than was meant: types for placeholders that it sends by an
//! older one, and a count that it does not tell. Pure.

use super::lexer::{Kind, Token, tokens};
use crate::dialect::Dialect;

/// Behind these comes no expression but a constant or a variable, so that a placeholder there must stay alone.
const CALLS: &[&str] = &["EXEC", "EXECUTE", "CALL", "RAISERROR", "THROW", "WRITETEXT", "UPDATETEXT"];

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

/// What begins another statement, and so ends one of [`CALLS`] that no semicolon ends.
const STATEMENTS: &[&str] = &[
    "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "SET", "DECLARE", "IF", "ELSE", "WHILE",
    "BEGIN", "END", "RETURN", "PRINT", "TRUNCATE", "CREATE", "ALTER", "DROP",
];

/// The text with `CAST(? AS type)` for those placeholders, in their order, that are to be of a type; `None` leaves one
/// as it is. So is one that is the argument of a procedure: it takes no expression, and converts by itself.
pub(crate) fn with_casts(text: &str, dialect: Dialect, types: &[Option<&str>]) -> String {
    let mut types = types.iter().copied();
    let mut written = String::with_capacity(text.len() + 64);
    let mut calls = false;
    for token in tokens(text, dialect) {
        calls = (calls || token.is_one_of(CALLS)) && !ends_a_call(&token);
        let cast = if token.kind == Kind::Placeholder { types.next().flatten() } else { None };
        match cast.filter(|_| !calls) {
            Some(cast) => written.extend(["CAST(", token.text, " AS ", cast, ")"]),
            None => written.push_str(token.text),
        }
    }
    written
}

/// The column of the count that [`with_count`] asks for.
pub(crate) const COUNT: &str = "batchdb_changed";

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

fn ends_a_call(token: &Token<'_>) -> bool {
    token.is(";") || token.is_one_of(STATEMENTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let types = [Some("nvarchar(max)"), None, Some("varbinary(max)")];
        assert_eq!(with_casts(text, Dialect::SqlServer, &types), wanted);
    }

    #[test]
    fn placeholders_are_cast_in_their_order_and_nothing_else_is() {
        check(
            "SELECT '?', [?], \"?\" /* ? */ FROM t WHERE a = ? AND b = ? AND c = ? -- ?\n",
            "SELECT '?', [?], \"?\" /* ? */ FROM t WHERE a = CAST(? AS nvarchar(max)) AND b = ? AND \
             c = CAST(? AS varbinary(max)) -- ?\n",
        );
        check("SELECT 1", "SELECT 1");
    }

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

    #[test]
    fn an_argument_of_a_procedure_stays_alone() {
        check("EXEC @r = p @a = ?, @b = ?", "EXEC @r = p @a = ?, @b = ?");
        check("{call p(?)}", "{call p(?)}");
        check(
            "EXEC p ? SELECT ?, ?; execute q; SELECT 1",
            "EXEC p ? SELECT ?, CAST(? AS varbinary(max)); execute q; SELECT 1",
        );
        check("EXEC p @a; SELECT ?", "EXEC p @a; SELECT CAST(? AS nvarchar(max))");
        check("INSERT INTO t EXEC p ?", "INSERT INTO t EXEC p ?");
        check("THROW 50000, ?, 1", "THROW 50000, ?, 1");
    }
}
