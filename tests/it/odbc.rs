//! The same calls through real ODBC drivers: SQLite's, psqlODBC, and FreeTDS to a silent peer.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use batchdb::{
    DatabaseManager, DatabaseManagerBuilder, Error, ErrorKind, MigrateOnStart, Phase, Value, params,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::common::{eventually, server, timed, unique};

const GRACE: Duration = Duration::from_millis(500);

pub(crate) fn sqlite_at(file: &Path) -> DatabaseManagerBuilder {
    DatabaseManager::builder(&unique("sqlite"))
        .connection_string(format!("Driver=SQLite3;Database={}", file.display()))
        .migrate_on_start(MigrateOnStart::Off)
}

pub(crate) fn psql_odbc(prefix: &str) -> DatabaseManager {
    psql_odbc_with(prefix, "").build().unwrap()
}

/// A fresh database with more to say to the driver.
pub(crate) fn psql_odbc_with(prefix: &str, more: &str) -> DatabaseManagerBuilder {
    let name = unique(prefix);
    server().create_database(&name).unwrap();
    psql_odbc_to(&name, more)
}

fn psql_odbc_to(name: &str, more: &str) -> DatabaseManagerBuilder {
    let (server, password) = (server(), server().password());
    DatabaseManager::builder(name)
        .connection_string(format!(
            "Driver={{PostgreSQL Unicode}};Server={};Port={};Database={name};UID={};PWD={{{password}}};{more}",
            server.host(),
            server.port(),
            server.user(),
        ))
        .migrate_on_start(MigrateOnStart::Off)
}

#[test]
fn sqlite_carries_integers_reals_text_and_null() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, x REAL, name TEXT)", ()).unwrap();
    let long = "é€😀".repeat(2_000);
    for (id, n, x, name) in [
        (1, Value::Int(i64::MIN), Value::Float(0.1), Value::from("é€😀 'quoted' :name ? \\")),
        (2, Value::Int(i64::MAX), Value::Float(-1.5e300), Value::from(long.as_str())),
        (3, Value::Null, Value::Null, Value::Null),
        (4, Value::Int(0), Value::Float(0.0), Value::from("")),
    ] {
        let changed = db
            .execute(
                "INSERT INTO t (id, n, x, name) VALUES (:id, :n, :x, :name)",
                params! { id: id, n: n.clone(), x: x.clone(), name: name.clone() },
            )
            .unwrap();
        assert_eq!(changed, 1);
        let row = db.query_one("SELECT id, n, x, name FROM t WHERE id = :id", params! { id: id }).unwrap();
        assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "n", "x", "name"]);
        assert!(row["n"] == n && row["x"] == x && row["name"] == name, "{id}: {}", row.to_json().unwrap());
    }
    assert_eq!(db.query_one("SELECT 1 AS test_value", ()).unwrap().get::<i64>("test_value").unwrap(), 1);
    assert_eq!(db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 4);
    assert_eq!(db.execute("UPDATE t SET n = 1", ()).unwrap(), 4);
    assert!(db.execute_query("DELETE FROM t", ()).unwrap().is_empty());
}

#[test]
fn lists_and_nulls_work_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    db.execute("CREATE TABLE t (id INTEGER)", ()).unwrap();
    db.execute_many("INSERT INTO t VALUES (:id)", (1..=5).map(|id| params! { id: id })).unwrap();
    let count = |condition: &str, ids: Vec<i64>| -> i64 {
        let sql = format!("SELECT count(*) AS n FROM t WHERE id {condition}");
        db.query_one(&sql, params! { ids: ids }).unwrap().get("n").unwrap()
    };
    assert_eq!(count("IN (:ids)", vec![1, 3, 9]), 2);
    assert_eq!(count("NOT IN (:ids)", vec![1, 3, 9]), 3);
    assert_eq!(count("IN (:ids)", vec![]), 0);
    assert_eq!(count("NOT IN (:ids)", vec![]), 5);
}

