//! Rows that take the place of those with their key.

use std::time::Duration;

use batchdb::{BulkOptions, DatabaseManager, Error, ErrorKind, Value, params};

use super::{count, each_kind};
use crate::common::{fresh, postgres, timed};
use crate::odbc::{psql_odbc, sqlite_at};

fn name(db: &DatabaseManager, id: i64) -> String {
    db.query_one("SELECT name FROM job WHERE id = :id", params! { id: id }).unwrap().get("name").unwrap()
}

#[test]
fn rows_are_new_or_take_the_place_of_their_key() {
    each_kind("upsert", |kind, db| {
        let columns = ["id", "name"];
        db.bulk_insert("job", &columns, (1..=1_000).map(|id| (id, "old"))).unwrap();
        let rows = (501..=3_000).map(|id| (id, format!("new {id}")));
        let changed = db
            .bulk_upsert("job", &columns, &["id"], rows)
            .unwrap_or_else(|error| panic!("{kind}: {}", error.report()));
        assert_eq!((changed, count(db, "job")), (2_500, 3_000), "{kind}");
        assert_eq!((name(db, 500), name(db, 501)), ("old".to_owned(), "new 501".to_owned()), "{kind}");
        // Of several rows with one key the last wins, near and far, in another order of columns.
        let twice = (0..4_000).map(|n| (format!("row {n}"), n % 2_000 + 1));
        assert_eq!(db.bulk_upsert("job", &["name", "id"], &["id"], twice).unwrap(), 2_000, "{kind}");
        assert_eq!((name(db, 1), name(db, 2_000)), ("row 2000".to_owned(), "row 3999".to_owned()), "{kind}");
        // Within a transaction, several times, and undone with it.
        let undone = db.transaction(|tx| {
            tx.bulk_upsert("job", &columns, &["id"], [(1, "a"), (9_001, "b")])?;
            tx.bulk_upsert("job", &columns, &["id"], [(1, "c"), (9_002, "d")])?;
            let now: String = tx.query_one("SELECT name FROM job WHERE id = 1", ())?.get(0)?;
            assert_eq!(now, "c", "{kind}");
            tx.bulk_insert("job", &columns, [(1, "twice")])
        });
        assert_eq!(undone.unwrap_err().kind(), ErrorKind::Constraint, "{kind}");
        assert_eq!((name(db, 1), count(db, "job")), ("row 2000".to_owned(), 3_000), "{kind}");
    });
}

#[test]
fn an_upsert_that_is_refused_changes_nothing() {
    each_kind("upsert_bad", |kind, db| {
        let columns = ["id", "name"];
        db.bulk_insert("job", &columns, (1..=10).map(|id| (id, "old"))).unwrap();
        let rows = |bad: fn(i64) -> Option<String>| {
            (1..=2_000_i64).map(move |id| (id, if id == 1_500 { bad(id) } else { Some("new".to_owned()) }))
        };
        let error = db.bulk_upsert("job", &columns, &["id"], rows(|_| None)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint, "{kind}: {}", error.report());
        assert_eq!((count(db, "job"), name(db, 1)), (10, "old".to_owned()), "{kind}");
        if kind != "SQLite" {
            let long = db.bulk_upsert("job", &columns, &["id"], rows(|_| Some("x".repeat(21)))).unwrap_err();
            assert!(
                long.kind() == ErrorKind::Data && long.to_string().contains("record 1500: "),
                "{kind}: {long}"
            );
            assert!(!long.to_string().contains("batchdb_stage"), "{kind}: {long}");
        }
        let error = db.bulk_upsert("job", &["id", "nmae"], &["id"], [(1, "x")]).unwrap_err();
        assert!(
            error.to_string().contains("bulk_upsert failed") && error.to_string().contains("nmae"),
            "{kind}: {error}"
        );
        let error = db.bulk_upsert("job", &columns, &["name"], [(1, "x")]).unwrap_err();
        assert!(error.sqlstate().is_some(), "{kind}: {error}");
        for keys in [&[] as &[&str], &["other"]] {
            let error = db.bulk_upsert("job", &columns, keys, [(1, "x")]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Params, "{kind}: {error}");
        }
        let options = BulkOptions::new().commit_chunks();
        let refused = db.bulk_upsert_with("job", &columns, &["id"], [(1, "x")], options).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Usage, "{kind}");
        let unreadable = [Ok((1, "x")), Err(Error::from(refused))];
        assert!(
            db.bulk_upsert("job", &columns, &["id"], unreadable)
                .unwrap_err()
                .to_string()
                .contains("record 2: ")
        );
        assert_eq!((count(db, "job"), name(db, 1)), (10, "old".to_owned()), "{kind}");
    });
}

