//! The fan-out over a stream, from one database through threads into another.

use std::time::{Duration, Instant};

use batchdb::{
    DatabaseManager, Error, ErrorKind, MapOptions, Row, TaskState, map_stream, map_tasks, try_map_stream,
};

use crate::common::{eventually, fresh, postgres};
use crate::odbc::psql_odbc_with;

fn double(row: &Row) -> Result<(i64, i64), Error> {
    let n: i64 = row.get("n")?;
    Ok((n, n * 2))
}

/// Doubles all numbers of a query on threads, and loads them into `doubled`.
fn double_all(from: &DatabaseManager, to: &DatabaseManager, sql: &str) -> Result<u64, Error> {
    from.session(|session| {
        let options = MapOptions::new("double-{n}").workers(4);
        try_map_stream(session.query_iter(sql, ())?, options, double, |doubled| {
            to.bulk_insert("doubled", &["n", "twice"], doubled.values())
        })
    })
}

fn target(prefix: &str) -> DatabaseManager {
    let db = postgres(prefix);
    db.execute("CREATE TABLE doubled (n bigint PRIMARY KEY, twice bigint)", ()).unwrap();
    db
}

fn sum(db: &DatabaseManager) -> (i64, i64) {
    let row = db
        .query_one("SELECT count(*) AS n, coalesce(sum(twice), 0)::bigint AS sum FROM doubled", ())
        .unwrap();
    (row.get("n").unwrap(), row.get("sum").unwrap())
}

/// How many sessions sleep on the server.
fn sleeping(db: &DatabaseManager) -> i64 {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
               AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    db.query_one(sql, ()).unwrap().get("n").unwrap()
}

#[test]
fn rows_of_one_database_go_through_threads_into_another() {
    for from in
        [postgres("stream_from"), psql_odbc_with("stream_from", "UseDeclareFetch=1;").build().unwrap()]
    {
        let to = target("stream_to");
        let sql = "SELECT n FROM generate_series(1, 20000) AS n";
        assert_eq!(double_all(&from, &to, sql).unwrap(), 20_000);
        assert_eq!(sum(&to), (20_000, 400_020_000));
    }
}

#[test]
fn a_query_that_fails_in_mid_stream_leaves_nothing_written() {
    let (from, to) = (postgres("stream_from"), target("stream_to"));
    let sql = "SELECT n, 1 / (n - 15000) AS x FROM generate_series(1, 20000) AS n";
    let error = double_all(&from, &to, sql).unwrap_err();
    assert!(error.report().contains("division by zero"), "{}", error.report());
    assert_eq!(sum(&to), (0, 0));
}

#[test]
fn a_target_that_refuses_ends_the_query_and_the_tasks() {
    let (from, to) = (postgres("stream_from"), target("stream_to"));
    let sql = "SELECT n % 30000 AS n, repeat('x', 100) AS refused FROM generate_series(1, 3000000) AS n";
    let began = Instant::now();
    let error = double_all(&from, &to, sql).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(sum(&to), (0, 0));
    let running = "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS refused FROM%' \
                   AND pid <> pg_backend_pid()";
    eventually("the query is gone", || from.query_one(running, ()).unwrap().get::<i64>("n").unwrap() == 0);
}

#[test]
fn failing_fast_cancels_what_runs_on_the_server() {
    for stream in [false, true] {
        let db = fresh("fail_fast").pool_size(4).build().unwrap();
        let options = || MapOptions::new("task-{index}").workers(3).fail_fast();
        let work = |n: &i32| -> Result<(), Error> {
            if *n == 2 {
                eventually("the others sleep", || sleeping(&db) == 2);
                return db.execute("SELEC", ()).map(drop);
            }
            db.execute_query("SELECT pg_sleep(60)", ()).map(drop)
        };
        let began = Instant::now();
        let states: Vec<TaskState> = if stream {
            map_stream(0..100, options().in_order(), work, |records| {
                Ok::<_, Error>(records.map(|record| record.state()).collect())
            })
            .unwrap()
        } else {
            map_tasks(0..100, options(), work).iter().map(|record| record.state()).collect()
        };
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(states[..3], [TaskState::Cancelled, TaskState::Cancelled, TaskState::Failed]);
        assert!(states[3..].iter().all(|state| *state == TaskState::NotStarted));
        eventually("nothing of ours runs", || sleeping(&db) == 0);
    }
}
