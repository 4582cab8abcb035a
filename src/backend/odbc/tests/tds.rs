//! FreeTDS against a server of ours that speaks as much TDS 7.4 as it takes to fail in the middle.

#[path = "../../../../tests/faults/tds.rs"]
pub(super) mod scripted;

use std::sync::Mutex;

use super::super::diagnostics::Failure;
use super::super::worker::{Job, Reply, Wanted, Work, replies, spawn};
use super::*;
use scripted::{Answer, Server, Then};

/// A connection to a server that returns so many rows and then does as it is told. The server lives as long.
fn connect(rows: i32, then: Then) -> (Server, Box<dyn Connection>) {
    let server = Server::start(move |text| {
        if text.contains("ROWS") {
            Answer::rows(rows, then)
        } else if text.contains("COUNT") {
            Answer::changed(3, then)
        } else {
            Answer::nothing(Then::Done)
        }
    });
    let port = server.port();
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={port};UID=sa;PWD=hunter2;Encryption=off");
    let connection = connector(Dialect::SqlServer, &text, &["hunter2"]).connect(Deadline::NONE).unwrap();
    (server, connection)
}

#[test]
fn a_whole_result_comes_whole() {
    // The blocks have grown to their full size by then, and were filled again.
    let (_server, mut connection) = connect(20_001, Then::Done);
    let rows = query(connection.as_mut(), "SELECT ROWS", vec![]);
    assert_eq!(rows.len(), 20_001);
    assert!(rows.iter().zip(0..).all(|(row, number)| row.values() == [Value::Int(number)]));
    assert_eq!(rows[0].columns().next(), Some("n"));
    assert!(!connection.is_broken());
}

#[test]
fn an_error_behind_rows_is_not_the_end_of_the_rows() {
    for rows in [1, 150, 512, 1500, 9000] {
        let (_server, mut connection) = connect(rows, Then::Fail(8134));
        let error = try_query(connection.as_mut(), "SELECT ROWS", vec![]).unwrap_err();
        assert_eq!((error.kind(), error.native_code()), (ErrorKind::Data, Some(8134)), "{rows} rows");
        assert!(connection.is_broken());
    }
}

#[test]
fn a_lost_connection_behind_rows_is_an_error() {
    for rows in [1, 150, 512, 1500, 9000] {
        let (_server, mut connection) = connect(rows, Then::HangUp);
        let error = try_query(connection.as_mut(), "SELECT ROWS", vec![]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{rows} rows");
        assert!(connection.is_broken());
    }
}

#[test]
fn an_error_behind_a_count_is_an_error() {
    let (_server, mut connection) = connect(0, Then::Fail(50000));
    let failed = connection.run(&statement("UPDATE COUNT", vec![]), Rows::Ignore, budget(LONG)).unwrap_err();
    assert_eq!((failed.kind(), failed.native_code()), (ErrorKind::Database, Some(50000)));
    assert!(connection.is_broken());
}

#[test]
fn a_lost_connection_behind_a_write_leaves_its_outcome_unknown() {
    let (_server, mut connection) = connect(0, Then::HangUp);
    let lost = connection.run(&statement("UPDATE COUNT", vec![]), Rows::Ignore, budget(LONG)).unwrap_err();
    assert_eq!((lost.kind(), lost.effect()), (ErrorKind::OutcomeUnknown, Effect::Unknown));
}

#[test]
fn a_deadlock_leaves_nothing_but_the_rollback() {
    let (_server, mut connection) = connect(0, Then::Fail(1205));
    connection.begin(Begin::default(), Deadline::NONE).unwrap();
    let error = connection.run(&statement("UPDATE COUNT", vec![]), Rows::Ignore, budget(LONG)).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Conflict, Effect::RolledBack));
    assert!(connection.commit(Deadline::NONE).is_err());
}

#[test]
fn silence_behind_rows_holds_a_thread_but_no_caller() {
    let (_server, mut connection) = connect(300, Then::FallSilent);
    let started = Instant::now();
    let mut rows = Vec::new();
    let limit = budget(Duration::from_millis(500));
    let error =
        connection.run(&statement("SELECT ROWS", vec![]), Rows::Collect(&mut rows), limit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query));
    assert!(started.elapsed() < Duration::from_millis(1000), "{:?}", started.elapsed());
    assert!(connection.is_broken());
    assert!(abandoned_threads() > 0);
    let started = Instant::now();
    drop(connection);
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
    // The driver's own limit is 1 s; FreeTDS waits as long again for its cancel to be acknowledged.
    await_calm(Duration::from_secs(10));
}

