//! One row by its key: the call that everything else is made of.

use batchdb::{DatabaseManager, params};

use crate::bare_postgres::Bare;
use crate::sum::Sum;
use crate::table::{Bar, Table, timed};
use crate::world::World;

fn points(db: &DatabaseManager, ids: std::ops::RangeInclusive<i32>) -> Sum {
    let mut sum = Sum::default();
    for id in ids {
        let rows = db.execute_query("SELECT id, name FROM item WHERE id = :id", params! { id: id }).unwrap();
        sum.row(&rows[0]);
    }
    sum
}

/// The difference is a part in twenty, and where the scheduler puts client and server makes as much: fewer rounds would
/// tell now one thing and now the other.
const ROUNDS: usize = 151;

pub(crate) fn one_thread(world: &World, table: &mut Table) {
    let db = world.db();
    let mut bare = Bare::connect(&world.url());
    table.speed(
        "point query, 1 thread, warm (1,000 x)",
        Bar::AtLeast(0.95),
        ROUNDS,
        || timed(|| points(db, 1..=1_000)),
        || timed(|| bare.points(1..=1_000)),
    );
}

pub(crate) fn eight_threads(world: &World, table: &mut Table) {
    let db = world.db();
    let mut bare: Vec<Bare> = (0..8).map(|_| Bare::connect(&world.url())).collect();
    table.speed(
        "point query, 8 threads, pool of 8 (8 x 500)",
        Bar::AtLeast(0.90),
        21,
        || timed(|| together((0..8).map(|_| || points(db, 1..=500)))),
        || timed(|| together(bare.iter_mut().map(|bare| || bare.points(1..=500)))),
    );
}

/// Runs each on a thread of its own.
pub(crate) fn together<W: FnOnce() -> Sum + Send>(works: impl Iterator<Item = W>) -> Sum {
    std::thread::scope(|scope| {
        let threads: Vec<_> = works.map(|work| scope.spawn(work)).collect();
        let mut sum = Sum::default();
        threads.into_iter().for_each(|thread| sum.all(thread.join().unwrap()));
        sum
    })
}

pub(crate) fn first_use(world: &World, table: &mut Table) {
    /// In all rounds together fewer than the statement cache holds, or closing the older ones would be measured too.
    const TEXTS: usize = 20;
    let db = world.builder("bench").pool_size(1).max_overflow(0).flow("first").build().unwrap();
    world.db();
    let mut bare = Bare::connect(&world.url());
    let (mut mine, mut theirs) = (0, 0);
    table.speed(
        "a new text, compiled and prepared (20 x)",
        Bar::None,
        9,
        || {
            timed(|| {
                let mut sum = Sum::default();
                for _ in 0..TEXTS {
                    mine += 1;
                    let text = format!("SELECT id, name, {mine} AS n FROM item WHERE id = :id");
                    sum.row(&db.query_one(&text, params! { id: 7 }).unwrap());
                }
                sum
            })
        },
        || {
            timed(|| {
                let mut sum = Sum::default();
                for _ in 0..TEXTS {
                    theirs += 1;
                    sum.all(bare.first_use(theirs));
                }
                sum
            })
        },
    );
}
