//! T7: the peer falls silent, in each phase of a connection's life.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, DatabaseManagerBuilder, Error};

use crate::check::{Check, standstill};
use crate::proxy::{End, Moment, Pattern, Proxy, Way, contains, contains_wide};
use crate::tds::{Answer, Server, Then};
use crate::world::{self, World, eventually, timed};

const DEADLINE: Duration = Duration::from_millis(400);
const GRACE: Duration = Duration::from_millis(500);
/// How many calls are stuck at the same time.
const SIDE_BY_SIDE: u64 = 5;

/// Where the silence begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Accept,
    /// The server agrees to TLS and says nothing more. On TDS, the pre-login, which stands in its place.
    Tls,
    Login,
    Query,
    MidResult,
    Commit,
    Rollback,
    Close,
}

const PLACES: [Place; 8] = [
    Place::Accept,
    Place::Tls,
    Place::Login,
    Place::Query,
    Place::MidResult,
    Place::Commit,
    Place::Rollback,
    Place::Close,
];

/// Two databases, of which the tests know what their clients send.
trait Peer: Sync {
    fn name(&self) -> &'static str;
    fn port(&self) -> u16;
    fn manager(&self, port: u16) -> DatabaseManagerBuilder;
    /// The proxy falls silent where a client sends this.
    fn silence(&self, proxy: &Proxy, place: Place);
    /// How many threads a driver may hold for each stuck call.
    fn holds_threads(&self) -> bool;
    /// A statement of many rows.
    fn many_rows(&self) -> &'static str;
}

struct Postgres<'w> {
    world: &'w World,
    database: String,
}

impl Peer for Postgres<'_> {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn port(&self) -> u16 {
        self.world.server().port()
    }

    fn manager(&self, port: u16) -> DatabaseManagerBuilder {
        self.world.postgres(&self.database, port)
    }

    fn silence(&self, proxy: &Proxy, place: Place) {
        match place {
            Place::Login => proxy.when(contains("SCRAM-SHA-256"), Moment::Before, End::Silence, SIDE_BY_SIDE),
            Place::Query => proxy.when(contains("a marked"), Moment::BeforeReply, End::Silence, SIDE_BY_SIDE),
            Place::Commit => proxy.when(contains("COMMIT"), Moment::Before, End::Silence, SIDE_BY_SIDE),
            Place::Rollback => proxy.when(contains("ROLLBACK"), Moment::Before, End::Silence, SIDE_BY_SIDE),
            Place::Accept | Place::Tls | Place::MidResult | Place::Close => (),
        }
    }

    fn holds_threads(&self) -> bool {
        false
    }

    fn many_rows(&self) -> &'static str {
        "SELECT n, repeat('x', 100) AS filler FROM generate_series(1, 20000) AS n"
    }
}

struct Tds {
    server: Server,
}

impl Peer for Tds {
    fn name(&self) -> &'static str {
        "FreeTDS"
    }

    fn port(&self) -> u16 {
        self.server.port()
    }

    fn manager(&self, port: u16) -> DatabaseManagerBuilder {
        world::tds(port)
    }

    fn silence(&self, proxy: &Proxy, place: Place) {
        let hush = |pattern: Pattern, moment| {
            proxy.when(pattern, moment, End::Silence, SIDE_BY_SIDE);
        };
        match place {
            Place::Tls => hush(Box::new(|data: &[u8]| data.first() == Some(&0x12)), Moment::BeforeReply),
            Place::Login => hush(Box::new(|data: &[u8]| data.first() == Some(&0x10)), Moment::Before),
            Place::Query => hush(Box::new(contains_wide("a marked")), Moment::BeforeReply),
            Place::Commit => hush(Box::new(contains_wide("1 COMMIT TRANSACTION")), Moment::Before),
            Place::Rollback => hush(Box::new(contains_wide("0 ROLLBACK TRANSACTION")), Moment::Before),
            Place::Accept | Place::MidResult | Place::Close => (),
        }
    }

    fn holds_threads(&self) -> bool {
        true
    }

    fn many_rows(&self) -> &'static str {
        "SELECT many rows"
    }
}

/// The server behind FreeTDS.
fn scripted() -> Server {
    Server::start(|text| {
        if text.contains("many rows") {
            Answer::rows(50_000, Then::Done)
        } else if text.contains("SELECT") && !text.contains("TRANSACTION") {
            Answer::rows(1, Then::Done)
        } else {
            Answer::nothing(Then::Done)
        }
    })
}

