//! Many rows on their way in: `execute_many`, `bulk_insert`, a CSV file, a copy from one database to another.

use std::fmt::Write as _;

use batchdb::{BulkOptions, DatabaseManager, ImportOptions, MigrateOnStart, copy_query, params};

use crate::bare_load::Bare;
use crate::sum::Sum;
use crate::table::{Bar, Table, shown, timed};
use crate::world::World;

const INSERT: &str = "INSERT INTO many (id, name, n) VALUES (:id, :name, :n)";

/// An empty table of the three columns.
fn emptied(db: &DatabaseManager) {
    // A new one: what was deleted would still be there for the server.
    db.execute("DROP TABLE IF EXISTS many", ()).unwrap();
    db.execute("CREATE TABLE many (id bigint, name varchar(40), n bigint)", ()).unwrap();
}

/// What the table holds.
fn held(db: &DatabaseManager) -> Sum {
    let mut sum = Sum::default();
    let sql = "SELECT count(*) AS rows, CAST(sum(id) AS bigint) AS ids, CAST(sum(n) AS bigint) AS ns, \
               CAST(sum(length(name)) AS bigint) AS lengths FROM many";
    let row = db.query_one(sql, ()).unwrap();
    (0..4).for_each(|column| sum.int(row.get::<i64>(column).unwrap()));
    sum
}

pub(crate) fn execute_many(world: &World, table: &mut Table) {
    const RECORDS: i64 = 20_000;
    let db = world.db();
    let mut bare = Bare::connect(&world.url());
    table.speed(
        "execute_many, 20,000 rows, times the loop",
        Bar::AtLeast(30.0),
        5,
        || {
            emptied(db);
            let records = (1..=RECORDS).map(|id| params! { id: id, name: format!("row {id}"), n: id * 7 });
            let (took, _) = timed(|| {
                assert_eq!(db.execute_many(INSERT, records).unwrap(), RECORDS.cast_unsigned());
                Sum::default()
            });
            (took, held(db))
        },
        || {
            emptied(db);
            let (took, _) = timed(|| bare.loop_in_transaction(RECORDS));
            (took, held(db))
        },
    );
}

pub(crate) fn bulk_insert(world: &World, table: &mut Table) {
    const ROWS: i64 = 500_000;
    let db = world.db();
    let mut bare = Bare::connect(&world.url());
    table.speed(
        "bulk_insert, 500,000 rows",
        Bar::AtLeast(0.90),
        7,
        || {
            emptied(db);
            let rows = (1..=ROWS).map(|id| (id, format!("row {id}"), id * 7));
            let (took, _) = timed(|| {
                assert_eq!(db.bulk_insert("many", &["id", "name", "n"], rows).unwrap(), ROWS.cast_unsigned());
                Sum::default()
            });
            (took, held(db))
        },
        || {
            emptied(db);
            let (took, _) = timed(|| bare.binary_copy(ROWS));
            (took, held(db))
        },
    );
}

/// The same through ODBC, beside the native way.
pub(crate) fn through_odbc(world: &World, table: &mut Table) {
    const ROWS: i64 = 20_000;
    world.db();
    let folder = tempfile::tempdir().unwrap();
    let handle = |name: &str, string: String| {
        let builder = DatabaseManager::builder(name).connection_string(string);
        builder.migrate_on_start(MigrateOnStart::Off).build().unwrap()
    };
    let sqlite = format!("Driver=SQLite3;Database={}", folder.path().join("many.db").display());
    for (kind, db) in [
        ("psqlODBC", handle("bench_many_psqlodbc", world.odbc())),
        ("SQLite", handle("bench_many_sqlite", sqlite)),
    ] {
        emptied(&db);
        let records = (1..=ROWS).map(|id| params! { id: id, name: format!("row {id}"), n: id * 7 });
        let (took, _) = timed(|| {
            assert_eq!(db.execute_many(INSERT, records).unwrap(), ROWS.cast_unsigned());
            Sum::default()
        });
        table.note(&format!("execute_many, 20,000 rows, {kind}"), &shown(took));
        let rows = (1..=ROWS).map(|id| (id, format!("row {id}"), id * 7));
        let (took, _) = timed(|| {
            assert_eq!(db.bulk_insert("many", &["id", "name", "n"], rows).unwrap(), ROWS.cast_unsigned());
            Sum::default()
        });
        table.note(&format!("bulk_insert, 20,000 rows, {kind}"), &shown(took));
    }
}

pub(crate) fn csv(world: &World, table: &mut Table) {
    const ROWS: i64 = 1_000_000;
    let db = world.db();
    let mut text = String::from("id,name,n\n");
    (1..=ROWS).for_each(|id| writeln!(text, "{id},row {id},{}", id * 7).unwrap());
    emptied(db);
    let (took, _) = timed(|| {
        let report = db.import_csv("many", text.as_bytes(), ImportOptions::new()).unwrap();
        assert_eq!(report.rows, ROWS.cast_unsigned());
        Sum::default()
    });
    table.note("CSV import, 1,000,000 rows", &shown(took));
}

/// PostgreSQL → SQLite → PostgreSQL.
pub(crate) fn copy(world: &World, table: &mut Table) {
    const ROWS: i64 = 100_000;
    let db = world.db();
    let folder = tempfile::tempdir().unwrap();
    let sqlite = DatabaseManager::builder("bench_copy")
        .connection_string(format!(
            "Driver=SQLite3;Database={};StepAPI=1",
            folder.path().join("copy.db").display()
        ))
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    emptied(db);
    db.bulk_insert("many", &["id", "name", "n"], (1..=ROWS).map(|id| (id, format!("row {id}"), id * 7)))
        .unwrap();
    let before = held(db);
    emptied(&sqlite);
    let sql = "SELECT id, name, n FROM many";
    let carry = |from: &DatabaseManager, to: &DatabaseManager| {
        let (took, _) = timed(|| {
            let report = copy_query(from, sql, (), to, "many", BulkOptions::new()).unwrap();
            assert_eq!(report.rows, ROWS.cast_unsigned());
            Sum::default()
        });
        took
    };
    table.note("copy_query, 100,000 rows, to SQLite", &shown(carry(db, &sqlite)));
    emptied(db);
    table.note("  and back to PostgreSQL", &shown(carry(&sqlite, db)));
    assert_eq!(before, held(db));
}
