//! Faults that a test orders, on a real server: what they look like, and what of the work is there.

use std::time::Duration;

use batchdb::testing::{FaultInjector, FaultPoint};
use batchdb::{DatabaseManager, Error, ErrorKind, RetryPolicy, TransactionOptions, params};

use crate::common::{fresh, postgres, server};

/// A table on a database of its own, and a handle whose connections fail as ordered.
fn with_faults(faults: &FaultInjector) -> (DatabaseManager, DatabaseManager) {
    let sound = postgres("faulty");
    sound.execute("CREATE TABLE entry (n int PRIMARY KEY)", ()).unwrap();
    let faulty = fresh("faulty").connection_string(server().url_for(sound.name())).faults(faults).build();
    (sound, faulty.unwrap())
}

fn entries(db: &DatabaseManager) -> i64 {
    db.query_one("SELECT count(*) FROM entry", ()).unwrap().get(0).unwrap()
}

fn insert(db: &DatabaseManager, n: i32) -> Result<u64, Error> {
    db.execute("INSERT INTO entry VALUES (:n)", params! { n: n })
}

#[test]
fn a_lost_statement_is_unknown_and_only_one_of_the_two_has_happened() {
    for (point, there) in [(FaultPoint::BeforeStatement, 0), (FaultPoint::AfterStatement, 1)] {
        let faults = FaultInjector::new(1).at(point, 1.0);
        let (sound, faulty) = with_faults(&faults);
        let error = insert(&faulty, 1).unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::OutcomeUnknown, false));
        assert_eq!(entries(&sound), there, "{point:?}");
        let error = faulty.execute_query("SELECT n FROM entry", ()).unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Connect, true));
        assert_eq!(faults.struck(point), 2);
        assert_eq!(faults.paused(|| insert(&faulty, 2)).unwrap(), 1);
    }
}

#[test]
fn a_lost_commit_is_unknown_unless_it_is_settled() {
    for (point, there) in [(FaultPoint::BeforeCommit, 0), (FaultPoint::AfterCommit, 1)] {
        let faults = FaultInjector::new(1).at(point, 1.0);
        let (sound, faulty) = with_faults(&faults);
        let work =
            |db: &DatabaseManager| db.transaction_once(|tx| tx.execute("INSERT INTO entry VALUES (1)", ()));
        assert_eq!(work(&faulty).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(entries(&sound), there, "{point:?}");

        let again = FaultInjector::new(1).at(point, 1.0);
        let (sound, faulty) = with_faults(&again);
        let settled = faulty
            .with_retry(RetryPolicy::never())
            .transaction_with(TransactionOptions::new().settle_commit(), |tx| {
                tx.execute("INSERT INTO entry VALUES (1)", ())
            });
        assert_eq!(settled.is_ok(), there == 1, "{settled:?}");
        assert_ne!(settled.err().map(|error| error.kind()), Some(ErrorKind::OutcomeUnknown));
        assert_eq!(entries(&sound), there, "{point:?}");
    }
}

#[test]
fn transactions_hold_under_every_fault_that_may_be_tried_again() {
    let faults = FaultInjector::new(20_261_121)
        .at(FaultPoint::Connect, 0.1)
        .at(FaultPoint::BeforeStatement, 0.1)
        .at(FaultPoint::AfterStatement, 0.1)
        .at(FaultPoint::Deadlock, 0.1);
    let (sound, faulty) = with_faults(&faults);
    let (none, short) = (Duration::ZERO, Duration::from_millis(1));
    // After a refused connection the pool lets one attempt a second through.
    let pause = Duration::from_millis(300);
    let policy = RetryPolicy::default()
        .attempts(50)
        .outage_waits(pause, pause)
        .conflict_waits(none, short)
        .throttled_waits(none, short);
    let faulty = faulty.with_retry(policy);
    for n in 0..30 {
        let done = faulty.transaction(|tx| {
            tx.execute("INSERT INTO entry VALUES (:n)", params! { n: 2 * n })?;
            tx.execute("INSERT INTO entry VALUES (:n)", params! { n: 2 * n + 1 })
        });
        // One that was tried again and not undone would meet the table's key.
        done.unwrap();
    }
    assert_eq!(entries(&sound), 60);
    for point in
        [FaultPoint::Connect, FaultPoint::BeforeStatement, FaultPoint::AfterStatement, FaultPoint::Deadlock]
    {
        assert!(faults.struck(point) > 0, "{point:?} never struck");
    }
}

/// What a call in a transaction came to.
fn told<T>(outcome: Result<T, Error>) -> Result<(), (ErrorKind, bool, Option<String>)> {
    outcome
        .map(drop)
        .map_err(|error| (error.kind(), error.is_transient(), error.sqlstate().map(str::to_owned)))
}

#[test]
fn what_was_lost_or_undone_does_nothing_more() {
    let lost = Err((ErrorKind::Connect, true, None));
    let doomed = Err((ErrorKind::Database, false, Some("25P02".to_owned())));
    for (point, first, then) in [
        (FaultPoint::BeforeStatement, lost.clone(), lost.clone()),
        (FaultPoint::AfterStatement, lost.clone(), lost),
        (FaultPoint::Deadlock, Err((ErrorKind::Conflict, true, Some("40P01".to_owned()))), doomed),
    ] {
        let faults = FaultInjector::new(1).at(point, 1.0);
        let (sound, faulty) = with_faults(&faults);
        let swallowed = faulty.transaction_once(|tx| {
            assert_eq!(told(tx.execute("INSERT INTO entry VALUES (1)", ())), first, "{point:?}");
            faults.paused(|| {
                assert_eq!(told(tx.execute("INSERT INTO entry VALUES (2)", ())), then, "{point:?}");
                assert_eq!(told(tx.execute_query("SELECT 1", ())), then, "{point:?}");
                assert_eq!(told(tx.query_each("SELECT 1", (), |_| Ok::<_, Error>(true))), then, "{point:?}");
                assert_eq!(told(tx.bulk_insert("entry", &["n"], [(3,)])), then, "{point:?}");
                let nested = tx.transaction(|tx| tx.execute("INSERT INTO entry VALUES (4)", ()));
                assert_eq!(told(nested), then, "{point:?}");
            });
            Ok::<_, Error>(())
        });
        assert!(swallowed.is_err(), "{point:?}");
        assert_eq!(entries(&sound), 0, "{point:?}");

        let in_session = faulty.session(|session| {
            let _ = session.execute("INSERT INTO entry VALUES (5)", ());
            let began =
                faults.paused(|| session.transaction(|tx| tx.execute("INSERT INTO entry VALUES (6)", ())));
            // A deadlock undoes a statement and leaves the connection as it was.
            assert_eq!(began.is_ok(), point == FaultPoint::Deadlock, "{point:?}: {began:?}");
            assert!(began.is_ok() || told(began) == then);
            Ok::<_, Error>(())
        });
        in_session.unwrap();
    }
}

#[test]
fn handles_with_other_faults_have_another_pool() {
    let faults = FaultInjector::new(1).at(FaultPoint::BeforeStatement, 1.0);
    let (sound, faulty) = with_faults(&faults);
    assert!(insert(&faulty, 1).is_err());
    assert_eq!(insert(&sound, 1).unwrap(), 1);
}
