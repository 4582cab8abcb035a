//! Mass loads: all rows or none, the record that was refused, the same by each way into each database.

use std::time::Duration;

use batchdb::{DatabaseManager, Error, ErrorKind, IntoRow, Row, Value, params};
use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate};
use uuid::Uuid;

use crate::common::{fresh, postgres, timed};
use crate::odbc::{psql_odbc, sqlite_at};

mod chunks;
mod forms;
mod upsert;

const JOB: &str = "CREATE TABLE job (id integer PRIMARY KEY, name varchar(20) NOT NULL)";

fn count(db: &DatabaseManager, table: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap()
}

/// A database of each kind with the table `job`.
fn each_kind(prefix: &str, test: impl Fn(&str, &DatabaseManager)) {
    let folder = tempfile::tempdir().unwrap();
    // SQLite does not look at the length of a text.
    let sqlite = "CREATE TABLE job (id integer PRIMARY KEY, name text NOT NULL CHECK (length(name) <= 20))";
    for (kind, db, table) in [
        ("PostgreSQL", postgres(prefix), JOB),
        ("psqlODBC", psql_odbc(prefix), JOB),
        ("SQLite", sqlite_at(&folder.path().join("a.db")).build().unwrap(), sqlite),
    ] {
        db.execute(table, ()).unwrap();
        test(kind, &db);
    }
}

#[test]
fn rows_of_every_shape_arrive_in_every_database() {
    each_kind("bulk", |kind, db| {
        let rows = (1..=4_321_i64).map(|id| (id, format!("row {id}")));
        assert_eq!(db.bulk_insert("job", &["id", "name"], rows).unwrap(), 4_321, "{kind}");
        // In another order of columns, and with a name for each thing that may be a row.
        let vectors =
            vec![vec![Value::from("a"), Value::from(5_001)], vec![Value::from("b"), Value::from(5_002)]];
        assert_eq!(db.bulk_insert("job", &["name", "id"], vectors).unwrap(), 2, "{kind}");
        let rows = db.execute_query("SELECT id + 6000 AS id, name FROM job WHERE id > 5000", ()).unwrap();
        assert_eq!(db.bulk_insert("job", &["id".to_owned(), "name".to_owned()], &rows).unwrap(), 2, "{kind}");
        assert_eq!(db.bulk_insert("job", &["id", "name"], Vec::<Row>::new()).unwrap(), 0, "{kind}");
        assert_eq!(count(db, "job"), 4_325, "{kind}");
        let sum: i64 =
            db.query_one("SELECT sum(id) AS n FROM job WHERE id <= 4321", ()).unwrap().get("n").unwrap();
        assert_eq!(sum, 4_321 * 4_322 / 2, "{kind}");
        let name: String =
            db.query_one("SELECT name FROM job WHERE id = 4000", ()).unwrap().get("name").unwrap();
        assert_eq!(name, "row 4000", "{kind}");
    });
}

#[test]
fn a_bad_row_in_the_middle_leaves_nothing_and_is_named() {
    each_kind("bulk_bad", |kind, db| {
        let bad = 2_345;
        let load = |wrong: fn(i64) -> (Option<i64>, Option<String>)| {
            let row = move |id| if id == bad { wrong(id) } else { (Some(id), Some(format!("row {id}"))) };
            db.bulk_insert("job", &["id", "name"], (1..=5_000).map(row)).unwrap_err()
        };
        let duplicate = load(|_| (Some(7), Some("again".into())));
        let null = load(|id| (Some(id), None));
        let long = load(|id| (Some(id), Some("x".repeat(21))));
        for (error, wanted) in [(&duplicate, ErrorKind::Constraint), (&null, ErrorKind::Constraint)] {
            assert_eq!(error.kind(), wanted, "{kind}: {}", error.report());
        }
        let too_long = if kind == "SQLite" { ErrorKind::Constraint } else { ErrorKind::Data };
        assert_eq!(long.kind(), too_long, "{kind}: {}", long.report());
        for error in [&duplicate, &null, &long] {
            assert!(error.to_string().contains("record 2345: "), "{kind}: {error}");
            assert!(error.to_string().contains("bulk_insert failed"), "{kind}: {error}");
            assert!(!format!("{error} {error:?}").contains("again"), "{kind}: {error}");
        }
        if kind == "PostgreSQL" {
            assert_eq!((long.table(), long.column()), (Some("job"), Some("name")), "{long}");
        }
        assert_eq!(count(db, "job"), 0, "{kind}");
        // In a transaction, only the load is undone.
        db.transaction(|tx| {
            tx.execute("INSERT INTO job (id, name) VALUES (1, 'before')", ())?;
            let rows = [(2, "two"), (1, "one again")];
            assert_eq!(
                tx.bulk_insert("job", &["id", "name"], rows).unwrap_err().kind(),
                ErrorKind::Constraint
            );
            tx.bulk_insert("job", &["id", "name"], [(3, "three")])
        })
        .unwrap_or_else(|error| panic!("{kind}: {}", error.report()));
        let ids = db.execute_query("SELECT id FROM job ORDER BY id", ()).unwrap();
        let ids: Vec<i64> = ids.iter().map(|row| row.get("id").unwrap()).collect();
        assert_eq!(ids, [1, 3], "{kind}");
    });
}

