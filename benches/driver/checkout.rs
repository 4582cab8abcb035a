//! What it costs to borrow a connection, alone and in a crowd.

use std::time::{Duration, Instant};

use batchdb::{DatabaseManager, Error, params};

use crate::sum::Sum;
use crate::table::{Bar, Table, shown, timed};
use crate::world::World;

pub(crate) fn warm(world: &World, table: &mut Table) {
    const TIMES: u32 = 100_000;
    let db = world.db();
    let borrow = || db.session(|_| Ok::<_, Error>(())).unwrap();
    let mut rounds: Vec<Duration> = (0..5)
        .map(|_| {
            let started = Instant::now();
            (0..TIMES).for_each(|_| borrow());
            started.elapsed() / TIMES
        })
        .collect();
    rounds.sort();
    table.note("checkout of a warm connection", &shown(rounds[2]));
}

/// Many more threads than connections: what they get done, and how long the unluckiest waits.
pub(crate) fn crowd(world: &World, table: &mut Table) {
    const QUERIES: i32 = 8_000;
    world.db();
    let handle = |name: &str| world.builder("bench").pool_size(8).max_overflow(0).flow(name).build().unwrap();
    let (few, many) = (handle("few"), handle("many"));
    let run = |db: &DatabaseManager, threads: i32| {
        timed(|| {
            crate::point::together((0..threads).map(|_| {
                || {
                    let mut sum = Sum::default();
                    for id in 1..=QUERIES / threads {
                        let sql = "SELECT id, name FROM item WHERE id = :id";
                        let row = db.query_one(sql, params! { id: id }).unwrap();
                        assert_eq!(row.get::<i32>("id").unwrap(), id);
                        sum.int(1);
                    }
                    sum
                }
            }))
        })
    };
    table.speed(
        "64 threads against 8, on a pool of 8 (8,000 x)",
        Bar::None,
        9,
        || run(&many, 64),
        || run(&few, 8),
    );
    table.note("  the longest wait of 64", &format!("{:.1} ms", many.pool_status().checkout_max_ms));
}
