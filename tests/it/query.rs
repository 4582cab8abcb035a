//! Calls on a real PostgreSQL: rows, counts, parameters, errors.

use std::collections::BTreeMap;

use batchdb::{Error, ErrorKind, Row, Value, params, record};

use crate::common::postgres;

#[test]
fn any_statement_may_be_executed_and_is_committed() {
    let db = postgres("query");
    assert!(db.execute_query("CREATE TABLE t (id int PRIMARY KEY, note text)", ()).unwrap().is_empty());
    assert!(
        db.execute_query("INSERT INTO t VALUES (:id, :note)", params! { id: 1, note: "a" })
            .unwrap()
            .is_empty()
    );
    let returned = db.execute_query("INSERT INTO t VALUES (2, 'b') RETURNING id", ()).unwrap();
    assert_eq!(returned[0].get::<i64>("id").unwrap(), 2);
    assert_eq!(db.execute("UPDATE t SET note = 'x'", ()).unwrap(), 2);
    assert_eq!(db.execute("DELETE FROM t WHERE id > :id", params! { id: 1 }).unwrap(), 1);
    let rows = db.execute_query("SELECT id, note FROM t", ()).unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<String>("note").unwrap()).collect::<Vec<_>>(), ["x"]);
}

#[test]
fn one_row_is_one_row() {
    let db = postgres("query");
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i32>("n").unwrap(), 1);
    assert!(db.query_opt("SELECT 1 WHERE false", ()).unwrap().is_none());
    for (sql, expected) in
        [("SELECT 1 WHERE false", "no row"), ("SELECT generate_series(1, 2)", "several rows")]
    {
        let error = db.query_one(sql, ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RowCount);
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(db.query_opt("SELECT generate_series(1, 2)", ()).unwrap_err().kind(), ErrorKind::RowCount);
}

#[test]
fn timing_comes_with_the_rows_and_errors_are_not_swallowed() {
    let db = postgres("query");
    let timed = db.execute_query_with_timing("SELECT pg_sleep(0.02)::text, 1 AS n", ()).unwrap();
    assert_eq!((timed.row_count, timed.status, timed.results.len()), (1, "success", 1));
    assert!(timed.execution_time_ms >= 20.0);
    assert_eq!(db.execute_query_with_timing("SELEKT", ()).unwrap_err().kind(), ErrorKind::Syntax);
}

#[test]
fn rows_are_read_as_structs() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Survey {
        id: u32,
        score: Option<bigdecimal::BigDecimal>,
        tags: Vec<String>,
        answers: BTreeMap<String, i64>,
    }
    let db = postgres("query");
    let read: Vec<Survey> = db
        .query_as(
            "SELECT 7 AS id, 4.20 AS score, ARRAY['a', 'b'] AS tags, '{\"q\": 1}'::jsonb AS answers",
            (),
        )
        .unwrap();
    assert_eq!(
        read,
        [Survey {
            id: 7,
            score: Some("4.20".parse().unwrap()),
            tags: vec!["a".into(), "b".into()],
            answers: [("q".to_owned(), 1)].into(),
        }]
    );
    let error = db.query_as::<Survey>("SELECT -7 AS id", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("row 1"), "{error}");
}

#[test]
fn streams_hand_rows_over_and_may_end_early() {
    let db = postgres("query");
    let mut sum = 0;
    let count = db
        .query_each("SELECT generate_series(1, :n::int) AS i", params! { n: 10_000 }, |row| {
            sum += row.get::<i64>("i")?;
            Ok::<_, Error>(true)
        })
        .unwrap();
    assert_eq!((count, sum), (10_000, 50_005_000));

    let mut seen = 0;
    let stopped = db.query_each("SELECT generate_series(1, 100000000)", (), |_| {
        seen += 1;
        Ok::<_, Error>(seen < 10)
    });
    assert_eq!(stopped.unwrap(), 10);

    let refused =
        db.query_each("SELECT generate_series(1, 3)", (), |_| Err::<bool, _>(std::io::Error::other("full")));
    assert_eq!(refused.unwrap_err().to_string(), "full");
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
}

