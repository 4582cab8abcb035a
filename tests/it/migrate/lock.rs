//! Several runners at once.

use std::thread;
use std::time::{Duration, Instant};

use batchdb::{DatabaseManager, ErrorKind, Phase, Repair, params};

use super::Given;
use crate::common::eventually;

/// Runs the migrations from `runners` threads at once; returns how many migrations were applied in all.
fn run_at_once(given: &Given, runners: usize) -> usize {
    let barrier = std::sync::Barrier::new(runners);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..runners)
            .map(|_| {
                scope.spawn(|| {
                    let db = given.db();
                    barrier.wait();
                    db.run_migrations().unwrap().applied.len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn runners_at_once_apply_each_file_once() {
    let given = Given::postgres(&[
        ("V1__Create.sql", "CREATE TABLE t (id int)"),
        ("V2__Slow.sql", "INSERT INTO t VALUES (2); SELECT pg_sleep(0.3);"),
        ("V3__Last.sql", "INSERT INTO t VALUES (3)"),
    ]);
    assert_eq!(run_at_once(&given, 6), 3);
    assert_eq!(given.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "2 3");
    assert_eq!(given.psql("SELECT string_agg(installed_rank::text, ' ') FROM schema_version"), "1 2 3");
}

#[cfg(feature = "odbc")]
#[test]
fn runners_at_once_apply_each_file_once_to_sqlite() {
    let given = Given::sqlite(&[
        ("V1__Create.sql", "CREATE TABLE t (id INTEGER)"),
        ("V2__Fill.sql", "INSERT INTO t VALUES (2)"),
        ("V3__Last.sql", "INSERT INTO t VALUES (3)"),
    ]);
    assert_eq!(run_at_once(&given, 4), 3);
    assert_eq!(given.read("SELECT id FROM t ORDER BY id"), "2\n3");
}

#[cfg(feature = "odbc")]
#[test]
fn a_run_on_sqlite_is_waited_for_by_others_until_they_give_up() {
    let given = Given::sqlite(&[("V1__a.sql", "CREATE TABLE t (id INTEGER)"), ("V2__b.sql", "SELECT 2")]);
    let hurried = || {
        let other = given.db();
        let began = Instant::now();
        let error = other.migrations().wait(Duration::from_millis(600)).run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Lock), "{error}");
        let holder = format!("the lock of the migrations is held by process {} of \"", std::process::id());
        assert!(error.to_string().contains(&holder), "{error}");
        assert!(began.elapsed() < Duration::from_millis(1_600), "{:?}", began.elapsed());
        let error = other.migrations().wait(Duration::ZERO).repair(Repair::Forget, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Lock), "{error}");
    };
    // Between two files, where no transaction of the migrations is open.
    let db = given.db();
    let patient = thread::scope(|scope| {
        let mut patient = None;
        let started = std::cell::RefCell::new(&mut patient);
        db.migrations()
            .on_progress(|at| {
                if at.number == 2 && at.finished.is_none() {
                    hurried();
                    **started.borrow_mut() =
                        Some(scope.spawn(|| given.db().run_migrations().unwrap().applied.len()));
                    thread::sleep(Duration::from_millis(300));
                }
            })
            .run()
            .unwrap();
        patient.unwrap().join().unwrap()
    });
    assert_eq!(patient, 0);
    assert_eq!(given.read("SELECT version FROM schema_version ORDER BY 1"), "1\n2");
}

/// The advisory locks of the database that asks.
const LOCKS: &str = "FROM pg_locks WHERE locktype = 'advisory' \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Holds the lock of the migrations, as another runner does, in a session of its own.
fn in_the_way(given: &Given, work: impl FnOnce(&DatabaseManager, i64)) {
    given.write("V1__Slow.sql", "SELECT pg_sleep(0.4)");
    let key = thread::scope(|scope| {
        let run = scope.spawn(|| given.db().run_migrations().unwrap());
        eventually("the lock is held", || given.locks() == "1");
        let key = given.psql(&format!("SELECT (classid::bigint << 32) | objid::bigint {LOCKS}"));
        run.join().unwrap();
        key.parse().unwrap()
    });
    given.write("V2__After.sql", "SELECT 2");
    let other = given.db();
    other
        .session(|session| {
            session.query_one("SELECT pg_advisory_lock(:key) IS NULL", params! { key: key })?;
            work(&other, key);
            Ok::<_, batchdb::Error>(())
        })
        .unwrap();
}

#[test]
fn who_waits_is_told_of_the_holder_of_now_and_not_of_the_first() {
    let given = Given::postgres(&[]);
    in_the_way(&given, |other, key| {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                given.db().migrations().wait(Duration::from_millis(3_500)).run().unwrap_err().to_string()
            });
            // The server hands the lock from the first to the second, who stands in its queue.
            let (sender, receiver) = std::sync::mpsc::channel();
            let second = scope.spawn(move || {
                other.session(|session| {
                    sender.send(crate::common::backend_pid(session)).unwrap();
                    session.query_one("SELECT pg_advisory_lock(:key) IS NULL", params! { key: key })?;
                    thread::sleep(Duration::from_millis(3_500));
                    Ok::<_, batchdb::Error>(())
                })
            });
            let holder = receiver.recv().unwrap();
            let queued = format!("SELECT count(*) {LOCKS} AND NOT granted");
            eventually("the second waits", || given.psql(&queued) == "1");
            given.psql(&format!("SELECT pg_terminate_backend(pid) {LOCKS} AND granted AND pid <> {holder}"));
            let said = waiting.join().unwrap();
            assert!(said.contains(&format!("held by session {holder} ")), "{said}");
            second.join().unwrap().unwrap();
        });
    });
}

