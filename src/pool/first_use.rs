//! What happens once, before a pool's first use. What that is, the layer above decides.
//!
//! The first use may run migrations, which takes as long as it takes. Whoever comes meanwhile waits for it,
//! but not past a deadline of its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::deadline::Deadline;
use crate::error::{Phase, Result};

/// Whether the first use of a pool has happened, and who is about it.
#[derive(Debug, Default)]
pub(crate) struct FirstUse {
    done: AtomicBool,
    /// Somebody is about it.
    under_way: Mutex<bool>,
    changed: Condvar,
}

thread_local! {
    static IN_FIRST_USE: Cell<bool> = const { Cell::new(false) };
}

/// The turn of the one who is about it; over when dropped, after a panic too.
struct Turn<'a>(&'a FirstUse);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        IN_FIRST_USE.set(false);
        *self.0.lock() = false;
        self.0.changed.notify_all();
    }
}

impl FirstUse {
    fn lock(&self) -> MutexGuard<'_, bool> {
        // The one flag in it is right whenever the lock is free.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` unless it has succeeded before. Others wait for it until `deadline`; calls from within pass.
    ///
    /// # Errors
    ///
    /// What `work` gives, and a timeout for one who waited too long.
    pub(crate) fn once(&self, deadline: Deadline, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.done.load(Ordering::Acquire) || IN_FIRST_USE.get() {
            return Ok(());
        }
        let Some(_turn) = self.turn(deadline)? else {
            return Ok(());
        };
        IN_FIRST_USE.set(true);
        work()?;
        self.done.store(true, Ordering::Release);
        Ok(())
    }

    /// The turn to do it; `None` when somebody else has done it meanwhile.
    fn turn(&self, deadline: Deadline) -> Result<Option<Turn<'_>>> {
        let mut under_way = self.lock();
        loop {
            if self.done.load(Ordering::Acquire) {
                return Ok(None);
            }
            if !*under_way {
                *under_way = true;
                return Ok(Some(Turn(self)));
            }
            under_way = match deadline.at() {
                None => self.changed.wait(under_way).unwrap_or_else(PoisonError::into_inner),
                Some(_) => {
                    let left = deadline.left_for(Phase::Checkout, Instant::now()).map_err(|late| {
                        late.with_hint(
                            "another caller is about the first use of the database: its migrations",
                        )
                    })?;
                    self.changed.wait_timeout(under_way, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::error::{Error, ErrorKind};

    fn no_limit(first: &FirstUse, work: impl FnOnce() -> Result<()>) -> Result<()> {
        first.once(Deadline::NONE, work)
    }

    #[test]
    fn it_is_done_once_and_again_only_after_a_failure() {
        let first = FirstUse::default();
        let mut times = 0;
        assert!(no_limit(&first, || Err(Error::config("not yet"))).is_err());
        for _ in 0..3 {
            no_limit(&first, || {
                times += 1;
                // A call from within passes.
                no_limit(&first, || Err(Error::config("twice")))
            })
            .unwrap();
        }
        assert_eq!(times, 1);
    }

    #[test]
    fn nobody_waits_for_it_past_a_deadline() {
        let first = FirstUse::default();
        let (begun, is_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let first = &first;
            let slow = scope.spawn(move || {
                no_limit(first, || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    Ok(())
                })
            });
            is_begun.recv().unwrap();
            let started = Instant::now();
            let soon = Deadline::after(started, Duration::from_millis(50));
            let error = first.once(soon, || Ok(())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Checkout));
            assert!(started.elapsed() < Duration::from_secs(5));
            let waiting = scope.spawn(|| no_limit(first, || Err(Error::config("twice"))));
            end.send(()).unwrap();
            slow.join().unwrap().unwrap();
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn after_a_panic_it_is_the_next_ones_turn() {
        let first = FirstUse::default();
        let panicked = catch_unwind(AssertUnwindSafe(|| no_limit(&first, || panic!("on purpose"))));
        assert!(panicked.is_err());
        let mut done = false;
        no_limit(&first, || {
            done = true;
            Ok(())
        })
        .unwrap();
        assert!(done, "neither the thread nor the pool believes that it is still under way");
    }
}