#[test]
fn keys_alone_and_keys_of_two_columns() {
    let db = postgres("upsert_keys");
    db.execute("CREATE TABLE pair (\"A\" integer, b text, PRIMARY KEY (\"A\", b))", ()).unwrap();
    let rows = [(1, "x"), (1, "y"), (1, "x")];
    assert_eq!(db.bulk_upsert("public.pair", &["A", "b"], &["A", "b"], rows).unwrap(), 2);
    assert_eq!(db.bulk_upsert("public.pair", &["A", "b"], &["A", "b"], rows).unwrap(), 0);
    db.execute(
        "CREATE TABLE typed (id bigint PRIMARY KEY, at timestamptz, exact numeric(10,2), doc jsonb)",
        (),
    )
    .unwrap();
    let rows = [
        vec![Value::Int(1), "2026-01-05 08:00+00".into(), "1.25".into(), "{}".into()],
        vec![Value::Int(1), Value::Null, "2.50".into(), serde_json::json!([1]).into()],
    ];
    assert_eq!(db.bulk_upsert("typed", &["id", "at", "exact", "doc"], &["id"], rows).unwrap(), 1);
    let row = db.query_one("SELECT at IS NULL AS gone, exact::text AS exact FROM typed", ()).unwrap();
    assert_eq!(
        (row.get::<bool>("gone").unwrap(), row.get::<String>("exact").unwrap()),
        (true, "2.50".to_owned())
    );
}

#[test]
fn upserts_of_the_same_keys_at_a_time_neither_fail_nor_lose() {
    let db = postgres("upsert_race");
    db.execute(super::JOB, ()).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for round in 0..5 {
                    let rows = (1..=500).map(|id| (id, format!("{worker}/{round}")));
                    db.bulk_upsert("job", &["id", "name"], &["id"], rows).unwrap();
                }
            });
        }
    });
    assert_eq!(count(&db, "job"), 500);
    let last = "SELECT count(DISTINCT name) AS n FROM job WHERE name LIKE '%/4'";
    assert_eq!(db.query_one(last, ()).unwrap().get::<i64>("n").unwrap(), 1);
}

#[test]
fn what_a_trigger_leaves_out_of_an_upsert_is_told() {
    each_kind("upsert_trigger", |kind, db| {
        let columns = ["id", "name"];
        db.execute("CREATE TABLE one_key (id integer PRIMARY KEY)", ()).unwrap();
        if kind == "SQLite" {
            for table in ["job", "one_key"] {
                let trigger = format!(
                    "CREATE TRIGGER skip_{table} BEFORE INSERT ON {table} WHEN NEW.id % 100 = 0 \
                     BEGIN SELECT RAISE(IGNORE); END"
                );
                db.execute(&trigger, ()).unwrap();
            }
        } else {
            let function = "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS \
                            'BEGIN IF NEW.id % 100 = 0 THEN RETURN NULL; END IF; RETURN NEW; END'";
            db.execute(function, ()).unwrap();
            for table in ["job", "one_key"] {
                let trigger = format!(
                    "CREATE TRIGGER skip BEFORE INSERT ON {table} FOR EACH ROW EXECUTE PROCEDURE skip()"
                );
                db.execute(&trigger, ()).unwrap();
            }
        }
        // Row 5 comes twice: that is one key.
        let rows = (1..=250).chain([5]).map(|id| (id, "new"));
        let error = db.bulk_upsert("job", &columns, &["id"], rows).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RowCount, "{kind}: {}", error.report());
        assert!(error.to_string().contains("248 of 250 keys"), "{kind}: {error}");
        assert_eq!(count(db, "job"), 0, "{kind}");
        let error = db.bulk_upsert("one_key", &["id"], &["id"], (50..=250).map(|id| (id,))).unwrap_err();
        assert!(error.to_string().contains("199 of 201 keys"), "{kind}: {error}");
        // What the trigger lets through is all there is to keep, new or there already.
        for (ids, new) in [(1..=99, 99), (50..=99, 0)] {
            let rows = ids.clone().map(|id| (id,));
            assert_eq!(db.bulk_upsert("one_key", &["id"], &["id"], rows).unwrap(), new, "{kind}");
            let rows = ids.map(|id| (id, "new"));
            db.bulk_upsert("job", &columns, &["id"], rows)
                .unwrap_or_else(|error| panic!("{kind}: {}", error.report()));
        }
    });
}

