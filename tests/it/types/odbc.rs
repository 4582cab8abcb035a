//! Random values through ODBC drivers: psqlODBC against the real server, and SQLite's.

use batchdb::{DatabaseManager, ErrorKind, Interval, Row, Value, params};
use chrono::Datelike;

use super::generator::{Generator, rounds, seed};
use super::random::{OWN, TYPES, make_hostile};
use super::{decimal, same, same_json};
use crate::odbc::{psql_odbc, psql_odbc_with, sqlite_at};

/// Writes values of one type into a column, and reads them again.
fn through(db: &DatabaseManager, ty: &str, values: &[Value], check: impl Fn(&Row, &Value) -> bool) {
    let table = crate::common::unique("t");
    db.execute(&format!("CREATE TABLE {table} (id int, v {ty})"), ()).unwrap();
    let insert = format!("INSERT INTO {table} (id, v) VALUES (:id, :v)");
    for (id, value) in values.iter().enumerate() {
        let at = || format!("TYPES_SEED={} {ty} {}", seed(), value.to_json());
        if let Err(error) = db.execute(&insert, params! { id: id, v: value.clone() }) {
            panic!("{}: {}", at(), error.report());
        }
        let row = match db.query_one(&format!("SELECT v FROM {table} WHERE id = :id"), params! { id: id }) {
            Ok(row) => row,
            Err(error) => panic!("{}: {}", at(), error.report()),
        };
        assert!(check(&row, value), "{}: became {} {:?}", at(), row["v"].to_json(), row["v"]);
    }
    // All at once, which goes by blocks where one value did not.
    let rows = db.execute_query(&format!("SELECT v FROM {table} ORDER BY id"), ()).unwrap();
    assert_eq!(rows.len(), values.len());
    assert!(rows.iter().zip(values).all(|(row, value)| check(row, value)), "TYPES_SEED={} {ty}", seed());
}

/// What psqlODBC can carry: it cuts a year of five digits, and takes an infinity for something else.
fn carried(value: &Value) -> bool {
    match value {
        // The sign of a date before our era is lost.
        Value::Date(date) => (1..10_000).contains(&date.year()),
        Value::Timestamp(at) => at.year() < 10_000,
        Value::TimestampTz(at) => at.year() < 10_000,
        Value::Text(text) => !matches!(text.as_str(), "infinity") && !text.starts_with("294276-"),
        _ => true,
    }
}

#[test]
fn psqlodbc_carries_what_the_native_backend_carries() {
    let db = psql_odbc("types");
    for sql in OWN {
        db.execute(sql, ()).unwrap();
    }
    carries(&db, &mut Generator::new(2));
    // What the driver misunderstands is an error, where that can be told.
    for sql in ["SELECT 'infinity'::date AS v", "SELECT '17060-09-21'::date AS v", "SELECT 1::money AS v"] {
        assert_eq!(db.query_one(sql, ()).unwrap_err().kind(), batchdb::ErrorKind::Decode, "{sql}");
    }
}

/// What the database's settings change are the texts that the server itself prints.
#[test]
fn no_setting_of_the_database_is_seen_in_a_value_through_psqlodbc() {
    let builder = psql_odbc_with("types", "");
    let db = builder.clone().build().unwrap();
    for sql in OWN {
        db.execute(sql, ()).unwrap();
    }
    make_hostile(&db);
    let db = builder.build().unwrap();
    let outputs = db.query_one("SELECT current_setting('bytea_output') AS v", ()).unwrap();
    assert_eq!(outputs.get::<String>("v").unwrap(), "escape", "the settings did not arrive");
    carries(&db, &mut Generator::new(6));
}

fn carries(db: &DatabaseManager, generator: &mut Generator) {
    // The driver sends integers as `bigint`, which no column of this type takes.
    for ty in TYPES.iter().filter(|ty| **ty != "xid8") {
        let mut values: Vec<Value> =
            (0..rounds(12)).map(|_| generator.postgres(ty)).filter(carried).collect();
        if *ty == "date" {
            values.retain(|value| matches!(value, Value::Date(_)));
        }
        through(db, ty, &values, |row, value| match value {
            // The driver does not say that these are anything but texts.
            Value::Interval(interval) => row.get::<Interval>("v").unwrap() == *interval,
            Value::Json(json) => same_json(&row.get("v").unwrap(), json),
            value => same(&row["v"], value),
        });
    }
}

