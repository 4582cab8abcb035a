//! The way down.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use batchdb::ErrorKind;
use batchdb::testing::assert_round_trip;

use super::{Given, files};

const FILES: &[(&str, &str)] = &[
    ("V1__a.sql", "CREATE TABLE a (id int)"),
    ("U1__a.sql", "DROP TABLE a"),
    ("V2__b.sql", "CREATE TABLE b (id int)"),
    ("U2__b.sql", "DROP TABLE b CASCADE"),
    ("V3__c.sql", "ALTER TABLE b ADD COLUMN note text"),
    ("U3__c.sql", "DROP VIEW IF EXISTS v; ALTER TABLE b DROP COLUMN note"),
    ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT id, note FROM b"),
];

#[test]
fn versions_are_undone_from_the_newest_down_to_the_one_that_stays() {
    let given = Given::postgres(FILES);
    let db = given.db();
    assert_eq!(db.run_migrations().unwrap().applied.len(), 4);
    let report = db.undo_migrations("V1").unwrap();
    let undone: Vec<&str> = report.undone.iter().map(|migration| migration.file.as_str()).collect();
    assert_eq!((undone, report.current_version.as_deref()), (vec!["U3__c.sql", "U2__b.sql"], Some("V1")));
    assert_eq!(given.tables(), "a schema_version");
    assert_eq!(db.migration_status().unwrap().pending_migrations, ["V2", "V3", "R__v"]);
    assert_eq!(files(&db.run_migrations().unwrap()), ["V2__b.sql", "V3__c.sql", "R__v.sql"]);
    assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 3);
    assert_eq!(given.tables(), "schema_version");
    assert!(db.undo_migrations("0").unwrap().undone.is_empty());
    assert_eq!(
        given.psql("SELECT count(*) FILTER (WHERE action = 'undone'), count(*) FROM schema_version_history"),
        "5|12"
    );
}

