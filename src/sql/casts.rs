//! Types for placeholders whose driver sends an older one than was meant. Pure.

use super::lexer::{Kind, Token, tokens};
use crate::dialect::Dialect;

/// Behind these comes no expression but a constant or a variable, so that a placeholder there must stay alone.
const CALLS: &[&str] = &["EXEC", "EXECUTE", "CALL", "RAISERROR", "THROW", "WRITETEXT", "UPDATETEXT"];

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
