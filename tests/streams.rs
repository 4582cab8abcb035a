//! What streams take of the machine: memory that does not grow with the rows, and no thread or descriptor that stays. A
//! program of its own, because it measures the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that fails by `unwrap` says where and why")]

use std::fs;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use batchdb::testing::EmbeddedPostgres;
use batchdb::{
    BulkOptions, DatabaseManager, Error, ExportOptions, ImportOptions, MapOptions, MigrateOnStart,
    copy_query, map_stream,
};

/// Kept as rows, any of the inputs here would take several times as much.
const MOST_MEBIBYTES: u64 = 32;

fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn threads_and_descriptors() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// The figures are shown by `--nocapture`.
fn check(what: &str, grown: u64, most: u64) {
    eprintln!("{what}: {grown} MiB");
    assert!(grown < most, "{what} took {grown} MiB");
}

/// By how many MiB the process grows at most while `work` runs, which is given a function that looks.
fn growth(work: impl FnOnce(&mut dyn FnMut())) -> u64 {
    let before = memory();
    let mut most = before;
    let mut calls = 0_u32;
    work(&mut || {
        calls += 1;
        if calls % 4096 == 1 {
            most = most.max(memory());
        }
    });
    most.max(memory()) - before
}

fn open(name: &str, connection_string: &str) -> DatabaseManager {
    DatabaseManager::builder(name)
        .connection_string(connection_string)
        .migrate_on_start(MigrateOnStart::Off)
        // Memory is what is measured, on a machine that may be busy.
        .timeout(std::time::Duration::from_secs(300))
        .build()
        .unwrap()
}

/// A file of so many lines, made as it is read.
struct Lines {
    next: u64,
    last: u64,
    line: Vec<u8>,
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.line.is_empty() && self.next <= self.last {
            let head = if self.next == 0 { "id,note\n" } else { "" };
            self.line = format!("{head}{},\"{:0>100}\"\n", self.next, self.next).into_bytes();
            self.next += 1;
        }
        let length = self.line.len().min(into.len());
        into[..length].copy_from_slice(&self.line[..length]);
        self.line.drain(..length);
        Ok(length)
    }
}

/// Counts bytes and keeps none.
struct Nowhere<'g>(&'g mut dyn FnMut());

