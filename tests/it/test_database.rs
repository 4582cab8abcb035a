//! Databases of a test's own, on the server that all tests of this binary share.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use batchdb::testing::{TestDatabase, load_csv, load_json};
use batchdb::{ErrorKind, params};

use crate::common::{eventually, server, timed};

fn exists(name: &str) -> bool {
    let found = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    server().psql("postgres", &found).unwrap().trim() == "1"
}

/// The template of the migrations that have made this table.
fn template_with(table: &str) -> Option<String> {
    let templates = "SELECT datname FROM pg_database WHERE datname LIKE 'batchdb\\_template\\_%'";
    let templates = server().psql("postgres", templates).unwrap();
    let has = |name: &&str| {
        // It may have gone meanwhile.
        let found = server().psql(name, &format!("SELECT to_regclass('{table}') IS NOT NULL"));
        found.is_ok_and(|found| found.trim() == "t")
    };
    templates.lines().map(str::trim).find(has).map(str::to_owned)
}

fn comment(database: &str) -> String {
    let sql =
        format!("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{database}'");
    server().psql("postgres", &sql).unwrap().trim().to_owned()
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
    let ran_at = Mutex::new(BTreeSet::new());
    // More than the connections that one process has to the server's own database.
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let db = make();
                // What one test writes no other one sees.
                assert_eq!(db.execute("INSERT INTO job VALUES (1, 'mine')", ()).unwrap(), 1);
                let count: i64 = db.query_one("SELECT count(*) FROM job", ()).unwrap().get(0).unwrap();
                assert_eq!(count, 2);
                assert!(db.migration_status().unwrap().pending_migrations.is_empty());
                let ran = "SELECT max(installed_on)::text FROM schema_version";
                ran_at.lock().unwrap().insert(db.query_one(ran, ()).unwrap().get::<String>(0).unwrap());
            });
        }
    });
    assert_eq!(ran_at.lock().unwrap().len(), 1);
    let first = template_with("job").unwrap();
    // Other contents are another template.
    std::fs::write(folder.path().join("V003__More.sql"), "ALTER TABLE job ADD more int;").unwrap();
    let (db, _) = timed(make);
    assert_eq!(db.execute("UPDATE job SET more = 1", ()).unwrap(), 1);
    assert!(exists(&first));
}

#[test]
fn a_database_that_was_kept_stays() {
    let kept = TestDatabase::on(&server().url()).create().unwrap().keep();
    // As it is called when it is old.
    let old = "batchdb_test_1000000000_2_0";
    server().psql("postgres", &format!("ALTER DATABASE {kept} RENAME TO {old}")).unwrap();
    drop(TestDatabase::on(&server().url()).create().unwrap());
    assert!(exists(old), "{}", comment(old));
}

#[test]
fn templates_that_nobody_wants_any_more_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("V1__a.sql"), "CREATE TABLE seldom_wanted (id int)").unwrap();
    let make = || TestDatabase::on(&server().url()).migrations(folder.path()).create().unwrap();
    drop(make());
    let name = template_with("seldom_wanted").unwrap();
    let fresh = comment(&name);
    let wanted_at: u64 = fresh.rsplit(' ').next().unwrap().parse().unwrap();
    let say = |wanted_at: u64| {
        let text = fresh.replace(&fresh[fresh.rfind(' ').unwrap() + 1..], &wanted_at.to_string());
        server().psql("postgres", &format!("COMMENT ON DATABASE {name} IS '{text}'")).unwrap();
    };
    // A copy of a template that is some days old makes it young again.
    say(wanted_at - 3 * 24 * 60 * 60);
    drop(make());
    assert!(comment(&name) >= fresh, "{}", comment(&name));
    // Nobody wants it for weeks, and then not the one who comes. (Not while another test looks at it, though.)
    say(wanted_at - 30 * 24 * 60 * 60);
    eventually("the template is swept", || {
        drop(TestDatabase::on(&server().url()).create().unwrap());
        !exists(&name)
    });
    // Who wants it after all has it made again.
    make().execute("INSERT INTO seldom_wanted VALUES (1)", ()).unwrap();
    assert!(exists(&name));
}

