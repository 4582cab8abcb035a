//! One statement for many records: what a loop does, faster, and the record that was refused.

use batchdb::{DatabaseManager, Error, ErrorKind, Params, Value, params};

use crate::common::postgres;
use crate::odbc::{psql_odbc, sqlite_at};

mod like_a_loop;

const INSERT: &str = "INSERT INTO t (id, name) VALUES (:id, :name)";

fn each_kind(prefix: &str, test: impl Fn(&str, &DatabaseManager)) {
    let folder = tempfile::tempdir().unwrap();
    for (kind, db) in [
        ("PostgreSQL", postgres(prefix)),
        ("psqlODBC", psql_odbc(prefix)),
        ("SQLite", sqlite_at(&folder.path().join("a.db")).build().unwrap()),
    ] {
        db.execute(
            "CREATE TABLE t (id integer PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'none', n integer)",
            (),
        )
        .unwrap();
        test(kind, &db);
    }
}

fn count(db: &DatabaseManager) -> i64 {
    count_of(db, "t")
}

fn row(id: i64) -> Params {
    params! { id: id, name: format!("row {id}") }
}

/// How many statements the server has been sent for the table since it was asked last, by its statistics of the session.
fn statements(db: &DatabaseManager, table: &str) -> i64 {
    let sql = "SELECT coalesce(sum(calls), 0)::bigint AS n FROM called WHERE of = :table";
    db.query_one(sql, params! { table: table }).unwrap().get("n").unwrap()
}

#[test]
fn any_number_of_records_arrives_once_each() {
    each_kind("many", |kind, db| {
        let mut id = 0;
        let mut expected = 0;
        for records in [0_i64, 1, 8, 9, 100, 1_000, 1_001, 7_777] {
            let from = id;
            id += records;
            let changed = db.execute_many(INSERT, (from + 1..=id).map(row)).unwrap();
            assert_eq!(changed, records as u64, "{kind}");
            expected += records;
            assert_eq!(count(db), expected, "{kind}: {records}");
        }
        let bad = "SELECT count(*) AS n FROM t WHERE name <> 'row ' || CAST(id AS varchar(20))";
        assert_eq!(db.query_one(bad, ()).unwrap().get::<i64>("n").unwrap(), 0, "{kind}");
    });
}

#[test]
fn the_record_that_is_refused_is_named_and_nothing_stays() {
    each_kind("many_bad", |kind, db| {
        for bad in [1, 9, 700, 3_000] {
            let records = (1..=3_000).map(|id| {
                if id == bad {
                    params! { id: id, name: None::<&str> }
                } else {
                    row(id)
                }
            });
            let error = db.execute_many(INSERT, records).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Constraint, "{kind}: {}", error.report());
            assert!(error.to_string().contains(&format!("record {bad}: ")), "{kind}: {bad}: {error}");
            assert!(error.to_string().contains("execute_many failed"), "{kind}: {error}");
        }
        // What cannot be bound is told with its record, and after what stands before it.
        let records = (1..=900).map(|id| {
            if id == 800 {
                params! { id: id }
            } else {
                row(id)
            }
        });
        let error = db.execute_many(INSERT, records).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Params && error.to_string().contains("record 800: "),
            "{kind}: {error}"
        );
        let records = (1..=900).map(|id| {
            if id == 800 {
                params! { id: id }
            } else {
                row(id.min(700))
            }
        });
        let error = db.execute_many(INSERT, records).unwrap_err();
        assert!(error.to_string().contains("record 701: "), "{kind}: {error}");
        assert_eq!(count(db), 0, "{kind}");
        // Within a transaction only the call is undone.
        db.transaction(|tx| {
            tx.execute_many(INSERT, (1..=100).map(row))?;
            assert!(tx.execute_many(INSERT, (100..=1_000).rev().map(row)).is_err());
            tx.execute_many(INSERT, (101..=200).map(row))
        })
        .unwrap_or_else(|error| panic!("{kind}: {}", error.report()));
        assert_eq!(count(db), 200, "{kind}");
    });
}

