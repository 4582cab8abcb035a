//! How many instructions a point query takes, beside the bare driver, and how many of them go into telling of it: the
//! counters, the look at the log's level, at the slow-query threshold, at the audit trail.
//!
//! Times differ from run to run by more than such a share; instructions do not. Valgrind counts them, and only those of
//! the calling thread within the functions below. The program starts itself under it, once for each count.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints its measurements")]

use std::hint::black_box;
use std::process::{Command, Stdio};

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, MigrateOnStart, params};
use postgres::{Client, NoTls, Statement};

const QUERIES: u64 = 2_000;
/// Where the started program finds the server, and which side it is to run.
const URL: &str = "BATCHDB_BENCH_URL";
const BARE: &str = "BATCHDB_BENCH_BARE";

fn main() {
    match std::env::var(URL) {
        Ok(url) if std::env::var_os(BARE).is_some() => run_bare(&url),
        Ok(url) => run_ours(&url),
        Err(_) => compare(),
    }
}

fn compare() {
    let server = EmbeddedPostgres::start().unwrap();
    let url = server.url();
    let ours = counted(&url, "*instructions::ours*", false);
    let bare = counted(&url, "*instructions::bare*", true);
    let telling = counted(&url, "*batchdb::session::told::Call::end*", false);
    println!("instructions of a point query      {ours:>8}");
    println!("the same by the bare driver        {bare:>8}");
    #[allow(clippy::cast_precision_loss, reason = "some ten thousands")]
    let percent = telling as f64 / ours as f64 * 100.0;
    println!("of ours, for metrics, log, audit   {telling:>8}  {percent:.2} %");
}

/// Instructions a query within functions of this name.
fn counted(url: &str, function: &str, bare: bool) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .env(URL, url)
        .stdout(Stdio::null());
    if bare {
        valgrind.env(BARE, "1");
    }
    let run = valgrind.output().expect("valgrind, which `make instructions` installs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let report = std::fs::read_to_string(out).unwrap();
    let total = report.lines().find_map(|line| line.strip_prefix("summary: "));
    let total: u64 = total.and_then(|total| total.trim().parse().ok()).expect("callgrind writes its sum");
    // A name that matches nothing, because the function was inlined, must not pass as nothing.
    assert!(total >= QUERIES, "no instructions were counted in {function}");
    total / QUERIES
}

fn run_ours(url: &str) {
    let db = DatabaseManager::builder("bench")
        .connection_string(format!("{url}?sslmode=disable"))
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    // Connected, compiled, prepared.
    warm(&db);
    for _ in 0..QUERIES {
        ours(&db);
    }
}

fn warm(db: &DatabaseManager) {
    db.execute_query(SQL, params! { id: 7 }).unwrap();
}

const SQL: &str = "SELECT :id::int AS id, 'a name' AS name";

#[inline(never)]
fn ours(db: &DatabaseManager) {
    let rows = db.execute_query(SQL, params! { id: 7 }).unwrap();
    black_box((rows[0].get::<i32>(0).unwrap(), rows[0].get::<String>(1).unwrap()));
}

fn run_bare(url: &str) {
    let mut client = Client::connect(url, NoTls).unwrap();
    let statement = client.prepare("SELECT $1::int AS id, 'a name' AS name").unwrap();
    client.query(&statement, &[&7_i32]).unwrap();
    for _ in 0..QUERIES {
        bare(&mut client, &statement);
    }
}

#[inline(never)]
fn bare(client: &mut Client, statement: &Statement) {
    let rows = client.query(statement, &[&7_i32]).unwrap();
    black_box((rows[0].try_get::<_, i32>(0).unwrap(), rows[0].try_get::<_, String>(1).unwrap()));
}
