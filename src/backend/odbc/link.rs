//! What a caller and the thread of its connection share: the statement that may be cancelled, the wish to
//! stop, and who still waits for whom.
#![allow(unsafe_code, reason = "SQLCancel is called from outside the connection's thread")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{SendTimeoutError, Sender, TrySendError};
use odbc_sys::HStmt;

use super::cells::Chunk;
use crate::backend::Abandoned;
use crate::backend::notices::Notices;

/// The threads that an ODBC driver holds although nobody waits for them any more. Each ends by itself when the
/// driver's call returns.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    last: AtomicU64,
    held: Mutex<Vec<(u64, Why)>>,
}

/// Why nobody waits for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Its call was given up.
    GivenUp,
    /// It closes its connection since then. That takes a healthy driver a moment, and who wants its place waits.
    Closes(Instant),
}

/// A close that takes longer is told like a call that does not return.
const LONG_CLOSE: Duration = Duration::from_secs(2);

impl Gauge {
    pub(super) fn read(&self) -> Abandoned {
        let mut read = Abandoned::default();
        for (_, why) in lock(&self.held).iter() {
            match why {
                Why::GivenUp => read.stuck += 1,
                Why::Closes(since) => {
                    read.closing += 1;
                    read.overdue += usize::from(since.elapsed() >= LONG_CLOSE);
                }
            }
        }
        read
    }

    /// Counts a thread; the number takes it off again.
    fn add(&self, why: Why) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        lock(&self.held).push((number, why));
        number
    }

    fn take(&self, number: u64) {
        lock(&self.held).retain(|(held, _)| *held != number);
    }
}

/// How often a thread whose caller is slow to take its replies looks whether it was asked to stop.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The ties between a caller and the thread of its connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    waiting: Mutex<Option<Cancellable>>,
    stop: AtomicBool,
    presence: Mutex<Presence>,
    /// That of the connection's pool.
    gauge: Arc<Gauge>,
    /// Chunks of the result under way that were read, whose buffers serve again.
    spares: Mutex<Vec<Chunk>>,
    /// Whom the driver's messages are for.
    pub(super) notices: Notices,
}

/// The handle of a statement in whose call the connection's thread waits.
#[derive(Debug)]
struct Cancellable(HStmt);

// SAFETY: the only thing that another thread does with the handle is to pass it to SQLCancel, which ODBC
// defines for that purpose; it does so under the mutex that the handle's thread takes before it leaves
// the call, and so before it can free the handle.
unsafe impl Send for Cancellable {}

/// Where the thread of a connection is in its life.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Presence {
    #[default]
    Attended,
    /// Its caller has gone; it is counted by this number.
    Abandoned(u64),
    Ended,
}

/// A poisoned lock only tells that a thread panicked while it held it; no state here can be half made.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(super) fn counted_by(gauge: &Arc<Gauge>) -> Link {
        Link { gauge: Arc::clone(gauge), ..Link::default() }
    }

    /// Makes a driver call that may wait for the server, as one that can be cancelled. `None`, without
    /// the call, when the caller has asked to stop.
    pub(super) fn interruptible<T>(&self, statement: HStmt, call: impl FnOnce() -> T) -> Option<T> {
        /// Takes the handle out again also when the call panics: it is about to be freed then.
        struct Leave<'a>(&'a Mutex<Option<Cancellable>>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                *lock(self.0) = None;
            }
        }

        {
            let mut waiting = lock(&self.waiting);
            if self.must_stop() {
                return None;
            }
            *waiting = Some(Cancellable(statement));
        }
        let _leave = Leave(&self.waiting);
        Some(call())
    }

    /// Whether the caller has asked to stop.
    pub(super) fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Passes a reply on, once its channel has room. False where nobody wants it: the receiver has gone, or has stopped
    /// asking without going, as one does that was forgotten (`mem::forget`), and the connection was given up.
    pub(super) fn reply<R>(&self, outbox: &Sender<R>, reply: R) -> bool {
        // Mostly there is room, and no clock is read.
        let mut reply = match outbox.try_send(reply) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(reply)) => reply,
        };
        loop {
            match outbox.send_timeout(reply, LOOK_UP) {
                Ok(()) => return true,
                Err(SendTimeoutError::Timeout(unsent)) if !self.must_stop() => reply = unsent,
                Err(_) => return false,
            }
        }
    }

    /// The buffers of a chunk may be filled again, where they are those of a block. New ones would be memory that the
    /// system clears, page by page.
    pub(super) fn keep_spare(&self, chunk: Chunk) {
        if chunk.serves_again {
            lock(&self.spares).push(chunk);
        }
    }

    /// A chunk whose buffers may be filled again.
    pub(super) fn take_spare(&self) -> Option<Chunk> {
        lock(&self.spares).pop()
    }

    /// The result has come to its end.
    pub(super) fn drop_spares(&self) {
        *lock(&self.spares) = Vec::new();
    }

    /// Asks the connection's thread to make no further driver call for the work at hand.
    pub(super) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Cancels the driver call that the connection's thread waits in, if any.
    ///
    /// The cancel itself runs on a thread of its own: psqlODBC opens a connection for it, and that can
    /// take as long as the call that it is meant to end. There is one at most for each thread that is given up.
    pub(super) fn cancel(link: &Arc<Link>) {
        let link = Arc::clone(link);
        let spawned =
            thread::Builder::new().name("batchdb-odbc-cancel".into()).spawn(move || link.cancel_here());
        if spawned.is_err() {
            log::warn!("no thread could be started to cancel an ODBC statement; it runs on");
        }
    }

    fn cancel_here(&self) {
        let waiting = lock(&self.waiting);
        if let Some(Cancellable(statement)) = &*waiting {
            // SAFETY: the handle is valid, because its thread is in a call on it, and cannot leave that
            // call's scope and free it before this lock is given back. What SQLCancel returns does not
            // matter: the waiting call tells how it ended.
            let _ = unsafe { odbc_sys::SQLCancel(*statement) };
        }
    }

    /// The caller waits no longer for the connection's thread; it is counted until it ends. False where
    /// it was abandoned before, or has ended.
    pub(super) fn abandon(&self, why: Why) -> bool {
        let mut presence = lock(&self.presence);
        let attended = *presence == Presence::Attended;
        if attended {
            *presence = Presence::Abandoned(self.gauge.add(why));
        }
        attended
    }

    /// The connection's thread has done its last driver call.
    pub(super) fn end(&self) {
        let mut presence = lock(&self.presence);
        if let Presence::Abandoned(number) = *presence {
            self.gauge.take(number);
        }
        *presence = Presence::Ended;
    }
}