#[test]
fn other_values_of_placeholders_are_another_template() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("V1__a.sql"), "CREATE TABLE ${table} (id int)").unwrap();
    for table in ["ours", "theirs"] {
        let db = TestDatabase::on(&server().url())
            .migrations(folder.path())
            .placeholder("table", table)
            .create()
            .unwrap();
        db.execute(&format!("INSERT INTO {table} VALUES (1)"), ()).unwrap();
    }
}

#[test]
fn a_template_has_its_name_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("V1__a.sql");
    // A program that is killed while the migrations run must leave nothing in the template's place.
    let look = "CREATE TABLE whole AS SELECT datname::text AS name, shobj_description(oid, 'pg_database') AS mark \
                FROM pg_database WHERE datname = current_database()";
    std::fs::write(&file, look).unwrap();
    let make = || TestDatabase::on(&server().url()).migrations(folder.path()).create();
    let db = make().unwrap();
    let row = db.query_one("SELECT name, mark FROM whole", ()).unwrap();
    let made_as: String = row.get("name").unwrap();
    assert!(made_as.starts_with("batchdb_test_"), "{made_as}");
    assert_eq!(row.get::<String>("mark").unwrap(), "batchdb: made for a test");
    assert!(!exists(&made_as));
    let name = template_with("whole").unwrap();
    assert!(comment(&name).starts_with("batchdb: made for tests, ready to be copied"), "{}", comment(&name));
    // Nor does a failure leave anything there.
    std::fs::write(&file, "SELECT * FROM nowhere").unwrap();
    let count = "SELECT count(*) FROM pg_database WHERE datname LIKE 'batchdb\\_template\\_%' \
        AND coalesce(shobj_description(oid, 'pg_database'), '') NOT LIKE '%ready to be copied%'";
    let failed = make().unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Migration, "{failed}");
    assert_eq!(server().psql("postgres", count).unwrap().trim(), "0");
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
fn numbers_of_a_fixture_keep_their_digits() {
    let db = TestDatabase::on(&server().url()).create().unwrap();
    db.execute("CREATE TABLE exact (place int, n numeric, big bigint, json jsonb, raw json)", ()).unwrap();
    let fixture = r#"[
        {"place": 1, "n": 12345678901234567.89, "big": 9223372036854775807, "json": {"a": [12345678901234567.89]}},
        {"place": 2, "n": 18446744073709551616, "big": -9223372036854775808, "raw": {"b": 0.1000000000000000055}},
        {"place": 3, "n": 0.1, "big": 9007199254740993, "json": "7"},
        {"place": 4, "n": -1.50E-3, "big": null},
        { "place" : 5 , "n" : 123456789012345678901234567890 , "json" : null }
    ]"#;
    assert_eq!(load_json(&db, "exact", fixture).unwrap(), 5);
    let column = |expression: &str| -> Vec<Option<String>> {
        let sql = format!("SELECT CAST({expression} AS text) AS text FROM exact ORDER BY place");
        db.execute_query(&sql, ()).unwrap().iter().map(|row| row.get("text").unwrap()).collect()
    };
    let some = |texts: [&str; 5]| texts.map(|text| (!text.is_empty()).then(|| text.to_owned()));
    assert_eq!(
        column("n"),
        some([
            "12345678901234567.89",
            "18446744073709551616",
            "0.1",
            "-0.00150",
            "123456789012345678901234567890"
        ])
    );
    assert_eq!(
        column("big"),
        some(["9223372036854775807", "-9223372036854775808", "9007199254740993", "", ""])
    );
    assert_eq!(column("json"), some([r#"{"a": [12345678901234567.89]}"#, "", "7", "", ""]));
    assert_eq!(column("raw"), some(["", r#"{"b": 0.1000000000000000055}"#, "", "", ""]));
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
