//! From a SQLSTATE to the kind and effect of an error. One table.
//!
//! The codes are those of <https://www.postgresql.org/docs/current/errcodes-appendix.html>. What may be retried follows
//! from what the server says that it has done: 40001 and 40P01 by
//! <https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html>, resource shortages and refused
//! sessions as in Npgsql's `PostgresException.IsTransient`. That list also has class 08 and 57P01, which leave open
//! whether a write was committed; here these are `OutcomeUnknown`.

use std::error::Error as _;

use postgres::error::DbError;

use crate::error::{Effect, Error, ErrorKind, Object, Phase, Position};

/// What a SQLSTATE means.
pub(super) fn kind_of(sqlstate: &str) -> (ErrorKind, Effect) {
    use Effect::{Final, NotSent, RolledBack, Throttled, Unknown};
    match sqlstate {
        // Serialization failure, deadlock: the server rolled the transaction back in favour of another.
        "40001" | "40P01" => (ErrorKind::Conflict, RolledBack),
        // Lock not available (NOWAIT, lock_timeout).
        "55P03" => (ErrorKind::Conflict, RolledBack),
        // Statement completion unknown.
        "40003" => (ErrorKind::OutcomeUnknown, Unknown),
        // Wrong password, no such role, refused by pg_hba.conf, no such database: repeated attempts lock accounts.
        "28P01" | "28000" => (ErrorKind::Auth, Final),
        "3D000" => (ErrorKind::Connect, Final),
        // Too many connections; starting up; going away. The statement was not taken.
        "53300" | "57P03" | "57P05" => (ErrorKind::Connect, NotSent),
        // Out of memory, configuration limit exceeded, other lack of resources.
        "53000" | "53200" | "53400" => (ErrorKind::Throttled, Throttled),
        // The disk is full, or cannot be read or written. Waiting helps with neither.
        "53100" | "58030" => (ErrorKind::Io, Final),
        // The administrator ended the session or the server: its work may have been committed.
        "57P01" | "57P02" | "57P04" => (ErrorKind::OutcomeUnknown, Unknown),
        // Cancelled: by us (the caller knows that), or by somebody on purpose, including `statement_timeout`.
        "57014" => (ErrorKind::Cancelled, Final),
        // Idle-in-transaction and transaction time-outs of the server.
        "25P03" | "25P04" => (ErrorKind::Timeout(Phase::Query), RolledBack),
        // A write in a read-only transaction.
        "25006" => (ErrorKind::ReadOnly, Final),
        // A statement in a transaction that has already failed. The first error decides about a retry.
        "25P02" => (ErrorKind::Database, Final),
        // A constraint of the transaction; a value for a column that is generated always.
        "40002" | "428C9" => (ErrorKind::Constraint, Final),
        "42501" => (ErrorKind::Permission, Final),
        // The types of parameters cannot be inferred, or do not fit.
        "42P18" | "42P08" => (ErrorKind::Params, Final),
        "0A000" => (ErrorKind::Database, Final),
        _ => match sqlstate.get(..2).unwrap_or_default() {
            "08" => (ErrorKind::OutcomeUnknown, Unknown),
            "22" => (ErrorKind::Data, Final),
            "23" => (ErrorKind::Constraint, Final),
            "28" => (ErrorKind::Auth, Final),
            "42" => (ErrorKind::Syntax, Final),
            "44" => (ErrorKind::Constraint, Final),
            "40" => (ErrorKind::Conflict, RolledBack),
            _ => (ErrorKind::Database, Final),
        },
    }
}

fn sentence(kind: ErrorKind, sqlstate: &str) -> &'static str {
    match (kind, sqlstate) {
        (_, "23505") => "a row with this key exists already",
        (_, "23503") => "the row that is referred to does not exist, or is still referred to",
        (_, "23502") => "a value is missing where NULL is not allowed",
        (_, "23514" | "44000") => "a value is refused by a check",
        (_, "428C9") => "a value is given for a column that the database generates",
        (_, "42P01") => "a table or view that the statement names does not exist",
        (_, "42703") => "a column that the statement names does not exist",
        (_, "42883") => "a function or operator of these types does not exist",
        (_, "42P10") => "a column cannot stand where the statement names it",
        (_, "40P01") => "the statement was in a deadlock and was chosen to be undone",
        (_, "40001") => "the transaction collided with another one and was undone",
        (_, "55P03") => "a lock is held by somebody else",
        (_, "22012") => "a division by zero",
        (_, "25P02") => "the transaction had failed already; the server has rolled it back",
        (_, "3D000") => "the database does not exist",
        (_, "53300") => "the server takes no more connections",
        (_, "57P03") => "the server is starting up or shutting down",
        (_, "57P01" | "57P02" | "57P04") => "the server ended the session",
        (ErrorKind::Auth, _) => "the server refused the user or the password",
        (ErrorKind::Io, _) => "the server's storage failed or is full",
        (ErrorKind::Throttled, _) => "the server is short of a resource",
        (ErrorKind::Constraint, _) => "a constraint refused the data",
        (ErrorKind::Data, _) => "the server cannot take a value: wrong form, out of range or too long",
        (ErrorKind::Syntax, _) => "the server does not understand the statement",
        (ErrorKind::Permission, _) => "the user is not allowed to do this",
        (ErrorKind::ReadOnly, _) => "the session is read-only",
        (ErrorKind::Conflict, _) => "the statement collided with another transaction",
        (ErrorKind::Cancelled, _) => "the statement was cancelled on the server",
        (ErrorKind::Params, _) => "the type of a parameter cannot be told",
        (ErrorKind::OutcomeUnknown, _) => {
            "the connection failed; whether the statement was carried out is not known"
        }
        _ => "the database reported an error",
    }
}

