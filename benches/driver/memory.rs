//! How much memory a process needs.

use std::fs;

use batchdb::{Error, params};

use crate::table::{Bar, Table};
use crate::world::World;

const ROWS: i64 = 5_000_000;

/// A figure of this process in MiB, by its name in the system's status file.
fn mebibytes(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kibibytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes / 1024.0
}

/// What is in memory now; the highest mark begins anew.
fn begin() -> f64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    mebibytes("VmRSS")
}

pub(crate) fn query_each(world: &World, table: &mut Table) {
    let db = world.builder("bench").build().unwrap();
    db.execute_query("SELECT 1 AS one", ()).unwrap();
    let before = begin();
    let sql =
        "SELECT i AS id, 'a row of some length ' || i AS name, i * 7 AS n FROM generate_series(1, :rows) i";
    let mut sum = 0;
    let rows = db.query_each(sql, params! { rows: ROWS }, |row| {
        sum += row.get::<i64>("id")?;
        Ok::<_, Error>(true)
    });
    assert_eq!((rows.unwrap(), sum), (ROWS.cast_unsigned(), ROWS * (ROWS + 1) / 2));
    let growth = mebibytes("VmHWM") - before;
    let ours = format!("{growth:.1} MiB");
    table.line("query_each, 5 million rows, growth in MiB", &ours, "", growth, Bar::AtMost(32.0));
}

/// All connections of a pool open, each with some prepared statements.
pub(crate) fn one_database(world: &World, table: &mut Table) {
    let before = begin();
    let db = world.builder("bench").pool_size(10).max_overflow(10).build().unwrap();
    let barrier = std::sync::Barrier::new(20);
    std::thread::scope(|scope| {
        let work = || {
            db.session(|session| {
                barrier.wait();
                (0..100).try_for_each(|n| session.execute(&format!("SELECT {n} AS n"), ()).map(|_| ()))
            })
        };
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(work)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
    assert_eq!(db.pool_status().opened, 20);
    let growth = mebibytes("VmHWM") - before;
    let ours = format!("{growth:.1} MiB");
    table.line("a database with 20 connections, MiB", &ours, "", growth, Bar::AtMost(50.0));
}
