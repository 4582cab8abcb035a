//! Transactions on a real PostgreSQL: every way out ends them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use batchdb::{DatabaseManager, Error, ErrorKind, Isolation, Phase, TransactionOptions, params};

use crate::common::{backend_pid, fresh, postgres, server};

fn with_table(db: &DatabaseManager) -> impl Fn() -> i64 + '_ {
    db.execute("CREATE TABLE t (id int PRIMARY KEY)", ()).unwrap();
    move || db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get("n").unwrap()
}

#[test]
fn ok_commits_and_err_rolls_back() {
    let db = postgres("tx");
    let count = with_table(&db);
    let changed = db
        .transaction(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            tx.execute("INSERT INTO t VALUES (2)", ())
        })
        .unwrap();
    assert_eq!((changed, count()), (1, 2));
    let refused = db.transaction(|tx| {
        tx.execute("INSERT INTO t VALUES (3)", ())?;
        Err::<(), _>(std::io::Error::other("the caller changed its mind"))
    });
    assert_eq!(refused.unwrap_err().to_string(), "the caller changed its mind");
    assert_eq!(count(), 2);
    assert_eq!(db.pool_status().opened, 1);
}

#[test]
fn a_panic_rolls_back() {
    let db = postgres("tx");
    let count = with_table(&db);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        db.transaction(|tx| -> Result<(), Error> {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(count(), 0);
}

#[test]
fn a_swallowed_error_does_not_become_a_commit() {
    let db = postgres("tx");
    let count = with_table(&db);
    let error = db
        .transaction(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            let _ = tx.execute("INSERT INTO t VALUES (1)", ());
            Ok::<_, Error>(())
        })
        .unwrap_err();
    // The same work would fail in the same way, so this is nothing to try again.
    assert_eq!((error.sqlstate(), error.is_transient()), (Some("25P02"), false), "{error}");
    // The program does not know of what it has swallowed.
    let told = error.to_string();
    assert!(told.contains("the first error of the transaction was: ") && told.contains("23505"), "{told}");
    assert_eq!(count(), 0);
    assert_eq!(db.pool_status().opened, 1);
}

#[test]
fn a_refusal_that_costs_the_connection_is_not_attempted_again() {
    let db = postgres("tx");
    db.execute("CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a * 2) STORED)", ()).unwrap();
    for swallowed in [false, true] {
        let mut attempts = 0;
        let began = std::time::Instant::now();
        let error = db
            .transaction(|tx| {
                attempts += 1;
                // COPY is refused before its first row, and the driver cannot go on behind that.
                let refused = tx.bulk_insert("g", &["a", "b"], [(1, 2)]);
                assert_eq!(refused.as_ref().unwrap_err().kind(), ErrorKind::Constraint);
                if swallowed { tx.execute("INSERT INTO g VALUES (1)", ()) } else { refused }
            })
            .unwrap_err();
        assert_eq!((attempts, error.is_transient()), (1, false), "{}", error.report());
        assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
        assert!(began.elapsed() < Duration::from_secs(3));
    }
    assert_eq!(db.query_one("SELECT count(*) AS n FROM g", ()).unwrap().get::<i64>("n").unwrap(), 0);
}

#[test]
fn a_session_that_is_only_to_be_thrown_away_goes_on_until_then() {
    let db = postgres("tx");
    let count = with_table(&db);
    db.session(|session| {
        let undone = session.transaction(|tx| {
            tx.execute("DEALLOCATE ALL", ())?;
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            Err::<(), _>(tx.query_one("SELECT :missing", ()).unwrap_err())
        });
        assert_eq!(undone.unwrap_err().kind(), ErrorKind::Params);
        session.execute("INSERT INTO t VALUES (2)", ())
    })
    .unwrap();
    assert_eq!(count(), 1);
}

#[test]
fn a_savepoint_that_ends_by_a_limit_takes_the_transaction_along_and_says_so() {
    let db = fresh("tx").timeout(Duration::from_millis(300)).retry_attempts(1).build().unwrap();
    let count = with_table(&db);
    let error = db
        .transaction(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            let slow = tx.transaction(|savepoint| savepoint.execute_query("SELECT pg_sleep(30)", ()));
            assert_eq!(slow.unwrap_err().kind(), ErrorKind::Timeout(Phase::Query));
            tx.execute("INSERT INTO t VALUES (2)", ())
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(error.to_string().contains("the first error of the transaction was: "), "{error}");
    assert!(error.to_string().contains("the limit of 300ms passed"), "{error}");
    assert_eq!(count(), 0);
    // Of an error that was undone nothing follows.
    let error = db
        .transaction(|tx| {
            let inner = tx.transaction(|savepoint| savepoint.execute("INSERT INTO nowhere VALUES (1)", ()));
            assert_eq!(inner.unwrap_err().kind(), ErrorKind::Syntax);
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            let _ = tx.execute("INSERT INTO t VALUES (1)", ());
            tx.execute("SELECT 1", ())
        })
        .unwrap_err();
    assert!(error.to_string().contains("23505") && !error.to_string().contains("42P01"), "{error}");
}

#[test]
fn savepoints_undo_their_own_part() {
    let db = postgres("tx");
    let count = with_table(&db);
    db.transaction(|tx| {
        tx.execute("INSERT INTO t VALUES (1)", ())?;
        let inner = tx.transaction(|savepoint| {
            savepoint.execute("INSERT INTO t VALUES (2)", ())?;
            savepoint.transaction(|deeper| deeper.execute("INSERT INTO t VALUES (3)", ()))?;
            savepoint.execute("INSERT INTO t VALUES (1)", ())
        });
        assert_eq!(inner.unwrap_err().kind(), ErrorKind::Constraint);
        tx.transaction(|savepoint| savepoint.execute("INSERT INTO t VALUES (4)", ()))
    })
    .unwrap();
    assert_eq!(count(), 2);
}

#[test]
fn a_savepoint_whose_error_was_swallowed_is_undone_alone() {
    let db = postgres("tx");
    let count = with_table(&db);
    db.transaction(|tx| {
        tx.execute("INSERT INTO t VALUES (1)", ())?;
        let inner = tx.transaction(|savepoint| {
            savepoint.execute("INSERT INTO t VALUES (2)", ())?;
            let _ = savepoint.execute("INSERT INTO t VALUES (1)", ());
            Ok::<_, Error>(())
        });
        assert_eq!(inner.unwrap_err().sqlstate(), Some("25P02"));
        // The outer transaction is as it was before.
        tx.execute("INSERT INTO t VALUES (3)", ())
    })
    .unwrap();
    assert_eq!(count(), 2);
}

#[test]
fn a_constraint_that_waits_for_the_commit_is_no_passing_trouble() {
    let db = postgres("tx");
    db.execute("CREATE TABLE t (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)", ()).unwrap();
    let twice = db.execute_many("INSERT INTO t VALUES (:id)", [1, 1].map(|id| params! { id: id }));
    let error = twice.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Constraint, false), "{}", error.report());
    // It is the commit's error and not the end of the connection, and nothing is kept.
    db.transaction(|tx| tx.execute("INSERT INTO t VALUES (2)", ())).unwrap();
    assert_eq!(server().psql(db.name(), "SELECT id FROM t").unwrap(), "2");
    assert_eq!((db.pool_status().opened, db.pool_status().invalid), (1, 0));
}

