//! Rows one by one: all of them or an error, an early end, a slow reader.

use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, DatabaseManagerBuilder, Error, ErrorKind, Session, params};

use crate::common::{backend_pid, eventually, fresh, postgres};
use crate::odbc::{psql_odbc_with, sqlite_at};

/// More than any buffer on the way holds.
const MANY: &str = "SELECT generate_series(1, 3000000) AS i, repeat('x', 100) AS note";

/// psqlODBC reads a whole result ahead unless it is told to fetch by a cursor.
fn psql_odbc() -> DatabaseManager {
    psql_odbc_with("stream", "UseDeclareFetch=1;Fetch=100;").build().unwrap()
}

/// How many sessions run something like this on the database, but for the one that asks.
fn running(db: &DatabaseManager, what: &str) -> i64 {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
               AND state = 'active' AND query LIKE :what AND pid <> pg_backend_pid()";
    db.query_one(sql, params! { what: what }).unwrap().get("n").unwrap()
}

fn numbers(session: &mut Session<'_>, sql: &str) -> Result<Vec<i64>, Error> {
    session.query_iter(sql, ())?.map(|row| row?.get(0)).collect()
}

#[test]
fn an_iterator_gives_every_row_once_and_then_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    let unprepared = fresh("stream").statement_cache(0).build().unwrap();
    for db in [postgres("stream"), unprepared, psql_odbc(), sqlite] {
        let sql = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) \
                   SELECT i AS \"First\", i * 2 AS twice FROM c";
        db.session(|session| {
            let mut rows = session.query_iter(sql, ())?;
            let mut expected = 0;
            for row in rows.by_ref() {
                let row = row?;
                expected += 1;
                assert_eq!((row.get::<i64>("First")?, row.get::<i64>(1)?), (expected, expected * 2));
            }
            assert_eq!(expected, 5000);
            assert_eq!(rows.columns().collect::<Vec<_>>(), ["First", "twice"]);
            assert!(rows.next().is_none() && rows.next().is_none());
            assert_eq!(rows.finish()?, 5000);
            // The session goes on, with the same connection.
            assert_eq!(numbers(session, "SELECT 7 AS n")?, [7]);
            Ok::<_, Error>(())
        })
        .unwrap();
        assert_eq!((db.pool_status().opened, db.pool_status().invalid), (1, 0), "{}", db.name());
    }
}

#[test]
fn the_columns_are_known_before_the_first_row_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    for db in [postgres("stream"), psql_odbc(), sqlite] {
        db.session(|session| {
            let mut rows = session.query_iter("SELECT 1 AS a, 2 AS b WHERE 1 = 2", ())?;
            assert_eq!(rows.columns().collect::<Vec<_>>(), ["a", "b"], "{}", db.name());
            assert!(rows.next().is_none());
            Ok::<_, Error>(())
        })
        .unwrap();
    }
}

