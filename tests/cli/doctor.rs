//! `batchdb doctor`: at which step the way to a database stops, and what to do.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::world::*;

/// A world in which a user without rights of a superuser owns the database, and nothing is pending.
fn healthy() -> World {
    let world = World::new();
    let script = format!(
        "CREATE ROLE {0} LOGIN PASSWORD '{PASSWORD}'; ALTER DATABASE {0} OWNER TO {0}; GRANT CREATE ON SCHEMA public TO {0}",
        world.database
    );
    server().psql(&world.database, &script).unwrap();
    let (port, database) = (server().port(), &world.database);
    fs::create_dir_all(world.home.path().join("migrations/own")).unwrap();
    world.settings(&[&format!(
        "DEVELOPMENT_GLOBAL_OWN_CONNECTION_STRING=postgresql://{database}:${{PG_PASSWORD}}@localhost:{port}/{database}"
    )]);
    world
}

#[test]
fn a_way_without_a_stone_is_gone_to_its_end() {
    let world = healthy();
    let ran = world.expect(0, &["doctor", "own"]);
    for step in [
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
        "versions",
    ] {
        assert!(ran.out.contains(&format!("ok    {step}")), "{step}\n{}", ran.out);
    }
    for wanted in
        ["everything is as it should be", "localhost is ", "statement_timeout off", "line 5", "batchdb 0."]
    {
        assert!(ran.out.contains(wanted), "{wanted}\n{}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
    let report = json_of(&world.expect(0, &["doctor", "own", "--json"]).out);
    assert_eq!((&report["verdict"], report["steps"].as_array().unwrap().len()), (&"passed".into(), 11));
}

#[test]
fn what_works_and_should_be_looked_at_is_told_with_advice() {
    let world = World::new();
    let ran = world.expect(2, &["doctor", "rpa_db"]);
    for wanted in [
        "look  permissions",
        "! the user is a superuser",
        "look  migrations",
        "! pending: V001, V002",
        "→ apply them: `batchdb migrate DB up`",
        "it works; look at what is marked",
    ] {
        assert!(ran.out.contains(wanted), "{wanted}\n{}", ran.out);
    }
    // It has looked, and done nothing.
    assert_eq!(
        json_of(&world.expect(3, &["migrate", "rpa_db", "status", "--json"]).out)["total_migrations"],
        0
    );
}

#[test]
fn it_stops_where_the_way_stops_and_says_what_to_do() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (world, port) = (World::new(), server().port());
    let url =
        |name: &str, rest: String| format!("DEVELOPMENT_GLOBAL_{name}_CONNECTION_STRING=postgresql://{rest}");
    let mssql = |name: &str, port: u16| {
        format!(
            "DEVELOPMENT_GLOBAL_{name}_CONNECTION_STRING=mssql://sa:S3cr%7Dt@127.0.0.1:{port}/x?driver=FreeTDS"
        )
    };
    let silent_port = silent.local_addr().unwrap().port();
    world.settings(&[
        &url("NAMELESS", format!("u@nowhere.invalid:{port}/x")),
        &url("REFUSED", format!("u@127.0.0.1:{}/x", closed_port())),
        &url("SILENT", format!("u@127.0.0.1:{silent_port}/x")),
        &url("LOCKED", format!("postgres:S3cr@127.0.0.1:{port}/postgres")),
        &url("ABSENT", format!("postgres:${{PG_PASSWORD}}@127.0.0.1:{port}/no_such_database")),
        &url("SOCKET", "u@%2Fno%2Fsuch%2Ffolder/x".to_owned()),
        &mssql("TDS_REFUSED", closed_port()),
        &mssql("TDS_SILENT", silent_port),
        "DEVELOPMENT_GLOBAL_NOFILE_CONNECTION_STRING=sqlite:////no/such/folder/x.db",
    ]);
    for (name, step, advice) in [
        ("nameless", "name", "→ "),
        ("refused", "tcp", "→ is the server running"),
        ("silent", "tls", "→ is this the port of a database?"),
        ("locked", "login", "→ correct the user or the password"),
        ("absent", "login", "→ create the database"),
        ("socket", "name", "there is no socket"),
        ("tds_refused", "tcp", "→ is the server running"),
        ("tds_silent", "login", "→ it takes connections and does not finish the login"),
        ("nofile", "file", "there is no folder /no/such/folder"),
    ] {
        let began = Instant::now();
        let ran = world.expect(1, &["doctor", name, "--limit", "3s"]);
        assert!(began.elapsed() < Duration::from_secs(8), "{name}: {:?}", began.elapsed());
        assert!(
            ran.out.contains(&format!("STOP  {step}")) && ran.out.contains(advice),
            "{name}\n{}",
            ran.out
        );
        assert!(ran.out.ends_with(&format!("{name}: it stops at {step}\n")), "{name}\n{}", ran.out);
    }
    let ran = world.expect(78, &["doctor", "nothing"]);
    assert!(
        ran.err.contains("stops at the settings") && ran.err.contains("_NOTHING_CONNECTION_STRING"),
        "{}",
        ran.err
    );
}

#[test]
fn an_sqlite_file_is_looked_at_as_one() {
    let world = World::new();
    let ran = world.expect(1, &["doctor", "SurveyHub"]);
    assert!(ran.out.contains("STOP  file") && ran.out.contains("! there is no file"), "{}", ran.out);
    assert!(!world.survey_hub().exists(), "who looks makes no file");
    fill_survey_hub(&world.survey_hub());
    let ran = world.expect(0, &["doctor", "SurveyHub"]);
    for wanted in [
        "ok    driver",
        "installed here: ",
        "ok    file",
        "ok    server",
        "SQLite 3.",
        "journal_mode",
        "driver sqlite3odbc",
    ] {
        assert!(ran.out.contains(wanted), "{wanted}\n{}", ran.out);
    }
}
