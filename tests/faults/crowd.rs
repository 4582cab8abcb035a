//! T3: more borrowers than connections, some of which break what they borrow, or panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, Error};

use crate::check::Check;
use crate::proxy::Proxy;
use crate::world::{World, eventually};

const THREADS: u64 = 64;
const CAPACITY: usize = 4;

pub(crate) fn run(world: &World, check: &mut Check) {
    let name = world.database("crowd");
    let proxy = Proxy::to(world.server().port());
    let db = world.postgres(&name, proxy.port()).pool_size(2).max_overflow(2);
    let db = db.pool_timeout(Duration::from_secs(10)).build().unwrap();
    crowd(world, &proxy, &db, check);
    db.shutdown();
    in_order(world, &name, check);
}

/// Each get holds its connection for 2 ms; one in ten breaks it, one in a hundred panics.
fn crowd(world: &World, proxy: &Proxy, db: &DatabaseManager, check: &mut Check) {
    let gets = world.amount(500, 40);
    let (succeeded, broken, panicked) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let wrong = Mutex::new(Vec::new());
    let (stop, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    let hold = |chance: &mut fastrand::Rng| {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            db.session(|session| {
                succeeded.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(2));
                match chance.u32(..100) {
                    0 => {
                        panicked.fetch_add(1, Ordering::SeqCst);
                        std::panic::resume_unwind(Box::new("on purpose"))
                    }
                    1..=10 => {
                        broken.fetch_add(1, Ordering::SeqCst);
                        drop(session.execute("SELECT pg_terminate_backend(pg_backend_pid())", ()));
                    }
                    _ => (),
                }
                Ok::<_, Error>(())
            })
        }));
        if let Ok(Err(error)) = outcome {
            wrong.lock().unwrap().push(format!("{} {}", error.kind(), error.report()));
        }
    };
    thread::scope(|scope| {
        // A server's process outlives its session by a moment, so it is not the server that is asked.
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                most.fetch_max(proxy.clients(), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let mut chance = world.chance(300 + worker);
                let hold = &hold;
                scope.spawn(move || (0..gets).for_each(|_| hold(&mut chance)))
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
    });
    let wanted = THREADS * gets;
    let (found, wrong) = (succeeded.load(Ordering::SeqCst), wrong.into_inner().unwrap());
    check.equal("gets that succeeded", found, wanted);
    check.expect(wrong.is_empty(), || format!("{} gets failed: {}", wrong.len(), wrong[0]));
    check.at_most("sockets at once", most.load(Ordering::SeqCst), CAPACITY);
    let (calm, _) = eventually(Duration::from_secs(1), || proxy.clients() <= 2);
    check.expect(calm, || format!("{} idle connections a second after the end", proxy.clients()));
    let status = db.pool_status();
    check.equal("slots that are lost", status.checked_out, 0);
    let (broken, panicked) = (broken.into_inner(), panicked.into_inner());
    check.injected(broken + panicked);
    check.tell(format!(
        "{found}/{wanted} gets, {broken} broken, {panicked} panics, at most {} sockets",
        most.load(Ordering::SeqCst)
    ));
    // All slots at once: none was lost on the way.
    let at_once = all_at_once(db);
    check.equal("connections to be had at once", at_once, CAPACITY);
}

fn all_at_once(db: &DatabaseManager) -> usize {
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..CAPACITY {
            scope.spawn(|| {
                db.session(|_| {
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    eventually(Duration::from_secs(2), || inside.load(Ordering::SeqCst) == CAPACITY);
                    Ok::<_, Error>(())
                })
                .unwrap();
            });
        }
    });
    most.into_inner()
}

/// Who asked first is served first: borrowers line up one by one behind a connection that is held.
fn in_order(world: &World, name: &str, check: &mut Check) {
    let rounds = world.amount(20, 3);
    let db = world.postgres(name, world.server().port()).pool_size(1).max_overflow(0).build().unwrap();
    let mut inversions = 0;
    for _ in 0..rounds {
        let served = Mutex::new(Vec::new());
        thread::scope(|scope| {
            db.session(|_| {
                for place in 0..THREADS {
                    let (db, served) = (&db, &served);
                    scope.spawn(move || {
                        let take = |_: &mut batchdb::Session<'_>| {
                            served.lock().unwrap().push(place);
                            Ok::<_, Error>(())
                        };
                        db.session(take).unwrap();
                    });
                    let in_line = || db.pool_status().waiting as u64 == place + 1;
                    assert!(eventually(Duration::from_secs(5), in_line).0);
                }
                Ok::<_, Error>(())
            })
            .unwrap();
        });
        inversions += served.into_inner().unwrap().windows(2).filter(|pair| pair[0] > pair[1]).count();
    }
    check.equal("served before somebody who had asked earlier", inversions, 0);
    check.tell(format!("{inversions} inversions in {} places", rounds * THREADS));
}
