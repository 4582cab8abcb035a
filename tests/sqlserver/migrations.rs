//! Migrations where the database matters: the sample files, and where a failure is.

use std::fs;
use std::path::Path;

use batchdb::testing::assert_round_trip;
use batchdb::{DatabaseManager, FindingKind, ForeignHistory, Repair};

use crate::log_lines;
use crate::target::{Kind, Left, Target, Told};

/// Another target may be the same database through another driver, and would find the history.
fn forget(db: &DatabaseManager) {
    for table in ["schema_version", "schema_version_history"] {
        db.execute(&format!("DROP TABLE {table}"), ()).unwrap();
    }
}

/// A folder of migrations, and a handle that has it.
struct Given {
    folder: tempfile::TempDir,
    db: DatabaseManager,
    /// A table's name that nothing else has.
    table: String,
    /// What ends a batch.
    go: &'static str,
}

impl Given {
    fn of(target: &Target) -> Given {
        let folder = tempfile::tempdir().unwrap();
        let db = target.builder().migrations_dir(folder.path()).build().unwrap();
        Given { folder, db, table: target.unique("batchdb_m"), go: target.say(";", ";", "\nGO") }
    }

    /// Writes a file, in which `T` is the table and `;` the end of a batch.
    fn write(&self, name: &str, text: &str) {
        let text = text.replace("«T»", &self.table).replace(';', self.go);
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn run(&self) -> usize {
        let report = self.db.run_migrations();
        report.unwrap_or_else(|error| panic!("{}", error.report())).applied.len()
    }

    fn rows(&self) -> i64 {
        let sql = format!("SELECT count(*) AS n FROM {}", self.table);
        self.db.query_one(&sql, ()).unwrap().get("n").unwrap()
    }

    fn exists(&self) -> bool {
        self.db.execute_query(&format!("SELECT id FROM {}", self.table), ()).is_ok()
    }
}

impl Drop for Given {
    /// Also after a body that failed: the next one, or the next driver's, would find its history.
    fn drop(&mut self) {
        for table in ["schema_version", "schema_version_history", "flyway_schema_history", &self.table] {
            let _ = self.db.execute(&format!("DROP TABLE {table}"), ());
        }
    }
}

pub(crate) fn a_file_that_ends_half_way_is_told_and_repaired(target: &Target) -> Told {
    let given = Given::of(target);
    given.write("V1__Make.sql", "CREATE TABLE «T» (id int);");
    given.write(
        "V2__Half.sql",
        "-- batchdb: no-transaction\nINSERT INTO «T» VALUES (1);\nINSERT INTO nowhere_at_all VALUES (2);",
    );
    let error = given.db.run_migrations().unwrap_err();
    assert!(error.to_string().contains("V2__Half.sql"), "{}", error.report());
    // What was done stays, the history says so, and nothing goes on before somebody has looked.
    assert_eq!(given.rows(), 1);
    assert!(given.db.run_migrations().unwrap_err().report().contains("repair"));
    let findings = given.db.validate_migrations().unwrap().findings;
    assert!(findings.iter().any(|finding| finding.kind == FindingKind::Failed), "{findings:?}");
    given.write("V2__Half.sql", "-- batchdb: no-transaction\nINSERT INTO «T» VALUES (2);");
    assert_eq!(given.db.migrations().repair(Repair::Forget, Some("2")).unwrap().repaired.len(), 1);
    assert_eq!((given.run(), given.rows()), (1, 2));
    Ok(())
}

pub(crate) fn a_rehearsal_leaves_nothing_behind(target: &Target) -> Told {
    let given = Given::of(target);
    given.write("V1__Make.sql", "CREATE TABLE «T» (id int);");
    given.write("V2__Fill.sql", "INSERT INTO «T» VALUES (1);\nINSERT INTO «T» VALUES (2);");
    let plan = given.db.plan_migrations().unwrap();
    assert_eq!(plan.steps.len(), 2, "{plan:?}");
    let rehearsed = given.db.migrations().dry_run();
    assert_eq!(rehearsed.unwrap_or_else(|error| panic!("{}", error.report())).applied.len(), 2);
    assert!(!given.exists(), "the rehearsal has left its table");
    assert_eq!((given.run(), given.rows()), (2, 2));
    Ok(())
}

pub(crate) fn all_that_is_wrong_with_the_files_is_told_at_once(target: &Target) -> Told {
    let given = Given::of(target);
    given.write("V1__Make.sql", "CREATE TABLE «T» (id int);");
    given.write("V3__Fill.sql", "INSERT INTO «T» VALUES (3);");
    assert_eq!(given.run(), 2);
    // Other ends of lines are no change.
    let unix = fs::read_to_string(given.folder.path().join("V3__Fill.sql")).unwrap();
    fs::write(given.folder.path().join("V3__Fill.sql"), unix.replace('\n', "\r\n")).unwrap();
    given.write("V1__Make.sql", "CREATE TABLE «T» (id bigint);");
    given.write("V2__Late.sql", "INSERT INTO «T» VALUES (2);");
    let findings = given.db.validate_migrations().unwrap().findings;
    let is_told = |kind: FindingKind| findings.iter().any(|finding| finding.kind == kind);
    assert!(is_told(FindingKind::Changed) && is_told(FindingKind::OutOfOrder), "{findings:?}");
    assert_eq!(findings.iter().filter(|finding| finding.kind == FindingKind::Changed).count(), 1);
    assert!(given.db.run_migrations().is_err());
    assert_eq!(given.rows(), 1, "nothing runs before all is in order");
    Ok(())
}

pub(crate) fn a_history_of_flyway_is_adopted(target: &Target) -> Told {
    let given = Given::of(target);
    let (time, truth) = target.say(("timestamp", "boolean"), ("timestamp", "boolean"), ("datetime", "bit"));
    given
        .db
        .execute(
            &format!(
                "CREATE TABLE flyway_schema_history (installed_rank int NOT NULL PRIMARY KEY, version varchar(50), \
                 description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, \
                 checksum int, installed_by varchar(100) NOT NULL, installed_on {time} NOT NULL, \
                 execution_time int NOT NULL, success {truth} NOT NULL)"
            ),
            (),
        )
        .unwrap();
    given.db.execute(&format!("CREATE TABLE {} (id int)", given.table), ()).unwrap();
    // The CRC-32 of the line, as Flyway reckons it.
    given.write("V1__Base.sql", "SELECT 1");
    let crc = 0x667F_399B_u32.cast_signed();
    let yes = target.say("true", "1", "1");
    given
        .db
        .execute(
            &format!(
                "INSERT INTO flyway_schema_history VALUES (1, '1', 'Base', 'SQL', 'V1__Base.sql', {crc}, 'fly', \
                 '2026-01-15 10:30:00', 12, {yes})"
            ),
            (),
        )
        .unwrap();
    given.write("V2__Fill.sql", "INSERT INTO «T» VALUES (1);");
    let adopted = given.db.migrations().baseline_from(ForeignHistory::Flyway);
    assert_eq!(adopted.unwrap_or_else(|error| panic!("{}", error.report())), 1);
    assert_eq!((given.run(), given.rows()), (1, 1));
    let status = given.db.migration_status().unwrap();
    let first = &status.history[0];
    // Flyway's times on SQL Server are those of the server's place, half a day from UTC at most.
    let told = chrono::NaiveDate::from_ymd_opt(2026, 1, 15).unwrap().and_hms_opt(10, 30, 0).unwrap();
    let most = chrono::TimeDelta::hours(if target.is_t_sql() { 14 } else { 0 });
    assert!((first.installed_on.naive_utc() - told).abs() <= most, "{first:?}");
    Ok(())
}

pub(crate) fn of_two_runners_each_file_is_applied_once(target: &Target) -> Told {
    target.not_on_babelfish("its sp_getapplock keeps nobody out")?;
    let given = Given::of(target);
    given.write("V1__Make.sql", "CREATE TABLE «T» (id int);");
    for number in 2..8 {
        given.write(&format!("V{number}__Fill.sql"), &format!("INSERT INTO «T» VALUES ({number});"));
    }
    let applied: usize = std::thread::scope(|scope| {
        let run = || {
            let db = target.builder().migrations_dir(given.folder.path()).build().unwrap();
            db.run_migrations().unwrap_or_else(|error| panic!("{}", error.report())).applied.len()
        };
        let runners: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        runners.into_iter().map(|runner| runner.join().unwrap()).sum()
    });
    assert_eq!((applied, given.rows()), (7, 6));
    Ok(())
}

pub(crate) fn a_batch_goes_as_often_as_it_says_and_its_words_are_in_the_log(target: &Target) -> Told {
    target.only_t_sql()?;
    let given = Given::of(target);
    given.write("V1__Make.sql", "CREATE TABLE «T» (id int);");
    given.write("V2__Often.sql", "INSERT INTO «T» VALUES (1)\nGO 3\nPRINT 'three of them'\nGO\n");
    log_lines::take();
    assert_eq!((given.run(), given.rows()), (2, 3));
    let lines = log_lines::take();
    assert!(lines.iter().any(|line| line.contains("three of them")), "{lines:?}");
    Ok(())
}

pub(crate) fn the_sample_migrations_go_up_and_down(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("there is no sample for it"));
    }
    let set = target.say("rpa_db", "rpa_db", "rpa_db_sqlserver");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(set);
    let db = target.builder().migrations_dir(folder).build().unwrap();
    assert_round_trip(&db);
    assert_eq!(db.undo_migrations("0").unwrap().undone.len(), 4);
    forget(&db);
    Ok(())
}

pub(crate) fn a_migration_that_fails_says_where(target: &Target) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let table = target.unique("batchdb_m");
    let go = target.say(";", ";", "\nGO");
    let text = format!(
        "-- The first.\nCREATE TABLE {table} (id int){go}\n\nINSERT INTO {table} SELECT id FROM nowhere_at_all"
    );
    fs::write(folder.path().join("V1__x.sql"), text).unwrap();
    let db = target.builder().migrations_dir(folder.path()).build().unwrap();
    let error = db.run_migrations().unwrap_err();
    let line = target.say(4, 4, 5);
    assert!(error.to_string().contains(&format!("failed at line {line}")), "{}", error.report());
    assert!(error.report().contains("in `INSERT INTO"), "{}", error.report());
    assert!(db.execute_query(&format!("SELECT id FROM {table}"), ()).is_err(), "nothing of it may be kept");
    forget(&db);
    Ok(())
}
