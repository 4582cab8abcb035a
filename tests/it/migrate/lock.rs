//! Several runners at once.

use std::thread;
use std::time::{Duration, Instant};

use batchdb::{ErrorKind, Phase};

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
    assert_eq!(given.db().execute_query("SELECT id FROM t", ()).unwrap().len(), 2);
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
