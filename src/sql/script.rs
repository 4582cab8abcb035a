//! Cuts a script, such as a migration file, into what is sent to a server at once.

use super::lexer::{Kind, Token, tokens};
use super::statements::Boundaries;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Result};

/// What is sent at once: a batch or a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// The byte of the script at which the text begins.
    pub(crate) at: usize,
    /// The line of the script, counted from 1, on which the text begins. Line `n` of the text is line
    /// `line + n - 1` of the script.
    pub(crate) line: usize,
    /// How many times it runs: the count of `GO 5`, else 1.
    pub(crate) repeat: u32,
}

/// Cuts a script into its pieces; those that hold nothing but comments are left out.
///
/// SQL Server takes batches, which end at a line `GO`. Other databases take one statement after the other, without the
/// `;` behind it. PostgreSQL would take the whole script, but says of most errors only that one of its statements failed,
/// and refuses statements such as `VACUUM` in company.
///
/// # Errors
///
/// `Syntax`, with the line, when a string, a quoted name or a comment has no end, or `GO` a count of 0.
pub(crate) fn split(script: &str, dialect: Dialect) -> Result<Vec<Piece<'_>>> {
    let tokens: Vec<Token<'_>> = tokens(script, dialect).collect();
    if let Some(token) = tokens.last()
        && let Kind::Unclosed(what) = token.kind
    {
        return Err(wrong(script, token, format!("the {what} that begins here has no end")));
    }
    let mut cutter = Cutter { script, pieces: Vec::new(), counted: 0, line: 1 };
    match dialect {
        Dialect::SqlServer => cutter.batches(&tokens)?,
        Dialect::Postgres | Dialect::Sqlite | Dialect::Odbc => cutter.statements(&tokens),
    }
    Ok(cutter.pieces)
}

struct Cutter<'a> {
    script: &'a str,
    pieces: Vec<Piece<'a>>,
    /// Up to which byte the lines are counted, and the line there.
    counted: usize,
    line: usize,
}

