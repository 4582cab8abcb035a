//! A real PostgreSQL server for one test program.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tempfile::TempDir;

pub use self::builder::EmbeddedPostgresBuilder;
use self::guardian::Guardian;
use crate::error::{Error, ErrorKind, Result};

mod builder;
mod guardian;
mod installation;
#[cfg(test)]
mod tests;

const HOST: &str = "127.0.0.1";
const USER: &str = "postgres";

/// A temporary PostgreSQL server, made from the PostgreSQL that is installed on this machine. It listens on 127.0.0.1
/// with a password (SCRAM), and is removed when the value is dropped.
///
/// It does not outlive the program, even if that panics, is ended by Ctrl-C, or is killed: a guardian process holds the
/// other end of a pipe, and when the pipe closes, it stops the server and removes its files.
///
/// The server runs without `fsync`, which makes it fast, but suitable for tests only. If the program runs as root, the
/// server runs as the user `postgres`, or as `nobody` if that does not exist.
///
/// ```no_run
/// use batchdb::testing::EmbeddedPostgres;
///
/// let server = EmbeddedPostgres::start()?;
/// server.create_database("rpa_db")?;
/// println!("on port {} until the end of the block", server.port());
/// let connection_string = server.url_for("rpa_db");
/// # Ok::<(), batchdb::Error>(())
/// ```
pub struct EmbeddedPostgres {
    // Dropped in this order: the server stops before its folder goes.
    state: Mutex<State>,
    port: u16,
    password: String,
    programs: PathBuf,
    folder: TempDir,
}

struct State {
    guardian: Guardian,
    server: Option<u32>,
}

impl EmbeddedPostgres {
    /// Creates and starts a server. Takes one to five seconds, most of them in `initdb`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when PostgreSQL is not installed; [`ErrorKind::Io`] when it cannot be started, with the
    /// end of the server's log.
    pub fn start() -> Result<EmbeddedPostgres> {
        EmbeddedPostgres::builder().start()
    }

    /// Begins a server with options.
    pub fn builder() -> EmbeddedPostgresBuilder {
        EmbeddedPostgresBuilder::default()
    }

    /// Returns a server that all tests of this process share; the first call starts it. Give each test a database of
    /// its own by [`create_database`](EmbeddedPostgres::create_database).
    ///
    /// # Errors
    ///
    /// As for [`start`](EmbeddedPostgres::start); a failed start is not repeated.
    pub fn shared() -> Result<&'static EmbeddedPostgres> {
        static SHARED: OnceLock<Result<EmbeddedPostgres>> = OnceLock::new();
        SHARED.get_or_init(EmbeddedPostgres::start).as_ref().map_err(Error::clone)
    }

    /// The connection string of the database `postgres`, as superuser. It contains the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("postgres")
    }

    /// The connection string of a database, as superuser. It contains the password.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        let (password, database) = (percent_encoded(&self.password), percent_encoded(database));
        format!("postgresql://{USER}:{password}@{HOST}:{}/{database}", self.port)
    }

    /// The address of the server: `127.0.0.1`.
    #[must_use]
    pub fn host(&self) -> &str {
        HOST
    }

    /// The port of the server. A [`restart`](EmbeddedPostgres::restart) does not change it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser: `postgres`.
    #[must_use]
    pub fn user(&self) -> &str {
        USER
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The process id of the server, to stop it by a signal and the like. `None` while it is stopped.
    #[must_use]
    pub fn postmaster_pid(&self) -> Option<u32> {
        self.state().server
    }

    /// The folder that holds all files of the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file that the server logs to.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// The last lines of the server's log; fewer, or none, when it has no more or cannot be read.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        log_tail(self.folder.path(), lines)
    }

    /// Makes an empty database.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Database`] when the server refuses, for example because the database exists.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let name = name.replace('"', "\"\"");
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\"")).map(drop)
    }

    /// Runs a script in `psql`, in a session of its own, and returns its output: a line for each row, with `|` between
    /// the columns. Use it to check what the code under test did, or to interfere with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Database`] when a statement fails, with the server's message as its source; [`ErrorKind::Config`]
    /// when there is no `psql`.
    pub fn psql(&self, database: &str, script: &str) -> Result<String> {
        let beside_server = self.programs.join("psql");
        let psql = if beside_server.is_file() { beside_server.into() } else { OsString::from("psql") };
        // The password goes by the environment: a command line is for all to see.
        let output = Command::new(psql)
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                "--file=-",
            ])
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "LD_LIBRARY_PATH"))
            .env("PGHOST", HOST)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", USER)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", database)
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(
                as_input(script)
                    .map_err(|error| io_error("the script for `psql` cannot be written", error))?,
            )
            .output()
            .map_err(|error| {
                Error::config("PostgreSQL's `psql` cannot be run")
                    .with_hint("install the package `postgresql-client`")
                    .with_source(error)
            })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        Err(Error::new(ErrorKind::Database, format!("`psql` failed ({})", output.status))
            .with_source(std::io::Error::other(words)))
    }

    /// Stops the server at once, as in a power failure. Committed data is there after a
    /// [`restart`](EmbeddedPostgres::restart).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when the guardian process is gone.
    pub fn stop(&self) -> Result<()> {
        let mut state = self.state();
        state.server = None;
        state.guardian.stop()
    }

    /// Starts the server again on the same port; if it is running, it is stopped first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when it does not start, with the end of the server's log.
    pub fn restart(&self) -> Result<()> {
        let mut state = self.state();
        state.server = None;
        state.server = Some(
            state
                .guardian
                .start(self.port)?
                .ok_or_else(|| not_started("does not start", self.folder.path()))?,
        );
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EmbeddedPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedPostgres")
            .field("port", &self.port)
            .field("folder", &self.folder.path())
            .finish_non_exhaustive()
    }
}

/// A file and not a pipe: nobody has to feed it while the output is read.
fn as_input(script: &str) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(script.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn log_tail(folder: &Path, lines: usize) -> String {
    let log = fs::read(folder.join("server.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let kept = log.lines().count().saturating_sub(lines);
    log.lines().skip(kept).collect::<Vec<_>>().join("\n")
}

fn not_started(how: &str, folder: &Path) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("a PostgreSQL cluster {how}; the end of its log:\n{}", log_tail(folder, 12)),
    )
}

fn io_error(message: &'static str, source: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, message).with_source(source)
}