#[test]
fn values_of_different_kinds_and_names_used_twice() {
    each_kind("many_mixed", |kind, db| {
        let sql = "INSERT INTO t (id, name, n) VALUES (:id, upper(:name), :id)";
        let records = (1..=500_i64).map(|id| {
            let id: Value = if id % 3 == 0 { id.to_string().into() } else { id.into() };
            params! { id: id, name: "x", }
        });
        assert_eq!(db.execute_many(sql, records).unwrap_or_else(|e| panic!("{kind}: {}", e.report())), 500);
        let same = "SELECT count(*) AS n FROM t WHERE id = n AND name = 'X'";
        assert_eq!(db.query_one(same, ()).unwrap().get::<i64>("n").unwrap(), 500, "{kind}");
        let nulls = (501..=1_000_i64).map(|id| params! { id: id, n: (id % 2 == 0).then_some(id) });
        db.execute_many("INSERT INTO t (id, n) VALUES (:id, :n)", nulls).unwrap();
        let nulls = "SELECT count(*) AS n FROM t WHERE n IS NULL AND name = 'none'";
        assert_eq!(db.query_one(nulls, ()).unwrap().get::<i64>("n").unwrap(), 250, "{kind}");
    });
}

#[test]
fn conflicts_count_as_in_a_loop() {
    for db in [postgres("many_conflict"), {
        let folder = tempfile::tempdir().unwrap().keep();
        sqlite_at(&folder.join("a.db")).build().unwrap()
    }] {
        db.execute("CREATE TABLE t (id integer PRIMARY KEY, name varchar(20))", ()).unwrap();
        let nothing = "INSERT INTO t (id, name) VALUES (:id, :name) ON CONFLICT (id) DO NOTHING";
        // Each twice, near and far.
        let records = (0..2_000).map(|n| row(n / 2)).chain((0..1_000).map(row));
        assert_eq!(db.execute_many(nothing, records).unwrap(), 1_000);
        let update =
            "INSERT INTO t (id, name) VALUES (:id, :name) ON CONFLICT (id) DO UPDATE SET name = 'twice'";
        let records = (0..2_000).map(|n| row(n / 2));
        assert_eq!(db.execute_many(update, records).unwrap(), 2_000);
        let twice = "SELECT count(*) AS n FROM t WHERE name = 'twice'";
        assert_eq!(db.query_one(twice, ()).unwrap().get::<i64>("n").unwrap(), 1_000);
    }
}

#[test]
fn a_table_with_triggers_gets_a_statement_for_each_record() {
    let db = postgres("many_trigger");
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, name text, boss integer REFERENCES t)", ()).unwrap();
    db.execute("CREATE TABLE plain (id integer)", ()).unwrap();
    db.execute("CREATE TABLE called (of text, calls bigint)", ()).unwrap();
    let function = "CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS \
                    $$ BEGIN INSERT INTO called VALUES (TG_TABLE_NAME, 1); RETURN NULL; END $$";
    db.execute(function, ()).unwrap();
    // A row may refer to one before it, and not to one after it.
    let linked = |boss: fn(i64) -> i64| (1..=100_i64).map(move |id| params! { id: id, boss: boss(id) });
    let sql = "INSERT INTO t (id, boss) VALUES (:id, :boss)";
    let error = db.execute_many(sql, linked(|id| (id + 1).min(100))).unwrap_err();
    assert!(error.to_string().contains("record 1: "), "{error}");
    assert_eq!(db.execute_many(sql, linked(|id| (id - 1).max(1))).unwrap(), 100);
    for table in ["t", "plain"] {
        db.execute(&format!("CREATE TRIGGER told AFTER INSERT ON {table} EXECUTE FUNCTION told()"), ())
            .unwrap();
    }
    db.execute_many("INSERT INTO plain VALUES (:id)", (0..300).map(|id| params! { id: id })).unwrap();
    assert_eq!(statements(&db, "plain"), 300);
    // Without it, nothing is told apart but the number of statements, which the server counts as commands.
    db.execute("DROP TRIGGER told ON plain", ()).unwrap();
    db.execute("TRUNCATE plain", ()).unwrap();
    db.execute_many("INSERT INTO plain VALUES (:id)", (0..300).map(|id| params! { id: id })).unwrap();
    let commands = "SELECT count(DISTINCT (xmin::text, cmin::text)) AS n FROM plain";
    let commands: i64 = db.query_one(commands, ()).unwrap().get("n").unwrap();
    assert!(commands < 50, "{commands} statements for 300 records");
    // A partition's triggers are looked at with those of the whole.
    db.execute("CREATE TABLE whole (id integer) PARTITION BY RANGE (id)", ()).unwrap();
    db.execute("CREATE TABLE part PARTITION OF whole DEFAULT", ()).unwrap();
    db.execute_many("INSERT INTO whole VALUES (:id)", (0..300).map(|id| params! { id: id })).unwrap();
    let each = "CREATE TRIGGER told AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION told()";
    db.execute(each, ()).unwrap();
    db.execute_many("INSERT INTO whole VALUES (:id)", (0..300).map(|id| params! { id: id })).unwrap();
    assert_eq!(statements(&db, "part"), 300);
}

