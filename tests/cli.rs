//! The `batchdb` command as it is built, on a throw-away PostgreSQL and an SQLite file behind its ODBC driver.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that fails by `unwrap` says where and why, in its helpers too"
)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use batchdb::DatabaseManager;
use batchdb::testing::EmbeddedPostgres;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// In no output, whatever happens: with characters that every spelling of a connection string treats otherwise.
const PASSWORD: &str = "S3cr}t;p@ss/w%rd";

fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER.get_or_init(|| EmbeddedPostgres::builder().password(PASSWORD).start().unwrap())
}

/// A home with a PostgreSQL database `rpa_db` and an SQLite file `SurveyHub`.
struct World {
    home: TempDir,
    database: String,
}

/// What a command did.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl World {
    fn new() -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let database = format!("cli_{}", NEXT.fetch_add(1, Ordering::SeqCst));
        server().create_database(&database).unwrap();
        let home = tempfile::tempdir().unwrap();
        for folder in ["envs", "migrations/rpa_db", "migrations/SurveyHub"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let world = World { home, database };
        world.settings(&[]);
        world.migration(
            "V001__Create_job.sql",
            "CREATE TABLE job (id int PRIMARY KEY, name text, sum numeric)",
        );
        world.migration("V002__Fill_job.sql", "INSERT INTO job VALUES (1, 'one', 1.50), (2, NULL, NULL)");
        world
    }

    /// Writes the file of settings, with `more` at its end.
    fn settings(&self, more: &[&str]) {
        let (port, database) = (server().port(), &self.database);
        let own = [
            format!(
                "DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://postgres:${{PG_PASSWORD}}@127.0.0.1:{port}/{database}"
            ),
            format!(
                "DEVELOPMENT_GLOBAL_SURVEYHUB_CONNECTION_STRING=\"Driver=SQLite3;Database={};\"",
                self.survey_hub().display()
            ),
            "DEVELOPMENT_GLOBAL_SURVEYHUB_TYPE=odbc".to_owned(),
            "DEVELOPMENT_GLOBAL_SURVEYHUB_READ_ONLY=true".to_owned(),
        ];
        let more = more.iter().map(|line| (*line).to_owned());
        let lines: Vec<String> = own.into_iter().chain(more).collect();
        fs::write(self.home.path().join("envs/.env.development"), lines.join("\n")).unwrap();
    }

    fn survey_hub(&self) -> PathBuf {
        self.home.path().join("survey_hub.db")
    }

    fn migration(&self, file: &str, text: &str) {
        fs::write(self.home.path().join("migrations/rpa_db").join(file), text).unwrap();
    }

    /// Runs the command with its home in the environment.
    fn run(&self, arguments: &[&str]) -> Ran {
        run(arguments, |command| command.env("BATCHDB_HOME", self.home.path()))
    }

    #[track_caller]
    fn expect(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}\n{}", ran.out, ran.err);
        ran
    }
}

