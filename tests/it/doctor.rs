//! `diagnose` ends in time and at the right step, whatever is at the other end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, Diagnosis, StepOutcome};

use crate::common::{fresh, signal, timed, unique};
use crate::tds::{Answer, Server, Then};

/// The end of a call, by its promise.
const GRACE: Duration = Duration::from_millis(500);

fn at(port: u16) -> DatabaseManager {
    let url = format!("postgresql://u:hunter2@127.0.0.1:{port}/d");
    DatabaseManager::builder(&unique("doctor")).connection_string(url).build().unwrap()
}

#[track_caller]
fn stops(db: &DatabaseManager, limit: Duration, at: &str) -> Diagnosis {
    let mut told = Vec::new();
    let (diagnosis, took) = timed(|| db.diagnose(limit, |step| told.push(step.clone())));
    assert!(took < limit + GRACE, "{took:?}");
    assert_eq!(diagnosis.failed().map(|step| step.name), Some(at), "{diagnosis:?}");
    // The step that failed is the last one, and each was told as it was made.
    assert_eq!((diagnosis.steps.last(), diagnosis.steps.as_slice()), (diagnosis.failed(), told.as_slice()));
    assert!(!diagnosis.failed().unwrap().advice.is_empty() && !format!("{diagnosis:?}").contains("hunter2"));
    diagnosis
}

/// A listener that gives each connection to `serve`, on a thread of its own.
fn listening(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Keeps the stream open until the other side closes it.
fn hold(mut stream: TcpStream) {
    while stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_silent_server_holds_nobody_beyond_the_limit() {
    let limit = Duration::from_secs(1);
    let silent = at(listening(hold));
    let diagnosis = stops(&silent, limit, "tls");
    assert!(diagnosis.failed().unwrap().problems[0].contains("says nothing"), "{diagnosis:?}");
    // Silent only behind the question for TLS, so that the login waits.
    let mute = listening(|mut stream| {
        let _ = stream.read_exact(&mut [0; 8]).and_then(|()| stream.write_all(b"N"));
        hold(stream);
    });
    stops(&at(mute), limit, "login");
    // In the midst of the handshake.
    let torn = listening(|mut stream| {
        let _ = stream.read_exact(&mut [0; 8]).and_then(|()| stream.write_all(b"S"));
        hold(stream);
    });
    stops(&at(torn), limit, "tls");
}

#[test]
fn what_is_no_postgres_is_told_as_such() {
    let web = listening(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        hold(stream);
    });
    let diagnosis = stops(&at(web), Duration::from_secs(5), "tls");
    assert!(
        diagnosis.failed().unwrap().problems[0].contains("does not answer as PostgreSQL does"),
        "{diagnosis:?}"
    );
    let closing = stops(&at(listening(drop)), Duration::from_secs(5), "tls");
    assert!(closing.failed().unwrap().problems[0].contains("ended the connection"), "{closing:?}");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = stops(&at(gone), Duration::from_secs(5), "tcp");
    assert!(refused.failed().unwrap().problems[0].contains("nothing listens there"), "{refused:?}");
}

#[test]
fn a_second_host_is_reached_and_the_first_is_a_doubt() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let there = crate::common::server();
    let url = format!(
        "postgresql://postgres:{}@127.0.0.1:{gone},127.0.0.1:{}/postgres",
        there.password(),
        there.port()
    );
    let db = fresh("doctor_hosts").connection_string(url).build().unwrap();
    let diagnosis = db.diagnose(Duration::from_secs(20), |_| ());
    assert_eq!(diagnosis.failed(), None, "{diagnosis:?}");
    let tcp = diagnosis.step("tcp").unwrap();
    assert_eq!(tcp.outcome, StepOutcome::Warning);
    assert!(tcp.problems[0].contains(&format!("127.0.0.1:{gone}")), "{tcp:?}");
}

