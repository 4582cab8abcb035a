//! Repairing the history: one version at a time, or all.

use batchdb::{ErrorKind, Repair};

use super::{everywhere, files};

const THREE: &[(&str, &str)] = &[
    ("V1__a.sql", "CREATE TABLE a (id int)"),
    ("V2__b.sql", "CREATE TABLE b (id int)"),
    ("V3__c.sql", "CREATE TABLE c (id int)"),
];

#[test]
fn a_changed_text_is_accepted_for_one_version_alone() {
    for given in everywhere(THREE) {
        given.db().run_migrations().unwrap();
        given.write("V1__a.sql", "CREATE TABLE a (id int); -- a note");
        given.write("V2__b.sql", "CREATE TABLE b (id int); -- another");
        let db = given.db();
        let report = db.migrations().repair(Repair::AcceptText, Some("V1")).unwrap();
        assert_eq!(report.repaired.len(), 1);
        let said = given.refused();
        assert!(!said.contains("V1__a.sql") && said.contains("V2__b.sql"), "{said}");
        assert_eq!(db.migrations().repair(Repair::AcceptText, None).unwrap().repaired[0].file, "V2__b.sql");
        assert!(db.run_migrations().unwrap().applied.is_empty());
        let error = db.migrations().repair(Repair::AcceptText, Some("V3")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration);
        let events = db.migrations().events().unwrap();
        assert_eq!(events.iter().filter(|event| event.action == "repaired").count(), 2);
    }
}

#[test]
fn a_file_that_is_gone_is_forgotten() {
    for given in everywhere(THREE) {
        given.db().run_migrations().unwrap();
        given.remove("V2__b.sql");
        assert!(given.refused().contains("V2__b.sql"));
        given.db().migrations().repair(Repair::Forget, None).unwrap();
        let report = given.db().run_migrations().unwrap();
        assert_eq!((report.applied.len(), report.current_version.as_deref()), (0, Some("V3")));

        // The newest one may be of a later release, and is forgotten by its name alone.
        given.remove("V3__c.sql");
        let db = given.db();
        assert!(db.migrations().repair(Repair::Forget, None).unwrap().repaired.is_empty());
        assert_eq!(db.migrations().repair(Repair::Forget, Some("V3")).unwrap().repaired.len(), 1);
        assert_eq!(db.migration_status().unwrap().current_version.as_deref(), Some("V1"));
    }
}

#[test]
fn a_version_that_was_made_by_hand_is_recorded_without_being_run() {
    for given in everywhere(THREE) {
        given.db().migrations().to("V1").run().unwrap();
        given.script("CREATE TABLE b (id int)");
        let report = given.db().migrations().repair(Repair::AcceptAsDone, Some("2")).unwrap();
        assert_eq!(report.repaired[0].action, "accepted as done, without being run");
        assert_eq!(files(&given.db().run_migrations().unwrap()), ["V3__c.sql"]);
        assert_eq!(given.read("SELECT installed_rank FROM schema_version ORDER BY version"), "1\n2\n3");
    }
}

#[test]
fn without_any_file_nothing_is_forgotten_but_by_its_name() {
    for given in everywhere(THREE) {
        given.db().run_migrations().unwrap();
        let empty = tempfile::tempdir().unwrap();
        let db = given.builder_for(empty.path()).build().unwrap();
        let error = db.migrations().repair(Repair::Forget, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration);
        assert!(error.to_string().contains("3 rows of the history would be forgotten"), "{error}");
        let db = given.builder_for(&empty.path().join("nowhere")).build().unwrap();
        assert_eq!(db.migrations().repair(Repair::Forget, None).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(given.read("SELECT count(*) FROM schema_version"), "3");
        let db = given.builder_for(empty.path()).build().unwrap();
        assert_eq!(db.migrations().repair(Repair::Forget, Some("V3")).unwrap().repaired.len(), 1);
        assert_eq!(given.read("SELECT count(*) FROM schema_version"), "2");
    }
}

#[test]
fn a_repeatable_migration_that_has_changed_is_run_again_and_not_accepted() {
    for given in
        everywhere(&[("V1__a.sql", "CREATE TABLE a (id int)"), ("R__fill.sql", "INSERT INTO a VALUES (1)")])
    {
        given.db().run_migrations().unwrap();
        given.write("R__fill.sql", "INSERT INTO a VALUES (2)");
        let db = given.db();
        assert!(db.migrations().repair(Repair::AcceptText, None).unwrap().repaired.is_empty());
        assert_eq!(files(&db.run_migrations().unwrap()), ["R__fill.sql"]);
        given.write("R__fill.sql", "INSERT INTO a VALUES (3)");
        assert_eq!(db.migrations().repair(Repair::AcceptText, Some("R__fill")).unwrap().repaired.len(), 1);
        assert!(db.run_migrations().unwrap().applied.is_empty());
        assert_eq!(given.read("SELECT id FROM a ORDER BY id"), "1\n2");
    }
}

/// A version and a view that are applied, and an undo of the version that has failed after it took the view with it.
const UNDO_THAT_FAILS: &[(&str, &str)] = &[
    ("V1__a.sql", "CREATE TABLE a (id int)"),
    ("U1__a.sql", "-- batchdb: no-transaction\nDROP VIEW v;\nDROP TABLE nowhere"),
    ("R__v.sql", "CREATE VIEW v AS SELECT id FROM a"),
];

#[test]
fn an_undo_that_is_accepted_as_done_forgets_repeatable_migrations() {
    for given in everywhere(UNDO_THAT_FAILS) {
        let db = given.db();
        db.run_migrations().unwrap();
        assert_eq!(db.undo_migrations("0").unwrap_err().kind(), ErrorKind::Migration);
        given.script("DROP TABLE a");
        assert_eq!(db.migrations().repair(Repair::AcceptAsDone, None).unwrap().repaired.len(), 1);
        assert_eq!(files(&db.run_migrations().unwrap()), ["V1__a.sql", "R__v.sql"]);
        assert!(given.has("v"));
    }
}

#[test]
fn an_attempt_to_undo_is_forgotten_without_its_version() {
    for given in everywhere(UNDO_THAT_FAILS) {
        let db = given.db();
        db.run_migrations().unwrap();
        assert_eq!(db.undo_migrations("0").unwrap_err().kind(), ErrorKind::Migration);
        given.remove("V1__a.sql");
        given.remove("U1__a.sql");
        given.write("V2__b.sql", "CREATE TABLE b (id int)");
        let report = db.migrations().repair(Repair::Forget, Some("V1")).unwrap();
        assert_eq!(report.repaired[0].action, "the attempt to undo it forgotten");
        let row = given
            .read("SELECT version, script, CAST(success AS int) FROM schema_version WHERE version = '1'");
        assert_eq!(row, "1|V1__a.sql|1");
    }
}
