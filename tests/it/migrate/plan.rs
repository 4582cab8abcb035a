//! Looking before anything runs: the plan, the rehearsal, the validation, a limit to go to, progress.

use std::cell::RefCell;

use batchdb::{ErrorKind, FindingKind};

use super::{Given, everywhere, files};

const TWO: &[(&str, &str)] = &[
    ("V001__Create_a.sql", "CREATE TABLE a (id int);\n"),
    ("V002__Create_b.sql", "CREATE TABLE b (id int);\n"),
];

#[test]
fn a_plan_says_what_would_run_and_changes_nothing() {
    for given in everywhere(TWO) {
        let plan = given.db().plan_migrations().unwrap();
        let steps: Vec<_> =
            plan.steps.iter().map(|step| (step.version.as_str(), step.sql.as_str())).collect();
        assert_eq!(steps, [("V001", TWO[0].1), ("V002", TWO[1].1)]);
        assert_eq!(given.db().migrations().to("1").plan().unwrap().steps.len(), 1);
        assert!(!given.has("schema_version"));
        given.write("V3__Half.sql", "SELECT 'a");
        assert_eq!(given.db().plan_migrations().unwrap_err().kind(), ErrorKind::Migration);
    }
}

#[test]
fn a_rehearsal_runs_everything_and_keeps_nothing() {
    let given = Given::postgres(TWO);
    given.write("V003__Fill.sql", "INSERT INTO b VALUES (1)");
    given.write("V004__Analyze.sql", "-- batchdb: no-transaction\nVACUUM a");
    let report = given.db().migrations().dry_run().unwrap();
    assert_eq!(files(&report), ["V001__Create_a.sql", "V002__Create_b.sql", "V003__Fill.sql"]);
    assert_eq!(
        (report.not_rehearsed.as_slice(), report.current_version),
        (&["V004__Analyze.sql".to_owned()][..], None)
    );
    assert_eq!(given.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    given.write("V003__Fill.sql", "INSERT INTO b VALUES ('x')");
    let said = given.db().migrations().dry_run().unwrap_err().to_string();
    assert!(said.contains("\"V003__Fill.sql\" failed at line 1, column 23"), "{said}");
    assert_eq!((given.tables(), given.locks()), (String::new(), "0".to_owned()));
}

#[cfg(feature = "odbc")]
#[test]
fn sqlite_is_rehearsed_too() {
    let given = Given::sqlite(&[
        ("V1__a.sql", "CREATE TABLE a (id INTEGER)"),
        ("V2__b.sql", "INSERT INTO a VALUES (1)"),
    ]);
    assert_eq!(given.db().migrations().dry_run().unwrap().applied.len(), 2);
    assert!(given.db().execute_query("SELECT name FROM sqlite_master", ()).unwrap().is_empty());
    assert_eq!(given.db().run_migrations().unwrap().applied.len(), 2);
}

/// A child before its parent, which waits for the commit, and comes one file too late.
const TOO_LATE: &[(&str, &str)] = &[
    ("V1__a.sql", "CREATE TABLE p (id int PRIMARY KEY)"),
    ("V2__b.sql", "CREATE TABLE c (id int, p int REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)"),
    ("V3__c.sql", "INSERT INTO c VALUES (1, 1)"),
    ("V4__d.sql", "INSERT INTO p VALUES (1)"),
];

#[test]
fn a_rehearsal_refuses_what_the_commit_of_a_file_refuses() {
    let mut all = everywhere(TOO_LATE);
    #[cfg(feature = "odbc")]
    all.push(Given::postgres_by_odbc(TOO_LATE));
    for mut given in all {
        if given.connection_string.contains("SQLite3") {
            given.connection_string.push_str(";FKSupport=1");
        }
        let error = given.db().migrations().dry_run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration);
        assert!(error.to_string().contains("\"V3__c.sql\" failed; nothing of it was kept"), "{error}");
        assert!(error.report().contains("checked at the commit"), "{}", error.report());
        assert!(!given.has("p"));

        // Within one file it may come late, and the file after it may change the table.
        given.write("V3__c.sql", "INSERT INTO c VALUES (1, 1); INSERT INTO p VALUES (1)");
        given.write("V4__d.sql", "ALTER TABLE c ADD COLUMN more int");
        given.write("V5__e.sql", "INSERT INTO c VALUES (2, 2, 2); INSERT INTO p VALUES (2)");
        assert_eq!(given.db().migrations().dry_run().unwrap().applied.len(), 5);
        assert!(!given.has("p"));
        given.write("V6__f.sql", "INSERT INTO c VALUES (3, 3, 3)");
        assert!(given.db().migrations().dry_run().unwrap_err().to_string().contains("V6__f.sql"));
        assert!(given.refused().contains("V6__f.sql"));
        assert_eq!(given.read("SELECT count(*) FROM c"), "2");
    }
}

#[test]
fn a_run_stops_at_the_version_that_is_asked_for() {
    for given in everywhere(TWO) {
        given.write("R__View.sql", "CREATE VIEW v AS SELECT id FROM b");
        let seen = RefCell::new(Vec::new());
        let report = given
            .db()
            .migrations()
            .to("V1")
            .on_progress(|at| {
                seen.borrow_mut().push((at.file.to_owned(), at.number, at.total, at.finished.is_some()))
            })
            .run()
            .unwrap();
        assert_eq!(files(&report), ["V001__Create_a.sql"]);
        let file = || "V001__Create_a.sql".to_owned();
        assert_eq!(seen.into_inner(), [(file(), 1, 1, false), (file(), 1, 1, true)]);
        let error = given.db().migrations().to("V7").run().unwrap_err();
        assert!(error.to_string().contains("no file has the version V7"), "{error}");
        assert_eq!(given.db().migrations().to("seven").run().unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(given.db().run_migrations().unwrap().applied.len(), 2);
    }
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    for given in everywhere(TWO) {
        given.write("V003__Gone.sql", "SELECT 3");
        given.write("U001__Create_a.sql", "DROP TABLE a");
        given.db().run_migrations().unwrap();
        assert!(given.db().validate_migrations().unwrap().is_valid());
        given.script("UPDATE schema_version SET success = (1 = 0) WHERE version = '002'");
        given.write("V001__Create_a.sql", "CREATE TABLE a (id bigint)");
        given.remove("V003__Gone.sql");
        given.write("V002.5__Late.sql", "VACUUM");
        given.write("V005__New.sql", "SELECT 'a");
        given.write("V6_x.sql", "");
        given.write("U009__x.sql", "");
        let validation = given.db().validate_migrations().unwrap();
        assert!(!validation.is_valid());
        let kinds: Vec<FindingKind> = validation.findings.iter().map(|finding| finding.kind).collect();
        for kind in [
            FindingKind::Misnamed,
            FindingKind::OrphanUndo,
            FindingKind::Changed,
            FindingKind::Missing,
            FindingKind::Failed,
            FindingKind::OutOfOrder,
            FindingKind::Unfit,
            FindingKind::Pending,
            FindingKind::UndoMissing,
        ] {
            assert!(kinds.contains(&kind), "{kind:?}: {validation:#?}");
        }
        assert!(
            validation.findings.iter().all(|finding| !finding.message.is_empty() && !finding.file.is_empty())
        );
    }
}
