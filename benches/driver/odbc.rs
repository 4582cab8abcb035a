//! Many rows through an ODBC driver: psqlODBC, which is there on every machine that runs the tests.

use batchdb::{DatabaseManager, MigrateOnStart};

use crate::bare_odbc::{self, Bare};
use crate::sum::Sum;
use crate::table::{Bar, Table, timed};
use crate::world::World;

const FIVE: &str = "SELECT id, name, n, price, day FROM item WHERE id <= 200000";

pub(crate) fn fetch(world: &World, table: &mut Table) {
    // The table.
    world.db();
    let db = DatabaseManager::builder("bench_odbc")
        .connection_string(world.odbc())
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    let environment = bare_odbc::environment();
    let bare = Bare::connect(&environment, &world.odbc());
    let ours = || {
        let mut sum = Sum::default();
        db.execute_query(FIVE, ()).unwrap().iter().for_each(|row| sum.row(row));
        sum
    };
    table.speed(
        "ODBC: 200,000 rows x 5 columns (psqlODBC)",
        Bar::AtLeast(0.90),
        9,
        || timed(ours),
        || timed(|| bare.fetch(FIVE)),
    );
}