impl<'a> Cutter<'a> {
    /// Batches keep their comments: SQL Server stores them with a procedure.
    fn batches(&mut self, tokens: &[Token<'a>]) -> Result<()> {
        let (mut start, mut at) = (0, 0);
        while at < tokens.len() {
            let Some((end, count)) = go(tokens, at) else {
                at += 1;
                continue;
            };
            let repeat = count.map_or(Ok(1), str::parse).unwrap_or(0);
            if repeat == 0 {
                return Err(wrong(self.script, &tokens[at], "GO takes a count from 1 to 4294967295"));
            }
            self.add(&tokens[start..at], repeat);
            (start, at) = (end, end);
        }
        self.add(&tokens[start..], 1);
        Ok(())
    }

    /// Statements begin at their first word, so that the line of a piece is the line of the statement and
    /// not that of the comment above it.
    fn statements(&mut self, tokens: &[Token<'a>]) {
        let mut boundaries = Boundaries::default();
        for statement in tokens.split(|token| boundaries.ends_at(token)) {
            let first = statement.iter().position(Token::is_significant);
            let last = statement.iter().rposition(Token::is_significant);
            if let (Some(first), Some(last)) = (first, last) {
                self.add(&statement[first..=last], 1);
            }
        }
    }

    /// Adds what the tokens say, without the space around it.
    fn add(&mut self, tokens: &[Token<'a>], repeat: u32) {
        let is_text = |token: &&Token<'a>| token.kind != Kind::Space;
        let (Some(first), Some(last)) = (tokens.iter().find(is_text), tokens.iter().rfind(is_text)) else {
            return;
        };
        if !tokens.iter().any(Token::is_significant) {
            return;
        }
        self.line += newlines(&self.script[self.counted..first.at]);
        self.counted = first.at;
        let text = &self.script[first.at..last.end()];
        self.pieces.push(Piece { text, at: first.at, line: self.line, repeat });
    }
}

/// Where a line `GO [count]` begins at the token `at`: the token behind it, and the count.
///
/// `GO` stands alone on its line, but for its count, a comment and a `;`.
fn go<'a>(tokens: &[Token<'a>], at: usize) -> Option<(usize, Option<&'a str>)> {
    let begins_line = match at.checked_sub(1).map(|before| &tokens[before]) {
        None => true,
        Some(before) => before.kind == Kind::Space && (before.at == 0 || before.text.contains('\n')),
    };
    if !begins_line || !tokens[at].is_word("GO") {
        return None;
    }
    let (mut count, mut ended) = (None, false);
    for (index, token) in tokens.iter().enumerate().skip(at + 1) {
        match token.kind {
            Kind::Space if token.text.contains('\n') => return Some((index + 1, count)),
            Kind::Space => (),
            // A count follows at once, with nothing but space between.
            Kind::Number if index == at + 2 && token.text.bytes().all(|byte| byte.is_ascii_digit()) => {
                count = Some(token.text);
            }
            Kind::Comment if !token.text.contains('\n') => (),
            Kind::Symbol if token.text == ";" && !ended => ended = true,
            _ => return None,
        }
    }
    Some((tokens.len(), count))
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn wrong(script: &str, token: &Token<'_>, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    let line = newlines(&script[..token.at]) + 1;
    Error::new(ErrorKind::Syntax, message).at(format_args!("line {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Odbc, Postgres, SqlServer, Sqlite};

    #[track_caller]
    fn check(dialect: Dialect, script: &str, wanted: &[(&str, usize, u32)]) {
        let found: Vec<_> = split(script, dialect)
            .unwrap()
            .iter()
            .map(|piece| (piece.text, piece.line, piece.repeat))
            .collect();
        assert_eq!(found, wanted, "{script}");
    }

    #[track_caller]
    fn check_refused(dialect: Dialect, script: &str, message: &str) {
        let error = split(script, dialect).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Syntax, message));
    }

    #[test]
    fn postgres_takes_statements() {
        check(Postgres, "\n SELECT 1;\nSELECT ';';\n", &[("SELECT 1", 2, 1), ("SELECT ';'", 3, 1)]);
        let function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END";
        check(
            Postgres,
            &format!("{function};\nDO $$ BEGIN NULL; END $$"),
            &[(function, 1, 1), ("DO $$ BEGIN NULL; END $$", 2, 1)],
        );
        check(Postgres, "-- nothing\n/* at all */ ", &[]);
        check(Postgres, "", &[]);
    }

    #[test]
    fn go_ends_a_batch() {
        check(SqlServer, "a\nGO\nb\n  go  \r\n\r\nc", &[("a", 1, 1), ("b", 3, 1), ("c", 6, 1)]);
        check(SqlServer, "GO\na\nGO\nGO\n-- only a note\nGO", &[("a", 2, 1)]);
        check(SqlServer, "a\nGO 3\nb", &[("a", 1, 3), ("b", 3, 1)]);
        check(
            SqlServer,
            "a\nGO -- x\nb\nGO /* x */\nc\nGO;\nd\ngo 2 ; -- x\n",
            &[("a", 1, 1), ("b", 3, 1), ("c", 5, 1), ("d", 7, 2)],
        );
        check(SqlServer, "\u{feff}GO\na", &[("a", 2, 1)]);
        check(
            SqlServer,
            "-- kept\nCREATE PROC p AS\n\nSELECT 1\nGO",
            &[("-- kept\nCREATE PROC p AS\n\nSELECT 1", 1, 1)],
        );
    }

    #[test]
    fn go_elsewhere_is_no_separator() {
        for script in [
            "SELECT '\nGO\n'",
            "/*\nGO\n/*\nGO\n*/\nGO\n*/ SELECT 1",
            "SELECT [\nGO\n]",
            "SELECT \"/*\nGO\n\"",
            "SELECT 1 AS go",
            "EXEC go\n",
            "/* x\n*/ GO\na",
            "a\nGO b",
            "a\nGO2",
            "a\nGO 5x",
            "a\nGOTO x",
        ] {
            let found = split(script, SqlServer).unwrap();
            assert_eq!(found.len(), 1, "{script}");
            assert_eq!(found[0].text, script.trim_end());
        }
        check(SqlServer, "SELECT 'Test/*'\nGO\nb", &[("SELECT 'Test/*'", 1, 1), ("b", 3, 1)]);
    }

    #[test]
    fn statements_end_at_their_semicolon() {
        check(
            Sqlite,
            "-- head\nCREATE TABLE t (a);;\n\nINSERT INTO t VALUES (';') -- x;\n;  ",
            &[("CREATE TABLE t (a)", 2, 1), ("INSERT INTO t VALUES (';')", 4, 1)],
        );
        let trigger = "CREATE TEMP TRIGGER IF NOT EXISTS g AFTER UPDATE ON t WHEN CASE 1 WHEN 1 THEN 1 END\n\
                       BEGIN\n UPDATE t SET a = CASE WHEN 1 THEN 2 END;\n DELETE FROM t;\nEND";
        check(Sqlite, &format!("{trigger};\nSELECT 1;"), &[(trigger, 1, 1), ("SELECT 1", 6, 1)]);
        check(Sqlite, "BEGIN; SELECT 1; END;", &[("BEGIN", 1, 1), ("SELECT 1", 1, 1), ("END", 1, 1)]);
        check(
            Odbc,
            "CREATE FUNCTION f() RETURNS int AS $f$ SELECT 1; $f$;\nSELECT 2",
            &[("CREATE FUNCTION f() RETURNS int AS $f$ SELECT 1; $f$", 1, 1), ("SELECT 2", 2, 1)],
        );
        check(
            Odbc,
            "CREATE RULE r AS ON INSERT TO t DO (a; b); c",
            &[("CREATE RULE r AS ON INSERT TO t DO (a; b)", 1, 1), ("c", 1, 1)],
        );
    }

    #[test]
    fn what_has_no_end_is_named_with_its_line() {
        check_refused(Postgres, "SELECT 1;\nSELECT 'a;\n", "line 2: the string that begins here has no end");
        check_refused(SqlServer, "a\nGO\n\n/* /* */", "line 4: the comment that begins here has no end");
        check_refused(SqlServer, "SELECT [a", "line 1: the quoted name that begins here has no end");
        check_refused(Odbc, "\n$$", "line 2: the dollar-quoted text that begins here has no end");
        check_refused(SqlServer, "a\nGO 0", "line 2: GO takes a count from 1 to 4294967295");
        check_refused(SqlServer, "a\nGO 99999999999", "line 2: GO takes a count from 1 to 4294967295");
    }
}
