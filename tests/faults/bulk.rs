//! T9: a bulk load is all or nothing, whatever is wrong with one of its rows or with the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, Error, ErrorKind, Params, params};

use crate::check::Check;
use crate::proxy::{End, Proxy, Way};
use crate::world::{World, resident_memory};

/// What is wrong with the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Duplicate,
    Null,
    TooLong,
    Cut,
}

const KINDS: [Wrong; 4] = [Wrong::Duplicate, Wrong::Null, Wrong::TooLong, Wrong::Cut];

const TABLE: &str = "CREATE TABLE load (id bigint PRIMARY KEY, name varchar(20) NOT NULL)";

fn record(id: i64, bad: i64, wrong: Wrong) -> Params {
    match wrong {
        Wrong::Duplicate if id == bad => params! { id: 1, name: "again" },
        Wrong::Null if id == bad => params! { id: id, name: None::<&str> },
        Wrong::TooLong if id == bad => params! { id: id, name: "x".repeat(21) },
        _ => params! { id: id, name: format!("row {id}") },
    }
}

fn load(db: &DatabaseManager, rows: i64, bad: i64, wrong: Wrong) -> Result<u64, Error> {
    let records = (1..=rows).map(|id| record(id, bad, wrong));
    db.execute_many("INSERT INTO load (id, name) VALUES (:id, :name)", records)
}

/// Looks at the memory of this process while something is under way; gives how much it grew.
fn growth_during<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let (stop, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = resident_memory();
    let (stopped, highest) = (Arc::clone(&stop), Arc::clone(&most));
    let watcher = thread::spawn(move || {
        while !stopped.load(Ordering::SeqCst) {
            highest.fetch_max(resident_memory(), Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
        }
    });
    let result = work();
    stop.store(true, Ordering::SeqCst);
    watcher.join().unwrap();
    (result, most.load(Ordering::SeqCst).saturating_sub(before))
}

pub(crate) fn run(world: &World, check: &mut Check) {
    let rows = world.amount(20_000, 1_000);
    let runs = world.amount(50, 8);
    one(world, "PostgreSQL", false, rows, runs, check);
    // psqlODBC takes several times as long for each row.
    one(world, "psqlODBC", true, rows / 10, runs, check);
}

fn one(world: &World, what: &str, odbc: bool, rows: i64, runs: usize, check: &mut Check) {
    let name = world.database("bulk");
    let mut bare = world.bare(&name);
    bare.batch_execute(TABLE).unwrap();
    let proxy = Proxy::to(world.server().port());
    let build = if odbc { World::psql_odbc } else { World::postgres };
    let db = build(world, &name, proxy.port()).retry_attempts(1).build().unwrap();
    let mut chance = world.chance(9);
    // One whole load tells how many bytes there are to cut at, and warms up what keeps its memory.
    let before = proxy.counters().up.load(Ordering::SeqCst);
    assert_eq!(load(&db, rows, 0, Wrong::Cut).unwrap(), rows as u64);
    let bytes = proxy.counters().up.load(Ordering::SeqCst) - before;
    bare.batch_execute("TRUNCATE load").unwrap();
    let (mut refused, mut kept, mut memory) = (0, 0, 0);
    for run in 0..runs {
        let wrong = KINDS[run % KINDS.len()];
        let bad = chance.i64(2..=rows);
        if wrong == Wrong::Cut {
            db.execute_query("SELECT 1", ()).unwrap();
            // Not within the last message, which is the commit: that end is another test's.
            proxy.limit(
                Way::Up,
                chance.u64(..bytes * 9 / 10),
                if run % 8 == 3 { End::Fin } else { End::Reset },
            );
        } else {
            check.injected(1);
        }
        let (outcome, grew) = growth_during(|| load(&db, rows, bad, wrong));
        memory = memory.max(grew);
        refused += usize::from(outcome.is_err());
        if let Err(error) = &outcome {
            judge(what, error, bad, wrong, check);
        }
        kept += bare.query_one("SELECT count(*) FROM load", &[]).unwrap().try_get::<_, i64>(0).unwrap();
        bare.batch_execute("TRUNCATE load").unwrap();
        proxy.heal();
    }
    check.injected(proxy.injected());
    check.equal(&format!("{what}: loads that were refused"), refused, runs);
    check.equal(&format!("{what}: rows kept of refused loads"), kept, 0);
    check.at_most(&format!("{what}: MiB of growth"), memory >> 20, 63);
    check.tell(format!(
        "{what} by execute_many, {rows} rows: {refused}/{runs} refused, {kept} rows kept, {} MiB",
        memory >> 20
    ));
    db.shutdown();
}

/// The error says what was wrong, and names the record.
fn judge(what: &str, error: &Error, bad: i64, wrong: Wrong, check: &mut Check) {
    let kind = match wrong {
        Wrong::Duplicate | Wrong::Null => error.kind() == ErrorKind::Constraint,
        Wrong::TooLong => error.kind() == ErrorKind::Data,
        // The transaction was not to be committed yet: nothing can have remained.
        Wrong::Cut => error.is_transient(),
    };
    let text = error.report();
    let named = wrong == Wrong::Cut || text.contains(&format!("record {bad}"));
    check.expect(kind && named, || format!("{what}: {wrong:?} in record {bad} gave {} {text}", error.kind()));
}

/// Rows one by one, each for itself, and all of them again when the connection was cut: a half is kept, or it is
/// there twice.
pub(crate) fn red(world: &World, check: &mut Check) {
    let rows = world.amount(2_000, 300);
    let runs = world.amount(10, 3);
    let name = world.database("bulk_red");
    let proxy = Proxy::to(world.server().port());
    let mut bare = world.bare(&name);
    let mut chance = world.chance(90);
    let mut violated = 0;
    for _ in 0..runs {
        bare.batch_execute("TRUNCATE ledger").unwrap();
        proxy.limit(Way::Up, chance.u64(1_000..rows as u64 * 30), End::Reset);
        let attempt = || -> Result<(), postgres::Error> {
            let mut client = world.bare_through(&name, proxy.port());
            let insert = client.prepare("INSERT INTO ledger (id, part) VALUES ($1, 0)")?;
            (0..rows).try_for_each(|id: i64| client.execute(&insert, &[&id]).map(drop))
        };
        while attempt().is_err() {}
        let found: i64 = bare.query_one("SELECT count(*) FROM ledger", &[]).unwrap().try_get(0).unwrap();
        violated += u64::from(found != rows);
    }
    check.injected(proxy.injected());
    check.tell(format!("{violated}/{runs} loads with rows that are there twice"));
    check.violated(violated);
}
