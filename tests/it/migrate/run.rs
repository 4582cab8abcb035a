//! What a run does to files, database and history.

use std::path::Path;

use batchdb::{ErrorKind, Value, params};
use chrono::SubsecRound;
use serde_json::json;

use super::{Given, everywhere, files};

const TWO: &[(&str, &str)] = &[
    ("V001__Create_a.sql", "CREATE TABLE a (id int);\n"),
    ("V002__Create_b.sql", "CREATE TABLE b (id int);\n"),
];

#[test]
fn files_are_applied_once_in_the_order_of_their_versions() {
    let given = Given::postgres(&[
        ("V10__Fill.sql", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"),
        ("V2__Widen.sql", "ALTER TABLE t ADD COLUMN note text; -- no line end"),
        ("V1.5__Rename.sql", "ALTER TABLE t RENAME COLUMN old TO id;"),
        ("V1__Create.sql", "CREATE TABLE t (old int);"),
        ("README.md", "not a migration"),
        ("README.sql", "not a statement, and not a migration"),
    ]);
    let report = given.db().run_migrations().unwrap();
    assert_eq!(files(&report), ["V1__Create.sql", "V1.5__Rename.sql", "V2__Widen.sql", "V10__Fill.sql"]);
    assert_eq!(report.current_version.as_deref(), Some("V10"));
    let again = given.db().run_migrations().unwrap();
    assert_eq!((files(&again).len(), again.current_version.as_deref()), (0, Some("V10")));
    assert_eq!(given.psql("SELECT count(*) FROM t"), "2");
}

#[test]
fn the_history_says_what_was_applied_by_whom_and_when() {
    let given = Given::postgres(TWO);
    given.db().run_migrations().unwrap();
    assert_eq!(
        given.psql(
            "SELECT version_rank, installed_rank, version, description, type, script, length(checksum_sha256), \
             installed_by, execution_time >= 0, success, installed_on BETWEEN now() - interval '1 minute' AND now(), \
             pg_typeof(checksum), pg_typeof(installed_on) FROM schema_version ORDER BY installed_rank"
        ),
        "1|1|001|Create a|SQL|V001__Create_a.sql|64|postgres|t|t|t|integer|timestamp with time zone\n\
         2|2|002|Create b|SQL|V002__Create_b.sql|64|postgres|t|t|t|integer|timestamp with time zone"
    );
}

#[test]
fn odd_names_are_recorded_as_they_are() {
    let odd = ["V1__it's_a_\\.sql", "V2__b''.sql"];
    let given = Given::postgres(&[(odd[0], "CREATE TABLE t (id int)"), (odd[1], "SELECT 1")]);
    given.psql(&format!("ALTER DATABASE {} SET standard_conforming_strings = off", given.database));
    given.db().run_migrations().unwrap();
    assert_eq!(given.psql("SELECT script FROM schema_version ORDER BY installed_rank"), odd.join("\n"));
    assert_eq!(given.psql("SELECT script FROM schema_version_history ORDER BY id"), odd.join("\n"));
    assert!(given.db().run_migrations().unwrap().applied.is_empty());
}

#[test]
fn the_status_is_told_without_changing_anything() {
    let given = Given::postgres(TWO);
    let status = given.db().migration_status().unwrap();
    assert_eq!(
        serde_json::to_value(&status).unwrap(),
        json!({
            "current_version": null,
            "pending_migrations": ["V001", "V002"],
            "total_migrations": 0,
            "last_migration": null,
        })
    );
    assert_eq!(given.tables(), "");

    given.db().run_migrations().unwrap();
    given.write("V003__Create_c.sql", "CREATE TABLE c (id int);");
    let status = given.db().migration_status().unwrap();
    assert_eq!(status.current_version.as_deref(), Some("V002"));
    assert_eq!(status.pending_migrations, ["V003"]);
    assert_eq!(status.total_migrations, 2);
    let age = chrono::Utc::now() - status.last_migration.unwrap();
    assert!((-1..60).contains(&age.num_seconds()), "{age}");
    let json = serde_json::to_value(&status).unwrap();
    assert!(json["last_migration"].as_str().unwrap().ends_with('Z'), "{json}");
}

#[test]
fn a_changed_file_is_found_before_anything_runs() {
    let given = Given::postgres(TWO);
    given.db().run_migrations().unwrap();
    given.write("V001__Create_a.sql", "CREATE TABLE a (id bigint);\n");
    given.write("V003__Create_c.sql", "CREATE TABLE c (id int);");
    let said = given.refused();
    assert!(said.contains("V001__Create_a.sql") && said.contains("changed"), "{said}");
    assert_eq!(given.tables(), "a b schema_version");
    assert_eq!(given.db().migration_status().unwrap().pending_migrations, ["V003"]);
}

#[test]
fn line_ends_and_a_byte_order_mark_are_no_change() {
    let given = Given::postgres(TWO);
    given.db().run_migrations().unwrap();
    for (file, text) in TWO {
        given.write(file, &format!("\u{FEFF}{}", text.replace('\n', "\r\n")));
    }
    assert!(given.db().run_migrations().unwrap().applied.is_empty());
}

#[test]
fn line_ends_of_a_checkout_do_not_reach_the_data() {
    let given = Given::postgres(&[
        ("V1__Create.sql", "CREATE TABLE t (note text);\r\n"),
        ("V2__Fill.sql", "\u{FEFF}INSERT INTO t VALUES ('one\r\ntwo');\r\n"),
    ]);
    given.db().run_migrations().unwrap();
    assert_eq!(given.psql("SELECT length(note) FROM t"), "7");
}

#[test]
fn every_problem_is_told_at_once_and_nothing_runs() {
    let given = Given::postgres(TWO);
    given.db().run_migrations().unwrap();
    given.remove("V002__Create_b.sql");
    given.write("V000__Too_late.sql", "CREATE TABLE late (id int)");
    given.write("v003__Small.sql", "CREATE TABLE small (id int)");
    given.write("V4__x.sql", "CREATE TABLE x (id int)");
    given.write("V4.0__y.sql", "CREATE TABLE y (id int)");
    let said = given.refused();
    for file in ["V002__Create_b.sql", "V000__Too_late.sql", "v003__Small.sql", "V4__x.sql", "V4.0__y.sql"] {
        assert!(said.contains(file), "{file}: {said}");
    }
    assert_eq!(given.tables(), "a b schema_version");
    assert_eq!(given.db().migration_status().unwrap_err().kind(), ErrorKind::Migration);
}

#[test]
fn a_failed_file_leaves_nothing_and_ends_the_run() {
    let given = Given::postgres(TWO);
    given.write("V003__Broken.sql", "CREATE TABLE c (id int);\nINSERT INTO nowhere VALUES (1);");
    given.write("V004__Create_d.sql", "CREATE TABLE d (id int);");
    let error = given.db().run_migrations().unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Migration, Some("42P01")));
    let said = error.to_string();
    assert!(said.contains("V003__Broken.sql") && said.contains("nothing of it was kept"), "{said}");
    assert!(error.report().contains("nowhere"), "{}", error.report());
    assert_eq!(given.tables(), "a b schema_version");
    assert_eq!(given.db().migration_status().unwrap().current_version.as_deref(), Some("V002"));

    given.write("V003__Broken.sql", "CREATE TABLE c (id int);");
    let report = given.db().run_migrations().unwrap();
    assert_eq!(files(&report), ["V003__Broken.sql", "V004__Create_d.sql"]);
}

