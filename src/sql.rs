//! The compiler of `:name` texts, and what can be told of a statement by reading it. Pure.
//!
//! What is a parameter:
//!
//! * `:name`, where the name begins with a letter or `_`, outside of strings, quoted names, comments and
//!   dollar quotes. `:a::int` is a parameter and a cast; `::` and `:=` are the database's own.
//! * A colon directly behind a word, a number, a literal or a closing bracket separates and begins no name:
//!   `arr[lo:hi]`, `JSON_OBJECT('key':value)`. Directly behind a parameter it does both: `arr[:lo:hi]`
//!   takes two parameters. A colon, a space and a name keep them apart: `arr[1: :hi]`.
//! * `\:` is a colon and nothing more.
//!
//! What becomes of it: PostgreSQL gets one number for each name, other databases a `?` for each use. NULL
//! is a literal in the text for these: an ODBC driver has to be told the type of a NULL argument, and
//! nobody knows it.
//!
//! A list behind `IN` or `NOT IN` becomes `= ANY($1)` or `<> ALL($1)` on PostgreSQL and is written out
//! elsewhere. An empty list makes `IN` false and `NOT IN` true. NULL inside of a list keeps SQL's meaning:
//! `NOT IN` is then true of no row.

#[cfg(feature = "odbc")]
mod batch;
mod bind;
mod cache;
mod functions;
mod insert;
mod lexer;
mod object;
mod obstacle;
mod script;
mod statements;
mod template;
#[cfg(test)]
mod tests;
mod traits;

use std::sync::Arc;

use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::params::Params;
use crate::value::Value;

#[cfg(feature = "odbc")]
pub(crate) use batch::with_count;
#[cfg(feature = "odbc")]
pub(crate) use insert::COUNT;
pub(crate) use insert::{BoundRow, Places, PlainInsert, counted};
pub(crate) use object::{ObjectName, parts as object_parts};
pub(crate) use obstacle::{ObstacleKind, obstacles};
#[cfg(fuzzing)]
pub(crate) use script::law;
pub(crate) use script::{Piece, split};
pub(crate) use template::Template;

/// A statement in the database's own form: text with placeholders, and its arguments in their order.
///
/// As long as all values are scalars, every statement of one source shares one `text`.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) text: Arc<str>,
    pub(crate) args: Vec<Value>,
    pub(crate) traits: Traits,
    /// What it was made of, where a program has written it.
    pub(crate) template: Option<Arc<Template>>,
}

impl Statement {
    /// The text as the program wrote it.
    #[cfg(feature = "testing")]
    pub(crate) fn source(&self) -> &str {
        self.template.as_ref().map_or(&self.text, |template| template.source())
    }

    /// The arguments with their names, where the database numbers its parameters.
    #[cfg(feature = "testing")]
    pub(crate) fn named_args(&self) -> Vec<(Box<str>, Value)> {
        let names = self.template.iter().flat_map(|template| template.names());
        names.map(Box::from).zip(self.args.iter().cloned()).collect()
    }
}

/// The words and symbols of a text as the database reads them, without comments; words without quotes in small
/// letters, because their case does not count.
#[cfg(feature = "testing")]
pub(crate) fn words(text: &str, dialect: Dialect) -> Vec<String> {
    let significant = lexer::tokens(text, dialect).filter(lexer::Token::is_significant);
    let word = |token: lexer::Token<'_>| match token.kind {
        lexer::Kind::Word => token.text.to_lowercase(),
        _ => token.text.to_owned(),
    };
    significant.map(word).collect()
}

