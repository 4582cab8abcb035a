//! `batchdb bench`: how fast a database answers from here.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use batchdb::{DatabaseManager, Dialect, Error, MigrateOnStart, Session, params};
use clap::Args;
use serde::Serialize;

use super::options::Options;
use super::progress::Progress;
use super::show::{self, Out};
use super::{Failure, code, stoppable};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb bench rpa_db                          a minute, one thread
  batchdb bench rpa_db --for 20s --threads 8
  batchdb bench rpa_db --json

What a temporary table does not show: the server need not write its rows to the disk before a commit returns, which is
most of what a commit into a real table takes. A database that is READ_ONLY is asked for constants, and not written to.";

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The database
    #[arg(value_name = "DB")]
    database: String,
    /// How long in all
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = show::time)]
    limit: Duration,
    /// How many threads, each with a connection and a temporary table of its own
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    threads: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The rows of the table that queries look for.
const ROWS: i64 = 1000;

/// What is not counted at the beginning of each half.
const WARM_UP: Duration = Duration::from_secs(1);

/// The temporary table, by the database's own name for it, which can be nobody else's.
struct Table {
    name: &'static str,
    create: &'static str,
}

fn table(dialect: Dialect) -> Option<Table> {
    Some(match dialect {
        Dialect::Postgres => Table {
            name: "pg_temp.batchdb_bench",
            create: "CREATE TEMPORARY TABLE batchdb_bench (id bigint PRIMARY KEY, name text NOT NULL)",
        },
        Dialect::SqlServer => Table {
            name: "#batchdb_bench",
            create: "CREATE TABLE #batchdb_bench (id bigint PRIMARY KEY, name nvarchar(100) NOT NULL)",
        },
        Dialect::Sqlite => Table {
            name: "temp.batchdb_bench",
            create: "CREATE TEMPORARY TABLE batchdb_bench (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL)",
        },
        _ => return None,
    })
}

/// What was measured of one kind of call.
#[derive(Debug, Serialize)]
struct Measured {
    operation: &'static str,
    calls: usize,
    per_second: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    database: String,
    threads: u32,
    measured: Vec<Measured>,
}

pub(crate) fn run(options: &Options, bench: &Bench, out: Out<'_>) -> Result<u8, Failure> {
    let builder = options.builder(&bench.database).migrate_on_start(MigrateOnStart::Off);
    let db = builder.pool_size(bench.threads).build()?;
    let is_read_only = db.settings().is_read_only();
    let Some(table) = table(db.settings().dialect()) else {
        return Err(Failure::Usage(format!(
            "bench knows the temporary tables of PostgreSQL, SQL Server and SQLite, and {} is none of them",
            bench.database
        )));
    };
    let half = bench.limit / if is_read_only { 1 } else { 2 };
    let progress = Progress::new("measured", None);
    progress.now(&format!("point queries for {half:?}"));
    let mut measured = vec![Measured::of(
        "point query",
        side_by_side(&db, bench, |session, number| {
            if is_read_only {
                return measure(half, number, |id| {
                    session.query_one("SELECT :id AS id", params! { id: id }).map(drop)
                });
            }
            prepare(session, &table)?;
            let sql = format!("SELECT name FROM {} WHERE id = :id", table.name);
            measure(half, number, |id| session.query_one(&sql, params! { id: id % ROWS }).map(drop))
        })?,
    )];
    if !is_read_only {
        progress.now(&format!("inserts for {half:?}"));
        let inserts = side_by_side(&db, bench, |session, number| {
            prepare(session, &table)?;
            let sql = format!("INSERT INTO {} (id, name) VALUES (:id, :name)", table.name);
            let mut next = ROWS;
            measure(half, number, |_| {
                next += 1;
                session.execute(&sql, params! { id: next, name: "a row like many others" }).map(drop)
            })
        })?;
        measured.push(Measured::of("insert", inserts));
    }
    drop(progress);
    let report = Report { database: bench.database.clone(), threads: bench.threads, measured };
    match bench.json {
        true => show::json(out, &report)?,
        false => print(out, &report)?,
    }
    Ok(code::DONE)
}

/// The times of all threads' calls, and the time that they were counted in.
type Times = (Vec<Duration>, Duration);

