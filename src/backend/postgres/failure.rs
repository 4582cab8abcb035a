//! What a failed call means: whether it may have happened, and whether the connection can still be used.

use postgres::error::Severity;

use super::classify;
use crate::context;
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase};

/// The code for: there is no prepared statement of this name.
pub(super) const MISSING: &str = "26000";

/// What is known about a failed call, besides the error itself.
#[derive(Clone, Copy)]
pub(super) struct Failed {
    pub(super) in_time: bool,
    pub(super) in_transaction: bool,
    /// Sending the statement twice may have an effect twice.
    pub(super) writes: bool,
    pub(super) phase: Phase,
    pub(super) deadline: Deadline,
}

impl Failed {
    /// Converts the driver's error. Sets `broken` when the connection cannot be used again.
    pub(super) fn explain(self, error: &postgres::Error, broken: &mut bool) -> Error {
        let Failed { in_time, in_transaction, writes, phase, .. } = self;
        let late = || context::in_force(self.deadline).passed(phase);
        if let Some(ours) = classify::our_own(error) {
            return ours;
        }
        let undone = match (in_transaction, writes) {
            // The server rolls back whatever an ended session had not committed.
            (true, _) => Effect::RolledBack,
            (false, false) => Effect::NotSent,
            (false, true) => Effect::Unknown,
        };
        let Some(database) = error.as_db_error() else {
            *broken = true;
            let explained = if in_time {
                Error::new(ErrorKind::Connect, "the connection failed while the statement ran")
                    .with_effect(undone)
            } else {
                late().with_effect(undone)
            };
            let explained = explained.with_source(std::io::Error::other(error.to_string()));
            return match undone {
                Effect::Unknown if in_time => explained.with_kind(ErrorKind::OutcomeUnknown),
                _ => explained,
            };
        };
        let explained = classify::from_db_error(database);
        let ended = matches!(database.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        *broken |= ended;
        match (explained.kind(), explained.effect()) {
            // The server confirms that it stopped the statement, so nothing of it is kept.
            (ErrorKind::Cancelled, _) if !in_time => late().with_effect(Effect::RolledBack),
            (ErrorKind::OutcomeUnknown, _) => {
                *broken = true;
                match undone {
                    Effect::Unknown => explained,
                    _ => explained.with_kind(ErrorKind::Connect).with_effect(undone),
                }
            }
            // This code says that a server accepts no session, but our session goes on: a function in the statement got
            // it from another server. The statement ran, and was undone.
            (_, Effect::NotSent) if !ended => explained.with_effect(Effect::RolledBack),
            _ => explained,
        }
    }
}

/// The driver looks up an unknown type while its own query waits behind rows that it has not read.
pub(super) fn perhaps_waits_for_itself(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Timeout(_) => error.with_hint(
            "with STATEMENT_CACHE=0 a long result blocks itself if a column has a user-defined type (an enum, a \
             composite type): cast it to text in the SQL",
        ),
        _ => error,
    }
}

/// A value that cannot be decoded does not mean that the statement failed, so the statement must not be run again.
pub(super) fn unread(error: Error, place: usize, writes: bool) -> Error {
    let error = error.at(format_args!("row {}", place + 1));
    if writes {
        error.at("the statement was carried out, but not all that it returned can be read")
    } else {
        error
    }
}

/// Whether a prepared statement is not valid on the server any more: its result type changed, or it is gone.
pub(super) fn is_stale(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("0A000" | MISSING))
}

/// Whether a value was refused before the statement reached the server.
pub(super) fn is_refused_here(error: &Error) -> bool {
    error.kind() == ErrorKind::Params && error.sqlstate().is_none()
}

/// Whether this code says that the server did not commit: refused data, or a transaction that had ended or failed
/// before, or was rolled back in favour of another.
pub(super) fn refuses_commit(sqlstate: &str) -> bool {
    sqlstate != "40003" && matches!(sqlstate.get(..2), Some("23" | "25" | "40"))
}