fn run(arguments: &[&str], set_up: impl FnOnce(&mut Command) -> &mut Command) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_batchdb"));
    command.args(arguments).env("PG_PASSWORD", PASSWORD);
    for name in ["BATCHDB_HOME", "BATCHDB_ENVIRONMENT", "PREFECT_ENVIRONMENT", "RUST_LOG"] {
        command.env_remove(name);
    }
    let output = set_up(&mut command).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for secret in [PASSWORD, "S3cr", "p%40ss"] {
        assert!(!out.contains(secret) && !err.contains(secret), "{arguments:?}\n{out}\n{err}");
    }
    Ran { code: output.status.code().unwrap(), out, err }
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn json_of(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Fills an SQLite file, through the library itself.
fn fill_survey_hub(file: &Path) {
    let hub = DatabaseManager::builder("SurveyHub")
        .home(file.parent().unwrap())
        .read_only(false)
        .database_type("odbc")
        .connection_string(format!("Driver=SQLite3;Database={};", file.display()))
        .build()
        .unwrap();
    hub.execute("CREATE TABLE survey_responses (survey_id INTEGER, processed INTEGER, note VARCHAR(40))", ())
        .unwrap();
    hub.execute(
        "INSERT INTO survey_responses VALUES (1, 0, 'fine'), (2, 1, NULL), (3, 0, 'a' || char(27) || 'b')",
        (),
    )
    .unwrap();
    hub.close();
}

#[test]
fn check_tells_what_is_set_and_what_is_wrong() {
    let world = World::new();
    let ran = world.expect(0, &["check"]);
    for expected in
        ["rpa_db (development)", "SurveyHub (development)", "user postgres", "5 connections", "READ_ONLY"]
    {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
    assert_eq!(world.expect(0, &["check", "SurveyHub"]).out.matches("(development)").count(), 1);

    world.settings(&["DEVELOPMENT_GLOBAL_RPA_DB_POOLSIZE=3", "DEVELOPMENT_GLOBAL_RPA_DB_TIMEOUT=S3cr"]);
    let ran = world.expect(1, &["check"]);
    for expected in ["the nearest is `POOL_SIZE`", "RPA_DB_TIMEOUT", "line 6", "SurveyHub (development)"] {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
    assert!(world.expect(1, &["check", "survey_hub"]).out.contains("`SURVEYHUB`"));

    let elsewhere = world.expect(64, &["--environment", "staging", "check"]);
    assert!(elsewhere.err.contains("no database is configured"), "{}", elsewhere.err);
    let home = world.home.path().to_str().unwrap().to_owned();
    assert_eq!(run(&["check", "SurveyHub", "--home", &home], |command| command.current_dir("/")).code, 0);
}

#[test]
fn health_says_by_its_code_how_healthy_all_are() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    let ran = world.expect(0, &["health"]);
    assert!(ran.out.contains("overall: healthy") && ran.out.contains("2 pending"), "{}", ran.out);
    let report = json_of(&world.expect(0, &["health", "--json"]).out);
    assert_eq!(report["overall_status"], "healthy");
    assert_eq!(report["databases"]["SurveyHub"]["migration_status"], "read_only");
    assert_eq!(
        report["databases"]["rpa_db"]["migration_status"]["pending_migrations"],
        json!(["V001", "V002"])
    );

    let nobody = format!(
        "DEVELOPMENT_GLOBAL_GONE_CONNECTION_STRING=postgresql://u:${{PG_PASSWORD}}@127.0.0.1:{}/x",
        closed_port()
    );
    world.settings(&[&nobody]);
    let ran = world.expect(2, &["health"]);
    assert!(ran.out.contains("overall: degraded") && ran.out.contains("refused"), "{}", ran.out);
    assert_eq!(json_of(&world.expect(1, &["health", "gone", "--json"]).out)["overall_status"], "unhealthy");
    assert!(world.expect(1, &["health", "nothing"]).out.contains("not_configured"));
}

#[test]
fn migrations_are_told_applied_and_told_again() {
    let world = World::new();
    let before = json_of(&world.expect(3, &["migrate", "rpa_db", "status", "--json"]).out);
    assert_eq!(
        (&before["current_version"], &before["pending_migrations"]),
        (&Json::Null, &json!(["V001", "V002"]))
    );
    assert!(world.expect(3, &["migrate", "rpa_db", "status"]).out.contains("pending: V001, V002"));
    let plan = world.expect(3, &["migrate", "rpa_db", "plan"]).out;
    assert!(plan.contains("V001__Create_job.sql") && plan.contains("CREATE TABLE job"), "{plan}");
    assert_eq!(world.expect(3, &["migrate", "rpa_db", "plan", "--to", "1"]).out.matches("CREATE").count(), 1);

    let rehearsed = world.expect(0, &["migrate", "rpa_db", "up", "--dry-run"]).out;
    assert!(rehearsed.contains("2 migrations would be applied; nothing was kept"), "{rehearsed}");
    world.expect(3, &["migrate", "rpa_db", "status"]);
    let ran = world.expect(0, &["migrate", "rpa_db", "up", "--to", "V001"]);
    assert!(ran.out.contains("[1/1] applied V001__Create_job.sql"), "{}", ran.out);
    let ran = world.expect(0, &["migrate", "rpa_db", "up", "--wait", "5"]);
    assert!(ran.out.contains("1 migration applied; the version is V002"), "{}", ran.out);
    assert!(
        world.expect(0, &["migrate", "rpa_db", "run"]).out.contains("nothing to do; the version is V002")
    );
    let status = world.expect(0, &["migrate", "rpa_db", "status"]).out;
    assert!(status.contains("nothing is pending") && status.contains("| V001"), "{status}");
    assert!(!status.contains('\u{1b}'));
    world.expect(0, &["migrate", "rpa_db", "plan", "--json"]);

    world.migration(
        "V003__Wrong.sql",
        "DO $$ BEGIN RAISE NOTICE 'half way'; END $$;\n  INSERT INTO nowhere VALUES (1)",
    );
    let ran = world.expect(1, &["migrate", "rpa_db", "up"]);
    for expected in [
        "\"V003__Wrong.sql\" failed at line 2, column 15",
        "nothing of it was kept",
        "INSERT INTO nowhere VALUES (1)",
        "relation \"nowhere\" does not exist",
        "NOTICE: half way",
    ] {
        assert!(ran.err.contains(expected), "{expected}\n{}", ran.err);
    }
    let events = json_of(&world.expect(0, &["migrate", "rpa_db", "status", "--history", "--json"]).out);
    let actions: Vec<&str> =
        events.as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["applied", "applied", "failed"]);
    world.expect(1, &["migrate", "SurveyHub", "up"]);
}

#[test]
fn migrations_are_made_undone_validated_and_repaired() {
    let world = World::new();
    world.expect(3, &["migrate", "rpa_db", "validate"]);
    world.expect(0, &["migrate", "rpa_db", "up"]);
    world.expect(0, &["migrate", "rpa_db", "validate"]);
    let made = world.expect(0, &["migrate", "rpa_db", "new", "Add customer phone", "--undo"]).out;
    let files: Vec<&str> = made.lines().collect();
    assert!(
        files[0].ends_with("V003__Add_customer_phone.sql")
            && files[1].ends_with("U003__Add_customer_phone.sql")
    );
    fs::write(files[0], "ALTER TABLE job ADD COLUMN phone text").unwrap();
    fs::write(files[1], "ALTER TABLE job DROP COLUMN phone").unwrap();
    world.expect(0, &["migrate", "rpa_db", "up"]);
    let undone = world.expect(0, &["migrate", "rpa_db", "undo", "--to", "V002"]).out;
    assert!(undone.contains("1 migration undone; the version is V002"), "{undone}");
    assert!(
        world.expect(1, &["migrate", "rpa_db", "undo", "--to", "0"]).err.contains("no file that undoes it")
    );

    world.migration("V001__Create_job.sql", "CREATE TABLE job (id bigint)");
    let found = world.expect(1, &["migrate", "rpa_db", "validate"]).out;
    assert!(found.contains("problem: \"V001__Create_job.sql\" was changed"), "{found}");
    assert_eq!(
        json_of(&world.expect(1, &["migrate", "rpa_db", "validate", "--json"]).out)["findings"][0]["kind"],
        "changed"
    );
    let repaired = world.expect(0, &["migrate", "rpa_db", "repair", "--accept", "V001"]).out;
    assert!(repaired.contains("V001__Create_job.sql: the text of its file accepted"), "{repaired}");
    assert!(
        world.expect(0, &["migrate", "rpa_db", "repair", "--forget", "--all"]).out.contains("nothing needs")
    );
    world.expect(3, &["migrate", "rpa_db", "validate"]);

    for wrong in [
        &["migrate", "rpa_db", "undo"][..],
        &["migrate", "rpa_db", "repair", "--all"],
        &["migrate", "rpa_db", "up", "--to", "soon"],
        &["--environment", "development", "migrate", "rpa_db", "upp"],
    ] {
        world.expect(2, wrong);
    }
    world.expect(1, &["migrate", "nothing", "status"]);
}

#[test]
fn a_database_that_exists_gets_a_baseline() {
    let world = World::new();
    server().psql(&world.database, "CREATE TABLE job (id int PRIMARY KEY, name text, sum numeric)").unwrap();
    assert!(world.expect(1, &["migrate", "rpa_db", "baseline", "--from", "flyway"]).err.contains("no table"));
    world.expect(0, &["migrate", "rpa_db", "baseline", "V001"]);
    let status = world.expect(3, &["migrate", "rpa_db", "status"]).out;
    assert!(status.contains("baseline") && status.contains("pending: V002"), "{status}");
    world.expect(0, &["migrate", "rpa_db", "up"]);
}

#[test]
fn queries_read_and_write_only_when_told_to() {
    let world = World::new();
    world.expect(0, &["migrate", "rpa_db", "up"]);
    let all = "SELECT * FROM job ORDER BY id";
    let ran = world.expect(0, &["query", "rpa_db", all]);
    assert!(ran.out.contains("| 1  | one  | 1.50 |") && ran.out.contains("(2 rows)"), "{}", ran.out);
    assert!(ran.out.contains("| 2  | NULL | NULL |"), "{}", ran.out);
    let ran = world.expect(0, &["query", "rpa_db", all, "--json"]);
    let rows: Vec<Json> = ran.out.lines().map(json_of).collect();
    assert_eq!(
        rows,
        [json!({"id": 1, "name": "one", "sum": "1.50"}), json!({"id": 2, "name": null, "sum": null})]
    );

    let by_id = "SELECT name FROM job WHERE id IN (:ids) AND id < :most";
    let ran = world.expect(0, &["query", "rpa_db", by_id, "-p", "ids:=[1,7]", "-p", "most=2", "--json"]);
    assert_eq!(ran.out, "{\"name\":\"one\"}\n");
    assert_eq!(world.expect(64, &["query", "rpa_db", by_id, "-p", "most=S3cr"]).out, "");
    let ran = world.expect(64, &["query", "rpa_db", "SELECT 1", "-p", "S3cr"]);
    assert!(ran.err.contains("name=value"), "{}", ran.err);

    let delete = "DELETE FROM job WHERE id = :id";
    let ran = world.expect(1, &["query", "rpa_db", delete, "-p", "id=2"]);
    assert!(ran.err.contains("read-only"), "{}", ran.err);
    let ran = world.expect(0, &["query", "rpa_db", delete, "-p", "id=2", "--write"]);
    assert_eq!(ran.out, "1 row changed\n");
    let ran = world.expect(0, &["query", "rpa_db", delete, "-p", "id:=2", "--write", "--json"]);
    assert_eq!(ran.out, "{\"rows_changed\":0}\n");

    let ran = world.expect(1, &["query", "rpa_db", "SELECT * FROM nowhere"]);
    assert!(
        ran.err.contains("42P01") && ran.err.contains("relation \"nowhere\" does not exist"),
        "{}",
        ran.err
    );
    assert_eq!(ran.out, "");
}

#[test]
fn a_database_behind_odbc_is_queried_in_the_same_way() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    let open = "SELECT survey_id, note FROM survey_responses WHERE processed = :p ORDER BY survey_id";
    let ran = world.expect(0, &["query", "SurveyHub", open, "-p", "p:=0", "--json"]);
    let rows: Vec<Json> = ran.out.lines().map(json_of).collect();
    assert_eq!(rows, [json!({"survey_id": 1, "note": "fine"}), json!({"survey_id": 3, "note": "a\u{1b}b"})]);
    let ran = world.expect(0, &["query", "SurveyHub", open, "-p", "p:=0"]);
    assert!(ran.out.contains(r"a\u{1b}b") && !ran.out.contains('\u{1b}'), "{}", ran.out);
    // READ_ONLY of the settings holds against --write too.
    let ran = world.expect(1, &["query", "SurveyHub", "DELETE FROM survey_responses", "--write"]);
    assert!(ran.err.contains("READ_ONLY"), "{}", ran.err);
}

