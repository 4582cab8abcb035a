//! Data sources of the driver manager, which only a process with an `odbc.ini` of its own has.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::tds::{Answer, Server, Then};
use crate::world::*;

/// Runs `batchdb` with a data source `hub` that leads to this port by FreeTDS, and says nothing else.
fn run_with_source(port: u16, connection_string: &str, arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("envs")).unwrap();
    let odbc_ini = home.path().join("odbc.ini");
    fs::write(&odbc_ini, format!("[hub]\nDriver=FreeTDS\nServer=127.0.0.1\nPort={port}\nDatabase=hub\n"))
        .unwrap();
    run(arguments, |command| {
        command
            .env("BATCHDB_HOME", home.path())
            .env("ODBCINI", &odbc_ini)
            .env("DEVELOPMENT_GLOBAL_HUB_TYPE", "sqlserver")
            .env("DEVELOPMENT_GLOBAL_HUB_CONNECT_TIMEOUT", "1")
            .env("DEVELOPMENT_GLOBAL_HUB_MIGRATE_ON_START", "off")
            .env("DEVELOPMENT_GLOBAL_HUB_CONNECTION_STRING", connection_string)
    })
}

#[test]
fn a_data_source_of_freetds_is_told_what_freetds_must_be_told() {
    let server = Server::start(|_| Answer::rows(1, Then::Done));
    let query = ["query", "hub", "SELECT 1 AS n", "--json"];
    for (string, password) in [("DSN=hub;UID=sa;PWD={a}}é}", "a}é"), ("DSN=hub;UID=sa;PWD=p", "p")] {
        let ran = run_with_source(server.port(), string, &query);
        assert_eq!((ran.code, ran.out.as_str()), (0, "{\"n\":0}\n"), "{}", ran.err);
        let seen = server.logins_seen().pop().unwrap();
        assert_eq!((seen.version, seen.password.as_str()), (0x7400_0004, password));
        assert_eq!((seen.user.as_str(), seen.database.as_str()), ("sa", "hub"));
    }
    // The string's own word goes before ours.
    let ran = run_with_source(server.port(), "DSN=hub;UID=sa;PWD=p;TDS_Version=7.3", &query);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(server.logins_seen().pop().unwrap().version, 0x730b_0003);
    let ran = run_with_source(server.port(), "DSN=hub;UID=sa;PWD={S3cr}};}", &query);
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert!(ran.err.contains("FreeTDS can be told no value"), "{}", ran.err);
}

#[test]
fn a_data_source_of_freetds_does_not_hang_on_a_silent_server() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let began = Instant::now();
    let ran = run_with_source(port, "DSN=hub;UID=sa;PWD=p", &["query", "hub", "SELECT 1"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("connect"), "{}", ran.err);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(silent);
}

#[test]
fn a_diagnosis_names_the_driver_of_a_data_source_or_that_there_is_none() {
    let server = Server::start(|_| Answer::rows(1, Then::Done));
    let ran = run_with_source(server.port(), "DSN=hub;UID=sa;PWD=p", &["doctor", "hub"]);
    assert!(ran.out.contains("the data source \"hub\" has the driver FreeTDS"), "{}", ran.out);
    let ran = run_with_source(server.port(), "DSN=hubb;UID=sa;PWD=p", &["doctor", "hub"]);
    assert!(ran.out.contains("knows no data source \"hubb\""), "{}", ran.out);
}