#[test]
fn a_function_of_a_default_or_a_check_sees_the_records_before() {
    for (kind, db) in [("PostgreSQL", postgres("many_function")), ("psqlODBC", psql_odbc("many_function"))] {
        for sql in [
            "CREATE TABLE t (id integer, place integer)",
            "CREATE FUNCTION rows_of_t() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t'",
            "CREATE FUNCTION few(integer) RETURNS boolean LANGUAGE sql AS 'SELECT count(*) < 150 FROM t'",
            "ALTER TABLE t ALTER place SET DEFAULT rows_of_t()",
            "CREATE OPERATOR @#@ (RIGHTARG = integer, PROCEDURE = few)",
            "CREATE DOMAIN limited AS integer CHECK (few(VALUE))",
            "CREATE DOMAIN between_them AS limited",
            "CREATE DOMAIN within AS between_them CHECK (VALUE >= 0)",
            "CREATE TYPE held AS (id within)",
        ] {
            db.execute(sql, ()).unwrap();
        }
        let numbers = || (0..300).map(|id| params! { id: id });
        let insert = "INSERT INTO t (id) VALUES (:id)";
        db.execute_many(insert, numbers()).unwrap();
        let other = "SELECT count(*) AS n FROM t WHERE place <> id";
        assert_eq!(db.query_one(other, ()).unwrap().get::<i64>("n").unwrap(), 0, "{kind}");
        // A check of the table, of a domain, of what a type is made of, and by an operator.
        db.execute("ALTER TABLE t ALTER place SET DEFAULT 7", ()).unwrap();
        for change in [
            "ALTER TABLE t ADD CONSTRAINT few CHECK (few(id))",
            "ALTER TABLE t DROP CONSTRAINT few, ALTER id TYPE limited",
            "ALTER TABLE t ALTER id TYPE within",
            "ALTER TABLE t ALTER id TYPE within[] USING ARRAY[id]",
            "ALTER TABLE t ALTER id TYPE held USING NULL",
            "ALTER TABLE t ALTER id TYPE integer USING NULL, ADD CONSTRAINT few CHECK (@#@ id)",
        ] {
            db.execute("TRUNCATE t", ()).unwrap();
            db.execute(change, ()).unwrap();
            let record = |id: i64| match change {
                _ if change.contains("[]") => params! { id: format!("{{{id}}}") },
                _ if change.contains("TYPE held") => params! { id: format!("({id})") },
                _ => params! { id: id },
            };
            let error = db.execute_many(insert, (0..300).map(record)).unwrap_err();
            assert!(error.to_string().contains("record 151: "), "{kind}: {error}");
        }
    }
}