#[test]
fn sqlite_carries_every_kind_in_a_column_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    let mut generator = Generator::new(3);
    let g = &mut generator;
    let equal = |row: &Row, value: &Value| same(&row["v"], value);
    let mut many = |ty: &str, make: &dyn Fn(&mut Generator) -> Value| {
        let values: Vec<Value> = (0..rounds(20)).map(|_| make(g)).chain([Value::Null]).collect();
        through(&db, ty, &values, equal);
    };
    many("bigint", &|g| Value::Int(g.int(i64::MIN, i64::MAX)));
    many("boolean", &|g| Value::Bool(g.0.bool()));
    many("text", &|g| Value::from(g.text(300)));
    many("blob", &|g| Value::from(g.bytes(300)));
    many("date", &|g| Value::Date(g.date(1, 9999)));
    many("time", &|g| Value::Time(g.time(9)));
    many("timestamp", &|g| Value::Timestamp(g.timestamp((1, 9999), 9)));
    many("timestamptz", &|g| {
        let offset = chrono::FixedOffset::east_opt(60 * g.0.i32(-840..=840)).unwrap();
        Value::TimestampTz(g.timestamp((2, 9998), 9).and_local_timezone(offset).unwrap())
    });
    many("interval", &|g| Value::Interval(g.interval()));
    many("uuid", &|g| Value::Uuid(g.uuid()));
    // SQLite makes a number of a text that is one, where the declared type is none of its own.
    many("json", &|g| Value::from(serde_json::Value::from(vec![g.json(2)])));
    // A float has 15 digits here, and a decimal is a float.
    many("double", &|g| Value::Float(format!("{:.13e}", f64::from(g.0.i32(..)) * 1e-7).parse().unwrap()));
    many("decimal(10,2)", &|g| {
        Value::Decimal(Box::new(format!("{}.5", g.int(-99_999, 99_999)).parse().unwrap()))
    });
    // As a text a decimal keeps all that it has.
    let exact = "1234567890123456789012345678901234567890.10";
    through(&db, "text", &[decimal(exact)], |row, _| {
        row.get::<bigdecimal::BigDecimal>("v").unwrap().to_plain_string() == exact
    });
}

