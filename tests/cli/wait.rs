//! `batchdb wait`: until the databases answer, and not a moment longer than it was told.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::*;

/// What starting the command itself may take on a busy machine, besides the library's own half second.
const GRACE: Duration = Duration::from_secs(4);

fn at(name: &str, port: u16) -> String {
    format!(
        "DEVELOPMENT_GLOBAL_{name}_CONNECTION_STRING=postgresql://postgres:${{PG_PASSWORD}}@127.0.0.1:{port}/postgres"
    )
}

#[test]
fn what_answers_is_waited_for_no_longer() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    let ran = world.expect(0, &["wait", "--for", "30s"]);
    assert!(ran.out.contains("ready after") && ran.out.contains("rpa_db, SurveyHub"), "{}", ran.out);
    assert_eq!(ran.err, "");
}

#[test]
fn a_server_that_comes_up_late_is_met() {
    let world = World::new();
    // The port is known before the server is there, as in a container.
    let port = closed_port();
    world.settings(&[&at("LATE", port)]);
    let relay = thread::spawn(move || {
        thread::sleep(Duration::from_millis(1500));
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        for client in listener.incoming().take(1) {
            pass_on(client.unwrap());
        }
    });
    let ran = world.expect(0, &["wait", "late", "--for", "30s"]);
    assert_eq!(ran.err.matches("waiting").count(), 1, "one line for one reason: {}", ran.err);
    assert!(ran.err.contains("late: waiting: ") && ran.err.contains("nothing listens there"), "{}", ran.err);
    relay.join().unwrap();
}

/// Stands between a client and the server until both have ended.
fn pass_on(client: std::net::TcpStream) {
    let server = std::net::TcpStream::connect(("127.0.0.1", server().port())).unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = std::io::copy(&mut from_server, &mut to_client);
    up.join().unwrap();
}

#[test]
fn the_time_is_kept_whatever_the_server_does() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new();
    let port = silent.local_addr().unwrap().port();
    let tds = format!(
        "DEVELOPMENT_GLOBAL_TDS_CONNECTION_STRING=mssql://sa:S3cr%7Dt@127.0.0.1:{port}/x?driver=FreeTDS"
    );
    world.settings(&[&at("SILENT", port), &at("GONE", closed_port()), &tds]);
    for (name, why) in
        [("silent", "the limit of"), ("gone", "nothing listens there"), ("tds", "the limit of")]
    {
        let began = Instant::now();
        let ran = world.expect(75, &["wait", name, "--for", "2s"]);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2) + GRACE, "{name}: {took:?}");
        assert!(
            ran.err.contains(&format!("{name}: not ready after 2s: ")) && ran.err.contains(why),
            "{}",
            ran.err
        );
        assert_eq!(ran.out, "");
    }
}

#[test]
fn what_waiting_does_not_heal_is_told_at_once() {
    let world = World::new();
    let port = server().port();
    world.settings(&[&format!(
        "DEVELOPMENT_GLOBAL_LOCKED_CONNECTION_STRING=postgresql://postgres:S3cr@127.0.0.1:{port}/postgres"
    )]);
    let began = Instant::now();
    let ran = world.expect(1, &["wait", "locked", "--for", "60s"]);
    assert!(
        ran.err.contains("locked: not waited for: ") && ran.err.contains("password authentication"),
        "{}",
        ran.err
    );
    assert!(world.expect(78, &["wait", "nothing", "locked"]).err.contains("_NOTHING_CONNECTION_STRING"));
    world.expect(64, &["wait", "rpa_db", "--for", "soon"]);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
#[cfg(unix)]
fn a_vault_that_is_away_is_waited_for_and_no_longer_than_it_was_told() {
    let world = World::new();
    let (port, said) = (server().port(), world.home.path().join("said"));
    world.settings(&[
        "DEVELOPMENT_GLOBAL_SLOW_CONNECTION_STRING_COMMAND='sleep 30'",
        &format!("DEVELOPMENT_GLOBAL_VAULT_CONNECTION_STRING_COMMAND='cat {}'", said.display()),
    ]);
    let began = Instant::now();
    let ran = world.expect(75, &["wait", "slow", "--for", "1s"]);
    assert!(
        ran.err.contains("slow: not ready after 1s: ") && ran.err.contains("did not end in"),
        "{}",
        ran.err
    );
    let ran = world.expect(78, &["doctor", "slow", "--limit", "1s"]);
    assert!(ran.err.contains("did not end in 1s"), "{}", ran.err);
    assert!(began.elapsed() < Duration::from_secs(2) + 2 * GRACE, "{:?}", began.elapsed());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| world.run(&["wait", "vault", "--for", "30s"]));
        thread::sleep(Duration::from_millis(1200));
        let url = format!("postgresql://postgres:S3cr%7Dt%3Bp%40ss%2Fw%25rd@127.0.0.1:{port}/postgres");
        std::fs::write(&said, url).unwrap();
        let ran = waiting.join().unwrap();
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(
            ran.err.contains("vault: waiting: ") && ran.err.contains("the command failed"),
            "{}",
            ran.err
        );
    });
}