#[test]
fn rows_that_cannot_be_read_end_the_load() {
    each_kind("bulk_source", |kind, db| {
        let unreadable = || (1..=3_000).map(|id| if id == 2_500 { Err(no_row()) } else { Ok((id, "x")) });
        let error = db.bulk_insert("job", &["id", "name"], unreadable()).unwrap_err();
        assert!(error.to_string().contains("record 2500: there is no column"), "{kind}: {error}");
        let short = (1..=3_000)
            .map(|id| if id == 2_500 { vec![Value::Int(id)] } else { vec![Value::Int(id), "x".into()] });
        let error = db.bulk_insert("job", &["id", "name"], short).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Params, "{kind}: {error}");
        assert!(
            error.to_string().contains("record 2500: 1 values were given for 2 columns"),
            "{kind}: {error}"
        );
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let rows = (1..=3_000).map(|id| if id == 2_500 { panic!("on purpose") } else { (id, "x") });
            db.bulk_insert("job", &["id", "name"], rows)
        }));
        assert!(panicked.is_err(), "{kind}");
        assert_eq!(count(db, "job"), 0, "{kind}");
        // The transaction around it goes on.
        let kept = db.transaction(|tx| {
            assert!(tx.bulk_insert("job", &["id", "name"], unreadable()).is_err());
            tx.bulk_insert("job", &["id", "name"], [(1, "one")])
        });
        assert_eq!(kept.unwrap_or_else(|error| panic!("{kind}: {}", error.report())), 1);
        assert_eq!(count(db, "job"), 1, "{kind}");
    });
}

fn no_row() -> Error {
    Row::from_pairs([("a", Value::Null)]).get::<i64>("b").unwrap_err().clone()
}

