//! Beginning with a database that exists, and taking over from Flyway and Pyway.

use batchdb::{ErrorKind, ForeignHistory, MigrationState};

use super::{Given, everywhere, files};

const THREE: &[(&str, &str)] = &[
    ("V1__a.sql", "CREATE TABLE a (id int);\n"),
    ("V2__b.sql", "CREATE TABLE b (id int);\n"),
    ("V3__c.sql", "CREATE TABLE c (id int);\n"),
];

#[test]
fn a_database_without_versions_begins_at_one() {
    for given in everywhere(THREE) {
        given.script("CREATE TABLE a (id int); CREATE TABLE b (id int)");
        let db = given.db();
        db.migrations().baseline("V2").unwrap();
        let status = db.migration_status().unwrap();
        assert_eq!(
            (status.current_version.as_deref(), status.history[0].state),
            (Some("V2"), MigrationState::Baseline)
        );
        let age = chrono::Utc::now() - status.history[0].installed_on;
        assert!((-1..60).contains(&age.num_seconds()), "{age}");
        assert_eq!(status.pending_migrations, ["V3"]);
        assert_eq!(files(&db.run_migrations().unwrap()), ["V3__c.sql"]);
        let error = db.migrations().baseline("V3").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration);
        assert!(error.to_string().contains("has 2 rows"), "{error}");
    }
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
    given.script(&format!(
        "CREATE TABLE flyway_schema_history (installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50),
             description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER,
             installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL, execution_time INTEGER NOT NULL,
             success BOOLEAN NOT NULL);
         CREATE TABLE a (id int); CREATE TABLE b (id int);
         INSERT INTO flyway_schema_history VALUES
             (1, '1', 'a', 'SQL', 'V1__a.sql', {}, 'fly', '2026-01-15 10:30:00', 12, true),
             (2, '2', 'b', 'SQL', 'old/V2__b.sql', {}, 'fly', '2026-01-16 10:30:00', 13, true)",
        crc(THREE[0].1),
        crc(THREE[1].1),
    ));
}

#[test]
fn a_history_of_flyway_is_taken_over_with_its_checksums() {
    for given in everywhere(THREE) {
        flyway(&given);
        let db = given.db();
        assert_eq!(db.migrations().baseline_from(ForeignHistory::Flyway).unwrap(), 2);
        assert_eq!(files(&db.run_migrations().unwrap()), ["V3__c.sql"]);
        assert_eq!(
            given
                .read(
                    "SELECT version, script, installed_by, execution_time, length(checksum_sha256) \
                 FROM schema_version ORDER BY installed_rank"
                )
                .lines()
                .take(2)
                .collect::<Vec<_>>(),
            ["1|V1__a.sql|fly|12|64", "2|V2__b.sql|fly|13|64"]
        );
        let first = db.migration_status().unwrap().history[0].installed_on;
        assert_eq!(first.to_rfc3339(), "2026-01-15T10:30:00+00:00");
        given.write("V2__b.sql", "CREATE TABLE b (id int); -- changed");
        assert!(given.refused().contains("V2__b.sql"));
    }
}

#[test]
fn a_changed_file_shows_after_a_takeover_and_failed_rows_are_refused() {
    for given in everywhere(THREE) {
        flyway(&given);
        given.write("V1__a.sql", "CREATE TABLE a (id bigint);\n");
        given.script("UPDATE flyway_schema_history SET success = false WHERE version = '2'");
        let db = given.db();
        let error = db.migrations().baseline_from(ForeignHistory::Flyway).unwrap_err();
        assert!(error.to_string().contains("failed under Flyway"), "{error}");
        assert!(!given.has("schema_version"));
        given.script("UPDATE flyway_schema_history SET success = true");
        db.migrations().baseline_from(ForeignHistory::Flyway).unwrap();
        let said = given.refused();
        assert!(said.contains("1 problem") && said.contains("V1__a.sql"), "{said}");
    }
}

const PYWAY: &str =
    "(installed_rank INTEGER PRIMARY KEY, version VARCHAR(20) NOT NULL, extension VARCHAR(20) NOT NULL,
     name VARCHAR(125) NOT NULL, checksum VARCHAR(25) NOT NULL, apply_timestamp TIMESTAMP)";

/// Pyway's table with one row, with this checksum.
fn pyway(given: &Given, table: &str, checksum: &str) {
    given.script(&format!(
        "CREATE TABLE {table} {PYWAY};
         INSERT INTO {table} VALUES (1, '1.1', 'SQL', 'a', '{checksum}', '2026-01-15 10:30:00')"
    ));
}

/// The CRC-32 of "SELECT 1;\n" in hexadecimal, as zlib has it.
const SELECT_1: &str = "500EA97F";

#[test]
fn a_table_of_pyway_with_our_name_is_renamed_and_taken_over() {
    for given in everywhere(&[("V01_01__a.sql", "SELECT 1;\n"), ("V01_02__b.sql", "SELECT 2;\n")]) {
        pyway(&given, "schema_version", SELECT_1);
        let db = given.db();
        assert!(given.refused().contains("baseline --from pyway"));
        assert_eq!(db.migrations().baseline_from(ForeignHistory::Pyway).unwrap(), 1);
        assert_eq!(given.read("SELECT count(*) FROM schema_version_pyway"), "1");
        assert_eq!(
            given.read("SELECT version, script, length(checksum_sha256) FROM schema_version"),
            "1.1|V01_01__a.sql|64"
        );
        assert_eq!(files(&db.run_migrations().unwrap()), ["V01_02__b.sql"]);
    }
}

#[test]
fn a_table_of_pyway_with_its_own_name_is_read() {
    for given in everywhere(&[("V01_01__a.sql", "SELECT 1;\n")]) {
        pyway(&given, "pyway", "0");
        let db = given.db();
        db.migrations().baseline_from(ForeignHistory::Pyway).unwrap();
        assert!(given.refused().contains("was changed after it was applied"));
        assert!(db.migrations().baseline_from(ForeignHistory::Flyway).is_err());
    }
}

#[test]
fn what_was_taken_over_is_undone_however_its_version_was_spelled() {
    for given in everywhere(&[
        ("V001__a.sql", THREE[0].1),
        ("V002__b.sql", THREE[1].1),
        ("U001__a.sql", "DROP TABLE a"),
        ("U002__b.sql", "DROP TABLE b"),
    ]) {
        flyway(&given);
        let db = given.db();
        db.migrations().baseline_from(ForeignHistory::Flyway).unwrap();
        assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 2);
        assert_eq!(files(&db.run_migrations().unwrap()), ["V001__a.sql", "V002__b.sql"]);
    }
    for given in everywhere(&[("V01_01__a.sql", "SELECT 1;\n"), ("U01_01__a.sql", "SELECT 1")]) {
        pyway(&given, "pyway", SELECT_1);
        let db = given.db();
        db.migrations().baseline_from(ForeignHistory::Pyway).unwrap();
        assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 1);
        assert_eq!(given.read("SELECT count(*) FROM schema_version"), "0");
    }
}
