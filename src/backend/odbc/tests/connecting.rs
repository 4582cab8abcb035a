//! Opening and closing connections, also where nobody answers.

use std::net::TcpListener;

use super::*;

/// The threads of this process that serve a connection.
fn serving_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "batchdb-odbc")
        .count()
}

#[test]
fn a_dropped_connection_leaves_no_thread() {
    let database = Sqlite::new();
    let mut connections: Vec<_> = (0..8).map(|_| database.connect()).collect();
    assert!(serving_threads() >= 8);
    connections[0].ping(Deadline::NONE).unwrap();
    connections[1].reset(Deadline::NONE).unwrap();
    assert!(connections[1].is_broken());
    let started = Instant::now();
    drop(connections);
    assert!(started.elapsed() < Duration::from_secs(1));
    await_calm(Duration::from_secs(1));
}

#[test]
fn a_driver_that_is_not_installed_is_a_config_error_that_lists_those_that_are() {
    let missing = connector(Dialect::Odbc, "Driver={No Such Driver};PWD=hunter2", &["hunter2"]);
    let error = missing.connect(Deadline::NONE).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("SQLite3"), "{error}");
    assert!(error.to_string().contains("the test's database"), "{error}");
    assert!(!error.report().contains("hunter2"), "{}", error.report());
}

#[test]
fn a_database_that_cannot_be_opened_is_a_connect_error() {
    let nowhere = connector(Dialect::Sqlite, "Driver=SQLite3;Database=/no/such/folder/x.db", &[]);
    let error = nowhere.connect(Deadline::NONE).err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::NotSent));
}

#[test]
fn a_refused_connection_to_sql_server_is_reported_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={free};UID=sa;PWD=hunter2");
    let started = Instant::now();
    let error = connector(Dialect::SqlServer, &text, &["hunter2"]).connect(Deadline::NONE).err().unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::NotSent));
    assert_eq!(error.native_code(), Some(20009));
}

#[test]
fn a_silent_server_holds_a_thread_but_no_caller() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2",
        silent.local_addr().unwrap().port()
    );
    let accepting = thread::spawn(move || silent.accept().unwrap().0);
    let before = abandoned_threads();
    let started = Instant::now();
    let limit = Deadline::after(started, Duration::from_millis(1200));
    let error = connector(Dialect::SqlServer, &text, &[]).connect(limit).err().unwrap();
    let took = started.elapsed();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Connect));
    assert_eq!(error.effect(), Effect::NotSent);
    assert!(took < Duration::from_millis(1700), "{took:?}");
    assert_eq!(abandoned_threads(), before + 1);
    // The driver's own limit, rounded up to 2 s, ends the thread while the server is still silent.
    await_calm(Duration::from_secs(4));
    drop(accepting.join().unwrap());
}

#[test]
fn a_silent_server_does_not_keep_others_from_connecting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={port};UID=sa;PWD=hunter2");
    let silenced = connector(Dialect::SqlServer, &text, &[]);
    let stuck = thread::spawn(move || {
        let limit = Deadline::after(Instant::now(), Duration::from_secs(1));
        silenced.connect(limit).err().unwrap()
    });
    let peer = silent.accept().unwrap();
    let started = Instant::now();
    Sqlite::new().connect().ping(Deadline::NONE).unwrap();
    assert!(started.elapsed() < Duration::from_millis(500));
    assert_eq!(stuck.join().unwrap().kind(), ErrorKind::Timeout(Phase::Connect));
    drop(peer);
    await_calm(Duration::from_secs(4));
}

#[test]
fn a_stream_that_is_leaked_keeps_no_thread() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let many =
        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000000) SELECT n FROM c";
    let mut rows = connection.stream(&statement(many, vec![]), budget(LONG)).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().values(), [Value::Int(1)]);
    // Nobody takes what waits in its channel, and nobody says so.
    std::mem::forget(rows);
    thread::sleep(Duration::from_millis(100));
    drop(connection);
    await_calm(Duration::from_secs(5));
}
