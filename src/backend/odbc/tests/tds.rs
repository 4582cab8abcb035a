//! FreeTDS against a server of ours that speaks as much TDS 7.4 as it takes to fail in the middle.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

/// What the server does after the rows that a statement asks for.
#[derive(Clone, Copy)]
enum Then {
    Done,
    Fail(i32),
    HangUp,
    FallSilent,
}

fn words(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn done(status: u16, rows: u64) -> Vec<u8> {
    // 0xC1 is the command SELECT.
    [&[0xfd][..], &status.to_le_bytes(), &[0xc1, 0], &rows.to_le_bytes()].concat()
}

/// `DONE` with the bits "more follows", "error" and "count is valid".
const MORE: u16 = 1;
const ERROR: u16 = 2;
const COUNT: u16 = 0x10;
/// `DONE` with the bit that acknowledges a cancel.
const ATTENTION: u16 = 0x20;

fn error_token(number: i32) -> Vec<u8> {
    let text = words("it failed");
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, 16, 9, 0]);
    body.extend(text);
    body.extend([0, 0, 1, 0, 0, 0]);
    let length = u16::try_from(body.len()).unwrap();
    [&[0xaa][..], &length.to_le_bytes(), &body].concat()
}

/// A result of one integer column.
fn integers(count: i32) -> Vec<u8> {
    let mut tokens = vec![0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0x38, 1, b'n', 0];
    for number in 0..count {
        tokens.push(0xd1);
        tokens.extend(number.to_le_bytes());
    }
    tokens
}

fn send(stream: &mut TcpStream, kind: u8, tokens: &[u8], last: bool) {
    let parts: Vec<&[u8]> = tokens.chunks(4000).collect();
    for (number, part) in parts.iter().enumerate() {
        let ends = last && number + 1 == parts.len();
        let length = u16::try_from(part.len() + 8).unwrap().to_be_bytes();
        let header = [kind, u8::from(ends), length[0], length[1], 0, 0, 1, 0];
        stream.write_all(&[&header[..], part].concat()).unwrap();
    }
}

/// One message of the client: its kind and its content.
fn receive(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut content = Vec::new();
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header).ok()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut part = vec![0; length - 8];
        stream.read_exact(&mut part).ok()?;
        content.extend(part);
        if header[1] & 1 == 1 {
            return Some((header[0], content));
        }
    }
}

fn serve(mut stream: TcpStream, rows: i32, then: Then) {
    while let Some((kind, content)) = receive(&mut stream) {
        match kind {
            // Pre-login: version 12, no encryption.
            0x12 => send(&mut stream, 4, &[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 255, 12, 0, 0, 0, 0, 0, 2], true),
            // Login: acknowledged for TDS 7.4.
            0x10 => {
                let mut ack = vec![1, 0x74, 0, 0, 4, 4];
                ack.extend(words("fake"));
                ack.extend([12, 0, 0, 0]);
                let length = u16::try_from(ack.len()).unwrap().to_le_bytes();
                send(&mut stream, 4, &[&[0xad, length[0], length[1]], &ack[..], &done(0, 0)].concat(), true);
            }
            6 => send(&mut stream, 4, &done(ATTENTION, 0), true),
            _ => {
                let text = content.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>();
                let text = String::from_utf8_lossy(&text).into_owned();
                let head = if text.contains("ROWS") {
                    integers(rows)
                } else if text.contains("COUNT") {
                    done(MORE | COUNT, 3)
                } else {
                    send(&mut stream, 4, &done(0, 0), true);
                    continue;
                };
                match then {
                    Then::Done => {
                        let end = done(COUNT, u64::try_from(rows).unwrap());
                        send(&mut stream, 4, &[head, end].concat(), true);
                    }
                    Then::Fail(number) => {
                        let end = [error_token(number), done(ERROR, 0)].concat();
                        send(&mut stream, 4, &[head, end].concat(), true);
                    }
                    Then::HangUp => return send(&mut stream, 4, &head, false),
                    // The stream stays open until the client has gone; cancels are read and ignored.
                    Then::FallSilent => {
                        send(&mut stream, 4, &head, false);
                        while receive(&mut stream).is_some() {}
                        return;
                    }
                }
            }
        }
    }
}

/// A connection to a server that returns so many rows and then does as it is told.
fn connect(rows: i32, then: Then) -> Box<dyn Connection> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(listener.accept().unwrap().0, rows, then));
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={port};UID=sa;PWD=hunter2;Encryption=off");
    connector(Dialect::SqlServer, &text, &["hunter2"]).connect(Deadline::NONE).unwrap()
}

#[test]
fn a_whole_result_comes_whole() {
    let mut connection = connect(1500, Then::Done);
    let rows = query(connection.as_mut(), "SELECT ROWS", vec![]);
    assert_eq!(rows.len(), 1500);
    assert!(rows.iter().zip(0..).all(|(row, number)| row.values() == [Value::Int(number)]));
    assert_eq!(rows[0].columns().next(), Some("n"));
    assert!(!connection.is_broken());
}

#[test]
fn an_error_behind_rows_is_not_the_end_of_the_rows() {
    for rows in [1, 150, 512, 1500] {
        let mut connection = connect(rows, Then::Fail(8134));
        let error = try_query(connection.as_mut(), "SELECT ROWS", vec![]).unwrap_err();
        assert_eq!((error.kind(), error.native_code()), (ErrorKind::Data, Some(8134)), "{rows} rows");
        assert!(connection.is_broken());
    }
}

#[test]
fn a_lost_connection_behind_rows_is_an_error() {
    for rows in [1, 150, 512, 1500] {
        let mut connection = connect(rows, Then::HangUp);
        let error = try_query(connection.as_mut(), "SELECT ROWS", vec![]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{rows} rows");
        assert!(connection.is_broken());
    }
}

#[test]
fn an_error_behind_a_count_is_an_error() {
    let mut connection = connect(0, Then::Fail(50000));
    let failed = connection.run(&statement("UPDATE COUNT", vec![]), Rows::Ignore, budget(LONG)).unwrap_err();
    assert_eq!((failed.kind(), failed.native_code()), (ErrorKind::Database, Some(50000)));
    assert!(connection.is_broken());
}

#[test]
fn a_lost_connection_behind_a_write_leaves_its_outcome_unknown() {
    let mut connection = connect(0, Then::HangUp);
    let lost = connection.run(&statement("UPDATE COUNT", vec![]), Rows::Ignore, budget(LONG)).unwrap_err();
    assert_eq!((lost.kind(), lost.effect()), (ErrorKind::OutcomeUnknown, Effect::Unknown));
}

#[test]
fn a_deadlock_leaves_nothing_but_the_rollback() {
    let mut connection = connect(0, Then::Fail(1205));
    connection.begin(Begin::default(), Deadline::NONE).unwrap();
    let error = connection.run(&statement("UPDATE COUNT", vec![]), Rows::Ignore, budget(LONG)).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Conflict, Effect::RolledBack));
    assert!(connection.commit(Deadline::NONE).is_err());
}

#[test]
fn silence_behind_rows_holds_a_thread_but_no_caller() {
    let _turn = GAUGE.lock();
    let mut connection = connect(300, Then::FallSilent);
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
