//! What a fan-out costs by itself.

use std::hint::black_box;
use std::time::Duration;

use batchdb::{MapOptions, map_tasks};

use crate::bare_rayon;
use crate::sum::Sum;
use crate::table::{Bar, Table, median, shown, timed};
use crate::world::World;

const TASKS: u32 = 100_000;

pub(crate) fn empty(_: &World, table: &mut Table) {
    let pool = bare_rayon::pool(2);
    let ours = || {
        let options = MapOptions::new("task-{index}").workers(2);
        let results = map_tasks(0..TASKS, options, |n| Ok::<_, String>(black_box(*n)));
        let mut sum = Sum::default();
        results.into_values().unwrap().into_iter().for_each(|n| sum.int(n.into()));
        sum
    };
    let (_, mine, theirs) = median(9, || timed(ours), || timed(|| bare_rayon::empty_tasks(&pool, TASKS)));
    let extra: Duration = mine.saturating_sub(theirs) / TASKS;
    table.line(
        "map_tasks, 100,000 empty tasks, µs more each",
        &shown(mine),
        &shown(theirs),
        extra.as_secs_f64() * 1e6,
        Bar::AtMost(2.0),
    );
}
