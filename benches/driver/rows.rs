//! Many rows.

use batchdb::Error;

use crate::bare_postgres::Bare;
use crate::sum::Sum;
use crate::table::{Bar, Table, timed};
use crate::world::World;

const FIVE: &str = "SELECT id, name, n, price, at FROM item";

pub(crate) fn into_rows(world: &World, table: &mut Table) {
    let db = world.db();
    let mut bare = Bare::connect(&world.url());
    let ours = || {
        let mut sum = Sum::default();
        db.execute_query(FIVE, ()).unwrap().iter().for_each(|row| sum.row(row));
        sum
    };
    table.speed(
        "500,000 rows x 5 columns into rows",
        Bar::AtLeast(0.70),
        9,
        || timed(ours),
        || timed(|| bare.five_columns()),
    );
}

pub(crate) fn streamed(world: &World, table: &mut Table) {
    let db = world.db();
    let mut bare = Bare::connect(&world.url());
    let ours = || {
        let mut sum = Sum::default();
        db.query_each(FIVE, (), |row| {
            sum.row(&row);
            Ok::<_, Error>(true)
        })
        .unwrap();
        sum
    };
    table.speed(
        "500,000 rows x 5 columns by query_each",
        Bar::None,
        5,
        || timed(ours),
        || timed(|| bare.streamed()),
    );
}
