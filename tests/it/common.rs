//! What every test of a database starts from.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, DatabaseManagerBuilder};

/// The server that all tests of this binary share; it ends with the process.
pub(crate) fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        // Each test has a pool of its own, which keeps its connections for a minute after the test.
        let server = EmbeddedPostgres::builder().max_connections(500).start();
        server.expect("a throw-away PostgreSQL server is needed for the tests")
    })
}

/// A name that no other test has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// The builder of a handle for a fresh database of the test's own.
pub(crate) fn fresh(prefix: &str) -> DatabaseManagerBuilder {
    let name = unique(prefix);
    server().create_database(&name).unwrap();
    DatabaseManager::builder(&name)
        .connection_string(server().url_for(&name))
        .migrate_on_start(batchdb::MigrateOnStart::Off)
}

/// A handle for a fresh database of the test's own.
pub(crate) fn postgres(prefix: &str) -> DatabaseManager {
    fresh(prefix).build().unwrap()
}

/// Runs `work` and says how long it took.
pub(crate) fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// Waits until `done`, for at most ten seconds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < end, "did not happen in ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process of this machine.
pub(crate) fn signal(name: &str, pid: i64) {
    // The shell's own `kill`: a small system has no program of that name.
    let status = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {pid} failed");
}

/// A process of the server that stands still, until this is dropped: also when the test fails, for all share the server.
pub(crate) struct Stopped(i64);

impl Stopped {
    pub(crate) fn at(pid: i64) -> Stopped {
        signal("STOP", pid);
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT", self.0);
    }
}

/// The server's process behind the session.
pub(crate) fn backend_pid(session: &mut batchdb::Session<'_>) -> i64 {
    session.query_one("SELECT pg_backend_pid() AS pid", ()).unwrap().get("pid").unwrap()
}