#[test]
fn parameters_are_found_where_they_are_and_nowhere_else() {
    let db = postgres("query");
    let row = db
        .query_one(
            r#"SELECT :a::int AS a, (:a + 1)::int AS b, ':a' AS quoted, '{"x":1}'::jsonb AS json, $$ :a $$ AS dollar,
                      '12:30:45'::time AS at, (ARRAY[1,2,3])[:lo:hi] AS slice -- :comment
                      /* :nested /* :deeper */ */"#,
            params! { a: 5, lo: 2, hi: 3 },
        )
        .unwrap();
    assert_eq!(row.get::<i64>("a").unwrap(), 5);
    assert_eq!(row.get::<i64>("b").unwrap(), 6);
    assert_eq!(row.get::<String>("quoted").unwrap(), ":a");
    assert_eq!(row.get::<String>("dollar").unwrap(), " :a ");
    assert_eq!(row.get::<Vec<i64>>("slice").unwrap(), [2, 3]);
}

#[test]
fn lists_work_full_and_empty() {
    let db = postgres("query");
    let count = |condition: &str, ids: Vec<i64>| -> i64 {
        let sql = format!("SELECT count(*) AS n FROM generate_series(1, 5) AS g(id) WHERE id {condition}");
        db.query_one(&sql, params! { ids: ids }).unwrap().get("n").unwrap()
    };
    assert_eq!(count("IN (:ids)", vec![1, 3, 9]), 2);
    assert_eq!(count("NOT IN (:ids)", vec![1, 3, 9]), 3);
    assert_eq!(count("IN (:ids)", vec![]), 0);
    assert_eq!(count("NOT IN (:ids)", vec![]), 5);
    assert_eq!(count("= ANY(:ids)", vec![2]), 1);
}

#[test]
fn names_and_values_must_fit_each_other() {
    let db = postgres("query");
    let missing = db.execute_query("SELECT :id::int", params! { idd: 1 }).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Params);
    assert!(missing.to_string().contains("id") && missing.to_string().contains("idd"), "{missing}");
    assert_eq!(db.execute_query("SELECT 1", params! { id: 1 }).unwrap_err().kind(), ErrorKind::Params);
    // A whole record may carry more than the statement takes.
    #[derive(serde::Serialize)]
    struct Wide {
        id: i32,
        unused: &'static str,
    }
    let wide = Wide { id: 4, unused: "x" };
    assert_eq!(db.query_one("SELECT :id::int AS id", record(&wide)).unwrap().get::<i64>("id").unwrap(), 4);
    let row = Row::from_pairs([("id", Value::Int(5)), ("unused", Value::Null)]);
    assert_eq!(db.query_one("SELECT :id::int AS id", &row).unwrap().get::<i64>("id").unwrap(), 5);
}

#[test]
fn errors_have_their_kind_their_codes_and_no_values() {
    let db = postgres("query");
    db.execute_query(
        "CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n > 0), name varchar(3) NOT NULL)",
        (),
    )
    .unwrap();
    db.execute("INSERT INTO t VALUES (7, 1, 'a')", ()).unwrap();
    let insert = "INSERT INTO t VALUES (:id, :n, :name)";
    for (params, kind, sqlstate) in [
        (params! { id: 7, n: 1, name: "hunter2"[..3].to_owned() }, ErrorKind::Constraint, "23505"),
        (params! { id: 8, n: -1, name: "b" }, ErrorKind::Constraint, "23514"),
        (params! { id: 8, n: 1, name: None::<String> }, ErrorKind::Constraint, "23502"),
        (params! { id: 8, n: 1, name: "hunter2" }, ErrorKind::Data, "22001"),
        (params! { id: "hunter2", n: 1, name: "b" }, ErrorKind::Data, "22P02"),
    ] {
        let error = db.execute(insert, params).unwrap_err();
        assert_eq!((error.kind(), error.sqlstate()), (kind, Some(sqlstate)), "{}", error.report());
        assert_eq!((error.operation(), error.is_transient()), (Some("execute"), false));
        assert!(error.to_string().starts_with(db.name()), "{error}");
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"));
    }
    let duplicate = db.execute(insert, params! { id: 7, n: 1, name: "b" }).unwrap_err();
    assert_eq!((duplicate.constraint(), duplicate.table()), (Some("t_pkey"), Some("t")));
    assert!(duplicate.report().contains("(id)=(7)"), "the server's own text is the source");
    for (sql, sqlstate) in [
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT nothing FROM t", "42703"),
        ("SELECT 1; SELECT 2", "42601"),
    ] {
        let error = db.execute_query(sql, ()).unwrap_err();
        assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Syntax, Some(sqlstate)));
    }
    // None of these has cost a connection.
    assert_eq!(db.pool_status().opened, 1);
}

