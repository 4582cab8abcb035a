//! Kinds of files: repeatable ones, callbacks, directives, placeholders, and files inside the program.

use std::time::{Duration, Instant};

use batchdb::{
    DatabaseManager, EmbeddedMigrations, ErrorKind, FindingKind, MigrateOnStart, embed_migrations,
};

use super::{Given, everywhere, files};

#[test]
fn repeatable_files_run_last_and_again_when_they_have_changed() {
    for given in everywhere(&[
        ("R__Totals.sql", "DROP VIEW IF EXISTS totals; CREATE VIEW totals AS SELECT count(*) AS n FROM t"),
        ("V1__Create.sql", "CREATE TABLE t (id int)"),
    ]) {
        let db = given.db();
        assert_eq!(db.migration_status().unwrap().pending_migrations, ["V1", "R__Totals"]);
        assert_eq!(files(&db.run_migrations().unwrap()), ["V1__Create.sql", "R__Totals.sql"]);
        assert!(db.run_migrations().unwrap().applied.is_empty());

        given.write(
            "R__Totals.sql",
            "DROP VIEW totals; CREATE VIEW totals AS SELECT count(*) AS n, max(id) AS most FROM t",
        );
        given.write("V2__Fill.sql", "INSERT INTO t VALUES (7)");
        assert!(db.plan_migrations().unwrap().steps[1].again);
        assert_eq!(files(&db.run_migrations().unwrap()), ["V2__Fill.sql", "R__Totals.sql"]);
        assert_eq!(given.read("SELECT most FROM totals"), "7");
        assert_eq!(
            given.read("SELECT version, installed_rank FROM schema_version ORDER BY installed_rank"),
            "1|1\n2|3\nR__Totals|4"
        );
        assert_eq!(db.migration_status().unwrap().current_version.as_deref(), Some("V2"));
    }
}

#[test]
fn callbacks_run_around_a_run_that_has_something_to_do() {
    let insert = |what| format!("INSERT INTO log SELECT count(*), '{what}' FROM log");
    let before = format!("CREATE TABLE IF NOT EXISTS log (at int, what text); {}", insert("before"));
    for given in everywhere(&[
        ("beforeMigrate.sql", &before),
        ("V1__x.sql", &insert("V1")),
        ("V2__y.sql", &insert("V2")),
        ("afterMigrate.sql", &insert("after")),
    ]) {
        let db = given.db();
        db.run_migrations().unwrap();
        db.run_migrations().unwrap();
        assert_eq!(given.read("SELECT what FROM log ORDER BY at"), "before\nV1\nV2\nafter");
        assert_eq!(given.read("SELECT count(*) FROM schema_version"), "2");

        given.write("afterMigrate.sql", "INSERT INTO nowhere VALUES (1)");
        given.write("V3__z.sql", "SELECT 3");
        let said = given.refused();
        assert!(said.contains("\"afterMigrate.sql\" failed at line 1, column 1"), "{said}");
        assert_eq!(db.migration_status().unwrap().current_version.as_deref(), Some("V3"));
        let events = db.migrations().events().unwrap();
        let last = events.last().unwrap();
        assert_eq!((last.action.as_str(), last.file.as_str()), ("failed", "afterMigrate.sql"));
        assert!(last.message.as_ref().unwrap().contains("afterMigrate.sql"), "{last:?}");

        // Nothing is pending, and yet it is still to be run: until it was, and no longer.
        given.refused();
        given.write("afterMigrate.sql", &insert("after"));
        assert!(db.run_migrations().unwrap().applied.is_empty());
        db.run_migrations().unwrap();
        assert_eq!(given.read("SELECT what FROM log ORDER BY at"), "before\nV1\nV2\nafter\nbefore\nafter");
    }
}

#[test]
fn a_run_that_ends_early_owes_its_callback_to_the_next() {
    for given in everywhere(&[
        ("V1__x.sql", "CREATE TABLE log (what int)"),
        ("V2__y.sql", "INSERT INTO nowhere VALUES (1)"),
        ("afterMigrate.sql", "INSERT INTO log VALUES (1)"),
    ]) {
        given.refused();
        given.remove("V2__y.sql");
        let db = given.db();
        assert!(db.migrations().dry_run().unwrap().applied.is_empty());
        assert_eq!(given.read("SELECT count(*) FROM log"), "0");
        for _ in 0..2 {
            assert!(db.run_migrations().unwrap().applied.is_empty());
            assert_eq!(given.read("SELECT count(*) FROM log"), "1");
        }
    }
}

