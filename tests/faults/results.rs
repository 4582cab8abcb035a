//! T8: a result that is cut short is never given as a whole one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use batchdb::{DatabaseManager, Error, Result, Row};

use crate::check::Check;
use crate::proxy::{End, Proxy, Way};
use crate::tds::{Answer, Server, Then};
use crate::world::{self, World};

const ROWS: i64 = 10_000;
/// The sum of 1 to `ROWS`.
const SUM: i64 = ROWS * (ROWS + 1) / 2;

/// How a result is read.
#[derive(Debug, Clone, Copy)]
enum How {
    Collected,
    OneByOne,
}

/// Reads a result of two columns, of which the first is summed up; returns how many rows came, and the sum.
fn read(db: &DatabaseManager, sql: &str, how: How) -> Result<(i64, i64)> {
    let add = |(count, sum): (i64, i64), row: &Row| Ok::<_, Error>((count + 1, sum + row.get::<i64>(0)?));
    match how {
        How::Collected => db.execute_query(sql, ())?.iter().try_fold((0, 0), add),
        How::OneByOne => {
            let mut found = (0, 0);
            db.query_each(sql, (), |row| {
                found = add(found, &row)?;
                Ok::<_, Error>(true)
            })?;
            Ok(found)
        }
    }
}

/// What came of results that may have been cut.
#[derive(Default)]
struct Tally {
    whole: u64,
    refused: u64,
    short: u64,
}

impl Tally {
    fn take(&mut self, outcome: &Result<(i64, i64)>, wanted: (i64, i64)) {
        match outcome {
            Ok(found) if *found == wanted => self.whole += 1,
            Ok(_) => self.short += 1,
            Err(_) => self.refused += 1,
        }
    }

    fn tell(&self, what: &str, check: &mut Check) {
        check.equal(&format!("{what}: short results given as whole ones"), self.short, 0);
        check.tell(format!("{what} {} errors, {} whole, {} short", self.refused, self.whole, self.short));
    }
}

pub(crate) fn run(world: &World, check: &mut Check) {
    let name = world.database("results");
    let cut = "SELECT n, md5(n::text) AS filler FROM generate_series(1::bigint, 10000) AS n";
    for (what, odbc, times) in
        [("PostgreSQL", false, world.amount(350, 25)), ("psqlODBC", true, world.amount(150, 15))]
    {
        let proxy = Proxy::to(world.server().port());
        let build = if odbc { World::psql_odbc } else { World::postgres };
        let db = build(world, &name, proxy.port()).timeout(Duration::from_secs(10)).build().unwrap();
        let brief = build(world, &name, proxy.port()).timeout(Duration::from_millis(300)).build().unwrap();
        cut_anywhere(world, &db, &brief, &proxy, cut, (what, times), check);
        fails_anywhere(world, &db, (what, times / 10), check);
    }
    free_tds(world, check);
}

/// The connection ends at a random byte of the result: closed, reset, or silent.
fn cut_anywhere(
    world: &World,
    db: &DatabaseManager,
    brief: &DatabaseManager,
    proxy: &Proxy,
    sql: &str,
    (what, times): (&str, u64),
    check: &mut Check,
) {
    let mut chance = world.chance(8);
    let mut tally = Tally::default();
    // How many bytes the whole takes, on a connection that is used like those that follow.
    db.execute_query("SELECT 1", ()).unwrap();
    let before = proxy.counters().down.load(Ordering::SeqCst);
    assert_eq!(read(db, sql, How::Collected).unwrap(), (ROWS, SUM));
    let size = proxy.counters().down.load(Ordering::SeqCst) - before;
    let mut armed = 0;
    for number in 0..times {
        let (db, end) = match number % 10 {
            0 => (brief, End::Silence),
            odd if odd % 2 == 1 => (db, End::Fin),
            _ => (db, End::Reset),
        };
        db.execute_query("SELECT 1", ()).unwrap();
        // One in twenty comes just behind the end, and must not disturb.
        let offset = chance.u64(0..size + size / 20);
        proxy.limit(Way::Down, offset, end);
        armed += u64::from(offset + 64 < size);
        let how = if chance.bool() { How::Collected } else { How::OneByOne };
        tally.take(&read(db, sql, how), (ROWS, SUM));
        proxy.heal();
    }
    check.injected(proxy.injected());
    check.expect(tally.refused >= armed, || {
        format!("{what}: {armed} results were cut and only {} refused", tally.refused)
    });
    tally.tell(what, check);
}

