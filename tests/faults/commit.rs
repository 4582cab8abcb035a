//! T5: the answer to a COMMIT is lost, before or after the server has seen it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use batchdb::{DatabaseManager, Error, ErrorKind, Result, RetryPolicy, TransactionOptions, params};

use crate::check::Check;
use crate::proxy::{End, Moment, Proxy, contains, contains_wide};
use crate::tds::{Answer, Server, Then};
use crate::world::{self, World};

/// What became of one kind of commits.
#[derive(Default)]
struct Tally {
    unknown: u64,
    ok: u64,
    other: Vec<String>,
}

impl Tally {
    fn take(&mut self, outcome: &Result<()>) {
        match outcome {
            Ok(()) => self.ok += 1,
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown && !error.is_transient() => {
                self.unknown += 1
            }
            Err(error) => self.other.push(format!("{} {}", error.kind(), error.report())),
        }
    }

    fn judge(self, what: &str, wanted: u64, check: &mut Check) {
        check.equal(&format!("{what}: outcome unknown"), self.unknown, wanted);
        check.equal(&format!("{what}: Ok"), self.ok, 0);
        check.expect(self.other.is_empty(), || format!("{what}: {}", self.other[0]));
    }
}

const MOMENTS: [Moment; 2] = [Moment::Before, Moment::BeforeReply];

/// One commit in so many that end one or the other way; ids count from 0.
fn cases(each: u64) -> impl Iterator<Item = (i64, Moment, End)> {
    let all = MOMENTS.into_iter().flat_map(move |moment| (0..each).map(move |number| (moment, number)));
    (0_i64..)
        .zip(all)
        .map(|(id, (moment, number))| (id, moment, if number % 2 == 0 { End::Fin } else { End::Reset }))
}

fn commit_one(db: &DatabaseManager, id: i64) -> Result<()> {
    db.transaction(|tx| {
        tx.execute("INSERT INTO ledger (id, part) VALUES (:id, 0)", params! { id: id })?;
        Ok::<_, Error>(())
    })
}

pub(crate) fn run(world: &World, check: &mut Check) {
    postgres(world, check);
    psql_odbc(world, check);
    free_tds(world, check);
}

fn postgres(world: &World, check: &mut Check) {
    let each = world.amount(100, 10);
    let name = world.database("commit");
    let proxy = Proxy::to(world.server().port());
    let db = world.postgres(&name, proxy.port()).build().unwrap();
    let mut tally = Tally::default();
    for (id, moment, end) in cases(each) {
        proxy.when(contains("COMMIT"), moment, end, 1);
        tally.take(&commit_one(&db, id));
    }
    let injected = proxy.injected();
    check.injected(injected);
    check.equal("every commit was hit", injected, 2 * each);
    let unknown = tally.unknown;
    tally.judge("PostgreSQL", 2 * each, check);
    let unsettled = judge_ledger(&world.ledger(&name), each, check);
    let (settled, duplicates) = settle(world, each, check);
    check.tell(format!(
        "{unknown}/{} unknown, {settled}/{} settled right, {} duplicates",
        2 * each,
        2 * each,
        unsettled + duplicates
    ));
}

/// The same commits are looked up by the library: done is `Ok`, and undone is an error that may be tried again.
fn settle(world: &World, each: u64, check: &mut Check) -> (u64, usize) {
    let name = world.database("settle");
    let proxy = Proxy::to(world.server().port());
    let db = world.postgres(&name, proxy.port()).build().unwrap().with_retry(RetryPolicy::never());
    let mut settled = 0;
    for (id, moment, end) in cases(each) {
        proxy.when(contains("COMMIT"), moment, end, 1);
        let outcome = db.transaction_with(TransactionOptions::new().settle_commit(), |tx| {
            tx.execute("INSERT INTO ledger (id, part) VALUES (:id, 0)", params! { id: id }).map(drop)
        });
        let right = match moment {
            Moment::Before => outcome.as_ref().is_err_and(Error::is_transient),
            Moment::BeforeReply => outcome.is_ok(),
        };
        check.expect(right, || format!("commit {id}, cut {moment:?}, was settled as {outcome:?}"));
        settled += u64::from(right);
    }
    check.injected(proxy.injected());
    (settled, judge_ledger(&world.ledger(&name), each, check))
}

