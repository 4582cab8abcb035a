//! Migrations where the database matters: the sample files, and where a failure is.

use std::fs;
use std::path::Path;

use batchdb::DatabaseManager;
use batchdb::testing::assert_round_trip;

use crate::target::{Kind, Left, Target, Told};

/// Another target may be the same database through another driver, and would find the history.
fn forget(db: &DatabaseManager) {
    for table in ["schema_version", "schema_version_history"] {
        db.execute(&format!("DROP TABLE {table}"), ()).unwrap();
    }
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
