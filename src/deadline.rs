//! Time as a budget: a limit becomes a point in time at the front door and only shrinks on its way down.

use std::time::{Duration, Instant};

use crate::error::{Error, Phase, Result};

/// A point in time after which a call must have returned, and the limit that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    limit: Duration,
    /// The limit is the grace that the program has since it was told to stop.
    is_grace: bool,
    /// It may move forward while it is waited for: the thread's work can be told to stop.
    shrinks: bool,
}

impl Deadline {
    /// No limit at all.
    pub(crate) const NONE: Deadline =
        Deadline { at: None, limit: Duration::MAX, is_grace: false, shrinks: false };

    /// The point `limit` from `now`; a limit too long to be a point in time is none.
    pub(crate) fn after(now: Instant, limit: Duration) -> Deadline {
        Deadline { at: now.checked_add(limit), limit, ..Deadline::NONE }
    }

    /// The end of the grace of a program that was told to stop at `cancelled`.
    pub(crate) fn grace(cancelled: Instant, grace: Duration) -> Deadline {
        Deadline { is_grace: true, ..Deadline::after(cancelled, grace) }
    }

    /// The same point, which moves forward when the thread's work is told to stop.
    pub(crate) fn shrinking(self) -> Deadline {
        Deadline { shrinks: true, ..self }
    }

    /// Whether a wait for it must look out for being told to stop. What undoes or cleans up must not.
    pub(crate) fn shrinks(self) -> bool {
        self.shrinks
    }

    pub(crate) fn at(self) -> Option<Instant> {
        self.at
    }

    /// The limit that this deadline was made of, for messages.
    pub(crate) fn limit(self) -> Duration {
        self.limit
    }

    /// Whichever of the two comes first.
    pub(crate) fn earlier(self, other: Deadline) -> Deadline {
        let earlier = match (self.at, other.at) {
            (Some(mine), Some(others)) if others < mine => other,
            (None, Some(_)) => other,
            _ => self,
        };
        Deadline { shrinks: self.shrinks || other.shrinks, ..earlier }
    }

    /// The time that is left, `Duration::MAX` when there is no limit.
    pub(crate) fn left(self, now: Instant) -> Duration {
        self.at.map_or(Duration::MAX, |at| at.saturating_duration_since(now))
    }

    /// The time that is left.
    ///
    /// # Errors
    ///
    /// A timeout that names `phase` and the limit, when nothing is left.
    pub(crate) fn left_for(self, phase: Phase, now: Instant) -> Result<Duration> {
        match self.left(now) {
            Duration::ZERO => Err(self.passed(phase)),
            left => Ok(left),
        }
    }

    /// The same where nobody asks how much is left.
    ///
    /// # Errors
    ///
    /// As [`left_for`](Deadline::left_for).
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "ODBC's drivers take the time that is left")
    )]
    pub(crate) fn check(self, phase: Phase, now: Instant) -> Result<()> {
        if self.at.is_none_or(|at| at > now) { Ok(()) } else { Err(self.passed(phase)) }
    }

    /// The error that says that this deadline passed in `phase`.
    pub(crate) fn passed(self, phase: Phase) -> Error {
        if self.is_grace { Error::stopped(phase, self.limit) } else { Error::timeout(phase, self.limit) }
    }
}

/// The two limits of one call: on each statement or fetch, and on the whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// The limit on one statement, or on one fetch of a streamed result.
    pub(crate) each: Duration,
    /// The limit on the whole call.
    pub(crate) whole: Deadline,
    /// When the first step began, where somebody has looked at the clock for it a moment ago.
    pub(crate) began: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(each: Duration, whole: Deadline) -> Budget {
        Budget { each, whole, began: None }
    }

    /// The deadline of the first step, and when that began; `clock` is asked where nobody has done so.
    pub(crate) fn first(self, clock: impl FnOnce() -> Instant) -> (Deadline, Instant) {
        let began = self.began.unwrap_or_else(clock);
        (self.step(began), began)
    }

    /// The deadline of a step that starts now.
    pub(crate) fn step(self, now: Instant) -> Deadline {
        Deadline::after(now, self.each).earlier(self.whole)
    }

    /// The deadline of the rest of a step, of which `used` is over. It is told by the limit of the whole step.
    pub(crate) fn rest(self, now: Instant, used: Duration) -> Deadline {
        let rest = Deadline::after(now, self.each.saturating_sub(used));
        Deadline { limit: self.each, ..rest }.earlier(self.whole)
    }

    /// A budget for a step with a limit of its own, within the same whole.
    pub(crate) fn with_each(self, each: Duration) -> Budget {
        Budget { each, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_deadline_shrinks_and_names_its_phase() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_secs(2));
        assert_eq!(deadline.left(now + Duration::from_secs(1)), Duration::from_secs(1));
        assert!(deadline.check(Phase::Fetch, now + Duration::from_secs(1)).is_ok());
        assert!(deadline.check(Phase::Fetch, now + Duration::from_secs(2)).is_err());
        let error = deadline.left_for(Phase::Fetch, now + Duration::from_secs(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Fetch));
        assert!(error.to_string().contains("2s"), "{error}");
    }

    #[test]
    fn the_earlier_deadline_wins_and_no_limit_never_does() {
        let now = Instant::now();
        let (short, long) =
            (Deadline::after(now, Duration::from_secs(1)), Deadline::after(now, Duration::from_secs(9)));
        assert_eq!(short.earlier(long), short);
        assert_eq!(long.earlier(short), short);
        assert_eq!(Deadline::NONE.earlier(long), long);
        assert_eq!(long.earlier(Deadline::NONE), long);
        assert_eq!(Deadline::after(now, Duration::MAX).left(now), Duration::MAX);
    }

    #[test]
    fn the_end_of_the_grace_is_a_cancel_and_not_a_timeout() {
        let now = Instant::now();
        let grace = Deadline::grace(now, Duration::from_secs(1));
        let limit = Deadline::after(now, Duration::from_secs(9)).shrinking();
        let error = limit.earlier(grace).passed(Phase::Query);
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(error.to_string().contains("1s of grace passed in the phase `query`"), "{error}");
        assert!(limit.earlier(grace).shrinks() && grace.earlier(limit).shrinks() && !grace.shrinks());
        assert_eq!(limit.passed(Phase::Query).kind(), ErrorKind::Timeout(Phase::Query));
    }

    #[test]
    fn a_step_ends_with_the_whole() {
        let now = Instant::now();
        let budget = Budget::new(Duration::from_secs(30), Deadline::after(now, Duration::from_secs(5)));
        assert_eq!(budget.step(now).left(now), Duration::from_secs(5));
        assert_eq!(budget.with_each(Duration::from_secs(1)).step(now).left(now), Duration::from_secs(1));
        assert_eq!(budget.first(|| now), (budget.step(now), now));
        let begun = Budget { began: Some(now), ..budget };
        assert_eq!(begun.first(|| now + Duration::from_secs(1)), (budget.step(now), now));
        let rest = budget.rest(now, Duration::from_secs(28));
        assert_eq!((rest.left(now), rest.limit()), (Duration::from_secs(2), Duration::from_secs(30)));
        assert_eq!(budget.rest(now, Duration::MAX).left(now), Duration::ZERO);
    }
}
