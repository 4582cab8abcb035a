//! Health of a SQL Server, as the scripted server plays it to the real FreeTDS: states, replicas, and databases that it
//! does not open.

use std::time::Duration;

use batchdb::{DatabaseManager, HealthStatus, MigrateOnStart, StepOutcome};

use crate::common::{timed, unique};
use crate::tds::{Answer, Cell, Login, Server, Then};

/// What the server says of the database.
#[derive(Clone, Copy)]
struct Said {
    state: &'static str,
    access: &'static str,
    updates: Cell<'static>,
    grouped: i64,
    sees: i64,
}

const ONLINE: Said =
    Said { state: "ONLINE", access: "MULTI_USER", updates: Cell::Text("READ_WRITE"), grouped: 0, sees: 1 };
const SECONDARY: Said = Said { updates: Cell::Text("READ_ONLY"), grouped: 1, ..ONLINE };
const PRIMARY: Said = Said { grouped: 1, sees: 0, ..ONLINE };

fn answer(text: &str, said: Said) -> Answer {
    let text_or_null = |text| if str::is_empty(text) { Cell::Null } else { Cell::Text(text) };
    match text {
        text if text.contains("health_check") => Answer::row(&[("health_check", Cell::Number(1))]),
        text if text.contains("ProductVersion") => Answer::row(&[
            ("version", Cell::Text("16.0.4135.4")),
            ("edition", Cell::Text("Developer Edition (64-bit)")),
            ("state", text_or_null(said.state)),
            ("access", text_or_null(said.access)),
            ("updates", said.updates),
            ("grouped", Cell::Number(said.grouped)),
            ("sees", Cell::Number(said.sees)),
        ]),
        text if text.contains("MAX_CONNECTIONS") => Answer::row(&[
            ("most", Cell::Number(32767)),
            ("lock_ms", Cell::Number(-1)),
            ("transport", Cell::Text("TCP")),
            ("row_versions", Cell::Number(1)),
        ]),
        text if text.contains("sign_of_life") || text.trim_end().ends_with("SELECT 1") => {
            Answer::rows(1, Then::Done)
        }
        _ => Answer::nothing(Then::Done),
    }
}

fn handle(server: &Server, read_only: bool) -> DatabaseManager {
    let text =
        format!("Driver=FreeTDS;Server=127.0.0.1;Port={};Database=hub;UID=sa;PWD=hunter2", server.port());
    let db = DatabaseManager::builder(&unique("health_tds")).connection_string(text).read_only(read_only);
    db.migrate_on_start(MigrateOnStart::Off).connect_timeout(Duration::from_secs(2)).build().unwrap()
}

/// A server that is open.
fn open(said: Said) -> Server {
    Server::start(move |text| answer(text, said))
}

/// A server that opens `master` and no other database, as a real one does: two errors, and the login comes first.
fn closed(numbers: [i32; 2], said: Said) -> Server {
    let door = move |login: &Login| if login.database == "master" { Vec::new() } else { numbers.to_vec() };
    Server::guarded(door, move |text| answer(text, said))
}

#[test]
fn a_server_that_is_open_says_what_it_is() {
    let server = open(ONLINE);
    let health = handle(&server, true).health_check();
    assert_eq!(health.status, HealthStatus::Healthy, "{}", health.to_json());
    let json = health.to_json();
    assert_eq!(
        json["server"],
        serde_json::json!({
            "version": "16.0.4135.4", "edition": "Developer Edition (64-bit)", "state": "ONLINE", "writable": true,
            "role": null, "sees_sessions": true
        })
    );
    assert_eq!(server.logins(), 1, "one login is enough");
}

