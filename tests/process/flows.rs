//! Whom a line is about, and what is said once.

use std::time::Duration;

use batchdb::{
    DatabaseManager, Error, MapOptions, MigrateOnStart, RetryPolicy, map_tasks, params, with_flow,
};
use log::Level;

use crate::capture::{self, Line};
use crate::common::{fresh, postgres};

#[test]
fn lines_carry_the_flow_and_the_task() {
    capture::start();
    let db = postgres("context");
    with_flow("nightly", || {
        db.execute_query("SELECT 1", ()).unwrap();
        map_tasks(0..2_i64, MapOptions::new("task-{index}").workers(2), |number| {
            db.query_one("SELECT :n::int8 AS n", params! { n: *number }).map(drop)
        })
        .into_values()
        .unwrap();
    });
    db.execute_query("SELECT 2", ()).unwrap();
    let told: Vec<Line> = capture::lines_of(db.name());
    let by = |operation: &str| -> Vec<(Option<&str>, Option<&str>)> {
        let lines = told.iter().filter(|line| line.field("operation") == Some(operation));
        lines.map(|line| (line.field("flow"), line.field("task"))).collect()
    };
    assert_eq!(by("execute_query"), [(Some("nightly"), None), (None, None)]);
    let mut tasks = by("query_one");
    tasks.sort_unstable();
    assert_eq!(tasks, [(Some("nightly"), Some("task-0")), (Some("nightly"), Some("task-1"))]);
}

#[test]
fn more_workers_than_connections_are_told_once_for_each_fan_out() {
    capture::start();
    let db = fresh("narrow").pool_size(1).max_overflow(1).build().unwrap();
    let warnings = || {
        let lines = capture::lines_of(db.name()).into_iter();
        lines.filter(|line| line.level == Level::Warn && line.message.contains("workers")).collect::<Vec<_>>()
    };
    let fan_out = |workers: usize| {
        let each = |_: &i32| db.execute("SELECT 1", ());
        map_tasks(0..40, MapOptions::new("t-{index}").workers(workers), each).into_values().unwrap();
    };
    fan_out(2);
    assert_eq!(warnings().len(), 0, "there is a connection for each");
    fan_out(6);
    assert_eq!(warnings().len(), 1);
    fan_out(6);
    assert_eq!(warnings().len(), 2);
    let text = warnings()[0].text();
    assert!(
        text.contains("6 workers") && text.contains("2 connections") && text.contains("POOL_SIZE"),
        "{text}"
    );
    // Outside of a fan-out nobody is warned, however many wait.
    db.session(|_| db.execute("SELECT 1", ())).unwrap();
    assert_eq!(warnings().len(), 2);
}

#[test]
fn two_fan_outs_in_turn_are_told_once_each() {
    capture::start();
    let db = fresh("turns").pool_size(1).max_overflow(0).build().unwrap();
    let fan_out = || {
        let each = |_: &i32| db.execute("SELECT 1", ());
        map_tasks(0..100, MapOptions::new("t-{index}").workers(2), each).into_values().unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(fan_out);
        scope.spawn(fan_out);
    });
    let lines = capture::lines_of(db.name()).into_iter();
    let told = lines.filter(|line| line.level == Level::Warn && line.message.contains("workers")).count();
    assert!((1..=2).contains(&told), "told {told} times");
}

