//! The one error type of the crate: a kind to act on, a message to read, and a source with the details.
//!
//! `Display` says what this crate knows, and never shows a value of the caller's or a secret. The driver's own text,
//! which may quote values, is only in the [`source`](std::error::Error::source), so that no printer of error chains
//! shows it twice and no log line shows it at all.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The result of every call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The step that a call was in when its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a free connection of the pool.
    Checkout,
    /// Looking up the server's name.
    Resolve,
    /// Opening the connection: TCP, TLS and login.
    Connect,
    /// Testing a connection that was idle.
    Ping,
    /// Running a statement and reading its result.
    Query,
    /// Waiting for the next rows of a streamed result.
    Fetch,
    /// Committing a transaction.
    Commit,
    /// Rolling a transaction back.
    Rollback,
    /// Cleaning a session before the next borrower gets it.
    Reset,
    /// Waiting for a lock that another program holds, such as the migration lock.
    Lock,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Checkout => "checkout",
            Phase::Resolve => "name resolution",
            Phase::Connect => "connect",
            Phase::Ping => "ping",
            Phase::Query => "query",
            Phase::Fetch => "fetch",
            Phase::Commit => "commit",
            Phase::Rollback => "rollback",
            Phase::Reset => "reset",
            Phase::Lock => "lock",
        })
    }
}

/// What went wrong, for programs to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong. Nothing was connected.
    Config,
    /// The server cannot be reached, or the connection broke before the statement was sent.
    Connect,
    /// The server refused the credentials. Never retried, because repeated attempts lock accounts.
    Auth,
    /// No connection of the pool became free within `POOL_TIMEOUT`.
    Checkout,
    /// A time limit passed in the phase that is named.
    Timeout(Phase),
    /// A unique, foreign key, check or not-null constraint refused the data.
    Constraint,
    /// The server rolled the work back in favour of another transaction: deadlock, serialization failure.
    Conflict,
    /// The statement is wrong: a syntax error, or a table or column that does not exist.
    Syntax,
    /// The server does not allow this user to do this.
    Permission,
    /// A write on a database or in a session that is read-only.
    ReadOnly,
    /// The parameters do not fit the statement, which was not run.
    Params,
    /// A query returned another number of rows than it must, or a load or claim counted other rows than expected.
    RowCount,
    /// A value cannot be read as the type that was asked for, or cannot be read exactly.
    Decode,
    /// The server could not accept or compute a value: out of range, too long, of the wrong form.
    Data,
    /// A migration file is wrong, was changed, or failed.
    Migration,
    /// Tasks of a fan-out did not complete. The source is the error of the first one.
    Tasks,
    /// The server is temporarily short of a resource, such as memory or throughput.
    Throttled,
    /// The connection broke when a write may already have happened. Never retried automatically.
    OutcomeUnknown,
    /// The statement was cancelled: by somebody on the server, or because the program was told to stop and its grace
    /// period had passed.
    Cancelled,
    /// The connection that held a lock of [`with_lock`](crate::DatabaseManager::with_lock) has failed: the work is
    /// done, and somebody else may have done it at the same time.
    LockLost,
    /// The pool or the manager was closed.
    Closed,
    /// The call is not possible here: inside an async runtime, a nested fan-out, transaction control by text.
    Usage,
    /// The file system or another part of the machine failed.
    Io,
    /// Any other answer of the database.
    Database,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Timeout(phase) => write!(f, "Timeout({phase})"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What is known about the effect of a failed call, which decides whether it may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// The statement never reached the server.
    NotSent,
    /// The server has certainly undone it.
    RolledBack,
    /// As `RolledBack`, and the server asks for a pause.
    Throttled,
    /// It may have happened.
    Unknown,
    /// A retry would give the same answer, or must not be made.
    Final,
}

