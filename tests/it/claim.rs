//! Claims: rows that several workers share, each done once.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use batchdb::{
    CancelToken, Claim, DatabaseManager, ErrorKind, MapOptions, Phase, Result, Row, TaskState, Transaction,
    map_tasks, params,
};

use crate::common::{eventually, postgres, timed};

const ROWS: i64 = 300;

/// A queue with rows, and a table of results without a key that could hide a second one.
fn fill(db: &DatabaseManager) {
    db.execute("CREATE TABLE queue (id INTEGER PRIMARY KEY, done INTEGER)", ()).unwrap();
    db.execute("CREATE TABLE result (id INTEGER)", ()).unwrap();
    db.execute_many("INSERT INTO queue (id) VALUES (:id)", (1..=ROWS).map(|id| params! { id: id })).unwrap();
}

fn write(tx: &mut Transaction<'_, '_>, rows: &[Row]) -> Result<()> {
    for row in rows {
        tx.execute("INSERT INTO result VALUES (:id)", params! { id: row.get::<i64>("id")? })?;
    }
    Ok(())
}

fn number(db: &DatabaseManager, sql: &str) -> i64 {
    db.query_one(sql, ()).unwrap().get(0).unwrap()
}

#[track_caller]
fn assert_each_once(db: &DatabaseManager) {
    assert_eq!(number(db, "SELECT count(*) FROM result"), ROWS);
    assert_eq!(number(db, "SELECT count(DISTINCT id) FROM result"), ROWS);
}

#[test]
fn workers_share_the_rows_and_what_is_done_is_marked_or_deleted() {
    for claim in [
        Claim::new("queue", "id").batch(7),
        Claim::new("public.queue", "id").batch(7).pending("done IS NULL").done("done = 1"),
    ] {
        let db = postgres("claim");
        fill(&db);
        let results = map_tasks(0..4, MapOptions::default().workers(4), |_| db.claim_all(&claim, write));
        assert_eq!(results.into_values().unwrap().iter().sum::<u64>(), ROWS as u64);
        assert_each_once(&db);
        assert_eq!(number(&db, "SELECT count(*) FROM queue WHERE done IS NULL"), 0);
        assert_eq!(db.claim(&claim, |_, _| -> Result<()> { panic!("nothing is left") }).unwrap(), 0);
    }
}