#[test]
fn the_statement_cache_keeps_what_it_had() {
    let db = postgres("many_cache");
    db.execute("CREATE TABLE t (id integer, name text)", ()).unwrap();
    db.session(|session| {
        for records in 300..340 {
            session.execute_many(INSERT, (1..=records).map(row))?;
        }
        let sql = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO t%'";
        let prepared: i64 = session.query_one(sql, ())?.get("n")?;
        assert!(prepared <= 4, "{prepared} texts of one insert are prepared");
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn returned_rows_come_in_the_order_of_the_records() {
    for (kind, db) in [("PostgreSQL", postgres("many_returning")), ("psqlODBC", psql_odbc("many_returning"))]
    {
        db.execute("CREATE TABLE t (id serial PRIMARY KEY, name text UNIQUE)", ()).unwrap();
        let names = (0..300).map(|n| format!("name {}", n * 7 % 300));
        let sql = "INSERT INTO t (name) VALUES (:name) RETURNING id, name";
        let rows = db.execute_many_returning(sql, names.clone().map(|name| params! { name: name })).unwrap();
        let returned: Vec<String> = rows.iter().map(|row| row.get("name").unwrap()).collect();
        assert_eq!(returned, names.collect::<Vec<_>>(), "{kind}");
        let twice = ["new", "newer", "name 5"].map(|name| params! { name: name });
        let error = db.execute_many_returning(sql, twice).unwrap_err();
        assert!(error.to_string().contains("record 3: "), "{kind}: {error}");
        assert_eq!(count(&db), 300, "{kind}");
    }
}

#[test]
fn rows_of_nothing_but_parameters_do_what_an_insert_does() {
    let db = postgres("many_load");
    db.execute("CREATE TABLE parent (id integer PRIMARY KEY)", ()).unwrap();
    db.execute("INSERT INTO parent SELECT generate_series(1, 500)", ()).unwrap();
    db.execute(
        "CREATE TABLE \"Child\" (\"Id\" integer REFERENCES parent, at timestamptz, exact numeric(10,2) DEFAULT 7, doc jsonb)",
        (),
    )
    .unwrap();
    // Names with capitals, values that are not of their column's type from a record on.
    let sql = "INSERT INTO \"Child\" (\"Id\", AT, doc) VALUES (:id, :at, :doc)";
    let record = |id: i64| {
        let at = if id < 300 { Value::Null } else { "2026-01-05 08:00+00".into() };
        params! { id: id, at: at, doc: serde_json::json!(id) }
    };
    assert_eq!(db.execute_many(sql, (1..=500).map(record)).unwrap(), 500);
    let row = db.query_one(
        "SELECT count(*) AS n, count(at) AS dated, sum(exact)::bigint AS sevens, sum((doc #>> '{}')::int) AS ids FROM \"Child\"",
        (),
    );
    assert_eq!(row.unwrap().into_values(), [500, 201, 3_500, 125_250].map(Value::Int));
    // The server names no row of a foreign key that fails; the records are gone through for it.
    let error = db.execute_many(sql, (1..=600).map(record)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
    assert!(error.to_string().contains("record 501: "), "{error}");
    // COPY would take the value of an identity that an INSERT must not give.
    db.execute("CREATE TABLE counted (id integer GENERATED ALWAYS AS IDENTITY, n integer)", ()).unwrap();
    let given = (1..=50).map(|id| params! { id: id });
    let error = db.execute_many("INSERT INTO counted (id, n) VALUES (:id, :id)", given);
    assert!(error.unwrap_err().to_string().contains("record 1: "));
    let numbers = (1..=50).map(|n| params! { n: n });
    assert_eq!(db.execute_many("INSERT INTO counted (n) VALUES (:n)", numbers).unwrap(), 50);
    assert_eq!(count_of(&db, "\"Child\""), 500);
}

#[test]
fn records_that_end_in_a_panic_leave_nothing() {
    each_kind("many_panic", |kind, db| {
        for at in [5, 50, 1_500] {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let records = (1..).map(|id| if id == at { panic!("on purpose") } else { row(id) });
                db.execute_many(INSERT, records)
            }));
            assert!(panicked.is_err(), "{kind}");
            assert_eq!(count(db), 0, "{kind}: {at}");
        }
        assert_eq!(db.execute_many(INSERT, (1..=100).map(row)).unwrap(), 100, "{kind}");
    });
}

fn count_of(db: &DatabaseManager, table: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap()
}
