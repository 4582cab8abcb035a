//! Secrets that live outside of the settings: in a file that Docker or Kubernetes mounts, behind a vault's command.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, TryLockError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::secret::Secret;
use crate::context::{self, Missed};
use crate::deadline::Deadline;

/// How long a command may take, or a file system. A vault that is away must not hold a job for ever.
const OUTSIDE_LIMIT: Duration = Duration::from_secs(30);

/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// How often who waits for its output looks whether it was told to stop.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Longer outputs are no connection string.
const LONGEST: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Outside {
    /// `is_told` says whether messages may hold the path.
    File {
        path: PathBuf,
        is_told: bool,
    },
    Command(String),
}

impl Outside {
    /// The file that a key names. Whoever puts the secret itself there, by mistake, must not find it in a log: what does
    /// not look like a path, or came out of a variable, is in no message.
    pub(super) fn file(home: &Path, text: &str, has_variable: bool) -> Outside {
        let is_path = text.contains(std::path::is_separator) && !text.contains("://");
        let is_told = is_path && !has_variable && !text.contains(['=', '@', ';']);
        Outside::File { path: home.join(text), is_told }
    }
}

/// How a secret is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// What was said before does not count.
    pub(super) afresh: bool,
    /// How long the answer may take, where the caller has a limit.
    pub(super) limit: Option<Duration>,
}

/// Reads a secret; a last line end does not belong to it.
///
/// What a command said is kept for the process, because every handle asks; asked
/// afresh it is run again. A file is read each time.
///
/// # Errors
///
/// What went wrong, in words that hold nothing of the secret.
pub(super) fn read(outside: &Outside, asked: Asked) -> Result<Secret, String> {
    match outside {
        Outside::File { path, is_told } => read_file(path, *is_told, asked.limit),
        Outside::Command(line) => ask(line, asked),
    }
}

/// What a command has said, and when it was asked. Locked while it runs: of many workers that begin together one asks the
/// vault, and the commands of other databases are not held up.
type Said = Arc<Mutex<Option<(Instant, Secret)>>>;

fn ask(line: &str, how: Asked) -> Result<Secret, String> {
    static SAID: LazyLock<Mutex<HashMap<String, Said>>> = LazyLock::new(Mutex::default);

    let limit = how.limit.unwrap_or(OUTSIDE_LIMIT).min(OUTSIDE_LIMIT);
    let came = Instant::now();
    let said = {
        let mut all = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(line.to_owned()).or_default())
    };
    let mut said = loop {
        match said.try_lock() {
            Ok(said) => break said,
            Err(TryLockError::Poisoned(said)) => break said.into_inner(),
            Err(TryLockError::WouldBlock) if came.elapsed() < limit && !context::is_stopped() => {
                thread::sleep(LOOK);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(format!("the command, which another call has begun, did not end in {limit:?}"));
            }
        }
    };
    // What was asked for while this call waited is as fresh as what it would be told itself.
    let fresh = |asked: &Instant| !how.afresh || *asked >= came;
    if let Some((_, known)) = said.as_ref().filter(|(asked, _)| fresh(asked)) {
        return Ok(known.clone());
    }
    let asked = Instant::now();
    let secret = run(line, limit.saturating_sub(came.elapsed()))?;
    *said = Some((asked, secret.clone()));
    Ok(secret)
}

fn read_file(path: &Path, is_told: bool, limit: Option<Duration>) -> Result<Secret, String> {
    let name = match is_told {
        true => format!("the file {}", path.display()),
        false => "the file that this key names".to_owned(),
    };
    let whole_limit = limit.unwrap_or(OUTSIDE_LIMIT).min(OUTSIDE_LIMIT);
    let end = Deadline::after(Instant::now(), whole_limit);
    // Where a call waits for it, that may be told to stop.
    let end = if limit.is_some() { end.earlier(context::deadline()) } else { end };
    let asked = path.to_owned();
    let bytes = match context::apart("batchdb-secret", end, move || regular(&asked)) {
        Ok(read) => read.map_err(|reason| format!("{name} {reason}"))?,
        Err(Missed::Late) => return Err(format!("{name} could not be read in time: see to its file system")),
        Err(Missed::Panicked) => return Err(format!("{name} cannot be read")),
        Err(Missed::NoThread(error)) => {
            return Err(format!("{name} cannot be read: no thread can be started ({})", error.kind()));
        }
    };
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8 text"))?;
    whole(&text).ok_or_else(|| format!("{name} is empty"))
}

