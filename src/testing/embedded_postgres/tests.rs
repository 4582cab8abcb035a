use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::builder::hand_over;
use super::installation::{Account, unprivileged_account};
use super::*;

/// Set in the environment of a test that plays the program whose end is tested: where it writes what it started.
const CHILD: &str = "BATCHDB_TEST_EMBEDDED_CHILD";

fn runs(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended: only its parent has not looked yet.
    !state.is_empty() && !state.contains(") Z ")
}

#[track_caller]
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_cluster_serves_restarts_and_is_gone_after_its_drop() {
    let server = EmbeddedPostgres::builder()
        .max_connections(17)
        .setting("max_prepared_transactions", "3")
        .password("p@ss: \"wörd\"\\'")
        .start()
        .unwrap();
    assert_eq!(server.psql("postgres", "SELECT 1").unwrap(), "1");
    assert_eq!(
        server.psql("postgres", "SHOW max_connections; SHOW max_prepared_transactions").unwrap(),
        "17\n3"
    );
    assert_eq!(server.psql("postgres", "SHOW fsync; SHOW server_encoding").unwrap(), "off\nUTF8");

    server.create_database("odd \"name\"=1").unwrap();
    server.psql("odd \"name\"=1", "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)").unwrap();
    let refused = server.create_database("odd \"name\"=1").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Database);
    assert!(refused.report().contains("already exists"), "{}", refused.report());

    let (port, first) = (server.port(), server.postmaster_pid().unwrap());
    server.stop().unwrap();
    assert!(!runs(first) && server.postmaster_pid().is_none());
    assert!(server.psql("postgres", "SELECT 1").is_err());
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(server.psql("odd \"name\"=1", "SELECT id FROM kept").unwrap(), "7");
    assert!(server.log_tail(50).contains("ready to accept connections"));

    assert!(!format!("{server:?}").contains(server.password()));
    assert!(server.url().starts_with("postgresql://postgres:p%40ss%3A%20%22w%C3%B6rd%22%5C%27@127.0.0.1:"));
    assert!(server.url_for("a/b").ends_with("/a%2Fb"));

    let (second, folder) = (server.postmaster_pid().unwrap(), server.folder().to_path_buf());
    assert!(runs(second) && folder.exists());
    drop(server);
    assert!(!runs(second) && !folder.exists());
}

#[test]
fn the_server_asks_for_the_password() {
    let mut server = EmbeddedPostgres::start().unwrap();
    let right = std::mem::replace(&mut server.password, "wrong".to_owned());
    let refused = server.psql("postgres", "SELECT 1").unwrap_err();
    assert!(refused.report().contains("password authentication failed"), "{}", refused.report());
    assert!(!refused.report().contains(&right));
    assert_eq!(right.len(), 32);
    let other = EmbeddedPostgresBuilder::default().password("two\nlines").start().unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Config);
}

#[test]
fn a_stopped_server_does_not_outlive_its_drop_either() {
    let server = EmbeddedPostgres::start().unwrap();
    let (pid, folder) = (server.postmaster_pid().unwrap(), server.folder().to_path_buf());
    send("STOP", pid);
    drop(server);
    assert!(!runs(pid) && !folder.exists());
}

#[test]
fn a_failed_start_says_why_and_leaves_nothing() {
    let before = clusters();
    let error = EmbeddedPostgres::builder().setting("no_such_setting", "1").start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    // Other tests of this process come and go beside this one.
    wait_until("no folder of the failed start is left", || {
        clusters().iter().filter(|folder| !before.contains(folder)).all(|folder| {
            !fs::read_to_string(folder.join("server.log")).unwrap_or_default().contains("no_such_setting")
        })
    });
}

fn clusters() -> Vec<PathBuf> {
    let entries = fs::read_dir(env::temp_dir()).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().contains("batchdb-postgres-")).collect()
}

