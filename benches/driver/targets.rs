//! The targets that the specification sets: loose where a driver is fast, and worth a look all the same.

use std::path::Path;
use std::time::{Duration, Instant};

use batchdb::{Error, params};

use crate::table::{Bar, Table, shown};
use crate::world::World;

fn seconds(table: &mut Table, what: &str, took: Duration, bar: f64) {
    table.line(what, &shown(took), "", took.as_secs_f64(), Bar::AtMost(bar));
}

fn clocked<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

pub(crate) fn all(world: &World, table: &mut Table) {
    world.db();
    // A pool of its own: nothing is open, and nothing prepared.
    let cold = world.builder("bench").pool_size(3).build().unwrap();
    let ((), took) = clocked(|| cold.session(|_| Ok::<_, Error>(())).unwrap());
    seconds(table, "checkout, the first of a pool, s", took, 0.1);
    let ((), took) = clocked(|| cold.session(|_| Ok::<_, Error>(())).unwrap());
    seconds(table, "checkout, the next, s", took, 0.1);
    let typical = "SELECT id, name, n, price, at FROM item WHERE id BETWEEN :low AND :high ORDER BY name";
    let (rows, took) =
        clocked(|| cold.execute_query(typical, params! { low: 1_000, high: 1_999 }).unwrap().len());
    assert_eq!(rows, 1_000);
    seconds(table, "a typical query, 1,000 rows sorted, s", took, 1.0);

    world.server.create_database("sample").unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/rpa_db");
    let sample = world.builder("sample").migrations_dir(folder).build().unwrap();
    let (report, took) = clocked(|| sample.run_migrations().unwrap());
    assert!(!report.applied.is_empty());
    seconds(table, "the sample migrations, s", took, 30.0);

    // The pool finds out by itself; the clock begins when the server takes connections again.
    world.server.restart().unwrap();
    let ((), took) = clocked(|| {
        while cold.execute_query("SELECT 1 AS one", ()).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    seconds(table, "recovery from a restarted server, s", took, 2.0);
}
