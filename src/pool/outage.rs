//! What the pool remembers of failed connection attempts, so that an outage does not cause a storm of logins.
//!
//! Before the first successful connection, and again after a failed one, only one caller at a time tries to connect.
//! While the server cannot be reached, there is one attempt per second, and the other callers get the stored error at
//! once. Refused credentials are remembered for longer, because repeated attempts lock accounts.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::context;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Phase};

/// The pause between two attempts to connect to an unreachable server.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long refused credentials are remembered before another attempt.
const AUTH_MEMORY: Duration = Duration::from_secs(10);

/// How often a caller that waits for another's attempt checks whether it was cancelled.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The failed attempts of one pool.
#[derive(Debug, Default)]
pub(super) struct Outage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The last attempt succeeded, so callers may connect at the same time.
    proven: bool,
    /// An attempt is under way.
    trying: bool,
    failure: Option<(Error, Instant)>,
}

impl Outage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks whether to connect now. Waits for another caller's attempt if only one is allowed at a time.
    ///
    /// # Errors
    ///
    /// The stored error, or `None` when `until` passed while waiting.
    pub(super) fn admit(&self, until: Deadline) -> Result<Attempt<'_>, Option<Error>> {
        let mut state = self.lock();
        loop {
            if state.proven {
                return Ok(Attempt { outage: self, alone: false });
            }
            let now = Instant::now();
            if let Some((error, retry_at)) = &state.failure
                && now < *retry_at
            {
                return Err(Some(error.clone()));
            }
            if !state.trying {
                state.trying = true;
                return Ok(Attempt { outage: self, alone: true });
            }
            let left = context::in_force(until).left(now);
            if left.is_zero() {
                return Err(None);
            }
            // A cancel does not signal this condition, so check for it now and then.
            let wait = if until.shrinks() { left.min(LOOK_UP) } else { left };
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The right to make one attempt. If it is dropped without a report, the attempt counts as not made.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    outage: &'a Outage,
    alone: bool,
}

impl Attempt<'_> {
    pub(super) fn succeeded(self) {
        let mut state = self.outage.lock();
        state.proven = true;
        state.failure = None;
    }

    /// `own_limit`: the caller's deadline was shorter than `CONNECT_TIMEOUT`, so a timeout says nothing about the
    /// server.
    pub(super) fn failed(self, error: &Error, own_limit: bool) {
        let memory = match error.kind() {
            ErrorKind::Auth => AUTH_MEMORY,
            // An answer of the server (too many connections, no such database) is not an outage.
            ErrorKind::Connect if error.sqlstate().is_none() => PROBE_EVERY,
            ErrorKind::Timeout(Phase::Connect | Phase::Resolve) if !own_limit => PROBE_EVERY,
            _ => return,
        };
        let mut state = self.outage.lock();
        state.proven = false;
        state.failure = Some((error.clone(), Instant::now() + memory));
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.alone {
            self.outage.lock().trying = false;
        }
        self.outage.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn admitted(outage: &Outage) -> bool {
        outage.admit(Deadline::after(Instant::now(), Duration::ZERO)).is_ok()
    }

    #[test]
    fn refused_credentials_are_not_offered_again() {
        let outage = Outage::default();
        outage.admit(Deadline::NONE).unwrap().failed(&Error::new(ErrorKind::Auth, "no"), false);
        assert_eq!(outage.admit(Deadline::NONE).unwrap_err().unwrap().kind(), ErrorKind::Auth);
    }

    #[test]
    fn a_callers_own_short_limit_is_no_outage() {
        let outage = Outage::default();
        let slow = Error::timeout(Phase::Connect, Duration::from_millis(1));
        outage.admit(Deadline::NONE).unwrap().failed(&slow, true);
        assert!(admitted(&outage));
        outage.admit(Deadline::NONE).unwrap().failed(&slow, false);
        assert!(!admitted(&outage));
    }

    #[test]
    fn one_attempt_serves_all_who_wait_for_it() {
        let outage = Arc::new(Outage::default());
        let attempts = Arc::new(AtomicUsize::new(0));
        let first = outage.admit(Deadline::NONE).unwrap();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (outage, attempts) = (Arc::clone(&outage), Arc::clone(&attempts));
                std::thread::spawn(move || match outage.admit(Deadline::NONE) {
                    Ok(_) => {
                        attempts.fetch_add(1, Ordering::SeqCst);
                        None
                    }
                    Err(error) => error.map(|error| error.kind()),
                })
            })
            .collect();
        first.failed(&Error::new(ErrorKind::Auth, "no"), false);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some(ErrorKind::Auth));
        }
        assert_eq!(attempts.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn success_lets_everybody_connect_side_by_side() {
        let outage = Outage::default();
        outage.admit(Deadline::NONE).unwrap().succeeded();
        let (_one, _two) = (outage.admit(Deadline::NONE).unwrap(), outage.admit(Deadline::NONE).unwrap());
    }
}