#[test]
fn transactions_end_on_every_way_out_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)", ()).unwrap();
    let count = || db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap();
    db.transaction(|tx| tx.execute("INSERT INTO t VALUES (1)", ())).unwrap();
    assert_eq!(count(), 1);
    let error = db
        .transaction(|tx| {
            tx.execute("INSERT INTO t VALUES (2)", ())?;
            tx.execute("INSERT INTO t VALUES (1)", ())
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
    assert_eq!(count(), 1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.transaction(|tx| -> Result<(), Error> {
            tx.execute("INSERT INTO t VALUES (3)", ())?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(count(), 1);
    let error =
        db.execute_many("INSERT INTO t VALUES (:id)", [7, 8, 1].map(|id| params! { id: id })).unwrap_err();
    assert!(error.to_string().contains("record 3"), "{error}");
    assert_eq!(count(), 1);
    db.transaction(|tx| {
        tx.execute("INSERT INTO t VALUES (4)", ())?;
        let undone = tx.transaction(|savepoint| {
            savepoint.execute("INSERT INTO t VALUES (5)", ())?;
            Err::<(), _>(savepoint.execute("INSERT INTO t VALUES (4)", ()).unwrap_err())
        });
        assert!(undone.is_err());
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(count(), 2);
}

#[test]
fn a_read_only_sqlite_refuses_writes_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    // What is not there is not made.
    let db = sqlite_at(&file).read_only(true).build().unwrap();
    assert_eq!(db.execute_query("SELECT 1", ()).unwrap_err().kind(), ErrorKind::Connect);
    assert!(!file.exists());
    sqlite_at(&file).build().unwrap().execute("CREATE TABLE t (id INTEGER)", ()).unwrap();
    let db = sqlite_at(&file).read_only(true).build().unwrap();
    assert_eq!(db.execute("INSERT INTO t VALUES (1)", ()).unwrap_err().kind(), ErrorKind::ReadOnly);
    // To switch it off would be a write, and is refused before it is sent.
    assert_eq!(db.execute("PRAGMA query_only = 0", ()).unwrap_err().kind(), ErrorKind::ReadOnly);
    // The engine was told as well: this pragma, asked as a query, is its own word.
    let told = db.query_one("SELECT query_only FROM pragma_query_only", ()).unwrap();
    assert_eq!(told.get::<i64>(0).unwrap(), 1);
    // Read-only is the connection's, not the file's: another one writes, in the same process.
    sqlite_at(&file).build().unwrap().execute("INSERT INTO t VALUES (2)", ()).unwrap();
    assert_eq!(db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 1);
}

#[test]
fn a_read_only_postgres_refuses_writes_on_both_sides() {
    let db = psql_odbc("readonly");
    db.execute("CREATE TABLE t (id INTEGER)", ()).unwrap();
    db.execute(
        "CREATE FUNCTION hidden() RETURNS bigint LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING 1::bigint'",
        (),
    )
    .unwrap();
    assert_eq!(db.query_one("SELECT hidden() AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    let db = psql_odbc_to(db.name(), "").read_only(true).build().unwrap();
    for sql in
        ["INSERT INTO t VALUES (2)", "SELECT 1; DELETE FROM t", "SET default_transaction_read_only = off"]
    {
        assert_eq!(db.execute(sql, ()).unwrap_err().kind(), ErrorKind::ReadOnly, "{sql}");
    }
    // What looks like reading is refused by the server, in a transaction too.
    let refused = |outcome: Result<Vec<batchdb::Row>, Error>| {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.sqlstate()),
            (ErrorKind::ReadOnly, Some("25006")),
            "{}",
            error.report()
        );
    };
    refused(db.execute_query("SELECT hidden()", ()));
    refused(db.transaction(|tx| tx.execute_query("SELECT hidden()", ())));
    assert_eq!(db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 1);
}

#[test]
fn errors_leave_the_connection_usable() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    for (sql, kind) in
        [("SELECT * FROM nowhere", ErrorKind::Syntax), ("SELECT nothing FROM", ErrorKind::Syntax)]
    {
        let error = db.execute_query(sql, ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.report());
    }
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    assert_eq!(db.pool_status().opened, 1);
}

#[test]
fn a_slow_statement_is_cancelled_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    let endless = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c";
    let limit = Duration::from_millis(300);
    let (error, took) = timed(|| db.execute_query_with_timeout(endless, (), limit).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
    assert!(took >= limit && took < limit + GRACE, "{took:?}");
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    eventually("no thread is left behind", || db.pool_status().abandoned == 0);
}

#[test]
fn streams_are_bounded_and_may_end_early() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    let series = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT :n) SELECT i FROM c";
    let (mut count, mut sum) = (0, 0);
    db.query_each(series, params! { n: 50_000 }, |row| {
        count += 1;
        sum += row.get::<i64>(0)?;
        Ok::<_, Error>(true)
    })
    .unwrap();
    assert_eq!((count, sum), (50_000, 1_250_025_000));
    let mut seen = 0;
    db.query_each(series, params! { n: 50_000 }, |_| {
        seen += 1;
        Ok::<_, Error>(seen < 10)
    })
    .unwrap();
    assert_eq!(seen, 10);
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
}

#[test]
fn psqlodbc_gives_the_values_that_the_native_backend_gives() {
    let db = psql_odbc("psqlodbc");
    let decimal = |text: &str| Value::Decimal(Box::new(text.parse().unwrap()));
    let at: DateTime<Utc> = "2026-01-05T08:00:37.123456Z".parse().unwrap();
    for (ty, value) in [
        ("int2", Value::Int(i16::MIN.into())),
        ("int4", Value::Int(i32::MAX.into())),
        ("int8", Value::Int(i64::MIN)),
        ("float8", Value::Float(0.1)),
        ("float4", Value::Float(0.5)),
        ("numeric(30,10)", decimal("12345678901234567890.0123456789")),
        ("numeric(10,2)", decimal("-1.50")),
        ("bool", Value::Bool(true)),
        ("bool", Value::Bool(false)),
        ("text", Value::from("é€😀 'quoted' :name ? \\")),
        ("varchar(50)", Value::from("abc")),
        ("bytea", Value::Bytes(vec![0, 1, 255, 39, 92].into())),
        ("date", Value::Date("1899-12-31".parse().unwrap())),
        ("time", Value::Time("23:59:59".parse().unwrap())),
        ("timestamp", Value::Timestamp("2026-01-05T08:00:37.123456".parse().unwrap())),
        ("timestamptz", Value::from(at)),
        ("uuid", Value::Uuid(Uuid::from_u128(0x6f2d_1f64_5717_4562_b3fc_2c96_3f66_afa6))),
    ] {
        let table = unique("t");
        db.execute(&format!("CREATE TABLE {table} (v {ty}, missing {ty})"), ()).unwrap();
        db.execute(
            &format!("INSERT INTO {table} VALUES (:v, :n)"),
            params! { v: value.clone(), n: Value::Null },
        )
        .unwrap();
        let row = db.query_one(&format!("SELECT v, missing FROM {table}"), ()).unwrap();
        assert!(
            row["v"] == value,
            "{ty}: {} became {} ({:?})",
            value.to_json(),
            row["v"].to_json(),
            row["v"]
        );
        assert!(row["missing"].is_null(), "{ty}");
    }
    // psqlODBC gives JSON and what it does not know as text, which is read as JSON where that is asked for.
    let row = db.query_one("SELECT '{\"a\": [1, null]}'::jsonb AS v, '1 day'::interval AS i", ()).unwrap();
    assert_eq!(row.get::<serde_json::Value>("v").unwrap(), serde_json::json!({"a": [1, null]}));
    assert_eq!(row.get::<String>("i").unwrap(), "1 day");
    let row = db.query_one("SELECT N'é€😀' AS v", ()).unwrap();
    assert_eq!(row.get::<String>("v").unwrap(), "é€😀");
    let long = "é€😀".repeat(5_000);
    let row = db.query_one("SELECT CAST(:v AS text) AS v", params! { v: long.as_str() }).unwrap();
    assert!(row.get::<String>("v").unwrap() == long, "long text is whole");
}

#[test]
fn a_commit_is_never_claimed_on_psqlodbc() {
    let db = psql_odbc("psqlodbc");
    db.execute("CREATE TABLE t (id int PRIMARY KEY)", ()).unwrap();
    let count = || db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap();
    // A failed statement whose error the caller swallowed.
    let swallowed = db.transaction(|tx| {
        tx.execute("INSERT INTO t VALUES (1)", ())?;
        let _ = tx.execute("INSERT INTO t VALUES (1)", ());
        Ok::<_, Error>(())
    });
    assert!(swallowed.is_err());
    assert_eq!(count(), 0);
    // A server process that was killed: psqlODBC itself calls the commit after it a success.
    let killed = db.transaction(|tx| {
        tx.execute("INSERT INTO t VALUES (1)", ())?;
        let pid = crate::common::backend_pid(tx);
        server().psql("postgres", &format!("SELECT pg_terminate_backend({pid})")).unwrap();
        let _ = tx.execute("INSERT INTO t VALUES (2)", ());
        Ok::<_, Error>(())
    });
    assert!(killed.is_err());
    assert_eq!(count(), 0);
    db.transaction(|tx| tx.execute("INSERT INTO t VALUES (1)", ())).unwrap();
    assert_eq!(count(), 1);
}

#[test]
fn a_slow_statement_is_cancelled_through_psqlodbc() {
    let db = psql_odbc("psqlodbc");
    db.execute_query("SELECT 1", ()).unwrap();
    let limit = Duration::from_millis(300);
    let (error, took) =
        timed(|| db.execute_query_with_timeout("SELECT pg_sleep(30)", (), limit).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
    assert!(took >= limit && took < limit + GRACE, "{took:?}");
    let active = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE '%pg_sleep%' AND state = 'active'",
        db.name()
    );
    eventually("nothing of ours runs on", || server().psql("postgres", &active).unwrap().trim() == "0");
}

#[test]
fn a_wrong_password_is_its_own_kind_through_psqlodbc() {
    let name = unique("psqlodbc");
    server().create_database(&name).unwrap();
    let db = DatabaseManager::builder(&name)
        .connection_string(format!(
            "Driver={{PostgreSQL Unicode}};Server={};Port={};Database={name};UID=postgres;PWD=wr0ng-secret;",
            server().host(),
            server().port(),
        ))
        .build()
        .unwrap();
    let error = db.execute_query("SELECT 1", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{}", error.report());
    assert!(!error.report().contains("wr0ng-secret"));
}

#[test]
fn a_silent_peer_holds_nobody_through_freetds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let db = DatabaseManager::builder(&unique("silent"))
        .connection_string(format!(
            "Driver={{FreeTDS}};Server=127.0.0.1;Port={port};UID=sa;PWD=s3cret-word;Database=x;"
        ))
        .connect_timeout(Duration::from_millis(400))
        .build()
        .unwrap();
    let (error, took) = timed(|| db.execute_query("SELECT 1", ()).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Connect), "{}", error.report());
    assert!(took < Duration::from_millis(400) + GRACE, "{took:?}");
    assert!(!error.report().contains("s3cret-word"));
    drop(listener);
}

#[test]
fn a_driver_that_is_not_installed_is_named_with_those_that_are() {
    let db = DatabaseManager::builder(&unique("nodriver"))
        .connection_string("Driver={No Such Driver};Server=x;")
        .database_type("odbc")
        .build()
        .unwrap();
    let error = db.execute_query("SELECT 1", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{}", error.report());
    assert!(
        error.report().contains("SQLite3") && error.report().contains("No Such Driver"),
        "{}",
        error.report()
    );
}

#[test]
fn a_driver_that_never_returns_gets_no_more_threads_than_the_pool_has_connections() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = |name: &str| {
        DatabaseManager::builder(name)
            .connection_string(format!(
                "Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2",
                silent.local_addr().unwrap().port()
            ))
            .database_type("sqlserver")
            .pool_size(1)
            .max_overflow(1)
            .connect_timeout(Duration::from_millis(1_200))
            .migrate_on_start(MigrateOnStart::Off)
            .build()
            .unwrap()
    };
    let (db, other) = (open(&unique("silent")), open(&unique("silent")));
    // A short limit of the caller's own is no outage, so each call tries, and leaves a thread in the driver.
    let hurried = db.with_deadline(Duration::from_millis(50));
    for abandoned in 1..=2 {
        assert_eq!(
            hurried.execute_query("SELECT 1", ()).unwrap_err().kind(),
            ErrorKind::Timeout(Phase::Connect)
        );
        assert_eq!(db.pool_status().abandoned, abandoned);
    }
    let (error, took) = timed(|| db.execute_query("SELECT 1", ()).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Checkout, "{error}");
    assert!(error.is_transient() && error.to_string().contains("2 threads of this pool"), "{error}");
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!((db.pool_status().abandoned, db.pool_status().checked_out), (2, 0));
    assert_eq!(other.pool_status().abandoned, 0, "each pool counts its own");
    eventually("the driver's own limit ends its threads", || db.pool_status().abandoned == 0);
    assert_eq!(db.execute_query("SELECT 1", ()).unwrap_err().kind(), ErrorKind::Timeout(Phase::Connect));
}

#[test]
fn who_comes_while_a_connection_is_being_closed_waits_for_that() {
    let db = psql_odbc_with("psqlodbc", "UseDeclareFetch=1;Fetch=100;").pool_size(1).max_overflow(0);
    let db = db.build().unwrap();
    let mut stopped = None;
    db.session(|session| {
        let pid = crate::common::backend_pid(session);
        let mut rows = session.query_iter("SELECT n FROM generate_series(1, 1000000) AS n", ())?;
        rows.next().unwrap()?;
        // The close of the cursor, and with it that of the connection, is answered when the server goes on.
        stopped = Some(crate::common::Stopped::at(pid));
        Ok::<_, Error>(())
    })
    .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            drop(stopped);
        });
        let outcome = db.execute_query("SELECT 1", ());
        assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    });
    assert_eq!(db.pool_status().opened, 2);
}

