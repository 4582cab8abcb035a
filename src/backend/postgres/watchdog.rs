//! One thread per process that keeps the deadlines of all PostgreSQL connections.
//!
//! A call arms its connection's [`Control`] with its deadline, and disarms it when it returns: two atomic operations.
//! The watchdog sleeps until the earliest armed deadline. When one has passed, the watchdog claims it by
//! compare-exchange, requests a cancel on the server, and cuts the stream after a grace period. A call whose deadline
//! was claimed closes its connection even if it succeeded, so that a late cancel never hits the next borrower.
//!
//! The watchdog itself does no I/O. A cancel opens another connection, which with a silent peer was still hanging after
//! 4 s in spite of `connect_timeout=1`; a few separate threads do that.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::abort::AbortHandle;
use super::cancel::{self, CancelRequest};
use crate::context::{self, Stop};
use crate::deadline::Deadline;

/// How long the server may take to act on a cancel before its connection is cut.
const CANCEL_GRACE: Duration = Duration::from_millis(250);

/// No deadline.
const NONE: u64 = 0;
/// The watchdog has claimed the deadline.
const CLAIMED: u64 = u64::MAX;
/// The deadline of a call that has none but can be cancelled.
const FAR: u64 = CLAIMED - 1;

/// Points in time are nanoseconds since the first use, from 1: they fit an atomic.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn nanos(at: Instant) -> u64 {
    let since = at.saturating_duration_since(*START).as_nanos();
    u64::try_from(since).unwrap_or(FAR).clamp(1, FAR)
}

/// What the watchdog knows about one connection.
#[derive(Debug, Default)]
pub(super) struct Control {
    abort: Arc<AbortHandle>,
    /// When the present call must have ended: `NONE`, a point in time, or `CLAIMED`.
    deadline: AtomicU64,
    /// When the stream is to be cut, or `NONE`.
    cut_at: AtomicU64,
    /// How to cancel; not set before the login is done.
    cancel: OnceLock<CancelRequest>,
    /// What can stop the present call: then it must have ended by the end of the grace period.
    stop: Mutex<Option<Stop>>,
    /// Whether `stop` is that of the present call.
    shrinks: AtomicBool,
    /// Whether the present call is cut at its deadline without a cancel, because there is nothing to cancel.
    cut_at_once: AtomicBool,
}

impl Control {
    /// Makes a control that the watchdog watches until the guard is dropped.
    pub(super) fn watched() -> Watched {
        let control = Arc::new(Control::default());
        WATCHDOG.controls.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&control));
        Watched { control }
    }

    pub(super) fn abort_handle(&self) -> &Arc<AbortHandle> {
        &self.abort
    }

    pub(super) fn set_cancel(&self, request: CancelRequest) {
        let _ = self.cancel.set(request);
    }

    /// Starts the clock of a call without a grace period: there is nothing to cancel, as for a ping, or no time for it.
    pub(super) fn arm_without_grace(&self, deadline: Deadline) {
        self.start(deadline, true);
    }

    /// Starts the clock of a call.
    pub(super) fn arm(&self, deadline: Deadline) {
        self.start(deadline, false);
    }

    fn start(&self, deadline: Deadline, cut_at_once: bool) {
        // The watchdog reads both only after the deadline; the store of the deadline below publishes them.
        self.cut_at_once.store(cut_at_once, Ordering::Relaxed);
        let shrinks = deadline.shrinks();
        if shrinks {
            *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = context::stop_of(deadline);
        }
        self.shrinks.store(shrinks, Ordering::Relaxed);
        let at = match deadline.at() {
            Some(at) => nanos(at),
            None if shrinks => FAR,
            None => return,
        };
        self.deadline.store(at, Ordering::SeqCst);
        // A stop from here on wakes the watchdog, which then finds these values.
        let earliest = if shrinks { context::in_force(deadline).at().map_or(at, nanos) } else { at };
        WATCHDOG.wake_before(earliest);
    }

    /// When the present call must have ended: at its deadline, or at the end of the grace period.
    fn due(&self, deadline: u64) -> u64 {
        if !self.shrinks.load(Ordering::Relaxed) {
            return deadline;
        }
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        let end = stop.as_ref().and_then(Stop::deadline).and_then(Deadline::at);
        end.map_or(deadline, |end| nanos(end).min(deadline))
    }

    /// Stops the clock of a call. Returns false if its deadline had passed and the watchdog has acted.
    pub(super) fn disarm(&self) -> bool {
        self.deadline.swap(NONE, Ordering::SeqCst) != CLAIMED
    }

    /// Lets the stream be cut at `at`, without a cancel.
    pub(super) fn cut_at(&self, at: Instant) {
        let at = nanos(at);
        self.cut_at.store(at, Ordering::SeqCst);
        WATCHDOG.wake_before(at);
    }

    /// Asks the server to cancel the running statement of this connection.
    pub(super) fn cancel(&self) {
        if let Some(request) = self.cancel.get() {
            cancel::send(request.clone());
        }
    }

    /// Acts on the deadlines that have passed at `now`; returns when to look again, `u64::MAX` for never.
    fn look(&self, now: u64) -> u64 {
        let deadline = self.deadline.load(Ordering::SeqCst);
        if deadline == NONE || deadline == CLAIMED {
            // No call is running, or its deadline was handled already.
            return self.look_at_cut(now);
        }
        let due = self.due(deadline);
        if due > now {
            return due.min(self.look_at_cut(now));
        }
        if self.deadline.compare_exchange(deadline, CLAIMED, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            if self.cancel.get().is_some() && !self.cut_at_once.load(Ordering::Relaxed) {
                self.cancel();
                let grace = u64::try_from(CANCEL_GRACE.as_nanos()).unwrap_or(u64::MAX);
                self.cut_at.store(now.saturating_add(grace), Ordering::SeqCst);
            } else {
                self.abort.abort();
            }
        }
        self.look_at_cut(now)
    }

    fn look_at_cut(&self, now: u64) -> u64 {
        match self.cut_at.load(Ordering::SeqCst) {
            NONE => u64::MAX,
            at if at > now => at,
            _ => {
                self.cut_at.store(NONE, Ordering::SeqCst);
                self.abort.abort();
                u64::MAX
            }
        }
    }
}