/// The server itself fails at a random row.
fn fails_anywhere(world: &World, db: &DatabaseManager, (what, times): (&str, u64), check: &mut Check) {
    let mut chance = world.chance(80);
    let mut refused = 0;
    for _ in 0..times {
        let bad = chance.i64(1..=ROWS);
        let sql =
            format!("SELECT n, 1 / (n - {bad}) AS inverse FROM generate_series(1::bigint, {ROWS}) AS n");
        let how = if chance.bool() { How::Collected } else { How::OneByOne };
        let error = read(db, &sql, how).err();
        let is_division = error.as_ref().and_then(Error::sqlstate) == Some("22012");
        check.expect(is_division, || format!("{what}: a division by zero at row {bad} gave {error:?}"));
        refused += u64::from(error.is_some());
    }
    check.injected(times);
    check.equal(&format!("{what}: failures of the server that were told"), refused, times);
}

const KINDS: [&str; 4] =
    ["rows and an error", "rows and the end", "rows and silence", "a count and an error"];

/// FreeTDS makes a success of rows that are followed by an error, and hides errors behind counts.
fn free_tds(world: &World, check: &mut Check) {
    let server = faulty();
    let db = world::tds(server.port()).timeout(Duration::from_millis(500)).build().unwrap();
    let mut chance = world.chance(81);
    let mut tally = Tally::default();
    let times = world.amount(25, 5);
    for (kind, what) in KINDS.iter().enumerate() {
        // Silence costs a thread of the driver for some seconds.
        let times = if kind == 2 { times.min(10) } else { times };
        for _ in 0..times {
            let rows = chance.i32(0..3000);
            let sql = format!("SELECT kind {kind} ROWS {rows} END");
            let outcome = match kind {
                3 => db.execute("UPDATE kind 3 ROWS 0 END", ()).map(|_| (0, 0)),
                _ => read(&db, &sql, if chance.bool() { How::Collected } else { How::OneByOne }),
            };
            check.injected(1);
            check.expect(outcome.is_err(), || {
                format!("FreeTDS, {what}: {rows} rows were taken for the whole")
            });
            tally.take(&outcome, (-1, -1));
        }
    }
    let whole = read(&db, "SELECT kind 9 ROWS 2500 END", How::Collected).unwrap();
    check.equal("FreeTDS: rows of a whole result", whole.0, 2500);
    tally.tell("FreeTDS", check);
}

/// A server that fails in the way that the statement names, behind so many rows.
fn faulty() -> Server {
    Server::start(|text| {
        let number =
            |before: &str| -> Option<i32> { text.split_once(before)?.1.split(' ').next()?.parse().ok() };
        let (Some(kind), Some(rows)) = (number("kind "), number("ROWS ")) else {
            return Answer::nothing(Then::Done);
        };
        match kind {
            0 => Answer::rows(rows, Then::Fail(8134)),
            1 => Answer::rows(rows, Then::HangUp),
            2 => Answer::rows(rows, Then::FallSilent),
            3 => Answer::changed(3, Then::Fail(50000)),
            _ => Answer::rows(rows, Then::Done),
        }
    })
}

/// odbc-api's block cursor on FreeTDS: rows that an error cut short look like all there are.
pub(crate) fn red(world: &World, check: &mut Check) {
    use odbc_api::buffers::{BufferDesc, ColumnarDynBuffer};
    use odbc_api::{ConnectionOptions, Cursor};
    let server = faulty();
    let text = format!(
        "Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2;TDS_Version=7.4;Encryption=off",
        server.port()
    );
    let mut chance = world.chance(82);
    let mut short = 0;
    let times = world.amount(25, 5);
    for _ in 0..times {
        let options = ConnectionOptions::default();
        let connection =
            odbc_api::environment().unwrap().connect_with_connection_string(&text, options).unwrap();
        let sql = format!("SELECT kind 0 ROWS {} END", chance.i32(1..3000));
        let read = || -> Result<(), odbc_api::Error> {
            let Some(cursor) = connection.execute(&sql, (), None)? else { return Ok(()) };
            let buffer = ColumnarDynBuffer::from_descs(100, [BufferDesc::I32 { nullable: true }]);
            let mut cursor = cursor.bind_buffer(buffer)?;
            while cursor.fetch()?.is_some() {}
            Ok(())
        };
        check.injected(1);
        short += u64::from(read().is_ok());
    }
    check.tell(format!("{short}/{times} short results given as whole ones"));
    check.violated(short);
}