/// What is in a regular file, which a mounted secret's link leads to. A pipe waits for its writer, and can be read once: a
/// secret is read again when it has changed.
fn regular(path: &Path) -> Result<Vec<u8>, String> {
    // Of the system's own error only the kind: it cannot hold the path.
    let unreadable = |error: std::io::Error| format!("cannot be read: {}", error.kind());
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let (mut bytes, mut file) = (Vec::new(), fs::File::open(path).map_err(unreadable)?.take(LONGEST + 1));
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("has more than {LONGEST} bytes, and is no secret"));
    }
    Ok(bytes)
}

/// Runs a line of the shell and takes what it prints. What it says besides goes to the program's own standard error.
///
/// On Unix it has a process group of its own, by which it can be ended with all that it has started. So it gets no
/// Ctrl-C from the terminal, and cannot ask anything there.
fn run(line: &str, limit: Duration) -> Result<Secret, String> {
    let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.arg(option).arg(line).stdin(Stdio::null()).stdout(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| format!("the command cannot be started: {error}"))?;
    let end = Instant::now() + limit;
    // Rounded, so that the same reason is the same text the next time.
    let told = Duration::from_secs_f64((limit.as_secs_f64() * 1e3).round() / 1e3);
    let late = || match context::is_stopped() {
        true => "the program was told to stop before the command had ended".to_owned(),
        false => format!("the command or its output did not end in {told:?}"),
    };
    let text = match printed(&mut child, limit) {
        Ok(text) => text.map_err(|_| "the command's output is not UTF-8 text".to_owned()),
        // Perhaps it has ended, and what it has left running holds its output open.
        Err(_) => {
            kill(&mut child);
            return Err(late());
        }
    };
    let status = match wait(&mut child, end) {
        Ok(Some(status)) => status,
        Ok(None) => {
            kill(&mut child);
            return Err(late());
        }
        Err(error) => return Err(format!("the command cannot be waited for: {error}")),
    };
    if !status.success() {
        return Err(format!("the command failed ({status}): run it by hand to see why"));
    }
    whole(&text?).ok_or_else(|| "the command printed nothing".to_owned())
}

/// All that it prints, once nobody can print any more, or enough for any secret.
fn printed(child: &mut Child, limit: Duration) -> Result<std::io::Result<String>, mpsc::RecvTimeoutError> {
    let out = child.stdout.take();
    let (told, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = out.map_or(Ok(0), |out| out.take(LONGEST).read_to_string(&mut text)).map(|_| text);
        // Nobody waits any longer when the limit has passed.
        let _ = told.send(read);
    });
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match heard.recv_timeout(left.min(LOOK_UP)) {
            Err(mpsc::RecvTimeoutError::Timeout) if left > LOOK_UP && !context::is_stopped() => {}
            outcome => return outcome,
        }
    }
}

/// How it ended; `None` where it has not by `end`.
fn wait(child: &mut Child, end: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            None if Instant::now() < end && !context::is_stopped() => thread::sleep(LOOK),
            status => return Ok(status),
        }
    }
}

