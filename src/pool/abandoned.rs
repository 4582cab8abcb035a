//! Threads that are stuck in an ODBC driver: which callers wait for them, and which are refused.
//!
//! Each call of a driver that does not return blocks a thread. The pool opens no new connection while it has as many
//! such threads as it may have connections. Connections in use at that moment may still add more.

use std::thread;
use std::time::{Duration, Instant};

use super::Pool;
use crate::backend::Abandoned;
use crate::context;
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};

/// How often to check whether a thread has ended. A close takes milliseconds, and a login follows it.
const LOOK: Duration = Duration::from_millis(2);

impl Pool {
    /// Waits until there is room for one more thread of a driver. Connections that are being closed soon make room, so
    /// they are waited for like connections in use; most ODBC sessions end by a close. Calls that were given up have
    /// already used their time, so they are not waited for.
    ///
    /// # Errors
    ///
    /// `Checkout` when too many calls were given up, or when there was no room within `POOL_TIMEOUT`; a timeout when
    /// `whole` passed first; `Closed`.
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

#[cfg(test)]
#[cfg(feature = "postgres")]
#[allow(clippy::unwrap_used, reason = "a test that fails by `unwrap` says where and why, in its helpers too")]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::backend::{Connection, Connector};
    use crate::cancel::CancelToken;
    use crate::context::with_cancel;
    use crate::settings::{Overrides, Secret, Settings};

    /// A driver that holds as many threads as it is told.
    #[derive(Default)]
    struct Driver(Mutex<Abandoned>);

    impl Connector for Driver {
        fn connect(&self, _: Deadline) -> Result<Box<dyn Connection>> {
            Err(Error::new(ErrorKind::Connect, "nobody is there"))
        }

        fn abandoned(&self) -> Abandoned {
            *self.0.lock().unwrap()
        }
    }

    const PATIENCE: Duration = Duration::from_millis(200);

    /// A pool of two connections, and its driver.
    fn pool() -> (Pool, Arc<Driver>) {
        let overrides = Overrides {
            connection_string: Some(Secret::new("postgresql://u:hunter2@h/d")),
            home: Some("/nowhere".into()),
            pool_size: Some(1),
            max_overflow: Some(1),
            ..Overrides::default()
        };
        let driver = Arc::new(Driver::default());
        let mut pool = Pool::new(Arc::new(Settings::load("db", &overrides).unwrap())).unwrap();
        pool.connector = Arc::clone(&driver) as Arc<dyn Connector>;
        (pool, driver)
    }

    fn within(limit: Duration) -> Deadline {
        Deadline::after(Instant::now(), limit)
    }

    fn closing(closing: usize) -> Abandoned {
        Abandoned { closing, ..Abandoned::default() }
    }

    #[test]
    fn connections_that_are_being_closed_are_waited_for() {
        let (pool, driver) = pool();
        let wait = |whole| pool.await_room(within(PATIENCE), whole);
        *driver.0.lock().unwrap() = closing(1);
        wait(Deadline::NONE).unwrap();
        *driver.0.lock().unwrap() = closing(2);
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(PATIENCE / 4);
                *driver.0.lock().unwrap() = closing(1);
            });
            pool.await_room(within(100 * PATIENCE), Deadline::NONE).unwrap();
        });
        assert!(began.elapsed() >= PATIENCE / 4);

        *driver.0.lock().unwrap() = closing(2);
        let error = wait(Deadline::NONE).unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Checkout, true));
        assert!(error.to_string().contains("has not closed 2 connections of this pool in 200ms"), "{error}");
        let error = wait(within(PATIENCE / 4)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Checkout));
        let token = CancelToken::new();
        token.cancel();
        let stopped = with_cancel(&token, Duration::ZERO, || wait(context::deadline()).unwrap_err());
        assert_eq!(stopped.kind(), ErrorKind::Cancelled);
        pool.close();
        assert_eq!(wait(Deadline::NONE).unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn calls_that_were_given_up_are_not() {
        let (pool, driver) = pool();
        *driver.0.lock().unwrap() = Abandoned { stuck: 2, ..Abandoned::default() };
        let began = Instant::now();
        let error = pool.await_room(within(100 * PATIENCE), Deadline::NONE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Checkout);
        assert!(error.to_string().contains("2 threads of this pool sit in calls"), "{error}");
        assert!(began.elapsed() < PATIENCE);
    }
}