#[test]
fn a_panic_within_savepoints_costs_one_connection() {
    let db = postgres("tx");
    let count = with_table(&db);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        db.transaction(|tx| {
            tx.transaction(|inner| {
                inner.transaction(|innermost| -> Result<(), Error> {
                    innermost.execute("INSERT INTO t VALUES (1)", ())?;
                    panic!("on purpose")
                })
            })
        })
    }));
    assert!(panicked.is_err());
    assert_eq!((count(), db.pool_status().invalid), (0, 1));
}

#[test]
fn several_statements_are_one_transaction() {
    let db = postgres("tx");
    let count = with_table(&db);
    let results = db
        .execute_transaction([
            ("INSERT INTO t VALUES (:id)", params! { id: 1 }),
            ("SELECT id FROM t", params! {}),
        ])
        .unwrap();
    assert_eq!((results.len(), results[0].len(), results[1].len()), (2, 0, 1));
    let error = db
        .execute_transaction([
            ("INSERT INTO t VALUES (:id)", params! { id: 2 }),
            ("INSERT INTO t VALUES (:id)", params! { id: 1 }),
        ])
        .unwrap_err();
    assert!(error.to_string().contains("statement 2"), "{error}");
    assert_eq!(count(), 1);
}

#[test]
fn isolation_and_read_only_reach_the_server() {
    let db = postgres("tx");
    let options = TransactionOptions::new().isolation(Isolation::Serializable).read_only();
    let level = db
        .transaction_with(options, |tx| {
            tx.query_one("SELECT current_setting('transaction_isolation') AS level", ())
        })
        .unwrap();
    assert_eq!(level.get::<String>("level").unwrap(), "serializable");
    let error = db.transaction_with(options, |tx| tx.execute("CREATE TABLE t (id int)", ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
}

#[test]
fn transactions_are_not_begun_by_text() {
    let db = postgres("tx");
    for text in ["BEGIN", "commit", "-- x\n ROLLBACK", "SAVEPOINT a", "START TRANSACTION"] {
        assert_eq!(db.execute(text, ()).unwrap_err().kind(), ErrorKind::Usage, "{text}");
    }
    assert_eq!(db.pool_status().opened, 1);
}

#[test]
fn a_connection_that_fails_in_a_transaction_has_undone_it() {
    let db = postgres("tx");
    let count = with_table(&db);
    let error = db
        .transaction(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            let pid = backend_pid(tx);
            server().psql("postgres", &format!("SELECT pg_terminate_backend({pid})")).unwrap();
            let _ = tx.execute("INSERT INTO t VALUES (2)", ());
            Ok::<_, Error>(())
        })
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(count(), 0);
}

#[test]
fn a_read_only_database_refuses_writes_on_both_sides() {
    let db = fresh("tx").read_only(true).build().unwrap();
    assert_eq!(db.execute("CREATE TABLE t (id int)", ()).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(db.pool_status().opened, 1);
    let on = db.query_one("SELECT current_setting('default_transaction_read_only') AS v", ()).unwrap();
    assert_eq!(on.get::<String>("v").unwrap(), "on");
    // What hides in a function gets past the client, and not past the server.
    let create = "CREATE FUNCTION sneak() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE t (id int); RETURN 1; END $$";
    server().psql(db.name(), create).unwrap();
    let hidden = db.query_one("SELECT sneak()", ()).unwrap_err();
    assert_eq!(hidden.kind(), ErrorKind::ReadOnly, "{}", hidden.report());
}

#[test]
fn a_commit_that_comes_too_late_leaves_no_transaction_behind() {
    let db = postgres("tx");
    let count = with_table(&db);
    let late = db.with_deadline(Duration::from_millis(300)).transaction(|tx| {
        tx.execute("INSERT INTO t VALUES (1)", ())?;
        std::thread::sleep(Duration::from_millis(400));
        Ok::<_, Error>(())
    });
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout(Phase::Commit));
    assert_eq!(count(), 0);
    // The next borrower's commit is its own.
    db.transaction(|tx| tx.execute("INSERT INTO t VALUES (2)", ())).unwrap();
    assert_eq!(server().psql(db.name(), "SELECT id FROM t").unwrap(), "2");
}
