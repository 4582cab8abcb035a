//! The answers of a mock.

use std::time::Duration;

use crate::backend::scripted::Reply;
use crate::error::{Effect, Error, ErrorKind, Phase};
use crate::row::Row;

/// The answer to one statement, for [`Expectation::answers`](super::Expectation::answers).
///
/// ```
/// use batchdb::testing::MockAnswer;
/// use batchdb::ErrorKind;
/// use std::time::Duration;
///
/// let slow = MockAnswer::changed(1).after(Duration::from_millis(20));
/// let lost = MockAnswer::error(ErrorKind::OutcomeUnknown);
/// # let _ = (slow, lost);
/// ```
#[derive(Debug, Clone, Default)]
pub struct MockAnswer {
    rows: Vec<Row>,
    changed: u64,
    latency: Duration,
    error: Option<Error>,
}

impl MockAnswer {
    /// These rows.
    #[must_use]
    pub fn rows(rows: impl IntoIterator<Item = Row>) -> MockAnswer {
        MockAnswer { rows: rows.into_iter().collect(), ..MockAnswer::default() }
    }

    /// A number of changed rows.
    #[must_use]
    pub fn changed(rows: u64) -> MockAnswer {
        MockAnswer { changed: rows, ..MockAnswer::default() }
    }

    /// An error of this kind. Whether it is transient is as with a real database: for [`Conflict`](ErrorKind::Conflict)
    /// and [`Throttled`](ErrorKind::Throttled) the statement was undone, for [`Connect`](ErrorKind::Connect) it was
    /// never sent; for [`Timeout`](ErrorKind::Timeout) in the phase `query` the outcome is unknown.
    #[must_use]
    pub fn error(kind: ErrorKind) -> MockAnswer {
        MockAnswer { error: Some(error(kind)), ..MockAnswer::default() }
    }

    /// The same answer after a delay. A call that has less time fails with a timeout.
    #[must_use]
    pub fn after(mut self, latency: Duration) -> MockAnswer {
        self.latency = latency;
        self
    }

    pub(super) fn into_reply(self) -> Reply {
        let MockAnswer { rows, changed, latency, error } = self;
        Reply { rows, changed, latency, error }
    }
}

/// The error that a real database gives for this kind, as far as a program can tell.
fn error(kind: ErrorKind) -> Error {
    let (effect, sqlstate, message) = match kind {
        ErrorKind::Timeout(phase) => return Error::timeout(phase, Duration::ZERO),
        ErrorKind::Cancelled => return Error::stopped(Phase::Query, Duration::ZERO),
        ErrorKind::Connect | ErrorKind::Checkout => (Effect::NotSent, None, "the server cannot be reached"),
        ErrorKind::Conflict => {
            (Effect::RolledBack, Some("40P01"), "the server undid it for another transaction")
        }
        ErrorKind::Throttled => (Effect::Throttled, Some("53300"), "the server is short of something"),
        ErrorKind::OutcomeUnknown => {
            (Effect::Unknown, None, "the connection broke, and whether it happened is not known")
        }
        ErrorKind::Auth => (Effect::Final, Some("28P01"), "the server refused the credentials"),
        ErrorKind::Constraint => (Effect::Final, Some("23505"), "a constraint refused the data"),
        ErrorKind::Syntax => (Effect::Final, Some("42601"), "the statement is wrong"),
        ErrorKind::Permission => (Effect::Final, Some("42501"), "the server does not allow it"),
        ErrorKind::ReadOnly => (Effect::Final, Some("25006"), "the database is read-only"),
        ErrorKind::Data => (Effect::Final, Some("22000"), "the server could not take a value"),
        _ => (Effect::Final, None, "the mock was told to fail"),
    };
    Error::new(kind, message).with_codes(sqlstate, None).with_effect(effect)
}
