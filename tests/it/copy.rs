//! From one database into another: all of it or nothing, at the pace of the slower side, and promptly at an end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use batchdb::{
    BulkOptions, CancelToken, DatabaseManager, ErrorKind, copy_query, copy_table, params, with_cancel,
};

use crate::common::{eventually, fresh, postgres, timed};
use crate::odbc::{psql_odbc, psql_odbc_with, sqlite_at};

const SOON: Duration = Duration::from_secs(5);

fn count(db: &DatabaseManager, table: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap()
}

/// How many sessions of the database run something like this.
fn running(db: &DatabaseManager, what: &str) -> i64 {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
               AND state = 'active' AND query LIKE :what AND pid <> pg_backend_pid()";
    db.query_one(sql, params! { what: what }).unwrap().get("n").unwrap()
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, name text, n bigint, x float8)";
const FILL: &str = "INSERT INTO t SELECT i, CASE WHEN i % 3 > 0 THEN 'é€😀 \"' || i END, i::bigint * 10000000000, \
                    i / 8.0 FROM generate_series(1, 5000) AS i";

/// A number that tells tables apart.
fn sum(db: &DatabaseManager) -> String {
    let rows = db.execute_query("SELECT id, name, n, x FROM t ORDER BY id", ()).unwrap();
    let told: String = rows.iter().map(|row| row.to_json().unwrap().to_string()).collect();
    format!("{} rows, {} characters, the last {}", rows.len(), told.len(), &told[told.len() - 80..])
}

#[test]
fn a_table_goes_to_sqlite_and_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    sqlite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n BIGINT, x DOUBLE)", ()).unwrap();
    let (first, last, odbc) = (postgres("copy"), postgres("copy"), psql_odbc("copy"));
    for db in [&first, &last, &odbc] {
        db.execute(TABLE, ()).unwrap();
    }
    first.execute(FILL, ()).unwrap();
    let mut told = Vec::new();
    let options = BulkOptions::new().chunk_rows(2_000).progress(|rows| told.push(rows));
    assert_eq!(copy_table(&first, "public.t", &sqlite, "t", options).unwrap().rows, 5_000);
    assert_eq!(told, [2_000, 4_000, 5_000]);
    assert_eq!(copy_table(&sqlite, "t", &odbc, "t", BulkOptions::new()).unwrap().rows, 5_000);
    assert_eq!(copy_table(&odbc, "t", &last, "public.t", BulkOptions::new()).unwrap().rows, 5_000);
    assert_eq!(sum(&sqlite), sum(&first));
    assert_eq!(sum(&odbc), sum(&first));
    assert_eq!(sum(&last), sum(&first));
}

#[test]
fn a_query_names_the_columns_and_takes_parameters() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    from.execute(TABLE, ()).unwrap();
    from.execute(FILL, ()).unwrap();
    to.execute("CREATE TABLE few (name text, the_id int, at timestamptz DEFAULT now())", ()).unwrap();
    let sql = "SELECT id AS the_id, name FROM t WHERE id IN (:ids)";
    let report =
        copy_query(&from, sql, params! { ids: vec![1, 2, 3] }, &to, "few", BulkOptions::new()).unwrap();
    assert_eq!((report.rows, count(&to, "few WHERE at IS NOT NULL")), (3, 3));
    let none =
        copy_query(&from, "SELECT id AS the_id FROM t WHERE id < 0", (), &to, "few", BulkOptions::new());
    assert_eq!(none.unwrap().rows, 0);
    // Both sides may be one database, where it has two connections for that.
    from.execute("CREATE TABLE u (id int)", ()).unwrap();
    assert_eq!(
        copy_query(&from, "SELECT id FROM t", (), &from, "u", BulkOptions::new()).unwrap().rows,
        5_000
    );
}

#[test]
fn one_connection_for_both_sides_is_refused_at_once() {
    let db = fresh("copy").pool_size(1).max_overflow(0).build().unwrap();
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    let (failure, took) = timed(|| copy_table(&db, "t", &db, "t", BulkOptions::new()).unwrap_err());
    assert_eq!(failure.error.kind(), ErrorKind::Usage, "{failure}");
    assert!(took < SOON && failure.error.to_string().contains("one pool"), "{failure}");
    // Two pools of one connection each are enough.
    let other = postgres("copy");
    other.execute("CREATE TABLE t (id int)", ()).unwrap();
    copy_table(&db, "t", &other, "t", BulkOptions::new()).unwrap();
}