pub(crate) fn run(world: &World, check: &mut Check) {
    let postgres = Postgres { world, database: world.database("silence") };
    let tds = Tds { server: scripted() };
    for peer in [&postgres as &dyn Peer, &tds] {
        let mut in_time = 0;
        let mut calls = 0;
        let mut slowest = Duration::ZERO;
        for place in PLACES {
            for _ in 0..world.amount(20 / SIDE_BY_SIDE, 1) {
                let late = Mutex::new((0, Duration::ZERO));
                round(peer, place, &late, check);
                let (hits, worst) = late.into_inner().unwrap();
                in_time += hits;
                calls += SIDE_BY_SIDE;
                slowest = slowest.max(worst);
            }
        }
        check.injected(calls);
        check.equal(&format!("{}: calls in time", peer.name()), in_time, calls);
        check.tell(format!("{} {in_time}/{calls} in time, slowest {slowest:.0?}", peer.name()));
    }
    crate::copies::run(world, check);
    process_exits(world, check);
}

/// One round: so many handles, each with a pool of its own, get stuck at one place side by side.
fn round(peer: &dyn Peer, place: Place, late: &Mutex<(u64, Duration)>, check: &mut Check) {
    let agreeing = agrees_to_tls();
    let proxy = Proxy::to(peer.port());
    let before = proxy.injected();
    let port = if place == Place::Tls && peer.name() == "PostgreSQL" { agreeing } else { proxy.port() };
    let build = || {
        let builder = peer.manager(port).connect_timeout(DEADLINE).pool_size(1).max_overflow(1);
        if port != agreeing {
            return builder;
        }
        let url = format!("postgresql://u:p@127.0.0.1:{port}/d?sslmode=require");
        builder.connection_string(url)
    };
    let handles: Vec<DatabaseManager> = (0..SIDE_BY_SIDE).map(|_| build().build().unwrap()).collect();
    if matches!(place, Place::Query | Place::MidResult | Place::Commit | Place::Rollback | Place::Close) {
        for db in &handles {
            db.execute_query("SELECT 1", ()).unwrap();
        }
    }
    if place == Place::Accept {
        proxy.black_hole();
    }
    peer.silence(&proxy, place);
    // What a place needs of its own is set up one by one, the calls are made side by side.
    thread::scope(|scope| {
        for db in &handles {
            if place == Place::MidResult {
                // One limit at a time: the next call starts when this one has met it.
                proxy.limit(Way::Down, 20_000, End::Silence);
            }
            if place == Place::Close {
                proxy.black_hole();
            }
            scope.spawn(move || {
                let (ended, took) = timed(|| stuck(db, peer, place));
                let limit = if place == Place::Close { Duration::from_secs(2) } else { DEADLINE + GRACE }
                    + standstill();
                let mut late = late.lock().unwrap();
                late.0 += u64::from(ended && took <= limit);
                late.1 = late.1.max(took);
            });
            if place == Place::MidResult {
                eventually(Duration::from_secs(2), || !proxy.limit_is_armed());
            }
        }
    });
    let hit = proxy.injected() - before;
    check.expect(port == agreeing || hit >= SIDE_BY_SIDE, || {
        format!("{} {place:?}: only {hit} of {SIDE_BY_SIDE} calls met the fault", peer.name())
    });
    let abandoned = || handles.iter().map(|db| db.pool_status().abandoned).sum::<usize>();
    let held = abandoned();
    // The close of a driver that says nothing more needs no thread.
    let wanted = if !peer.holds_threads() || place == Place::Close { 0 } else { SIDE_BY_SIDE as usize };
    check.expect(held == wanted, || format!("{} {place:?}: {held} threads held, not {wanted}", peer.name()));
    for db in &handles {
        let ((), took) = timed(|| db.shutdown());
        check.within(&format!("{} {place:?}: closing the pool", peer.name()), took, Duration::from_secs(2));
    }
    proxy.end_all(End::Reset);
    proxy.heal();
    let (free, took) = eventually(Duration::from_secs(1), || abandoned() == 0);
    check
        .expect(free, || format!("{} {place:?}: threads still held {took:.0?} after the reset", peer.name()));
    // Whatever falls short here must not be counted against the next round.
    eventually(Duration::from_secs(10), || abandoned() == 0);
}

