//! What arrives of a connection string at a server, through the real FreeTDS: the login as it was sent.

use batchdb::DatabaseManager;

use crate::common::unique;
use crate::tds::{Answer, Login, Server, Then};

fn server() -> Server {
    Server::start(|_| Answer::rows(1, Then::Done))
}

/// What a first call of these settings has said of itself.
fn login(
    server: &Server,
    connection_string: String,
    set_up: impl FnOnce(batchdb::DatabaseManagerBuilder) -> batchdb::DatabaseManagerBuilder,
) -> Login {
    let db = DatabaseManager::builder(&unique("login")).connection_string(connection_string);
    let db = set_up(db).migrate_on_start(batchdb::MigrateOnStart::Off).build().unwrap();
    db.execute_query("SELECT 1 AS n", ()).unwrap();
    server.logins_seen().pop().unwrap()
}

/// Encodes everything that is not a letter or a digit.
fn percent(text: &str) -> String {
    let letter = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

#[test]
fn a_password_arrives_as_it_is_whatever_is_in_it() {
    let server = server();
    let port = server.port();
    for password in [
        "plain",
        "a}b",
        "}}",
        "a}}b",
        "a;b",
        "{a",
        "a{b",
        " a ",
        "a=b",
        "p@ss:w/o%d+r#d",
        "it's \"so\"",
        "é€😀",
        "a} ",
    ] {
        let doubled = password.replace('}', "}}");
        for text in [
            format!("Driver=FreeTDS;Server=127.0.0.1;Port={port};Database=hub;UID=sa;PWD={{{doubled}}}"),
            format!("mssql+pyodbc://sa:{}@127.0.0.1:{port}/hub?driver=FreeTDS", percent(password)),
        ] {
            let seen = login(&server, text, |db| db);
            assert_eq!((seen.user.as_str(), seen.password.as_str()), ("sa", password));
            assert_eq!(seen.database, "hub");
        }
    }
}

#[test]
fn a_password_that_freetds_cannot_be_told_is_refused_before_anything_is_sent() {
    let server = server();
    for password in ["hunter}};2", "{hunter}}2"] {
        let text =
            format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD={{{password}}}", server.port());
        let db = DatabaseManager::builder(&unique("login")).connection_string(text).build();
        let error = db.unwrap_err();
        assert_eq!(error.kind(), batchdb::ErrorKind::Config);
        assert!(error.to_string().contains("FreeTDS can be told no value"), "{error}");
        assert!(!error.report().contains("hunter"), "{error}");
    }
    assert_eq!(server.logins(), 0);
}

#[test]
fn a_session_says_which_program_it_is_and_whether_it_only_reads() {
    let server = server();
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};Database=hub;UID=sa;PWD=p", server.port());
    let seen = login(&server, text.clone(), |db| db.flow("nightly"));
    assert_eq!((seen.application.as_str(), seen.database.as_str()), ("batchdb/nightly", "hub"));
    assert!(!seen.reads_only);
    assert_eq!(seen.version, 0x7400_0004, "TDS 7.4");
    assert!(login(&server, text.clone(), |db| db.read_only(true)).reads_only);
    let own = format!("{text};APP=theirs;ApplicationIntent=ReadWrite");
    let seen = login(&server, own, |db| db.read_only(true));
    assert_eq!((seen.application.as_str(), seen.reads_only), ("theirs", false));
}
