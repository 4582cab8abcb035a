//! How long something took, counted in steps that suit a database's calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the steps, in microseconds: three to a decade, from 100 µs to 100 s. What took longer has a
/// step of its own.
pub(crate) const BOUNDS: [u64; 19] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
];

/// Durations, counted.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    steps: [AtomicU64; BOUNDS.len() + 1],
    total_nanos: AtomicU64,
}

/// What a histogram has counted, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How many lie in each step; the last has no bound.
    pub(crate) steps: [u64; BOUNDS.len() + 1],
    pub(crate) total_nanos: u64,
}

impl Histogram {
    pub(crate) fn count(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // From the front: most calls are short, and who waits for a long one does not notice.
        let step = BOUNDS.iter().position(|bound| nanos <= bound * 1_000).unwrap_or(BOUNDS.len());
        self.steps[step].fetch_add(1, Ordering::Relaxed);
        self.total_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            steps: std::array::from_fn(|step| self.steps[step].load(Ordering::Relaxed)),
            total_nanos: self.total_nanos.load(Ordering::Relaxed),
        }
    }
}

impl Counts {
    pub(crate) fn count(&self) -> u64 {
        self.steps.iter().sum()
    }

    /// All of it, in seconds.
    pub(crate) fn total_seconds(&self) -> f64 {
        seconds(self.total_nanos, 1e9)
    }

    /// What `share` (0.95 for 95 of a hundred) did not exceed, in seconds, as far as the steps tell: it is looked for
    /// between the bounds of its step as if the times there were spread evenly. The last step is told as its lower
    /// bound. Zero where nothing was counted.
    ///
    /// This is `histogram_quantile` of Prometheus, so that a page and a dashboard show the same.
    /// <https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile>
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = share.clamp(0.0, 1.0) * seconds(self.count(), 1.0);
        let mut below = 0;
        for (step, &inside) in self.steps.iter().enumerate() {
            if inside > 0 && seconds(below + inside, 1.0) >= rank {
                let lower = if step == 0 { 0.0 } else { seconds(BOUNDS[step - 1], 1e6) };
                let Some(&upper) = BOUNDS.get(step) else { return lower };
                let part = (rank - seconds(below, 1.0)) / seconds(inside, 1.0);
                return lower + (seconds(upper, 1e6) - lower) * part.clamp(0.0, 1.0);
            }
            below += inside;
        }
        0.0
    }
}

#[allow(clippy::cast_precision_loss, reason = "more digits than are shown")]
fn seconds(number: u64, parts: f64) -> f64 {
    number as f64 / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_step_and_what_is_longer_than_all_to_the_last() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 250, 100_000_000, 100_000_001, u64::MAX / 1_000] {
            histogram.count(Duration::from_micros(micros));
        }
        let counts = histogram.counts();
        assert_eq!((counts.steps[0], counts.steps[1], counts.steps[18], counts.steps[19]), (2, 2, 1, 2));
        assert_eq!(counts.count(), 7);
    }

    #[test]
    fn quantiles_lie_in_the_step_in_which_they_fall() {
        let histogram = Histogram::default();
        assert_eq!(histogram.counts().quantile(0.5), 0.0);
        for _ in 0..90 {
            histogram.count(Duration::from_micros(200));
        }
        for _ in 0..10 {
            histogram.count(Duration::from_millis(40));
        }
        let counts = histogram.counts();
        assert!((0.000_1..=0.000_25).contains(&counts.quantile(0.5)), "{}", counts.quantile(0.5));
        assert!((0.025..=0.05).contains(&counts.quantile(0.95)), "{}", counts.quantile(0.95));
        assert!((counts.total_seconds() - 0.418).abs() < 1e-9);
        histogram.count(Duration::from_secs(1_000));
        assert_eq!(histogram.counts().quantile(1.0), 100.0);
    }
}