#[test]
fn a_running_statement_is_cancelled_and_its_thread_is_free_at_once() {
    for rows in [0, 300] {
        let (server, mut connection) = connect(rows, Then::UntilCancelled);
        let sql = if rows == 0 { "UPDATE COUNT" } else { "SELECT ROWS" };
        let started = Instant::now();
        let (mut kept, limit) = (Vec::new(), Duration::from_millis(1_100));
        // The driver's own, in whole seconds: before that, what ends the call is the cancel.
        let drivers = started + Duration::from_secs(2);
        let error =
            connection.run(&statement(sql, vec![]), Rows::Collect(&mut kept), budget(limit)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{sql}: {}", error.report());
        assert!(started.elapsed() >= limit, "{sql}: {:?}", started.elapsed());
        assert!(connection.is_broken());
        drop(connection);
        await_calm(drivers.saturating_duration_since(Instant::now()));
        assert_eq!(server.cancels(), 1, "{sql}");
    }
}

/// So many messages as a batch has that prints a line for each of its rows.
fn printed(lines: usize) -> Vec<scripted::Message> {
    let line = |_| scripted::Message { number: 0, severity: 0, text: "a line", procedure: "", line: 1 };
    (0..lines).map(line).collect()
}

#[test]
fn all_messages_of_a_call_are_told_and_an_error_behind_them_is_seen() {
    let server = Server::start(|text| {
        let mut messages = printed(if text.contains("PRINT") { 100 } else { 0 });
        if text.contains("FAIL") {
            messages.push(scripted::Message {
                number: 50_001,
                severity: 16,
                text: "it failed",
                procedure: "",
                line: 7,
            });
        }
        Answer::saying(&messages)
    });
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=x;Encryption=off", server.port());
    let address = connector(Dialect::SqlServer, &text, &[]).address;
    let ends = spawn(address, LONG, Arc::default()).unwrap();
    ends.opened.recv().unwrap().unwrap();
    for (sql, number) in [("PRINT", None), ("PRINT AND FAIL", Some(50_001))] {
        let (outbox, inbox) = replies();
        let work = Work {
            text: sql.into(),
            arguments: Vec::new(),
            wanted: Wanted::Count,
            to_its_end: false,
            left: None,
        };
        ends.jobs.send(Job::Run(work, outbox)).unwrap();
        let (mut told, mut failed) = (0, None);
        for reply in inbox {
            match reply {
                Reply::Messages(messages) => told += messages.iter().filter(|text| *text == "a line").count(),
                Reply::Failed(Failure::Driver { records, .. }) => {
                    failed = records
                        .iter()
                        .find(|record| record.is_error())
                        .map(|error| (error.native, error.line));
                }
                _ => (),
            }
        }
        assert_eq!((told, failed), (100, number.map(|number| (number, Some(7)))), "{sql}");
    }
}

#[test]
fn the_count_of_a_write_is_its_own_under_a_trigger() {
    let (rows, seen) = (5, Arc::new(Mutex::new(String::new())));
    let asked = Arc::clone(&seen);
    let server = Server::start(move |text| {
        if !text.contains("INSERT") {
            return Answer::nothing(Then::Done);
        }
        asked.lock().unwrap().push_str(text);
        // Rows 0 to 4 of a trigger and its own count, then what the batch asks for: a number in a column of that name.
        let number = |name: &str, value: i32| {
            let mut tokens = vec![0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0x38, name.len() as u8];
            tokens.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
            tokens.push(0xd1);
            tokens.extend(value.to_le_bytes());
            tokens
        };
        // DONEINPROC: more follows, and the count is valid.
        let trigger = [&[0xff][..], &[0x11, 0], &[0xc3, 0], &17_u64.to_le_bytes()].concat();
        let more = [&[0xfd][..], &[0x11, 0], &[0xc3, 0], &2_u64.to_le_bytes()].concat();
        let tokens = [number("n", rows), trigger, more, number(crate::sql::COUNT, 2)].concat();
        Answer::tokens(tokens, 1)
    });
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=x;Encryption=off", server.port());
    let mut connection = connector(Dialect::SqlServer, &text, &[]).connect(Deadline::NONE).unwrap();
    let insert = statement("INSERT", vec![]);
    assert_eq!(connection.run(&insert, Rows::Ignore, budget(LONG)).unwrap(), 2);
    assert!(seen.lock().unwrap().contains("@@ROWCOUNT"), "{seen:?}");
    // Who wants rows gets the first result, and the batch is not asked.
    seen.lock().unwrap().clear();
    let mut kept = Vec::new();
    assert_eq!(connection.run(&insert, Rows::Collect(&mut kept), budget(LONG)).unwrap(), 1);
    assert!(!seen.lock().unwrap().contains("@@ROWCOUNT"), "{seen:?}");
}

#[test]
fn a_login_that_may_pass_is_told_from_one_that_will_not() {
    for (number, kind, transient) in [
        (40613, ErrorKind::Throttled, true),
        (40197, ErrorKind::Throttled, true),
        (40501, ErrorKind::Throttled, true),
        (10928, ErrorKind::Throttled, true),
        (49918, ErrorKind::Throttled, true),
        (4060, ErrorKind::Connect, true),
        (42108, ErrorKind::Connect, true),
        (18401, ErrorKind::Connect, true),
        (18456, ErrorKind::Auth, false),
        (18487, ErrorKind::Auth, false),
        (4064, ErrorKind::Connect, false),
        (927, ErrorKind::Connect, true),
        (17197, ErrorKind::Throttled, true),
        (911, ErrorKind::Connect, false),
    ] {
        let server = Server::refusing(number);
        let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2", server.port());
        let refused = connector(Dialect::SqlServer, &text, &["hunter2"]).connect(Deadline::NONE);
        let error = refused.err().unwrap();
        assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{number}: {}", error.report());
    }
}

#[test]
fn a_login_that_failed_for_a_reason_is_told_by_the_reason() {
    for numbers in [[18456, 4060], [4060, 18456], [18456, 921], [10928, 18456]] {
        let reason = numbers.into_iter().find(|number| *number != 18456);
        let server = Server::refusing_by(&numbers);
        let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2", server.port());
        let refused = connector(Dialect::SqlServer, &text, &["hunter2"]).connect(Deadline::NONE);
        let error = refused.err().unwrap();
        assert_eq!((error.native_code(), error.is_transient()), (reason, true), "{}", error.report());
        assert_ne!(error.kind(), ErrorKind::Auth, "{}", error.report());
    }
}

#[test]
fn every_result_is_handed_over_where_all_are_wanted() {
    // Two results in one answer: the first ends with a DONE that says "more".
    let more = [&[0xfd][..], &[0x11, 0], &[0xc1, 0], &2_u64.to_le_bytes()].concat();
    let integers = |numbers: &[i32]| {
        let mut tokens = vec![0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0x38, 1, b'n', 0];
        for number in numbers {
            tokens.push(0xd1);
            tokens.extend(number.to_le_bytes());
        }
        tokens
    };
    let server = Server::start(move |text| {
        if text.contains("TWO") {
            Answer::tokens([integers(&[1, 2]), more.clone(), integers(&[3])].concat(), 1)
        } else {
            Answer::nothing(Then::Done)
        }
    });
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=x;Encryption=off", server.port());
    let mut connection = connector(Dialect::SqlServer, &text, &[]).connect(Deadline::NONE).unwrap();
    let two = statement("SELECT TWO", vec![]);
    let mut sets = Vec::new();
    assert_eq!(connection.run(&two, Rows::Sets(&mut sets), budget(LONG)).unwrap(), 3);
    let numbers: Vec<Vec<i64>> =
        sets.iter().map(|set| set.iter().map(|row| row.get(0).unwrap()).collect()).collect();
    assert_eq!(numbers, [vec![1, 2], vec![3]]);
    let mut first = Vec::new();
    assert_eq!(connection.run(&two, Rows::Collect(&mut first), budget(LONG)).unwrap(), 2);
    assert!(!connection.is_broken());
}

#[test]
fn a_sql_server_that_nobody_was_told_of_is_refused() {
    let server = Server::start(|_| Answer::nothing(Then::Done));
    server.call_itself("Microsoft SQL Server");
    let text =
        format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2;Encryption=off", server.port());
    let error = connector(Dialect::Odbc, &text, &["hunter2"]).connect(Deadline::NONE).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config, "{}", error.report());
    assert!(error.to_string().contains("the test's database"), "{error}");
    assert!(error.report().contains("TYPE=sqlserver"), "{}", error.report());
    connector(Dialect::SqlServer, &text, &["hunter2"]).connect(Deadline::NONE).unwrap();
    // What is no database that this room knows can be asked to refuse nothing.
    server.call_itself("Oracle");
    let connection = connector(Dialect::Odbc, &text, &["hunter2"]).connect(Deadline::NONE).unwrap();
    assert!(!connection.refuses_writes());
}

#[test]
fn the_isolation_of_one_transaction_is_not_that_of_the_next() {
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let server = Server::start(move |text| {
        heard.lock().unwrap().push(text.to_owned());
        Answer::nothing(Then::Done)
    });
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=x;Encryption=off", server.port());
    // What the server calls itself is none of the names that this room knows.
    let mut connection = connector(Dialect::Odbc, &text, &[]).connect(Deadline::NONE).unwrap();
    for ends in [Connection::commit, Connection::rollback] {
        let begin = Begin { isolation: Some(Isolation::Serializable), ..Begin::default() };
        connection.begin(begin, Deadline::NONE).unwrap();
        ends(connection.as_mut(), Deadline::NONE).unwrap();
        let levels = |said: &Vec<String>| {
            let levels = said.iter().filter(|text| text.to_ascii_uppercase().contains("ISOLATION LEVEL"));
            levels.cloned().collect::<Vec<_>>()
        };
        let levels = levels(&said.lock().unwrap());
        assert!(levels.last().unwrap().to_ascii_uppercase().contains("READ COMMITTED"), "{levels:?}");
        said.lock().unwrap().clear();
    }
    assert!(!connection.is_broken());
}