#[test]
fn errors_tell_the_whole_chain_and_end_in_their_own_code() {
    let world = World::new();
    let port = server().port();
    world.settings(&[
        &format!(
            "DEVELOPMENT_GLOBAL_LOCKED_CONNECTION_STRING=postgresql://postgres:S3cr@127.0.0.1:{port}/postgres"
        ),
        &format!("DEVELOPMENT_GLOBAL_GONE_CONNECTION_STRING=postgresql://u@127.0.0.1:{}/x", closed_port()),
    ]);
    let ran = world.expect(1, &["query", "locked", "SELECT 1"]);
    assert!(ran.err.contains("password authentication failed for user \"postgres\""), "{}", ran.err);
    assert!(world.expect(75, &["query", "gone", "SELECT 1"]).err.contains("nothing listens there"));
    assert!(world.expect(78, &["query", "nothing", "SELECT 1"]).err.contains("_NOTHING_CONNECTION_STRING"));
    assert!(world.expect(64, &["qeury"]).err.contains("query"));
    assert!(world.expect(64, &[]).err.contains("Usage: batchdb"));

    let logged = run(&["query", "rpa_db", "SELECT :p::text", "-p", "p=hunter2"], |command| {
        command.env("BATCHDB_HOME", world.home.path()).env("RUST_LOG", "trace")
    });
    assert!(
        logged.err.contains("batchdb: done database=rpa_db") && !logged.err.contains("hunter2"),
        "{}",
        logged.err
    );
}

