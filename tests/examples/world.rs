//! A pair of databases for one test, and the means to run an example on them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use batchdb::DatabaseManager;
use batchdb::testing::EmbeddedPostgres;
use serde_json::Value;
use tempfile::TempDir;

use crate::survey_hub::{self, NewResponse};

/// The recognizable part of the password; the rest is what connection strings stumble over.
pub(crate) const SECRET: &str = "hunter2";
const PASSWORD: &str = "hunter2@:/%#?&= x";

/// One server for all tests. Its guardian ends it with this process.
pub(crate) fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER
        .get_or_init(|| EmbeddedPostgres::builder().max_connections(200).password(PASSWORD).start().unwrap())
}

/// An example, found where cargo puts it.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is not built; `cargo build --examples --all-features` does it",
        path.display()
    );
    let mut command = Command::new(path);
    command.env("BATCHDB_HOME", env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// An empty `rpa_db` and a SurveyHub.
pub(crate) struct World {
    name: String,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

impl World {
    /// SurveyHub is an SQLite file with these responses. `name` must be the test's own.
    pub(crate) fn new(name: &str, responses: &[NewResponse]) -> World {
        let mut world = World::without_hub(name);
        let file = world.hub_file();
        survey_hub::create(&file, responses).unwrap();
        world.set("SURVEYHUB_TYPE", "odbc");
        world.set("SURVEYHUB_CONNECTION_STRING", &survey_hub::connection_string(&file).unwrap());
        world.set("SURVEYHUB_READ_ONLY", "true");
        world
    }

    pub(crate) fn without_hub(name: &str) -> World {
        server().create_database(name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut world = World { name: name.to_owned(), settings: Vec::new(), folder };
        world.set("RPA_DB_TYPE", "postgresql");
        world.set("RPA_DB_CONNECTION_STRING", &server().url_for(name));
        world
    }

    /// Sets a global key of the environment that the examples run in; an empty value unsets it.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        let key = format!("EXAMPLES_GLOBAL_{key}");
        self.settings.retain(|(known, _)| *known != key);
        self.settings.push((key, value.to_owned()));
    }

    pub(crate) fn hub_file(&self) -> PathBuf {
        self.folder.path().join("survey_hub.sqlite")
    }

    pub(crate) fn hub(&self) -> DatabaseManager {
        DatabaseManager::builder("SurveyHub")
            .environment("examples")
            .connection_string(survey_hub::connection_string(&self.hub_file()).unwrap())
            .build()
            .unwrap()
    }

    /// One number of SurveyHub.
    pub(crate) fn count_in_hub(&self, condition: &str) -> i64 {
        let sql = format!("SELECT count(*) AS n FROM survey_responses WHERE {condition}");
        self.hub().query_one(&sql, ()).unwrap().get("n").unwrap()
    }

    /// What `psql` says, beside the code under test.
    pub(crate) fn sql(&self, script: &str) -> String {
        server().psql(&self.name, script).unwrap()
    }

    pub(crate) fn migrate(&self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/rpa_db");
        let url = server().url_for(&self.name);
        let rpa_db = DatabaseManager::builder("rpa_db").environment("examples").connection_string(url);
        rpa_db.migrations_dir(folder).build().unwrap().run_migrations().unwrap();
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = example(name);
        let settings = self.settings.iter().map(|(key, value)| (key, value));
        command.env("BATCHDB_ENVIRONMENT", "examples").env("RUST_LOG", "debug").envs(settings);
        command
    }

    pub(crate) fn run(&self, name: &str) -> Finished {
        self.run_with(name, [""; 0])
    }

    pub(crate) fn run_with(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Finished {
        Finished::new(self.command(name).args(arguments).output().unwrap())
    }
}

/// What a program has left when it ended.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The last line on standard output; null when that is no JSON.
    pub(crate) result: Value,
}

impl Finished {
    /// Looks for the password in what was printed, as nothing ever has a reason to print it.
    pub(crate) fn new(output: Output) -> Finished {
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        for text in [&stdout, &stderr] {
            assert!(!text.contains(SECRET), "the password was printed:\n{text}");
            assert!(!text.contains("panicked"), "{text}");
        }
        let result =
            stdout.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        Finished { code: output.status.code(), stdout, stderr, result }
    }

    /// The result of a program that must have ended with `code`.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32) -> &Value {
        assert_eq!(self.code, Some(code), "{self}");
        &self.result
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, part: &str) {
        assert!(self.stdout.contains(part), "\"{part}\" is missing in:\n{self}");
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The log is long; its end says why a program ended.
        let tail = self.stderr.lines().rev().take(30).collect::<Vec<_>>();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        write!(
            f,
            "exit code {:?}\n{}\n--- standard error, its end:\n{}",
            self.code,
            self.stdout,
            tail.join("\n")
        )
    }
}