#[test]
fn a_stopped_server_holds_nobody_through_psqlodbc() {
    let db = psql_odbc("psqlodbc");
    let pid = db.session(|session| Ok::<_, Error>(crate::common::backend_pid(session))).unwrap();
    crate::common::signal("STOP", pid);
    let limit = Duration::from_millis(400);
    let (outcome, took) = timed(|| db.execute_query_with_timeout("SELECT 1", (), limit));
    let left_behind = db.pool_status().abandoned;
    crate::common::signal("CONT", pid);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
    assert!(took < limit + GRACE, "{took:?}");
    assert!(left_behind >= 1, "the driver's thread is counted as long as it hangs");
    eventually("the thread ends when its driver returns", || db.pool_status().abandoned == 0);
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
}

#[test]
fn results_are_whole_or_an_error_through_psqlodbc() {
    let db = psql_odbc("psqlodbc");
    let error = db.execute_query("SELECT 100 / (150 - i) FROM generate_series(1, 1000) i", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{}", error.report());
    let rows =
        db.execute_query("SELECT i, repeat('é', 300) AS t FROM generate_series(1, 20000) i", ()).unwrap();
    assert_eq!(rows.len(), 20_000);
    assert!(rows.iter().enumerate().all(|(place, row)| {
        row.get::<i64>("i").unwrap() == place as i64 + 1 && row.get::<String>("t").unwrap() == "é".repeat(300)
    }));
    db.execute("CREATE TABLE t (id int PRIMARY KEY, name text)", ()).unwrap();
    let returned = db.execute_query("INSERT INTO t VALUES (1, 'a'), (2, 'b') RETURNING id", ()).unwrap();
    assert_eq!(returned.len(), 2);
    assert_eq!(db.execute("UPDATE t SET name = :name", params! { name: "x" }).unwrap(), 2);
    let twice = db
        .execute_many("INSERT INTO t VALUES (:id, 'c')", [3, 4, 1].map(|id| params! { id: id }))
        .unwrap_err();
    assert_eq!(
        (twice.kind(), twice.constraint()),
        (ErrorKind::Constraint, Some("t_pkey")),
        "{}",
        twice.report()
    );
    assert_eq!(db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 2);
}
