//! Databases of a test's own, on the server that all tests of this binary share.

use std::path::Path;
use std::thread;

use batchdb::testing::{TestDatabase, load_csv, load_json};
use batchdb::{ErrorKind, params};

use crate::common::{server, timed};

fn exists(name: &str) -> bool {
    let found = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    server().psql("postgres", &found).unwrap().trim() == "1"
}

fn migrations(folder: &Path) {
    std::fs::write(
        folder.join("V001__Job.sql"),
        "CREATE TABLE job (id int PRIMARY KEY, name text, day date);",
    )
    .unwrap();
    std::fs::write(folder.join("V002__Rows.sql"), "INSERT INTO job VALUES (0, 'first');").unwrap();
}

#[test]
fn each_test_has_a_database_of_its_own_that_ends_with_it() {
    let (one, two) = (
        TestDatabase::on(&server().url()).create().unwrap(),
        TestDatabase::on(&server().url()).create().unwrap(),
    );
    one.execute("CREATE TABLE t (n int)", ()).unwrap();
    assert_eq!(two.execute("INSERT INTO t VALUES (1)", ()).unwrap_err().kind(), ErrorKind::Syntax);
    let name = |db: &TestDatabase| -> String {
        db.query_one("SELECT current_database()", ()).unwrap().get(0).unwrap()
    };
    let names = [name(&one), name(&two)];
    assert!(names.iter().all(|name| exists(name)));
    // Also while somebody else is connected.
    let other = batchdb::DatabaseManager::builder("other")
        .connection_string(one.connection_string())
        .build()
        .unwrap();
    other.execute_query("SELECT 1", ()).unwrap();
    drop(one);
    two.close().unwrap();
    assert!(!names.iter().any(|name| exists(name)));
}

#[test]
fn many_tests_share_the_work_of_the_migrations() {
    let folder = tempfile::tempdir().unwrap();
    migrations(folder.path());
    let make = || TestDatabase::on(&server().url()).name("jobs").migrations(folder.path()).create().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let db = make();
                // What one test writes no other one sees.
                assert_eq!(db.execute("INSERT INTO job VALUES (1, 'mine')", ()).unwrap(), 1);
                let count: i64 = db.query_one("SELECT count(*) FROM job", ()).unwrap().get(0).unwrap();
                assert_eq!(count, 2);
                assert!(db.migration_status().unwrap().pending_migrations.is_empty());
            });
        }
    });
    let templates = "SELECT count(*) FROM pg_database WHERE datname LIKE 'batchdb\\_template\\_%'";
    assert_eq!(server().psql("postgres", templates).unwrap().trim(), "1");
    // Other contents are another template.
    std::fs::write(folder.path().join("V003__More.sql"), "ALTER TABLE job ADD more int;").unwrap();
    let (db, _) = timed(make);
    assert_eq!(db.execute("UPDATE job SET more = 1", ()).unwrap(), 1);
    assert_eq!(server().psql("postgres", templates).unwrap().trim(), "2");
}

#[test]
fn what_was_left_behind_is_swept_and_what_is_not_ours_is_not() {
    let old = "batchdb_test_1000000000_1_0";
    let unmarked = "batchdb_test_1000000000_1_1";
    let recent = TestDatabase::on(&server().url()).create().unwrap().keep();
    server().create_database(old).unwrap();
    server().psql("postgres", &format!("COMMENT ON DATABASE {old} IS 'batchdb: made for a test'")).unwrap();
    server().create_database(unmarked).unwrap();
    let sweeper = TestDatabase::on(&server().url()).create().unwrap();
    assert!(!exists(old));
    assert!(exists(unmarked) && exists(&recent));
    // Nor is a database dropped that lost its mark, such as one that somebody has made his own.
    let name: String = sweeper.query_one("SELECT current_database()", ()).unwrap().get(0).unwrap();
    server()
        .psql("postgres", &format!("COMMENT ON DATABASE {name} IS 'production of the other team'"))
        .unwrap();
    let error = sweeper.close().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(exists(&name), "{error}");
}

#[test]
fn rows_to_begin_with_come_from_json() {
    let folder = tempfile::tempdir().unwrap();
    migrations(folder.path());
    let db = TestDatabase::on(&server().url()).migrations(folder.path()).create().unwrap();
    let fixture = r#"[{"id": 1, "name": "nightly", "day": "2026-01-05"}, {"id": 2}]"#;
    assert_eq!(load_json(&db, "job", fixture).unwrap(), 2);
    let days = db
        .query_one("SELECT count(day) AS days FROM job WHERE id IN (:ids)", params! { ids: vec![1, 2] })
        .unwrap();
    assert_eq!(days.get::<i64>("days").unwrap(), 1);
    assert_eq!(load_json(&db, "job", "[]").unwrap(), 0);
    for wrong in ["{}", "[1]", "[{}]", "nothing"] {
        assert_eq!(load_json(&db, "job", wrong).unwrap_err().kind(), ErrorKind::Params, "{wrong}");
    }
    let twice = load_json(&db, "job", r#"[{"id": 7}, {"id": 7}]"#).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Constraint);
    assert!(twice.to_string().contains("record 2"), "{twice}");
    let seven = db.query_opt("SELECT 1 FROM job WHERE id = 7", ()).unwrap();
    assert!(seven.is_none());
}

#[test]
fn rows_to_begin_with_come_from_csv() {
    let folder = tempfile::tempdir().unwrap();
    migrations(folder.path());
    let db = TestDatabase::on(&server().url()).migrations(folder.path()).create().unwrap();
    assert_eq!(load_csv(&db, "job", "id,name,day\n1,\"night, ly\",2026-01-05\n2,,\n").unwrap(), 2);
    let first = db.query_one("SELECT name, day FROM job WHERE day = DATE '2026-01-05'", ()).unwrap();
    assert_eq!(first.get::<String>("name").unwrap(), "night, ly");
    assert!(db.query_opt("SELECT 1 FROM job WHERE name IS NULL AND day IS NULL", ()).unwrap().is_some());
    let twice = load_csv(&db, "job", "id\n7\n7\n").unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Constraint);
    let unclosed = load_csv(&db, "job", "id,name\n8,\"x\n").unwrap_err();
    assert_eq!(unclosed.kind(), ErrorKind::Data);
    assert!(db.query_opt("SELECT 1 FROM job WHERE id IN (7, 8)", ()).unwrap().is_none());
}