/// Ends a command that was not waited for yet, so that its number is still its own, and its group.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    {
        // The standard library ends single processes only, and the shell is there: it has run the command.
        let line = format!("kill -KILL -{}", child.id());
        let killed = Command::new("sh").arg("-c").arg(line).stderr(Stdio::null()).status();
        if !killed.is_ok_and(|status| status.success()) {
            log::debug!("a command for a secret may have left processes behind");
        }
    }
    let _ = child.kill();
    let _ = child.wait();
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
        let read = || told(read(&Outside::file(folder.path(), "./password", false), Asked::default()));
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
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, large) = (folder.path().join("pipe"), folder.path().join("large"));
        let made = Command::new("sh").arg("-c").arg(format!("mkfifo {}", pipe.display())).status();
        assert!(made.unwrap().success());
        fs::write(&large, vec![b'x'; 100_000]).unwrap();
        // Not on the test's own thread: what would fail here is that it never returns.
        let (told, heard) = mpsc::channel();
        thread::spawn(move || {
            for path in [pipe, large, PathBuf::from("/dev/zero")] {
                let outside = Outside::file(Path::new("/"), &path.display().to_string(), false);
                told.send(read(&outside, Asked::default()).unwrap_err()).unwrap();
            }
        });
        let next = || heard.recv_timeout(Duration::from_secs(10)).expect("nothing is waited for");
        assert!(next().ends_with("/pipe is no regular file"));
        assert!(next().ends_with("/large has more than 65536 bytes, and is no secret"));
        assert_eq!(next(), "the file /dev/zero is no regular file");
        // As Kubernetes mounts one: a link to a link to a file.
        let link = folder.path().join("..data");
        fs::write(folder.path().join("real"), "hunter2").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        std::os::unix::fs::symlink("..data", folder.path().join("password")).unwrap();
        let secret = read(&Outside::file(folder.path(), "./password", false), Asked::default());
        assert_eq!(secret.unwrap().expose(), "hunter2");
    }

    #[test]
    fn what_may_be_the_secret_itself_is_in_no_message() {
        let told = |text: &str, has_variable| {
            told(read(&Outside::file(Path::new("/jobs"), text, has_variable), Asked::default())).unwrap_err()
        };
        assert_eq!(told("/run/x/pg", false), "the file /run/x/pg cannot be read: entity not found");
        for secret in ["hunter2", "postgresql://u:hunter2@h/d", "host=/run password=hunter2", "Pwd=hunter2;"]
        {
            assert_eq!(told(secret, false), "the file that this key names cannot be read: entity not found");
        }
        assert!(!told("/hunter2/x", true).contains("hunter2"));
        assert!(!told("hunter2\0", false).contains("hunter2"));
    }

    #[test]
    fn a_command_is_asked_once_until_it_is_asked_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let line = format!("echo x >> {0}; wc -l < {0}", count.display());
        let read = |afresh| {
            let asked = Asked { afresh, limit: None };
            told(read(&Outside::Command(line.clone()), asked)).map(|text| text.trim().to_owned())
        };
        assert_eq!(
            [read(false), read(false), read(true), read(false)].map(Result::unwrap),
            ["1", "1", "2", "2"]
        );
    }

    #[test]
    fn a_command_that_fails_says_so_and_nothing_of_what_it_printed() {
        let failed = told(run("echo hunter2; exit 3", OUTSIDE_LIMIT)).unwrap_err();
        assert!(failed.contains("exit status: 3") && !failed.contains("hunter2"), "{failed}");
        assert!(told(run("true", OUTSIDE_LIMIT)).unwrap_err().contains("printed nothing"));
        let began = Instant::now();
        let late = told(run("sleep 60", Duration::from_millis(50))).unwrap_err();
        assert!(late.contains("did not end in 50ms"), "{late}");
        let held = told(run("sleep 60 & echo hunter2", Duration::from_millis(300))).unwrap_err();
        assert!(held.contains("output did not end in 300ms"), "{held}");
        let closed = told(run("echo hunter2; exec >&-; sleep 60", Duration::from_millis(300))).unwrap_err();
        assert!(closed.contains("did not end in 300ms"), "{closed}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_command_that_is_ended_leaves_no_process() {
        let folder = tempfile::tempdir().unwrap();
        for (name, line) in [("piped", "sh -c 'echo $$ > PID; exec sleep 61' | cat"), ("left", LEFT)] {
            let pid = folder.path().join(name);
            let line = line.replace("PID", &pid.display().to_string());
            told(run(&line, Duration::from_millis(300))).unwrap_err();
            let pid = fs::read_to_string(pid).unwrap();
            let alive = || {
                let line = format!("kill -0 {pid}");
                Command::new("sh").arg("-c").arg(line).stderr(Stdio::null()).status().unwrap().success()
            };
            let end = Instant::now() + Duration::from_secs(5);
            while alive() {
                assert!(Instant::now() < end, "{name}: process {pid} is still there");
                thread::sleep(LOOK);
            }
        }
    }

    /// The shell ends, and what it has started does not.
    const LEFT: &str = "sh -c 'echo $$ > PID; exec sleep 61' & sleep 0.1";

    #[test]
    fn a_slow_command_holds_up_no_other() {
        let slow =
            thread::spawn(|| told(read(&Outside::Command("sleep 2; echo slow".into()), Asked::default())));
        thread::sleep(Duration::from_millis(100));
        let (began, limit) = (Instant::now(), Some(Duration::from_millis(1_500)));
        let limit = Asked { afresh: true, limit };
        assert_eq!(told(read(&Outside::Command("echo quick".into()), limit)).as_deref(), Ok("quick"));
        assert!(began.elapsed() < Duration::from_millis(1_500));
        assert_eq!(slow.join().unwrap().as_deref(), Ok("slow"));
    }

    #[test]
    fn who_waits_for_a_command_takes_what_it_says_to_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let line = format!("echo x >> {0}; sleep 0.5; wc -l < {0}", folder.path().join("count").display());
        let ask = || {
            let said = told(read(
                &Outside::Command(line.clone()),
                Asked { afresh: true, limit: Some(Duration::from_secs(20)) },
            ));
            said.map(|text| text.trim().to_owned())
        };
        // All come before the first one's run has ended; only what had begun before they came is not fresh.
        let said: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert!(said.iter().all(|text| text == "1" || text == "2"), "{said:?}");
    }
}
