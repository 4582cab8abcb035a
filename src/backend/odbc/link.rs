//! What a caller and the thread of its connection share: the statement that may be cancelled, the wish to
//! stop, and who still waits for whom.
#![allow(unsafe_code, reason = "SQLCancel is called from outside the connection's thread")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use odbc_sys::HStmt;

use super::cells::Chunk;
use crate::backend::notices::Notices;

/// How many threads are held by an ODBC driver although nobody waits for them any more. Each ends by itself when
/// the driver's call returns.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicUsize);

impl Gauge {
    pub(super) fn read(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

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
    /// Its caller has gone; it is counted.
    Abandoned,
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

    /// The buffers of a chunk may be filled again, where they are those of a block. New ones would be memory that the system clears, page by page.
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
    pub(super) fn abandon(&self) -> bool {
        let mut presence = lock(&self.presence);
        let attended = *presence == Presence::Attended;
        if attended {
            *presence = Presence::Abandoned;
            self.gauge.add();
        }
        attended
    }

    /// The connection's thread has done its last driver call.
    pub(super) fn end(&self) {
        let mut presence = lock(&self.presence);
        if *presence == Presence::Abandoned {
            self.gauge.take();
        }
        *presence = Presence::Ended;
    }
}