#[test]
fn what_fails_is_free_again_with_none_of_its_results() {
    let db = postgres("claim");
    fill(&db);
    let claim = Claim::new("queue", "id").batch(10);
    let failed = db.claim(&claim, |tx, rows| {
        write(tx, rows)?;
        tx.execute("SELECT 1/0", ()).map(|_| ())
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Data);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.claim(&claim, |tx, rows| -> Result<()> {
            write(tx, rows)?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(number(&db, "SELECT count(*) FROM result"), 0);
    assert_eq!(db.claim_all(&claim, write).unwrap(), ROWS as u64);
    assert_each_once(&db);
}

#[test]
fn what_another_holds_is_passed_over_by_one_claim_and_waited_for_by_all() {
    let db = postgres("claim");
    fill(&db);
    let claim = Claim::new("queue", "id").batch(100);
    let seen = Mutex::new(Vec::new());
    let firsts = |rows: &[Row]| rows[0].get::<i64>("id");
    thread::scope(|scope| {
        let (holding, held) = std::sync::mpsc::channel();
        let holder = scope.spawn({
            let (db, claim, seen) = (&db, &claim, &seen);
            move || {
                db.claim(claim, |_, rows| {
                    holding.send(firsts(rows)?).unwrap();
                    eventually("the other one has claimed what is free", || seen.lock().unwrap().len() == 2);
                    // As a process that dies: nothing of it stays.
                    Err::<(), _>(db.execute("SELECT 1/0", ()).unwrap_err())
                })
            }
        });
        assert_eq!(held.recv().unwrap(), 1);
        let done = db.claim_all(&claim, |tx, rows| {
            seen.lock().unwrap().push(firsts(rows)?);
            write(tx, rows)
        });
        assert_eq!(done.unwrap(), ROWS as u64);
        assert!(holder.join().unwrap().is_err());
    });
    // What was held comes last, in one claim or, when it is let go in the middle of one, in two.
    let seen = seen.into_inner().unwrap();
    assert!(seen.starts_with(&[101, 201]) && seen.len() > 2, "{seen:?}");
    assert_each_once(&db);
}

#[test]
fn a_key_that_is_not_unique_is_refused_with_all_that_was_done() {
    let db = postgres("claim");
    fill(&db);
    db.execute("UPDATE queue SET done = id / 2", ()).unwrap();
    let error = db.claim(&Claim::new("queue", "done").batch(2), write).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RowCount, "{error}");
    assert_eq!(number(&db, "SELECT count(*) FROM result"), 0);
}

#[test]
fn a_claim_ends_when_it_is_told_to_stop() {
    let db = postgres("claim");
    fill(&db);
    let token = CancelToken::new();
    let claim = Claim::new("queue", "id").batch(10);
    let results = map_tasks([()], MapOptions::default().cancel(token.clone()), |()| {
        db.claim_all(&claim, |tx, rows| {
            token.cancel();
            write(tx, rows)
        })
    });
    let record = results.iter().next().unwrap();
    assert_eq!(record.state(), TaskState::Cancelled);
    assert!(record.error().unwrap().to_string().contains("10 rows were done"), "{record:?}");
    assert_eq!(number(&db, "SELECT count(*) FROM result"), 10);
    assert_eq!(number(&db, "SELECT count(*) FROM queue"), ROWS - 10);
}

#[test]
fn rows_that_others_hold_are_waited_for_no_longer_than_the_whole_may_take() {
    let db = postgres("claim");
    fill(&db);
    let claim = Claim::new("queue", "id").batch(100);
    let limit = Duration::from_millis(700);
    thread::scope(|scope| {
        let (holding, held) = std::sync::mpsc::channel();
        let (let_go, done) = std::sync::mpsc::channel::<()>();
        let (db, claim) = (&db, &claim);
        scope.spawn(move || {
            db.claim(claim, |_, _| {
                holding.send(()).unwrap();
                let _ = done.recv_timeout(Duration::from_secs(3));
                Ok::<_, batchdb::Error>(())
            })
        });
        held.recv().unwrap();
        let (outcome, took) = timed(|| db.with_deadline(limit).claim_all(claim, write));
        drop(let_go);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Lock), "{error}");
        assert!(error.to_string().contains("200 rows were done"), "{error}");
        assert!(took >= limit && took < limit + Duration::from_millis(500), "{took:?}");
    });
    assert_eq!(number(&db, "SELECT count(*) FROM result"), ROWS - 100);
}

#[cfg(feature = "odbc")]
#[test]
fn the_same_claims_work_through_odbc_and_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = crate::odbc::sqlite_at(&folder.path().join("a.db")).build().unwrap();
    for db in [crate::odbc::psql_odbc("claim"), sqlite] {
        fill(&db);
        let claim = Claim::new("queue", "id").batch(40).pending("done IS NULL").done("done = 1");
        let results = map_tasks(0..2, MapOptions::default().workers(2), |_| db.claim_all(&claim, write));
        assert_eq!(results.into_values().unwrap().iter().sum::<u64>(), ROWS as u64);
        assert_each_once(&db);
    }
}

#[test]
fn a_claim_that_would_do_its_rows_again_or_deletes_by_surprise_is_refused() {
    let db = postgres("claim");
    fill(&db);
    let some = Claim::new("queue", "id").batch(10).pending("id <= 5");
    for wrong in [some.clone(), Claim::new("queue", "id").done("done = 1")] {
        let refused = db.claim_all(&wrong, |_, _| -> Result<()> { panic!("nothing is claimed") });
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Usage, "{wrong:?}");
    }
    // What is said to be done is still to be done.
    let error = db.claim_all(&some.clone().done("done = 1"), write).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert!(error.to_string().contains("still pending"), "{error}");
    assert_eq!(number(&db, "SELECT count(*) FROM result"), 0);
    assert_eq!(number(&db, "SELECT count(*) FROM queue WHERE done IS NULL"), ROWS);
    assert_eq!(db.claim_all(&some.deleting(), write).unwrap(), 5);
    assert_eq!(number(&db, "SELECT count(*) FROM queue"), ROWS - 5);
}