impl Write for Nowhere<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn streams_take_no_memory_and_leave_nothing_behind() {
    let server = EmbeddedPostgres::start().unwrap();
    for name in ["streams", "by_odbc"] {
        server.create_database(name).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let odbc = format!(
        "Driver={{PostgreSQL Unicode}};Server={};Port={};Database=by_odbc;UID={};PWD={{{}}};UseDeclareFetch=1;Fetch=64;",
        server.host(),
        server.port(),
        server.user(),
        server.password(),
    );
    let sqlite = format!("Driver=SQLite3;Database={};StepAPI=1;", folder.path().join("a.db").display());
    let open_all = || {
        [
            ("postgres", open("postgres", &server.url_for("streams")), 400_000_u64),
            ("psqlodbc", open("psqlodbc", &odbc), 150_000),
            ("sqlite", open("sqlite", &sqlite), 150_000),
        ]
    };
    let series = |rows: u64| format!("SELECT id, note FROM source WHERE id <= {rows}");

    let dbs = open_all();
    let postgres = &dbs[0].1;
    postgres.execute("CREATE TABLE t (id bigint, note text)", ()).unwrap();
    for (name, db, rows) in &dbs {
        db.execute("CREATE TABLE source (id INTEGER, note TEXT)", ()).unwrap();
        let fill = format!(
            "INSERT INTO source WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows}) \
             SELECT i, '{}' FROM c",
            "x".repeat(200)
        );
        db.execute(&fill, ()).unwrap();
        // Once without looking, for what a first use takes and keeps.
        let read = |rows: u64, look: &mut dyn FnMut()| {
            let count = db.session(|session| {
                let mut count = 0;
                for row in session.query_iter(&series(rows), ())? {
                    count += u64::from(row?.get::<i64>("id")? > 0);
                    look();
                }
                Ok::<_, Error>(count)
            });
            assert_eq!(count.unwrap(), rows);
        };
        read(20_000, &mut || ());
        let grown = growth(|look| read(*rows, look));
        check(&format!("{name}: {rows} rows by an iterator"), grown, MOST_MEBIBYTES);
        let grown = growth(|look| {
            db.export(&series(*rows), (), Nowhere(look), ExportOptions::csv()).unwrap();
        });
        check(&format!("{name}: an export"), grown, MOST_MEBIBYTES);
        let grown = growth(|look| {
            let options = BulkOptions::new().progress(|_| look());
            copy_query(db, &series(*rows), (), postgres, "t", options).unwrap();
        });
        check(&format!("{name}: a copy"), grown, 2 * MOST_MEBIBYTES);
    }
    long_values(&dbs[1].1);
    let grown = growth(|look| {
        let options = ImportOptions::new().load(BulkOptions::new().progress(|_| look()));
        let lines = Lines { next: 0, last: 300_000, line: Vec::new() };
        assert_eq!(postgres.import_csv("t", lines, options).unwrap().rows, 300_001);
    });
    check("an import", grown, 2 * MOST_MEBIBYTES);
    let grown = growth(|look| {
        let options = MapOptions::named(|_, _| String::new()).workers(4);
        map_stream(
            0..1_000_000_u64,
            options,
            |n| Ok::<_, Error>(vec![*n; 100]),
            |records| {
                for record in records {
                    look();
                    drop(record);
                }
                Ok::<_, Error>(())
            },
        )
        .unwrap();
    });
    check("a fan-out over a stream", grown, MOST_MEBIBYTES);
    dbs.iter().for_each(|(_, db, _)| db.shutdown());

    // Left early in every way, again and again: when the pools are closed, all is as it was.
    let settle = |wanted: (usize, usize)| {
        let end = Instant::now() + Duration::from_secs(10);
        while threads_and_descriptors() > wanted && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        threads_and_descriptors()
    };
    let mut before = None;
    for round in 0..2 {
        let dbs = open_all();
        for _ in 0..5 {
            for (_, db, _) in &dbs {
                let many = series(u64::from(u32::MAX / 2));
                db.session(|session| session.query_iter(&many, ())?.next().unwrap().map(drop)).unwrap();
                copy_query(db, "SELECT 'x' AS id", (), &dbs[0].1, "t", BulkOptions::new()).unwrap_err();
                map_stream(
                    0..,
                    MapOptions::default().workers(3),
                    |n: &u64| Ok::<_, Error>(*n),
                    |mut records| {
                        records.next();
                        Ok::<_, Error>(())
                    },
                )
                .unwrap();
            }
        }
        dbs.iter().for_each(|(_, db, _)| db.shutdown());
        drop(dbs);
        let after = settle(before.unwrap_or((12, 20)));
        match before {
            None => before = Some(after),
            Some(before) => assert!(
                after.0 <= before.0 && after.1 <= before.1,
                "round {round}: {before:?} became {after:?}"
            ),
        }
    }
}

/// Long values, of which a block of many rows would take gigabytes: of a result that has no others, and behind short ones,
/// which have made the blocks large. The driver has a block in memory as a whole, and we a few values.
fn long_values(psqlodbc: &DatabaseManager) {
    const MOST: u64 = 160;
    for (what, rows, short, length) in
        [("long values", 600, 0, 1_000_000), ("long values behind short ones", 11_000, 10_000, 200_000)]
    {
        let sql = format!(
            "SELECT i, repeat('x', CASE WHEN i > {short} THEN {length} ELSE 10 END) AS v \
             FROM generate_series(1, {rows}) AS i"
        );
        let grown = growth(|look| {
            let read = psqlodbc.session(|session| {
                let mut count = 0;
                for row in session.query_iter(&sql, ())? {
                    let row = row?;
                    count += 1;
                    assert_eq!(row.get::<usize>("i")?, count);
                    assert_eq!(row.get::<String>("v")?.len(), if count > short { length } else { 10 });
                    if count > short {
                        // The largest may be any of them.
                        (0..4096).for_each(|_| look());
                    }
                }
                Ok::<_, Error>(count)
            });
            assert_eq!(read.unwrap(), rows);
        });
        check(&format!("psqlodbc: {what}"), grown, MOST);
    }
}