#[test]
fn what_only_the_commit_refuses_is_not_recorded() {
    let given = Given::postgres(&[(
        "V1__Deferred.sql",
        "CREATE TABLE p (id int PRIMARY KEY);
         CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO c VALUES (1);",
    )]);
    let error = given.db().run_migrations().unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Migration, Some("23503")), "{error}");
    assert_eq!(given.tables(), "schema_version");
    assert_eq!(given.db().migration_status().unwrap().total_migrations, 0);
}

#[test]
fn a_file_must_not_end_its_transaction() {
    let given =
        Given::postgres(&[("V1__x.sql", "CREATE TABLE x (id int);\nCOMMIT;\nCREATE TABLE y (id int);")]);
    let said = given.refused();
    assert!(said.contains("\"V1__x.sql\" line 2"), "{said}");
    assert_eq!(given.tables(), "");
}

#[test]
fn a_statement_that_no_transaction_allows_is_explained() {
    let given =
        Given::postgres(&[("V1__x.sql", "CREATE TABLE x (id int); CREATE INDEX CONCURRENTLY i ON x (id);")]);
    let said = given.refused();
    assert!(said.contains("line 1: CREATE INDEX CONCURRENTLY cannot run in a transaction"), "{said}");
    assert!(said.contains("-- batchdb: no-transaction"), "{said}");
    assert_eq!(given.tables(), "");
}

