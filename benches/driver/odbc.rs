//! Many rows through an ODBC driver: psqlODBC, which is there on every machine that runs the tests, and on T-SQL servers
//! whatever drivers the connection strings of `BATCHDB_TEST_SQLSERVER` name.

use batchdb::{DatabaseManager, MigrateOnStart};
use chrono::{Duration, NaiveDate};

use crate::bare_odbc::{self, Bare};
use crate::sum::Sum;
use crate::table::{Bar, Table, timed};
use crate::world::World;

const FIVE: &str = "SELECT id, name, n, price, day FROM item WHERE id <= 200000";

const ROWS: i64 = 200_000;

pub(crate) fn fetch(world: &World, table: &mut Table) {
    // The table.
    world.db();
    compare("ODBC: 200,000 rows x 5 columns (psqlODBC)", &world.odbc(), table);
}

/// The same on T-SQL servers, where there are some.
pub(crate) fn fetch_t_sql(_: &World, table: &mut Table) {
    let strings = std::env::var("BATCHDB_TEST_SQLSERVER").unwrap_or_default();
    for (number, string) in strings.lines().filter(|line| !line.trim().is_empty()).enumerate() {
        let db = open(string);
        db.execute("DROP TABLE IF EXISTS item", ()).unwrap();
        let columns = "id bigint, name nvarchar(40), n bigint, price float, day datetime2(6)";
        db.execute(&format!("CREATE TABLE item ({columns})"), ()).unwrap();
        let first = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap().and_hms_opt(8, 0, 37).unwrap();
        let row =
            |id: i64| (id, format!("item {id}"), id * 7, id as f64 / 8.0, first + Duration::minutes(id));
        db.bulk_insert("item", &["id", "name", "n", "price", "day"], (1..=ROWS).map(row)).unwrap();
        compare(&format!("ODBC: 200,000 rows x 5 columns (T-SQL {})", number + 1), string, table);
        db.execute("DROP TABLE item", ()).unwrap();
    }
}

fn open(string: &str) -> DatabaseManager {
    let builder = DatabaseManager::builder("bench_odbc").connection_string(string);
    builder.migrate_on_start(MigrateOnStart::Off).build().unwrap()
}

fn compare(what: &str, string: &str, table: &mut Table) {
    let db = open(string);
    let environment = bare_odbc::environment();
    let bare = Bare::connect(&environment, string);
    let ours = || {
        let mut sum = Sum::default();
        db.execute_query(FIVE, ()).unwrap().iter().for_each(|row| sum.row(row));
        sum
    };
    table.speed(what, Bar::AtLeast(0.90), 9, || timed(ours), || timed(|| bare.fetch(FIVE)));
}