#[test]
fn an_error_of_either_side_ends_both_and_is_the_one_that_is_told() {
    for from in [postgres("copy"), psql_odbc_with("copy", "UseDeclareFetch=1;").build().unwrap()] {
        let to = postgres("copy");
        to.execute("CREATE TABLE t (i int PRIMARY KEY CHECK (i < 100000))", ()).unwrap();
        let copy = |sql: &str| copy_query(&from, sql, (), &to, "t", BulkOptions::new()).unwrap_err().error;
        let error = copy(
            "SELECT CASE WHEN 1 / (50000 - i) IS NULL THEN 0 ELSE i END AS i FROM generate_series(1, 60000) AS i",
        );
        assert_eq!(
            (error.sqlstate(), error.database()),
            (Some("22012"), Some(from.name())),
            "{}",
            error.report()
        );
        let error = copy("SELECT nothing FROM nowhere");
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Syntax, Some("copy_query")), "{error}");
        let error = copy("SELECT generate_series(1, 100000000) AS i");
        assert_eq!((error.kind(), error.database()), (ErrorKind::Constraint, Some(to.name())), "{error}");
        let error = copy("SELECT generate_series(1, 100000000) AS nope");
        assert_eq!((error.kind(), error.database()), (ErrorKind::Syntax, Some(to.name())), "{error}");
        eventually("the query is gone", || running(&from, "%generate_series(1, 100000000)%") == 0);
        assert_eq!(count(&to, "t"), 0);
    }
}

#[test]
fn a_side_that_waits_is_woken_by_the_end_of_the_other() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    to.execute("CREATE TABLE t (i int)", ()).unwrap();
    // The reading side sleeps on its server while the writing side has failed already.
    let sql = "SELECT CASE WHEN i = 100000 THEN pg_sleep(60)::text ELSE 'no number ' || repeat('x', 50) END AS i \
               FROM generate_series(1, 100000) AS i";
    let options = BulkOptions::new().chunk_rows(10);
    let (failure, took) = timed(|| copy_query(&from, sql, (), &to, "t", options).unwrap_err());
    assert_eq!(failure.error.kind(), ErrorKind::Data, "{failure}");
    assert!(took < SOON, "{took:?}");
    eventually("the query is gone", || running(&from, "%pg_sleep%") == 0);
    // The writing side waits for a lock while the reading side fails.
    to.session(|holder| {
        holder.transaction(|tx| {
            tx.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", ())?;
            let sql = "SELECT CASE WHEN i = 1500 THEN pg_sleep(1)::text::int ELSE i END AS i FROM generate_series(1, 9000) AS i";
            let (failure, took) =
                timed(|| copy_query(&from, sql, (), &to, "t", BulkOptions::new()).unwrap_err());
            assert_eq!(failure.error.database(), Some(from.name()), "{failure}");
            assert!(took < SOON, "{took:?}");
            Ok::<_, batchdb::Error>(())
        })
    })
    .unwrap();
    assert_eq!(count(&to, "t"), 0);
}

#[test]
fn a_panic_of_the_callback_ends_both_and_leaves_nothing() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    to.execute("CREATE TABLE t (i int)", ()).unwrap();
    let sql = "SELECT generate_series(1, 100000000) AS i";
    let (caught, took) = timed(|| {
        catch_unwind(AssertUnwindSafe(|| {
            let options =
                BulkOptions::new().chunk_rows(5_000).progress(|rows| assert!(rows < 20_000, "on purpose"));
            copy_query(&from, sql, (), &to, "t", options)
        }))
    });
    assert!(caught.is_err() && took < SOON, "{took:?}");
    eventually("the query is gone", || running(&from, "%100000000%") == 0);
    assert_eq!(count(&to, "t"), 0);
}

#[test]
fn the_slower_side_sets_the_pace() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    to.execute("CREATE TABLE t (i int, paced text)", ()).unwrap();
    let sql = "SELECT generate_series(1, 1000000) AS i, repeat('x', 200) AS paced";
    let told = std::cell::Cell::new(0);
    let options = BulkOptions::new().chunk_rows(1_000).progress(|rows| {
        told.set(rows);
        if rows == 5_000 {
            let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%AS paced%' \
                         AND wait_event = 'ClientWrite'";
            let waiting = || from.query_one(waits, ()).unwrap().get::<i64>("n").unwrap() == 1;
            eventually("the reading server waits", waiting);
            thread::sleep(Duration::from_millis(200));
            assert!(waiting(), "the server went on by itself");
            panic!("enough");
        }
    });
    assert!(catch_unwind(AssertUnwindSafe(|| copy_query(&from, sql, (), &to, "t", options))).is_err());
    assert_eq!((told.get(), count(&to, "t")), (5_000, 0));
}

