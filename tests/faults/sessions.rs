//! T10: whatever a borrower leaves in its session, the next one does not find.

use std::panic::{AssertUnwindSafe, catch_unwind};

use batchdb::{DatabaseManager, Error, Result, Session};

use crate::check::Check;
use crate::proxy::Proxy;
use crate::world::World;

/// A way to leave traces.
type Mess = fn(&mut Session<'_>) -> Result<()>;

fn run_all(session: &mut Session<'_>, texts: &[&str]) -> Result<()> {
    texts.iter().try_for_each(|text| session.execute(text, ()).map(drop))
}

/// What borrowers leave behind, each with its name.
const MESSES: &[(&str, Mess)] = &[
    ("settings", |s| run_all(s, &["SET work_mem = '9MB'", "SET statement_timeout = 12345"])),
    ("search path", |s| run_all(s, &["SET search_path = pg_catalog"])),
    ("temporary table", |s| run_all(s, &["CREATE TEMP TABLE left_behind AS SELECT 1 AS n"])),
    ("listen", |s| run_all(s, &["LISTEN news"])),
    ("advisory lock", |s| s.execute_query("SELECT pg_advisory_lock(4711)", ()).map(drop)),
    ("prepared name", |s| run_all(s, &["PREPARE left_behind AS SELECT 1"])),
    ("isolation level", |s| {
        run_all(s, &["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"])
    }),
    ("role", |s| run_all(s, &["SET ROLE left_behind"])),
    ("sequence", |s| s.execute_query("SELECT nextval('counter')", ()).map(drop)),
    ("half-read result", |s| {
        s.query_each("SELECT generate_series(1, 100000)", (), |_| Ok::<_, Error>(false)).map(drop)
    }),
    ("failed transaction", |s| {
        let failed = s.transaction(|tx| tx.execute("SELECT 1 / 0", ()));
        failed.map(drop).or(Ok(()))
    }),
    ("panic in a transaction", |s| {
        let work = || {
            s.transaction(|tx| -> Result<()> {
                tx.execute("INSERT INTO ledger (id, part) VALUES (-1, 0)", ())?;
                tx.execute("SET LOCAL work_mem = '8MB'", ())?;
                std::panic::resume_unwind(Box::new("on purpose"))
            })
        };
        let panicked = catch_unwind(AssertUnwindSafe(work));
        assert!(panicked.is_err());
        Ok(())
    }),
];

/// Ten questions to a session, and what a pristine one answers.
const PROBES: &[(&str, &str)] = &[
    ("SELECT current_setting('work_mem')", "4MB"),
    ("SELECT current_setting('statement_timeout')", "0"),
    ("SELECT current_setting('search_path')", "\"$user\", public"),
    ("SELECT count(*)::text FROM pg_class WHERE relname = 'left_behind'", "0"),
    ("SELECT count(*)::text FROM pg_listening_channels()", "0"),
    ("SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "0"),
    ("SELECT count(*)::text FROM pg_prepared_statements WHERE from_sql", "0"),
    ("SELECT current_setting('default_transaction_isolation')", "read committed"),
    ("SELECT current_user::text", "postgres"),
    ("SELECT (pg_current_xact_id_if_assigned() IS NULL)::text", "true"),
];

/// Asks all, and returns how many answers were right.
fn probe(db: &DatabaseManager, after: &str, check: &mut Check) -> u64 {
    let right = db.session(|session| {
        let mut right = 0;
        for (question, wanted) in PROBES {
            let found: String = session.query_one(question, ())?.get(0)?;
            check.expect(found == *wanted, || format!("after {after}, `{question}` gave {found}"));
            right += u64::from(found == *wanted);
        }
        Ok::<_, Error>(right)
    });
    right.unwrap()
}

pub(crate) fn run(world: &World, check: &mut Check) {
    let borrows = world.amount(1000, 120);
    let name = world.database("sessions");
    let mut bare = world.bare(&name);
    bare.batch_execute(
        "CREATE ROLE left_behind; CREATE SEQUENCE counter; GRANT ALL ON SEQUENCE counter TO left_behind",
    )
    .unwrap();
    let db = world.postgres(&name, world.server().port()).pool_size(2).max_overflow(0).build().unwrap();
    let mut chance = world.chance(10);
    let mut right = 0;
    for _ in 0..borrows {
        let (what, mess) = MESSES[chance.usize(..MESSES.len())];
        let made = db.session(mess);
        check.expect(made.is_ok(), || format!("{what}: {:?}", made.as_ref().err()));
        right += probe(&db, what, check);
    }
    let asked = borrows * PROBES.len() as u64;
    check.equal("pristine answers", right, asked);
    let kept = world.ledger(&name).len();
    check.equal("rows of transactions that panicked", kept, 0);
    check.injected(borrows);
    check.tell(format!("{right}/{asked} pristine"));
    db.shutdown();
    round_trips(world, &name, check);
    bare.batch_execute("DROP OWNED BY left_behind; DROP ROLE left_behind").unwrap();
}

/// A clean return costs no round trip, a dirty one a single one.
fn round_trips(world: &World, name: &str, check: &mut Check) {
    let times = world.amount(200, 20);
    let proxy = Proxy::to(world.server().port());
    // Without prepared statements, which a cleaned session has lost and would prepare anew.
    let db =
        world.postgres(name, proxy.port()).statement_cache(0).pool_size(1).max_overflow(0).build().unwrap();
    let cost = |text: &str| {
        db.execute(text, ()).unwrap();
        let before = proxy.round_trips();
        for _ in 0..times {
            db.execute(text, ()).unwrap();
        }
        (proxy.round_trips() - before) as f64 / times as f64
    };
    let (clean, dirty) = (cost("SELECT 1"), cost("SET work_mem = '9MB'"));
    check.at_most("round trips of a clean call and its return", clean, 1.0);
    check.at_most("round trips of a dirty call and its return", dirty, 2.0);
    check.tell(format!("{clean:.2} round trips clean, {dirty:.2} dirty"));
}