#[test]
fn a_name_that_does_not_exist_is_answered_with_the_nearest() {
    each_kind("bulk_names", |kind, db| {
        let error = db.bulk_insert("job", &["id", "nmae"], [(1, "x")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax, "{kind}: {}", error.report());
        assert!(
            error.to_string().contains("no column nmae, and case counts; the nearest is name"),
            "{kind}: {error}"
        );
        let error = db.bulk_insert("jobs", &["id", "name"], [(1, "x")]).unwrap_err();
        assert!(error.to_string().contains("no table \"jobs\""), "{kind}: {error}");
        assert!(error.to_string().contains("there is job"), "{kind}: {error}");
        assert_eq!(db.bulk_insert("job", &[] as &[&str], [(1, "x")]).unwrap_err().kind(), ErrorKind::Params);
    });
}

#[test]
fn postgres_takes_every_type_and_text_for_any_of_them() {
    let db = postgres("bulk_types");
    db.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')", ()).unwrap();
    db.execute("CREATE SCHEMA \"Odd one\"", ()).unwrap();
    db.execute(
        "CREATE TABLE \"Odd one\".\"T\" (small smallint, big bigint, exact numeric(20,4), single real, wide float8, \
         flag boolean, bytes bytea, day date, clock time, at timestamp, point timestamptz, id uuid, plain json, doc jsonb, \
         tags text[], feeling mood, \"a b\" text)",
        (),
    )
    .unwrap();
    let columns = [
        "small", "big", "exact", "single", "wide", "flag", "bytes", "day", "clock", "at", "point", "id",
        "plain", "doc", "tags", "feeling", "a b",
    ];
    let day = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    let at = day.and_hms_micro_opt(8, 9, 10, 123_456).unwrap();
    let id = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
    let typed: Vec<Value> = vec![
        Value::Int(-5),
        Value::Int(i64::MIN),
        "12345678901234.5678".parse::<BigDecimal>().unwrap().into(),
        Value::Float(0.5),
        Value::Float(-1.5e300),
        true.into(),
        Value::Bytes(vec![0, 1, 255, b'\\', b'\n'].into()),
        day.into(),
        at.time().into(),
        at.into(),
        at.and_utc().into(),
        id.into(),
        serde_json::json!({"a": [1, "two"]}).into(),
        serde_json::json!({"b": null}).into(),
        vec!["a\"b".to_owned(), "c\\d,{e}".to_owned()].into(),
        "glad".into(),
        "tab\tline\nreturn\r back\\slash \\N é€😀".into(),
    ];
    // All of it as text, which the server reads.
    let spelled: Vec<Value> = db
        .query_one(
            "SELECT '-5' AS a, '-9223372036854775808' AS b, '12345678901234.5678' AS c, '0.5' AS d, '-1.5e300' AS e, \
             'true' AS f, '\\x0001ff5c0a' AS g, '2026-01-05' AS h, '08:09:10.123456' AS i, '2026-01-05 08:09:10.123456' AS j, \
             '2026-01-05 10:09:10.123456+02' AS k, '12345678-9abc-def0-1234-56789abcdef0' AS l, '{\"a\": [1, \"two\"]}' AS m, \
             '{\"b\": null}' AS n, '{\"a\\\"b\",\"c\\\\d,{e}\"}' AS o, 'glad' AS p, 'x' AS q",
            (),
        )
        .unwrap()
        .into_values();
    let nulls = vec![Value::Null; columns.len()];
    let without = |place: usize, value: Value| {
        let mut row = typed.clone();
        row[place] = value;
        row
    };
    let rows = vec![
        typed.clone(),
        nulls.clone(),
        without(9, "2026-01-05 08:09:10.123456".into()),
        typed.clone(),
        nulls.clone(),
        spelled,
    ];
    assert_eq!(db.bulk_insert("Odd one.T", &columns, rows).unwrap(), 6);
    let found = db.execute_query("SELECT * FROM \"Odd one\".\"T\"", ()).unwrap();
    assert_eq!(found.len(), 6);
    for place in [0, 2, 3] {
        assert_eq!(found[place].to_json().unwrap(), found[0].to_json().unwrap());
    }
    assert!(found[1].values() == nulls && found[4].values() == nulls);
    assert_eq!(found[0]["big"], Value::Int(i64::MIN));
    assert_eq!(found[0]["exact"], typed[2]);
    assert_eq!(found[0]["bytes"], typed[6]);
    assert_eq!(found[0]["point"], Value::TimestampTz(DateTime::fixed_offset(&at.and_utc())));
    assert_eq!(found[0]["a b"], typed[16]);
    for column in &columns[..16] {
        assert_eq!(found[5].value(*column).unwrap(), found[0].value(*column).unwrap(), "{column}");
    }
    // What cannot go to its column is refused with its place, in either form.
    for value in [Value::Int(70_000), "not a number".into()] {
        let error = db.bulk_insert("Odd one.T", &columns, [typed.clone(), without(0, value)]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Params | ErrorKind::Data), "{}", error.report());
        assert!(
            error.to_string().contains("record 2: ") && error.to_string().contains("\"small\""),
            "{error}"
        );
        assert!(!error.to_string().contains("not a number"), "{error}");
    }
    assert_eq!(count(&db, "\"Odd one\".\"T\""), 6);
}

#[test]
fn what_the_table_makes_of_rows_is_not_hidden() {
    let db = postgres("bulk_table");
    db.execute(
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, n integer, twice integer GENERATED ALWAYS AS (n * 2) \
         STORED, at timestamptz NOT NULL DEFAULT now())",
        (),
    )
    .unwrap();
    assert_eq!(db.bulk_insert("t", &["n"], [[1], [2]]).unwrap(), 2);
    let error = db.bulk_insert("t", &["n", "twice"], [[1, 2]]).unwrap_err();
    assert!(error.sqlstate().is_some(), "{error}");
    db.execute(
        "CREATE FUNCTION no_threes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n = 3 THEN RETURN NULL; END IF; \
         RETURN NEW; END $$",
        (),
    )
    .unwrap();
    db.execute("CREATE TRIGGER no_threes BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no_threes()", ())
        .unwrap();
    let error = db.bulk_insert("t", &["n"], (1..=5).map(|n| [n])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RowCount, "{error}");
    assert!(error.to_string().contains("4 of 5 rows"), "{error}");
    assert_eq!(count(&db, "t"), 2);
    db.execute("CREATE TABLE child (id integer REFERENCES parent_of_none)", ()).unwrap_err();
    db.execute("CREATE TABLE parent (id integer PRIMARY KEY)", ()).unwrap();
    db.execute("CREATE TABLE child (id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED)", ())
        .unwrap();
    let error = db.bulk_insert("child", &["id"], [[1]]).unwrap_err();
    assert_eq!((error.kind(), count(&db, "child")), (ErrorKind::Constraint, 0), "{error}");
}