#[test]
fn keys_of_sqlite_are_compared_as_their_table_compares_them() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    db.execute("CREATE TABLE tag (name TEXT COLLATE NOCASE PRIMARY KEY)", ()).unwrap();
    db.execute("INSERT INTO tag VALUES ('a')", ()).unwrap();
    db.bulk_upsert("tag", &["name"], &["name"], [("A",), ("b",)]).unwrap();
    assert_eq!(count(&db, "tag"), 2);
}

#[test]
fn what_a_column_of_the_table_needs_is_known_on_the_way_through_another() {
    let folder = tempfile::tempdir().unwrap();
    let db = sqlite_at(&folder.path().join("a.db")).build().unwrap();
    db.execute("CREATE TABLE flag (id INTEGER PRIMARY KEY, is_set BOOLEAN)", ()).unwrap();
    db.bulk_upsert("flag", &["id", "is_set"], &["id"], [(1, "true"), (2, "False")]).unwrap();
    assert_eq!(count(&db, "flag WHERE is_set"), 1);
    let psql = psql_odbc("upsert_fit");
    psql.execute("CREATE TABLE t (id int PRIMARY KEY, name text)", ()).unwrap();
    let (columns, row) = (["id", "name"], [(Value::Int(1), Value::from(b"abc".to_vec()))]);
    let inserted = psql.bulk_insert("t", &columns, row.clone());
    for refused in [inserted, psql.bulk_upsert("t", &columns, &["id"], row)] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Params, "{}", error.report());
        assert!(error.to_string().contains("column \"name\": bytes were given"), "{error}");
    }
    psql.bulk_insert("t", &columns, [(1, 0.1)]).unwrap();
    assert_eq!(psql.query_one("SELECT name FROM t", ()).unwrap()["name"], Value::from("0.1"));
}

#[test]
fn a_key_with_null_in_it_is_like_no_other() {
    each_kind("upsert_null", |kind, db| {
        db.execute("CREATE TABLE loose (k integer UNIQUE, x varchar(9))", ()).unwrap();
        let rows = [(None, "a"), (None, "b"), (Some(1), "c"), (Some(1), "d")];
        for (rows_there, upserted) in [(3, 3), (5, 3)] {
            assert_eq!(db.bulk_upsert("loose", &["k", "x"], &["k"], rows).unwrap(), upserted, "{kind}");
            assert_eq!(count(db, "loose"), rows_there, "{kind}");
        }
        let texts = db.execute_query("SELECT x FROM loose ORDER BY x", ()).unwrap();
        let texts: Vec<String> = texts.iter().map(|row| row.get(0).unwrap()).collect();
        assert_eq!(texts, ["a", "a", "b", "b", "d"], "{kind}");
        // Keys of two columns, and nothing but keys.
        db.execute("CREATE TABLE pair (a integer, b varchar(9), UNIQUE (a, b))", ()).unwrap();
        let keys =
            [(Some(1), Some("x")), (Some(1), None), (Some(1), None), (None, None), (Some(1), Some("x"))];
        for (rows_there, upserted) in [(4, 4), (7, 3)] {
            assert_eq!(db.bulk_upsert("pair", &["a", "b"], &["a", "b"], keys).unwrap(), upserted, "{kind}");
            assert_eq!(count(db, "pair"), rows_there, "{kind}");
        }
        // What a trigger leaves out of them is told, although rows with these keys are there.
        if kind == "SQLite" {
            let trigger = "CREATE TRIGGER skip BEFORE INSERT ON pair WHEN NEW.b IS NULL BEGIN SELECT RAISE(IGNORE); END";
            db.execute(trigger, ()).unwrap();
        } else {
            let function = "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS \
                            'BEGIN IF NEW.b IS NULL THEN RETURN NULL; END IF; RETURN NEW; END'";
            db.execute(function, ()).unwrap();
            let trigger = "CREATE TRIGGER skip BEFORE INSERT ON pair FOR EACH ROW EXECUTE PROCEDURE skip()";
            db.execute(trigger, ()).unwrap();
        }
        let error = db.bulk_upsert("pair", &["a", "b"], &["a", "b"], keys).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RowCount, "{kind}: {}", error.report());
        assert!(error.to_string().contains("1 of 4 keys"), "{kind}: {error}");
        assert_eq!(count(db, "pair"), 7, "{kind}");
    });
}

