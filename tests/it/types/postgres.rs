//! PostgreSQL's types, case by case.

use batchdb::{ErrorKind, Value, params};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use uuid::Uuid;

use super::decimal;
use crate::common::postgres;

fn timestamp(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn every_type_comes_back_as_it_went() {
    let db = postgres("types");
    let cases: Vec<(&str, Value)> = vec![
        ("int2", Value::Int(i16::MIN.into())),
        ("int4", Value::Int(i32::MAX.into())),
        ("int8", Value::Int(i64::MIN)),
        ("float4", Value::Float(f64::from(0.1_f32))),
        ("float8", Value::Float(0.1)),
        ("float8", Value::Float(f64::INFINITY)),
        ("numeric", decimal("0")),
        ("numeric", decimal("-0.00001")),
        ("numeric", decimal("10000")),
        ("numeric", decimal("123456789012345678901234567890.123456789012345678901234567890")),
        ("numeric(10,2)", decimal("1.50")),
        ("bool", Value::Bool(true)),
        ("text", Value::from("é€😀 'quoted' :name $1 \\ \"")),
        ("text", Value::from("")),
        ("varchar(10)", Value::from("abc")),
        ("char(3)", Value::from("ab ")),
        ("name", Value::from("a_name")),
        ("bytea", Value::Bytes(vec![0, 1, 255, 39, 92].into())),
        ("bytea", Value::Bytes(vec![].into())),
        ("date", Value::Date(NaiveDate::from_ymd_opt(1899, 12, 31).unwrap())),
        ("time", Value::Time("23:59:59.999999".parse::<NaiveTime>().unwrap())),
        ("timestamp", Value::Timestamp(timestamp("2026-01-05T08:00:37.123456"))),
        ("timestamp", Value::Timestamp(timestamp("0044-03-15T12:00:00"))),
        ("timestamptz", Value::from(instant("2026-01-05T08:00:37.123456Z"))),
        ("uuid", Value::Uuid(Uuid::from_u128(0x6f2d_1f64_5717_4562_b3fc_2c96_3f66_afa6))),
        ("json", Value::from(serde_json::json!({"b": [1, null, "x"], "a": 1.5}))),
        ("jsonb", Value::from(serde_json::json!({"a": {"b": true}}))),
        ("int4[]", Value::from(vec![Value::Int(1), Value::Null, Value::Int(-3)])),
        (
            "text[]",
            Value::from(vec![Value::from("a\"b"), Value::from("{,}"), Value::from(""), Value::from("NULL")]),
        ),
        ("int8[]", Value::List(Box::default())),
        ("numeric[]", Value::from(vec![decimal("1.10"), Value::Null])),
        (
            "int4[]",
            Value::from(vec![
                Value::from(vec![Value::Int(1), Value::Int(2)]),
                Value::from(vec![Value::Int(3), Value::Int(4)]),
            ]),
        ),
    ];
    for (ty, value) in cases {
        for cache in ["prepared", "streamed"] {
            let sql = format!("SELECT :v::{ty} AS v, NULL::{ty} AS missing");
            let row = match cache {
                "prepared" => db.query_one(&sql, params! { v: value.clone() }).unwrap(),
                _ => {
                    let mut found = None;
                    db.query_each(&sql, params! { v: value.clone() }, |row| {
                        found = Some(row);
                        Ok::<_, batchdb::Error>(true)
                    })
                    .unwrap();
                    found.unwrap()
                }
            };
            assert!(row["v"] == value, "{ty}: {} became {}", value.to_json(), row["v"].to_json());
            assert!(row["missing"].is_null(), "{ty}");
        }
    }
}

#[test]
fn a_parameter_adapts_to_its_column() {
    let db = postgres("types");
    db.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')", ()).unwrap();
    db.execute("CREATE DOMAIN positive AS int CHECK (VALUE > 0)", ()).unwrap();
    for (ty, given, expected) in [
        (
            "timestamptz",
            Value::from("2026-01-05T08:00:37+02:00"),
            Value::from(instant("2026-01-05T06:00:37Z")),
        ),
        ("timestamp", Value::from("2026-01-05 08:00:37"), Value::Timestamp(timestamp("2026-01-05T08:00:37"))),
        ("date", Value::from("2026-01-05"), Value::Date("2026-01-05".parse().unwrap())),
        ("numeric", Value::Int(5), decimal("5")),
        ("numeric", Value::Float(1.25), decimal("1.25")),
        ("numeric", Value::from("1.10"), decimal("1.10")),
        ("int4", Value::from("42"), Value::Int(42)),
        ("int4", Value::Decimal(Box::new("42".parse().unwrap())), Value::Int(42)),
        ("text", Value::Int(42), Value::from("42")),
        ("text", Value::Bool(true), Value::from("true")),
        ("bool", Value::Int(1), Value::Bool(true)),
        ("float8", Value::Int(3), Value::Float(3.0)),
        ("float4", Value::Float(0.5), Value::Float(0.5)),
        (
            "uuid",
            Value::from("6f2d1f64-5717-4562-b3fc-2c963f66afa6"),
            Value::Uuid("6f2d1f64-5717-4562-b3fc-2c963f66afa6".parse().unwrap()),
        ),
        ("jsonb", Value::from("[1]"), Value::from(serde_json::json!([1]))),
        ("text", Value::from(serde_json::json!({"a": 1})), Value::from("{\"a\":1}")),
        ("mood", Value::from("ok"), Value::from("ok")),
        ("positive", Value::Int(3), Value::Int(3)),
        ("uuid[]", Value::from(vec![Value::Uuid(Uuid::nil())]), Value::from(vec![Value::Uuid(Uuid::nil())])),
    ] {
        let row = db.query_one(&format!("SELECT :v::{ty} AS v"), params! { v: given.clone() }).unwrap();
        assert!(row["v"] == expected, "{} as {ty} became {}", given.to_json(), row["v"].to_json());
    }
}

#[test]
fn what_cannot_be_carried_exactly_is_an_error() {
    let db = postgres("types");
    for (sql, word) in [
        ("SELECT 12.5::money AS v", "::numeric"),
        ("SELECT '(1,2)'::point AS v", "column \"v\""),
        ("SELECT 'a b'::tsvector AS v", "tsvector"),
    ] {
        let error = db.query_one(sql, ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{sql}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let at = params! { v: instant("2026-01-05T08:00:37Z") };
    assert_eq!(db.query_one("SELECT :v::timestamp AS v", at).unwrap_err().kind(), ErrorKind::Params);
    assert_eq!(
        db.query_one("SELECT :v::int2 AS v", params! { v: 40_000 }).unwrap_err().kind(),
        ErrorKind::Params
    );
    // A type that cannot be read stands in nobody's way who does not read it, and costs no connection.
    assert_eq!(db.execute("SELECT '(1,2)'::point", ()).unwrap(), 1);
    assert_eq!(db.query_one("SELECT 'NaN'::numeric AS v", ()).unwrap()["v"].kind(), "float");
    assert!(db.query_one("SELECT pg_sleep(0) AS v", ()).unwrap()["v"].is_null());
    assert_eq!(db.pool_status().opened, 1);
}

#[test]
fn types_of_the_databases_own_are_known_in_every_session() {
    let builder = crate::common::fresh("types").timeout(std::time::Duration::from_secs(5));
    let prepared = builder.clone().build().unwrap();
    prepared.execute("CREATE TYPE mood AS ENUM ('sad')", ()).unwrap();
    let unnamed = builder.statement_cache(0).build().unwrap();
    // Where nothing is prepared, the driver looks up the type while the rows come, and waits for itself in a long
    // result: the guide says to cast there.
    for (db, rows) in [(&prepared, 20_000), (&unnamed, 5)] {
        let sql = "SELECT 'sad'::mood AS v, repeat('x', 1000) AS x FROM generate_series(1, :n)";
        let found = db.execute_query(sql, params! { n: rows }).unwrap();
        assert!(found.len() == rows && found.iter().all(|row| row["v"] == Value::from("sad")));
        // The session is cleaned, and what the driver needs to look up types is still there.
        db.execute("SET application_name = 'x'", ()).unwrap();
        db.execute("CREATE TYPE other AS ENUM ('x')", ()).unwrap();
        assert_eq!(db.query_one("SELECT 'x'::other AS v", ()).unwrap()["v"], Value::from("x"));
        db.execute("DROP TYPE other", ()).unwrap();
        assert_eq!(db.pool_status().opened, 1);
    }
    // Where the driver does not know the type yet, that long wait ends at the limit, and says what to do.
    prepared.execute("CREATE TYPE late AS ENUM ('x')", ()).unwrap();
    let sql = "SELECT 'x'::late AS v, repeat('x', 1000) AS x FROM generate_series(1, 20000)";
    let limit = std::time::Duration::from_secs(1);
    let error = unnamed.execute_query_with_timeout(sql, (), limit).unwrap_err();
    assert!(error.to_string().contains("cast it to text"), "{error}");
    let cast = sql.replace("'x'::late", "'x'::late::text");
    assert_eq!(unnamed.execute_query(&cast, ()).unwrap().len(), 20_000);
}

#[test]
fn a_json_that_no_value_holds_stays_its_text() {
    let db = postgres("types");
    db.execute("CREATE TABLE kept (doc json, list json[])", ()).unwrap();
    for text in [
        r#"{"a": 1, "a": [2, 1.0]}"#,
        r#"[{"k": {"x": 1, "\u0078": 2}}]"#,
        r#""\ud800""#,
        "[0.12345678901234567890]",
    ] {
        db.execute("TRUNCATE kept", ()).unwrap();
        db.execute("INSERT INTO kept VALUES (:doc, ARRAY[:doc]::json[])", params! { doc: text }).unwrap();
        let row = db.query_one("SELECT * FROM kept", ()).unwrap();
        assert!(row["doc"] == Value::from(text) && row["list"] == Value::from(vec![text]), "{text}");
        let error = row.get::<serde_json::Value>("doc").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        // It goes back as it came.
        db.execute("INSERT INTO kept VALUES (:doc, NULL)", params! { doc: row["doc"].clone() }).unwrap();
        let same = "SELECT count(DISTINCT doc::text) AS n FROM kept";
        assert_eq!(db.query_one(same, ()).unwrap().get::<i64>("n").unwrap(), 1, "{text}");
    }
    // jsonb keeps the last of two by itself, before anybody reads it.
    let row = db.query_one(r#"SELECT '{"a": 1, "a": 2}'::jsonb AS doc"#, ()).unwrap();
    assert_eq!(row.get::<serde_json::Value>("doc").unwrap(), serde_json::json!({"a": 2}));
}

#[test]
fn what_money_would_read_by_its_locale_is_refused() {
    let db = postgres("types");
    db.execute("CREATE TABLE price (amount money, list money[])", ()).unwrap();
    for (column, value) in [
        ("amount", decimal("1.50")),
        ("amount", decimal("150")),
        ("amount", Value::Float(1.5)),
        ("list", Value::from(vec![decimal("1.50")])),
    ] {
        let sql = format!("INSERT INTO price ({column}) VALUES (:v)");
        let error = db.execute(&sql, params! { v: value.clone() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Params, "{}", error.report());
        assert!(error.to_string().contains("::numeric"), "{error}");
        let error = db.bulk_insert("price", &[column], [(value,)]).unwrap_err();
        assert!(error.kind() == ErrorKind::Params && error.to_string().contains("record 1: "), "{error}");
    }
    // A cast says what is meant, and an integer has no point.
    let sql = "INSERT INTO price VALUES (:v::numeric, ARRAY[:v::numeric::money])";
    db.execute(sql, params! { v: decimal("1.50") }).unwrap();
    db.bulk_insert("price", &["amount"], [(-150,)]).unwrap();
    let sql = "SELECT amount::numeric AS v FROM price ORDER BY amount DESC";
    let rows = db.execute_query(sql, ()).unwrap();
    assert!(rows[0]["v"] == decimal("1.50") && rows[1]["v"] == decimal("-150.00"));
}

#[test]
fn an_array_whose_indices_begin_elsewhere_stays_what_it_is() {
    let builder = crate::common::fresh("types");
    let target = postgres("types");
    for cache in [100, 0] {
        let db = builder.clone().statement_cache(cache).build().unwrap();
        for text in ["[0:1]={1,2}", "[-5:-5]={NULL}", "[2:2][0:1]={{1,2}}"] {
            let row = db.query_one(&format!("SELECT '{text}'::int[] AS v"), ()).unwrap();
            assert_eq!(row["v"], Value::from(text));
            let same = "SELECT :v::int[] = (:text::text)::int[] AS same, array_lower(:v::int[], 1) AS lowest";
            let row = db.query_one(same, params! { v: row["v"].clone(), text: text }).unwrap();
            assert!(row.get::<bool>("same").unwrap(), "{text}");
            assert_ne!(row["lowest"], Value::Int(1), "{text}");
        }
        // Vectors begin at 0 always, and an empty array nowhere.
        let sql = "SELECT indkey AS v, (indkey, 1) AS row, '{}'::int[] AS nothing FROM pg_index \
                   WHERE indexrelid = 'pg_index_indexrelid_index'::regclass";
        let row = db.query_one(sql, ()).unwrap();
        assert_eq!(row["v"], Value::from(vec![1_i64]));
        assert_eq!(row["row"], Value::from("(1,1)"));
        assert_eq!(row["nothing"], Value::List(Box::default()));
    }
    let db = builder.build().unwrap();
    for db in [&db, &target] {
        db.execute("CREATE TABLE kept (id int, v int[])", ()).unwrap();
    }
    db.execute(
        "INSERT INTO kept VALUES (1, '{1,2}'), (2, '[0:1]={1,2}'), (3, '{}'), (4, '[3:3]={NULL}')",
        (),
    )
    .unwrap();
    batchdb::copy_table(&db, "kept", &target, "kept", batchdb::BulkOptions::new()).unwrap();
    let spelled = "SELECT string_agg(v::text, ' ' ORDER BY id) AS v FROM kept";
    let found = [&db, &target].map(|db| db.query_one(spelled, ()).unwrap().get::<String>("v").unwrap());
    assert_eq!(found[0], "{1,2} [0:1]={1,2} {} [3:3]={NULL}");
    assert_eq!(found[0], found[1]);
}

#[test]
fn a_row_type_that_was_changed_meanwhile_is_read_as_it_is_now() {
    // The driver asks once for a type of the database's own, and remembers its fields for as long as the session lives.
    let db = postgres("types");
    db.execute("CREATE DOMAIN percent AS int CHECK (VALUE <= 100)", ()).unwrap();
    db.execute("CREATE TABLE kept (a int8, gone int)", ()).unwrap();
    db.execute("INSERT INTO kept VALUES (1, 2)", ()).unwrap();
    db.session(|session| {
        for (change, wanted) in [
            ("", "(1,2)"),
            ("ALTER TABLE kept ALTER a TYPE float8", "(1,2)"),
            ("ALTER TABLE kept ALTER a TYPE numeric(9, 1)", "(1.0,2)"),
            ("ALTER TABLE kept ADD b text DEFAULT 'x y'", "(1.0,2,\"x y\")"),
            ("ALTER TABLE kept DROP gone", "(1.0,\"x y\")"),
        ] {
            // By another session, as a migration does it.
            if !change.is_empty() {
                db.execute(change, ())?;
            }
            let row = session.query_one("SELECT k AS v, ARRAY[k] AS list FROM kept AS k", ())?;
            assert_eq!(row["v"], Value::from(wanted), "{change}");
            assert_eq!(row["list"], Value::from(vec![wanted]), "{change}");
        }
        // A type that nobody has told of is no reason to guess.
        db.execute("ALTER TABLE kept ALTER b DROP DEFAULT, ALTER b TYPE percent USING 50", ())?;
        let error = session.query_one("SELECT k AS v FROM kept AS k", ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{}", error.report());
        Ok::<_, batchdb::Error>(())
    })
    .unwrap();
    assert_eq!(db.query_one("SELECT k.b AS v FROM kept AS k", ()).unwrap()["v"], Value::Int(50));
}

#[test]
fn a_column_that_was_changed_meanwhile_takes_what_it_takes_now() {
    // The server keeps the types that the parameters of a prepared statement had, and makes them fit.
    let db = postgres("types");
    let insert = "INSERT INTO kept (id, v) VALUES (:id, :v)";
    let big = 1_i64 << 40;
    db.execute("CREATE TABLE kept (id int, v date)", ()).unwrap();
    db.session(|session| {
        session.execute(insert, params! { id: 1, v: timestamp("2026-01-05T00:00:00") })?;
        let refused = session.execute(insert, params! { id: big, v: "today" }).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Params, "{}", refused.report());
        // By another session, as a migration does it.
        db.execute("ALTER TABLE kept ALTER id TYPE bigint", ())?;
        session.execute(insert, params! { id: big, v: None::<NaiveDate> })?;
        db.execute("ALTER TABLE kept ALTER v TYPE timestamp", ())?;
        session
            .transaction(|tx| {
                tx.execute(insert, params! { id: 2, v: timestamp("2026-01-05T08:00:37") })?;
                tx.execute(insert, params! { id: 3, v: "x" }).map(|_| ()).unwrap_err();
                Ok::<_, batchdb::Error>(())
            })
            .unwrap_err();
        session.execute(insert, params! { id: 2, v: timestamp("2026-01-05T08:00:37") })?;
        Ok::<_, batchdb::Error>(())
    })
    .unwrap();
    let rows = db.execute_query("SELECT id, v FROM kept ORDER BY id", ()).unwrap();
    assert_eq!(rows[1]["v"], Value::from(timestamp("2026-01-05T08:00:37")));
    assert_eq!(rows[2]["id"], Value::Int(big));
}
