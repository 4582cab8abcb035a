//! Locks by name, on a real PostgreSQL: one holder in the whole cluster.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use batchdb::{CancelToken, DatabaseManager, Error, ErrorKind, Phase, with_cancel};

use crate::common::{eventually, fresh, postgres, server, timed};

const LONG: Duration = Duration::from_secs(30);

/// How many advisory locks are held in the database, by whomever.
fn locks(db: &DatabaseManager) -> String {
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = \
               (SELECT oid FROM pg_database WHERE datname = current_database())";
    server().psql(db.name(), sql).unwrap()
}

/// Ends the session that holds the lock, and waits until the server has freed it.
fn kill_the_holder(db: &DatabaseManager) {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND database = \
               (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(server().psql(db.name(), sql).unwrap(), "1");
    eventually("the lock is free", || locks(db) == "0");
}

#[test]
fn one_at_a_time_holds_a_lock_and_others_wait() {
    let db = postgres("lock");
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            // A handle of its own, as another process would have.
            scope.spawn(|| {
                db.with_lock("nightly", LONG, |lock| {
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    assert_eq!(lock.name(), "nightly");
                    db.execute("SELECT pg_sleep(0.05)", ())?;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    lock.check()
                })
                .unwrap();
            });
        }
    });
    assert_eq!(most.into_inner(), 1);
    assert_eq!(locks(&db), "0");
    assert_eq!(db.pool_status().checked_out, 0);
}

#[test]
fn who_waits_too_long_is_told_who_holds_it_and_who_does_not_wait_gets_nothing() {
    let db = fresh("lock").build().unwrap();
    db.with_lock("nightly", LONG, |_| {
        let work = |_: &batchdb::Lock<'_, '_>| -> Result<(), Error> { panic!("it is held by somebody else") };
        let (error, took) = timed(|| db.with_lock("nightly", Duration::from_millis(400), work).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Lock), "{error}");
        assert!(error.to_string().contains("the lock `nightly` is held by session"), "{error}");
        assert!(took < Duration::from_millis(1_500), "{took:?}");
        let (tried, took) = timed(|| db.try_lock("nightly", work).unwrap());
        assert!(tried.is_none() && took < Duration::from_secs(1), "{took:?}");
        // Another name is another lock.
        assert_eq!(db.try_lock("weekly", |_| Ok::<_, Error>(7))?, Some(7));

        let token = CancelToken::new();
        token.cancel();
        let stopped = with_cancel(&token, LONG, || db.with_lock("nightly", LONG, work).unwrap_err());
        assert_eq!(stopped.kind(), ErrorKind::Cancelled, "{stopped}");
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(db.try_lock("nightly", |_| Ok::<_, Error>(7)).unwrap(), Some(7));
}

#[test]
fn it_is_free_after_an_error_and_after_a_panic() {
    let db = postgres("lock");
    let error = db.with_lock("a", LONG, |_| Err::<(), _>(db.execute("SELECT 1/0", ()).unwrap_err()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(locks(&db), "0");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.with_lock("a", LONG, |_| -> Result<(), Error> { panic!("on purpose") })
    }));
    assert!(panicked.is_err());
    eventually("the lock is free", || locks(&db) == "0");
    assert_eq!(db.try_lock("a", |_| Ok::<_, Error>(1)).unwrap(), Some(1));
}

#[test]
fn a_lock_that_was_lost_is_never_called_a_success() {
    let db = postgres("lock");
    let lost = db.with_lock("a", LONG, |lock| {
        lock.check()?;
        kill_the_holder(&db);
        // Somebody else has it now, and this work knows nothing of it.
        assert_eq!(db.try_lock("a", |_| Ok::<_, Error>(1))?, Some(1));
        Ok::<_, Error>("done")
    });
    let error = lost.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
    assert!(!error.is_transient() && error.to_string().contains("the lock `a` was lost"), "{error}");

    let asked = db.with_lock("a", LONG, |lock| {
        kill_the_holder(&db);
        lock.check()
    });
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::LockLost);
    let own = db.with_lock("a", LONG, |_| {
        kill_the_holder(&db);
        db.execute("SELECT 1/0", ()).map(|_| ())
    });
    assert_eq!(own.unwrap_err().kind(), ErrorKind::Data, "the work's own error is the first to tell");
    assert_eq!(db.try_lock("a", |_| Ok::<_, Error>(1)).unwrap(), Some(1));
}

#[test]
fn a_limit_of_the_caller_does_not_make_a_lock_look_lost() {
    let db = postgres("lock").with_deadline(Duration::from_millis(300));
    let token = CancelToken::new();
    let done = with_cancel(&token, Duration::ZERO, || {
        db.with_lock("a", LONG, |lock| {
            thread::sleep(Duration::from_millis(400));
            token.cancel();
            lock.check().map(|()| 7)
        })
    });
    assert_eq!(done.unwrap(), 7);
    assert_eq!(locks(&db), "0");
}

#[cfg(feature = "odbc")]
#[test]
fn it_works_through_odbc_and_is_refused_by_sqlite() {
    let db = crate::odbc::psql_odbc("lock");
    let held = db.with_lock("a", LONG, |lock| {
        lock.check()?;
        db.try_lock("a", |_| Ok::<_, Error>(1))
    });
    assert_eq!(held.unwrap(), None);
    assert_eq!(locks(&db), "0");

    let folder = tempfile::tempdir().unwrap();
    let db = crate::odbc::sqlite_at(&folder.path().join("a.db")).build().unwrap();
    let refused = db.with_lock("a", LONG, |_| Ok::<_, Error>(1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage);
    assert!(refused.to_string().contains("PostgreSQL and SQL Server"), "{refused}");
}
