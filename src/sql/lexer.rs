//! Cuts an SQL text into tokens, as far as a compiler of `:name` has to understand it.
//!
//! The tokens, put together, are the text again: nothing is dropped and nothing is refused, so that a
//! text which this file misreads still reaches the server, whose word counts.
//!
//! What it takes for granted: a backslash in a plain string is a backslash. PostgreSQL is told so with every login
//! (`standard_conforming_strings`), and who would switch it off is refused. MySQL takes it for an escape unless its
//! `sql_mode` has `NO_BACKSLASH_ESCAPES`, and nobody tells it so.

use crate::dialect::Dialect;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    Comment,
    /// A literal in quotes of any form: `'…'`, `E'…'`, `$tag$…$tag$`.
    Literal,
    /// An identifier in quotes: `"…"`, `[…]`, `` `…` ``.
    Quoted,
    /// A keyword or an identifier without quotes.
    Word,
    Number,
    /// `:name`, one of our parameters.
    Name,
    /// `\:`, which stands for a colon.
    Escape,
    /// A parameter in the database's own form: `$1`, `?`, and SQLite's `@name` and `$name`.
    Placeholder,
    /// Everything else: one character, or `::`, or `:=`.
    Symbol,
    /// Something that begins and never ends; the text says what.
    Unclosed(&'static str),
}

/// One token, and the byte at which it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl Token<'_> {
    /// The byte after the last one.
    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Whether this is the symbol `text`.
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind == Kind::Symbol && self.text == text
    }

    /// Whether this is the keyword `word`, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether this is one of the keywords.
    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(word))
    }

    /// Whether the database reads it, which is not so for spaces and comments.
    pub(super) fn is_significant(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::Comment)
    }
}

/// The tokens of `text`.
pub(super) fn tokens(text: &str, dialect: Dialect) -> Lexer<'_> {
    Lexer { text, dialect, at: 0, after_operand: false }
}

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    dialect: Dialect,
    at: usize,
    /// Whether the last token may end an operand, so that a colon right behind it separates.
    after_operand: bool,
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.at..];
        let (kind, length) = self.read(rest)?;
        let token = Token { kind, text: &rest[..length], at: self.at };
        self.at = token.end();
        self.after_operand = match kind {
            Kind::Literal | Kind::Quoted | Kind::Word | Kind::Number => true,
            Kind::Symbol => matches!(token.text, ")" | "]"),
            _ => false,
        };
        Some(token)
    }
}

