//! The errors of a caller who got no answer, or none that a driver gave.

use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase};

use super::super::classify::{Moment, judge, outcome_unknown};
use super::super::diagnostics::Failure;
use super::super::flavor::Flavor;
use super::super::session::Address;

pub(super) fn only_rollback() -> Error {
    Error::new(
        ErrorKind::Database,
        "a statement of the transaction has failed, so that it can only be rolled back",
    )
    .with_hint("return the error of the statement from the transaction, or use a savepoint")
}

/// A result that cannot be read says nothing against its statement: who makes that again does it a second time.
pub(super) fn carried_out(error: Error, moment: Moment) -> Error {
    match error.kind() {
        ErrorKind::Decode if moment.may_have_written => {
            error.at("the statement was carried out, but not all that it returned can be read")
        }
        _ => error,
    }
}

/// The thread has ended in the middle: only a panic in odbc-api does that.
pub(in crate::backend::odbc) fn driver_panicked() -> Error {
    Error::new(ErrorKind::Connect, "the ODBC driver failed in a way that it cannot report")
}

pub(super) fn thread_gone(moment: Moment) -> Error {
    if moment.may_have_written || moment.phase == Phase::Commit {
        outcome_unknown()
    } else {
        driver_panicked().with_effect(Effect::RolledBack)
    }
}

/// The error of a call that was given up. A commit that got no answer is more than late; what only read, or was part
/// of a transaction, ends with its connection.
pub(super) fn timed_out(moment: Moment) -> Error {
    let timeout = moment.deadline.passed(moment.phase);
    match moment.phase {
        Phase::Commit => outcome_unknown().with_source(timeout),
        Phase::Query | Phase::Fetch if !moment.may_have_written => timeout.with_effect(Effect::RolledBack),
        _ => timeout,
    }
}

pub(super) fn not_opened(failure: Failure, address: &Address, limit: Deadline) -> Error {
    let moment = Moment { phase: Phase::Connect, deadline: limit, may_have_written: false, gave_up: false };
    match failure {
        Failure::Ours(error) => error,
        Failure::Stopped => limit.passed(Phase::Connect),
        Failure::Driver { records, .. } => {
            let flavor = Flavor::of(address.dialect, "");
            let error = judge(&records, flavor, moment, &address.secrets).error;
            // Nothing of the caller's was sent, whatever it was that failed.
            if error.effect() == Effect::Unknown { error.with_effect(Effect::NotSent) } else { error }
        }
    }
}
