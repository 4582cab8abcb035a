//! What r2d2 gives us: slots, each a place for one connection.
//!
//! r2d2 would connect on its own three worker threads, forget the type of the error, and retry for ever. So it only
//! makes empty slots, which takes no time, and the pool fills them in the caller's thread, under the caller's deadline,
//! and returns errors to the caller. r2d2 gets a slot back only when its connection ends; it then closes it.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use crate::backend::Connection;
use crate::log_line;

/// A place for one connection.
#[derive(Default)]
pub(crate) struct Slot {
    live: Option<Box<Live>>,
}

/// A slot as r2d2 hands it out.
pub(super) type Slotted = r2d2::PooledConnection<SlotManager>;

/// A connection and what the pool knows about it.
pub(super) struct Live {
    pub(super) connection: Box<dyn Connection>,
    /// When it becomes too old to be used again; `None` for never.
    pub(super) expires: Option<Instant>,
    /// Since when it has been idle.
    pub(super) idle_since: Instant,
    /// Until when it may be used without a test; `None` for always.
    pub(super) fresh_until: Option<Instant>,
}

impl Live {
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// It is idle from now on, and fresh for `limit`, if it does not expire before. This is computed here and not at
    /// the checkout, because then a caller waits.
    pub(super) fn rest(&mut self, now: Instant, limit: Duration) {
        self.idle_since = now;
        let tested = now.checked_add(limit);
        self.fresh_until = [tested, self.expires].into_iter().flatten().min();
    }

    /// Whether it has neither expired nor been idle for its limit.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.fresh_until.is_none_or(|until| now < until)
    }
}

impl Slot {
    pub(super) fn live(&mut self) -> Option<&mut Live> {
        self.live.as_deref_mut()
    }

    pub(super) fn idle(&self) -> Option<&Live> {
        self.live.as_deref()
    }

    pub(super) fn fill(&mut self, connection: Box<dyn Connection>, expires: Option<Instant>) {
        let idle_since = Instant::now();
        self.live = Some(Box::new(Live { connection, expires, idle_since, fresh_until: expires }));
    }

    /// Takes the connection out and closes it; catches a panic of the driver's destructor.
    pub(super) fn empty(&mut self) {
        if let Some(live) = self.live.take()
            && catch_unwind(AssertUnwindSafe(|| drop(live))).is_err()
        {
            log_line::event(Level::Warn, "a driver panicked while a connection was closed", &[]);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live.is_none()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.empty();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("live", &self.live.is_some()).finish()
    }
}

/// Gives r2d2 empty slots.
#[derive(Debug)]
pub(super) struct SlotManager;

impl r2d2::ManageConnection for SlotManager {
    type Connection = Slot;
    type Error = Infallible;

    fn connect(&self) -> Result<Slot, Infallible> {
        Ok(Slot::default())
    }

    fn is_valid(&self, _: &mut Slot) -> Result<(), Infallible> {
        Ok(())
    }

    /// A slot that comes back is finished.
    fn has_broken(&self, _: &mut Slot) -> bool {
        true
    }
}

/// Closes idle connections in parallel, because closing a connection to a silent server takes its whole limit.
pub(super) fn close_together(slots: Vec<Slotted>) {
    thread::scope(|scope| {
        for mut slot in slots {
            let named = thread::Builder::new().name("batchdb-close".to_owned());
            // If no thread can be started, the slot is dropped with the closure, which closes it on this thread.
            drop(named.spawn_scoped(scope, move || slot.empty()));
        }
    });
}

/// The maximum age, shortened at random by up to 2.5 % (as in HikariCP), so that connections that were opened together
/// do not end together.
pub(super) fn expiry(opened: Instant, lifetime: Duration, chance: f64) -> Option<Instant> {
    if lifetime.is_zero() {
        return None;
    }
    opened.checked_add(lifetime.mul_f64(1.0 - 0.025 * chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_differ_by_at_most_a_fortieth() {
        let now = Instant::now();
        let hour = Duration::from_secs(3600);
        assert_eq!(expiry(now, hour, 0.0), Some(now + hour));
        assert_eq!(expiry(now, hour, 1.0), Some(now + Duration::from_secs(3510)));
        assert_eq!(expiry(now, Duration::ZERO, 0.5), None);
    }
}