impl Lexer<'_> {
    fn read(&self, rest: &str) -> Option<(Kind, usize)> {
        use Dialect::{Odbc, Postgres, SqlServer, Sqlite};

        let first = rest.chars().next()?;
        let second = rest[first.len_utf8()..].chars().next().unwrap_or('\0');
        let found = match first {
            _ if is_space(first) => (Kind::Space, length_while(rest, is_space)),
            '\'' => closed(Kind::Literal, "string", quoted(rest, '\'', true), rest),
            'e' | 'E' if second == '\'' && matches!(self.dialect, Postgres | Odbc) => {
                closed(Kind::Literal, "string", escaped(rest), rest)
            }
            '"' => closed(Kind::Quoted, "quoted name", quoted(rest, '"', true), rest),
            '`' if matches!(self.dialect, Sqlite | Odbc) => {
                closed(Kind::Quoted, "quoted name", quoted(rest, '`', true), rest)
            }
            // Elsewhere a bracket is a subscript. SQLite knows no doubled bracket.
            '[' if matches!(self.dialect, SqlServer | Sqlite) => {
                closed(Kind::Quoted, "quoted name", quoted(rest, ']', self.dialect == SqlServer), rest)
            }
            '-' if second == '-' => (Kind::Comment, self.line_comment(rest)),
            '/' if second == '*' => closed(Kind::Comment, "comment", self.block_comment(rest), rest),
            '$' if self.dialect == Postgres && second.is_ascii_digit() => {
                (Kind::Placeholder, 1 + length_while(&rest[1..], |c| c.is_ascii_digit()))
            }
            '$' if matches!(self.dialect, Postgres | Odbc) => match dollar_tag(rest) {
                Some(tag) => closed(Kind::Literal, "dollar-quoted text", dollar_quoted(rest, tag), rest),
                None => (Kind::Symbol, 1),
            },
            // Left in the text they would take the number of one of our own placeholders.
            '$' | '@' if self.dialect == Sqlite && starts_name(second) => {
                (Kind::Placeholder, 1 + length_while(&rest[1..], continues_name))
            }
            '?' if self.dialect != Postgres => (Kind::Placeholder, 1),
            '\\' if second == ':' => (Kind::Escape, 2),
            ':' if matches!(second, ':' | '=') => (Kind::Symbol, 2),
            ':' if starts_name(second) && !self.after_operand => {
                (Kind::Name, 1 + length_while(&rest[1..], continues_name))
            }
            _ if first.is_ascii_digit() => (Kind::Number, length_while(rest, continues_name)),
            _ if self.in_word(first) && first != '$' => (Kind::Word, length_while(rest, |c| self.in_word(c))),
            _ => (Kind::Symbol, first.len_utf8()),
        };
        Some(found)
    }

    fn in_word(&self, c: char) -> bool {
        match c {
            '@' | '#' => self.dialect == Dialect::SqlServer,
            _ if c.is_ascii() => c.is_ascii_alphanumeric() || matches!(c, '_' | '$'),
            // The databases take any other character for a letter, white space of Unicode sometimes too.
            _ => !is_space(c),
        }
    }

    fn line_comment(&self, rest: &str) -> usize {
        let ends = |c| c == '\n' || (c == '\r' && self.dialect == Dialect::Postgres);
        rest.find(ends).unwrap_or(rest.len())
    }

    /// Comments nest in standard SQL, PostgreSQL and SQL Server; in SQLite they do not.
    fn block_comment(&self, rest: &str) -> Option<usize> {
        let (bytes, mut at, mut depth) = (rest.as_bytes(), 2, 1_usize);
        while at + 1 < bytes.len() {
            match &bytes[at..at + 2] {
                b"*/" => {
                    (at, depth) = (at + 2, depth - 1);
                    if depth == 0 {
                        return Some(at);
                    }
                }
                b"/*" if self.dialect != Dialect::Sqlite => (at, depth) = (at + 2, depth + 1),
                _ => at += 1,
            }
        }
        None
    }
}

/// The token up to its end, or the rest of the text as one that has none.
fn closed(kind: Kind, what: &'static str, end: Option<usize>, rest: &str) -> (Kind, usize) {
    match end {
        Some(end) => (kind, end),
        None => (Kind::Unclosed(what), rest.len()),
    }
}

/// The end of what begins with one character of quoting; a doubled closing character may stand for itself.
fn quoted(rest: &str, close: char, doubles: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest[at..].find(close)? + 1;
        if !(doubles && rest[at..].starts_with(close)) {
            return Some(at);
        }
        at += 1;
    }
}

/// The end of `E'…'`, in which a backslash takes away the meaning of what follows. A piece in the next line goes on with
/// the same string, and there too.
fn escaped(rest: &str) -> Option<usize> {
    let (bytes, mut at) = (rest.as_bytes(), 2);
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\\', _) | (b'\'', Some(b'\'')) => at += 2,
            (b'\'', _) => match next_piece(&rest[at + 1..]) {
                Some(length) => at += 1 + length,
                None => return Some(at + 1),
            },
            _ => at += 1,
        }
    }
}

