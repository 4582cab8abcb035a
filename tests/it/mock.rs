//! A mock and a real server, asked the same: a program cannot tell them apart by what it is answered.

use std::time::Duration;

use batchdb::testing::{MockAnswer, MockDatabase};
use batchdb::{DatabaseManager, Error, ErrorKind, Row, TransactionOptions, Value, params};

use crate::common::fresh;

/// What a call came to, in words that both must agree on.
fn told<T: std::fmt::Debug>(outcome: Result<T, Error>, value: impl FnOnce(T) -> String) -> String {
    match outcome {
        Ok(answer) => value(answer),
        Err(error) => format!("{} {:?} transient={}", error.kind(), error.sqlstate(), error.is_transient()),
    }
}

fn names(rows: Vec<Row>) -> String {
    rows.iter().map(|row| row.get::<String>("name").unwrap()).collect::<Vec<_>>().join(",")
}

const INSERT: &str = "INSERT INTO job (id, name) VALUES (:id, :name)";
const BY_ID: &str = "SELECT name FROM job WHERE id = :id";

/// The shared suite of calls, on a table `job (id, name)` that is empty.
fn suite(db: &DatabaseManager) -> Vec<String> {
    let count = |n: u64| n.to_string();
    let mut said = vec![
        told(db.execute(INSERT, params! { id: 1, name: "one" }), count),
        // Strict parameters, on both sides of the wire.
        told(db.execute(INSERT, params! { id: 1 }), count),
        told(db.execute(INSERT, params! { id: 1, name: "one", more: 1 }), count),
        told(
            db.execute("SELECT name FROM job WHERE id = $1 AND name = :name", params! { name: "one" }),
            count,
        ),
        told(db.execute("COMMIT", ()), count),
        // The table's key.
        told(db.execute(INSERT, params! { id: 1, name: "again" }), count),
        told(db.execute_query(BY_ID, params! { id: 1 }), names),
        told(db.query_one(BY_ID, params! { id: 2 }), |row| names(vec![row])),
        told(db.query_opt(BY_ID, params! { id: 2 }), |row| format!("{}", row.is_some())),
        told(db.execute("SELEC 1", ()), count),
    ];
    // An error dooms the transaction, and what it did before is undone.
    let swallowed = db.transaction(|tx| {
        tx.execute(INSERT, params! { id: 2, name: "two" })?;
        let refused = tx.execute(INSERT, params! { id: 1, name: "again" });
        said.push(told(refused, count));
        said.push(told(tx.execute_query(BY_ID, params! { id: 1 }), names));
        Ok::<_, Error>(())
    });
    said.push(told(swallowed, |()| "committed".to_owned()));
    said.push(told(db.query_opt(BY_ID, params! { id: 2 }), |row| format!("{}", row.is_some())));
    // A savepoint that is undone takes its error with it.
    let saved = db.transaction(|tx| {
        tx.execute(INSERT, params! { id: 3, name: "three" })?;
        let refused = tx.transaction(|tx| tx.execute(INSERT, params! { id: 1, name: "again" }));
        said.push(told(refused, count));
        Ok::<_, Error>(())
    });
    said.push(told(saved, |()| "committed".to_owned()));
    said.push(told(db.execute_query(BY_ID, params! { id: 3 }), names));
    let slow = db.execute_query_with_timeout("SELECT pg_sleep(20)", (), Duration::from_millis(50));
    said.push(told(slow, |_| "slept".to_owned()));
    said.push(told(db.bulk_insert("job", &["id", "name"], [(4, "four"), (5, "five")]), count));
    said.push(told(db.execute_query(BY_ID, params! { id: 4 }), names));
    // A connection that failed does nothing more, and its transaction is undone.
    let lost = db.transaction_once(|tx| {
        tx.execute(INSERT, params! { id: 6, name: "six" })?;
        let slow = tx.execute_query("SELECT pg_sleep(20)", ());
        said.push(told(slow, |_| "slept".to_owned()));
        said.push(told(tx.execute(INSERT, params! { id: 7, name: "seven" }), count));
        said.push(told(tx.execute_query(BY_ID, params! { id: 1 }), names));
        said.push(told(tx.bulk_insert("job", &["id", "name"], [(8, "eight")]), count));
        Ok::<_, Error>(())
    });
    said.push(told(lost, |()| "committed".to_owned()));
    // A transaction that reads only refuses to write, and is doomed by that.
    let reading = TransactionOptions::new().read_only();
    let refused = db.transaction_with(reading, |tx| {
        said.push(told(tx.execute_query(BY_ID, params! { id: 1 }), names));
        said.push(told(tx.execute(INSERT, params! { id: 9, name: "nine" }), count));
        said.push(told(tx.execute_query(BY_ID, params! { id: 1 }), names));
        Ok::<_, Error>(())
    });
    said.push(told(refused, |()| "committed".to_owned()));
    let refused = db.transaction_with(reading, |tx| tx.bulk_insert("job", &["id", "name"], [(9, "nine")]));
    said.push(told(refused, count));
    // What comes behind writes again.
    said.push(told(db.execute(INSERT, params! { id: 10, name: "ten" }), count));
    said
}

#[test]
fn a_mock_and_a_real_database_answer_the_same_suite_alike() {
    let limit = Duration::from_secs(2);
    let real = fresh("mock").timeout(limit).build().unwrap();
    real.execute("CREATE TABLE job (id int PRIMARY KEY, name text NOT NULL)", ()).unwrap();

    let mock = MockDatabase::new("mocked");
    let (one, two) = (Value::Int(1), Value::Int(2));
    let duplicate = one.clone();
    mock.on(INSERT).with(params! { id: 1 , name: "one" }).once().changes(1);
    mock.on(INSERT).with(params! { id: duplicate, name: "again" }).times(3).fails(ErrorKind::Constraint);
    mock.on(INSERT).changes(1);
    mock.on(BY_ID).with(params! { id: two }).returns([]);
    mock.on(BY_ID).answers(|call| {
        let name = match call.param("id").and_then(Value::as_i64) {
            Some(1) => "one",
            Some(3) => "three",
            _ => "four",
        };
        MockAnswer::rows([Row::from_pairs([("name", name.into())])])
    });
    mock.on("SELEC 1").fails(ErrorKind::Syntax);
    mock.on_like("SELECT pg_sleep(20)").after(Duration::from_secs(20)).returns([]);
    mock.on_like("COPY job %").changes(0);

    assert_eq!(suite(&mock.builder().timeout(limit).build().unwrap()), suite(&real));
    mock.assert_all_used();
}

#[test]
fn code_that_makes_its_own_handles_finds_the_mock() {
    let mock = MockDatabase::new("own_handles");
    mock.on("SELECT 1 AS n").returns([Row::from_pairs([("n", 1.into())])]);
    // What a setting of the environment would say.
    let db = DatabaseManager::builder("own_handles")
        .connection_string(mock.connection_string())
        .migrate_on_start(batchdb::MigrateOnStart::Off)
        .build()
        .unwrap();
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    mock.assert_all_used();
}
