//! Transactions, savepoints, isolation, deadlocks.

use std::sync::Barrier;
use std::thread;

use batchdb::{DatabaseManager, Error, ErrorKind, Isolation, TransactionOptions, params};

use crate::target::{Kind, Left, Target, Told};

/// What a closure fails with for its own sake.
#[derive(Debug)]
struct Enough;

impl From<Error> for Enough {
    fn from(error: Error) -> Enough {
        panic!("{}", error.report())
    }
}

fn count(db: &DatabaseManager, table: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap()
}

pub(crate) fn a_transaction_is_done_or_undone(target: &Target) -> Told {
    let db = target.db();
    let table = target.table(&db, "id int PRIMARY KEY");
    let insert = format!("INSERT INTO {table} VALUES (:id)");
    db.transaction(|tx| tx.execute(&insert, params! { id: 1 })).unwrap();
    assert_eq!(count(&db, &table), 1);
    let error = db
        .transaction(|tx| {
            tx.execute(&insert, params! { id: 2 })?;
            tx.execute(&insert, params! { id: 1 })
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
    let refused = db.transaction(|tx| {
        tx.execute(&insert, params! { id: 3 })?;
        Err::<(), _>(Enough)
    });
    assert!(refused.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.transaction(|tx| -> Result<(), Error> {
            tx.execute(&insert, params! { id: 4 })?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(count(&db, &table), 1);
    let error = db.execute("BEGIN TRANSACTION", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    Ok(())
}

pub(crate) fn what_was_written_in_a_transaction_that_nobody_ends_is_no_success(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let table = target.table(&db, "id int PRIMARY KEY");
    for sets in
        ["SET IMPLICIT_TRANSACTIONS ON", "SET NOCOUNT, IMPLICIT_TRANSACTIONS ON", "SET ANSI_DEFAULTS ON"]
    {
        let error = db.execute(&format!("{sets}; INSERT INTO {table} VALUES (1)"), ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{sets}: {}", error.report());
    }
    // A text within a text is not read here.
    let inner = format!("BEGIN TRANSACTION; INSERT INTO {table} VALUES (2)");
    for hidden in [format!("EXEC('{inner}')"), format!("EXEC sp_executesql N'{inner}'")] {
        let outcome = db.execute(&hidden, ());
        println!("    {}: {outcome:?}", &hidden[..20]);
        assert!(outcome.is_err(), "{hidden}");
    }
    assert_eq!(count(&db, &table), 0);
    Ok(())
}

pub(crate) fn a_savepoint_is_undone_by_itself(target: &Target) -> Told {
    let db = target.db();
    let table = target.table(&db, "id int PRIMARY KEY");
    let insert = format!("INSERT INTO {table} VALUES (:id)");
    db.transaction(|tx| {
        tx.execute(&insert, params! { id: 1 })?;
        tx.transaction(|inner| inner.execute(&insert, params! { id: 2 }))?;
        let undone = tx.transaction(|inner| {
            inner.execute(&insert, params! { id: 3 })?;
            inner.transaction(|deeper| deeper.execute(&insert, params! { id: 4 }))?;
            Err::<(), _>(Enough)
        });
        assert!(undone.is_err());
        tx.execute(&insert, params! { id: 5 })
    })
    .unwrap();
    let rows = db.execute_query(&format!("SELECT id FROM {table} ORDER BY id"), ()).unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<i64>(0).unwrap()).collect::<Vec<_>>(), [1, 2, 5]);
    // SQL Server undoes the whole transaction with a statement that fails (XACT_ABORT), and says so.
    let outcome = db.transaction(|tx| {
        tx.execute(&insert, params! { id: 6 })?;
        let _ = tx.transaction(|inner| inner.execute(&insert, params! { id: 1 }));
        tx.execute(&insert, params! { id: 7 })
    });
    let kept = count(&db, &table);
    match outcome {
        Ok(_) => assert!(!target.is_t_sql() && kept == 5, "{kept}"),
        Err(_) => assert!(target.is_t_sql() && kept == 3, "{kept}"),
    }
    Ok(())
}

pub(crate) fn a_swallowed_error_is_no_commit(target: &Target) -> Told {
    let db = target.db();
    let table = target.table(&db, "id int PRIMARY KEY");
    let insert = format!("INSERT INTO {table} VALUES (:id)");
    let swallowed = db.transaction(|tx| {
        tx.execute(&insert, params! { id: 1 })?;
        let _ = tx.execute(&insert, params! { id: 1 });
        Ok::<_, Error>(())
    });
    assert!(swallowed.is_err());
    assert_eq!(count(&db, &table), 0);
    Ok(())
}

pub(crate) fn a_transaction_that_its_batch_has_doomed_is_no_commit(target: &Target) -> Told {
    target.only_t_sql()?;
    target.not_on_babelfish("it undoes the statement alone, and the transaction stays good")?;
    let db = target.db();
    let table = target.table(&db, "id int PRIMARY KEY");
    // The batch itself has caught the error: the transaction cannot be committed, and the server knows.
    let doomed = format!(
        "BEGIN TRY INSERT INTO {table} VALUES (1); INSERT INTO {table} VALUES (1) END TRY BEGIN CATCH PRINT 'x' END CATCH"
    );
    let error = db.transaction(|tx| tx.execute(&doomed, ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database, "{}", error.report());
    assert_eq!(count(&db, &table), 0);
    Ok(())
}

/// The isolation level that the server says the session has.
fn level(session: &mut batchdb::Session<'_>, target: &Target) -> Result<String, Error> {
    let sql = target.say(
        "SELECT current_setting('transaction_isolation') AS level",
        "",
        "SELECT CAST(transaction_isolation_level AS varchar(10)) AS level FROM sys.dm_exec_sessions WHERE session_id = @@SPID",
    );
    session.query_one(sql, ())?.get("level")
}

pub(crate) fn isolation_is_the_transactions_alone(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("it has one level"));
    }
    target.not_on_babelfish("isolation levels are not those of SQL Server (escape hatch isolation_level)")?;
    let db = target.builder().pool_size(1).build().unwrap();
    let before = db.session(|session| level(session, target)).unwrap();
    let wanted = [
        (Isolation::RepeatableRead, target.say("repeatable read", "", "3")),
        (Isolation::Serializable, target.say("serializable", "", "4")),
        (Isolation::Snapshot, target.say("repeatable read", "", "5")),
    ];
    for (isolation, name) in wanted {
        if target.kind == Kind::SqlServer && isolation == Isolation::Snapshot {
            allow_snapshots(&db);
        }
        let inside = db
            .transaction_with(TransactionOptions::new().isolation(isolation), |tx| level(tx, target))
            .unwrap();
        assert_eq!(inside, name);
        assert_eq!(db.session(|session| level(session, target)).unwrap(), before, "after {name}");
        let failed =
            db.transaction_with(TransactionOptions::new().isolation(isolation), |_| Err::<(), _>(Enough));
        assert!(failed.is_err());
        assert_eq!(db.session(|session| level(session, target)).unwrap(), before, "after {name}");
    }
    Ok(())
}

fn allow_snapshots(db: &DatabaseManager) {
    let name: String = db.query_one("SELECT DB_NAME() AS name", ()).unwrap().get("name").unwrap();
    if name != "master" && name != "msdb" {
        let sql = format!("ALTER DATABASE [{name}] SET ALLOW_SNAPSHOT_ISOLATION ON");
        db.execute(&sql, ()).unwrap();
    }
}

pub(crate) fn a_snapshot_sees_no_later_commit(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("a transaction there is the one writer"));
    }
    let db = target.db();
    let table = target.table(&db, "id int PRIMARY KEY");
    target.not_on_babelfish("SNAPSHOT is not a level there")?;
    if target.kind == Kind::SqlServer {
        allow_snapshots(&db);
    }
    let options = TransactionOptions::new().isolation(Isolation::Snapshot);
    let (before, after) = db
        .transaction_with(options, |tx| {
            let sql = format!("SELECT count(*) AS n FROM {table}");
            let before: i64 = tx.query_one(&sql, ())?.get("n")?;
            db.execute(&format!("INSERT INTO {table} VALUES (1)"), ())?;
            Ok::<_, Error>((before, tx.query_one(&sql, ())?.get::<i64>("n")?))
        })
        .unwrap();
    assert_eq!((before, after, count(&db, &table)), (0, 0, 1));
    Ok(())
}

pub(crate) fn of_two_in_a_deadlock_one_is_tried_again(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("one writer at a time"));
    }
    let db = target.builder().pool_size(4).build().unwrap();
    let table = target.table(&db, "id int PRIMARY KEY, n int");
    db.execute(&format!("INSERT INTO {table} VALUES (1, 0), (2, 0)"), ()).unwrap();
    let update = format!("UPDATE {table} SET n = n + 1 WHERE id = :id");
    let both = Barrier::new(2);
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let work = |first: i64, second: i64| {
        let mut met = false;
        db.transaction(|tx| {
            attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tx.execute(&update, params! { id: first })?;
            if !std::mem::replace(&mut met, true) {
                both.wait();
            }
            tx.execute(&update, params! { id: second })
        })
        .map_err(|error| error.report())
    };
    let (one, two) = thread::scope(|scope| {
        let other = scope.spawn(|| work(2, 1));
        (work(1, 2), other.join().unwrap())
    });
    assert_eq!((one, two), (Ok(1), Ok(1)));
    assert_eq!(attempts.into_inner(), 3, "one of them was the victim, once");
    let sum: i64 = db.query_one(&format!("SELECT sum(n) AS n FROM {table}"), ()).unwrap().get("n").unwrap();
    assert_eq!(sum, 4);
    Ok(())
}
