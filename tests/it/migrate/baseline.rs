//! Beginning with a database that exists, and taking over from Flyway and Pyway.

use batchdb::{ErrorKind, ForeignHistory, MigrationState};

use super::{Given, files};

const THREE: &[(&str, &str)] = &[
    ("V1__a.sql", "CREATE TABLE a (id int);\n"),
    ("V2__b.sql", "CREATE TABLE b (id int);\n"),
    ("V3__c.sql", "CREATE TABLE c (id int);\n"),
];

#[test]
fn a_database_without_versions_begins_at_one() {
    let given = Given::postgres(THREE);
    given.psql("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    let db = given.db();
    db.migrations().baseline("V2").unwrap();
    let status = db.migration_status().unwrap();
    assert_eq!(
        (status.current_version.as_deref(), status.history[0].state),
        (Some("V2"), MigrationState::Baseline)
    );
    assert_eq!(status.pending_migrations, ["V3"]);
    assert_eq!(files(&db.run_migrations().unwrap()), ["V3__c.sql"]);
    let error = db.migrations().baseline("V3").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert!(error.to_string().contains("has 2 rows"), "{error}");
}

/// Flyway's table as Flyway makes it, with checksums as Flyway computes them: CRC-32 of the lines without their ends.
fn flyway(given: &Given) {
    let crc = |text: &str| {
        let joined: Vec<u8> = text.lines().flat_map(str::bytes).collect();
        // The CRC-32 of zlib, bit by bit: a test that used the library's crate would prove nothing of it.
        let mut crc = u32::MAX;
        for byte in joined {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        (!crc).cast_signed()
    };
    given.psql(&format!(
        "CREATE TABLE flyway_schema_history (installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50),
             description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER,
             installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT now(),
             execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL);
         CREATE TABLE a (id int); CREATE TABLE b (id int);
         INSERT INTO flyway_schema_history VALUES
             (1, '1', 'a', 'SQL', 'V1__a.sql', {}, 'fly', '2026-01-15 10:30:00', 12, true),
             (2, '2', 'b', 'SQL', 'V2__b.sql', {}, 'fly', '2026-01-16 10:30:00', 13, true)",
        crc(THREE[0].1),
        crc(THREE[1].1),
    ));
}

#[test]
fn a_history_of_flyway_is_taken_over_with_its_checksums() {
    let given = Given::postgres(THREE);
    flyway(&given);
    let db = given.db();
    assert_eq!(db.migrations().baseline_from(ForeignHistory::Flyway).unwrap(), 2);
    assert_eq!(files(&db.run_migrations().unwrap()), ["V3__c.sql"]);
    assert_eq!(
        given.psql(
            "SELECT version, script, installed_by, execution_time, length(checksum_sha256), \
             to_char(installed_on, 'MM-DD') FROM schema_version ORDER BY installed_rank LIMIT 1"
        ),
        "1|V1__a.sql|fly|12|64|01-15"
    );
    given.write("V2__b.sql", "CREATE TABLE b (id int); -- changed");
    assert!(given.refused().contains("V2__b.sql"));
}

#[test]
fn a_changed_file_shows_after_a_takeover_and_failed_rows_are_refused() {
    let given = Given::postgres(THREE);
    flyway(&given);
    given.write("V1__a.sql", "CREATE TABLE a (id bigint);\n");
    given.psql("UPDATE flyway_schema_history SET success = false WHERE version = '2'");
    let db = given.db();
    let error = db.migrations().baseline_from(ForeignHistory::Flyway).unwrap_err();
    assert!(error.to_string().contains("failed under Flyway"), "{error}");
    assert_eq!(given.psql("SELECT to_regclass('schema_version') IS NULL"), "t");
    given.psql("UPDATE flyway_schema_history SET success = true");
    db.migrations().baseline_from(ForeignHistory::Flyway).unwrap();
    let said = given.refused();
    assert!(said.contains("1 problem") && said.contains("V1__a.sql"), "{said}");
}

const PYWAY: &str =
    "(installed_rank SERIAL PRIMARY KEY, version VARCHAR(20) NOT NULL, extension VARCHAR(20) NOT NULL,
     name VARCHAR(125) NOT NULL, checksum VARCHAR(25) NOT NULL, apply_timestamp TIMESTAMP DEFAULT now())";

