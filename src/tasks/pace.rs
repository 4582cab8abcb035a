//! A limit on starts per second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Hands out start times, evenly spread.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// The earliest point of the next start.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// `None` if there is no limit.
    pub(super) fn per_second(starts: f64) -> Option<Pace> {
        let interval = Duration::try_from_secs_f64(1.0 / starts).ok().filter(|_| starts > 0.0)?;
        Some(Pace { interval, next: Mutex::new(None) })
    }

    /// The start time for a request made at `now`; it is reserved for the caller. `None` if it is not before `end`;
    /// then nothing is reserved.
    pub(super) fn next(&self, now: Instant, end: Option<Instant>) -> Option<Instant> {
        // A point is whole, so that a panic elsewhere leaves nothing half done here.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let start = next.map_or(now, |next| next.max(now));
        if end.is_some_and(|end| end <= start) {
            return None;
        }
        *next = start.checked_add(self.interval).or(Some(start));
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spread_and_a_pause_is_not_made_up_for() {
        let pace = Pace::per_second(100.0).unwrap();
        let (now, step) = (Instant::now(), Duration::from_millis(10));
        let next = |now, end| pace.next(now, end);
        assert_eq!([next(now, None), next(now, None)], [Some(now), Some(now + step)]);
        let later = now + Duration::from_secs(1);
        assert_eq!([next(later, None), next(later, None)], [Some(later), Some(later + step)]);
        // A point behind somebody's end is left to others.
        assert_eq!(next(later, Some(later + step * 2)), None);
        assert_eq!(next(later, Some(later + step * 3)), Some(later + step * 2));
    }

    #[test]
    fn what_is_not_above_zero_is_no_limit() {
        for rate in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY, 1e-300] {
            assert!(Pace::per_second(rate).is_none(), "{rate}");
        }
        assert!(Pace::per_second(f64::INFINITY).is_some_and(|pace| pace.interval.is_zero()));
        assert!(Pace::per_second(0.1).is_some_and(|pace| pace.interval == Duration::from_secs(10)));
    }
}