#[test]
fn a_secondary_takes_no_writes_and_a_primary_is_named_where_one_was_asked_for() {
    let server = open(SECONDARY);
    let health = handle(&server, true).health_check();
    assert_eq!(health.status, HealthStatus::Healthy, "{}", health.to_json());
    assert_eq!(health.server.as_ref().unwrap().role, Some("SECONDARY"));
    assert!(server.logins_seen()[0].reads_only);
    let health = handle(&server, false).health_check();
    assert_eq!(health.status, HealthStatus::Degraded, "{}", health.to_json());
    assert!(health.error.unwrap().contains("takes no writes"));

    let server = open(PRIMARY);
    let health = handle(&server, true).health_check();
    let said = health.server.unwrap();
    assert_eq!((health.status, said.role, said.writable), (HealthStatus::Healthy, Some("PRIMARY"), true));
    let diagnosis = handle(&server, true).diagnose(Duration::from_secs(20), |_| ());
    let step = diagnosis.step("server").unwrap();
    assert_eq!(step.outcome, StepOutcome::Warning, "{step:?}");
    assert!(step.problems.iter().any(|problem| problem.contains("the primary has answered")), "{step:?}");
    assert!(step.facts.iter().any(|fact| fact.contains("VIEW SERVER PERFORMANCE STATE")), "{step:?}");
    let diagnosis = handle(&server, false).diagnose(Duration::from_secs(20), |_| ());
    assert!(diagnosis.step("server").unwrap().problems.is_empty(), "{diagnosis:?}");
}

#[test]
fn what_is_not_online_in_a_session_is_degraded() {
    let server = open(Said { state: "RESTORING", ..ONLINE });
    let health = handle(&server, true).health_check();
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(health.error.as_deref(), Some("the database is RESTORING"));
}

#[test]
fn why_a_database_is_not_opened_is_asked_in_master() {
    for (said, part) in [
        (Said { state: "RESTORING", ..ONLINE }, "the database is RESTORING"),
        (Said { state: "OFFLINE", ..ONLINE }, "the database is OFFLINE"),
        (ONLINE, "has no user in it"),
        (Said { access: "SINGLE_USER", ..ONLINE }, "for a single user"),
        (Said { state: "", access: "", updates: Cell::Null, ..ONLINE }, "is not there"),
    ] {
        for numbers in [[18456, 4060], [4060, 18456], [18456, 927]] {
            let server = closed(numbers, said);
            let db = handle(&server, false);
            let health = db.health_check();
            let json = health.to_json().to_string();
            assert_eq!(health.status, HealthStatus::Unhealthy, "{json}");
            let error = health.error.unwrap();
            assert!(error.contains("does not open the database") && error.contains(part), "{error}");
            assert!(json.contains("16.0.4135.4"), "{json}");
            assert!(!json.contains("hunter2"), "{json}");
            let databases: Vec<_> = server.logins_seen().into_iter().map(|login| login.database).collect();
            assert_eq!(databases, ["hub", "master"]);
            // Nothing but health and diagnosis makes that second login.
            assert!(db.execute_query("SELECT 1 AS n", ()).is_err());
            assert!(server.logins_seen()[2..].iter().all(|login| login.database == "hub"));
        }
    }
    let server = closed([18456, 4060], Said { state: "RECOVERING", ..ONLINE });
    let diagnosis = handle(&server, false).diagnose(Duration::from_secs(20), |_| ());
    let step = diagnosis.failed().unwrap();
    assert_eq!(step.name, "login", "{diagnosis:?}");
    assert!(step.problems.iter().any(|problem| problem.contains("RECOVERING")), "{step:?}");
    assert!(step.advice.iter().any(|advice| advice.contains("is it online")), "{step:?}");
}

#[test]
fn the_question_in_master_hides_no_error_and_ends_in_time() {
    // A password that is wrong is wrong in `master` too, and offered there to nobody.
    let server = Server::refusing(18456);
    let health = handle(&server, false).health_check();
    assert!(health.error.unwrap().contains("refused the credentials"));
    assert_eq!(server.logins(), 1);
    // It does not let us in there either.
    let server = Server::refusing_by(&[18456, 4060]);
    let health = handle(&server, false).health_check();
    assert!(health.error.unwrap().contains("does not open the database"));
    assert_eq!((health.server, server.logins()), (None, 2));
    // It says nothing there.
    let door = |login: &Login| if login.database == "master" { Vec::new() } else { vec![18456, 4060] };
    let server = Server::guarded(door, |text| match text.contains("ProductVersion") {
        true => Answer::nothing(Then::FallSilent),
        false => Answer::nothing(Then::Done),
    });
    let db = handle(&server, false).with_deadline(Duration::from_secs(1));
    let (health, took) = timed(|| db.health_check());
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(health.error.unwrap().contains("does not open the database"));
}