#[test]
fn a_file_that_changes_the_session_changes_neither_history_nor_the_next_file() {
    let given = Given::postgres(&[
        (
            "V1__Elsewhere.sql",
            "CREATE SCHEMA other; SET search_path TO other; CREATE TABLE t (id int); SET ROLE pg_monitor;",
        ),
        ("V2__Here.sql", "CREATE TABLE t (id int);"),
    ]);
    given.db().run_migrations().unwrap();
    assert_eq!(given.tables(), "schema_version t");
    assert_eq!(given.psql("SELECT string_agg(DISTINCT installed_by, ' ') FROM schema_version"), "postgres");
}

#[test]
fn a_read_only_database_has_no_migrations() {
    let given = Given::postgres(TWO);
    let db = given.builder().read_only(true).build().unwrap();
    assert_eq!(db.run_migrations().unwrap_err().kind(), ErrorKind::ReadOnly);
    assert!(db.migration_status().unwrap().pending_migrations.is_empty());
}

#[test]
fn a_history_of_the_specification_is_taken_over() {
    let given = Given::postgres(TWO);
    given.psql(
        "CREATE TABLE schema_version (
             version_rank INTEGER NOT NULL, installed_rank INTEGER NOT NULL,
             version VARCHAR(50) NOT NULL PRIMARY KEY, description VARCHAR(200) NOT NULL,
             type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER,
             installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT NOW(),
             execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL);
         CREATE TABLE a (id int);
         INSERT INTO schema_version VALUES (1, 1, '1', 'Create a', 'SQL', 'V001__Create_a.sql', NULL, 'x', now(), 5, true)",
    );
    assert_eq!(given.db().migration_status().unwrap().pending_migrations, ["V002"]);
    assert_eq!(files(&given.db().run_migrations().unwrap()), ["V002__Create_b.sql"]);
    assert_eq!(
        given.psql("SELECT installed_rank, length(checksum_sha256) FROM schema_version ORDER BY 1"),
        "1|\n2|64"
    );
}

#[test]
fn a_table_of_another_tool_is_not_touched() {
    let given = Given::postgres(TWO);
    given.psql("CREATE TABLE schema_version (installed_rank serial, version text, name text)");
    let said = given.refused();
    assert!(said.contains("belongs to another tool"), "{said}");
    assert_eq!(given.tables(), "schema_version");
}

