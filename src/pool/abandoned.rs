//! Threads that an ODBC driver has not given back: who waits for them, and who is refused.
//!
//! A driver whose calls do not return takes a thread with each of them. The pool opens no connection while such threads
//! are as many as it may have connections; those in use at that moment may still be added.

use std::thread;
use std::time::{Duration, Instant};

use super::Pool;
use crate::backend::Abandoned;
use crate::context;
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};

/// How often it is looked whether a thread has ended. A close takes milliseconds, and a login follows on it.
const LOOK: Duration = Duration::from_millis(2);

impl Pool {
    /// Waits until there is room for one more thread of a driver. Connections that are being closed make room in a
    /// moment, and are waited for as for those that are in use: most sessions of ODBC end by a close. Calls that were given
    /// up had their time already, and nobody waits for those.
    ///
    /// # Errors
    ///
    /// `Checkout` when there are too many calls that were given up, or no room came in `POOL_TIMEOUT`; a timeout when
    /// `whole` passed first, and `Closed`.
    pub(super) fn await_room(&self, patience: Deadline, whole: Deadline) -> Result<()> {
        loop {
            let held = self.connector.abandoned();
            if held.all() < self.capacity() {
                return Ok(());
            }
            if held.stuck >= self.capacity() {
                return Err(refused(
                    format!(
                        "{} threads of this pool sit in calls of the ODBC driver that do not return, as many as it may \
                         have connections",
                        held.stuck
                    ),
                    "see whether the server answers; each thread ends when its driver returns",
                ));
            }
            if self.gate.is_closed() {
                return Err(self.closed());
            }
            let now = Instant::now();
            let whole = context::in_force(whole);
            if whole.left(now).is_zero() {
                return Err(whole.passed(Phase::Checkout));
            }
            if patience.left(now).is_zero() {
                return Err(slow(held, patience));
            }
            thread::sleep(LOOK.min(whole.left(now)));
        }
    }
}

fn slow(held: Abandoned, patience: Deadline) -> Error {
    refused(
        format!(
            "the ODBC driver has not closed {} connections of this pool in {:?}",
            held.closing,
            patience.limit()
        ),
        "see whether the server answers; raise POOL_TIMEOUT where it takes so long to end a session",
    )
}

fn refused(message: String, hint: &'static str) -> Error {
    Error::new(ErrorKind::Checkout, message).with_effect(Effect::NotSent).with_hint(hint)
}