#[test]
fn a_second_attempt_is_told_with_its_reason_and_its_wait() {
    capture::start();
    let db = postgres("again");
    db.execute_query("SELECT 1", ()).unwrap();
    let policy = RetryPolicy::default().conflict_waits(Duration::from_millis(10), Duration::from_millis(20));
    let mut attempts = 0;
    db.with_retry(policy)
        .transaction(|tx| {
            attempts += 1;
            if attempts == 1 {
                // What the server says of a deadlock, without the second it takes to find one.
                tx.execute("DO $$ BEGIN RAISE EXCEPTION 'no secret' USING ERRCODE = '40P01'; END $$", ())?;
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    let lines = capture::lines_of(db.name());
    let told: Vec<_> = lines.iter().filter(|line| line.message == "failed, and is tried again").collect();
    let [line] = told[..] else { panic!("one line, not {told:?}") };
    assert_eq!(line.level, Level::Warn);
    assert_eq!(line.field("operation"), Some("transaction"));
    assert_eq!(line.field("attempt"), Some("1"));
    assert_eq!(line.field("kind"), Some("Conflict"));
    assert!(line.field("wait_ms").is_some(), "{}", line.text());
    assert!(!line.text().contains("no secret"), "{}", line.text());
}

#[test]
fn what_a_caller_is_not_told_is_told_in_the_log() {
    capture::start();
    let db = postgres("untold");
    let pid = db.session(|session| Ok::<_, Error>(crate::common::backend_pid(session))).unwrap();
    crate::common::server().psql("postgres", &format!("SELECT pg_terminate_backend({pid})")).unwrap();
    // Its death is noticed at the next use, by the ping or by the driver itself; nobody is told but the log.
    std::thread::sleep(Duration::from_millis(600));
    db.execute_query("SELECT 1", ()).unwrap();
    let warned = |line: &Line| line.level == Level::Warn && line.message.contains("dead");
    assert_eq!(capture::lines_of(db.name()).iter().filter(|line| warned(line)).count(), 1);
}

#[test]
fn a_slow_statement_is_told_without_its_values() {
    capture::start();
    let db = fresh("slow").slow_query(Duration::from_millis(30)).build().unwrap();
    db.execute_query("SELECT 'quick7'", ()).unwrap();
    let slow = "SELECT pg_sleep(0.05), 'literal7', :n -- a note7";
    db.execute_query(slow, params! { n: "param7" }).unwrap();
    db.query_each(slow, params! { n: "param7" }, |_| Ok::<_, Error>(true)).unwrap();
    let lines = capture::lines_of(db.name());
    let told: Vec<_> = lines.iter().filter(|line| line.message == "a statement took long").collect();
    let operations: Vec<_> = told.iter().map(|line| line.field("operation").unwrap()).collect();
    assert_eq!(operations, ["execute_query", "query_each"]);
    for line in told {
        assert_eq!(line.level, Level::Warn);
        assert_eq!(line.field("sql"), Some("SELECT pg_sleep(?.?), ?, :n "));
        assert!(
            !["literal7", "note7", "param7"].iter().any(|value| line.text().contains(value)),
            "{}",
            line.text()
        );
    }
}

#[test]
fn a_call_that_gets_no_connection_is_in_the_audit_trail() {
    capture::start();
    let name = crate::common::unique("audit_away");
    let away = DatabaseManager::builder(&name).connection_string("postgresql://job@127.0.0.1:1/none");
    let db = away.audit(true).migrate_on_start(MigrateOnStart::Off).build().unwrap();
    db.execute("DELETE FROM t", ()).unwrap_err();
    let lines = capture::lines_of(&name);
    let told: Vec<_> = lines.iter().filter(|line| line.target == "batchdb::audit").collect();
    let [line] = told[..] else { panic!("one line, not {told:?}") };
    assert_eq!(line.message, "failed");
    assert_eq!((line.field("operation"), line.field("kind")), (Some("checkout"), Some("Connect")));
}

#[test]
fn an_audit_trail_has_a_line_for_each_call() {
    capture::start();
    let db = fresh("audit").audit(true).build().unwrap();
    with_flow("nightly", || {
        db.execute("CREATE TABLE t (n int PRIMARY KEY)", ()).unwrap();
        db.execute_query("SELECT n FROM t", ()).unwrap();
        db.execute("INSERT INTO t VALUES (1), (1)", ()).unwrap_err();
        db.bulk_insert("t", &["n"], [[2], [3]]).unwrap();
        db.query_each("SELECT n FROM t", (), |_| Ok::<_, Error>(true)).unwrap();
        db.query_each("SELECT n FROM nowhere", (), |_| Ok::<_, Error>(true)).unwrap_err();
        db.execute_many("UPDATE t SET n = n WHERE n = :n", [params! { n: 2 }]).unwrap();
    });
    let lines = capture::lines_of(db.name());
    let trail: Vec<_> = lines.iter().filter(|line| line.target == "batchdb::audit").collect();
    let told: Vec<_> = trail
        .iter()
        .map(|line| {
            (
                &*line.message,
                line.field("operation").unwrap(),
                line.field("access").unwrap_or("-"),
                line.field("kind"),
            )
        })
        .collect();
    let wanted = [
        ("done", "execute", "write", None),
        ("done", "execute_query", "read", None),
        ("failed", "execute", "write", Some("Constraint")),
        ("done", "commit", "-", None),
        ("done", "bulk_insert", "write", None),
        ("done", "query_each", "read", None),
        ("failed", "query_each", "read", Some("Syntax")),
        ("done", "commit", "-", None),
        ("done", "execute_many", "write", None),
    ];
    assert_eq!(told, wanted);
    for line in trail {
        assert_eq!((line.level, line.field("flow")), (Level::Info, Some("nightly")));
        assert!(
            line.field("target").is_some_and(|target| target.contains("user postgres")),
            "{}",
            line.text()
        );
        assert!(line.field("duration_ms").is_some() && line.field("process").is_some(), "{}", line.text());
    }
}