#[test]
fn without_postgresql_the_error_names_the_package() {
    let empty = tempfile::tempdir().unwrap();
    let error = EmbeddedPostgres::builder().bin_dir(empty.path()).start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("the package `postgresql`"), "{error}");
}

#[test]
fn settings_with_odd_names_are_refused() {
    for name in ["", "a=b", "a b", "--port"] {
        let error = EmbeddedPostgres::builder().setting(name, "1").start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name:?}");
    }
}

/// Plays both parts: the test, and, in a second process, the program that is killed.
#[test]
fn a_cluster_ends_with_its_program_however_that_ends() {
    if let Some(facts) = env::var_os(CHILD) {
        play_the_program(Path::new(&facts));
    }
    for signal in ["KILL", "INT", "TERM"] {
        let ended = kill_a_program(&env::current_exe().unwrap(), signal, None);
        assert!(ended.signal().is_some(), "{signal}: the program ended by itself: {ended}");
    }
}

/// The same under a user without rights, who can neither choose another user for the server nor write where root can.
#[test]
fn a_normal_user_needs_no_rights() {
    let probe = tempfile::tempdir().unwrap();
    if fs::metadata(probe.path()).unwrap().uid() != 0 {
        // Every other test here has just shown it.
        assert_eq!(hand_over(probe.path()).unwrap(), None);
        return;
    }
    // Where the program lies is not always open to all users.
    fs::set_permissions(probe.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = probe.path().join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let user = unprivileged_account().unwrap();
    let ended = kill_a_program(&program, "KILL", Some(user));
    assert_eq!(ended.signal(), Some(9), "the program ended by itself: {ended}");
}

fn play_the_program(facts: &Path) -> ! {
    let server = EmbeddedPostgres::start().unwrap();
    assert_eq!(server.psql("postgres", "SELECT 1").unwrap(), "1");
    let folder = server.folder().display();
    let owner = fs::metadata(server.folder()).unwrap().uid();
    let lines = format!("{folder}\n{}\n{owner}\n", server.postmaster_pid().unwrap());
    let draft = facts.with_extension("draft");
    fs::write(&draft, lines).unwrap();
    fs::rename(draft, facts).unwrap();
    loop {
        thread::park();
    }
}

/// Lets `program` start a cluster, ends it by `signal`, and checks that nothing of the cluster is left.
fn kill_a_program(program: &Path, signal: &str, user: Option<Account>) -> ExitStatus {
    let exchange = tempfile::tempdir().unwrap();
    fs::set_permissions(exchange.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let facts = exchange.path().join("facts");
    // A shell that was put into the background ignores SIGINT, and so would everything that it starts.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT,TERM".as_ref(), program.as_os_str()])
        .args([
            "--exact",
            "testing::embedded_postgres::tests::a_cluster_ends_with_its_program_however_that_ends",
        ])
        .env(CHILD, &facts)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    let mut program = Program(command.spawn().unwrap());
    let child = &mut program.0;
    let begun = Instant::now();
    while !facts.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the program did not start its cluster in time");
        assert!(child.try_wait().unwrap().is_none(), "the program could not start its cluster");
        thread::sleep(Duration::from_millis(10));
    }
    let facts = fs::read_to_string(&facts).unwrap();
    let [folder, server, owner] = facts.lines().collect::<Vec<_>>().try_into().unwrap();
    let (folder, server) = (Path::new(folder), server.parse().unwrap());
    assert!(folder.exists() && runs(server));
    assert_ne!(owner, "0", "the server must not run as root");
    // Ctrl-C reaches the whole process group of the program.
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} -{}", child.id())]).status().unwrap();
    assert!(sent.success());
    let mut ended = None;
    wait_until("the program has ended", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    let ended = ended.unwrap();
    wait_until("the server has ended", || !runs(server));
    wait_until("the folder is gone", || !folder.exists());
    ended
}

/// Ended even when the test fails before it has come to that.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, which is an error here and the aim everywhere else.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn send(signal: &str, pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().unwrap();
    assert!(sent.success());
}