fn side_by_side(
    db: &DatabaseManager,
    bench: &Bench,
    work: impl Fn(&mut Session<'_>, u32) -> Result<Times, Error> + Sync,
) -> Result<Times, Error> {
    let work = &work;
    let outcomes: Vec<Result<Times, Error>> = thread::scope(|scope| {
        let start = |number| scope.spawn(move || stoppable(|| db.session(|session| work(session, number))));
        let threads: Vec<_> = (0..bench.threads).map(start).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let (mut all, mut longest) = (Vec::new(), Duration::ZERO);
    for outcome in outcomes {
        let (times, counted) = outcome?;
        all.extend(times);
        longest = longest.max(counted);
    }
    Ok((all, longest))
}

fn prepare(session: &mut Session<'_>, table: &Table) -> Result<(), Error> {
    session.execute(table.create, ())?;
    let sql = format!("INSERT INTO {} (id, name) VALUES (:id, :name)", table.name);
    let rows = (0..ROWS).map(|id| params! { id: id, name: format!("row {id}") });
    session.execute_many(&sql, rows).map(drop)
}

/// Makes calls for so long, and times those behind the warm-up. The numbers that they are given run over all rows in an
/// order without pattern.
fn measure(
    limit: Duration,
    seed: u32,
    mut call: impl FnMut(i64) -> Result<(), Error>,
) -> Result<Times, Error> {
    let warm_until = Instant::now() + WARM_UP.min(limit / 10);
    let (mut times, mut number) = (Vec::new(), u64::from(seed));
    let mut counted_from = None;
    let end = Instant::now() + limit;
    loop {
        // Knuth's multiplier for numbers of 64 bits.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let began = Instant::now();
        if began >= end {
            let counted = counted_from.map_or(Duration::ZERO, |from: Instant| began - from);
            return Ok((times, counted));
        }
        call(i64::try_from(number >> 33).unwrap_or_default())?;
        if began >= warm_until {
            counted_from.get_or_insert(began);
            times.push(began.elapsed());
        }
    }
}

impl Measured {
    #[allow(clippy::cast_precision_loss, reason = "a rate is told in four digits")]
    fn of(operation: &'static str, (mut times, counted): Times) -> Measured {
        times.sort_unstable();
        let ms = |place: usize| times.get(place).map_or(0.0, |time| (time.as_secs_f64() * 1e6).round() / 1e3);
        // The smallest time that so many of a hundred calls did not exceed.
        let percentile = |part: usize| ms((times.len() * part).div_ceil(100).saturating_sub(1));
        let per_second = match counted.is_zero() {
            true => 0.0,
            false => (times.len() as f64 / counted.as_secs_f64() * 10.0).round() / 10.0,
        };
        Measured {
            operation,
            calls: times.len(),
            per_second,
            p50_ms: percentile(50),
            p95_ms: percentile(95),
            p99_ms: percentile(99),
            max_ms: ms(times.len().saturating_sub(1)),
        }
    }
}

fn print(out: Out<'_>, report: &Report) -> io::Result<()> {
    writeln!(out, "{}: {}", report.database, show::counted(u64::from(report.threads), "thread"))?;
    let mut table = show::table(["operation", "calls", "per second", "p50 ms", "p95 ms", "p99 ms", "max ms"]);
    for measured in &report.measured {
        table.add_row([
            measured.operation.to_owned(),
            measured.calls.to_string(),
            format!("{:.0}", measured.per_second),
            format!("{:.3}", measured.p50_ms),
            format!("{:.3}", measured.p95_ms),
            format!("{:.3}", measured.p99_ms),
            format!("{:.3}", measured.max_ms),
        ]);
    }
    writeln!(out, "{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let measured = Measured::of("x", (times, Duration::from_secs(2)));
        assert_eq!((measured.calls, measured.per_second), (200, 100.0));
        assert_eq!(
            [measured.p50_ms, measured.p95_ms, measured.p99_ms, measured.max_ms],
            [100.0, 190.0, 198.0, 200.0]
        );
        let none = Measured::of("x", (Vec::new(), Duration::ZERO));
        assert_eq!((none.calls, none.per_second, none.p99_ms), (0, 0.0, 0.0));
    }
}
