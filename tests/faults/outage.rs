//! T2: the database is gone for a while, in three ways, and comes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use batchdb::DatabaseManager;

use crate::check::{Check, standstill};
use crate::proxy::{End, Proxy};
use crate::world::{World, eventually};

const THREADS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(2);
/// What a borrower may wait beyond its limit.
const LEEWAY: Duration = Duration::from_millis(250);

/// It waits, so that the pool and not the machine limits how many a second there are.
const WORK: &str = "SELECT 1 FROM pg_sleep(0.01)";

/// How the database goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    BlackHole,
    Reset,
    /// The server's processes are stopped, and the kernel accepts for them.
    Stopped,
}

/// What the threads have seen.
#[derive(Default)]
struct Seen {
    /// How long each checkout took, and the statement behind it.
    gets: Mutex<Vec<Duration>>,
    statements: Mutex<Vec<Duration>>,
    succeeded: AtomicU64,
    /// When the first call succeeded since this was emptied.
    first: Mutex<Option<Instant>>,
    stop: AtomicBool,
}

impl Seen {
    fn work(&self, db: &DatabaseManager) {
        while !self.stop.load(Ordering::SeqCst) {
            let asked = Instant::now();
            let mut got = None;
            let outcome = db.with_deadline(PATIENCE).session(|session| {
                got = Some(Instant::now());
                session.execute_query(WORK, ()).map(|_| ())
            });
            let ended = Instant::now();
            self.gets.lock().unwrap().push(got.unwrap_or(ended) - asked);
            if let Some(got) = got {
                self.statements.lock().unwrap().push(ended - got);
            }
            match outcome {
                Ok(()) => {
                    self.succeeded.fetch_add(1, Ordering::SeqCst);
                    self.first.lock().unwrap().get_or_insert(ended);
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// The throughput over a moment, in calls a second.
    fn rate(&self, over: Duration) -> f64 {
        let (before, started) = (self.succeeded.load(Ordering::SeqCst), Instant::now());
        thread::sleep(over);
        (self.succeeded.load(Ordering::SeqCst) - before) as f64 / started.elapsed().as_secs_f64()
    }
}

pub(crate) fn run(world: &World, check: &mut Check) {
    for outage in [Outage::BlackHole, Outage::Reset, Outage::Stopped] {
        one(world, outage, check);
    }
}

fn one(world: &World, outage: Outage, check: &mut Check) {
    let length = world.amount(Duration::from_secs(20), Duration::from_millis(2500));
    let name = world.database("outage");
    let proxy = Proxy::to(world.server().port());
    let db = world.postgres(&name, proxy.port()).pool_size(5).max_overflow(5).pool_timeout(PATIENCE);
    let db = db.connect_timeout(PATIENCE).build().unwrap();
    let seen = Arc::new(Seen::default());
    let workers: Vec<_> = (0..THREADS)
        .map(|_| {
            let (seen, db) = (Arc::clone(&seen), db.clone());
            thread::spawn(move || seen.work(&db))
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    let healthy = seen.rate(world.amount(Duration::from_secs(3), Duration::from_secs(1)));
    let stopped = match outage {
        Outage::BlackHole => {
            proxy.black_hole();
            Vec::new()
        }
        Outage::Reset => {
            proxy.refuse();
            proxy.end_all(End::Reset);
            Vec::new()
        }
        Outage::Stopped => processes(world, &name),
    };
    signal("STOP", &stopped);
    check.injected(proxy.injected() + stopped.len() as u64);
    thread::sleep(length);
    *seen.first.lock().unwrap() = None;
    let restored = Instant::now();
    signal("CONT", &stopped);
    proxy.heal();
    let (back, _) = eventually(Duration::from_secs(5), || seen.first.lock().unwrap().is_some());
    check.expect(back, || format!("{outage:?}: nothing succeeded in the 5 s after the end"));
    let first =
        seen.first.lock().unwrap().map_or(Duration::MAX, |first| first.saturating_duration_since(restored));
    check.within(&format!("{outage:?}: the first success"), first, Duration::from_millis(1500));
    let settling = Duration::from_secs(2).saturating_sub(restored.elapsed());
    thread::sleep(settling);
    let healed = seen.rate(world.amount(Duration::from_secs(3), Duration::from_secs(1)));
    // The machine has other work, too. What a pool does long after the outage is full strength as well, unless it is
    // far from what it was.
    let later = seen.rate(world.amount(Duration::from_secs(3), Duration::from_secs(1)));
    seen.stop.store(true, Ordering::SeqCst);
    let (ended, _) =
        eventually(Duration::from_secs(5), || workers.iter().all(thread::JoinHandle::is_finished));
    check.expect(ended, || format!("{outage:?}: a thread is stuck"));
    let gets = seen.gets.lock().unwrap();
    let slowest = gets.iter().max().copied().unwrap_or_default();
    let allowed = PATIENCE + LEEWAY + standstill();
    let late = gets.iter().filter(|took| **took > allowed).count();
    check.expect(late == 0, || {
        format!(
            "{outage:?}: {late} of {} gets took longer than {:?}, the slowest {slowest:.0?}",
            gets.len(),
            PATIENCE + LEEWAY
        )
    });
    let statement = seen.statements.lock().unwrap().iter().max().copied().unwrap_or_default();
    check.within(&format!("{outage:?}: a statement"), statement, PATIENCE + Duration::from_millis(500));
    // A second is short for a rate where others want the processors as well.
    let share = world.amount(0.95, 0.8);
    check.expect(healed >= share * healthy.min(later.max(0.8 * healthy)), || {
        format!("{outage:?}: {healed:.0} calls a second after it, {healthy:.0} before, {later:.0} later")
    });
    check.tell(format!(
        "{outage:?}: {}/{} gets in time, slowest {slowest:.2?}, first success {first:.0?}, {healthy:.0} → {healed:.0} calls/s",
        gets.len() - late,
        gets.len()
    ));
    db.shutdown();
}

/// The server's processes for the sessions of a database, and the one that would make new ones. Without that, a pool
/// would open one healthy session after the other, until the server took no more.
fn processes(world: &World, database: &str) -> Vec<i32> {
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}'");
    let rows = world.bare("postgres").query(&sql, &[]).unwrap();
    let mut processes: Vec<i32> = rows.iter().map(|row| row.try_get(0).unwrap()).collect();
    let parent = std::fs::read_to_string(format!("/proc/{}/status", processes[0])).unwrap();
    let parent = parent.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    processes.push(parent.trim().parse().unwrap());
    processes
}

fn signal(name: &str, processes: &[i32]) {
    for process in processes {
        // One that has ended in the meantime needs no signal.
        let _ = std::process::Command::new("kill")
            .args([&format!("-{name}"), &process.to_string()])
            .stderr(std::process::Stdio::null())
            .status();
    }
}

/// r2d2's pool tests what it hands out, without a limit on the test.
pub(crate) fn red(world: &World, check: &mut Check) {
    let name = world.database("outage_red");
    let proxy = Proxy::to(world.server().port());
    let config: postgres::Config = world.url(&name, proxy.port()).parse().unwrap();
    let manager = r2d2_postgres::PostgresConnectionManager::new(config, postgres::NoTls);
    let pool = r2d2::Pool::builder().max_size(10).min_idle(Some(5)).connection_timeout(PATIENCE);
    let pool = pool.build(manager).unwrap();
    let seen = Arc::new(Seen::default());
    let workers: Vec<_> = (0..THREADS)
        .map(|_| {
            let (seen, pool) = (Arc::clone(&seen), pool.clone());
            thread::spawn(move || {
                while !seen.stop.load(Ordering::SeqCst) {
                    let asked = Instant::now();
                    let outcome = pool.get();
                    seen.gets.lock().unwrap().push(asked.elapsed());
                    let ran = outcome.map(|mut client| client.simple_query("SELECT 1").is_ok());
                    seen.statements.lock().unwrap().push(asked.elapsed());
                    if !matches!(ran, Ok(true)) {
                        thread::sleep(Duration::from_millis(10));
                    }
                }
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    proxy.black_hole();
    check.injected(proxy.injected());
    thread::sleep(world.amount(Duration::from_secs(20), Duration::from_secs(4)));
    seen.stop.store(true, Ordering::SeqCst);
    proxy.end_all(End::Reset);
    proxy.heal();
    for worker in workers {
        worker.join().unwrap();
    }
    let most = PATIENCE + LEEWAY;
    let late =
        |all: &Mutex<Vec<Duration>>| all.lock().unwrap().iter().filter(|took| **took > most).count() as u64;
    let (gets, calls) = (late(&seen.gets), late(&seen.statements));
    check.tell(format!("{gets} gets and {calls} calls longer than {most:?}"));
    check.violated(calls);
}
