//! T6: statements that take too long are cancelled, and leave nothing behind.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, Error, ErrorKind, params};

use crate::check::{Check, percentile};
use crate::world::{PgBouncer, World, timed};

const THREADS: u64 = 16;
const LIMIT: Duration = Duration::from_millis(300);

pub(crate) fn run(world: &World, check: &mut Check) {
    let name = world.database("timeouts");
    let direct = world.postgres(&name, world.server().port());
    one(world, "direct", &name, &direct.pool_size(16).max_overflow(4).build().unwrap(), check);
    // Without prepared statements, which a pooler in this mode would lose.
    let pooler = PgBouncer::start(world.server(), "transaction", 16);
    let through = world.postgres(&name, pooler.port()).statement_cache(0);
    one(world, "PgBouncer", &name, &through.pool_size(16).max_overflow(4).build().unwrap(), check);
    check.equal("times that PgBouncer ended itself", pooler.restarts(), 0);
}

/// What became of the calls.
#[derive(Default)]
struct Seen {
    /// How long the calls took that met the limit.
    late: Mutex<Vec<Duration>>,
    wrong: Mutex<Vec<String>>,
    brief: AtomicU64,
    /// The server's processes of cancelled calls.
    cancelled: Mutex<HashSet<i32>>,
    reused: AtomicU64,
}

impl Seen {
    /// One call in a session that first says which process of the server it is. The process of a cancelled call is
    /// never met again; behind a pooler it is the pooler's to throw away, so there it is not looked at.
    fn call(&self, db: &DatabaseManager, asleep: f64, follows_process: bool) {
        let mut process = 0;
        let (outcome, took) = timed(|| {
            if !follows_process {
                let asleep = params! { asleep: asleep };
                return db
                    .execute_query_with_timeout("SELECT pg_sleep(:asleep::float8)", asleep, LIMIT)
                    .map(drop);
            }
            db.with_deadline(LIMIT).session(|session| {
                process = session.query_one("SELECT pg_backend_pid() AS pid", ())?.get("pid")?;
                if self.cancelled.lock().unwrap().contains(&process) {
                    self.reused.fetch_add(1, Ordering::SeqCst);
                }
                session.execute_query("SELECT pg_sleep(:asleep::float8)", params! { asleep: asleep })?;
                Ok::<_, Error>(())
            })
        });
        match outcome {
            Ok(()) if took > LIMIT => self.late.lock().unwrap().push(took),
            Ok(()) => drop(self.brief.fetch_add(1, Ordering::SeqCst)),
            // The rest of the limit is for a session, which may have to be opened first.
            Err(error) if asleep < 0.12 => {
                let text = format!("a sleep of {asleep:.3} s failed after {took:.0?}: {}", error.report());
                self.wrong.lock().unwrap().push(text);
            }
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::Timeout(_)) {
                    self.wrong.lock().unwrap().push(format!("{} {}", error.kind(), error.report()));
                }
                self.late.lock().unwrap().push(took);
                if process != 0 {
                    self.cancelled.lock().unwrap().insert(process);
                }
            }
        }
    }
}

fn one(world: &World, what: &str, database: &str, db: &DatabaseManager, check: &mut Check) {
    let calls = world.amount(2000, 160);
    // PgBouncer opens its connections one after the other, which is not what is measured here.
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| db.execute_query("SELECT pg_sleep(0.5)", ()).unwrap());
        }
    });
    let seen = Seen::default();
    let direct = what == "direct";
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let (seen, mut chance) = (&seen, world.chance(600 + worker));
            scope.spawn(move || {
                for _ in 0..calls / THREADS {
                    seen.call(db, 0.05 + 0.95 * chance.f64(), direct);
                }
            });
        }
    });
    thread::sleep(Duration::from_secs(1));
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND state = 'active' AND query LIKE '%pg_sleep%' \
         AND pid <> pg_backend_pid()"
    );
    let left: i64 = world.bare("postgres").query_one(&running, &[]).unwrap().try_get(0).unwrap();
    check.equal(&format!("{what}: statements of ours that run on"), left, 0);
    let mut late = seen.late.into_inner().unwrap();
    let (p99, most) = (percentile(&mut late, 0.99), percentile(&mut late, 1.0));
    check.within(&format!("{what}: 99 % of the calls over the limit"), p99, Duration::from_millis(450));
    check.within(&format!("{what}: the slowest call"), most, Duration::from_millis(800));
    let wrong = seen.wrong.into_inner().unwrap();
    check.expect(wrong.is_empty(), || format!("{what}: {} calls failed wrongly: {}", wrong.len(), wrong[0]));
    check.equal(&format!("{what}: sessions used after a cancel"), seen.reused.load(Ordering::SeqCst), 0);
    check.injected(late.len() as u64);
    check.tell(format!(
        "{what} {} cancelled (99 % {p99:.0?}, slowest {most:.0?}), {} in time, {left} run on",
        late.len(),
        seen.brief.load(Ordering::SeqCst)
    ));
    db.shutdown();
}