/// A started command, which ends with the test at the latest.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the process has a handler for SIGTERM, which is the bit 14 of the mask in its state on Linux. Elsewhere it is
/// given the time to have one.
fn listens(child: &Child) -> bool {
    let Ok(state) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) else {
        thread::sleep(GRACE / 2);
        return true;
    };
    let mask = state.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 14) != 0
}

#[test]
#[cfg(unix)]
fn what_waits_is_told_to_stop() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    world.settings(&[
        &at("GONE", closed_port()),
        "DEVELOPMENT_GLOBAL_SLOW_CONNECTION_STRING_COMMAND='sleep 30'",
    ]);
    server().psql(&world.database, "CREATE TABLE target (id int)").unwrap();
    let jobs: [&[&str]; 6] = [
        &["wait", "gone", "--for", "50s"],
        &["wait", "slow", "--for", "50s"],
        &["health", "rpa_db", "--watch", "50s"],
        &["pool", "rpa_db", "--watch", "50s"],
        &["bench", "rpa_db", "--for", "50s"],
        &["import", "rpa_db", "target", "-"],
    ];
    let mut children: Vec<_> = jobs
        .iter()
        .map(|arguments| {
            let null = Stdio::null;
            // Nobody writes to it, and nobody closes it.
            let mut command = world.command(arguments);
            Killed(command.stdin(Stdio::piped()).stdout(null()).stderr(null()).spawn().unwrap())
        })
        .collect();
    for (Killed(child), arguments) in children.iter_mut().zip(jobs) {
        let end = Instant::now() + 2 * GRACE;
        while !listens(child) {
            assert!(Instant::now() < end, "{arguments:?} does not listen to signals");
            thread::sleep(Duration::from_millis(20));
        }
    }
    // From listening to waiting.
    thread::sleep(Duration::from_millis(500));
    let told = Instant::now();
    for (Killed(child), arguments) in children.iter_mut().zip(jobs) {
        assert!(child.try_wait().unwrap().is_none(), "{arguments:?} has ended by itself");
        let line = format!("kill -TERM {}", child.id());
        assert!(std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }
    for (Killed(child), arguments) in children.iter_mut().zip(jobs) {
        let code = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if told.elapsed() > 2 * GRACE => panic!("{arguments:?} goes on"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        assert_eq!(code, Some(130), "{arguments:?}");
    }
}

#[test]
fn a_database_and_its_migrations_may_be_made_meanwhile() {
    let world = World::new();
    let database = format!("{}_later", world.database);
    let port = server().port();
    world.settings(&[&format!(
        "DEVELOPMENT_GLOBAL_LATER_CONNECTION_STRING=postgresql://postgres:${{PG_PASSWORD}}@127.0.0.1:{port}/{database}"
    )]);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| world.run(&["wait", "later", "--for", "30s"]));
        thread::sleep(Duration::from_millis(800));
        server().create_database(&database).unwrap();
        let ran = waiting.join().unwrap();
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("does not exist"), "{}", ran.err);
    });
    thread::scope(|scope| {
        let waiting = scope.spawn(|| world.run(&["wait", "rpa_db", "--migrated", "--for", "30s"]));
        thread::sleep(Duration::from_millis(800));
        world.expect(0, &["migrate", "rpa_db", "up"]);
        let ran = waiting.join().unwrap();
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("migrations are pending: V001, V002"), "{}", ran.err);
    });
}

#[test]
fn a_migration_that_did_not_come_to_its_end_is_not_done() {
    let world = World::new();
    world.migration("V003__Half.sql", "-- batchdb: no-transaction\nINSERT INTO nowhere VALUES (1)");
    world.expect(1, &["migrate", "rpa_db", "up"]);
    let ran = world.expect(75, &["wait", "rpa_db", "--migrated", "--for", "300ms"]);
    assert!(ran.err.contains("migrations are pending: V003"), "{}", ran.err);
}
