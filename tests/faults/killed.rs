//! T4: sessions are killed and connections reset in the middle of transactions.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, Error, ErrorKind, Result, RetryPolicy, params};

use crate::check::Check;
use crate::proxy::{End, Moment, Proxy, contains};
use crate::world::World;

const THREADS: i64 = 8;
const PARTS: i32 = 5;
/// So often a transaction is tried. The last ones of a run are hit every time: nobody else is left to be hit.
const ATTEMPTS: u32 = 10;

/// What the program was told of each transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    Unknown,
    Failed,
}

/// A transaction takes as long as one over a network does, and so is hit in its middle.
fn slow_network(proxy: &Proxy) {
    proxy.delay(Duration::from_millis(1), Duration::from_micros(500));
}

/// Transactions that end between two kills, or a machine that has much else to do would see nothing but kills.
const BETWEEN: u64 = 3;

/// Kills a random session every 50 ms while transactions `ended`, and resets a random connection every 200 ms; every other
/// reset waits for a commit and comes between it and its answer. Returns how often it did.
fn trouble(world: &World, database: &str, proxy: &Proxy, stop: &AtomicBool, ended: &AtomicU64) -> u64 {
    let mut chance = world.chance(4);
    let mut killer = world.bare("postgres");
    let kill = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
         WHERE datname = '{database}' ORDER BY random() LIMIT 1) AS victim"
    );
    let mut kills = 0;
    for round in 1_u64.. {
        let before = ended.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(50));
        while ended.load(Ordering::SeqCst) < before + BETWEEN && !stop.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        if stop.load(Ordering::SeqCst) {
            return kills;
        }
        let killed: i64 = killer.query_one(&kill, &[]).unwrap().try_get(0).unwrap();
        kills += killed as u64;
        match round % 8 {
            0 => drop(proxy.end_one(chance.usize(..), End::Reset)),
            4 => proxy.when(contains("COMMIT"), Moment::BeforeReply, End::Reset, 1),
            _ => (),
        }
    }
    kills
}

/// One transaction of five inserts; the handle tries it again while it is known to have left nothing.
fn transaction(db: &DatabaseManager, id: i64) -> Result<()> {
    db.transaction(|tx| {
        for part in 0..PARTS {
            tx.execute("INSERT INTO ledger (id, part) VALUES (:id, :part)", params! { id: id, part: part })?;
        }
        Ok::<_, Error>(())
    })
}

pub(crate) fn run(world: &World, check: &mut Check) {
    let each = world.amount(1000, 150);
    let name = world.database("killed");
    let proxy = Proxy::to(world.server().port());
    slow_network(&proxy);
    let (brief, second) = (Duration::from_millis(20), Duration::from_secs(1));
    let policy = RetryPolicy::default().attempts(ATTEMPTS);
    let policy = policy.conflict_waits(brief, second).outage_waits(brief * 10, second * 2);
    let db = world.postgres(&name, proxy.port()).pool_size(8).max_overflow(2).build().unwrap();
    let db = db.with_retry(policy);
    let told = Mutex::new(BTreeMap::new());
    let wrong = Mutex::new(Vec::new());
    let (stop, ended) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let troubled = scope.spawn(|| trouble(world, &name, &proxy, &stop, &ended));
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (db, told, wrong, ended) = (&db, &told, &wrong, &ended);
                scope.spawn(move || {
                    for id in (0..each).map(|number| number * THREADS + worker) {
                        let outcome = match transaction(db, id) {
                            Ok(()) => Told::Done,
                            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Told::Unknown,
                            Err(error) => {
                                wrong.lock().unwrap().push(format!("{} {}", error.kind(), error.report()));
                                Told::Failed
                            }
                        };
                        told.lock().unwrap().insert(id, outcome);
                        ended.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        check.injected(troubled.join().unwrap() + proxy.injected());
    });
    db.shutdown();
    let ledger: BTreeMap<i64, i64> = world.ledger(&name).into_iter().collect();
    let told = told.into_inner().unwrap();
    let all = told.len();
    let count = |wanted: Told| told.values().filter(|outcome| **outcome == wanted).count();
    let (done, unknown, failed) = (count(Told::Done), count(Told::Unknown), count(Told::Failed));
    let parts = |id: &i64| ledger.get(id).copied().unwrap_or_default();
    let whole = i64::from(PARTS);
    let lost = told.iter().filter(|(id, outcome)| **outcome == Told::Done && parts(id) == 0).count();
    let partial = told.keys().filter(|id| parts(id) % whole != 0).count();
    let twice = told.keys().filter(|id| parts(id) > whole).count();
    let ghosts = told.iter().filter(|(id, outcome)| **outcome == Told::Failed && parts(id) != 0).count();
    for (what, found) in [
        ("acknowledged and lost", lost),
        ("partial", partial),
        ("there twice", twice),
        ("called failed and there", ghosts),
    ] {
        check.equal(what, found, 0);
    }
    // One whose outcome is unknown has not failed: it is reported, and can be settled.
    let settled = done + unknown;
    check.expect(settled * 100 >= all * 99, || {
        let wrong = wrong.lock().unwrap();
        format!("only {settled} of {all} ended well; {}", wrong.first().cloned().unwrap_or_default())
    });
    check.tell(format!(
        "{done} done, {unknown} unknown, {failed} failed of {all}; {lost} lost, {partial} partial, {twice} twice"
    ));
}

/// Whatever fails is tried again: a commit that was not acknowledged is made twice.
pub(crate) fn red(world: &World, check: &mut Check) {
    let each = world.amount(1000, 150);
    let name = world.database("killed_red");
    let proxy = Proxy::to(world.server().port());
    slow_network(&proxy);
    let config: postgres::Config = world.url(&name, proxy.port()).parse().unwrap();
    let manager = r2d2_postgres::PostgresConnectionManager::new(config, postgres::NoTls);
    let pool = r2d2::Pool::builder().max_size(10).build(manager).unwrap();
    let (stop, ended) = (AtomicBool::new(false), AtomicU64::new(0));
    let attempts = AtomicU64::new(0);
    thread::scope(|scope| {
        let troubled = scope.spawn(|| trouble(world, &name, &proxy, &stop, &ended));
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (pool, attempts, ended) = (&pool, &attempts, &ended);
                scope.spawn(move || {
                    for id in (0..each).map(|number| number * THREADS + worker) {
                        let attempt = || -> Result<(), Box<dyn std::error::Error>> {
                            let mut client = pool.get()?;
                            let mut transaction = client.transaction()?;
                            for part in 0..PARTS {
                                transaction.execute("INSERT INTO ledger VALUES ($1, $2)", &[&id, &part])?;
                            }
                            Ok(transaction.commit()?)
                        };
                        while attempt().is_err() {
                            attempts.fetch_add(1, Ordering::SeqCst);
                        }
                        ended.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        check.injected(troubled.join().unwrap() + proxy.injected());
    });
    let twice = world.ledger(&name).iter().filter(|(_, parts)| *parts != i64::from(PARTS)).count() as u64;
    check.tell(format!("{} retries, {twice} transactions twice or in part", attempts.load(Ordering::SeqCst)));
    check.violated(twice);
}
