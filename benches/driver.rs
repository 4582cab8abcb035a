//! batchdb side by side with the bare driver, in one process and on one server.
//!
//! Machines are noisy: each pair is measured in alternating rounds, and the median of the rounds' ratios
//! is what is printed. Run it with `make bench`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints its measurements")]
#![allow(
    clippy::disallowed_methods,
    reason = "the bare side reads its rows as programs on the bare driver do"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, MapOptions, MigrateOnStart, map_tasks, params};
use postgres::{Client, NoTls};
use rayon::prelude::*;

const ROUNDS: usize = 9;

/// Measures both sides in turn; prints how fast ours is in relation to the bare one.
fn compare(name: &str, bar: f64, mut ours: impl FnMut(), mut bare: impl FnMut()) {
    let time = |work: &mut dyn FnMut()| {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    // Once for each without a clock: connections, caches, the processor's mood.
    ours();
    bare();
    let mut rounds: Vec<(f64, Duration, Duration)> = (0..ROUNDS)
        .map(|round| {
            let (mine, theirs) = if round % 2 == 0 {
                let mine = time(&mut ours);
                (mine, time(&mut bare))
            } else {
                let theirs = time(&mut bare);
                (time(&mut ours), theirs)
            };
            (theirs.as_secs_f64() / mine.as_secs_f64(), mine, theirs)
        })
        .collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, mine, theirs) = rounds[ROUNDS / 2];
    let verdict = if ratio >= bar { "ok" } else { "short" };
    println!("{name:<34} {mine:>12.2?} {theirs:>12.2?} {ratio:>7.3} {bar:>6.2} {verdict}");
}

fn main() {
    let server = EmbeddedPostgres::start().unwrap();
    server.create_database("bench").unwrap();
    let url = server.url_for("bench");
    let db = DatabaseManager::builder("bench")
        .connection_string(format!("{url}?sslmode=disable"))
        .pool_size(8)
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    db.execute(
        "CREATE TABLE item (id int PRIMARY KEY, name text, n bigint, price numeric(10,2), at timestamptz)",
        (),
    )
    .unwrap();
    db.execute(
        "INSERT INTO item SELECT i, 'item ' || i, i * 7, i / 100.0, now() FROM generate_series(1, 200000) i",
        (),
    )
    .unwrap();
    db.execute("ANALYZE item", ()).unwrap();
    println!("{:<34} {:>12} {:>12} {:>7} {:>6}", "work", "ours", "bare", "ratio", "bar");

    let connect = || Client::connect(&url, NoTls).unwrap();
    let point = "SELECT id, name FROM item WHERE id = :id";
    let bare_point = "SELECT id, name FROM item WHERE id = $1";

    let mut client = connect();
    let statement = client.prepare(bare_point).unwrap();
    compare(
        "point query, 1 thread, 4,000 x",
        0.95,
        || {
            for id in 1..=4_000 {
                black_box(db.execute_query(point, params! { id: id }).unwrap());
            }
        },
        || {
            for id in 1..=4_000_i32 {
                let rows = client.query(&statement, &[&id]).unwrap();
                black_box((rows[0].get::<_, i32>(0), rows[0].get::<_, String>(1)));
            }
        },
    );

    let mut clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = connect();
            let statement = client.prepare(bare_point).unwrap();
            (client, statement)
        })
        .collect();
    compare(
        "point query, 8 threads, 16,000 x",
        0.90,
        || {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        for id in 1..=2_000 {
                            black_box(db.execute_query(point, params! { id: id }).unwrap());
                        }
                    });
                }
            });
        },
        || {
            std::thread::scope(|scope| {
                for (client, statement) in &mut clients {
                    scope.spawn(move || {
                        for id in 1..=2_000_i32 {
                            let rows = client.query(statement, &[&id]).unwrap();
                            black_box((rows[0].get::<_, i32>(0), rows[0].get::<_, String>(1)));
                        }
                    });
                }
            });
        },
    );

    let all = "SELECT id, name, n, price::float8 AS price, at FROM item";
    compare(
        "200,000 rows x 5 columns",
        0.70,
        || {
            black_box(db.execute_query(all, ()).unwrap());
        },
        || {
            let rows = client.query(all, &[]).unwrap();
            type Typed = (i32, String, i64, f64, chrono::DateTime<chrono::Utc>);
            let typed: Vec<Typed> =
                rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4))).collect();
            black_box(typed);
        },
    );

    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let started = Instant::now();
    let _ = map_tasks(0..100_000_u32, MapOptions::named(|_, _| String::new()).workers(2), |n| {
        Ok::<_, String>(black_box(*n))
    });
    let ours = started.elapsed();
    let started = Instant::now();
    pool.install(|| {
        (0..100_000_u32).into_par_iter().for_each(|n| {
            black_box(n);
        })
    });
    let extra = ours.saturating_sub(started.elapsed()) / 100_000;
    let verdict = if extra < Duration::from_micros(2) { "ok" } else { "short" };
    println!(
        "{:<34} {extra:>12.2?} a task over bare rayon, bar 2 µs {verdict}",
        "map_tasks, 100,000 empty tasks"
    );
}
