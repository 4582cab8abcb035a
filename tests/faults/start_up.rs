//! T1: the first connection fails, for different reasons.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, DatabaseManagerBuilder, ErrorKind, Phase};

use crate::check::Check;
use crate::proxy::{End, Proxy};
use crate::tds::Server;
use crate::world::{self, World, descriptors, eventually, threads, timed};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const LEEWAY: Duration = Duration::from_millis(250);
const SOON: Duration = Duration::from_secs(1);

/// Attempts, each on a pool that knows nothing of the others: on one pool a failure is remembered, and the next
/// caller gets it at once.
fn attempts(
    what: &str,
    times: u64,
    side_by_side: usize,
    build: impl Fn() -> DatabaseManagerBuilder + Sync,
    right: impl Fn(ErrorKind) -> bool + Sync,
    limit: Duration,
    check: &mut Check,
) {
    let mut slowest = Duration::ZERO;
    let mut done = 0;
    while done < times {
        let batch = side_by_side.min((times - done) as usize);
        let ended: Vec<_> = thread::scope(|scope| {
            let one = || {
                let db =
                    build().connect_timeout(CONNECT_TIMEOUT).pool_size(5).max_overflow(5).build().unwrap();
                let (outcome, took) = timed(|| db.execute_query("SELECT 1", ()));
                db.shutdown();
                (outcome.err(), took)
            };
            let started: Vec<_> = (0..batch).map(|_| scope.spawn(one)).collect();
            started.into_iter().map(|attempt| attempt.join().unwrap()).collect()
        });
        for (error, took) in ended {
            let kind = error.as_ref().map(batchdb::Error::kind);
            check.expect(kind.is_some_and(&right), || match &error {
                Some(error) => format!("{what}: {} {}", error.kind(), error.report()),
                None => format!("{what}: it connected"),
            });
            check.within(what, took, limit);
            slowest = slowest.max(took);
        }
        done += batch as u64;
    }
    check.injected(times);
    check.tell(format!("{what} {slowest:.0?}"));
}

pub(crate) fn run(world: &World, check: &mut Check) {
    let times = world.amount(50, 6);
    let name = world.database("start");
    // What is made once per process is made before it is counted.
    let warm = world.postgres(&name, world.server().port()).build().unwrap();
    warm.execute_query("SELECT 1", ()).unwrap();
    warm.close();
    drop(world::tds(closed_port()).build().unwrap().execute_query("SELECT 1", ()));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let quiet = silent.local_addr().unwrap().port();
    thread::sleep(Duration::from_millis(300));
    let (threads_before, descriptors_before) = (threads(), descriptors());

    let is_connect = |kind| kind == ErrorKind::Connect;
    let is_auth = |kind| kind == ErrorKind::Auth;
    let is_late = |kind| kind == ErrorKind::Timeout(Phase::Connect);
    let closed = closed_port();
    attempts("refused", times, 1, || world.postgres(&name, closed), is_connect, SOON, check);
    attempts("FreeTDS refused", times, 1, || world::tds(closed), is_connect, SOON, check);
    let wrong = world.url(&name, world.server().port()).replace("postgres:", "postgres:not-it-");
    let with_wrong = || world::manager("start", wrong.clone());
    attempts("password", times, 1, with_wrong, is_auth, SOON, check);
    let refusing = Server::refusing(18456);
    attempts("FreeTDS password", times, 1, || world::tds(refusing.port()), is_auth, SOON, check);
    check.equal("logins of FreeTDS", refusing.logins(), times);
    drop(refusing);
    let port = world.server().port();
    attempts("no database", times, 1, || world.postgres("nowhere", port), is_connect, SOON, check);
    let patient = CONNECT_TIMEOUT + LEEWAY;
    attempts("silent", times, 10, || world.postgres(&name, quiet), is_late, patient, check);
    attempts("FreeTDS silent", times, 10, || world::tds(quiet), is_late, patient, check);
    // The driver's own limit ends the threads that were left behind.
    let (back, _) = eventually(Duration::from_secs(6), || {
        threads() <= threads_before + 2 && descriptors() <= descriptors_before + 2
    });
    check.expect(back, || {
        format!(
            "threads {threads_before} → {}, descriptors {descriptors_before} → {}",
            threads(),
            descriptors()
        )
    });
    drop(silent);
    logins(world, &name, check);
}

/// One pool, many callers: a server that refuses sees no storm of logins.
fn logins(world: &World, name: &str, check: &mut Check) {
    let quiet = world.amount(Duration::from_secs(30), Duration::from_secs(3));
    let proxy = Proxy::to(world.server().port());
    let wrong = world.url(name, proxy.port()).replace("postgres:", "postgres:not-it-");
    let db: DatabaseManager = world::manager("start", wrong).pool_size(5).max_overflow(5).build().unwrap();
    let gets = 50;
    let refused = (0..gets).filter(|_| db.execute_query("SELECT 1", ()).is_err()).count();
    check.equal("gets with a wrong password that failed", refused, gets);
    let seen = proxy.counters().logins.load(Ordering::SeqCst);
    check.expect((1..=gets as u64).contains(&seen), || format!("{gets} failed gets made {seen} logins"));
    let after = proxy.counters().connections.load(Ordering::SeqCst);
    thread::sleep(quiet);
    let later = proxy.counters().connections.load(Ordering::SeqCst) - after;
    check.equal("connections that nobody asked for", later, 0);
    check.injected(gets as u64);
    check.tell(format!("{gets} gets {seen} logins, then {later} in {quiet:?}"));
    proxy.end_all(End::Fin);
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