#[test]
fn a_missing_undo_is_told_before_anything_runs() {
    let given = Given::postgres(FILES);
    let db = given.db();
    db.run_migrations().unwrap();
    given.remove("U2__b.sql");
    given.remove("U1__a.sql");
    let error = db.undo_migrations("0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert!(error.to_string().contains("V1__a.sql") && error.to_string().contains("V2__b.sql"), "{error}");
    assert_eq!(given.tables(), "a b schema_version");
    assert_eq!(db.undo_migrations("V2").unwrap().undone.len(), 1);
    assert!(db.undo_migrations("V9").unwrap_err().to_string().contains("V9 was not applied"));
    assert_eq!(db.migrations().undo().unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn an_undo_that_fails_leaves_everything_as_it_was() {
    let given = Given::postgres(FILES);
    let db = given.db();
    db.run_migrations().unwrap();
    given.write("U3__c.sql", "DROP VIEW v;\nALTER TABLE b DROP COLUMN nothing");
    let said = db.undo_migrations("2").unwrap_err().to_string();
    assert!(said.contains("\"U3__c.sql\" failed at line 2, column 1"), "{said}");
    assert_eq!(given.psql("SELECT count(*) FROM v"), "0");
    assert_eq!(db.migration_status().unwrap().current_version.as_deref(), Some("V3"));
}

#[test]
fn an_undo_without_a_transaction_that_fails_asks_for_a_repair() {
    let given = Given::postgres(&[
        ("V1__a.sql", "CREATE TABLE a (id int); CREATE INDEX i ON a (id)"),
        ("U1__a.sql", "-- batchdb: no-transaction\nDROP INDEX CONCURRENTLY i;\nDROP TABLE nothing"),
    ]);
    let db = given.db();
    db.run_migrations().unwrap();
    assert!(db.undo_migrations("0").unwrap_err().to_string().contains("what it did before was kept"));
    assert!(given.refused().contains("\"U1__a.sql\" did not come to its end"));
    db.migrations().repair(batchdb::Repair::Forget, Some("V1")).unwrap();
    assert_eq!(given.psql("SELECT script, success FROM schema_version"), "V1__a.sql|t");
    given.write("U1__a.sql", "-- batchdb: no-transaction\nDROP TABLE a;\nDROP TABLE nothing");
    db.undo_migrations("0").unwrap_err();
    let report = db.migrations().repair(batchdb::Repair::AcceptAsDone, Some("V1")).unwrap();
    assert_eq!(report.repaired[0].action, "accepted as undone");
    assert!(db.migration_status().unwrap().current_version.is_none());
    assert_eq!(db.run_migrations().unwrap().applied.len(), 1);
}

#[test]
fn the_sample_migrations_make_a_round_trip() {
    for set in ["rpa_db", "example_db"] {
        let given = Given::postgres(&[]);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(set);
        assert_round_trip(&given.builder_for(&folder).build().unwrap());
    }
}

#[test]
fn what_an_undo_forgets_is_found() {
    let given = Given::postgres(&[
        ("V1__a.sql", "CREATE TABLE a (id int)"),
        ("U1__a.sql", "DROP TABLE a"),
        ("V2__b.sql", "ALTER TABLE a ADD COLUMN b int DEFAULT 7; CREATE INDEX i ON a (id)"),
        ("U2__b.sql", "DROP INDEX i"),
    ]);
    let db = given.db();
    let panic = catch_unwind(AssertUnwindSafe(|| assert_round_trip(&db))).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(
        said.contains("after undoing V2") && said.contains("column public.a.b integer default 7"),
        "{said}"
    );
}

/// What `assert_round_trip` says against these files.
#[track_caller]
fn no_round_trip(files: &[(&str, &str)]) -> String {
    let given = Given::postgres(files);
    let db = given.db();
    let panic = catch_unwind(AssertUnwindSafe(|| assert_round_trip(&db))).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_function_is_more_than_its_body() {
    let function = |kind: &str| {
        format!("CREATE OR REPLACE FUNCTION f(n int) RETURNS int LANGUAGE sql {kind} AS 'SELECT $1 + 1'")
    };
    let (before, after) = (function("IMMUTABLE"), function("VOLATILE"));
    // Undone without a word about IMMUTABLE, the function is left VOLATILE.
    let said = no_round_trip(&[
        ("V1__f.sql", &before),
        ("U1__f.sql", "DROP FUNCTION f"),
        ("V2__g.sql", &after),
        ("U2__g.sql", &function("")),
    ]);
    assert!(said.contains("after undoing V2") && said.contains("function f(integer)"), "{said}");
    // An aggregate has no text of its own that the server would print.
    let aggregate = |step: &str| format!("CREATE OR REPLACE AGGREGATE s(int) (SFUNC = {step}, STYPE = int)");
    let (sum, largest) = (aggregate("int4pl"), aggregate("int4larger"));
    let files = |undo| {
        [
            ("V1__s.sql", sum.as_str()),
            ("U1__s.sql", "DROP AGGREGATE s(int)"),
            ("V2__l.sql", largest.as_str()),
            ("U2__l.sql", undo),
        ]
    };
    let said = no_round_trip(&files("SELECT 1"));
    assert!(said.contains("after undoing V2") && said.contains("function s(integer)"), "{said}");
    assert_round_trip(&Given::postgres(&files(&sum)).db());
}

#[test]
fn repeatable_migrations_alone_are_applied_twice() {
    let said = no_round_trip(&[("R__v.sql", "CREATE OR REPLACE VIEW v AS SELEC 1 AS one")]);
    assert!(said.contains("R__v.sql"), "{said}");
    let said = no_round_trip(&[("R__v.sql", "CREATE VIEW v AS SELECT 1 AS one")]);
    assert!(said.contains("R__v.sql") && said.contains("already exists"), "{said}");
    let given = Given::postgres(&[("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS one")]);
    assert_round_trip(&given.db());
    assert_eq!(given.psql("SELECT count(*) FROM schema_version_history WHERE action = 'applied'"), "2");
    assert_round_trip(&Given::postgres(&[]).db());
}

#[cfg(feature = "odbc")]
#[test]
fn sqlite_goes_down_too() {
    let given = Given::sqlite(&[
        ("V1__a.sql", "CREATE TABLE a (id INTEGER)"),
        ("U1__a.sql", "DROP TABLE a;"),
        ("R__v.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT 1 AS one;"),
    ]);
    let db = given.db();
    assert_eq!(db.run_migrations().unwrap().applied.len(), 2);
    assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 1);
    assert_eq!(db.run_migrations().unwrap().applied.len(), 2);

    let given = Given::sqlite(&[
        ("V1__a.sql", "CREATE TABLE a (id INTEGER); CREATE INDEX i ON a (id)"),
        ("U1__a.sql", "DROP TABLE a;"),
        ("V2__v.sql", "CREATE VIEW v AS SELECT id FROM a"),
        ("U2__v.sql", "DROP VIEW v"),
    ]);
    assert_round_trip(&given.db());
}

/// An undo whose file spells the version differently than its row takes the row out.
#[track_caller]
fn goes_down_and_up(given: &Given, table: &str) {
    let db = given.db();
    assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 1);
    assert!(db.migration_status().unwrap().current_version.is_none());
    assert_eq!(db.run_migrations().unwrap().applied.len(), 1);
    assert!(db.execute_query(&format!("SELECT * FROM {table}"), ()).unwrap().is_empty());
}

#[test]
fn an_undo_finds_its_row_however_its_version_is_spelled() {
    let spelled: &[_] = &[("V001__a.sql", "CREATE TABLE a (id int)"), ("U1__a.sql", "DROP TABLE a")];
    let by_itself: &[_] = &[spelled[0], ("U1__a.sql", "-- batchdb: no-transaction\nDROP TABLE a")];
    for files in [spelled, by_itself] {
        let given = Given::postgres(files);
        given.db().run_migrations().unwrap();
        goes_down_and_up(&given, "a");
        #[cfg(feature = "odbc")]
        for given in [Given::sqlite(files), Given::postgres_by_odbc(files)] {
            given.db().run_migrations().unwrap();
            goes_down_and_up(&given, "a");
        }
    }
}

#[test]
fn a_row_that_stays_takes_the_undo_back() {
    let given = Given::postgres(&FILES[..2]);
    let db = given.db();
    db.run_migrations().unwrap();
    given.psql("CREATE RULE stays AS ON DELETE TO schema_version DO INSTEAD NOTHING");
    let error = db.undo_migrations("0").unwrap_err();
    assert!(error.report().contains("0 rows of"), "{}", error.report());
    assert_eq!(given.tables(), "a schema_version");
}