#[test]
fn what_is_wrong_with_a_statement_is_said_at_once() {
    for db in [postgres("stream"), psql_odbc()] {
        let kind =
            |sql: &str| db.session(|session| session.query_iter(sql, ()).map(drop)).unwrap_err().kind();
        assert_eq!(kind("SELEC 1"), ErrorKind::Syntax);
        assert_eq!(kind("SELECT * FROM nowhere"), ErrorKind::Syntax);
        assert_eq!(kind("COMMIT"), ErrorKind::Usage);
        assert_eq!(db.pool_status().invalid, 0);
    }
    let reader = fresh("stream").read_only(true).build().unwrap();
    let refused = reader.session(|session| session.query_iter("DELETE FROM t", ()).map(drop));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn a_stream_that_is_dropped_is_cancelled_on_the_server() {
    for db in [postgres("stream"), psql_odbc()] {
        let sql = MANY.replace("AS note", "AS dropped");
        let first = db.session(|session| session.query_iter(&sql, ())?.next().unwrap()?.get::<i64>(0));
        assert_eq!(first.unwrap(), 1);
        eventually("the query is gone", || running(&db, "%AS dropped%") == 0);
        assert_eq!(db.pool_status().invalid, 1, "{}", db.name());
        eventually("no thread is left behind", || db.pool_status().abandoned == 0);
    }
}

#[test]
fn the_rest_of_a_short_result_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    for db in [postgres("stream"), sqlite] {
        db.execute("CREATE TABLE t (n INTEGER)", ()).unwrap();
        let opened = db.pool_status().opened;
        db.transaction(|tx| {
            let sql = "SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3";
            assert_eq!(tx.query_iter(sql, ())?.next().unwrap()?.get::<i64>("n")?, 1);
            tx.execute("INSERT INTO t VALUES (7)", ())
        })
        .unwrap();
        assert_eq!(db.query_one("SELECT n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 7);
        assert!(db.pool_status().opened <= opened + 1 && db.pool_status().invalid == 0, "{}", db.name());
    }
}

#[test]
fn a_transaction_whose_stream_was_dropped_is_rolled_back_and_says_why() {
    for db in [postgres("stream"), psql_odbc()] {
        db.execute("CREATE TABLE t (n int)", ()).unwrap();
        let mut attempts = 0;
        let error = db
            .transaction(|tx| {
                attempts += 1;
                tx.execute("INSERT INTO t VALUES (1)", ())?;
                tx.query_iter(MANY, ())?.next().unwrap()?;
                Ok::<_, Error>(())
            })
            .unwrap_err();
        // To do it again would end the same way.
        assert_eq!((error.kind(), attempts), (ErrorKind::Usage, 1), "{}", error.report());
        assert!(error.to_string().contains("ended before its last row"), "{error}");
        let error = db
            .session(|session| {
                session.query_iter(MANY, ())?.next().unwrap()?;
                session.execute("INSERT INTO t VALUES (2)", ())
            })
            .unwrap_err();
        assert!(error.to_string().contains("ended before its last row"), "{error}");
        let refused = db.transaction(|tx| {
            tx.query_iter(MANY, ())?.next().unwrap()?;
            Err::<(), _>(Mine("mine"))
        });
        assert_eq!(refused.unwrap_err().0, "mine");
        assert_eq!(db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 0);
    }
}

#[test]
fn an_error_in_the_midst_of_the_rows_is_never_their_end() {
    for db in [postgres("stream"), psql_odbc()] {
        let sql = "SELECT i, 1 / (20000 - i) AS part FROM generate_series(1, 30000) AS i";
        db.session(|session| {
            let mut rows = session.query_iter(sql, ())?;
            let (mut read, mut failed) = (0, None);
            for row in rows.by_ref() {
                match row {
                    Ok(_) => read += 1,
                    Err(error) => failed = Some(error),
                }
            }
            let error = failed.expect("the rows ended without an error");
            assert_eq!(error.sqlstate(), Some("22012"), "{}", error.report());
            assert_eq!((error.operation(), error.database()), (Some("query_iter"), Some(db.name())));
            assert!(read < 20_000, "{read}");
            assert!(rows.next().is_none());
            Ok::<_, Error>(())
        })
        .unwrap();
    }
}

#[test]
fn a_connection_that_is_cut_in_mid_stream_is_an_error() {
    for db in [postgres("stream"), psql_odbc()] {
        let outcome = db.session(|session| {
            let pid = backend_pid(session);
            let mut read = 0_u64;
            for row in session.query_iter(MANY, ())? {
                row?;
                read += 1;
                if read == 1000 {
                    db.execute_query("SELECT pg_terminate_backend(:pid::int)", params! { pid: pid })?;
                }
            }
            Ok::<_, Error>(read)
        });
        let error = outcome.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Connect | ErrorKind::OutcomeUnknown),
            "{} {}",
            db.name(),
            error.report()
        );
        assert_eq!(numbers_of(&db), [7]);
    }
}

fn numbers_of(db: &DatabaseManager) -> Vec<i64> {
    db.session(|session| numbers(session, "SELECT 7 AS n")).unwrap()
}

#[test]
fn a_slow_reader_holds_the_server_back() {
    let db = postgres("stream");
    let sql = MANY.replace("AS note", "AS held_back");
    db.session(|session| {
        let mut rows = session.query_iter(&sql, ())?;
        rows.next().unwrap()?;
        let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%AS held_back%' \
                     AND wait_event = 'ClientWrite'";
        let waiting = || db.query_one(waits, ()).unwrap().get::<i64>("n").unwrap() == 1;
        eventually("the server waits for its reader", waiting);
        thread::sleep(Duration::from_millis(300));
        assert!(waiting(), "the server went on by itself");
        rows.next().unwrap()?;
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn the_time_of_the_reader_does_not_count_and_a_silent_server_does() {
    let with = |builder: DatabaseManagerBuilder| builder.timeout(Duration::from_millis(300)).build().unwrap();
    let dbs = [with(fresh("stream")), with(psql_odbc_with("stream", "UseDeclareFetch=1;Fetch=1;"))];
    for db in dbs {
        let sql = "SELECT i, pg_sleep(CASE WHEN i = 4 THEN 30 ELSE 0 END) FROM generate_series(1, 9) AS i";
        let outcome = db.session(|session| {
            for row in session.query_iter(sql, ())? {
                row?;
                thread::sleep(Duration::from_millis(350));
            }
            Ok::<_, Error>(())
        });
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout(_)), "{}", error.report());
        eventually("the query is gone", || running(&db, "%pg_sleep(CASE%") == 0);
    }
}

#[test]
fn a_write_is_carried_out_to_its_end_and_says_how_that_went() {
    let db = postgres("stream");
    db.execute("CREATE TABLE t (n int CHECK (n < 20000))", ()).unwrap();
    let count = || db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap();
    let insert = "INSERT INTO t SELECT generate_series(1, :n::int) RETURNING n, repeat('x', 1000) AS note";
    let read_one = |session: &mut Session<'_>, n: i32, tell: bool| {
        let mut rows = session.query_iter(insert, params! { n: n })?;
        rows.next().unwrap()?;
        if tell { rows.finish().map(drop) } else { Ok::<_, Error>(()) }
    };
    db.session(|session| read_one(session, 10_000, false)).unwrap();
    assert_eq!(count(), 10_000);
    db.transaction(|tx| read_one(tx, 5_000, true)).unwrap();
    assert_eq!(count(), 15_000);
    // Whoever does not ask is not told, but the transaction knows.
    for tell in [true, false] {
        let error = db.transaction(|tx| read_one(tx, 30_000, tell)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Constraint | ErrorKind::Database), "{}", error.report());
    }
    assert_eq!(count(), 15_000);
    let unread = db.session(|session| {
        let sql =
            "INSERT INTO t SELECT generate_series(1, 10) RETURNING CASE n WHEN 2 THEN ROW(1::money) END";
        session.query_iter(sql, ())?.collect::<Result<Vec<_>, _>>()
    });
    let error = unread.unwrap_err();
    assert!(error.to_string().contains("was carried out"), "{error}");
    assert_eq!(count(), 15_010);
}