#[test]
fn a_question_about_the_lock_has_the_limit_of_a_statement() {
    let given = Given::postgres(&[]);
    in_the_way(&given, |_, _| {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let db = given.builder().timeout(Duration::from_millis(500)).build().unwrap();
                let began = Instant::now();
                (db.run_migrations().unwrap_err(), began.elapsed())
            });
            let asking = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%' \
                          AND pid <> pg_backend_pid() AND datname = current_database()";
            let mut pid = String::new();
            eventually("the other asks", || {
                pid = given.psql(asking);
                !pid.is_empty()
            });
            let pid: i64 = pid.parse().unwrap();
            crate::common::signal("STOP", pid);
            let (error, took) = waiting.join().unwrap();
            crate::common::signal("CONT", pid);
            assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{error}");
            assert!(took < Duration::from_secs(4), "{took:?}");
        });
    });
}

#[test]
fn a_runner_that_waits_too_long_names_the_holder() {
    let given = Given::postgres(&[("V1__Slow.sql", "CREATE TABLE t (id int); SELECT pg_sleep(2);")]);
    thread::scope(|scope| {
        let holder = scope.spawn(|| given.db().run_migrations().unwrap().applied.len());
        eventually("the first runner holds the lock", || given.locks() == "1");
        let began = Instant::now();
        let hurried = given.builder().migration_timeout(Duration::from_millis(600));
        let error = hurried.build().unwrap().run_migrations().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Lock));
        assert!(error.to_string().contains("held by session"), "{error}");
        assert!(began.elapsed() < Duration::from_millis(1_600), "{:?}", began.elapsed());
        assert_eq!(holder.join().unwrap(), 1);
    });
}

#[test]
fn the_lock_is_free_after_a_failure() {
    let given = Given::postgres(&[("V1__Broken.sql", "SELECT 1/0;")]);
    let db = given.db();
    assert_eq!(db.run_migrations().unwrap_err().kind(), ErrorKind::Migration);
    assert_eq!(given.locks(), "0");
    given.write("V1__Broken.sql", "SELECT 1;");
    assert_eq!(db.run_migrations().unwrap().applied.len(), 1);
}

#[test]
fn a_killed_connection_leaves_neither_work_nor_lock() {
    let given = Given::postgres(&[("V1__Slow.sql", "CREATE TABLE t (id int); SELECT pg_sleep(30);")]);
    thread::scope(|scope| {
        let cut = scope.spawn(|| given.db().run_migrations().unwrap_err());
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid() AND datname = current_database()";
        eventually("the migration runs and is cut", || given.psql(kill) == "1");
        assert_eq!(cut.join().unwrap().kind(), ErrorKind::Migration);
    });
    assert_eq!(given.tables(), "schema_version");
    given.write("V1__Slow.sql", "CREATE TABLE t (id int);");
    assert_eq!(given.db().run_migrations().unwrap().applied.len(), 1);
    // The failure was written down over another connection.
    assert_eq!(given.psql("SELECT action FROM schema_version_history ORDER BY id"), "failed\napplied");
}

#[test]
fn a_failure_is_written_down_where_the_pool_has_one_connection_and_that_is_gone() {
    let given = Given::postgres(&[(
        "V1__Cut.sql",
        "-- batchdb: no-transaction\nSELECT pg_terminate_backend(pg_backend_pid())",
    )]);
    let db = given.builder().pool_size(1).max_overflow(0).build().unwrap();
    let error = db.run_migrations().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration, "{error}");
    let events = db.migrations().events().unwrap();
    assert_eq!(events.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["failed"]);
    assert!(events[0].message.as_ref().unwrap().contains("\"V1__Cut.sql\" failed at line 2"), "{events:?}");
}

#[test]
fn the_limit_on_a_file_ends_it_and_keeps_nothing() {
    let given = Given::postgres(&[("V1__Slow.sql", "CREATE TABLE t (id int); SELECT pg_sleep(30);")]);
    let began = Instant::now();
    let hurried = given.builder().migration_timeout(Duration::from_millis(700)).build().unwrap();
    let error = hurried.run_migrations().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(given.tables(), "schema_version");
}

/// Where one of several statements fails without a place they are sent again, one by one.
#[test]
fn the_limit_on_a_file_holds_for_statements_that_are_sent_again() {
    let given = Given::postgres(&[(
        "V1__Table.sql",
        "CREATE TABLE t (id int PRIMARY KEY);
         CREATE SEQUENCE calls;
         CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN IF nextval('calls') > 4 THEN PERFORM pg_sleep(0.5); END IF; RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow();",
    )]);
    given.db().run_migrations().unwrap();
    given.write(
        "V2__Rows.sql",
        "-- batchdb: timeout=900ms\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\nINSERT INTO t VALUES (3);\n\
         INSERT INTO t VALUES (1);",
    );
    let began = Instant::now();
    let error = given.db().run_migrations().unwrap_err();
    assert!(error.to_string().contains("V2__Rows.sql\" failed at line 3"), "{}", error.report());
    assert!(began.elapsed() < Duration::from_millis(2_400), "{:?}", began.elapsed());
}

#[test]
fn a_lock_that_is_gone_at_the_end_does_not_turn_success_into_an_error() {
    let given = Given::postgres(&[
        ("V1__a.sql", "CREATE TABLE a (id int); SELECT pg_advisory_unlock_all()"),
        ("U1__a.sql", "DROP TABLE a; SELECT pg_advisory_unlock_all()"),
    ]);
    let report = given.db().run_migrations().unwrap();
    assert_eq!((report.applied.len(), report.current_version.as_deref()), (1, Some("V1")));
    let report = given.db().undo_migrations("0").unwrap();
    assert_eq!((report.undone.len(), report.current_version), (1, None));
}
