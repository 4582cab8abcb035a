//! batchdb side by side with the bare drivers, in one process and on one server: what the library adds to them.
//!
//! `make bench` runs all rows, `make bench ARGS="--only point,rows"` some, `make bench ARGS=--list` names them.
//! Each row measures both sides in alternating rounds, because machines are noisy, and prints the median of
//! the rounds' ratios. Both sides sum up what they read or wrote, and the sums must be the same.
//!
//! The files named `bare_…` know the drivers and nothing of batchdb.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints its measurements")]

mod bare_files;
mod bare_load;
mod bare_odbc;
mod bare_postgres;
mod bare_rayon;
mod checkout;
mod many;
mod memory;
mod migrations;
mod odbc;
mod point;
mod rows;
mod sum;
mod table;
mod targets;
mod tasks;
mod transfer;
mod world;

use table::Table;
use world::World;

/// The word by which a row is asked for, and what measures it.
type Row = (&'static str, fn(&World, &mut Table));

/// Memory first: what later rows leave in the allocator would hide its growth.
const ROWS: &[Row] = &[
    ("each", memory::query_each),
    ("database", memory::one_database),
    ("point", point::one_thread),
    ("threads", point::eight_threads),
    ("rows", rows::into_rows),
    ("many", many::execute_many),
    ("bulk", many::bulk_insert),
    ("odbc", odbc::fetch),
    ("t-sql", odbc::fetch_t_sql),
    ("tasks", tasks::empty),
    ("migrations", migrations::thousand),
    ("stream", rows::streamed),
    ("first", point::first_use),
    ("many-odbc", many::through_odbc),
    ("csv", many::csv),
    ("copy-odbc", many::copy),
    ("checkout", checkout::warm),
    ("crowd", checkout::crowd),
    ("export", transfer::export),
    ("import", transfer::import),
    ("copy", transfer::copy),
    ("map_stream", transfer::fan_out),
    ("targets", targets::all),
];

fn main() {
    let mut only: Option<Vec<String>> = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo adds this to what it is asked to pass on.
            "--bench" => (),
            "--only" => {
                let words = args.next().unwrap_or_default();
                only = Some(words.split(',').map(|word| word.trim().to_owned()).collect());
            }
            "--list" => return ROWS.iter().for_each(|(name, _)| println!("{name}")),
            other => fail(&format!("unknown argument `{other}`; there are --only name,name and --list")),
        }
    }
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only.iter().any(|word| word == name));
    if let Some(word) = only.iter().flatten().find(|word| !ROWS.iter().any(|(name, _)| name == word)) {
        fail(&format!("there is no row `{word}`; --list names them"));
    }
    let world = World::start();
    let mut table = Table::begin();
    for (_, measure) in ROWS.iter().filter(|(name, _)| wanted(name)) {
        measure(&world, &mut table);
    }
    table.end();
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(2)
}
