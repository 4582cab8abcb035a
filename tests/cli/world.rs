//! What the tests of the command start from: a server, a home with its settings, the built command.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use assert_cmd::Command;
use batchdb::DatabaseManager;
use batchdb::testing::EmbeddedPostgres;
use serde_json::Value as Json;
use tempfile::TempDir;

/// In no output, whatever happens: with characters that every spelling of a connection string treats otherwise.
pub(crate) const PASSWORD: &str = "S3cr}t;p@ss/w%rd";

pub(crate) fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER.get_or_init(|| EmbeddedPostgres::builder().password(PASSWORD).start().unwrap())
}

/// A home with a PostgreSQL database `rpa_db` and an SQLite file `SurveyHub`.
pub(crate) struct World {
    pub(crate) home: TempDir,
    pub(crate) database: String,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> World {
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
    pub(crate) fn settings(&self, more: &[&str]) {
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

    pub(crate) fn survey_hub(&self) -> PathBuf {
        self.home.path().join("survey_hub.db")
    }

    pub(crate) fn migration(&self, file: &str, text: &str) {
        fs::write(self.home.path().join("migrations/rpa_db").join(file), text).unwrap();
    }

    /// The command with its home in the environment, for tests that start it themselves. Nothing of the environment that
    /// the tests run in reaches it.
    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_batchdb"));
        command.args(arguments);
        for name in OUTSIDE {
            command.env_remove(name);
        }
        command.env("BATCHDB_HOME", self.home.path()).env("PG_PASSWORD", PASSWORD);
        command
    }

    /// Runs the command with its home in the environment.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(arguments, |command| command.env("BATCHDB_HOME", self.home.path()))
    }

    #[track_caller]
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}\n{}", ran.out, ran.err);
        ran
    }
}

/// What the command reads in the environment, besides what the settings of a test name.
const OUTSIDE: [&str; 4] = ["BATCHDB_HOME", "BATCHDB_ENVIRONMENT", "PREFECT_ENVIRONMENT", "RUST_LOG"];

pub(crate) fn run(arguments: &[&str], set_up: impl FnOnce(&mut Command) -> &mut Command) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_batchdb"));
    // A command that hangs is one that has failed.
    command.timeout(Duration::from_secs(60));
    command.args(arguments).env("PG_PASSWORD", PASSWORD);
    for name in OUTSIDE {
        command.env_remove(name);
    }
    let output = set_up(&mut command).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for secret in [PASSWORD, "S3cr", "p%40ss"] {
        assert!(!out.contains(secret) && !err.contains(secret), "{arguments:?}\n{out}\n{err}");
    }
    Ran { code: output.status.code().unwrap(), out, err }
}

pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn json_of(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Fills an SQLite file, through the library itself.
pub(crate) fn fill_survey_hub(file: &Path) {
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
