//! T11: several processes migrate at once, and one of them is killed at a random moment.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use batchdb::{DatabaseManager, ErrorKind, Repair};
use tempfile::TempDir;

use crate::check::Check;
use crate::world::{PgBouncer, World, eventually, manager};

/// So many processes at once.
const PROCESSES: usize = 8;
const FILES: usize = 20;
/// The file that fails until it is mended, and the one that runs without a transaction.
const BROKEN: usize = 15;
const CONCURRENT: usize = 10;
/// How soon the lock is free after its holder was killed.
const FREED: Duration = Duration::from_secs(5);

/// What a child process is told: where to migrate, and by which folder.
const WHERE: &str = "BATCHDB_FAULTS_MIGRATE";
const FOLDER: &str = "BATCHDB_FAULTS_FOLDER";

/// Runs the migrations, when this process was started for that.
pub(crate) fn child() -> Option<ExitCode> {
    let (place, folder) = (std::env::var(WHERE).ok()?, std::env::var(FOLDER).ok()?);
    let outcome = handle(&place, Path::new(&folder)).run_migrations();
    Some(match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    })
}

fn handle(place: &str, folder: &Path) -> DatabaseManager {
    manager("migrated", place.to_owned())
        .migrations_dir(folder)
        .migration_timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Sqlite,
}

/// One database with its files.
struct Round<'w> {
    world: &'w World,
    kind: Kind,
    place: String,
    /// The name on the server; empty for a file.
    database: String,
    folder: TempDir,
    db: DatabaseManager,
}

/// A pool keeps its connections for a minute, and the server has few.
impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.db.shutdown();
    }
}

