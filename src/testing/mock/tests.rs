use std::time::Duration;

use super::*;
use crate::error::Phase;
use crate::params;
use crate::retry::RetryPolicy;
use crate::row::Row;
use crate::value::Value;

fn row(name: &'static str, value: impl Into<Value>) -> Row {
    Row::from_pairs([(name, value.into())])
}

#[test]
fn the_first_expectation_that_fits_and_is_left_answers() {
    let mock = MockDatabase::new("mock");
    mock.on("SELECT n FROM t WHERE id = :id").with(params! { id: 1 }).once().returns([row("n", 10)]);
    mock.on("SELECT n FROM t WHERE id = :id").with(params! { id: 2 }).returns([row("n", 20)]);
    mock.on_like("SELECT n FROM t %").returns([]);
    let db = mock.manager().unwrap();
    let ask = |id: i64| {
        let rows = db.execute_query("select n from t where id=:id", params! { id: id }).unwrap();
        rows.first().map(|row| row.get::<i64>("n").unwrap())
    };
    assert_eq!([ask(1), ask(1), ask(2), ask(2), ask(3)], [Some(10), None, Some(20), Some(20), None]);
    mock.assert_all_used();
    assert_eq!(mock.calls().len(), 5);
    assert_eq!(mock.calls()[2].param("id"), Some(&Value::Int(2)));
}

#[test]
fn what_nobody_expects_is_an_error_that_says_what_is_near() {
    let mock = MockDatabase::new("mock");
    let db = mock.manager().unwrap();
    let error = db.execute("DELETE FROM t", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("DELETE FROM t") && error.to_string().contains("mock.on"), "{error}");
    mock.on("DELETE FROM t WHERE id = :id").with(params! { id: "secret" }).once().changes(1);
    let error = db.execute("DELETE FROM t WHERE id = :id", params! { id: "Geheimnis" }).unwrap_err();
    assert!(error.to_string().contains("its parameter `id` another value"), "{error}");
    assert!(!error.report().contains("secret") && !error.report().contains("Geheimnis"), "{error}");
    db.execute("DELETE FROM t WHERE id = :id", params! { id: "secret" }).unwrap();
    let error = db.execute("DELETE FROM t WHERE id = :id", params! { id: "secret" }).unwrap_err();
    assert!(error.to_string().contains("used up after 1 times"), "{error}");
}

