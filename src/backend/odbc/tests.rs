//! The room against real drivers: SQLite's for what a database answers, FreeTDS for servers that fail.

mod connecting;
mod loads;
mod probes;
mod tds;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::backend::{Begin, Isolation, Rows};
use crate::deadline::Budget;
use crate::dialect::Dialect;
use crate::error::{Effect, ErrorKind, Phase};
use crate::row::Row;
use crate::sql::{Statement, Traits};
use crate::value::Value;

thread_local! {
    /// The gauge of the connectors of one test, each of which has a thread of its own: a thread that some other test has
    /// abandoned, as every connection does that is dropped and does not close in time, is none of its business.
    static ABANDONED: Arc<Gauge> = Arc::default();
}

fn abandoned_threads() -> usize {
    ABANDONED.with(|gauge| gauge.read().all())
}

fn connector(dialect: Dialect, connection_string: &str, secrets: &[&str]) -> OdbcConnector {
    let target = OdbcTarget {
        database: None,
        has_password: false,
        place: crate::settings::OdbcPlace::Unknown,
        connection_string: Secret::new(connection_string),
        driver: crate::settings::Driver::Named,
        description: "the test's database".into(),
        dialect,
        secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
    };
    OdbcConnector {
        address: Arc::new(address(&target, &"test".into(), false, TextParameters::Auto).unwrap()),
        connect_timeout: Duration::from_secs(10),
        abandoned: ABANDONED.with(Arc::clone),
    }
}

/// A database of its own for each test.
struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    fn new() -> Sqlite {
        Sqlite { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        // The name shows that texts reach the driver unchanged.
        self.folder.path().join("dätenbank €😀.db")
    }

    fn connect(&self) -> Box<dyn Connection> {
        let text = format!("Driver=SQLite3;Database={}", self.file().display());
        connector(Dialect::Sqlite, &text, &[]).connect(Deadline::NONE).unwrap()
    }
}

fn statement(text: &str, args: Vec<Value>) -> Statement {
    let reads = text.starts_with("SELECT") || text.starts_with("WITH");
    let control = text.starts_with("ROLLBACK TO") || text.starts_with("SAVEPOINT");
    Statement {
        text: text.into(),
        args,
        traits: Traits { transaction_control: control, writes: !reads, acts: !reads, ..Traits::default() },
        template: None,
    }
}

fn budget(limit: Duration) -> Budget {
    Budget::new(limit, Deadline::NONE)
}

const LONG: Duration = Duration::from_secs(20);

fn try_query(connection: &mut dyn Connection, text: &str, args: Vec<Value>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let count = connection.run(&statement(text, args), Rows::Collect(&mut rows), budget(LONG))?;
    assert_eq!(count, rows.len() as u64);
    Ok(rows)
}

#[track_caller]
fn query(connection: &mut dyn Connection, text: &str, args: Vec<Value>) -> Vec<Row> {
    try_query(connection, text, args).unwrap()
}

#[track_caller]
fn execute(connection: &mut dyn Connection, text: &str, args: Vec<Value>) -> u64 {
    connection.run(&statement(text, args), Rows::Ignore, budget(LONG)).unwrap()
}

#[track_caller]
fn count(connection: &mut dyn Connection, table: &str) -> i64 {
    query(connection, &format!("SELECT count(*) FROM {table}"), vec![])[0].get(0).unwrap()
}

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// A statement that runs until it is interrupted.
const ENDLESS: &str = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";

