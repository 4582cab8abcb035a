//! T12: all faults for minutes, by a schedule of chance that the seed repeats, on three ways to one server: direct, and
//! through PgBouncer by session and by transaction. At the end nothing is lost, twice, or left behind.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use batchdb::{DatabaseManager, Error, ErrorKind, MapOptions, Result, map_tasks, params};

use crate::check::Check;
use crate::proxy::{End, Moment, Proxy, Way, contains};
use crate::world::{PgBouncer, World, descriptors, eventually, resident_memory, threads};

const WORKERS: usize = 16;
const PARTS: i32 = 3;
/// What a round of the fan-out takes on, so that the records of its tasks are let go in between.
const ROUND: i64 = 2_000;
/// How much memory may grow after the first fifth of the time. A slope needs an hour to be told from chance.
const GROWTH: u64 = 24 << 20;
const LIMIT: Duration = Duration::from_secs(2);

/// One way to the server.
struct Route {
    name: &'static str,
    proxy: Proxy,
    db: DatabaseManager,
    succeeded: AtomicU64,
}

/// What became of the writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    Unknown,
    Failed,
}

#[derive(Default)]
struct Books {
    writes: Mutex<BTreeMap<i64, Told>>,
    wrong: Mutex<Vec<String>>,
    late: AtomicU64,
}