#[test]
fn a_table_of_pyway_with_our_name_is_renamed_and_taken_over() {
    let given = Given::postgres(&[("V01_01__a.sql", "SELECT 1;\n"), ("V01_02__b.sql", "SELECT 2;\n")]);
    // The CRC-32 of "SELECT 1;\n" in hexadecimal, as zlib has it.
    given.psql(&format!(
        "CREATE TABLE schema_version {PYWAY};
         INSERT INTO schema_version (version, extension, name, checksum) VALUES ('1.1', 'SQL', 'a', '500EA97F')"
    ));
    let db = given.db();
    assert!(given.refused().contains("baseline --from pyway"));
    assert_eq!(db.migrations().baseline_from(ForeignHistory::Pyway).unwrap(), 1);
    assert_eq!(given.psql("SELECT count(*) FROM schema_version_pyway"), "1");
    assert_eq!(
        given.psql("SELECT version, script, length(checksum_sha256) FROM schema_version"),
        "1.1|V01_01__a.sql|64"
    );
    assert_eq!(files(&db.run_migrations().unwrap()), ["V01_02__b.sql"]);
}

#[test]
fn a_table_of_pyway_with_its_own_name_is_read() {
    let given = Given::postgres(&[("V01_01__a.sql", "SELECT 1;\n")]);
    given.psql(&format!(
        "CREATE TABLE pyway {PYWAY}; INSERT INTO pyway (version, extension, name, checksum) VALUES ('1.1', 'SQL', 'a', '0')"
    ));
    let db = given.db();
    db.migrations().baseline_from(ForeignHistory::Pyway).unwrap();
    assert!(given.refused().contains("was changed after it was applied"));
    assert!(db.migrations().baseline_from(ForeignHistory::Flyway).is_err());
}

#[test]
fn what_was_taken_over_is_undone_however_its_version_was_spelled() {
    let given = Given::postgres(&[
        ("V001__a.sql", THREE[0].1),
        ("V002__b.sql", THREE[1].1),
        ("U001__a.sql", "DROP TABLE a"),
        ("U002__b.sql", "DROP TABLE b"),
    ]);
    flyway(&given);
    let db = given.db();
    db.migrations().baseline_from(ForeignHistory::Flyway).unwrap();
    assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 2);
    assert_eq!(files(&db.run_migrations().unwrap()), ["V001__a.sql", "V002__b.sql"]);

    let given = Given::postgres(&[("V01_01__a.sql", "SELECT 1;\n"), ("U01_01__a.sql", "SELECT 1")]);
    given.psql(&format!(
        "CREATE TABLE pyway {PYWAY}; INSERT INTO pyway (version, extension, name, checksum) \
         VALUES ('1.1', 'SQL', 'a', '500EA97F')"
    ));
    let db = given.db();
    db.migrations().baseline_from(ForeignHistory::Pyway).unwrap();
    assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 1);
    assert_eq!(given.psql("SELECT count(*) FROM schema_version"), "0");
}

#[cfg(feature = "odbc")]
#[test]
fn sqlite_begins_at_a_version_too() {
    let given = Given::sqlite(THREE);
    given.db().migrations().baseline("2").unwrap();
    assert_eq!(files(&given.db().run_migrations().unwrap()), ["V3__c.sql"]);
    let age = chrono::Utc::now() - given.db().migration_status().unwrap().history[0].installed_on;
    assert!((-1..60).contains(&age.num_seconds()), "{age}");
}