/// Waits until nothing is abandoned any more.
#[track_caller]
fn await_calm(limit: Duration) {
    let until = Instant::now() + limit;
    while abandoned_threads() > 0 {
        assert!(Instant::now() < until, "{} threads are still abandoned", abandoned_threads());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn declared_types_come_back_as_their_kind() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let connection = connection.as_mut();
    execute(
        connection,
        "CREATE TABLE t (i INTEGER, b BIGINT, r REAL, d DECIMAL(10,2), t TEXT, v VARCHAR(20), x BLOB, \
         dt DATE, tm TIME, ts TIMESTAMP, tz TIMESTAMPTZ, f BOOLEAN, u UUID, j JSON)",
        vec![],
    );
    let values = vec![
        Value::Int(-5),
        Value::Int(i64::MAX),
        Value::Float(1.5),
        Value::Decimal(Box::new(parse("12.34"))),
        Value::from("é€😀"),
        Value::from(""),
        Value::Bytes(vec![0, 255, 16].into()),
        Value::Date(parse("2026-01-02")),
        Value::Time(parse("03:04:05.123456")),
        Value::Timestamp(parse("2026-01-02T03:04:05.123456")),
        Value::TimestampTz(chrono::DateTime::parse_from_rfc3339("2026-01-02T03:04:05.5+02:00").unwrap()),
        Value::Bool(true),
        Value::Uuid(parse("6f2d1f64-5717-4562-b3fc-2c963f66afa6")),
        Value::from(serde_json::json!({"a": ["é€😀", 1]})),
    ];
    let marks = vec!["?"; values.len()].join(", ");
    assert_eq!(execute(connection, &format!("INSERT INTO t VALUES ({marks})"), values.clone()), 1);
    let nulls = vec![Value::Null; values.len()];
    assert_eq!(execute(connection, &format!("INSERT INTO t VALUES ({marks})"), nulls.clone()), 1);
    let rows = query(connection, "SELECT * FROM t ORDER BY i IS NULL", vec![]);
    assert_eq!(rows[0].values(), values);
    assert_eq!(rows[1].values(), nulls);
    assert_eq!(rows[0].columns().next(), Some("i"));
}

#[test]
fn expressions_have_the_type_that_they_really_are() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let rows = query(
        connection.as_mut(),
        "SELECT 1 AS x, count(*), 1.5, 'é€😀' AS \"näme €😀\", x'00ff', NULL, 9007199254740993",
        vec![],
    );
    assert_eq!(
        rows[0].values(),
        [
            Value::Int(1),
            Value::Int(1),
            Value::Float(1.5),
            Value::from("é€😀"),
            Value::Bytes(vec![0, 255].into()),
            Value::Null,
            Value::Int(9_007_199_254_740_993),
        ]
    );
    assert_eq!(rows[0].columns().nth(3), Some("näme €😀"));
}

#[test]
fn a_text_in_an_integer_column_is_an_error_and_not_a_zero() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    execute(connection.as_mut(), "CREATE TABLE t (i INTEGER)", vec![]);
    execute(connection.as_mut(), "INSERT INTO t VALUES ('many'), (2.5)", vec![]);
    let error = try_query(connection.as_mut(), "SELECT i FROM t", vec![]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("column \"i\""), "{error}");
    assert!(!error.report().contains("many"));
    let mut connection = database.connect();
    let rows = query(connection.as_mut(), "SELECT i FROM t WHERE i < 'a'", vec![]);
    assert_eq!(rows[0].values(), [Value::Float(2.5)]);
}

#[test]
fn long_values_are_never_cut() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    execute(connection.as_mut(), "CREATE TABLE t (n INTEGER, v VARCHAR(10), x BLOB)", vec![]);
    for length in [1, 255, 256, 257, 1000, 70_000, 3_000_000] {
        let text = "é".repeat(length);
        let bytes = vec![7_u8; length];
        let args = vec![Value::from(length), Value::from(text.as_str()), Value::from(bytes.clone())];
        execute(connection.as_mut(), "INSERT INTO t VALUES (?, ?, ?)", args);
        let rows = query(connection.as_mut(), "SELECT v, x FROM t WHERE n = ?", vec![Value::from(length)]);
        assert!(rows[0].values() == [Value::from(text), Value::from(bytes)], "length {length}");
    }
}

#[test]
fn a_failed_statement_leaves_the_connection_usable_and_says_what_it_was() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let connection = connection.as_mut();
    execute(connection, "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER NOT NULL)", vec![]);
    execute(connection, "INSERT INTO t VALUES (1, 1)", vec![]);
    for (text, kind) in [
        ("SELEC", ErrorKind::Syntax),
        ("SELECT * FROM nowhere", ErrorKind::Syntax),
        ("INSERT INTO t VALUES (1, 2)", ErrorKind::Constraint),
        ("INSERT INTO t VALUES (2, NULL)", ErrorKind::Constraint),
    ] {
        let error = try_query(connection, text, vec![]).unwrap_err();
        assert_eq!(error.kind(), kind, "{text}");
        assert_eq!(error.sqlstate(), Some("HY000"));
        assert!(error.native_code().is_some());
        assert!(!error.to_string().contains("nowhere"), "{error}");
        assert!(!connection.is_broken());
        if kind == ErrorKind::Constraint {
            assert_eq!(error.table(), Some("t"));
        }
    }
    assert_eq!(execute(connection, "UPDATE t SET b = 9 WHERE a = 77", vec![]), 0);
    assert_eq!(execute(connection, "UPDATE t SET b = 9", vec![]), 1);
    let error = try_query(connection, "INSERT INTO t VALUES (3, 3) RETURNING a", vec![]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(count(connection, "t"), 1);
}