/// What reading a statement tells of it.
///
/// Reading has its limits: what a function, a procedure or a `DO` block does inside is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traits {
    /// It begins, ends or divides a transaction (`BEGIN`, `COMMIT`, `SAVEPOINT`, …).
    pub(crate) transaction_control: bool,
    /// It may change data or schema. False only for what surely reads.
    pub(crate) writes: bool,
    /// To run it a second time may do something a second time: it writes, or calls a function that nothing is known of.
    pub(crate) acts: bool,
    /// Outside a transaction an error may leave a part of it done: several statements, a procedure, a command that
    /// commits on its way.
    pub(crate) divisible: bool,
    /// It may leave something behind in the session (`SET`, `LISTEN`, a temporary table, a session lock).
    pub(crate) leaves_traces: bool,
    /// It takes away what was prepared in the session, a driver's own statements included (`DISCARD ALL`).
    pub(crate) discards_prepared: bool,
    /// The database would read later texts otherwise than this crate does.
    pub(crate) changes_quoting: bool,
}

impl Traits {
    /// Whether a database that is only to be read must refuse it. What a function would write, some sessions refuse by
    /// themselves; elsewhere a function of which nothing is known may write, as may a text that T-SQL hands to another
    /// server.
    pub(crate) fn may_write(self, session_refuses: bool) -> bool {
        self.writes || (self.acts && !session_refuses)
    }
}

/// Compiles one text and binds its values.
///
/// # Errors
///
/// `Params`, as [`template`] and [`Template::bind`].
pub(crate) fn compile(sql: &str, dialect: Dialect, params: Params) -> Result<Statement> {
    template(sql, dialect)?.bind(params)
}

/// Refuses a text with a NUL character in it. ODBC drivers end it there, and run what stands before: an `UPDATE` without
/// its `WHERE`. PostgreSQL's cannot send it.
///
/// # Errors
///
/// `Params`.
pub(crate) fn refuse_nul(sql: &str) -> Result<()> {
    if !sql.contains('\0') {
        return Ok(());
    }
    Err(Error::params("the text of the statement has a NUL character in it, and a driver would end it there")
        .with_hint("give a value with one as bytes; a file with many may be UTF-16"))
}

/// The text read once, to be bound many times. Comes from a cache of the process.
///
/// # Errors
///
/// `Params`, when the text holds a placeholder of the database's own, such as `?`, or a NUL character.
pub(crate) fn template(sql: &str, dialect: Dialect) -> Result<Arc<Template>> {
    cache::template(sql, dialect)
}

/// The text without its comments, and with `?` in the place of literals and numbers; at most 1,000 characters of it.
pub(crate) fn masked(text: &str, dialect: Dialect) -> String {
    let mut masked = String::new();
    for token in lexer::tokens(text, dialect) {
        match token.kind {
            lexer::Kind::Literal | lexer::Kind::Number | lexer::Kind::Unclosed(_) => masked.push('?'),
            lexer::Kind::Comment => (),
            lexer::Kind::Space => masked.push(' '),
            _ => masked.push_str(token.text),
        }
    }
    if let Some((end, _)) = masked.char_indices().nth(1_000) {
        masked.truncate(end);
        masked.push('…');
    }
    masked
}

/// A comment of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comment<'a> {
    /// With its marks.
    pub(crate) text: &'a str,
    /// The byte at which it begins.
    pub(crate) at: usize,
    /// Whether it stands before everything that the database reads.
    pub(crate) is_at_head: bool,
}

/// The comments of a text, in their order.
pub(crate) fn comments(text: &str, dialect: Dialect) -> impl Iterator<Item = Comment<'_>> {
    let mut is_at_head = true;
    lexer::tokens(text, dialect).filter_map(move |token| {
        is_at_head &= !token.is_significant();
        (token.kind == lexer::Kind::Comment).then_some(Comment { text: token.text, at: token.at, is_at_head })
    })
}

/// Whether a text takes away what was prepared in the session.
#[cfg(feature = "postgres")]
pub(crate) fn discards_prepared(text: &str) -> bool {
    traits_of(text, Dialect::Postgres).discards_prepared
}

/// What can be told of a text that is not compiled.
#[cfg(any(test, feature = "postgres"))]
fn traits_of(text: &str, dialect: Dialect) -> Traits {
    let significant: Vec<_> = lexer::tokens(text, dialect).filter(lexer::Token::is_significant).collect();
    traits::read(&significant, dialect)
}
