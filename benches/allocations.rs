//! How many allocations a call makes, beside the bare driver. Not a part of the other benchmark, because to count
//! them makes each of them slower.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints its measurements")]

use std::hint::black_box;

use allocation_counter::measure;
use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, Error, MigrateOnStart, params};
use postgres::{Client, NoTls};

fn main() {
    let server = EmbeddedPostgres::start().unwrap();
    let db = DatabaseManager::builder("bench")
        .connection_string(format!("{}?sslmode=disable", server.url()))
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    let checkout = || db.session(|_| Ok::<_, Error>(())).unwrap();
    let query = || {
        let sql = "SELECT :id::int AS id, 'a name' AS name";
        assert_eq!(black_box(db.execute_query(sql, params! { id: 7 }).unwrap()).len(), 1);
    };
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    let statement = client.prepare("SELECT $1::int AS id, 'a name' AS name").unwrap();
    let mut bare = || {
        let rows = client.query(&statement, &[&7_i32]).unwrap();
        let name: String = rows[0].try_get(1).unwrap();
        black_box((rows[0].try_get::<_, i32>(0).unwrap(), name));
    };
    // Warm: connected, compiled, prepared.
    query();
    bare();
    println!("allocations of a checkout        {:>4}", measure(checkout).count_total);
    println!("allocations of a point query     {:>4}", measure(query).count_total);
    println!("the same by the bare driver      {:>4}", measure(bare).count_total);
}