#[test]
fn a_key_that_takes_nulls_for_equal_has_one_row_for_them() {
    for (kind, db) in [("PostgreSQL", postgres("upsert_equal")), ("psqlODBC", psql_odbc("upsert_equal"))] {
        let create = "CREATE TABLE loose (a integer, b integer, x text, UNIQUE NULLS NOT DISTINCT (a, b))";
        if db.execute(create, ()).is_err() {
            let version = "SELECT current_setting('server_version_num')::integer AS n";
            let version: i64 = db.query_one(version, ()).unwrap().get("n").unwrap();
            assert!(version < 150_000, "{kind}: {version}");
            return;
        }
        let columns = ["b", "x", "a"];
        let rows = [(None, "a", Some(1)), (None, "b", Some(1)), (Some(1), "c", None), (None, "d", None)];
        for _ in 0..2 {
            assert_eq!(db.bulk_upsert("loose", &columns, &["b", "a"], rows).unwrap(), 3, "{kind}");
        }
        let texts = "SELECT string_agg(x, ' ' ORDER BY x) FROM loose";
        assert_eq!(db.query_one(texts, ()).unwrap().get::<String>(0).unwrap(), "b c d", "{kind}");
        let keys = [(None, Some(1)), (None, None), (Some(2), None), (Some(2), None)];
        for new in [1, 0] {
            assert_eq!(db.bulk_upsert("loose", &["b", "a"], &["a", "b"], keys).unwrap(), new, "{kind}");
        }
        // To the other keys of the table this says nothing, nor does an index that is no key of it.
        db.execute("CREATE UNIQUE INDEX ON loose (x) NULLS NOT DISTINCT WHERE a > 100", ()).unwrap();
        db.execute("ALTER TABLE loose ADD UNIQUE (x)", ()).unwrap();
        let rows = [(None::<&str>, 7), (None, 8)];
        assert_eq!(db.bulk_upsert("loose", &["x", "a"], &["x"], rows).unwrap(), 2, "{kind}");
    }
}

#[test]
fn many_keys_alone_are_upserted_in_time() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, db) in
        [("PostgreSQL", fresh("upsert_many_keys")), ("SQLite", sqlite_at(&folder.path().join("a.db")))]
    {
        let db = db.timeout(Duration::from_secs(15)).build().unwrap();
        db.execute("CREATE TABLE pair (a integer NOT NULL, b integer NOT NULL, PRIMARY KEY (a, b))", ())
            .unwrap();
        // Into an empty table, and where all of them are there.
        for new in [100_000, 0] {
            let rows = (0..100_000).map(|n| (n % 300, n));
            let (upserted, took) = timed(|| db.bulk_upsert("pair", &["a", "b"], &["a", "b"], rows));
            assert_eq!(upserted.unwrap_or_else(|error| panic!("{kind}: {}", error.report())), new, "{kind}");
            assert!(took < Duration::from_secs(10), "{kind}: {took:?}");
        }
    }
}

#[test]
fn an_identity_that_is_the_key_may_be_given() {
    let db = postgres("upsert_identity");
    let create = "CREATE TABLE counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code integer UNIQUE, name text)";
    db.execute(create, ()).unwrap();
    let rows = [(7, 1, "a"), (8, 2, "b")];
    assert_eq!(db.bulk_upsert("counted", &["id", "code", "name"], &["id"], rows).unwrap(), 2);
    let rows = [(8, 3, "c"), (9, 4, "d")];
    assert_eq!(db.bulk_upsert("counted", &["id", "code", "name"], &["id"], rows).unwrap(), 2);
    let rows = db.execute_query("SELECT id, code, name FROM counted ORDER BY id", ()).unwrap();
    let rows: Vec<(i64, i64, String)> =
        rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap())).collect();
    let expected = [(7, 1, "a"), (8, 3, "c"), (9, 4, "d")];
    assert_eq!(rows, expected.map(|(id, code, name)| (id, code, name.to_owned())));
    // One that is no key would have to be changed where the key is there.
    let error = db.bulk_upsert("counted", &["id", "code"], &["code"], [(20, 20)]).unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Constraint, Some("428C9")),
        "{}",
        error.report()
    );
    assert!(error.to_string().contains("generates"), "{error}");
    assert_eq!(count(&db, "counted"), 3);
}