#[test]
fn being_told_to_stop_reaches_both_sides() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    to.execute("CREATE TABLE t (i int, told boolean)", ()).unwrap();
    let token = CancelToken::new();
    let sql = "SELECT i, pg_sleep(CASE WHEN i = 2000 THEN 60 ELSE 0 END)::text IS NULL AS told FROM generate_series(1, 9000) AS i";
    let (outcome, took) = timed(|| {
        thread::scope(|scope| {
            let teller = scope.spawn(|| {
                eventually("the query runs", || running(&from, "%AS told%") == 1);
                token.cancel();
            });
            let outcome = with_cancel(&token, Duration::from_millis(100), || {
                copy_query(&from, sql, (), &to, "t", BulkOptions::new())
            });
            teller.join().unwrap();
            outcome
        })
    });
    assert_eq!(outcome.unwrap_err().error.kind(), ErrorKind::Cancelled);
    assert!(took < SOON * 2, "{took:?}");
    eventually("the query is gone", || running(&from, "%AS told%") == 0);
    assert_eq!(count(&to, "t"), 0);
}

#[test]
fn chunks_that_were_committed_stay_and_are_told() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    to.execute("CREATE TABLE t (i int)", ()).unwrap();
    let sql = "SELECT i, 1 / (50000 - i) AS x FROM generate_series(1, 60000) AS i";
    to.execute("ALTER TABLE t ADD COLUMN x int", ()).unwrap();
    let options = BulkOptions::new().chunk_rows(10_000).commit_chunks();
    let failure = copy_query(&from, sql, (), &to, "t", options).unwrap_err();
    assert!(failure.report.rows > 0 && failure.report.rows < 50_000, "{failure}");
    assert_eq!(failure.report.rows, count(&to, "t") as u64);
}

#[test]
fn one_sqlite_file_may_be_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).timeout(Duration::from_secs(5)).build().unwrap();
    db.execute("CREATE TABLE t (id INTEGER)", ()).unwrap();
    db.execute("CREATE TABLE u (id INTEGER)", ()).unwrap();
    db.execute_many("INSERT INTO t VALUES (:id)", (0..5_000).map(|id| params! { id: id })).unwrap();
    // SQLite lets one read while another writes until that one commits, by when all was read.
    copy_table(&db, "t", &db, "u", BulkOptions::new()).unwrap();
    assert_eq!(count(&db, "u"), 5_000);
}

#[test]
fn the_time_of_a_task_is_over_on_both_sides() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    to.execute("CREATE TABLE t (i int)", ()).unwrap();
    let sql = "SELECT 1 AS i, pg_sleep(60)";
    let options = batchdb::MapOptions::default().timeout(Duration::from_millis(300));
    let (results, took) = timed(|| {
        batchdb::map_tasks([()], options, |()| {
            copy_query(&from, sql, (), &to, "t", BulkOptions::new()).map_err(batchdb::Error::from)
        })
    });
    let record = results.iter().next().unwrap();
    assert_eq!(record.state(), batchdb::TaskState::TimedOut, "{record:?}");
    assert!(took < SOON, "{took:?}");
    eventually("the query is gone", || running(&from, "%pg_sleep%") == 0);
}

#[test]
fn a_limit_on_the_whole_of_either_handle_ends_both_sides() {
    const LIMIT: Duration = Duration::from_millis(900);
    let first = "SELECT 1 AS i, pg_sleep(25) IS NULL AS told";
    let later = "SELECT i, pg_sleep(CASE WHEN i = 2000 THEN 25 ELSE 0 END) IS NULL AS told \
                 FROM generate_series(1, 9000) AS i";
    let open = |odbc| if odbc { psql_odbc("copy") } else { postgres("copy") };
    for (from, to) in [(open(false), open(false)), (open(true), open(true))] {
        to.execute("CREATE TABLE t (i int, told boolean)", ()).unwrap();
        let check = |from: &DatabaseManager, to: &DatabaseManager, sql: &str| {
            let (failure, took) =
                timed(|| copy_query(from, sql, (), to, "t", BulkOptions::new()).unwrap_err());
            let error = &failure.error;
            assert!(matches!(error.kind(), ErrorKind::Timeout(_)) && error.is_transient(), "{failure:?}");
            assert!(error.to_string().contains("limit of 900ms") && error.database().is_some(), "{error}");
            assert!(error.operation().is_some(), "{error}");
            assert!(took < LIMIT + Duration::from_millis(500), "{took:?}");
            eventually("the query is gone", || running(from, "%AS told%") == 0);
            assert_eq!(count(to, "t"), 0);
        };
        for sql in [first, later] {
            check(&from, &to.with_deadline(LIMIT), sql);
            check(&from.with_deadline(LIMIT), &to, sql);
        }
        // The writing side waits for a lock, and the reading side for a place in the channel.
        let locked = to.session(|holder| {
            holder.transaction(|tx| {
                tx.execute("LOCK TABLE t IN EXCLUSIVE MODE", ())?;
                let sql = "SELECT i, true AS told FROM generate_series(1, 100000) AS i";
                let began = std::time::Instant::now();
                let from = from.with_deadline(LIMIT);
                let failure = copy_query(&from, sql, (), &to, "t", BulkOptions::new()).unwrap_err();
                Ok::<_, batchdb::Error>((failure, began.elapsed()))
            })
        });
        let (failure, took) = locked.unwrap();
        assert!(matches!(failure.error.kind(), ErrorKind::Timeout(_)), "{failure:?}");
        assert!(took < LIMIT + Duration::from_millis(500), "{took:?}");
    }
}

