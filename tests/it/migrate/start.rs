//! What the first use of a database does about its migrations.

use batchdb::{ErrorKind, MigrateOnStart};

use super::Given;

const ONE: &[(&str, &str)] = &[("V001__Create_a.sql", "CREATE TABLE a (id int);")];

#[test]
fn run_applies_what_is_pending_before_the_first_statement() {
    let given = Given::postgres(ONE);
    let db = given.builder().migrate_on_start(MigrateOnStart::Run).build().unwrap();
    assert_eq!(given.tables(), "");
    assert!(db.execute_query("SELECT id FROM a", ()).unwrap().is_empty());
}

#[test]
fn run_fails_the_first_statement_when_a_migration_fails() {
    let given = Given::postgres(&[("V001__Broken.sql", "SELECT 1/0")]);
    let db = given.builder().migrate_on_start(MigrateOnStart::Run).build().unwrap();
    assert_eq!(db.execute_query("SELECT 1", ()).unwrap_err().kind(), ErrorKind::Migration);
    given.write("V001__Broken.sql", "SELECT 1");
    assert_eq!(db.execute_query("SELECT 1", ()).unwrap().len(), 1);
}

#[test]
fn a_folder_that_is_named_and_not_there_is_an_error() {
    let given = Given::postgres(ONE);
    let db = given.builder_for(&given.folder.path().join("typo")).build().unwrap();
    let error = db.run_migrations().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(
        error.to_string().contains("typo\", is not there") && error.to_string().contains("MIGRATIONS_DIR")
    );
    assert_eq!(db.migration_status().unwrap_err().kind(), ErrorKind::Config);
    // The one by default may be missing: not every database has any.
    let plain = batchdb::DatabaseManager::builder(&given.database).home(given.folder.path());
    let plain = plain.connection_string(&given.connection_string).build().unwrap();
    let report = plain.run_migrations().unwrap();
    assert!(report.applied.is_empty() && report.current_version.is_none());
    assert_eq!(given.tables(), "");
}

#[test]
fn check_and_off_apply_nothing() {
    for mode in [MigrateOnStart::Check, MigrateOnStart::Off] {
        let given = Given::postgres(ONE);
        let db = given.builder().migrate_on_start(mode).build().unwrap();
        db.execute_query("SELECT 1", ()).unwrap();
        assert_eq!(given.tables(), "", "{mode:?}");
    }
}

#[test]
fn a_check_that_finds_something_wrong_fails_nothing() {
    let given = Given::postgres(&[("V1_misnamed.sql", "SELECT 1")]);
    let db = given.builder().migrate_on_start(MigrateOnStart::Check).build().unwrap();
    assert_eq!(db.execute_query("SELECT 1", ()).unwrap().len(), 1);
}

#[test]
fn an_explicit_run_reports_what_it_did_although_start_would_have_done_it() {
    let given = Given::postgres(ONE);
    let db = given.builder().migrate_on_start(MigrateOnStart::Run).build().unwrap();
    assert_eq!(db.run_migrations().unwrap().applied.len(), 1);
}

#[test]
fn an_earlier_release_starts_on_the_database_of_a_later_one() {
    let given = Given::postgres(&[("V1__a.sql", "CREATE TABLE a (id int)"), ("V2__b.sql", "SELECT 2")]);
    given.db().run_migrations().unwrap();
    given.remove("V2__b.sql");
    for start in [MigrateOnStart::Run, MigrateOnStart::Check] {
        let db = given.builder().migrate_on_start(start).build().unwrap();
        assert!(db.execute_query("SELECT id FROM a", ()).unwrap().is_empty());
    }
    let report = given.db().validate_migrations().unwrap();
    assert!(report.is_valid());
    let future = |finding: &&batchdb::MigrationFinding| finding.kind == batchdb::FindingKind::Future;
    assert_eq!(report.findings.iter().filter(future).count(), 1, "{report:?}");
}