/// The error of every call of this crate. It is as small as a pointer, and cheap to clone.
///
/// `Display` names the database, the call and what happened, without values and without the driver's text.
/// [`report`](Error::report) adds the driver's text. [Each kind](crate::guide::troubleshooting) has a section in the
/// guide with messages, causes and remedies.
///
/// For an example see [how to read an error](crate::guide::troubleshooting#how-to-read-an-error).
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    effect: Effect,
    message: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    database: Option<Arc<str>>,
    operation: Option<&'static str>,
    sqlstate: Option<Box<str>>,
    native_code: Option<i32>,
    object: Object,
    records: Option<(u64, u64)>,
    position: Option<Position>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Where in the statement's text the server found the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// The character, counted from 1.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "ODBC drivers count no characters"))]
    Character(u32),
    /// The line, counted from 1.
    #[cfg_attr(not(feature = "odbc"), allow(dead_code, reason = "PostgreSQL counts no lines"))]
    Line(u32),
}

/// The names that a server reports with a refusal. Names, never values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) table: Option<Box<str>>,
    pub(crate) column: Option<Box<str>>,
    pub(crate) constraint: Option<Box<str>>,
}

impl Error {
    // Cold: the compiler moves the code that leads here out of the way, so that a successful call touches less memory.
    #[cold]
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Arc::new(Inner {
            kind,
            effect: Effect::Final,
            message: message.into(),
            hint: None,
            database: None,
            operation: None,
            sqlstate: None,
            native_code: None,
            object: Object::default(),
            records: None,
            position: None,
            source: None,
        }))
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Config, message)
    }

    pub(crate) fn params(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Params, message)
    }

    pub(crate) fn decode(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Decode, message)
    }

    pub(crate) fn usage(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Usage, message)
    }

    pub(crate) fn migration(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Migration, message)
    }

    /// A limit passed; the text names the phase and the limit.
    pub(crate) fn timeout(phase: Phase, limit: Duration) -> Error {
        let message = format!("the limit of {limit:?} passed in the phase `{phase}`");
        Error::late(ErrorKind::Timeout(phase), phase, message)
    }

    /// The program was told to stop, and its grace has passed.
    pub(crate) fn stopped(phase: Phase, grace: Duration) -> Error {
        let message = if grace.is_zero() {
            format!("the work was told to stop at once, in the phase `{phase}`")
        } else {
            format!("the program was told to stop, and its {grace:?} of grace passed in the phase `{phase}`")
        };
        Error::late(ErrorKind::Cancelled, phase, message)
    }

    fn late(kind: ErrorKind, phase: Phase, message: String) -> Error {
        let error = Error::new(kind, message);
        match phase {
            Phase::Checkout | Phase::Resolve | Phase::Connect | Phase::Ping | Phase::Lock => {
                error.with_effect(Effect::NotSent)
            }
            _ => error.with_effect(Effect::Unknown),
        }
    }

    #[cold]
    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Error {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn with_kind(self, kind: ErrorKind) -> Error {
        self.edit(|inner| inner.kind = kind)
    }

    pub(crate) fn with_effect(self, effect: Effect) -> Error {
        self.edit(|inner| inner.effect = effect)
    }

    pub(crate) fn with_hint(self, hint: impl Into<Cow<'static, str>>) -> Error {
        self.edit(|inner| inner.hint = Some(hint.into()))
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Takes over the source of another error, if it has one.
    pub(crate) fn with_source_of(self, other: &Error) -> Error {
        self.edit(|inner| inner.source = other.0.source.clone().or(inner.source.take()))
    }

    pub(crate) fn with_codes(self, sqlstate: Option<&str>, native_code: Option<i32>) -> Error {
        self.edit(|inner| {
            inner.sqlstate = sqlstate.map(Box::from);
            inner.native_code = native_code;
        })
    }

    pub(crate) fn with_object(self, object: Object) -> Error {
        self.edit(|inner| inner.object = object)
    }

    pub(crate) fn with_position(self, position: Option<Position>) -> Error {
        self.edit(|inner| inner.position = position)
    }

    /// Where in the statement's text the server found the error, if it says so.
    pub(crate) fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// Puts words in front of the message: the place in the input at which it went wrong.
    pub(crate) fn at(self, place: impl fmt::Display) -> Error {
        self.edit(|inner| inner.message = format!("{place}: {}", inner.message).into())
    }

    /// Names the records of the input that it is about, counted from 1: the one, or those of which it is one.
    pub(crate) fn at_records(self, records: RangeInclusive<u64>) -> Error {
        let (first, last) = records.into_inner();
        let named = self.edit(|inner| inner.records = Some((first, last)));
        match first == last {
            true => named.at(format_args!("record {first}")),
            false => named.at(format_args!("one of the records {first} to {last}")),
        }
    }

    /// Names the database, unless a lower layer has done so.
    pub(crate) fn in_database(self, name: &Arc<str>) -> Error {
        if self.0.database.is_some() {
            return self;
        }
        self.edit(|inner| inner.database = Some(Arc::clone(name)))
    }

    /// Names the operation, unless a lower layer has done so.
    pub(crate) fn during(self, operation: &'static str) -> Error {
        if self.0.operation.is_some() {
            return self;
        }
        self.edit(|inner| inner.operation = Some(operation))
    }

    pub(crate) fn effect(&self) -> Effect {
        self.0.effect
    }

    /// What went wrong, for a program to match on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed when it is made again, and certainly is not applied twice by that.
    ///
    /// False whenever the outcome is not known: see [`ErrorKind::OutcomeUnknown`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.0.effect, Effect::NotSent | Effect::RolledBack | Effect::Throttled)
    }

    /// The five characters of the SQLSTATE, if the database gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// The native error number, such as SQL Server's 1205. `None` on PostgreSQL, which has none.
    #[must_use]
    pub fn native_code(&self) -> Option<i32> {
        self.0.native_code
    }

    /// The name of the database, as it was passed to [`DatabaseManager::new`](crate::DatabaseManager::new).
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.0.database.as_deref()
    }

    /// The call that failed, such as `execute_query`.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation
    }

    /// The records of a mass load or of `execute_many` that the error is about, counted from 1: a single one, or the
    /// range that was sent together if the database does not say which of them failed.
    #[must_use]
    pub fn records(&self) -> Option<RangeInclusive<u64>> {
        self.0.records.map(|(first, last)| first..=last)
    }

    /// The constraint that refused the data, if the database names it.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.0.object.constraint.as_deref()
    }

    /// The table that the error is about, if the database names it.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.0.object.table.as_deref()
    }

    /// The column that the error is about, if the database names it.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.0.object.column.as_deref()
    }

    /// The whole chain of errors in one line: `Display`, then the driver's text.
    ///
    /// The driver's text may quote your data. Log it only where that is allowed.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(database) = &inner.database {
            write!(f, "{database}: ")?;
        }
        if let Some(operation) = inner.operation {
            write!(f, "{operation} failed: ")?;
        }
        f.write_str(&inner.message)?;
        let object = &inner.object;
        for (what, name) in
            [("constraint", &object.constraint), ("table", &object.table), ("column", &object.column)]
        {
            if let Some(name) = name {
                write!(f, ", {what} \"{name}\"")?;
            }
        }
        match (&inner.sqlstate, inner.native_code) {
            (Some(state), Some(code)) => write!(f, " [SQLSTATE {state}, native code {code}]")?,
            (Some(state), None) => write!(f, " [SQLSTATE {state}]")?,
            (None, Some(code)) => write!(f, " [native code {code}]")?,
            (None, None) => (),
        }
        if let Some(hint) = &inner.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// The same words as `Display`, with the kind: a failed `unwrap` in a job's log must say as much as
    /// an error that was handled, and no more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        std::io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn display_says_our_layer_and_report_the_chain() {
        let error = Error::new(ErrorKind::Constraint, "the data was refused")
            .with_codes(Some("23505"), None)
            .with_hint("look for the duplicate")
            .with_source(std::io::Error::other("Key (id)=(7) exists"))
            .during("execute")
            .in_database(&Arc::from("rpa_db"));
        assert_eq!(
            error.to_string(),
            "rpa_db: execute failed: the data was refused [SQLSTATE 23505] (look for the duplicate)"
        );
        assert!(!format!("{error:?}").contains("(7)"));
        assert!(error.report().ends_with(": Key (id)=(7) exists"));
    }

    #[test]
    fn the_innermost_layer_names_database_and_operation() {
        let error = Error::config("x").in_database(&Arc::from("a")).in_database(&Arc::from("b"));
        assert_eq!(error.database(), Some("a"));
        assert_eq!(error.clone().during("one").during("two").operation(), Some("one"));
    }
}
