//! When a failed call is retried, and after which wait. This module only decides: time and randomness are passed in,
//! and others do the waiting.

use std::time::Duration;

use crate::error::{Effect, Error};

/// When a failed call is made again, and after which wait.
///
/// Only what certainly did not happen is retried: calls that were not sent, work that the database has undone (a
/// deadlock, a serialization failure, a connection that broke in a transaction), and calls that it refused because it
/// was short of a resource. Wrong credentials, wrong statements and refused data are never retried. Calls with an
/// unknown outcome ([`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown)) are retried only on an
/// [`idempotent`](crate::DatabaseManager::idempotent) handle.
///
/// The waits are random, so that many programs that failed together do not come back together: at least `first`, and at
/// most `first` doubled with each attempt, but never more than `most`.
///
/// ```
/// use std::time::Duration;
/// use batchdb::RetryPolicy;
///
/// let policy = RetryPolicy::default().attempts(5).budget(Duration::from_secs(120));
/// assert_eq!(RetryPolicy::never().attempts(3), RetryPolicy::default());
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a policy does nothing before a handle is given it by `with_retry`"]
pub struct RetryPolicy {
    attempts: u32,
    budget: Duration,
    outage: Waits,
    conflict: Waits,
    throttled: Waits,
}

/// The waits for one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waits {
    first: Duration,
    most: Duration,
}

impl Waits {
    /// The wait after attempt number `attempt` has failed; `chance` is a random number from 0 to 1.
    fn after(self, attempt: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt);
        let longest = self.first.saturating_mul(doubled).min(self.most).max(self.first);
        self.first + (longest - self.first).mul_f64(chance.clamp(0.0, 1.0))
    }
}

/// What a call has used up when an attempt has failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// The number of the attempt that failed, from 1.
    pub(crate) attempt: u32,
    /// The time since the first attempt began.
    pub(crate) elapsed: Duration,
    /// The time that is left until the deadline of the whole call.
    pub(crate) left: Duration,
}

impl Default for RetryPolicy {
    /// Three attempts in 60 s, with waits of 4 to 10 s while the server is away, of 50 ms to 2 s after a
    /// conflict, and of 10 to 30 s when the server asks for a pause.
    fn default() -> RetryPolicy {
        let waits =
            |first, most| Waits { first: Duration::from_millis(first), most: Duration::from_millis(most) };
        RetryPolicy {
            attempts: 3,
            budget: Duration::from_secs(60),
            outage: waits(4_000, 10_000),
            conflict: waits(50, 2_000),
            throttled: waits(10_000, 30_000),
        }
    }
}

impl RetryPolicy {
    /// One attempt, without retries.
    pub fn never() -> RetryPolicy {
        RetryPolicy::default().attempts(1)
    }

    /// How many attempts are made in all; 0 counts as 1. Default: 3.
    pub fn attempts(mut self, most: u32) -> RetryPolicy {
        self.attempts = most.max(1);
        self
    }

    /// The time, from the beginning of the call, within which the last attempt must begin. The attempt itself is
    /// limited by `TIMEOUT`. Default: 60 s.
    pub fn budget(mut self, limit: Duration) -> RetryPolicy {
        self.budget = limit;
        self
    }

    /// The attempts and the budget, to be shown.
    pub(crate) fn limits(&self) -> (u32, Duration) {
        (self.attempts, self.budget)
    }

    /// The shortest and the longest wait while the server cannot be reached. Default: 4 s and 10 s.
    pub fn outage_waits(mut self, first: Duration, most: Duration) -> RetryPolicy {
        self.outage = Waits { first, most };
        self
    }

    /// The shortest and the longest wait after work that the server has undone: deadlocks, serialization failures,
    /// connections that broke in a transaction. Default: 50 ms and 2 s.
    pub fn conflict_waits(mut self, first: Duration, most: Duration) -> RetryPolicy {
        self.conflict = Waits { first, most };
        self
    }

    /// The shortest and the longest wait when the server is short of a resource. Default: 10 s and 30 s.
    pub fn throttled_waits(mut self, first: Duration, most: Duration) -> RetryPolicy {
        self.throttled = Waits { first, most };
        self
    }

