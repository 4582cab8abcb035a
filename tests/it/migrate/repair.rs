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