fn hint(kind: ErrorKind, sqlstate: &str) -> Option<&'static str> {
    Some(match (kind, sqlstate) {
        (ErrorKind::Auth, _) => "check the user and the password of the connection string",
        (ErrorKind::Params, _) => "add a cast in the SQL, such as :name::integer",
        (_, "42601") => {
            "`report()` has the server's own words; where it is several statements: one call takes one, a script is a \
             migration"
        }
        (_, "53300") => "lower POOL_SIZE or MAX_OVERFLOW, or raise max_connections on the server",
        (_, "428C9") => {
            "leave the column out, or write INSERT … OVERRIDING SYSTEM VALUE where it is an identity"
        }
        (_, "42P01" | "42703") => "check the spelling, the schema and whether migrations are pending",
        (_, "42P10") => {
            "a generated column takes no values; ON CONFLICT wants a unique index on just its columns"
        }
        _ => return None,
    })
}

/// The message without anything that a log line must not contain; the caller gets the whole error as the source.
pub(super) fn from_db_error(database: &DbError) -> Error {
    let sqlstate = database.code().code();
    let (kind, effect) = kind_of(sqlstate);
    let error =
        Error::new(kind, sentence(kind, sqlstate)).with_effect(effect).with_codes(Some(sqlstate), None);
    let error = error.with_object(Object {
        table: database.table().map(Box::from),
        column: database.column().map(Box::from),
        constraint: database.constraint().map(Box::from),
    });
    let error = error.with_source(ServerText::of(database));
    let error = match database.position() {
        Some(postgres::error::ErrorPosition::Original(at)) => {
            error.with_position(Some(Position::Character(*at)))
        }
        _ => error,
    };
    match hint(kind, sqlstate) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The server's own message.
#[derive(Debug)]
struct ServerText(String);

impl ServerText {
    fn of(error: &DbError) -> ServerText {
        let mut text = format!("{}: {}", error.severity(), error.message());
        for (label, more) in [("detail", error.detail()), ("hint", error.hint()), ("where", error.where_())] {
            if let Some(more) = more {
                text.push_str(&format!("; {label}: {more}"));
            }
        }
        if let Some(postgres::error::ErrorPosition::Original(position)) = error.position() {
            text.push_str(&format!("; at character {position}"));
        }
        ServerText(text)
    }
}

impl std::fmt::Display for ServerText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerText {}

/// Our own error, if it was passed through the driver (for a value that cannot be sent).
pub(super) fn our_own(error: &postgres::Error) -> Option<Error> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<Error>() {
            return Some(ours.clone());
        }
        cause = inner.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_have_happened_is_transient() {
        for (sqlstate, kind, transient) in [
            ("40001", ErrorKind::Conflict, true),
            ("40P01", ErrorKind::Conflict, true),
            ("53300", ErrorKind::Connect, true),
            ("55P03", ErrorKind::Conflict, true),
            ("25P03", ErrorKind::Timeout(Phase::Query), true),
            ("25P02", ErrorKind::Database, false),
            ("40002", ErrorKind::Constraint, false),
            ("428C9", ErrorKind::Constraint, false),
            ("57P03", ErrorKind::Connect, true),
            ("57P05", ErrorKind::Connect, true),
            ("57014", ErrorKind::Cancelled, false),
            ("28000", ErrorKind::Auth, false),
            ("57P02", ErrorKind::OutcomeUnknown, false),
            ("53100", ErrorKind::Io, false),
            ("53400", ErrorKind::Throttled, true),
            ("53200", ErrorKind::Throttled, true),
            ("28P01", ErrorKind::Auth, false),
            ("3D000", ErrorKind::Connect, false),
            ("57P01", ErrorKind::OutcomeUnknown, false),
            ("08006", ErrorKind::OutcomeUnknown, false),
            ("40003", ErrorKind::OutcomeUnknown, false),
            ("23505", ErrorKind::Constraint, false),
            ("22001", ErrorKind::Data, false),
            ("42601", ErrorKind::Syntax, false),
            ("42501", ErrorKind::Permission, false),
            ("25006", ErrorKind::ReadOnly, false),
            ("XX000", ErrorKind::Database, false),
            ("", ErrorKind::Database, false),
        ] {
            let (found, effect) = kind_of(sqlstate);
            assert_eq!(found, kind, "{sqlstate}");
            assert_eq!(Error::new(found, "").with_effect(effect).is_transient(), transient, "{sqlstate}");
        }
    }
}