#[test]
fn a_statement_is_cancelled_at_its_deadline() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let started = Instant::now();
    let mut rows = Vec::new();
    let error = connection
        .run(&statement(ENDLESS, vec![]), Rows::Collect(&mut rows), budget(Duration::from_millis(300)))
        .unwrap_err();
    let took = started.elapsed();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query));
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(800), "{took:?}");
    assert!(connection.is_broken());
    assert_eq!(connection.ping(Deadline::NONE).unwrap_err().kind(), ErrorKind::Connect);
    drop(connection);
    await_calm(Duration::from_secs(1));
}

/// Hands the rows of a statement over one by one, until `receive` has enough.
fn stream(
    connection: &mut dyn Connection,
    text: &str,
    budget: Budget,
    receive: &mut dyn FnMut(Row) -> Result<bool>,
) -> Result<u64> {
    let mut cursor = connection.stream(&statement(text, vec![]), budget)?;
    let mut count = 0;
    while let Some(row) = cursor.next()? {
        count += 1;
        if !receive(row)? {
            break;
        }
    }
    Ok(count)
}

#[test]
fn rows_that_keep_coming_do_not_outlast_the_deadline() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let text =
        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 100000) SELECT n FROM c";
    let mut receive = |_: Row| {
        thread::sleep(Duration::from_millis(2));
        Ok(true)
    };
    let started = Instant::now();
    let whole = Deadline::after(started, Duration::from_millis(1500));
    let error = stream(connection.as_mut(), text, Budget::new(LONG, whole), &mut receive).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Fetch));
    // The receiver's time for one chunk comes on top, for nobody may interrupt a receiver.
    assert!(started.elapsed() < Duration::from_millis(4000), "{:?}", started.elapsed());
    drop(connection);
    await_calm(Duration::from_secs(1));
}

#[test]
fn a_receiver_gets_rows_in_bounded_memory_and_its_own_time_does_not_count() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let text = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 100000) \
                SELECT n, 'text ' || n FROM c";
    let mut sum = 0;
    let mut receive = |row: Row| {
        let number: i64 = row.get(0)?;
        assert_eq!(row.get::<String>(1)?, format!("text {number}"));
        if number % 20_000 == 0 {
            thread::sleep(Duration::from_millis(700));
        }
        sum += number;
        Ok(true)
    };
    let limit = budget(Duration::from_secs(3));
    let rows = stream(connection.as_mut(), text, limit, &mut receive).unwrap();
    assert_eq!((rows, sum), (100_000, 5_000_050_000));
    assert!(!connection.is_broken());
}

#[test]
fn a_slow_receiver_holds_the_thread_back() {
    let (outbox, inbox) = worker::replies();
    let filled = (0..100).take_while(|_| outbox.try_send(worker::Reply::Done(0)).is_ok()).count();
    assert!(filled <= 2, "{filled} chunks may wait");
    drop(inbox);
    assert!(outbox.send(worker::Reply::Done(0)).is_err());
}

#[test]
fn a_receiver_may_stop_fail_or_panic() {
    let database = Sqlite::new();
    // Many more than come in a moment, and few enough: SQLite's driver reads them all ahead of the first, which counts
    // for the limit. A million took longer than 20 s of it where thirty runs of this test shared a processor.
    let many =
        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 200000) SELECT n FROM c";

    let mut connection = database.connect();
    let mut seen = 0;
    let mut stop = |_: Row| {
        seen += 1;
        Ok(seen < 10)
    };
    let count = stream(connection.as_mut(), many, budget(LONG), &mut stop).unwrap();
    assert_eq!((count, seen), (10, 10));
    assert!(connection.is_broken());

    let mut connection = database.connect();
    let mut fail = |_: Row| Err(Error::usage("enough"));
    let error = stream(connection.as_mut(), many, budget(LONG), &mut fail).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(connection.is_broken());

    let mut connection = database.connect();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut panic = |_: Row| panic!("on purpose");
        stream(connection.as_mut(), many, budget(LONG), &mut panic)
    }));
    assert!(caught.is_err());
    assert!(connection.is_broken());
    drop(connection);
    // Each of the three threads gives the rows back first that SQLite's driver has read ahead, one by one.
    await_calm(Duration::from_secs(20));
}