/// The second half of the ids is there, once each. Returns how many are there more than once.
fn judge_ledger(ledger: &[(i64, i64)], each: u64, check: &mut Check) -> usize {
    let ledger: BTreeMap<i64, i64> = ledger.iter().copied().collect();
    for (id, moment, _) in cases(each) {
        let wanted = i64::from(moment == Moment::BeforeReply);
        let found = ledger.get(&id).copied().unwrap_or_default();
        check.expect(found == wanted, || format!("row {id} is there {found} times, not {wanted}"));
    }
    ledger.values().filter(|times| **times > 1).count()
}

/// psqlODBC calls a commit done after its server was lost.
fn psql_odbc(world: &World, check: &mut Check) {
    let each = world.amount(50, 5);
    let name = world.database("commit_odbc");
    let proxy = Proxy::to(world.server().port());
    let db = world.psql_odbc(&name, proxy.port()).build().unwrap();
    let mut tally = Tally::default();
    for (id, moment, end) in cases(each) {
        proxy.when(contains("COMMIT"), moment, end, 1);
        tally.take(&commit_one(&db, id));
    }
    check.injected(proxy.injected());
    check.tell(format!("psqlODBC {}/{} unknown", tally.unknown, 2 * each));
    tally.judge("psqlODBC", 2 * each, check);
    judge_ledger(&world.ledger(&name), each, check);
}

/// The scripted server keeps a ledger of the commits that reached it.
fn free_tds(world: &World, check: &mut Check) {
    let each = world.amount(50, 5);
    let commits = Arc::new(Mutex::new(0_u64));
    let counted = Arc::clone(&commits);
    let server = Server::start(move |text| {
        if text.contains("COMMIT TRANSACTION") {
            *counted.lock().unwrap() += 1;
        }
        if text.contains("INSERT INTO") {
            Answer::changed(1, Then::Done)
        } else {
            Answer::nothing(Then::Done)
        }
    });
    let proxy = Proxy::to(server.port());
    let db = world::tds(proxy.port()).build().unwrap();
    let mut tally = Tally::default();
    for (id, moment, end) in cases(each) {
        proxy.when(contains_wide("COMMIT TRANSACTION"), moment, end, 1);
        tally.take(&commit_one(&db, id));
    }
    check.injected(proxy.injected());
    check.tell(format!("FreeTDS {}/{} unknown", tally.unknown, 2 * each));
    tally.judge("FreeTDS", 2 * each, check);
    check.equal("commits that reached the TDS server", *commits.lock().unwrap(), each);
}

/// The bare driver, and a retry of whatever failed: what was committed is done again.
pub(crate) fn red(world: &World, check: &mut Check) {
    let each = world.amount(100, 10);
    let name = world.database("commit_red");
    let proxy = Proxy::to(world.server().port());
    for (id, moment, end) in cases(each) {
        proxy.when(contains("COMMIT"), moment, end, 1);
        let attempt = || -> Result<(), postgres::Error> {
            let mut client = world.bare_through(&name, proxy.port());
            let mut transaction = client.transaction()?;
            transaction.execute("INSERT INTO ledger (id, part) VALUES ($1, 0)", &[&id])?;
            transaction.commit()
        };
        while attempt().is_err() {}
    }
    check.injected(proxy.injected());
    let duplicates = world.ledger(&name).iter().filter(|(_, times)| *times > 1).count() as u64;
    check.tell(format!("{duplicates} duplicates"));
    check.violated(duplicates);
}
