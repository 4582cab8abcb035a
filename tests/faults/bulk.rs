//! T9: a bulk load is all or nothing, whatever is wrong with one of its rows or with the network.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use batchdb::{BulkFailure, BulkOptions, DatabaseManager, ErrorKind, params};

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

/// By which call the rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Many,
    Insert,
    /// As `Insert`, each chunk committed by itself.
    Chunks,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Call::Many => "execute_many",
            Call::Insert => "bulk_insert",
            Call::Chunks => "bulk_insert in chunks",
        }
    }

    /// How many rows may have been taken behind the bad one when it is told.
    fn chunk(self, rows: i64) -> i64 {
        match self {
            Call::Chunks => (rows / 10).max(1),
            Call::Many | Call::Insert => 20_000,
        }
    }
}

fn row(id: i64, bad: i64, wrong: Wrong) -> (i64, Option<String>) {
    match wrong {
        Wrong::Duplicate if id == bad => (1, Some("again".to_owned())),
        Wrong::Null if id == bad => (id, None),
        Wrong::TooLong if id == bad => (id, Some("x".repeat(21))),
        _ => (id, Some(format!("row {id}"))),
    }
}

/// One load, and how many rows it has taken.
fn load(
    db: &DatabaseManager,
    call: Call,
    rows: i64,
    bad: i64,
    wrong: Wrong,
) -> (Result<u64, BulkFailure>, i64) {
    let taken = Cell::new(0);
    let source = (1..=rows).map(|id| {
        taken.set(id);
        row(id, bad, wrong)
    });
    let options = BulkOptions::new();
    let outcome = match call {
        Call::Many => {
            let records = source.map(|(id, name)| params! { id: id, name: name });
            let many = db.execute_many("INSERT INTO load (id, name) VALUES (:id, :name)", records);
            many.map_err(BulkFailure::from)
        }
        Call::Insert => db.bulk_insert("load", &["id", "name"], source).map_err(BulkFailure::from),
        Call::Chunks => {
            let options = options.commit_chunks().chunk_rows(call.chunk(rows) as u64);
            db.bulk_insert_with("load", &["id", "name"], source, options).map(|report| report.rows)
        }
    };
    (outcome, taken.get())
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
    let runs = world.amount(50, 8);
    for (call, rows) in [
        (Call::Many, world.amount(20_000, 1_000)),
        (Call::Insert, world.amount(100_000, 5_000)),
        (Call::Chunks, world.amount(100_000, 5_000)),
    ] {
        one(world, "PostgreSQL", call, rows, runs, check);
        // psqlODBC takes several times as long for each row.
        one(world, "psqlODBC", call, rows / 10, runs, check);
    }
}

fn one(world: &World, database: &str, call: Call, rows: i64, runs: usize, check: &mut Check) {
    let what = &format!("{database} by {}", call.name());
    let name = world.database("bulk");
    let mut bare = world.bare(&name);
    bare.batch_execute(TABLE).unwrap();
    let proxy = Proxy::to(world.server().port());
    let build = if database == "psqlODBC" { World::psql_odbc } else { World::postgres };
    let db = build(world, &name, proxy.port()).retry_attempts(1).build().unwrap();
    let mut chance = world.chance(9);
    // One whole load tells how many bytes there are to cut at, and warms up what keeps its memory.
    let before = proxy.counters().up.load(Ordering::SeqCst);
    assert_eq!(load(&db, call, rows, 0, Wrong::Cut).0.unwrap(), rows as u64);
    let bytes = proxy.counters().up.load(Ordering::SeqCst) - before;
    bare.batch_execute("TRUNCATE load").unwrap();
    let (mut refused, mut untold, mut memory) = (0, 0, 0);
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
        let ((outcome, taken), grew) = growth_during(|| load(&db, call, rows, bad, wrong));
        memory = memory.max(grew);
        refused += usize::from(outcome.is_err());
        let kept = bare.query_one("SELECT count(*) FROM load", &[]).unwrap().try_get::<_, i64>(0).unwrap();
        if let Err(failure) = &outcome {
            judge(what, call, failure, bad, wrong, check);
            // All or nothing; chunk by chunk, what the failure says, to the row.
            let (stay, doubt) = (failure.report.rows as i64, failure.in_doubt as i64);
            untold += i64::from(kept != stay && kept != stay + doubt);
            let late = wrong != Wrong::Cut && taken > bad + call.chunk(rows);
            check.expect(!late, || format!("{what}: record {bad} was told when {taken} were taken"));
        }
        bare.batch_execute("TRUNCATE load").unwrap();
        proxy.heal();
    }
    check.injected(proxy.injected());
    check.equal(&format!("{what}: loads that were refused"), refused, runs);
    check.equal(&format!("{what}: refused loads that left other rows than they say"), untold, 0);
    check.at_most(&format!("{what}: MiB of growth"), memory >> 20, 63);
    check.tell(format!(
        "{what}, {rows} rows: {refused}/{runs} refused, {untold} left what they do not say, {} MiB",
        memory >> 20
    ));
    db.shutdown();
}

/// The error says what was wrong, and names the record.
fn judge(what: &str, call: Call, failure: &BulkFailure, bad: i64, wrong: Wrong, check: &mut Check) {
    let (error, stayed) = (&failure.error, failure.report.rows);
    let kind = match wrong {
        Wrong::Duplicate | Wrong::Null => error.kind() == ErrorKind::Constraint,
        Wrong::TooLong => error.kind() == ErrorKind::Data,
        // The transaction was not to be committed yet, so that nothing can have remained; or that of a chunk was.
        Wrong::Cut => {
            let committing = call == Call::Chunks && error.kind() == ErrorKind::OutcomeUnknown;
            // What stays would be there twice, if the load were simply made again.
            let cut = error.kind() == ErrorKind::Connect && error.is_transient() == (stayed == 0);
            cut || committing
        }
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