impl Round<'_> {
    fn new(world: &World, kind: Kind) -> Round<'_> {
        let folder = tempfile::tempdir().unwrap();
        let (place, database) = match kind {
            Kind::Postgres => {
                let name = world.database("migrated");
                (world.url(&name, world.server().port()), name)
            }
            Kind::Sqlite => {
                (format!("Driver=SQLite3;Database={}/data.db", folder.path().display()), String::new())
            }
        };
        let db = handle(&place, folder.path());
        let round = Round { world, kind, place, database, folder, db };
        round.write(1, "CREATE TABLE applied (n int);\nINSERT INTO applied VALUES (1);");
        for number in 2..=FILES {
            round.write(number, &round.text(number));
        }
        let broken = format!("{}\nINSERT INTO nowhere VALUES (1);", round.text(BROKEN));
        round.write(BROKEN, &broken);
        round
    }

    /// What a file does: a row that nothing keeps from being there twice, in some time.
    fn text(&self, number: usize) -> String {
        let row = format!("INSERT INTO applied VALUES ({number});");
        match self.kind {
            Kind::Postgres if number == CONCURRENT => {
                "-- batchdb: no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON applied (n);"
                    .to_owned()
            }
            Kind::Postgres => format!("{row}\nSELECT pg_sleep(0.004);"),
            Kind::Sqlite => row,
        }
    }

    fn write(&self, number: usize, text: &str) {
        fs::write(self.folder.path().join(format!("V{number:03}__File.sql")), text).unwrap();
    }

    /// The numbers in the table, in the order in which they came.
    fn rows(&self) -> Vec<i64> {
        let Ok(rows) = self.db.execute_query("SELECT n FROM applied", ()) else { return Vec::new() };
        rows.iter().map(|row| row.get(0).unwrap()).collect()
    }

    /// The versions of the history in the order of their ranks, those that failed left out.
    fn history(&self) -> Vec<i64> {
        let sql = "SELECT version FROM schema_version WHERE success = :yes ORDER BY installed_rank";
        let yes = batchdb::params! { yes: true };
        let rows = self.db.execute_query(sql, yes).unwrap();
        rows.iter().map(|row| row.get::<String>(0).unwrap().parse().unwrap()).collect()
    }

    fn start(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .env(WHERE, &self.place)
            .env(FOLDER, self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts all processes and kills one after `moment`. What the others said who failed.
    fn crowd(&self, victim: usize, moment: Duration, check: &mut Check) -> Vec<String> {
        let mut children: Vec<Child> = (0..PROCESSES).map(|_| self.start()).collect();
        thread::sleep(moment);
        let killed = &mut children[victim];
        let was_running = killed.try_wait().unwrap().is_none();
        killed.kill().unwrap();
        if was_running {
            check.injected(1);
        }
        let mut said = Vec::new();
        for (number, child) in children.into_iter().enumerate() {
            let output = child.wait_with_output().unwrap();
            if number != victim && !output.status.success() {
                said.push(String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        said
    }

    /// Crowds until everything below `end` is applied. A killed file without a transaction is repaired in between.
    fn until(&self, end: usize, chance: &mut fastrand::Rng, longest: Duration, check: &mut Check) {
        for _ in 0..10 {
            let moment = longest.mul_f64(chance.f64());
            let said = self.crowd(chance.usize(..PROCESSES), moment, check);
            let half = self.kind == Kind::Postgres && self.repair();
            for text in &said {
                let is_broken =
                    end == BROKEN && text.contains(&format!("\"V{BROKEN:03}__File.sql\" failed at line"));
                let is_half = half && text.contains("did not come to its end");
                check.expect(is_broken || is_half, || format!("a runner said: {text}"));
            }
            if self.history().len() + 1 >= end {
                return;
            }
        }
        check.expect(false, || format!("not applied up to {end} after ten crowds"));
    }

    /// Has a file without a transaction that was killed run again. Whether there was one.
    fn repair(&self) -> bool {
        let report = self.db.migrations().repair(Repair::Forget, None).unwrap();
        !report.repaired.is_empty()
    }

    /// Everything below `end` is there, once and in order, and nothing else.
    fn expect(&self, end: usize, check: &mut Check) {
        let wanted: Vec<i64> = (1..end as i64).collect();
        let history = self.history();
        check.expect(history == wanted, || format!("the history is {history:?}"));
        let has_row = |number: &i64| self.kind == Kind::Sqlite || *number != CONCURRENT as i64;
        let wanted: Vec<i64> = wanted.into_iter().filter(has_row).collect();
        let rows = self.rows();
        check.expect(rows == wanted, || format!("the rows are {rows:?}"));
    }

    /// How long after a kill somebody holds the lock of the migrations.
    fn freed(&self) -> (bool, Duration) {
        let mut bare = self.world.bare("postgres");
        let sql = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                   WHERE l.locktype = 'advisory' AND d.datname = $1";
        eventually(FREED, || {
            bare.query_one(sql, &[&self.database]).unwrap().try_get::<_, i64>(0).unwrap() == 0
        })
    }
}

/// How many deadlocks the server has seen in the database of a round. What sessions have counted is there when they end.
fn deadlocks(world: &World, round: &Round<'_>) -> i64 {
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = $1";
    world.bare("postgres").query_one(sql, &[&round.database]).unwrap().try_get(0).unwrap()
}

pub(crate) fn run(world: &World, check: &mut Check) {
    let mut chance = world.chance(11);
    let rounds = world.amount(30, 1);
    let (mut slowest, mut crowds, mut deadlocked) = (Duration::ZERO, 0, 0);
    for kind in [Kind::Postgres, Kind::Sqlite] {
        for _ in 0..rounds {
            let round = Round::new(world, kind);
            // How long a run takes here, so that the kills fall into it.
            let started = Instant::now();
            round.until(BROKEN, &mut chance, Duration::from_millis(600), check);
            let longest = started.elapsed().min(Duration::from_secs(2));
            round.expect(BROKEN, check);
            if kind == Kind::Postgres {
                let mut holder = round.start();
                thread::sleep(Duration::from_millis(chance.u64(..60)));
                holder.kill().unwrap();
                holder.wait().unwrap();
                let (free, took) = round.freed();
                check.expect(free, || format!("the lock was held for {FREED:?} after a kill"));
                slowest = slowest.max(took);
            }
            round.write(BROKEN, &round.text(BROKEN));
            round.until(FILES + 1, &mut chance, longest, check);
            round.expect(FILES + 1, check);

            round.write(3, "INSERT INTO applied VALUES (33);");
            let error = round.db.run_migrations().unwrap_err();
            check.expect(error.to_string().contains("\"V003__File.sql\" was changed"), || error.to_string());
            round.expect(FILES + 1, check);
            crowds += 1;
            if kind == Kind::Postgres {
                deadlocked += deadlocks(world, &round);
            }
        }
    }
    check.expect(deadlocked == 0, || format!("the server saw {deadlocked} deadlocks"));
    check.tell(format!(
        "{crowds} rounds of {PROCESSES} processes, the lock free after {slowest:.0?} at most, {deadlocked} deadlocks"
    ));
    pooler(world, check);
}

/// Behind a pooler in transaction mode the lock would hold nothing.
fn pooler(world: &World, check: &mut Check) {
    for mode in ["transaction", "session"] {
        let round = Round::new(world, Kind::Postgres);
        round.write(BROKEN, &round.text(BROKEN));
        let pooler = PgBouncer::start(world.server(), mode, 5);
        let place = world.url(&round.database, pooler.port());
        let builder = || {
            let builder = manager("pooled", place.clone()).statement_cache(0);
            builder.migrations_dir(round.folder.path())
        };
        let db = builder().build().unwrap();
        // The pool of a single job has no place for a second connection.
        let single = builder().pool_size(1).max_overflow(0).build().unwrap();
        let undo = "DELETE FROM applied WHERE n = 20";
        fs::write(round.folder.path().join(format!("U{FILES:03}__File.sql")), undo).unwrap();
        let ways: [(&str, Way<'_>); 6] = [
            ("a rehearsal", Box::new(|| db.migrations().dry_run().map(drop))),
            ("a run with one connection", Box::new(|| single.run_migrations().map(drop))),
            ("a run", Box::new(|| db.run_migrations().map(drop))),
            ("a repair", Box::new(|| db.migrations().repair(Repair::Forget, None).map(drop))),
            (
                "an undo",
                Box::new(|| round.db.run_migrations().and_then(|_| db.undo_migrations("19")).map(drop)),
            ),
            ("a baseline", Box::new(|| db.migrations().baseline("0"))),
        ];
        for (what, way) in ways {
            match (mode, way()) {
                ("session", Ok(())) => (),
                ("session", Err(error)) => {
                    // There is a history by then.
                    check.expect(what == "a baseline", || {
                        format!("{what} behind a pool of sessions: {error}")
                    });
                }
                (_, Ok(())) => {
                    check
                        .expect(false, || format!("{what}: a pooler in transaction mode was not recognised"));
                }
                (_, Err(error)) => {
                    let told = error.kind() == ErrorKind::Migration && error.to_string().contains("pooler");
                    check.expect(told, || format!("{what}: {}", error.report()));
                    check.injected(1);
                }
            }
        }
        round.expect(if mode == "session" { FILES } else { FILES + 1 }, check);
        db.shutdown();
        single.shutdown();
    }
}

/// One thing that asks for the lock.
type Way<'w> = Box<dyn Fn() -> batchdb::Result<()> + 'w>;
