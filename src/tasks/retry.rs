//! Whether a failed task is run again. This module only decides; the clock and the waiting are elsewhere.

use std::time::Duration;

use super::outcome::{TaskError, TaskState};
use crate::error::ErrorKind;

#[derive(Default)]
pub(super) struct Retry {
    pub(super) most: u32,
    pub(super) delay: Duration,
    pub(super) rule: Option<Rule>,
}

pub(super) type Rule = Box<dyn Fn(&TaskError) -> bool + Send + Sync>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Run it again after the delay.
    Again,
    /// It stays failed, in this state.
    End(TaskState),
}

impl Retry {
    /// What follows after attempt number `attempt` has failed, with this much time `left`. `stopped`: the fan-out was
    /// cancelled.
    pub(super) fn next(&self, attempt: u32, error: &TaskError, left: Duration, stopped: bool) -> Next {
        let kind = error.as_batchdb().map(crate::error::Error::kind);
        if kind == Some(ErrorKind::Cancelled) {
            return Next::End(TaskState::Cancelled);
        }
        if stopped && (left.is_zero() || self.again(attempt, error)) {
            return Next::End(TaskState::Cancelled);
        }
        // An error of another type may be a wrapper around one of our timeouts.
        if left.is_zero() && matches!(kind, None | Some(ErrorKind::Timeout(_))) {
            return Next::End(TaskState::TimedOut);
        }
        if self.delay >= left || !self.again(attempt, error) {
            return Next::End(TaskState::Failed);
        }
        Next::Again
    }

    fn again(&self, attempt: u32, error: &TaskError) -> bool {
        attempt <= self.most && self.allows(error)
    }

    fn allows(&self, error: &TaskError) -> bool {
        match &self.rule {
            Some(rule) => rule(error),
            None => error.as_batchdb().is_none_or(crate::error::Error::is_transient),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Phase};

    const LEFT: Duration = Duration::from_secs(9);

    fn ours(kind: ErrorKind) -> TaskError {
        TaskError::new(Error::new(kind, "x"))
    }

    #[test]
    fn only_what_is_transient_is_repeated_by_default() {
        let retry = Retry { most: 1, ..Retry::default() };
        let checkout = TaskError::new(Error::timeout(Phase::Checkout, LEFT));
        assert_eq!(retry.next(1, &checkout, LEFT, false), Next::Again);
        assert_eq!(retry.next(2, &checkout, LEFT, false), Next::End(TaskState::Failed));
        assert_eq!(retry.next(1, &TaskError::new("mine"), LEFT, false), Next::Again);
        let unknown = TaskError::new(std::io::Error::other("x"));
        assert_eq!(retry.next(1, &unknown, LEFT, false), Next::Again);
        assert_eq!(
            retry.next(1, &ours(ErrorKind::OutcomeUnknown), LEFT, false),
            Next::End(TaskState::Failed)
        );
    }

    #[test]
    fn a_rule_of_the_caller_replaces_the_default() {
        let retry = Retry { most: 1, rule: Some(Box::new(|e| e.as_batchdb().is_some())), ..Retry::default() };
        assert_eq!(retry.next(1, &ours(ErrorKind::OutcomeUnknown), LEFT, false), Next::Again);
        assert_eq!(retry.next(1, &TaskError::new("mine"), LEFT, false), Next::End(TaskState::Failed));
    }

    #[test]
    fn nothing_is_run_again_after_a_stop() {
        let retry = Retry { most: 1, ..Retry::default() };
        let checkout = TaskError::new(Error::timeout(Phase::Checkout, LEFT));
        assert_eq!(retry.next(1, &checkout, LEFT, true), Next::End(TaskState::Cancelled));
        // A task that would not have been retried anyway has failed by itself.
        assert_eq!(retry.next(2, &checkout, LEFT, true), Next::End(TaskState::Failed));
        assert_eq!(retry.next(1, &ours(ErrorKind::Constraint), LEFT, true), Next::End(TaskState::Failed));
        let mine = TaskError::new("mine");
        assert_eq!(retry.next(9, &mine, Duration::ZERO, true), Next::End(TaskState::Cancelled));
    }

    #[test]
    fn time_that_has_passed_ends_it() {
        let retry = Retry { most: 9, delay: LEFT, ..Retry::default() };
        let late = ours(ErrorKind::Timeout(Phase::Query));
        assert_eq!(retry.next(1, &late, Duration::ZERO, false), Next::End(TaskState::TimedOut));
        assert_eq!(retry.next(1, &late, LEFT, false), Next::End(TaskState::Failed));
        let refused = ours(ErrorKind::Constraint);
        assert_eq!(retry.next(1, &refused, Duration::ZERO, false), Next::End(TaskState::Failed));
        assert_eq!(retry.next(1, &TaskError::new("mine"), LEFT, false), Next::End(TaskState::Failed));
        assert_eq!(retry.next(1, &ours(ErrorKind::Cancelled), LEFT, false), Next::End(TaskState::Cancelled));
    }
}
