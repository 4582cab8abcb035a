//! What happens once for each pool, before its first statement.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::context;
use crate::deadline::Deadline;
use crate::error::{Phase, Result};

/// How often a caller that waits for another's first use checks whether it was cancelled.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Whether the first use of a pool has happened, or is under way.
#[derive(Debug, Default)]
pub(crate) struct FirstUse {
    done: AtomicBool,
    under_way: Mutex<bool>,
    ended: Condvar,
}

thread_local! {
    /// Calls that the first use itself makes must not wait for it.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

impl FirstUse {
    /// Runs `work` unless it has succeeded before. Other callers wait for it until `whole` or the deadline of their
    /// task; calls from within `work` pass.
    ///
    /// # Errors
    ///
    /// Those of `work`; a timeout in the phase `lock` when another caller's work took too long; `Cancelled` when this
    /// caller was cancelled meanwhile.
    pub(crate) fn once(&self, whole: Deadline, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.done.load(Ordering::Acquire) || WITHIN.get() {
            return Ok(());
        }
        let deadline = whole.earlier(context::deadline());
        let mut under_way = self.lock();
        while *under_way {
            let left = context::in_force(deadline).left_for(Phase::Lock, Instant::now())?;
            // A cancel does not signal this condition, so look at it now and then.
            let wait = if deadline.shrinks() { left.min(LOOK_UP) } else { left };
            under_way = self.ended.wait_timeout(under_way, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        if self.done.load(Ordering::Acquire) {
            return Ok(());
        }
        *under_way = true;
        drop(under_way);
        let turn = Turn { first_use: self };
        WITHIN.set(true);
        let outcome = work();
        if outcome.is_ok() {
            self.done.store(true, Ordering::Release);
        }
        drop(turn);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One caller's turn. It also ends when the work panics; then the next caller tries.
struct Turn<'a> {
    first_use: &'a FirstUse,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        WITHIN.set(false);
        *self.first_use.lock() = false;
        self.first_use.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn what_failed_or_panicked_is_tried_again_and_what_succeeded_is_not() {
        let first = FirstUse::default();
        assert!(first.once(Deadline::NONE, || Err(Error::usage("no"))).is_err());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            first.once(Deadline::NONE, || panic!("on purpose"))
        }));
        assert!(panicked.is_err());
        first.once(Deadline::NONE, || first.once(Deadline::NONE, || Err(Error::usage("within")))).unwrap();
        first.once(Deadline::NONE, || Err(Error::usage("again"))).unwrap();
    }

    #[test]
    fn others_wait_no_longer_than_their_own_deadline() {
        let first = FirstUse::default();
        let (started, go) = mpsc::channel();
        let (release, released) = mpsc::channel();
        std::thread::scope(|scope| {
            let first = &first;
            scope.spawn(move || {
                first.once(Deadline::NONE, || {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                    Ok(())
                })
            });
            go.recv().unwrap();
            let soon = Deadline::after(Instant::now(), Duration::from_millis(20));
            let error = first.once(soon, || Ok(())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Lock));
            release.send(()).unwrap();
            first.once(Deadline::NONE, || Err(Error::usage("done already"))).unwrap();
        });
    }
}