#[test]
fn a_transaction_commits_or_leaves_nothing() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let connection = connection.as_mut();
    execute(connection, "CREATE TABLE t (a INTEGER PRIMARY KEY)", vec![]);
    let begin = Begin { isolation: Some(Isolation::Serializable), ..Begin::default() };

    connection.begin(begin, Deadline::NONE).unwrap();
    execute(connection, "INSERT INTO t VALUES (1)", vec![]);
    assert_eq!(connection.begin(begin, Deadline::NONE).unwrap_err().kind(), ErrorKind::Usage);
    connection.commit(Deadline::NONE).unwrap();

    connection.begin(begin, Deadline::NONE).unwrap();
    execute(connection, "INSERT INTO t VALUES (2)", vec![]);
    connection.rollback(Deadline::NONE).unwrap();
    assert_eq!(count(connection, "t"), 1);

    connection.begin(begin, Deadline::NONE).unwrap();
    execute(connection, "INSERT INTO t VALUES (3)", vec![]);
    try_query(connection, "INSERT INTO t VALUES (1)", vec![]).unwrap_err();
    let refused = try_query(connection, "SELECT 1", vec![]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Database);
    assert_eq!(connection.commit(Deadline::NONE).unwrap_err().kind(), ErrorKind::Database);
    assert_eq!(count(connection, "t"), 1);
    assert!(!connection.is_broken());
}

#[test]
fn a_savepoint_saves_a_failed_transaction() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let connection = connection.as_mut();
    execute(connection, "CREATE TABLE t (a INTEGER PRIMARY KEY)", vec![]);
    connection.begin(Begin::default(), Deadline::NONE).unwrap();
    execute(connection, "INSERT INTO t VALUES (1)", vec![]);
    execute(connection, "SAVEPOINT s", vec![]);
    try_query(connection, "INSERT INTO t VALUES (1)", vec![]).unwrap_err();
    execute(connection, "ROLLBACK TO SAVEPOINT s", vec![]);
    execute(connection, "INSERT INTO t VALUES (2)", vec![]);
    connection.commit(Deadline::NONE).unwrap();
    assert_eq!(count(connection, "t"), 2);
}

#[test]
fn a_transaction_whose_connection_broke_is_not_committed() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    execute(connection.as_mut(), "CREATE TABLE t (a INTEGER)", vec![]);
    connection.begin(Begin::default(), Deadline::NONE).unwrap();
    execute(connection.as_mut(), "INSERT INTO t VALUES (1)", vec![]);
    connection.run(&statement(ENDLESS, vec![]), Rows::Ignore, budget(Duration::from_millis(50))).unwrap_err();
    let error = connection.commit(Deadline::NONE).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::RolledBack));
    drop(connection);
    await_calm(Duration::from_secs(1));
    assert_eq!(count(database.connect().as_mut(), "t"), 0);
}

#[test]
fn scripts_run_and_report_their_error() {
    let database = Sqlite::new();
    let mut connection = database.connect();
    let script = "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('é€😀; x')";
    connection.run_script(script, Deadline::NONE).unwrap();
    assert_eq!(query(connection.as_mut(), "SELECT a FROM t", vec![])[0].values(), [Value::from("é€😀; x")]);
    let error = connection.run_script("CREATE TABLE t (a TEXT)", Deadline::NONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax);
}

#[test]
fn a_read_only_session_takes_no_writes() {
    let database = Sqlite::new();
    execute(database.connect().as_mut(), "CREATE TABLE t (a INTEGER)", vec![]);
    let target = OdbcTarget {
        database: None,
        has_password: false,
        place: crate::settings::OdbcPlace::Unknown,
        connection_string: Secret::new(format!("Driver=SQLite3;Database={}", database.file().display())),
        driver: crate::settings::Driver::Named,
        description: String::new(),
        dialect: Dialect::Sqlite,
        secrets: vec![],
    };
    let address = Arc::new(address(&target, &"test".into(), true, TextParameters::Auto).unwrap());
    let reader = OdbcConnector { address, connect_timeout: LONG, abandoned: Arc::default() };
    let mut connection = reader.connect(Deadline::NONE).unwrap();
    assert_eq!(count(connection.as_mut(), "t"), 0);
    let error = try_query(connection.as_mut(), "INSERT INTO t VALUES (1)", vec![]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
}
