//! The times of checkouts, counted in doubling steps, so that counting costs only a few atomic additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Step `n` counts times below 2ⁿ µs and of at least half of that. The last step has everything longer.
const STEPS: usize = 40;

/// The times of all successful checkouts of a pool.
#[derive(Debug)]
pub(super) struct Waits {
    steps: [AtomicU64; STEPS],
    total_nanos: AtomicU64,
    longest_nanos: AtomicU64,
}

/// The summary of the counts. All zero before the first checkout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) mean_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) max_ms: f64,
    pub(super) total_ms: f64,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits {
            steps: std::array::from_fn(|_| AtomicU64::new(0)),
            total_nanos: AtomicU64::new(0),
            longest_nanos: AtomicU64::new(0),
        }
    }
}

impl Waits {
    /// Counts a checkout that neither waited nor tested nor connected. It took less than a microsecond, so the clock is
    /// not read.
    pub(super) fn count_none(&self) {
        self.steps[0].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let step = (u64::BITS - (nanos / 1_000).leading_zeros()) as usize;
        self.steps[step.min(STEPS - 1)].fetch_add(1, Ordering::Relaxed);
        self.total_nanos.fetch_add(nanos, Ordering::Relaxed);
        // Most are not the longest, and reading is cheaper than writing.
        if nanos > self.longest_nanos.load(Ordering::Relaxed) {
            self.longest_nanos.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let steps: Vec<u64> = self.steps.iter().map(|step| step.load(Ordering::Relaxed)).collect();
        let count: u64 = steps.iter().sum();
        let longest = self.longest_nanos.load(Ordering::Relaxed);
        let total = self.total_nanos.load(Ordering::Relaxed);
        let mean = total.checked_div(count).unwrap_or(0);
        // The upper end of the step with the 95th percentile, but never more than the longest time.
        let mut left = (count * 95).div_ceil(100);
        let step = steps.iter().position(|in_step| {
            left = left.saturating_sub(*in_step);
            left == 0
        });
        let p95 = step.map_or(0, |step| 1_000_u64 << step).min(longest);
        Summary {
            count,
            mean_ms: millis(mean),
            p95_ms: millis(p95),
            max_ms: millis(longest),
            total_ms: millis(total),
        }
    }
}

/// Milliseconds, to three places.
fn millis(nanos: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "more digits than are shown")]
    let micros = (nanos as f64 / 1_000.0).round();
    micros / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_all_zeros() {
        let zeros = Summary { count: 0, mean_ms: 0.0, p95_ms: 0.0, max_ms: 0.0, total_ms: 0.0 };
        assert_eq!(Waits::default().summary(), zeros);
    }

    #[test]
    fn one_in_twenty_that_waits_does_not_move_the_95th() {
        let waits = Waits::default();
        for _ in 0..95 {
            waits.count(Duration::from_micros(3));
        }
        for _ in 0..5 {
            waits.count(Duration::from_millis(200));
        }
        let summary = waits.summary();
        assert_eq!((summary.count, summary.p95_ms, summary.max_ms), (100, 0.004, 200.0));
        assert_eq!((summary.mean_ms, summary.total_ms), (10.003, 1000.285));
        waits.count(Duration::from_millis(200));
        assert_eq!(waits.summary().p95_ms, 200.0);
    }

    #[test]
    fn the_longest_and_the_shortest_have_their_steps() {
        let waits = Waits::default();
        waits.count(Duration::ZERO);
        assert_eq!(waits.summary().p95_ms, 0.0);
        waits.count(Duration::from_secs(60 * 60 * 24 * 365));
        assert_eq!(waits.summary().count, 2);
    }
}