#[test]
fn the_migrations_of_this_project_keep_scores_exact() {
    let given = Given::postgres(&[]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/rpa_db");
    let db = given.builder_for(&folder).build().unwrap();
    assert_eq!(db.run_migrations().unwrap().current_version.as_deref(), Some("V004"));
    let insert = "INSERT INTO rpa1_processed_surveys \
                  (survey_id, customer_id, satisfaction_score, processed_at, status, error) \
                  VALUES (:survey_id, 7, :score, :at, :status, :error)";
    let at = chrono::Utc::now().trunc_subsecs(6);
    for (id, score, error) in
        [(1, Some("3.123456789012345678901"), None), (2, Some("4"), None), (3, None, Some("no"))]
    {
        let status = if error.is_none() { "completed" } else { "failed" };
        let params = params! { survey_id: id, score: score, at: at, status: status, error: error };
        db.execute(insert, params).unwrap();
    }
    let row = db.query_one("SELECT * FROM rpa1_survey_summary", ()).unwrap();
    assert_eq!((&row["total_surveys"], &row["failed_surveys"]), (&Value::from(3), &Value::from(1)));
    let sum: bigdecimal::BigDecimal = row.get("score_sum").unwrap();
    assert_eq!(sum.to_string(), "7.123456789012345678901");
    let twice = params! { survey_id: 1, score: None::<i32>, at: at, status: "failed", error: "again" };
    assert_eq!(db.execute(insert, twice).unwrap_err().kind(), ErrorKind::Constraint);
}

#[test]
fn a_file_of_many_lines_is_applied_whole() {
    let rows: String = (0..5_000).map(|n| format!("INSERT INTO t VALUES ({n}, 'it''s; {n}');\n")).collect();
    let given = Given::postgres(&[
        ("V1__Create.sql", "CREATE TABLE t (id int, note text);"),
        ("V2__Fill.sql", &rows),
        (
            "V3__Function.sql",
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;",
        ),
    ]);
    given.db().run_migrations().unwrap();
    assert_eq!(given.psql("SELECT count(*), f() FROM t"), "5000|1");
}

#[test]
fn the_role_that_sessions_begin_with_outlives_a_file_and_the_pool() {
    let files: &[_] = &[
        ("V1__a.sql", "CREATE TABLE a (id int); SET ROLE NONE; SET TIME ZONE 'Asia/Tokyo'"),
        ("V2__b.sql", "CREATE TABLE b AS SELECT current_setting('TimeZone') AS zone"),
        ("V3__c.sql", "-- batchdb: no-transaction\nRESET SESSION AUTHORIZATION;\nVACUUM a"),
        ("V4__d.sql", "CREATE TABLE d (id int)"),
    ];
    let native = Given::postgres(files);
    #[cfg(feature = "odbc")]
    let all = [native, Given::postgres_by_odbc(files)];
    #[cfg(not(feature = "odbc"))]
    let all = [native];
    for given in all {
        let owner = crate::common::unique("owner");
        given.psql(&format!(
            "CREATE ROLE {owner}; GRANT CREATE, USAGE ON SCHEMA public TO {owner};
             ALTER ROLE {user} IN DATABASE {database} SET role = '{owner}';
             ALTER DATABASE {database} SET timezone = 'Europe/Paris'",
            user = crate::common::server().user(),
            database = given.database,
        ));
        let db = given.db();
        assert_eq!(db.run_migrations().unwrap().applied.len(), 4);
        let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(given.psql(owners), owner);
        assert_eq!(db.query_one("SELECT zone FROM b", ()).unwrap().get::<String>(0).unwrap(), zone(&given));
        let role = || db.query_one("SELECT current_user", ()).unwrap().get::<String>(0).unwrap();
        assert_eq!(role(), owner);
        db.execute("SET ROLE NONE", ()).unwrap();
        assert_eq!(role(), owner);
    }
}

/// What a session of this driver begins with: psqlODBC's has a zone of ours.
fn zone(given: &Given) -> &'static str {
    if given.connection_string.starts_with("Driver") { "UTC" } else { "Europe/Paris" }
}

#[test]
fn the_checksum_is_the_crc_32_of_the_lines_without_their_ends() {
    for given in everywhere(&[("V1__a.sql", "CREATE TABLE t (id int);\r\nINSERT INTO t VALUES (1);\n")]) {
        given.db().run_migrations().unwrap();
        // By zlib's `crc32` of "CREATE TABLE t (id int);INSERT INTO t VALUES (1);".
        assert_eq!(given.read("SELECT checksum FROM schema_version"), "169406234");
    }
}