/// The call that is stuck. Whether it ended as it should: with an error, but for the close.
fn stuck(db: &DatabaseManager, peer: &dyn Peer, place: Place) -> bool {
    let brief = db.with_deadline(DEADLINE);
    match place {
        Place::Accept | Place::Tls | Place::Login => brief.execute_query("SELECT 1", ()).is_err(),
        Place::Query => brief.execute_query("SELECT 1 AS \"a marked\"", ()).is_err(),
        Place::MidResult => brief.execute_query(peer.many_rows(), ()).is_err(),
        Place::Commit => brief
            .transaction(|tx| {
                tx.execute_query("SELECT 1", ())?;
                Ok::<_, Error>(())
            })
            .is_err(),
        Place::Rollback => brief
            .transaction(|tx| {
                tx.execute_query("SELECT 1", ())?;
                Err::<(), _>(tx.execute_query("SELECT :missing", ()).unwrap_err())
            })
            .is_err(),
        Place::Close => {
            db.shutdown();
            true
        }
    }
}

/// The port of a server that agrees to speak TLS, and does not.
fn agrees_to_tls() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        for stream in listener.incoming().take(SIDE_BY_SIDE as usize) {
            thread::Builder::new()
                .name("proxy-tls".to_owned())
                .spawn(move || {
                    let mut stream = stream.unwrap();
                    let _ = stream.read_exact(&mut [0; 8]).and_then(|()| stream.write_all(b"S"));
                    while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
                })
                .unwrap();
        }
    };
    thread::Builder::new().name("proxy-tls".to_owned()).spawn(serve).unwrap();
    port
}

/// Names the peer that the child of [`process_exits`] gets stuck on.
const PROBE: &str = "BATCHDB_FAULTS_PROBE";

/// A program whose connection is stuck comes to its end all the same.
fn process_exits(world: &World, check: &mut Check) {
    let database = world.database("exits");
    let tds = scripted();
    for (name, port, url) in [
        ("PostgreSQL", world.server().port(), world.url(&database, 0)),
        ("FreeTDS", tds.port(), String::new()),
    ] {
        let proxy = Proxy::to(port);
        let url = url.replace(":0/", &format!(":{}/", proxy.port()));
        proxy.when(contains("a marked"), Moment::BeforeReply, End::Silence, 1);
        proxy.when(contains_wide("a marked"), Moment::BeforeReply, End::Silence, 1);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(PROBE, format!("{}|{url}", proxy.port()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (ended, took) = eventually(Duration::from_secs(20), || child.try_wait().unwrap().is_some());
        if !ended {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        check.injected(proxy.injected());
        check.equal(&format!("{name}: faults in the program"), proxy.injected(), 1);
        check.within(&format!("{name}: the end of a program"), took, Duration::from_secs(4));
    }
}

/// The child's part: gets stuck, and returns from `main`. False when this is no such child.
pub(crate) fn probe() -> bool {
    let Ok(text) = std::env::var(PROBE) else { return false };
    let (port, url) = text.split_once('|').unwrap();
    let builder = if url.is_empty() {
        world::tds(port.parse().unwrap())
    } else {
        world::manager("probe", url.to_owned())
    };
    let db = builder.build().unwrap();
    db.execute_query("SELECT 1", ()).unwrap();
    db.with_deadline(DEADLINE).execute_query("SELECT 1 AS \"a marked\"", ()).unwrap_err();
    true
}

/// The bare driver has no deadline: whoever is silent holds it.
pub(crate) fn red(world: &World, check: &mut Check) {
    let database = world.database("silence_red");
    let mut held = 0;
    let calls = world.amount(20, 2);
    for place in [Place::Accept, Place::Query, Place::Close] {
        for _ in 0..calls {
            let proxy = Proxy::to(world.server().port());
            let (sender, receiver) = std::sync::mpsc::channel();
            let url = world.url(&database, proxy.port());
            let client = (place != Place::Accept).then(|| world.bare_through(&database, proxy.port()));
            proxy.black_hole();
            let call = thread::spawn(move || {
                match client {
                    None => drop(postgres::Client::connect(&url, postgres::NoTls)),
                    Some(mut client) if place == Place::Query => drop(client.simple_query("SELECT 1")),
                    // A close after a statement that nobody waited for.
                    Some(mut client) => drop(client.is_valid(Duration::from_millis(50)).map(|()| client)),
                }
                let _ = sender.send(());
            });
            check.injected(proxy.injected());
            held += u64::from(receiver.recv_timeout(DEADLINE + GRACE).is_err());
            proxy.end_all(End::Reset);
            proxy.heal();
            call.join().unwrap();
        }
    }
    check.tell(format!("{held}/{} calls held beyond {:?}", 3 * calls, DEADLINE + GRACE));
    check.violated(held);
}
