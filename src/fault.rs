//! Fault injection for tests: where faults occur, and how often. With the feature `testing`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The point at which a fault is injected, and what the program sees then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultPoint {
    /// A new connection is refused: [`Connect`](crate::ErrorKind::Connect), which is transient.
    Connect,
    /// The connection is lost before a statement is sent. The server never gets it, but the program cannot know that:
    /// for a write outside a transaction the error is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    BeforeStatement,
    /// The connection is lost before the answer of a statement arrives. The server has run it; the program gets the
    /// same error as at [`BeforeStatement`](FaultPoint::BeforeStatement).
    AfterStatement,
    /// The server rolls the transaction back in favour of another: [`Conflict`](crate::ErrorKind::Conflict). Later
    /// statements in the transaction are refused, as by PostgreSQL with `25P02`.
    Deadlock,
    /// The connection is lost before a commit is sent. The server rolls the transaction back; the program gets
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    BeforeCommit,
    /// The connection is lost before the answer to a commit arrives. The transaction is committed; the program gets
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    AfterCommit,
}

const POINTS: usize = 6;

impl FaultPoint {
    fn place(self) -> usize {
        self as usize
    }
}

/// Injects random faults at named points into every connection of a pool, on a real database or a mock, to test how a
/// program and its retries deal with them.
///
/// With the same seed the same calls fail: whether the third commit fails does not depend on other calls. (With several
/// threads, a different thread may make the third commit.)
///
/// A connection that was lost by a fault does nothing more: further calls of its transaction are
/// [`Connect`](crate::ErrorKind::Connect), and its commit is refused. The real connection behind it is closed when it
/// is returned to the pool; until then it holds its locks.
///
/// ```
/// use batchdb::testing::{FaultInjector, FaultPoint, MockDatabase};
/// use batchdb::{ErrorKind, RetryPolicy};
/// use std::time::Duration;
///
/// let mock = MockDatabase::new("rpa_db");
/// mock.on_like("UPDATE %").changes(1);
/// let faults = FaultInjector::new(42).at(FaultPoint::Deadlock, 0.3);
/// let db = mock.builder().faults(&faults).retry_attempts(20).build()?;
/// let quick = RetryPolicy::default().attempts(20).conflict_waits(Duration::ZERO, Duration::from_millis(1));
///
/// for _ in 0..50 {
///     db.with_retry(quick.clone()).transaction(|tx| tx.execute("UPDATE counter SET n = n + 1", ()))?;
/// }
/// assert!(faults.struck(FaultPoint::Deadlock) > 5);
/// assert_eq!(mock.committed().len(), 50);
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Clone)]
pub struct FaultInjector(Arc<Faults>);

struct Faults {
    id: u64,
    seed: u64,
    /// The seed, mixed: the draws are numbered, and seeds that are neighbours would share theirs in another order.
    start: u64,
    chances: [f64; POINTS],
    asked: [AtomicU64; POINTS],
    struck: [AtomicU64; POINTS],
    /// Nothing strikes until this is zero again.
    paused: AtomicU64,
}

impl FaultInjector {
    /// An injector without any faults yet. If you use a random seed, print it, so that the run can be repeated.
    #[must_use]
    pub fn new(seed: u64) -> FaultInjector {
        FaultInjector::with(seed, [0.0; POINTS])
    }

    fn with(seed: u64, chances: [f64; POINTS]) -> FaultInjector {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        FaultInjector(Arc::new(Faults {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            seed,
            start: fastrand::Rng::with_seed(seed).u64(..),
            chances,
            asked: Default::default(),
            struck: Default::default(),
            paused: AtomicU64::new(0),
        }))
    }

    /// Injects a fault at `point` with this probability, from 0 to 1.
    #[must_use]
    pub fn at(self, point: FaultPoint, probability: f64) -> FaultInjector {
        let mut chances = self.0.chances;
        chances[point.place()] = probability;
        FaultInjector::with(self.0.seed, chances)
    }

    /// Injects no faults on any thread while `work` runs: for preparing a test and checking its result.
    pub fn paused<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Paused<'f>(&'f AtomicU64);
        impl Drop for Paused<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.0.paused.fetch_add(1, Ordering::SeqCst);
        let _paused = Paused(&self.0.paused);
        work()
    }

    /// How many faults were injected at `point`. A test without any has shown nothing.
    #[must_use]
    pub fn struck(&self, point: FaultPoint) -> u64 {
        self.0.struck[point.place()].load(Ordering::Relaxed)
    }

    /// Two pools share their connections only where they share their faults.
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// Whether one strikes now.
    pub(crate) fn strikes(&self, point: FaultPoint) -> bool {
        let faults = &*self.0;
        let place = point.place();
        if faults.chances[place] <= 0.0 || faults.paused.load(Ordering::SeqCst) > 0 {
            return false;
        }
        let number = faults.asked[place].fetch_add(1, Ordering::Relaxed);
        let mut chance = fastrand::Rng::with_seed(faults.start ^ ((place as u64) << 56) ^ number);
        let strikes = chance.f64() < faults.chances[place];
        faults.struck[place].fetch_add(u64::from(strikes), Ordering::Relaxed);
        strikes
    }
}

impl fmt::Debug for FaultInjector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultInjector").field("seed", &self.0.seed).field("chances", &self.0.chances).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_strikes_the_same_calls_and_as_often_as_it_says() {
        let run = |seed| -> Vec<bool> {
            let faults = FaultInjector::new(seed).at(FaultPoint::Deadlock, 0.25).at(FaultPoint::Connect, 0.5);
            (0..4_000)
                .map(|n| {
                    // What happens at another point between does not matter.
                    if n % 3 == 0 {
                        let _ = faults.strikes(FaultPoint::Connect);
                    }
                    faults.strikes(FaultPoint::Deadlock)
                })
                .collect()
        };
        let plain = FaultInjector::new(7).at(FaultPoint::Deadlock, 0.25);
        let alone: Vec<bool> = (0..4_000).map(|_| plain.strikes(FaultPoint::Deadlock)).collect();
        assert_eq!(run(7), alone);
        assert_ne!(run(7), run(8));
        let struck = plain.struck(FaultPoint::Deadlock);
        assert!((800..1_200).contains(&struck), "{struck} of 4000");
        assert!(!plain.strikes(FaultPoint::AfterCommit));
    }

    #[test]
    fn seeds_that_are_neighbours_strike_other_calls() {
        let strikes = |seed, point| {
            let faults = FaultInjector::new(seed).at(point, 0.25);
            (0..64).filter(|_| faults.strikes(point)).count()
        };
        // Seeds that only change the order of the same 64 draws all strike equally often.
        for point in [FaultPoint::Connect, FaultPoint::AfterCommit] {
            let counts: std::collections::BTreeSet<_> = (0..64).map(|seed| strikes(seed, point)).collect();
            assert!(counts.len() > 5, "{point:?}: {counts:?}");
        }
    }

    #[test]
    fn paused_faults_strike_nowhere() {
        let faults = FaultInjector::new(1).at(FaultPoint::Connect, 1.0);
        assert!(!faults.paused(|| faults.strikes(FaultPoint::Connect)));
        assert!(faults.strikes(FaultPoint::Connect));
    }
}