#[test]
fn a_write_whose_rows_cannot_be_read_says_that_it_was_carried_out() {
    let db = psql_odbc();
    db.execute("CREATE TABLE t (n int, price money, due date)", ()).unwrap();
    // What the driver cannot carry: a column of that type, and that value in a row.
    for returned in ["price", "due"] {
        let sql = format!("INSERT INTO t VALUES (1, 5, 'infinity') RETURNING {returned}");
        type Runs = fn(&DatabaseManager, &str) -> Result<(), Error>;
        let ways: [Runs; 3] = [
            |db, sql| db.execute_query(sql, ()).map(drop),
            |db, sql| db.query_each(sql, (), |_| Ok::<_, Error>(true)).map(drop),
            |db, sql| db.session(|session| session.query_sets(sql, ())).map(drop),
        ];
        for way in ways {
            let count = || db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap();
            let before = count();
            let error = way(&db, &sql).unwrap_err();
            assert!(error.kind() == ErrorKind::Decode && !error.is_transient(), "{error}");
            assert!(error.to_string().contains("was carried out, but"), "{error}");
            assert_eq!(count(), before + 1);
            // Within a transaction its end decides, which says nothing of that.
            let sql = sql.as_str();
            let error = db.transaction(|tx| tx.execute_query(sql, ())).unwrap_err();
            assert!(error.kind() == ErrorKind::Decode && !error.to_string().contains("carried"), "{error}");
            assert_eq!(count(), before + 1);
        }
    }
}

#[test]
fn a_result_that_cannot_be_read_is_no_lost_connection_to_what_follows() {
    let db = psql_odbc();
    db.execute("CREATE TABLE t (n int)", ()).unwrap();
    // The driver does not say in which zone such a column is, so that nobody can read it.
    const UNREADABLE: &str = "SELECT now() AS at";
    type Swallows = fn(&mut batchdb::Transaction<'_, '_>) -> Result<(), Error>;
    let ways: [Swallows; 3] = [
        |tx| tx.query_iter(UNREADABLE, ()).map(drop),
        |tx| tx.query_each(UNREADABLE, (), |_| Ok::<_, Error>(true)).map(drop),
        |tx| tx.transaction(|tx| tx.query_iter(UNREADABLE, ()).map(drop)),
    ];
    for way in ways {
        let mut attempts = 0;
        let error = db
            .transaction(|tx| {
                attempts += 1;
                tx.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'", ())?;
                let swallowed = way(tx).unwrap_err();
                assert_eq!(swallowed.kind(), ErrorKind::Decode, "{swallowed}");
                tx.execute("INSERT INTO t VALUES (1)", ())
            })
            .unwrap_err();
        // Another attempt would end the same way, and the reason is told.
        assert_eq!((error.kind(), attempts), (ErrorKind::Decode, 1), "{}", error.report());
    }
    // Where nothing follows, the commit says it.
    let mut attempts = 0;
    let error = db
        .transaction(|tx| {
            attempts += 1;
            tx.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'", ())?;
            let _ = tx.query_iter(UNREADABLE, ());
            Ok::<_, Error>(())
        })
        .unwrap_err();
    assert_eq!((error.kind(), attempts), (ErrorKind::Decode, 1), "{}", error.report());
    assert_eq!(db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 0);
}

#[test]
fn a_panic_between_two_rows_costs_the_connection_and_nothing_else() {
    for db in [postgres("stream"), psql_odbc()] {
        let sql = MANY.replace("AS note", "AS panicked");
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            db.session(|session| {
                let mut rows = session.query_iter(&sql, ())?;
                rows.next().unwrap()?;
                if rows.next().is_some() {
                    panic!("on purpose");
                }
                Ok::<_, Error>(())
            })
        }));
        assert!(caught.is_err());
        eventually("the query is gone", || running(&db, "%AS panicked%") == 0);
        assert_eq!(numbers_of(&db), [7]);
    }
}

/// An error of the program's own.
#[derive(Debug)]
struct Mine(&'static str);

impl From<Error> for Mine {
    fn from(_: Error) -> Mine {
        Mine("database")
    }
}