#[test]
fn parameters_are_as_strict_as_on_a_database() {
    let mock = MockDatabase::new("mock");
    mock.on_like("%").changes(1);
    let db = mock.manager().unwrap();
    let error = db.execute("DELETE FROM t WHERE id = :id", params! { idd: 1 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Params);
    let error = db.execute("BEGIN", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(mock.calls(), []);
}

#[test]
fn transactions_are_recorded_and_what_was_rolled_back_has_no_effect() {
    let mock = MockDatabase::new("mock");
    mock.on_like("INSERT %").changes(1);
    let db = mock.manager().unwrap();
    let insert = |n: i64| ("INSERT INTO t VALUES (:n)", params! { n: n });
    db.execute(insert(1).0, insert(1).1).unwrap();
    let refused: Result<()> = db.transaction(|tx| {
        tx.execute(insert(2).0, insert(2).1)?;
        Err(Error::usage("changed my mind"))
    });
    assert!(refused.is_err());
    db.transaction(|tx| {
        tx.execute(insert(3).0, insert(3).1)?;
        let undone: Result<()> = tx.transaction(|tx| {
            tx.execute(insert(4).0, insert(4).1)?;
            Err(Error::usage("not this one"))
        });
        assert!(undone.is_err());
        tx.transaction(|tx| tx.execute(insert(5).0, insert(5).1))
    })
    .unwrap();
    let numbers = |calls: Vec<MockCall>| -> Vec<i64> {
        calls.iter().map(|call| call.param("n").and_then(Value::as_i64).unwrap()).collect()
    };
    assert_eq!(numbers(mock.calls()), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(mock.committed()), [1, 3, 5]);
    assert!(!mock.calls()[0].in_transaction() && mock.calls()[1].in_transaction());
    let ends = mock.events();
    assert!(ends.iter().any(|event| matches!(event, MockEvent::RolledBack { .. })));
    assert!(matches!(ends.last(), Some(MockEvent::Committed { failed: None, .. })));
}

#[test]
fn an_error_dooms_the_transaction_and_a_conflict_is_attempted_again() {
    let mock = MockDatabase::new("mock");
    mock.on_like("UPDATE %").once().fails(ErrorKind::Conflict);
    mock.on_like("UPDATE %").changes(1);
    mock.on_like("INSERT %").once().fails(ErrorKind::Constraint);
    let policy = RetryPolicy::default().conflict_waits(Duration::from_millis(1), Duration::from_millis(2));
    let db = mock.manager().unwrap().with_retry(policy);
    let mut attempts = 0;
    db.transaction(|tx| {
        attempts += 1;
        tx.execute("UPDATE t SET a = 1", ())
    })
    .unwrap();
    assert_eq!(attempts, 2);
    // A program that swallows the error cannot commit what it did before.
    let swallowed: Result<()> = db.transaction(|tx| {
        assert_eq!(tx.execute("INSERT INTO t VALUES (1)", ()).unwrap_err().kind(), ErrorKind::Constraint);
        let then = tx.execute("UPDATE t SET a = 1", ()).unwrap_err();
        assert_eq!(then.sqlstate(), Some("25P02"));
        Ok(())
    });
    assert!(swallowed.is_err());
    mock.assert_all_used();
}

#[test]
fn a_lost_commit_is_unknown_and_not_attempted_again() {
    let mock = MockDatabase::new("mock");
    mock.on_like("UPDATE %").changes(1);
    mock.on_commit().once().fails(ErrorKind::OutcomeUnknown);
    let db = mock.manager().unwrap();
    let error = db.transaction(|tx| tx.execute("UPDATE t SET a = 1", ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(mock.calls().len(), 1);
    assert_eq!(mock.committed(), []);
    // The connection that broke is not used again.
    db.execute("UPDATE t SET a = 2", ()).unwrap();
    assert_eq!(db.pool_status().opened, 2);
}

#[test]
fn a_slow_answer_meets_the_callers_limit() {
    let mock = MockDatabase::new("mock");
    mock.on("SELECT 1").after(Duration::from_secs(60)).returns([row("n", 1)]);
    let db = mock.manager().unwrap();
    let began = std::time::Instant::now();
    let error = db.execute_query_with_timeout("SELECT 1", (), Duration::from_millis(30)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn connections_can_be_refused() {
    let mock = MockDatabase::new("mock");
    mock.on_connect().once().fails(ErrorKind::Auth);
    mock.on_like("%").changes(0);
    let db = mock.manager().unwrap();
    assert_eq!(db.execute("DELETE FROM t", ()).unwrap_err().kind(), ErrorKind::Auth);
    // Remembered, as of a real server, so that no account is locked.
    assert_eq!(db.execute("DELETE FROM t", ()).unwrap_err().kind(), ErrorKind::Auth);
    assert_eq!(mock.events().len(), 1);
}

#[test]
fn closures_answer_by_what_they_are_asked() {
    let mock = MockDatabase::new("mock");
    mock.on_call(|call| call.sql().contains("double")).answers(|call| {
        let n = call.param("n").and_then(Value::as_i64).unwrap_or(0);
        MockAnswer::rows([Row::from_pairs([("double", (2 * n).into())])])
    });
    let db = mock.manager().unwrap();
    let double = |n: i64| -> i64 {
        db.query_one("SELECT :n * 2 AS double", params! { n: n }).unwrap().get(0).unwrap()
    };
    assert_eq!([double(2), double(21)], [4, 42]);
    let mut streamed = Vec::new();
    db.query_each("SELECT :n * 2 AS double", params! { n: 3 }, |row| {
        streamed.push(row.get::<i64>(0)?);
        Ok::<_, Error>(true)
    })
    .unwrap();
    assert_eq!(streamed, [6]);
}

/// Runs `work` on a thread of its own, which a dead-lock may keep; the test goes on after two seconds.
fn within_two_seconds<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(Duration::from_secs(2)).expect("an answer within two seconds")
}

#[test]
fn a_predicate_may_ask_the_mock_itself() {
    let mock = MockDatabase::new("mock");
    let asked = Arc::downgrade(&mock.book);
    // Only what comes after the first statement: whoever decides looks at what was there before.
    mock.on_call(move |_| asked.upgrade().is_some_and(|book| !book.entries().events.is_empty()))
        .once()
        .returns([row("n", 1)]);
    let db = mock.manager().unwrap();
    let answers = within_two_seconds(move || {
        let ask = || db.query_one("SELECT 1 AS n", ()).and_then(|row| row.get::<i64>(0));
        // Also an error that says what is near asks the predicate, and finds it used up.
        [ask(), ask()]
    });
    assert_eq!(*answers[0].as_ref().unwrap(), 1);
    let error = answers[1].as_ref().unwrap_err();
    assert!(error.to_string().contains("used up after 1 times"), "{error}");
}

#[test]
fn an_expectation_is_met_as_often_as_it_says_by_many_threads_too() {
    let mock = MockDatabase::new("mock");
    mock.on_call(|_| {
        // Long enough for the others to decide on the same one.
        std::thread::sleep(Duration::from_millis(20));
        true
    })
    .times(3)
    .changes(1);
    mock.on_like("DELETE %").changes(0);
    let db = mock.builder().pool_size(8).build().unwrap();
    let changed: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| db.execute("DELETE FROM t", ()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(changed, 3);
    mock.assert_all_used();
}

#[test]
fn a_mass_load_is_one_call_with_its_rows() {
    let mock = MockDatabase::new("mock");
    mock.on_like("COPY job %").changes(0);
    let db = mock.manager().unwrap();
    assert_eq!(db.bulk_insert("job", &["id", "name"], [(1, "a"), (2, "b")]).unwrap(), 2);
    let calls = mock.committed();
    assert_eq!(calls[0].sql(), "COPY job (id, name) FROM STDIN");
    assert_eq!(calls[0].rows()[1], [Value::Int(2), Value::Text("b".into())]);
}

#[test]
#[should_panic(expected = "like `UPDATE %`: expected 2 times, used 1 times")]
fn what_was_not_met_is_told() {
    let mock = MockDatabase::new("mock");
    mock.on_like("UPDATE %").times(2).changes(1);
    mock.on_like("DELETE %").optional().changes(1);
    mock.manager().unwrap().execute("UPDATE t SET a = 1", ()).unwrap();
    mock.assert_all_used();
}

#[test]
fn a_mock_that_is_gone_is_told() {
    let mock = MockDatabase::new("mock");
    let db = mock.manager().unwrap();
    drop(mock);
    let error = db.execute("SELECT 1", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("keep the `MockDatabase`"), "{error}");
}