pub(crate) fn run(world: &World, minutes: f64, check: &mut Check) {
    let name = world.database("soak");
    let by_session = PgBouncer::start(world.server(), "session", 8);
    let by_transaction = PgBouncer::start(world.server(), "transaction", 8);
    // What is made once per process is made before it is counted.
    let warm = world.postgres(&name, world.server().port()).build().unwrap();
    warm.execute_query_with_timeout("SELECT pg_sleep(5)", (), Duration::from_millis(50)).unwrap_err();
    warm.close();
    thread::sleep(Duration::from_millis(200));
    let (threads_before, descriptors_before) = (threads(), descriptors());
    let route = |label, port, cache| {
        let proxy = Proxy::to(port);
        let db = world.postgres(&name, proxy.port());
        let db = db.pool_size(6).max_overflow(2).timeout(LIMIT).connect_timeout(LIMIT).statement_cache(cache);
        // One attempt: then it is known how long a call may take.
        let db = db.retry_attempts(1);
        Route {
            name: label,
            proxy,
            db: db.pool_timeout(LIMIT).build().unwrap(),
            succeeded: AtomicU64::new(0),
        }
    };
    let routes = [
        route("direct", world.server().port(), 256),
        route("by session", by_session.port(), 256),
        route("by transaction", by_transaction.port(), 0),
    ];
    let (books, stop) = (Books::default(), AtomicBool::new(false));
    let (started, length) = (Instant::now(), Duration::from_secs_f64(minutes * 60.0));
    let mut settled = 0;
    let mut next = 0;
    thread::scope(|scope| {
        scope.spawn(|| trouble(world, &name, &routes, &stop));
        while started.elapsed() < length {
            fan_out(world, &routes, &books, next, || started.elapsed() < length);
            next += ROUND;
            if settled == 0 && started.elapsed() > length / 5 {
                settled = resident_memory();
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    routes.iter().for_each(|route| route.proxy.heal());
    let grown = resident_memory().saturating_sub(settled.max(1));
    for route in &routes {
        let works = || route.db.execute_query("SELECT 1", ()).is_ok();
        let (healed, _) = eventually(Duration::from_secs(2), works);
        check.expect(healed, || format!("{}: nothing works 2 s after the last fault", route.name));
        check.injected(route.proxy.injected());
        check.tell(format!("{} {} calls", route.name, route.succeeded.load(Ordering::SeqCst)));
    }
    // Version 1.18 ends itself when a fault cuts a cancel that it is passing on (pgbouncer issue 801).
    let restarts = by_session.restarts() + by_transaction.restarts();
    if restarts > 0 {
        check.tell(format!("PgBouncer ended itself {restarts} times"));
    }
    judge_ledger(world, &name, &books, check);
    idle_in_transaction(world, &name, check);
    for route in routes {
        route.db.shutdown();
    }
    check.equal("calls later than their deadline + 500 ms", books.late.into_inner(), 0);
    let back = || threads().abs_diff(threads_before) <= 2 && descriptors().abs_diff(descriptors_before) <= 2;
    eventually(Duration::from_secs(10), back);
    check.expect(back(), || {
        format!(
            "threads {threads_before} → {}, descriptors {descriptors_before} → {}",
            threads(),
            descriptors()
        )
    });
    check.at_most("MiB of growth", grown >> 20, GROWTH >> 20);
    check.tell(format!(
        "threads {threads_before} → {}, descriptors {descriptors_before} → {}, {} MiB grown",
        threads(),
        descriptors(),
        grown >> 20
    ));
}

/// One round of tasks. Each is a write, a read that is checked, or a statement that takes too long.
fn fan_out(world: &World, routes: &[Route], books: &Books, from: i64, goes_on: impl Fn() -> bool + Sync) {
    let items: Vec<i64> = (from..from + ROUND).collect();
    let work = |id: &i64| -> Result<()> {
        if !goes_on() {
            return Ok(());
        }
        let mut chance = world.chance(*id as u64);
        let route = &routes[chance.usize(..routes.len())];
        let asked = Instant::now();
        let (limit, outcome) = match chance.u32(..10) {
            0..=4 => (LIMIT * (PARTS as u32 + 4), write(route, *id, books)),
            5..=8 => (LIMIT * 3, read(route, &mut chance, books)),
            _ => (Duration::from_millis(100), too_long(route)),
        };
        if asked.elapsed() > limit + Duration::from_millis(500) {
            books.late.fetch_add(1, Ordering::SeqCst);
        }
        match outcome {
            Ok(()) => drop(route.succeeded.fetch_add(1, Ordering::SeqCst)),
            // A database that is away is asked again a little later.
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
        Ok(())
    };
    let _ = map_tasks(items, MapOptions::new("soak").workers(WORKERS), work);
}

fn write(route: &Route, id: i64, books: &Books) -> Result<()> {
    let outcome = route.db.transaction(|tx| {
        for part in 0..PARTS {
            tx.execute("INSERT INTO ledger (id, part) VALUES (:id, :part)", params! { id: id, part: part })?;
        }
        Ok::<_, Error>(())
    });
    let told = match &outcome {
        Ok(()) => Told::Done,
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Told::Unknown,
        Err(_) => Told::Failed,
    };
    books.writes.lock().unwrap().insert(id, told);
    outcome
}

/// A result is whole or an error.
fn read(route: &Route, chance: &mut fastrand::Rng, books: &Books) -> Result<()> {
    let rows = chance.i64(1..2_000);
    let sql = format!("SELECT n FROM generate_series(1::bigint, {rows}) AS n");
    let found = route.db.execute_query(&sql, ())?;
    let sum: i64 = found.iter().map(|row| row.get::<i64>(0).unwrap()).sum();
    if sum != rows * (rows + 1) / 2 {
        books.wrong.lock().unwrap().push(format!("{}: {} of {rows} rows", route.name, found.len()));
    }
    Ok(())
}

fn too_long(route: &Route) -> Result<()> {
    let limit = Duration::from_millis(100);
    let outcome = route.db.execute_query_with_timeout("SELECT pg_sleep(3)", (), limit);
    // In time is what is asked of it, not success.
    outcome.map(drop).or(Ok(()))
}

/// Every 2 to 5 seconds something else is wrong with one of the ways, or with all.
fn trouble(world: &World, database: &str, routes: &[Route], stop: &AtomicBool) {
    let mut chance = world.chance(12);
    let pause = |length: f64| {
        let until = Instant::now() + Duration::from_secs_f64(length);
        while Instant::now() < until && !stop.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
        }
    };
    while !stop.load(Ordering::SeqCst) {
        let proxy = &routes[chance.usize(..routes.len())].proxy;
        let end = if chance.bool() { End::Fin } else { End::Reset };
        match chance.u32(..10) {
            0 => proxy.delay(Duration::from_millis(20), Duration::from_millis(15)),
            1 => proxy.slow(50_000),
            2 => proxy.black_hole(),
            3 => proxy.end_all(end),
            4 => drop((0..5).map(|_| proxy.end_one(chance.usize(..), end)).collect::<Vec<_>>()),
            5 => proxy.when(contains("COMMIT"), Moment::Before, end, 3),
            6 => proxy.when(contains("COMMIT"), Moment::BeforeReply, end, 3),
            7 => proxy.limit(Way::Down, chance.u64(..200_000), End::Silence),
            8 => kill(world, database),
            // All ways are clogged one after the other, and freed in reverse.
            _ => {
                routes.iter().for_each(|route| {
                    route.proxy.black_hole();
                    pause(0.2);
                });
                pause(chance.f64());
                routes.iter().rev().for_each(|route| {
                    route.proxy.heal();
                    pause(0.2);
                });
            }
        }
        pause(0.5 + 1.5 * chance.f64());
        routes.iter().for_each(|route| route.proxy.heal());
        pause(1.5 + 1.5 * chance.f64());
    }
}

/// Ends a third of the server's sessions.
fn kill(world: &World, database: &str) {
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}' AND random() < 0.3"
    );
    world.bare("postgres").query_one(&sql, &[]).unwrap();
}

fn judge_ledger(world: &World, name: &str, books: &Books, check: &mut Check) {
    // A session whose client is gone rolls back a moment after the network is whole again.
    thread::sleep(Duration::from_secs(1));
    let ledger: BTreeMap<i64, i64> = world.ledger(name).into_iter().collect();
    let writes = books.writes.lock().unwrap();
    let parts = |id: &i64| ledger.get(id).copied().unwrap_or_default();
    let whole = i64::from(PARTS);
    let count =
        |wrong: &dyn Fn(&i64, Told) -> bool| writes.iter().filter(|(id, told)| wrong(id, **told)).count();
    for (what, found) in [
        ("acknowledged and lost", count(&|id, told| told == Told::Done && parts(id) == 0)),
        ("in part", count(&|id, _| parts(id) % whole != 0)),
        ("twice", count(&|id, _| parts(id) > whole)),
        ("called failed and there", count(&|id, told| told == Told::Failed && parts(id) != 0)),
    ] {
        check.equal(what, found, 0);
    }
    let wrong = books.wrong.lock().unwrap();
    check.expect(wrong.is_empty(), || format!("{} short results: {}", wrong.len(), wrong[0]));
    check.tell(format!(
        "{} writes: {} done, {} unknown, {} failed",
        writes.len(),
        count(&|_, told| told == Told::Done),
        count(&|_, told| told == Told::Unknown),
        count(&|_, told| told == Told::Failed)
    ));
}

fn idle_in_transaction(world: &World, name: &str, check: &mut Check) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND state LIKE 'idle in transaction%' \
         AND state_change < clock_timestamp() - interval '1 second'"
    );
    let left: i64 = world.bare("postgres").query_one(&sql, &[]).unwrap().try_get(0).unwrap();
    check.equal("sessions that idle in a transaction", left, 0);
}