#[test]
fn help_teaches() {
    let help = run(&["--help"], |command| command);
    assert_eq!(help.code, 0);
    for expected in ["check", "health", "migrate", "query", "Exit codes:", "Examples:", "BATCHDB_HOME"] {
        assert!(help.out.contains(expected), "{expected}\n{}", help.out);
    }
    assert!(run(&["help", "query"], |command| command).out.contains("read-only unless --write"));
    assert!(run(&["--version"], |command| command).out.starts_with("batchdb "));
}

#[test]
fn the_installed_drivers_are_listed_whatever_their_entries_are_like() {
    let world = World::new();
    let driver = "Driver={No Such Driver};Server=x;";
    world.settings(&[
        &format!("DEVELOPMENT_GLOBAL_HUB_CONNECTION_STRING=\"{driver}\""),
        "DEVELOPMENT_GLOBAL_HUB_TYPE=odbc",
    ]);
    // Of whatever length an entry is: the driver manager writes one character more than it says that it has.
    for length in 0..16 {
        let path = "x".repeat(length);
        let entry = format!("[ODBC Driver 18 for SQL Server]\nDescription=Microsoft\nDriver=/opt/{path}\n");
        fs::write(world.home.path().join("odbcinst.ini"), entry).unwrap();
        let ran = run(&["query", "hub", "SELECT 1"], |command| {
            command.env("BATCHDB_HOME", world.home.path()).env("ODBCSYSINI", world.home.path())
        });
        assert!(
            ran.code == 78 && ran.err.contains("ODBC Driver 18 for SQL Server"),
            "{} {}",
            ran.code,
            ran.err
        );
    }
}
