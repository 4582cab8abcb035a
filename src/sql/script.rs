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

#[cfg(any(test, fuzzing))]
pub(crate) mod law;
#[cfg(test)]
mod tests;