#[test]
fn placeholders_come_from_the_settings_and_a_missing_one_stops_everything() {
    for given in everywhere(&[
        ("V1__a.sql", "CREATE TABLE ${table_name} (id int DEFAULT ${start:at}); -- ${not one}"),
        ("V2__b.sql", "-- batchdb: no-placeholders\nINSERT INTO t VALUES (length('${table_name}'))"),
    ]) {
        let said = given.refused();
        assert!(said.contains("${table_name}") && said.contains("${start:at}"), "{said}");
        assert!(!given.has("t") && !given.has("schema_version"));
        let db = given.builder().placeholder("table_name", "t").placeholder("start:at", "4").build().unwrap();
        db.run_migrations().unwrap();
        db.execute("INSERT INTO t DEFAULT VALUES", ()).unwrap();
        assert_eq!(given.read("SELECT id FROM t ORDER BY id"), "4\n13");
        // The file is hashed as it is written, so that another value is no change.
        let other =
            given.builder().placeholder("table_name", "u").placeholder("start:at", "5").build().unwrap();
        assert!(other.run_migrations().unwrap().applied.is_empty());
    }
}

#[test]
fn a_late_file_runs_when_it_says_so() {
    for given in everywhere(&[("V2__b.sql", "CREATE TABLE b (id int)")]) {
        given.db().run_migrations().unwrap();
        given.write("V1__a.sql", "CREATE TABLE a (id int)");
        assert!(given.refused().contains("-- batchdb: out-of-order"));
        given.write("V1__a.sql", "-- batchdb: out-of-order\nCREATE TABLE a (id int)");
        assert!(given.db().plan_migrations().unwrap().steps[0].out_of_order);
        assert_eq!(files(&given.db().run_migrations().unwrap()), ["V1__a.sql"]);
        assert_eq!(given.db().migration_status().unwrap().current_version.as_deref(), Some("V2"));
    }
}

#[test]
fn what_is_meant_as_a_directive_and_is_none_stops_everything() {
    for (text, line) in [
        ("-- a note\n-- batchdb: no_transaction\nSELECT 1", "line 2"),
        ("-- batchdb no-transaction\nSELECT 1", "line 1"),
        ("/* batchdb: no-transaction */ SELECT 1", "line 1"),
        ("/* a note */ SELECT 1;\n-- batchdb: no-transaction\nSELECT 2", "line 2"),
    ] {
        for given in everywhere(&[("V1__a.sql", text)]) {
            let said = given.refused();
            assert!(said.contains(&format!("\"V1__a.sql\" {line}, the directive")), "{text}: {said}");
            assert!(!given.has("schema_version"));
            assert_eq!(given.db().validate_migrations().unwrap().findings[0].kind, FindingKind::Unfit);
        }
    }
}

#[test]
fn a_file_has_limits_of_its_own() {
    let given = Given::postgres(&[("V1__a.sql", "CREATE TABLE t (id int)")]);
    given.db().run_migrations().unwrap();
    given.write("V2__slow.sql", "-- batchdb: timeout=300ms\nSELECT pg_sleep(30)");
    let began = Instant::now();
    let said = given.refused();
    assert!(began.elapsed() < Duration::from_secs(3) && said.contains("timeout=2h"), "{said}");

    given.write("V2__slow.sql", "-- batchdb: lock-timeout=200ms\nALTER TABLE t ADD COLUMN note text");
    let holder = given.builder().build().unwrap();
    holder
        .session(|session| {
            session.transaction(|tx| {
                tx.execute_query("SELECT id FROM t", ())?;
                let began = Instant::now();
                let error = given.db().run_migrations().unwrap_err();
                assert_eq!(error.sqlstate(), Some("55P03"), "{error}");
                assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
                Ok::<(), batchdb::Error>(())
            })
        })
        .unwrap();
    assert_eq!(given.db().run_migrations().unwrap().applied.len(), 1);
    assert_eq!(given.psql("SHOW lock_timeout"), "0");
}

#[test]
fn files_inside_the_program_take_the_place_of_the_folder() {
    static EMBEDDED: EmbeddedMigrations = embed_migrations!("migrations/rpa_db");
    let given = Given::postgres(&[("V9__not_this.sql", "SELECT 1/0")]);
    let db = given.builder().migrations(EMBEDDED).build().unwrap();
    let applied = db.run_migrations().unwrap().applied;
    assert_eq!(applied[0].file, "V001__Create_processed_surveys.sql");
    assert_eq!(db.migrations().create("x", false).unwrap_err().kind(), ErrorKind::Usage);
    // What the program was built with is what the folder has: the checksums agree.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/rpa_db");
    assert!(given.builder_for(&folder).build().unwrap().run_migrations().unwrap().applied.is_empty());
}

#[test]
fn the_examples_of_the_specification_go_up_and_down() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/example_db");
    let given = Given::postgres(&[]);
    let db = DatabaseManager::builder(&given.database)
        .connection_string(&given.connection_string)
        .migrations_dir(folder)
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    assert_eq!(db.run_migrations().unwrap().current_version.as_deref(), Some("V006"));
    given.psql("INSERT INTO customers (name, email) VALUES ('Ann', 'ann@example.org')");
    assert_eq!(given.psql("SELECT name, phone FROM active_customers"), "Ann|");
    assert!(db.execute("INSERT INTO customers (name, email) VALUES ('Bob', 'none')", ()).is_err());
    assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 6);
    assert_eq!(given.tables(), "schema_version");
}