#[test]
fn a_reading_side_that_failed_makes_nobody_copy_twice_what_stays() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    to.execute("CREATE TABLE t (i int, told boolean)", ()).unwrap();
    let sql = "SELECT i, pg_sleep(CASE WHEN i = 8000 THEN 25 ELSE 0 END) IS NULL AS told \
               FROM generate_series(1, 9000) AS i";
    let copy = |from: &DatabaseManager, to: &DatabaseManager| {
        let options = BulkOptions::new().chunk_rows(1_000).commit_chunks();
        copy_query(from, sql, (), to, "t", options).unwrap_err()
    };
    let limit = Duration::from_secs(2);
    let slow = DatabaseManager::builder(from.name())
        .connection_string(crate::common::server().url_for(from.name()))
        .timeout(limit)
        .build()
        .unwrap();
    for failure in
        [copy(&from.with_deadline(limit), &to), copy(&from, &to.with_deadline(limit)), copy(&slow, &to)]
    {
        assert!(matches!(failure.error.kind(), ErrorKind::Timeout(_)), "{failure:?}");
        assert!(failure.report.rows > 0 && !failure.error.is_transient(), "{failure:?}");
    }
}

#[test]
fn an_error_names_the_call_that_the_program_has_made() {
    let (from, to) = (postgres("copy"), postgres("copy"));
    from.execute("CREATE TABLE t (id int)", ()).unwrap();
    from.execute("INSERT INTO t VALUES (NULL)", ()).unwrap();
    to.execute("CREATE TABLE t (id int NOT NULL)", ()).unwrap();
    let table = |source: &str, target: &str| {
        copy_table(&from, source, &to, target, BulkOptions::new()).unwrap_err().error
    };
    let query = |sql: &str, target: &str| {
        copy_query(&from, sql, (), &to, target, BulkOptions::new()).unwrap_err().error
    };
    let own = fresh("copy").pool_size(1).max_overflow(0).build().unwrap();
    for (error, side, call) in [
        (table("nope", "t"), from.name(), "copy_table"),
        (table("t", "nope"), to.name(), "copy_table"),
        (table("t", "t"), to.name(), "copy_table"),
        (query("SELECT nope FROM t", "t"), from.name(), "copy_query"),
        (query("SELECT id FROM t", "t"), to.name(), "copy_query"),
        (query("SELECT :id AS id", "t"), from.name(), "copy_query"),
        (
            copy_query(&from, "SELECT 1", batchdb::record(&7), &to, "t", BulkOptions::new())
                .unwrap_err()
                .error,
            from.name(),
            "copy_query",
        ),
        (copy_table(&own, "t", &own, "t", BulkOptions::new()).unwrap_err().error, own.name(), "copy_table"),
    ] {
        assert_eq!((error.operation(), error.database()), (Some(call), Some(side)), "{}", error.report());
    }
    // And each side counts it by that name.
    let counted = || {
        [&from, &to].map(|side| {
            let operations = side.metrics().operations;
            operations.iter().filter(|of| of.operation == "copy_table").map(|of| of.rows).sum::<u64>()
        })
    };
    from.execute("UPDATE t SET id = 7", ()).unwrap();
    let before = counted();
    copy_table(&from, "t", &to, "t", BulkOptions::new()).unwrap();
    assert_eq!(counted(), before.map(|rows| rows + 1));
}

#[test]
fn what_a_database_would_keep_as_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (postgres("copy"), sqlite_at(&folder.path().join("a.db")).build().unwrap());
    to.execute("CREATE TABLE t (id INTEGER, x REAL)", ()).unwrap();
    let copy = |x: &str| {
        let sql = format!("SELECT 1 AS id, 'Infinity'::float8 AS x UNION ALL SELECT 2, '{x}'");
        copy_query(&from, &sql, (), &to, "t", BulkOptions::new())
    };
    // SQLite would keep NULL.
    let error = copy("NaN").unwrap_err().error;
    assert!(error.kind() == ErrorKind::Params && error.to_string().contains("record 2"), "{error}");
    assert_eq!(count(&to, "t"), 0);
    copy("-Infinity").unwrap();
    let kept = "SELECT count(*) AS n FROM t WHERE x = 9e999 OR x = -9e999";
    assert_eq!(to.query_one(kept, ()).unwrap().get::<i64>("n").unwrap(), 2);
}