/// The driver sends what a value is, and the server converts it to the column's type without a word. For a load the types
/// are asked first; what becomes of the same parameter of a statement is in the guide.
#[test]
fn a_load_through_psqlodbc_refuses_what_its_column_would_lose() {
    let db = psql_odbc("types");
    db.execute("CREATE DOMAIN whole AS int", ()).unwrap();
    let at = chrono::DateTime::parse_from_rfc3339("2026-01-05T08:00:37+02:00").unwrap();
    let name = "x".repeat(63);
    for (number, (ty, value, kept)) in [
        ("timestamp", Value::from(at), Some("2026-01-05 08:00:37")),
        ("date", Value::from(at), Some("2026-01-05")),
        ("time", Value::from(at), Some("08:00:37")),
        ("date", Value::from(at.naive_local()), Some("2026-01-05")),
        ("time", Value::from(at.naive_local()), Some("08:00:37")),
        ("int", decimal("1.5"), Some("2")),
        ("whole", decimal("2.5"), Some("3")),
        // The server refuses this one itself: a float comes as a text.
        ("int", Value::Float(1.5), None),
        ("float8", decimal("0.12345678901234567890"), Some("0.12345678901234568")),
        ("name", Value::from(format!("{name}y")), Some(&name)),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("t{number}");
        db.execute(&format!("CREATE TABLE {table} (v {ty})"), ()).unwrap();
        let kind = value.kind();
        let error = db.bulk_insert(&table, &["v"], [(Value::Null,), (value.clone(),)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Params, "{kind} into {ty}: {}", error.report());
        assert!(error.to_string().contains("record 2: column \"v\": "), "{error}");
        let sql = format!("INSERT INTO {table} VALUES (:v)");
        let written = db.execute(&sql, params! { v: value });
        let found = db.query_opt(&format!("SELECT CAST(v AS text) AS v FROM {table}"), ()).unwrap();
        let found = found.map(|row| row.get::<String>("v").unwrap());
        assert_eq!(found.as_deref(), kept, "{kind} into {ty}: {written:?}");
    }
    db.execute("CREATE TABLE price (v money)", ()).unwrap();
    assert_eq!(db.bulk_insert("price", &["v"], [(1.5,)]).unwrap_err().kind(), ErrorKind::Params);
    // A decimal comes as a number, which no locale reads: as an integer it is rounded, and not refused as a text is.
    db.bulk_insert("price", &["v"], [(decimal("1.50"),)]).unwrap();
    let kept = db.query_one("SELECT v::numeric AS v FROM price", ()).unwrap();
    assert_eq!(kept["v"], decimal("1.50"));
    // What is the same in the column is taken, and texts are the server's to read.
    db.execute("CREATE TABLE taken (a int, b date, c timestamptz, d float8, e timestamp)", ()).unwrap();
    let midnight = chrono::NaiveDate::from_ymd_opt(2026, 1, 5).unwrap().and_time(chrono::NaiveTime::MIN);
    let rows = [
        vec![decimal("2.0"), Value::from(midnight), Value::from(at), decimal("0.1"), Value::from(midnight)],
        vec!["3".into(), "2026-01-05".into(), "2026-01-05".into(), "0.1".into(), "2026-01-05".into()],
    ];
    assert_eq!(db.bulk_insert("taken", &["a", "b", "c", "d", "e"], rows).unwrap(), 2);
}

#[test]
fn a_point_in_time_is_never_read_in_a_zone_that_psqlodbc_hides() {
    let db = psql_odbc("types");
    db.execute("CREATE TABLE t (at timestamptz, local timestamp, day date)", ()).unwrap();
    db.execute("INSERT INTO t VALUES ('2026-01-05T08:00:37Z', '2026-01-05T08:00:37', '2026-01-05')", ())
        .unwrap();
    let procedure = "CREATE PROCEDURE far_away() LANGUAGE sql AS $$ SET TIME ZONE 'Asia/Tokyo' $$";
    db.execute(procedure, ()).unwrap();
    let at: Value = chrono::DateTime::parse_from_rfc3339("2026-01-05T08:00:37Z").unwrap().into();
    for (set, zone) in [
        ("SET TIME ZONE 'Asia/Tokyo'", true),
        ("SET timezone TO 'Asia/Tokyo'", true),
        ("SELECT set_config('TimeZone', 'Asia/Tokyo', false)", true),
        ("DO $$ BEGIN SET TIME ZONE 'Asia/Tokyo'; END $$", true),
        ("CALL far_away()", true),
        ("SET DateStyle = 'SQL, DMY'", false),
        ("SET DateStyle = 'German'", false),
    ] {
        for column in ["at", "local", "day", "at, day"] {
            let outcome = db.session(|session| {
                session.execute(set, ())?;
                session.query_one(&format!("SELECT {column} FROM t"), ())
            });
            match outcome {
                Ok(_) => assert!(zone && !column.contains("at"), "{set}: {column}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Decode, "{set}: {}", error.report());
                    assert!(error.to_string().contains("column \""), "{error}");
                    assert!(!zone || column.contains("at"), "{set}: {column}: {error}");
                }
            }
        }
        let outcome = db.session(|session| {
            session.execute(set, ())?;
            session.query_each("SELECT at FROM t", (), |_| Ok::<_, batchdb::Error>(true))
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Decode, "{set}");
        // A session that nobody has touched reads as ever.
        assert_eq!(db.query_one("SELECT at FROM t", ()).unwrap()["at"], at, "{set}");
    }
    // What a procedure hands back has happened; it is told, and the next statement asks.
    let told = "CREATE PROCEDURE told(INOUT local timestamp) LANGUAGE sql \
                AS $$ SELECT timestamp '2026-01-05 08:00:37' $$";
    db.execute(told, ()).unwrap();
    let row = db.query_one("CALL told(NULL)", ()).unwrap();
    assert_eq!(row.get::<chrono::NaiveDateTime>(0).unwrap().to_string(), "2026-01-05 08:00:37");
    // One that sets something else is no better off than any.
    for (zone, reads) in [("UTC", true), ("Asia/Tokyo", false)] {
        let outcome = db.session(|session| {
            session.execute(&format!("SET TIME ZONE '{zone}'"), ())?;
            session.query_one("SELECT set_config('batchdb.user', 'x', false) AS was, at FROM t", ())
        });
        match outcome {
            Ok(row) => assert!(reads && row["at"] == at, "{zone}"),
            Err(error) => assert!(!reads && error.kind() == ErrorKind::Decode, "{}", error.report()),
        }
    }
    db.session(|session| {
        // As text, or put back.
        session.execute("SET TIME ZONE 'Asia/Tokyo'", ())?;
        let text: String = session.query_one("SELECT at::text AS at FROM t", ())?.get("at")?;
        assert_eq!(text, "2026-01-05 17:00:37+09");
        session.execute("SET TIME ZONE 'UTC'", ())?;
        session.execute("SET statement_timeout = '1min'", ())?;
        assert_eq!(session.query_one("SELECT at FROM t", ())?["at"], at);
        // A rollback brings back what was set before it.
        session.execute("SET TIME ZONE 'Asia/Tokyo'", ())?;
        let undone: Result<(), batchdb::Error> = session.transaction(|tx| {
            tx.execute("SET TIME ZONE 'UTC'", ())?;
            assert_eq!(tx.query_one("SELECT at FROM t", ())?["at"], at);
            tx.execute("SELECT 1 / 0", ()).map(|_| ())
        });
        undone.unwrap_err();
        let error = session.query_one("SELECT at FROM t", ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{}", error.report());
        Ok::<_, batchdb::Error>(())
    })
    .unwrap();
}
