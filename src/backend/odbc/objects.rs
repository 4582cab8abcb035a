//! The names in a server's text about refused data: constraint, table and column. Pure.
//!
//! Only what stands in quotes directly behind the word for it is a name, and only in the part of the text
//! that comes before the values.

use crate::error::Object;

/// The names in a text of SQL Server, psqlODBC or SQLite's driver; in another language there are none.
pub(super) fn object(text: &str) -> Object {
    // PostgreSQL quotes values on the lines behind the first, SQL Server behind these words.
    let text = text.lines().next().unwrap_or_default();
    let text = text.split_once("The duplicate key value").map_or(text, |(before, _)| before);
    if let Some(column) = after(text, "constraint failed: ") {
        return sqlite(column);
    }
    let quoted = |words: &[&str]| words.iter().find_map(|word| in_quotes(after(text, word)?));
    Object {
        // A unique index refuses as a constraint does, and is what a program looks for.
        constraint: quoted(&["constraint ", "unique index "]).map(Box::from),
        table: quoted(&["relation ", "in object ", "table "]).map(Box::from),
        column: quoted(&["column "]).map(Box::from),
    }
}

fn after<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    text.split_once(word).map(|(_, rest)| rest)
}

fn in_quotes(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    text[1..].split_once(quote).map(|(name, _)| name).filter(|name| !name.is_empty())
}

/// SQLite names `table.column`, or several of them, or the constraint.
fn sqlite(text: &str) -> Object {
    let end = text.find([' ', ',', '(']).unwrap_or(text.len());
    match text[..end].split_once('.') {
        Some((table, column)) => {
            Object { table: Some(table.into()), column: Some(column.into()), constraint: None }
        }
        None => Object { constraint: Some(text[..end].into()), ..Object::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, constraint: Option<&str>, table: Option<&str>, column: Option<&str>) {
        let wanted = Object {
            constraint: constraint.map(Box::from),
            table: table.map(Box::from),
            column: column.map(Box::from),
        };
        assert_eq!(object(text), wanted);
    }

    #[test]
    fn names_are_found_and_values_are_not() {
        check(
            "ERROR: duplicate key value violates unique constraint \"t_pkey\"\nDETAIL: Key (a)=(column \"x\")",
            Some("t_pkey"),
            None,
            None,
        );
        check(
            "ERROR: null value in column \"b\" of relation \"t\" violates not-null constraint",
            None,
            Some("t"),
            Some("b"),
        );
        check(
            "Violation of PRIMARY KEY constraint 'PK_t'. Cannot insert duplicate key in object 'dbo.t'. The \
             duplicate key value is (1).",
            Some("PK_t"),
            Some("dbo.t"),
            None,
        );
        check(
            "Cannot insert duplicate key row in object 'dbo.t' with unique index 'ix_t'. The duplicate key value is \
             (unique index 'x').",
            Some("ix_t"),
            Some("dbo.t"),
            None,
        );
        check(
            "Cannot insert the value NULL into column 'b', table 'hub.dbo.t'; column does not allow nulls. INSERT fails.",
            None,
            Some("hub.dbo.t"),
            Some("b"),
        );
        check(
            "The INSERT statement conflicted with the FOREIGN KEY constraint \"FK_t_p\". The conflict occurred in \
             database \"hub\", table \"dbo.p\", column 'id'.",
            Some("FK_t_p"),
            Some("dbo.p"),
            Some("id"),
        );
        check("UNIQUE constraint failed: t.a, t.b (19)", None, Some("t"), Some("a"));
        check("CHECK constraint failed: positive (19)", Some("positive"), None, None);
        check("FOREIGN KEY constraint failed (19)", None, None, None);
    }
}
