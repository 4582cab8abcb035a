//! The same through ODBC: SQLite, and PostgreSQL behind psqlODBC.

use batchdb::ErrorKind;

use super::{Given, files};

#[test]
fn files_are_applied_once_and_recorded() {
    let given = Given::sqlite(&[
        ("V001__Create.sql", "CREATE TABLE t (id INTEGER, note TEXT);\nCREATE INDEX i ON t (id);"),
        ("V002__Fill.sql", "-- two\nINSERT INTO t VALUES (1, 'a;b');\nINSERT INTO t VALUES (2, 'c');"),
    ]);
    let db = given.db();
    assert_eq!(db.migration_status().unwrap().pending_migrations, ["V001", "V002"]);
    assert_eq!(files(&db.run_migrations().unwrap()), ["V001__Create.sql", "V002__Fill.sql"]);
    assert!(db.run_migrations().unwrap().applied.is_empty());
    assert_eq!(db.execute_query("SELECT id FROM t", ()).unwrap().len(), 2);
    let status = db.migration_status().unwrap();
    assert_eq!((status.current_version.as_deref(), status.total_migrations), (Some("V002"), 2));
    let age = chrono::Utc::now() - status.last_migration.unwrap();
    assert!((-1..60).contains(&age.num_seconds()), "{age}");
}

#[test]
fn a_failed_file_leaves_nothing() {
    let given = Given::sqlite(&[
        ("V001__Create.sql", "CREATE TABLE t (id INTEGER);"),
        (
            "V002__Broken.sql",
            "CREATE TABLE u (id INTEGER);\nINSERT INTO t VALUES (1);\n\nINSERT INTO nowhere VALUES (1);",
        ),
    ]);
    let error = given.db().run_migrations().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert!(error.report().contains("line 4"), "{}", error.report());
    let db = given.db();
    let tables = db.execute_query("SELECT name FROM sqlite_master WHERE name IN ('t', 'u')", ()).unwrap();
    assert_eq!(tables.len(), 1);
    assert!(db.execute_query("SELECT id FROM t", ()).unwrap().is_empty());
    assert_eq!(db.migration_status().unwrap().current_version.as_deref(), Some("V001"));
}

#[test]
fn postgresql_behind_psqlodbc_is_postgresql() {
    let given = Given::postgres_by_odbc(&[
        ("V001__Create.sql", "CREATE TABLE t (id int); SET search_path TO pg_catalog;"),
        ("V002__Fill.sql", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"),
    ]);
    let report = given.db().run_migrations().unwrap();
    assert_eq!(files(&report), ["V001__Create.sql", "V002__Fill.sql"]);
    assert_eq!(given.psql("SELECT count(*) FROM t"), "2");
    let status = given.db().migration_status().unwrap();
    assert_eq!((status.current_version.as_deref(), status.total_migrations), (Some("V002"), 2));
    let age = chrono::Utc::now() - status.last_migration.unwrap();
    assert!((-1..60).contains(&age.num_seconds()), "{age}");
    // Either driver reads what the other wrote.
    let native = given.builder().connection_string(crate::common::server().url_for(&given.database));
    assert_eq!(native.build().unwrap().migration_status().unwrap(), status);

    given.write("V003__Broken.sql", "CREATE TABLE u (id int);\nINSERT INTO nowhere VALUES (1);");
    assert!(given.refused().contains("V003__Broken.sql"));
    assert_eq!(given.tables(), "schema_version t");
    assert_eq!(given.locks(), "0");
}