    /// How long to wait before the next attempt; `None` for no further attempt. `chance` is a random number from 0 to
    /// 1.
    ///
    /// There is no further attempt if the wait would end after the budget, or after the call's deadline.
    pub(crate) fn next(
        &self,
        spent: Spent,
        error: &Error,
        idempotent: bool,
        chance: f64,
    ) -> Option<Duration> {
        if spent.attempt >= self.attempts {
            return None;
        }
        let waits = match error.effect() {
            Effect::NotSent => self.outage,
            Effect::RolledBack => self.conflict,
            Effect::Throttled => self.throttled,
            // The connection is gone, and so perhaps is the server.
            Effect::Unknown if idempotent => self.outage,
            Effect::Unknown | Effect::Final => return None,
        };
        let wait = waits.after(spent.attempt, chance);
        let in_time = spent.elapsed.saturating_add(wait) <= self.budget && wait < spent.left;
        in_time.then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn spent(attempt: u32) -> Spent {
        Spent { attempt, elapsed: Duration::ZERO, left: Duration::MAX }
    }

    fn failed(effect: Effect) -> Error {
        Error::new(ErrorKind::Database, "x").with_effect(effect)
    }

    fn wait(effect: Effect, attempt: u32, chance: f64) -> Option<Duration> {
        RetryPolicy::default().attempts(9).next(spent(attempt), &failed(effect), false, chance)
    }

    #[test]
    fn waits_grow_within_their_bounds() {
        for (effect, attempt, shortest, longest) in [
            (Effect::NotSent, 1, 4_000, 8_000),
            (Effect::NotSent, 2, 4_000, 10_000),
            (Effect::NotSent, 8, 4_000, 10_000),
            (Effect::RolledBack, 1, 50, 100),
            (Effect::RolledBack, 3, 50, 400),
            (Effect::RolledBack, 8, 50, 2_000),
            (Effect::Throttled, 1, 10_000, 20_000),
            (Effect::Throttled, 2, 10_000, 30_000),
        ] {
            assert_eq!(wait(effect, attempt, 0.0), Some(MS(shortest)), "{effect:?} {attempt}");
            assert_eq!(wait(effect, attempt, 1.0), Some(MS(longest)), "{effect:?} {attempt}");
            assert_eq!(
                wait(effect, attempt, 0.5),
                Some(MS((shortest + longest) / 2)),
                "{effect:?} {attempt}"
            );
        }
    }

    #[test]
    fn odd_bounds_make_odd_waits_and_no_panic() {
        let upside_down = RetryPolicy::default().attempts(u32::MAX).conflict_waits(MS(7), MS(3));
        let next = |policy: &RetryPolicy, attempt| {
            policy.next(spent(attempt), &failed(Effect::RolledBack), false, 1.0)
        };
        assert_eq!(next(&upside_down, 1), Some(MS(7)));
        let endless = RetryPolicy::default().attempts(u32::MAX).conflict_waits(Duration::MAX, Duration::MAX);
        assert_eq!(next(&endless, 40), None);
        let at_once = RetryPolicy::default().attempts(u32::MAX).conflict_waits(MS(0), MS(0));
        assert_eq!(next(&at_once, 1_000_000), Some(MS(0)));
    }

    #[test]
    fn what_may_have_happened_needs_the_callers_word_and_what_is_final_stays() {
        let policy = RetryPolicy::default();
        let next = |effect, idempotent| policy.next(spent(1), &failed(effect), idempotent, 0.0);
        assert_eq!(next(Effect::Unknown, false), None);
        assert_eq!(next(Effect::Unknown, true), Some(MS(4_000)));
        for idempotent in [false, true] {
            assert_eq!(next(Effect::Final, idempotent), None);
            assert!(next(Effect::NotSent, idempotent).is_some());
        }
    }

    #[test]
    fn attempts_end() {
        let last = |policy: &RetryPolicy| {
            (1..).find(|&attempt| policy.next(spent(attempt), &failed(Effect::NotSent), false, 0.0).is_none())
        };
        assert_eq!(last(&RetryPolicy::default()), Some(3));
        assert_eq!(last(&RetryPolicy::never()), Some(1));
        assert_eq!(last(&RetryPolicy::default().attempts(0)), Some(1));
    }

    #[test]
    fn no_wait_is_begun_that_ends_too_late() {
        let policy = RetryPolicy::default();
        let next = |elapsed, left| {
            let spent = Spent { attempt: 1, elapsed: MS(elapsed), left };
            policy.next(spent, &failed(Effect::NotSent), false, 0.0)
        };
        assert_eq!(next(56_000, Duration::MAX), Some(MS(4_000)));
        assert_eq!(next(56_001, Duration::MAX), None);
        assert_eq!(next(0, MS(4_001)), Some(MS(4_000)));
        assert_eq!(next(0, MS(4_000)), None);
        assert_eq!(next(0, Duration::ZERO), None);
    }
}
