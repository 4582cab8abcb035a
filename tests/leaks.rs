//! What is told of connections that are held for too long. A program of its own, because it has a logger of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails by `unwrap` says where and why")]

use std::sync::{Mutex, Once, OnceLock, mpsc};
use std::time::{Duration, Instant};

use batchdb::{DatabaseManager, Error, MapOptions, MigrateOnStart, map_tasks, params};
use log::kv::{Key, Value, VisitSource};

/// The warnings so far, with their fields.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Where the logger writes each warning of a leak of the database `logged`.
static LOGGED: OnceLock<DatabaseManager> = OnceLock::new();

struct Keep;

struct Fields(String);

impl VisitSource<'_> for Fields {
    fn visit_pair(&mut self, key: Key<'_>, value: Value<'_>) -> Result<(), log::kv::Error> {
        self.0 += &format!(" {key}={value}");
        Ok(())
    }
}

impl log::Log for Keep {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() == log::Level::Warn {
            let mut fields = Fields(record.args().to_string());
            record.key_values().visit(&mut fields).unwrap();
            WARNINGS.lock().unwrap().push(fields.0.clone());
            if let Some(db) = LOGGED.get().filter(|_| fields.0.contains(" database=logged")) {
                db.execute("INSERT INTO log VALUES (:line)", params! { line: fields.0 }).unwrap();
            }
        }
    }

    fn flush(&self) {}
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Keep).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
}

fn leaks_of(database: &str) -> Vec<String> {
    let of = format!(" database={database}");
    let is_ours = |line: &&String| line.contains("LEAK_AFTER") && line.contains(&of);
    WARNINGS.lock().unwrap().iter().filter(is_ours).cloned().collect()
}

/// A logger is the program's own code, and may use what it is told of.
#[test]
fn a_logger_that_writes_to_the_same_database_stops_nobody() {
    listen();
    let (told, ended) = mpsc::channel();
    // Not on the test's own thread: what would fail here is that something never returns.
    std::thread::spawn(move || {
        let folder = tempfile::tempdir().unwrap();
        let db = DatabaseManager::builder("logged")
            .connection_string(format!("Driver=SQLite3;Database={}", folder.path().join("b.db").display()))
            .migrate_on_start(MigrateOnStart::Off)
            // Far above what the logger itself takes, on a slow disk too.
            .leak_after(Duration::from_secs(2))
            .build()
            .unwrap();
        db.execute("CREATE TABLE log (line VARCHAR(2000))", ()).unwrap();
        LOGGED.set(db.clone()).unwrap();
        db.session(|_| {
            std::thread::sleep(Duration::from_secs(3));
            Ok::<_, Error>(())
        })
        .unwrap();
        let lines = || db.query_one("SELECT count(*) FROM log", ()).unwrap().get::<i64>(0).unwrap();
        while lines() == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        told.send(lines()).unwrap();
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(30)).unwrap(), 1);
}

#[test]
fn a_connection_that_is_held_for_too_long_is_told_once_with_its_place() {
    listen();
    let leaks = || leaks_of("leaking");
    let folder = tempfile::tempdir().unwrap();
    let open = |leak_after| {
        DatabaseManager::builder("leaking")
            .connection_string(format!("Driver=SQLite3;Database={}", folder.path().join("a.db").display()))
            .migrate_on_start(MigrateOnStart::Off)
            .leak_after(leak_after)
            .build()
            .unwrap()
    };
    let db = open(Duration::from_millis(150));
    for _ in 0..20 {
        db.execute_query("SELECT 1", ()).unwrap();
    }
    let hold = |db: &DatabaseManager, time: Duration| {
        db.session(|session| {
            session.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER)", ())?;
            std::thread::sleep(time);
            Ok::<_, Error>(())
        })
    };
    let line = line!() - 6;
    // Shorter than the limit, and without one: nobody is told.
    hold(&db, Duration::from_millis(5)).unwrap();
    hold(&open(Duration::ZERO), Duration::from_millis(400)).unwrap();
    assert_eq!(leaks(), [""; 0]);

    let results = batchdb::with_flow("rpa1", || {
        map_tasks(["x"], MapOptions::new("slow-{index}"), |_| hold(&db, Duration::from_millis(900)))
    });
    results.into_values().unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while leaks().is_empty() && Instant::now() < end {
        std::thread::yield_now();
    }
    let told = leaks();
    assert_eq!(told.len(), 1, "{told:?}");
    let place = format!("tests/leaks.rs:{line}:");
    for part in ["has been held for 0 s", "LEAK_AFTER (150ms)", &place, " database=leaking"] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
    for field in [" flow=rpa1", " task=slow-0", " operation=execute", " thread=batchdb-task-0"] {
        assert!(told[0].contains(field), "{field}: {told:?}");
    }

    // A call of the façade is told by its own line as well.
    let endless = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";
    let line = line!() + 1;
    let _ = db.execute_query_with_timeout(endless, (), Duration::from_millis(500));
    let told = leaks();
    assert!(told.len() == 2 && told[1].contains(&format!("tests/leaks.rs:{line}:")), "{told:?}");
}
