//! Secrets that live outside of the settings: in a file that Docker or Kubernetes mounts, behind a vault's command.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, TryLockError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::secret::Secret;

/// How long a command may take. A vault that is away must not hold a job for ever.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Longer outputs are no connection string.
const LONGEST: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Outside {
    File(PathBuf),
    Command(String),
}

/// Reads a secret; a last line end does not belong to it.
///
/// What a command said is kept for the process, because every handle asks; `afresh` runs it again, within that time. A
/// file is read each time.
///
/// # Errors
///
/// What went wrong, in words that hold nothing of the secret.
pub(super) fn read(outside: &Outside, afresh: Option<Duration>) -> Result<Secret, String> {
    static SAID: LazyLock<Mutex<HashMap<String, Secret>>> = LazyLock::new(Mutex::default);

    match outside {
        Outside::File(path) => read_file(path),
        Outside::Command(line) => {
            let end = Instant::now() + afresh.unwrap_or(COMMAND_LIMIT).min(COMMAND_LIMIT);
            // Held while the command runs: of many workers that begin together one asks the vault.
            let mut said = loop {
                match SAID.try_lock() {
                    Ok(said) => break said,
                    Err(TryLockError::Poisoned(said)) => break said.into_inner(),
                    Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(LOOK),
                    Err(TryLockError::WouldBlock) => {
                        return Err("another command did not end in time".to_owned());
                    }
                }
            };
            if let Some(known) = said.get(line).filter(|_| afresh.is_none()) {
                return Ok(known.clone());
            }
            let secret = run(line, end.saturating_duration_since(Instant::now()))?;
            said.insert(line.clone(), secret.clone());
            Ok(secret)
        }
    }
}

fn read_file(path: &Path) -> Result<Secret, String> {
    let bytes =
        fs::read(path).map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?;
    let text =
        String::from_utf8(bytes).map_err(|_| format!("the file {} is not UTF-8 text", path.display()))?;
    whole(&text).ok_or_else(|| format!("the file {} is empty", path.display()))
}

/// Runs a line of the shell and takes what it prints. What it says besides goes to the program's own standard error,
/// where a vault's client asks for a login.
fn run(line: &str, limit: Duration) -> Result<Secret, String> {
    let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let started =
        Command::new(shell).arg(option).arg(line).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| format!("the command cannot be started: {error}"))?;
    let printed = child.stdout.take();
    let end = Instant::now() + limit;
    let (told, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = printed.map_or(Ok(0), |out| out.take(LONGEST).read_to_string(&mut text)).map(|_| text);
        // Nobody waits any longer when the limit has passed.
        let _ = told.send(read);
    });
    let status = wait(&mut child, limit)?;
    if !status.success() {
        return Err(format!("the command failed ({status}): run it by hand to see why"));
    }
    // What the command has left running in the background may hold its output open.
    let text = heard.recv_timeout(end.saturating_duration_since(Instant::now()));
    let text = text.map_err(|_| format!("the command's output did not end in {limit:?}"))?;
    let text = text.map_err(|_| "the command's output is not UTF-8 text".to_owned())?;
    whole(&text).ok_or_else(|| "the command printed nothing".to_owned())
}

fn wait(child: &mut Child, limit: Duration) -> Result<std::process::ExitStatus, String> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < end => thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the command did not end in {limit:?}"));
            }
            Err(error) => return Err(format!("the command cannot be waited for: {error}")),
        }
    }
}

/// The text without its last line end; `None` where there is nothing in it.
fn whole(text: &str) -> Option<Secret> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (!text.trim().is_empty()).then(|| Secret::new(text))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn told(outcome: Result<Secret, String>) -> Result<String, String> {
        outcome.map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn a_file_is_a_secret_without_its_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let read = || told(read(&Outside::File(path.clone()), None));
        assert!(read().unwrap_err().contains("cannot be read"));
        for (text, wanted) in [("p w\n", "p w"), ("p\r\n", "p"), (" p \n\n", " p \n")] {
            fs::write(&path, text).unwrap();
            assert_eq!(read().as_deref(), Ok(wanted));
        }
        fs::write(&path, "\n").unwrap();
        assert!(read().unwrap_err().ends_with("is empty"));
        fs::write(&path, b"\xff").unwrap();
        assert!(read().unwrap_err().ends_with("not UTF-8 text"));
    }

    #[test]
    fn a_command_is_asked_once_until_it_is_asked_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let line = format!("echo x >> {0}; wc -l < {0}", count.display());
        let read =
            |afresh| told(read(&Outside::Command(line.clone()), afresh)).map(|text| text.trim().to_owned());
        assert_eq!(
            [read(None), read(None), read(Some(COMMAND_LIMIT)), read(None)].map(Result::unwrap),
            ["1", "1", "2", "2"]
        );
    }

    #[test]
    fn a_command_that_fails_says_so_and_nothing_of_what_it_printed() {
        let failed = told(run("echo hunter2; exit 3", COMMAND_LIMIT)).unwrap_err();
        assert!(failed.contains("exit status: 3") && !failed.contains("hunter2"), "{failed}");
        assert!(told(run("true", COMMAND_LIMIT)).unwrap_err().contains("printed nothing"));
        let began = Instant::now();
        let late = told(run("sleep 60", Duration::from_millis(50))).unwrap_err();
        assert!(late.contains("did not end in 50ms"), "{late}");
        let held = told(run("sleep 60 & echo hunter2", Duration::from_millis(300))).unwrap_err();
        assert!(held.contains("output did not end in 300ms"), "{held}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
