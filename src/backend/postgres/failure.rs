//! What a failed call leaves behind: whether it may have happened, and whether the connection can go on.

use postgres::error::Severity;

use super::classify;
use crate::context;
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase};

/// There is no prepared statement of this name.
pub(super) const MISSING: &str = "26000";

/// What is known of a call that failed, but for the error itself.
#[derive(Clone, Copy)]
pub(super) struct Failed {
    pub(super) in_time: bool,
    pub(super) in_transaction: bool,
    /// To send it a second time may do something a second time.
    pub(super) writes: bool,
    pub(super) phase: Phase,
    pub(super) deadline: Deadline,
}

impl Failed {
    /// The driver's error in our words. Sets `broken` when the connection cannot be used again.
    pub(super) fn explain(self, error: &postgres::Error, broken: &mut bool) -> Error {
        let Failed { in_time, in_transaction, writes, phase, .. } = self;
        let late = || context::in_force(self.deadline).passed(phase);
        if let Some(ours) = classify::our_own(error) {
            return ours;
        }
        let undone = match (in_transaction, writes) {
            // The server rolls back what an ended session had not committed.
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
            // The server says that it stopped the statement, so nothing of it stays.
            (ErrorKind::Cancelled, _) if !in_time => late().with_effect(Effect::RolledBack),
            (ErrorKind::OutcomeUnknown, _) => {
                *broken = true;
                match undone {
                    Effect::Unknown => explained,
                    _ => explained.with_kind(ErrorKind::Connect).with_effect(undone),
                }
            }
            // The code of a server that takes no session, from a session that goes on: a function of the statement
            // has met it elsewhere. The statement was taken, and undone.
            (_, Effect::NotSent) if !ended => explained.with_effect(Effect::RolledBack),
            _ => explained,
        }
    }
}

/// The driver looks up a type that it does not know while the rows that it leaves unread hold its own question back.
pub(super) fn perhaps_waits_for_itself(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Timeout(_) => error.with_hint(
            "with STATEMENT_CACHE=0 a long result waits for itself where a column has a type of the database's own \
             (an enum, a composite type): cast it to text in the SQL",
        ),
        _ => error,
    }
}

/// A value that cannot be read says nothing against the statement, which must not be run again for it.
pub(super) fn unread(error: Error, place: usize, writes: bool) -> Error {
    let error = error.at(format_args!("row {}", place + 1));
    if writes {
        error.at("the statement was carried out, but not all that it returned can be read")
    } else {
        error
    }
}

/// Whether a prepared statement has lost its meaning on the server: its result type changed, or it is gone.
pub(super) fn is_stale(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("0A000" | MISSING))
}

/// Whether the server says by this code that it did not commit: data refused, a transaction that had ended or failed
/// before, or was undone for the sake of another.
pub(super) fn refuses_commit(sqlstate: &str) -> bool {
    sqlstate != "40003" && matches!(sqlstate.get(..2), Some("23" | "25" | "40"))
}