/// A control that is watched until this guard is dropped.
#[derive(Debug)]
pub(super) struct Watched {
    control: Arc<Control>,
}

impl std::ops::Deref for Watched {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut controls = WATCHDOG.controls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = controls.iter().position(|known| Arc::ptr_eq(known, &self.control)) {
            controls.swap_remove(place);
        }
    }
}

struct Watchdog {
    controls: Mutex<Vec<Arc<Control>>>,
    /// When the thread looks next; an earlier deadline must wake it.
    next_look: AtomicU64,
    thread: OnceLock<Thread>,
}

static WATCHDOG: LazyLock<Watchdog> = LazyLock::new(|| {
    LazyLock::force(&START);
    crate::cancel::watch(|| WATCHDOG.wake_before(0));
    // If the thread cannot be started, the process keeps working and logs an error; its calls are then bounded only by
    // the socket options.
    match thread::Builder::new().name("batchdb-watchdog".to_owned()).spawn(watch) {
        Ok(handle) => Watchdog::new(Some(handle.thread().clone())),
        Err(error) => {
            log::error!("the deadline watchdog cannot be started, deadlines will not be kept: {error}");
            Watchdog::new(None)
        }
    }
});

impl Watchdog {
    fn new(thread: Option<Thread>) -> Watchdog {
        Watchdog {
            controls: Mutex::default(),
            next_look: AtomicU64::new(u64::MAX),
            thread: thread.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    fn wake_before(&self, at: u64) {
        if at < self.next_look.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

fn watch() {
    loop {
        // From here on every new deadline wakes the thread again, so none that is set during the look
        // can be missed.
        WATCHDOG.next_look.store(u64::MAX, Ordering::SeqCst);
        let now = nanos(Instant::now());
        let earliest = {
            let controls = WATCHDOG.controls.lock().unwrap_or_else(PoisonError::into_inner);
            controls.iter().map(|control| control.look(now)).min().unwrap_or(u64::MAX)
        };
        WATCHDOG.next_look.store(earliest, Ordering::SeqCst);
        match earliest {
            u64::MAX => thread::park(),
            at => thread::park_timeout(Duration::from_nanos(at.saturating_sub(nanos(Instant::now())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(millis: u64) -> Deadline {
        Deadline::after(Instant::now(), Duration::from_millis(millis))
    }

    fn wait_for(mut done: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if done() {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn a_call_in_time_is_left_alone() {
        let control = Control::watched();
        control.arm(within(60_000));
        assert!(control.disarm());
        assert!(!control.abort_handle().is_aborted());
    }

    #[test]
    fn a_passed_deadline_is_claimed_and_the_stream_cut() {
        let control = Control::watched();
        // A far deadline first: the watchdog sleeps until then and must be woken for the near one.
        let far = Control::watched();
        far.arm(within(60_000));
        control.arm(within(20));
        assert!(wait_for(|| control.abort_handle().is_aborted()));
        assert!(!control.disarm());
        assert!(far.disarm());
    }

    #[test]
    fn a_call_that_is_told_to_stop_ends_with_the_grace() {
        let token = crate::cancel::CancelToken::new();
        let (bound, free) = (Control::watched(), Control::watched());
        free.arm(within(60_000));
        context::with_cancel(&token, Duration::from_millis(20), || {
            // Both with a deadline and without one; and the cleaning up of the same thread is left alone.
            for limit in [within(60_000), Deadline::NONE] {
                bound.arm(limit.earlier(context::deadline()));
                assert!(bound.disarm());
            }
            bound.arm(Deadline::NONE.earlier(context::deadline()));
            free.arm(within(60_000));
            token.cancel();
            assert!(wait_for(|| bound.abort_handle().is_aborted()));
            assert!(!bound.disarm());
            assert!(free.disarm());
        });
    }

    #[test]
    fn a_ping_has_no_grace() {
        let control = Control::watched();
        control.arm_without_grace(within(20));
        let started = Instant::now();
        assert!(wait_for(|| control.abort_handle().is_aborted()));
        assert!(started.elapsed() < CANCEL_GRACE);
        assert!(!control.disarm());
    }

    #[test]
    fn a_cut_needs_no_deadline() {
        let control = Control::watched();
        control.cut_at(Instant::now() + Duration::from_millis(10));
        assert!(wait_for(|| control.abort_handle().is_aborted()));
        assert!(control.disarm());
    }

    #[test]
    fn deadlines_set_at_the_same_time_are_all_kept() {
        let threads: Vec<_> = (0..8)
            .map(|i| {
                thread::spawn(move || {
                    for round in 0..20_u64 {
                        let control = Control::watched();
                        control.arm(within((i * 7 + round) % 5));
                        assert!(wait_for(|| control.abort_handle().is_aborted()));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
