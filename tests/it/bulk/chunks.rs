//! Loads in chunks: what is told on the way, and what stays of a load that fails.

use std::cell::RefCell;

use batchdb::{BulkOptions, Error, ErrorKind};

use super::{count, each_kind};

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
        assert!(failure.to_string().contains("record 355: "), "{kind}: {failure}");
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
