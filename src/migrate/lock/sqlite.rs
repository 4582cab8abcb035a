//! The lock of the migrations on SQLite, whose locks end with their transaction: a small database beside the file, on
//! which a connection of its own keeps a transaction open while the migrations run on theirs.
//!
//! It is freed as all of SQLite's locks are, by the operating system, however the process ends; and it holds wherever
//! those do. The file stays: whoever removed it could not know who is about to lock it.

use std::env;
use std::path::Path;
use std::process;

use crate::advisory::Polled;
use crate::backend::Begin;
use crate::deadline::Deadline;
use crate::error::{ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::params;
use crate::session::Session;

/// What is put behind the name of the database's file.
const SUFFIX: &str = "-migrate-lock";

/// The lock of one database file.
#[derive(Debug)]
pub(super) struct FileLock {
    /// The file that is locked.
    file: String,
}

impl FileLock {
    /// The lock of the session's database; `None` for one that is in no file.
    pub(super) fn of(session: &mut Session<'_>) -> Result<Option<FileLock>> {
        let main = "SELECT file FROM pragma_database_list WHERE name = 'main'";
        let file: Option<String> = session.query_one(main, ())?.get(0)?;
        let file = file.filter(|file| !file.is_empty());
        Ok(file.map(|file| FileLock { file: format!("{file}{SUFFIX}") }))
    }

    /// Runs `work` while the lock is held.
    ///
    /// # Errors
    ///
    /// `Timeout(Lock)`, those of opening the file, those of `work`.
    pub(super) fn hold<R>(
        &self,
        manager: &DatabaseManager,
        deadline: Deadline,
        work: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        self.guarded(manager, |guard| {
            self.acquire(guard, deadline)?;
            let outcome = work();
            guard.rollback();
            outcome
        })
    }

    /// Whether somebody holds the lock. A file that is not there is not made.
    pub(super) fn is_taken(&self, manager: &DatabaseManager) -> Result<bool> {
        if !Path::new(&self.file).exists() {
            return Ok(false);
        }
        self.guarded(manager, |guard| {
            let is_free = self.attach(guard)? && seize(guard)?;
            guard.rollback();
            Ok(!is_free)
        })
    }

    /// A connection of the lock's own, which waits for nobody inside the driver: waiting is done by polling.
    fn guarded<R>(
        &self,
        manager: &DatabaseManager,
        work: impl FnOnce(&mut Session<'_>) -> Result<R>,
    ) -> Result<R> {
        manager.apart_by(manager.settings().without_patience())?.session_without_hook(work)
    }

    /// Gives the session the file. False when another is just about to lock it.
    fn attach(&self, guard: &mut Session<'_>) -> Result<bool> {
        let known = "SELECT count(*) FROM pragma_database_list WHERE name = 'batchdb_lock'";
        let attached =
            guard.query_one(known, ()).and_then(|row| row.get::<i64>(0)).and_then(|count| match count {
                0 => guard
                    .execute("ATTACH DATABASE :file AS batchdb_lock", params! { file: self.file.as_str() }),
                _ => Ok(0),
            });
        unless_busy(attached)
            .map_err(|error| error.at(format_args!("{} cannot be used, \"{}\"", super::TITLE, self.file)))
    }
}

impl Polled for FileLock {
    fn title(&self) -> &str {
        super::TITLE
    }

    /// Says who is about to hold it, in a transaction that others can read behind, and takes it by a second one.
    fn try_acquire(&self, guard: &mut Session<'_>) -> Result<bool> {
        if !self.attach(guard)? {
            return Ok(false);
        }
        let program = env::current_exe().ok();
        let program = program.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let holder = format!("process {} of \"{program}\"", process::id());
        let said = guard
            .execute(
                "CREATE TABLE IF NOT EXISTS batchdb_lock.holder (id INTEGER PRIMARY KEY, process TEXT NOT NULL)",
                (),
            )
            .and_then(|_| {
                guard.execute(
                    "INSERT OR REPLACE INTO batchdb_lock.holder (id, process) VALUES (1, :holder)",
                    params! { holder: holder },
                )
            });
        Ok(unless_busy(said)? && seize(guard)?)
    }

    fn holder(&self, guard: &mut Session<'_>) -> Result<Option<String>> {
        let row = guard.query_opt("SELECT process FROM batchdb_lock.holder", ());
        Ok(row.ok().flatten().and_then(|row| row.get(0).ok()))
    }
}

/// Becomes the one writer of the lock's file, and of no other: a transaction that begins without a lock has only those of
/// what it touches.
fn seize(guard: &mut Session<'_>) -> Result<bool> {
    guard.begin(Begin { read_only: true, ..Begin::default() })?;
    let touched = guard.execute("UPDATE batchdb_lock.holder SET id = id WHERE 1 = 0", ());
    let got = unless_busy(touched);
    if !matches!(got, Ok(true)) {
        guard.rollback();
    }
    got
}

/// False when another has it.
fn unless_busy(outcome: Result<u64>) -> Result<bool> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}
