//! Files without a transaction: what cannot run in one, and what becomes of it when it fails.

use std::thread;
use std::time::Duration;

use batchdb::{FindingKind, MigrationState, Repair};

use super::{Given, files};
use crate::common::eventually;

const INDEX: &str = "-- batchdb: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (id);\nVACUUM t;\nSET search_path TO nowhere;";

#[test]
fn what_cannot_run_in_a_transaction_runs_by_itself() {
    let given = Given::postgres(&[
        ("V1__Create.sql", "CREATE TABLE t (id int)"),
        ("V2__Index.sql", INDEX),
        ("V3__After.sql", "CREATE TABLE u (id int)"),
    ]);
    let plan = given.db().plan_migrations().unwrap();
    assert_eq!(plan.steps.iter().map(|step| step.in_transaction).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(given.db().run_migrations().unwrap().applied.len(), 3);
    assert_eq!(given.psql("SELECT count(*) FROM pg_indexes WHERE indexname = 'i'"), "1");
    assert_eq!(given.tables(), "schema_version t u");
    assert_eq!(
        given.psql("SELECT success, execution_time >= 0 FROM schema_version WHERE version = '2'"),
        "t|t"
    );
}

#[test]
fn an_index_is_built_concurrently_while_other_runners_wait() {
    let given = Given::postgres(&[
        ("V1__Create.sql", "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 50000)"),
        ("V2__Slow.sql", "SELECT pg_sleep(0.5)"),
        ("V3__Index.sql", INDEX),
    ]);
    let applied: usize = thread::scope(|scope| {
        let run = || {
            let db = given.builder().migration_timeout(Duration::from_secs(20)).build().unwrap();
            db.run_migrations().unwrap().applied.len()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(applied, 3);
}

#[test]
fn a_file_that_another_runner_has_under_way_has_not_failed() {
    let slow = "-- batchdb: no-transaction\nCREATE TABLE t (id int);\nSELECT pg_sleep(1);";
    let given = Given::postgres(&[("V1__Slow.sql", slow)]);
    thread::scope(|scope| {
        let first = scope.spawn(|| given.db().run_migrations().unwrap().applied.len());
        eventually("the first has begun", || given.tables().contains(" t"));
        assert_eq!(given.psql("SELECT success FROM schema_version"), "f");
        let status = given.db().migration_status().unwrap();
        assert_eq!(status.history[0].state, MigrationState::Running);
        assert!(status.problems.is_empty(), "{status:?}");
        let validation = given.db().validate_migrations().unwrap();
        assert!(
            validation.is_valid() && validation.findings[0].kind == FindingKind::Running,
            "{validation:?}"
        );
        let health = given.db().health_check().to_json().to_string();
        assert!(health.contains("\"state\":\"running\""), "{health}");
        // It waits for the lock, and then there is nothing to do.
        assert!(given.db().run_migrations().unwrap().applied.is_empty());
        assert_eq!(first.join().unwrap(), 1);
    });
}

#[test]
fn a_failure_leaves_a_row_that_keeps_later_runs_away() {
    let given = Given::postgres(&[
        ("V1__Create.sql", "CREATE TABLE t (id int)"),
        (
            "V2__Half.sql",
            "-- batchdb: no-transaction\nINSERT INTO t VALUES (1);\n\n  INSERT INTO nowhere VALUES (2);",
        ),
        ("V3__After.sql", "CREATE TABLE u (id int)"),
    ]);
    let said = given.refused();
    assert!(said.contains("\"V2__Half.sql\" failed at line 4, column 15"), "{said}");
    assert!(said.contains("what it did before was kept") && said.contains("repair"), "{said}");
    assert_eq!(given.psql("SELECT count(*) FROM t"), "1");
    let status = given.db().migration_status().unwrap();
    assert_eq!(
        (status.current_version.as_deref(), status.history[1].state),
        (Some("V1"), MigrationState::Failed)
    );

    given.write("V2__Half.sql", "-- batchdb: no-transaction\nDELETE FROM t;\nINSERT INTO t VALUES (2);");
    assert!(given.refused().contains("did not come to its end"));
    given.db().migrations().repair(Repair::Forget, Some("V2")).unwrap();
    assert_eq!(files(&given.db().run_migrations().unwrap()), ["V2__Half.sql", "V3__After.sql"]);
    assert_eq!(given.psql("SELECT string_agg(id::text, ' ') FROM t"), "2");
    assert_eq!(
        given.psql(
            "SELECT string_agg(action || ' ' || version, ', ' ORDER BY id) FROM schema_version_history"
        ),
        "applied 1, failed 2, repaired 2, applied 2, applied 3"
    );
}

#[test]
fn a_runner_that_is_cut_leaves_the_row_too() {
    let given = Given::postgres(&[(
        "V1__Slow.sql",
        "-- batchdb: no-transaction\nCREATE TABLE t (id int);\nSELECT pg_sleep(30);",
    )]);
    thread::scope(|scope| {
        let cut = scope.spawn(|| given.db().run_migrations().unwrap_err());
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid() AND datname = current_database()";
        eventually("the migration runs and is cut", || given.psql(kill) == "1");
        assert!(cut.join().unwrap().to_string().contains("what it did before was kept"));
    });
    assert_eq!(given.psql("SELECT version, success FROM schema_version"), "1|f");
    assert_eq!(given.locks(), "0");
    given.db().migrations().repair(Repair::AcceptAsDone, None).unwrap();
    assert!(given.db().run_migrations().unwrap().applied.is_empty());
}

#[cfg(feature = "odbc")]
#[test]
fn sqlite_has_files_without_a_transaction_too() {
    let given = Given::sqlite(&[
        ("V1__Create.sql", "CREATE TABLE t (id INTEGER)"),
        ("V2__Pragma.sql", "-- batchdb: no-transaction\nPRAGMA journal_mode = WAL;\nVACUUM;"),
    ]);
    assert_eq!(given.db().run_migrations().unwrap().applied.len(), 2);
    let mode = given.db().query_one("PRAGMA journal_mode", ()).unwrap().get::<String>(0).unwrap();
    assert_eq!(mode, "wal");

    given.write(
        "V3__Half.sql",
        "-- batchdb: no-transaction\nINSERT INTO t VALUES (1);\nINSERT INTO nowhere VALUES (2);",
    );
    let said = given.refused();
    assert!(said.contains("failed at line 3, column 1"), "{said}");
    assert!(given.refused().contains("did not come to its end"));
    let db = given.db();
    assert_eq!(db.migrations().repair(Repair::AcceptAsDone, None).unwrap().repaired[0].version, "V3");
    assert!(db.run_migrations().unwrap().applied.is_empty());
}

#[cfg(feature = "odbc")]
#[test]
fn a_file_that_runs_on_sqlite_is_told_from_one_that_failed() {
    let given = Given::sqlite(&[
        ("V1__First.sql", "CREATE TABLE t (id INTEGER)"),
        ("V2__Half.sql", "-- batchdb: no-transaction\nINSERT INTO t VALUES (1)"),
    ]);
    let db = given.db();
    let begun = "INSERT INTO schema_version (version_rank, installed_rank, version, description, type, script, \
                 installed_by, execution_time, success) VALUES (2, 2, '2', 'Half', 'SQL', 'V2__Half.sql', 'other', 0, 0)";
    let state = || given.db().migration_status().unwrap().history[1].state;
    let outcome = db.migrations().on_progress(|at| {
        if at.number == 2 && at.finished.is_none() {
            // As if the other one had got that far.
            given.db().execute(begun, ()).unwrap();
            assert_eq!(state(), MigrationState::Running);
        }
    });
    let error = outcome.run().unwrap_err();
    assert!(error.report().contains("UNIQUE constraint"), "{}", error.report());
    assert_eq!(state(), MigrationState::Failed);
    let status = db.migration_status().unwrap();
    assert!(status.problems[0].message.contains("did not come to its end"), "{status:?}");
    assert_eq!(given.read("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_file_that_frees_the_lock_ends_the_run() {
    for free in ["SELECT pg_advisory_unlock_all()", "DISCARD ALL"] {
        let given = Given::postgres(&[
            ("V1__Free.sql", &format!("-- batchdb: no-transaction\n{free};")),
            ("V2__After.sql", "CREATE TABLE t (id int)"),
        ]);
        let said = given.refused();
        assert!(said.contains("\"V1__Free.sql\" has freed the lock of the migrations"), "{said}");
        assert_eq!(given.psql("SELECT version, success FROM schema_version"), "1|t");
        assert!(!given.has("t"));
        assert_eq!(given.db().run_migrations().unwrap().applied.len(), 1);
    }
}

#[cfg(feature = "odbc")]
#[test]
fn foreign_keys_that_a_file_turns_off_are_checked_in_the_next_one() {
    let mut given = Given::sqlite(&[
        ("V1__a.sql", "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p int REFERENCES p (id))"),
        ("V2__b.sql", "-- batchdb: no-transaction\nPRAGMA foreign_keys = OFF;\nINSERT INTO c VALUES (1);"),
        ("V3__c.sql", "INSERT INTO c VALUES (2)"),
    ]);
    given.connection_string.push_str(";FKSupport=1");
    assert!(given.refused().contains("\"V3__c.sql\" failed"));
    assert_eq!(given.read("SELECT p FROM c"), "1");
}
