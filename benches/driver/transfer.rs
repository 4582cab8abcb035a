//! Files, copies and the fan-out over a stream: for the record, because no bare driver does the same.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use batchdb::{
    BulkOptions, DatabaseManager, Error, ExportOptions, ImportOptions, MapOptions, MigrateOnStart,
    copy_query, copy_table, map_stream,
};

use crate::table::{Table, shown};
use crate::world::{ITEMS, World};

const LINES: u64 = 1_000_000;
const COPIED: i64 = 200_000;

/// A time, and how many rows a second that is.
fn pace(rows: u64, time: Duration) -> String {
    format!("{}, {:.0} rows/s", shown(time), rows as f64 / time.as_secs_f64())
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    (work(), started.elapsed())
}

/// Counts lines, and keeps nothing.
struct Lines(u64);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn export(world: &World, table: &mut Table) {
    for (what, options, heads) in [
        ("export as CSV, 500,000 rows x 6", ExportOptions::csv(), 1),
        ("export as JSON lines", ExportOptions::json_lines(), 0),
    ] {
        let mut sink = Lines(0);
        let (rows, took) = timed(|| world.db().export("SELECT * FROM item", (), &mut sink, options).unwrap());
        assert_eq!((rows, sink.0), (ITEMS.cast_unsigned(), rows + heads));
        table.note(what, &pace(rows, took));
    }
}

pub(crate) fn import(world: &World, table: &mut Table) {
    let db = world.db();
    db.execute("CREATE TABLE imported (id int, name text, n bigint, price float8)", ()).unwrap();
    let mut file = String::from("id,name,n,price\n");
    (0..LINES).for_each(|id| file += &format!("{id},\"item \"\"{id}\"\"\",{},{}.25\n", id * 7, id % 100));
    let import = || db.import_csv("imported", file.as_bytes(), ImportOptions::new()).unwrap();
    let (report, took) = timed(import);
    assert_eq!(report.rows, LINES);
    table.note("import of CSV, 1,000,000 rows x 4", &pace(report.rows, took));
    db.execute("DROP TABLE imported", ()).unwrap();
}

pub(crate) fn copy(world: &World, table: &mut Table) {
    let file = std::env::temp_dir().join(format!("batchdb-bench-{}.db", std::process::id()));
    let sqlite = DatabaseManager::builder("bench_sqlite")
        .connection_string(format!("Driver=SQLite3;Database={}", file.display()))
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    let db = world.db();
    sqlite.execute("CREATE TABLE copied (id INTEGER, name TEXT, n BIGINT)", ()).unwrap();
    db.execute("CREATE TABLE copied (id int, name text, n bigint)", ()).unwrap();
    let sql = format!("SELECT id, name, n FROM item WHERE id <= {COPIED}");
    let there = || copy_query(db, &sql, (), &sqlite, "copied", BulkOptions::new()).unwrap().rows;
    let back = || copy_table(&sqlite, "copied", db, "copied", BulkOptions::new()).unwrap().rows;
    let (rows, took) = timed(there);
    table.note("copy of 200,000 rows, PostgreSQL → SQLite", &pace(rows, took));
    let (rows, took) = timed(back);
    table.note("and back, SQLite → PostgreSQL", &pace(rows, took));
    assert_eq!(rows, COPIED.cast_unsigned());
    db.execute("DROP TABLE copied", ()).unwrap();
    sqlite.shutdown();
    // Best effort: the folder for temporary files is emptied by the system.
    let _ = std::fs::remove_file(file);
}

pub(crate) fn fan_out(_: &World, table: &mut Table) {
    const TASKS: u32 = 100_000;
    for (what, options) in [
        ("map_stream, 100,000 empty tasks", MapOptions::new("task-{index}").workers(2)),
        ("the same in the order of the items", MapOptions::new("task-{index}").workers(2).in_order()),
    ] {
        let work = |n: &u32| Ok::<_, Error>(black_box(*n));
        let (count, took) =
            timed(|| map_stream(0..TASKS, options, work, |records| Ok::<_, Error>(records.count())));
        assert_eq!(count.unwrap(), TASKS as usize);
        table.note(what, &format!("{}, {:.2?} each", shown(took), took / TASKS));
    }
}
