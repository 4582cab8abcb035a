//! Loads in chunks: what is told on the way, and what stays of a load that fails.

use std::cell::RefCell;

use batchdb::testing::{FaultInjector, FaultPoint};
use batchdb::{BulkFailure, BulkOptions, Error, ErrorKind, MapOptions, map_tasks};

use super::{count, each_kind};
use crate::common::{fresh, postgres, server};

#[test]
fn progress_is_told_after_each_chunk() {
    each_kind("bulk_progress", |kind, db| {
        let told = RefCell::new(Vec::new());
        let options = BulkOptions::new().chunk_rows(400).progress(|rows| told.borrow_mut().push(rows));
        let rows = (1..=1_000).map(|id| (id, "x"));
        let report = db.bulk_insert_with("job", &["id", "name"], rows, options).unwrap();
        assert_eq!((report.rows, report.chunks), (1_000, 3), "{kind}");
        assert_eq!(*told.borrow(), [400, 800, 1_000], "{kind}");
    });
}

#[test]
fn committed_chunks_stay_and_the_failure_says_how_many() {
    each_kind("bulk_commit", |kind, db| {
        let options = || BulkOptions::new().chunk_rows(100).commit_chunks();
        let report =
            db.bulk_insert_with("job", &["id", "name"], (1..=200).map(|id| (id, "x")), options()).unwrap();
        assert_eq!((report.rows, report.chunks), (200, 2), "{kind}");
        let rows = (201..=1_000).map(|id| if id == 555 { (7, "again") } else { (id, "x") });
        let failure = db.bulk_insert_with("job", &["id", "name"], rows, options()).unwrap_err();
        assert_eq!(failure.error.kind(), ErrorKind::Constraint, "{kind}: {failure}");
        assert!(failure.error.to_string().contains("record 355: "), "{kind}: {failure}");
        assert!(failure.to_string().ends_with("300 rows stay"), "{kind}: {failure}");
        assert_eq!((failure.report.rows, failure.report.chunks, failure.in_doubt), (300, 3, 0), "{kind}");
        assert_eq!(count(db, "job"), 500, "{kind}");
        // The input can be gone on with behind what stays.
        let rest = (201..=1_000).skip(failure.report.rows as usize).map(|id| (id, "y"));
        db.bulk_insert_with("job", &["id", "name"], rest, options()).unwrap();
        assert_eq!(count(db, "job"), 1_000, "{kind}");
        let failure = db
            .transaction(|tx| {
                let refused =
                    tx.bulk_insert_with("job", &["id", "name"], [(2_000, "x")], options()).unwrap_err();
                Ok::<_, Error>(refused)
            })
            .unwrap();
        assert_eq!(failure.error.kind(), ErrorKind::Usage, "{kind}: {failure}");
    });
}

#[test]
fn a_load_that_has_committed_chunks_is_not_made_again() {
    let sound = postgres("bulk_again");
    sound.execute("CREATE TABLE job (id int, name text)", ()).unwrap();
    // The first chunk goes through, and a later one meets a deadlock, which by itself might be tried again.
    let faults = FaultInjector::new(11).at(FaultPoint::Deadlock, 0.4);
    let db = fresh("bulk_again")
        .connection_string(server().url_for(sound.name()))
        .faults(&faults)
        .build()
        .unwrap();
    let options = || MapOptions::named(|_, _: &u8| "load".to_owned()).workers(1).retries(3);
    let load = || {
        let chunks = BulkOptions::new().chunk_rows(10).commit_chunks();
        db.bulk_insert_with("job", &["id", "name"], (1..=200).map(|id| (id, "x")), chunks)
    };
    let mut stayed = 0;
    for _ in 0..20 {
        sound.execute("DELETE FROM job", ()).unwrap();
        // As it is, and turned into an error of the library by `?`.
        let kept = map_tasks([0_u8], options(), |_| load().map(|_| ()));
        let once = count(&sound, "job");
        assert!(once <= 200, "{once} rows of 200");
        sound.execute("DELETE FROM job", ()).unwrap();
        let turned = map_tasks([0_u8], options(), |_| load().map(|_| ()).map_err(Error::from));
        let once = count(&sound, "job");
        assert!(once <= 200, "{once} rows of 200");
        stayed += u32::from(once > 0 && once < 200);
        drop((kept, turned));
    }
    assert!(stayed > 0 && faults.struck(FaultPoint::Deadlock) > 0, "no load was broken off in the middle");
}

#[test]
fn a_failure_leads_to_its_error() {
    use std::error::Error as _;

    let db = postgres("bulk_source");
    let failure: BulkFailure =
        db.bulk_insert_with("nothing", &["id"], [(1,)], BulkOptions::new()).unwrap_err();
    let source = failure.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(source.kind(), failure.error.kind());
    assert_eq!(failure.to_string(), "the load failed");
    assert!(format!("{failure:?}").contains("bulk_insert failed"), "{failure:?}");
}

#[test]
fn a_column_is_named_once() {
    each_kind("bulk_twice", |kind, db| {
        let error = db.bulk_insert("job", &["id", "id"], [(1, 2)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Params, "{kind}: {error}");
        assert!(error.to_string().contains("\"id\" is named twice"), "{kind}: {error}");
        assert_eq!(count(db, "job"), 0, "{kind}");
    });
}