/// How far it is from behind a string to the inside of the piece that goes on with it: white space with a line's end
/// and `--` comments may stand between the two.
fn next_piece(rest: &str) -> Option<usize> {
    let ends_line = |c| matches!(c, '\n' | '\r');
    let (mut at, mut new_line) = (0, false);
    loop {
        let here = &rest[at..];
        match here.bytes().next()? {
            b'\'' if new_line => return Some(at + 1),
            b' ' | b'\t' | b'\x0b' | b'\x0c' => at += 1,
            b'\n' | b'\r' => (at, new_line) = (at + 1, true),
            // The line's end behind it is what counts.
            b'-' if here.starts_with("--") => at += here.find(ends_line)?,
            _ => return None,
        }
    }
}

/// The opening `$tag$` of a dollar quote.
fn dollar_tag(rest: &str) -> Option<&str> {
    let name = length_while(&rest[1..], continues_name);
    let is_tag = name == 0 || rest[1..].starts_with(starts_name);
    (is_tag && rest[1 + name..].starts_with('$')).then(|| &rest[..name + 2])
}

fn dollar_quoted(rest: &str, tag: &str) -> Option<usize> {
    rest[tag.len()..].find(tag).map(|found| found + 2 * tag.len())
}

/// A byte order mark counts as space: editors leave it at the head of files.
fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn length_while(text: &str, accept: impl Fn(char) -> bool) -> usize {
    text.find(|c| !accept(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dialect: Dialect, text: &str, wanted: &[(Kind, &str)]) {
        let found: Vec<_> = tokens(text, dialect)
            .filter(|token| token.kind != Kind::Space)
            .map(|token| (token.kind, token.text))
            .collect();
        assert_eq!(found, wanted, "{text}");
    }

    #[test]
    fn each_dialect_has_its_quotes() {
        use Kind::{Literal, Quoted, Symbol, Word};
        check(Dialect::Postgres, r"E'a\'b'", &[(Literal, r"E'a\'b'")]);
        check(
            Dialect::Postgres,
            "E'a' -- note\n\t'b\\'' c",
            &[(Literal, "E'a' -- note\n\t'b\\''"), (Word, "c")],
        );
        check(Dialect::Postgres, "E'a' 'b\\' c", &[(Literal, "E'a'"), (Literal, "'b\\'"), (Word, "c")]);
        check(Dialect::Postgres, "'a'\n'b\\' c", &[(Literal, "'a'"), (Literal, "'b\\'"), (Word, "c")]);
        check(Dialect::SqlServer, r"E'a\'b", &[(Word, "E"), (Literal, r"'a\'"), (Word, "b")]);
        check(Dialect::Postgres, "N'a''b'", &[(Word, "N"), (Literal, "'a''b'")]);
        check(Dialect::SqlServer, "[a]]b]", &[(Quoted, "[a]]b]")]);
        check(Dialect::Sqlite, "[a]`b``c`", &[(Quoted, "[a]"), (Quoted, "`b``c`")]);
        check(Dialect::Postgres, "[a]", &[(Symbol, "["), (Word, "a"), (Symbol, "]")]);
        check(Dialect::Postgres, "$é$ ' $$ $é$", &[(Literal, "$é$ ' $$ $é$")]);
        check(Dialect::Postgres, "a$b$ c", &[(Word, "a$b$"), (Word, "c")]);
        check(Dialect::SqlServer, "#t @v", &[(Word, "#t"), (Word, "@v")]);
    }

    #[test]
    fn comments_nest_but_in_sqlite() {
        let text = "/* /* */ */";
        check(Dialect::SqlServer, text, &[(Kind::Comment, text)]);
        check(
            Dialect::Sqlite,
            text,
            &[(Kind::Comment, "/* /* */"), (Kind::Symbol, "*"), (Kind::Symbol, "/")],
        );
    }

    #[test]
    fn what_never_ends_takes_the_rest() {
        for (text, what) in [
            ("'a''", "string"),
            (r"E'a\'", "string"),
            ("\"a", "quoted name"),
            ("/* /* */", "comment"),
            ("$x$ $$", "dollar-quoted text"),
        ] {
            check(Dialect::Postgres, text, &[(Kind::Unclosed(what), text)]);
        }
    }
}