#[test]
fn many_records_are_all_or_nothing() {
    let db = postgres("query");
    db.execute("CREATE TABLE t (id int PRIMARY KEY, name text)", ()).unwrap();
    let record = |id: i64| params! { id: id, name: format!("n{id}") };
    let insert = "INSERT INTO t (id, name) VALUES (:id, :name)";
    assert_eq!(db.execute_many(insert, (1..=100).map(record)).unwrap(), 100);
    let error = db.execute_many(insert, [101, 102, 50, 103].map(record)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.to_string().contains("record 3"), "{error}");
    assert_eq!(db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap(), 100);
    assert_eq!(db.execute_many(insert, Vec::<batchdb::Params>::new()).unwrap(), 0);
}

#[test]
fn a_changed_table_does_not_break_a_statement_that_is_cached() {
    let db = postgres("query");
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    db.execute("INSERT INTO t VALUES (1)", ()).unwrap();
    let read = || db.execute_query("SELECT * FROM t", ()).unwrap()[0].len();
    assert_eq!((read(), read()), (1, 1));
    db.session(|other| other.execute("ALTER TABLE t ADD COLUMN name text", ())).unwrap();
    assert_eq!(read(), 2);
}

#[test]
fn without_a_statement_cache_nothing_is_prepared_by_name() {
    let db = crate::common::fresh("query").statement_cache(0).build().unwrap();
    db.execute("CREATE TABLE t (id int, at timestamptz, n numeric)", ()).unwrap();
    db.execute("INSERT INTO t VALUES (:id, :at, :n)", params! { id: 3, at: "2026-01-05T08:00:00Z", n: 1.5 })
        .unwrap();
    let row = db.query_one("SELECT id, at, n FROM t WHERE id = :id", params! { id: 3 }).unwrap();
    assert_eq!(row.get::<i64>("id").unwrap(), 3);
    assert_eq!(row["n"].to_json(), "1.5");
    let prepared = db.query_one("SELECT count(*) AS n FROM pg_prepared_statements", ()).unwrap();
    assert_eq!(prepared.get::<i64>("n").unwrap(), 0);
    let mut sum = 0;
    db.query_each("SELECT generate_series(1, 300) AS i", (), |row| {
        sum += row.get::<i64>("i")?;
        Ok::<_, Error>(true)
    })
    .unwrap();
    assert_eq!(sum, 45_150);
}

#[test]
fn a_write_that_returns_rows_is_carried_out_whenever_its_reader_stops() {
    let db = postgres("query");
    db.execute("CREATE TABLE t (id int, note text)", ()).unwrap();
    let insert =
        "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i RETURNING id, note";
    assert_eq!(db.query_each(insert, (), |_| Ok::<_, Error>(false)).unwrap(), 1);
    let count = || db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get::<i64>("n").unwrap();
    assert_eq!(count(), 5_000);
    let refused = db.query_each(insert, (), |_| Err::<bool, _>(std::io::Error::other("full")));
    assert_eq!(refused.unwrap_err().to_string(), "full");
    assert_eq!(count(), 10_000);
    assert_eq!(db.pool_status().invalid, 0);
    // What was written and cannot be read says so, and is not written again.
    let error =
        db.query_one("INSERT INTO t VALUES (0, '') RETURNING ROW(1::money) AS price", ()).unwrap_err();
    assert!(error.to_string().contains("was carried out"), "{error}");
    assert_eq!(count(), 10_001);
}
