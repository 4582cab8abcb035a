//! Cancellation: a token that any thread may set, and that every wait of this crate observes.

mod signals;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

#[cfg(feature = "signals")]
use crate::error::Result;

/// A signal to stop, sent once to everybody who holds a clone of the token.
///
/// Pass it to a fan-out by [`MapOptions::cancel`](crate::MapOptions::cancel), or to any other code by
/// [`with_cancel`](crate::with_cancel). After [`cancel`](CancelToken::cancel) no new item is started, and running calls
/// of this crate end when the grace period is over.
///
/// ```
/// use std::time::Duration;
/// use batchdb::{CancelToken, MapOptions, TaskState, map_tasks};
///
/// let token = CancelToken::new();
/// let stop = token.clone();
/// let options = MapOptions::default().workers(1).cancel(token).grace(Duration::from_secs(20));
/// let results = map_tasks(0..10, options, |n| {
///     if *n == 3 {
///         stop.cancel();
///     }
///     Ok::<_, batchdb::Error>(*n)
/// });
/// assert_eq!(results.counts(), [(TaskState::Completed, 4), (TaskState::NotStarted, 6)].into());
/// ```
#[derive(Clone)]
pub struct CancelToken(Arc<Shared>);

struct Shared {
    cancelled_at: OnceLock<Instant>,
    /// Nothing is ever sent: dropping it is the signal, which every clone of `told` sees.
    untold: Mutex<Option<Sender<()>>>,
    told: Receiver<()>,
}

/// Called after each cancel of any token, for those who wait on behalf of other threads.
static WATCHERS: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Registers `watcher`, which the cancelling thread calls whenever a token is cancelled.
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL's watchdog waits for others")
)]
pub(crate) fn watch(watcher: fn()) {
    WATCHERS.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
}

impl CancelToken {
    /// A new token, not cancelled.
    #[must_use]
    pub fn new() -> CancelToken {
        let (untold, told) = bounded(0);
        let untold = Mutex::new(Some(untold));
        CancelToken(Arc::new(Shared { cancelled_at: OnceLock::new(), untold, told }))
    }

    /// Returns the token that is cancelled by the first SIGINT (Ctrl-C), SIGTERM or SIGHUP of this process. A second
    /// signal ends the process at once, with exit code 130.
    ///
    /// All calls return the same token. On Windows the signals are Ctrl-C and the closing of the console.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) when the process already has a handler for these signals; let that handler
    /// call [`cancel`](CancelToken::cancel).
    ///
    /// ```no_run
    /// use batchdb::{CancelToken, DatabaseManager, MapOptions, map_tasks, params};
    ///
    /// let db = DatabaseManager::new("rpa_db")?;
    /// let token = CancelToken::on_signals()?;
    /// let results = map_tasks(0..1000_i64, MapOptions::new("job-{index}").cancel(token), |id| {
    ///     db.execute("UPDATE job SET state = 'done' WHERE id = :id", params! { id: *id })
    /// });
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[cfg(feature = "signals")]
    pub fn on_signals() -> Result<CancelToken> {
        signals::token()
    }

    /// Cancels the token and all its clones. A second call has no effect.
    pub fn cancel(&self) {
        if self.0.cancelled_at.set(Instant::now()).is_err() {
            return;
        }
        drop(self.0.untold.lock().unwrap_or_else(PoisonError::into_inner).take());
        let watchers = WATCHERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        watchers.iter().for_each(|watcher| watcher());
    }

    /// Whether [`cancel`](CancelToken::cancel) was called. As cheap as reading a flag.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled_at.get().is_some()
    }

    /// Waits at most `limit`, without polling, and returns whether the token is cancelled: a pause that ends early on
    /// cancellation.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let token = batchdb::CancelToken::new();
    /// assert!(!token.wait(Duration::from_millis(5)));
    /// token.cancel();
    /// assert!(token.wait(Duration::from_secs(3600)));
    /// ```
    #[must_use]
    pub fn wait(&self, limit: Duration) -> bool {
        match self.0.told.recv_timeout(limit) {
            Err(RecvTimeoutError::Timeout) => self.is_cancelled(),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
        }
    }

    pub(crate) fn cancelled_at(&self) -> Option<Instant> {
        self.0.cancelled_at.get().copied()
    }

    /// Disconnects when the token is cancelled; never has a message.
    pub(crate) fn told(&self) -> &Receiver<()> {
        &self.0.told
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn all_clones_are_told_and_waiters_wake_at_once() {
        let token = CancelToken::new();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let token = token.clone();
                thread::spawn(move || {
                    let began = Instant::now();
                    (token.wait(Duration::from_secs(60)), began.elapsed())
                })
            })
            .collect();
        assert!(!token.is_cancelled());
        token.cancel();
        token.cancel();
        for waiter in waiters {
            let (told, took) = waiter.join().unwrap();
            assert!(told && took < Duration::from_secs(30), "{took:?}");
        }
        assert!(token.is_cancelled() && token.clone().cancelled_at().is_some());
        assert!(!CancelToken::new().is_cancelled());
    }
}