#[test]
fn the_whole_way_is_gone_with_a_pool_of_one_connection() {
    let db = fresh("doctor_one").pool_size(1).max_overflow(0).build().unwrap();
    let diagnosis = db.diagnose(Duration::from_secs(20), |_| ());
    let names: Vec<_> = diagnosis.steps.iter().map(|step| step.name).collect();
    assert_eq!(
        names,
        [
            "settings",
            "name",
            "tcp",
            "tls",
            "login",
            "permissions",
            "round trip",
            "server",
            "clock",
            "migrations",
            "versions"
        ]
    );
    assert_eq!(diagnosis.verdict, StepOutcome::Warning, "a superuser: {diagnosis:?}");
    let clock = diagnosis.step("clock").unwrap();
    assert_eq!(clock.outcome, StepOutcome::Passed, "{clock:?}");
    assert_eq!(diagnosis.to_json()["steps"][4]["outcome"], "passed");
}

#[test]
fn settings_of_the_server_that_do_not_fit_are_doubts() {
    let db = fresh("doctor_unfit").pool_size(400).max_overflow(200).build().unwrap();
    crate::common::server()
        .psql(db.name(), &format!("ALTER DATABASE {} SET statement_timeout = '2s'; ALTER DATABASE {0} SET default_transaction_read_only = on", db.name()))
        .unwrap();
    let diagnosis = db.diagnose(Duration::from_secs(20), |_| ());
    let server = diagnosis.step("server").unwrap();
    for wanted in ["one process may open 600", "ends statements after 2000 ms", "takes no writes"] {
        assert!(server.problems.iter().any(|problem| problem.contains(wanted)), "{wanted}: {server:?}");
    }
    assert_eq!(server.problems.len(), server.advice.len());
}

#[test]
fn behind_a_driver_that_nobody_knows_better_what_can_be_asked_is_asked() {
    let server = crate::common::server();
    let string = format!(
        "Driver={{PostgreSQL Unicode}};Server=127.0.0.1;Port={};Database=postgres;UID=postgres;PWD={}",
        server.port(),
        server.password()
    );
    let db = DatabaseManager::builder(&unique("doctor_odbc")).connection_string(string).build().unwrap();
    let diagnosis = db.diagnose(Duration::from_secs(20), |_| ());
    let names: Vec<_> = diagnosis.steps.iter().map(|step| step.name).collect();
    assert_eq!(
        names,
        ["settings", "driver", "name", "tcp", "login", "round trip", "migrations", "versions"],
        "{diagnosis:?}"
    );
    assert_eq!(diagnosis.verdict, StepOutcome::Passed, "{diagnosis:?}");
    assert!(diagnosis.step("versions").unwrap().facts[1].contains("psqlodbc"), "{diagnosis:?}");
}

/// Copies piece by piece, each late.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        thread::sleep(Duration::from_millis(15));
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_server_that_is_far_away_is_a_doubt() {
    let server = crate::common::server();
    let port = server.port();
    let far = listening(move |client| {
        let up = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (from, to) = (up.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || carry(from, to));
        carry(client, up);
    });
    let url = format!("postgresql://postgres:{}@127.0.0.1:{far}/postgres?sslmode=disable", server.password());
    let db = DatabaseManager::builder(&unique("doctor_far")).connection_string(url).build().unwrap();
    let diagnosis = db.diagnose(Duration::from_secs(20), |_| ());
    assert_eq!(diagnosis.step("round trip").unwrap().problems, ["the server is far away"], "{diagnosis:?}");
}

#[test]
fn all_hosts_that_refuse_are_named() {
    let closed = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (one, two) = (closed(), closed());
    let url = format!("postgresql://u@127.0.0.1:{one},127.0.0.1:{two}/d");
    let db = DatabaseManager::builder(&unique("doctor")).connection_string(url).build().unwrap();
    let diagnosis = stops(&db, Duration::from_secs(5), "tcp");
    let problem = &diagnosis.failed().unwrap().problems[0];
    assert!(
        problem.contains(&format!(":{one} refused")) && problem.contains(&format!(":{two} refused")),
        "{problem}"
    );
}