#[test]
fn a_database_that_is_only_read_takes_no_rows() {
    let db = fresh("bulk_ro").read_only(true).build().unwrap();
    let error = db.bulk_insert("t", &["n"], [[1]]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
}

#[test]
fn the_limit_is_on_a_chunk_and_not_on_the_iterator() {
    let db = fresh("bulk_limit").timeout(Duration::from_millis(700)).build().unwrap();
    db.execute("CREATE TABLE t (n integer)", ()).unwrap();
    // Slower as a whole than the limit, and in its first chunk too.
    let slow = (0..20).map(|n| {
        std::thread::sleep(Duration::from_millis(50));
        [n]
    });
    assert_eq!(db.bulk_insert("t", &["n"], slow).unwrap(), 20);
    // Somebody holds the table: the load waits for no longer than its limit.
    let other = db.clone();
    db.transaction(|tx| {
        tx.execute("LOCK TABLE t IN SHARE MODE", ())?;
        let (outcome, took) = timed(|| other.bulk_insert("t", &["n"], (0..10).map(|n| [n])));
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout(_)) && error.is_transient(), "{error}");
        assert!(took < Duration::from_millis(1_200), "{took:?}");
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(count(&db, "t"), 20);
    let quick = db.with_deadline(Duration::from_millis(300));
    let endless = (0_i64..).map(|n| {
        std::thread::sleep(Duration::from_millis(1));
        [n % 1_000]
    });
    let (outcome, took) = timed(|| quick.bulk_insert("t", &["n"], endless.clone()));
    assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Timeout(_)));
    assert!(took < Duration::from_millis(800), "{took:?}");
    let records = endless.map(|[n]| params! { n: n });
    let (outcome, took) = timed(|| quick.execute_many("INSERT INTO t (n) VALUES (:n)", records));
    assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Timeout(_)));
    assert!(took < Duration::from_millis(800), "{took:?}");
    assert_eq!(count(&db, "t"), 20);
}

#[test]
fn a_row_of_the_programs_own_kind() {
    struct Job(i64, &'static str);
    impl IntoRow for Job {
        fn append_to(self, row: &mut Vec<Value>) -> Result<(), Error> {
            (self.0, self.1).append_to(row)
        }
    }
    let db = postgres("bulk_own");
    db.execute(JOB, ()).unwrap();
    db.bulk_insert("job", &["id", "name"], [Job(1, "one"), Job(2, "two")]).unwrap();
    let name: String =
        db.query_one("SELECT name FROM job WHERE id = :id", params! { id: 2 }).unwrap().get(0).unwrap();
    assert_eq!(name, "two");
}

#[test]
fn nothing_is_prepared_by_name_where_that_is_not_wanted() {
    let db = fresh("bulk_pooler").statement_cache(0).build().unwrap();
    db.execute(JOB, ()).unwrap();
    let columns = ["id", "name"];
    assert_eq!(db.bulk_insert("job", &columns, (1..=100).map(|id| (id, "x"))).unwrap(), 100);
    assert_eq!(db.bulk_upsert("job", &columns, &["id"], (51..=150).map(|id| (id, "y"))).unwrap(), 100);
    let records = (151..=1_000).map(|id| params! { id: id, name: "z" });
    assert_eq!(
        db.execute_many("INSERT INTO job (id, name) VALUES (:id, lower(:name))", records).unwrap(),
        850
    );
    let prepared = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement !~ 'pg_type'";
    assert_eq!(db.query_one(prepared, ()).unwrap().get::<i64>("n").unwrap(), 0);
    assert_eq!(count(&db, "job"), 1_000);
}

#[test]
fn a_load_that_is_refused_as_a_whole_leaves_no_answer_to_the_next_call() {
    let db = fresh("bulk_refused").pool_size(1).max_overflow(0).build().unwrap();
    db.execute("CREATE TABLE t (id int, twice int GENERATED ALWAYS AS (id * 2) STORED)", ()).unwrap();
    for n in 0..30_i64 {
        let error = db.bulk_insert("t", &["id", "twice"], [(1, 2)]).unwrap_err();
        assert_eq!((error.kind(), error.column()), (ErrorKind::Constraint, Some("twice")), "{error}");
        let told = db.query_one("SELECT :n::int8 AS n", params! { n: n }).unwrap();
        assert_eq!(told.get::<i64>("n").unwrap(), n);
    }
}
