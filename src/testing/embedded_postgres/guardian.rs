//! The process that outlives the program by a moment, so that the server does not outlive it at all.
//!
//! A `Drop` does not run when the program is killed. What the system does in any case is to close the program's
//! end of a pipe; the guardian, a small shell script in a session of its own, waits for that, stops the server and
//! removes its folder.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::installation::Account;
use crate::error::{Error, ErrorKind, Result};

const SCRIPT: &str = include_str!("guardian.sh");

/// Longer than the guardian gives a server that does not want to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The program's end of the guardian.
pub(super) struct Guardian {
    process: Child,
    /// `None` once the cluster is given up.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guardian {
    /// Starts the guardian of `folder`, under `account` when one is given. It makes the cluster as soon as it is
    /// told the password: by [`make`](Guardian::make).
    pub(super) fn spawn(
        folder: &Path,
        programs: &Path,
        settings: &[String],
        account: Option<Account>,
    ) -> Result<Guardian> {
        // `setsid` takes it out of the reach of the terminal; where there is none (macOS), out of that of Ctrl-C.
        let mut command = if has_setsid() {
            let mut command = Command::new("setsid");
            command.arg("sh");
            command
        } else {
            let mut command = Command::new("sh");
            command.process_group(0);
            command
        };
        command.args(["-c", SCRIPT, "batchdb-guardian"]).arg(folder).arg(programs).args(settings);
        // The server must not depend on, nor show, what the program's environment holds.
        command.env_clear().env("LC_ALL", "C");
        for name in ["PATH", "LD_LIBRARY_PATH", "TZDIR"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Some(Account { uid, gid }) = account {
            command.uid(uid).gid(gid);
        }
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process =
            command.spawn().map_err(|error| ended("could not be started").with_source(error))?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(commands), Some(answers)) => {
                Ok(Guardian { process, commands: Some(commands), answers: BufReader::new(answers) })
            }
            _ => Err(ended("has no pipes")),
        }
    }

    /// Makes the cluster. `false`: the log says why it could not be made.
    pub(super) fn make(&mut self, password: &str) -> Result<bool> {
        Ok(self.ask(password)? == "made")
    }

    /// Starts the server, after a stop if need be. Returns its process id; `None`: the log says why it did not start.
    pub(super) fn start(&mut self, port: u16) -> Result<Option<u32>> {
        let answer = self.ask(&format!("start {port}"))?;
        Ok(answer.strip_prefix("ready ").and_then(|pid| pid.parse().ok()))
    }

    /// Stops the server at once.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.ask("stop").map(drop)
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        let mut answer = String::new();
        let asked = match &mut self.commands {
            Some(commands) => commands.write_all(format!("{line}\n").as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        asked
            .and_then(|()| self.answers.read_line(&mut answer))
            .map_err(|error| ended("does not answer").with_source(error))?;
        match answer.trim_end() {
            "" => Err(ended("ended before it was told to")),
            answer => Ok(answer.to_owned()),
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.commands = None;
        let begun = Instant::now();
        while begun.elapsed() < STOP_LIMIT {
            match self.process.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        log::warn!("the guardian of a PostgreSQL cluster has not stopped it within {STOP_LIMIT:?}");
    }
}

fn has_setsid() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join("setsid").is_file())
}

fn ended(how: &str) -> Error {
    Error::new(ErrorKind::Io, format!("the guardian process of the PostgreSQL cluster {how}"))
}