#[test]
fn a_server_that_falls_silent_on_the_way_holds_nobody() {
    let own = EmbeddedPostgres::start().unwrap();
    let postmaster = i64::from(own.postmaster_pid().unwrap());
    let db =
        DatabaseManager::builder(&unique("doctor_stopped")).connection_string(own.url()).build().unwrap();
    let limit = Duration::from_secs(2);
    let (diagnosis, took) = timed(|| {
        db.diagnose(limit, |step| {
            if step.name == "login" {
                signal("STOP", postmaster);
            }
        })
    });
    signal("CONT", postmaster);
    assert!(took < limit + GRACE, "{took:?}");
    assert_eq!(diagnosis.failed().map(|step| step.name), Some("session"), "{diagnosis:?}");

    // A backend that falls silent between two questions.
    let db =
        DatabaseManager::builder(&unique("doctor_stopped")).connection_string(own.url()).build().unwrap();
    let ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'batchdb' ORDER BY backend_start DESC LIMIT 1";
    let mut stopped = None;
    let (diagnosis, took) = timed(|| {
        db.diagnose(limit, |step| {
            if step.name == "permissions" {
                let pid: i64 = own.psql("postgres", ours).unwrap().trim().parse().unwrap();
                signal("STOP", pid);
                stopped = Some(pid);
            }
        })
    });
    stopped.into_iter().for_each(|pid| signal("CONT", pid));
    assert!(took < limit + GRACE, "{took:?}");
    assert_eq!(diagnosis.failed().map(|step| step.name), Some("round trip"), "{diagnosis:?}");
}

/// A handle for a scripted T-SQL server, through FreeTDS.
fn t_sql(server: &Server) -> DatabaseManager {
    let string =
        format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2;Encryption=off", server.port());
    DatabaseManager::builder(&unique("doctor_tds")).connection_string(string).build().unwrap()
}

#[test]
fn what_a_user_may_not_ask_is_a_warning_and_no_end() {
    let server = Server::start(|text| match text {
        // Whether the connection lives.
        text if text.contains("sign_of_life") || text.trim_end().ends_with("SELECT 1") => {
            Answer::rows(1, Then::Done)
        }
        // "The SELECT permission was denied."
        text if text.contains("SELECT") => Answer::nothing(Then::Fail(229)),
        _ => Answer::nothing(Then::Done),
    });
    let diagnosis = t_sql(&server).diagnose(Duration::from_secs(20), |_| ());
    let steps: Vec<_> = diagnosis.steps.iter().map(|step| (step.name, step.outcome)).collect();
    let (passed, warning) = (StepOutcome::Passed, StepOutcome::Warning);
    assert_eq!(
        steps,
        [
            ("settings", passed),
            ("driver", passed),
            ("name", passed),
            ("tcp", passed),
            ("login", passed),
            ("permissions", warning),
            ("round trip", passed),
            ("server", warning),
            ("clock", warning),
            ("migrations", warning),
            ("versions", passed),
        ],
        "{diagnosis:?}"
    );
    assert!(diagnosis.step("versions").unwrap().facts[1].contains("tdsodbc"), "{diagnosis:?}");
    assert!(!format!("{diagnosis:?}").contains("hunter2"));
}

#[test]
fn a_t_sql_server_that_refuses_or_falls_silent_is_told_in_time() {
    let refusing = Server::refusing(18456);
    stops(&t_sql(&refusing), Duration::from_secs(10), "login");
    let silent = Server::start(|text| match text.contains("sign_of_life") {
        true => Answer::rows(1, Then::FallSilent),
        false => Answer::nothing(Then::Done),
    });
    let (diagnosis, took) = timed(|| t_sql(&silent).diagnose(Duration::from_secs(2), |_| ()));
    assert!(took < Duration::from_secs(2) + GRACE, "{took:?}");
    assert_eq!(diagnosis.failed().map(|step| step.name), Some("round trip"), "{diagnosis:?}");
}
