//! What the database says besides results reaches the log while a migration runs, and at no other time. And a file of
//! T-SQL on a stand-in for SQL Server: its batches, its messages, its errors.

use std::fs;
use std::sync::{Arc, Mutex};

use batchdb::{DatabaseManager, DatabaseManagerBuilder, ErrorKind, MigrateOnStart};
use log::Level;
use tempfile::TempDir;

use crate::capture;
use crate::common::{server, unique};
use crate::tds::{Answer, Message, Server, Then};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

fn builder(name: &str, connection_string: &str, folder: &TempDir) -> DatabaseManagerBuilder {
    DatabaseManager::builder(name)
        .connection_string(connection_string)
        .migrations_dir(folder.path())
        .migrate_on_start(MigrateOnStart::Off)
}

/// The messages and levels of the lines that hold `part`.
fn told(part: &str) -> Vec<(Level, String)> {
    // A driver's own lines are its own matter, and off by default.
    let ours = |line: &capture::Line| line.target.starts_with("batchdb") && line.message.contains(part);
    let lines = capture::lines().into_iter().filter(ours);
    lines.map(|line| (line.level, line.message)).collect()
}

const NOTICES: &str =
    "DO $$ BEGIN RAISE NOTICE 'said 7Notice7Marker'; RAISE WARNING 'warned 7Notice7Marker'; END $$";

#[test]
fn notices_are_logged_while_a_migration_runs_and_at_no_other_time() {
    capture::start();
    let name = unique("notices");
    server().create_database(&name).unwrap();
    let folder = folder(&[("V1__Say.sql", NOTICES), ("V2__Fail.sql", &format!("{NOTICES};\nSELECT 1/0"))]);
    let db = builder(&name, &server().url_for(&name), &folder).build().unwrap();
    db.execute(NOTICES, ()).unwrap();
    assert_eq!(told("7Notice7Marker"), []);
    db.migrations().to("1").run().unwrap();
    let wanted = [
        (Level::Info, format!("{name}: V1__Say.sql: NOTICE: said 7Notice7Marker")),
        (Level::Warn, format!("{name}: V1__Say.sql: WARNING: warned 7Notice7Marker")),
    ];
    assert_eq!(told("7Notice7Marker"), wanted);
    db.run_migrations().unwrap_err();
    assert_eq!(told("7Notice7Marker").len(), 4);
    db.execute(NOTICES, ()).unwrap();
    assert_eq!(told("7Notice7Marker").len(), 4);
}

#[test]
fn the_value_of_a_placeholder_is_in_no_notice_and_no_report() {
    capture::start();
    let name = unique("notices");
    server().create_database(&name).unwrap();
    let say = "DO $$ BEGIN RAISE NOTICE 'it is ${password} 7Placeholder7Marker'; END $$";
    // The last one fails at its commit, where no place is known.
    let deferred = "CREATE TABLE k (a text UNIQUE DEFERRABLE INITIALLY DEFERRED);\n\
                    INSERT INTO k VALUES ('${password}'), ('${password}')";
    for text in ["SELECT '${password}'::int", deferred] {
        let folder = folder(&[("V1__Say.sql", say), ("V2__Fail.sql", text)]);
        let db = builder(&name, &server().url_for(&name), &folder)
            .placeholder("password", "hunter2x")
            .build()
            .unwrap();
        let error = db.run_migrations().unwrap_err();
        let report = error.report();
        assert!(report.contains("V2__Fail.sql") && report.contains("***"), "{report}");
        assert!(!report.contains("hunter2x") && !format!("{error:?}").contains("hunter2x"), "{report}");
    }
    let wanted = (Level::Info, format!("{name}: V1__Say.sql: NOTICE: it is *** 7Placeholder7Marker"));
    assert_eq!(told("7Placeholder7Marker"), [wanted]);
}

/// A stand-in for SQL Server that keeps what it was sent.
fn stand_in(
    answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
) -> (Server, Arc<Mutex<Vec<String>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&sent);
    let server = Server::start(move |text| {
        keep.lock().unwrap().push(text.to_owned());
        if let Some(answer) = answer(text) {
            answer
        } else if text.contains("SCHEMA_NAME()") {
            Answer::text("name", "dbo")
        } else if text.contains("applock") {
            // The return code 0, as a result of one row.
            Answer::rows(1, Then::Done)
        } else if text.contains("sys.columns") || text.contains("FROM [dbo].[schema_version] ") {
            Answer::rows(0, Then::Done)
        } else {
            Answer::nothing(Then::Done)
        }
    });
    (server, sent)
}

fn sql_server(port: u16, folder: &TempDir) -> DatabaseManager {
    let string = format!(
        "Driver=FreeTDS;Server=127.0.0.1;Port={port};UID=sa;PWD=hunter2;TDS_Version=7.4;Encryption=off"
    );
    builder(&unique("t_sql"), &string, folder).database_type("sqlserver").build().unwrap()
}

const PRINTS: &str =
    "-- The head.\nCREATE TABLE t (a int)\nGO\nPRINT 'half way'\nINSERT t VALUES (1)\nGO 2\n\nSELECT 1\n";

#[test]
fn batches_go_one_by_one_and_print_is_told_as_it_comes() {
    capture::start();
    let print = |text: &str| {
        let half = Message { number: 0, severity: 0, text: "half way 7Print7Marker", procedure: "", line: 1 };
        text.contains("half way").then(|| Answer::saying(&[half]))
    };
    let (server, sent) = stand_in(print);
    let folder = folder(&[("V1__Print.sql", PRINTS)]);
    let db = sql_server(server.port(), &folder);
    db.run_migrations().unwrap();
    let told = told("7Print7Marker");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], (Level::Info, format!("{}: V1__Print.sql: half way 7Print7Marker", db.name())));
    let sent = sent.lock().unwrap();
    let of = |part: &str| sent.iter().filter(|text| text.contains(part)).count();
    assert_eq!((of("CREATE TABLE t (a int)"), of("INSERT t VALUES (1)"), of("BEGIN TRANSACTION")), (1, 2, 1));
    assert!(!sent.iter().any(|text| text.contains("GO")), "{sent:?}");
}

#[test]
fn what_a_file_sets_does_not_outlive_it_and_no_file_leaves_its_database() {
    capture::start();
    let (server, sent) = stand_in(|_| None);
    let files =
        folder(&[("V1__Set.sql", "SET NOEXEC ON\nGO\nSET XACT_ABORT OFF"), ("V2__After.sql", "SELECT 2")]);
    sql_server(server.port(), &files).run_migrations().unwrap();
    let sent = sent.lock().unwrap().clone();
    let place = |part: &str| sent.iter().position(|text| text.contains(part)).unwrap();
    let reset = place("SET NOEXEC OFF");
    assert!(place("SET XACT_ABORT OFF") < place("SET PARSEONLY OFF") && place("SET PARSEONLY OFF") < reset);
    assert!(sent[reset].contains("SET XACT_ABORT ON") && reset < place("SELECT 2"), "{sent:?}");
    assert!(reset < place("INSERT INTO [dbo].[schema_version]"), "{sent:?}");

    let files = folder(&[("V1__Use.sql", "SELECT 1\nGO\nUSE other\nCREATE TABLE t (a int)")]);
    let said = sql_server(server.port(), &files).run_migrations().unwrap_err().to_string();
    assert!(said.contains("\"V1__Use.sql\" line 3: USE goes over to another database"), "{said}");
}

#[test]
fn what_a_file_has_set_does_not_swallow_the_word_of_its_failure() {
    capture::start();
    let (server, sent) = stand_in(|text| text.contains("nowhere").then(|| Answer::nothing(Then::Fail(208))));
    let files = folder(&[("V1__Set.sql", "SET NOEXEC ON\nGO\nSELECT * FROM nowhere")]);
    sql_server(server.port(), &files).run_migrations().unwrap_err();
    let sent = sent.lock().unwrap().clone();
    let place = |part: &str| sent.iter().position(|text| text.contains(part)).unwrap();
    let (failed, reset) = (place("FROM nowhere"), place("SET NOEXEC OFF"));
    let noted = place("INSERT INTO [dbo].[schema_version_history]");
    assert!(failed < place("SET PARSEONLY OFF") && place("SET PARSEONLY OFF") < reset, "{sent:?}");
    assert!(reset < noted && noted < place("sp_releaseapplock"), "{sent:?}");
    // The rollback was not executed: it came while nothing was.
    let again =
        sent[reset..].iter().position(|text| text.contains("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION"));
    assert!(again.is_some_and(|at| reset + at < noted), "{sent:?}");
}

#[test]
fn all_errors_of_a_batch_are_told_the_first_one_first_with_the_line_of_the_file() {
    capture::start();
    let (server, _sent) = stand_in(|text| {
        let message = |number, text, line| Message { number, severity: 16, text, procedure: "", line };
        text.contains("ADD CONSTRAINT").then(|| {
            Answer::saying(&[
                message(1778, "Column 'a' is not the same data type", 2),
                message(1750, "Could not create constraint. See previous errors.", 2),
            ])
        })
    });
    let text = "CREATE TABLE t (a int)\nGO\n-- The rule.\nALTER TABLE t\n  ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (b)\nGO\n";
    let folder = folder(&[("V1__Fail.sql", text)]);
    let error = sql_server(server.port(), &folder).run_migrations().unwrap_err();
    assert_eq!((error.kind(), error.native_code()), (ErrorKind::Migration, Some(1778)), "{}", error.report());
    assert!(error.to_string().contains("\"V1__Fail.sql\" failed at line 4;"), "{error}");
    let report = error.report();
    let (first, second) = (report.find("is not the same data type"), report.find("See previous errors"));
    assert!(first.is_some() && first < second, "{report}");
    assert!(report.contains("ADD CONSTRAINT f FOREIGN KEY (a)"), "{report}");
}

#[test]
fn an_error_in_a_procedure_is_told_at_the_batch() {
    capture::start();
    let (server, _sent) = stand_in(|text| {
        let deep = Message { number: 50001, severity: 16, text: "no", procedure: "p", line: 40 };
        text.contains("EXEC dbo.p").then(|| Answer::saying(&[deep]))
    });
    let folder = folder(&[("V1__Fail.sql", "SELECT 1\nGO\n\nEXEC dbo.p\n")]);
    let error = sql_server(server.port(), &folder).run_migrations().unwrap_err();
    assert!(error.to_string().contains("\"V1__Fail.sql\" failed at line 4, column 1;"), "{error}");
}

#[test]
fn the_sample_for_sql_server_is_cut_into_its_batches() {
    capture::start();
    let (server, sent) = stand_in(|_| None);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/rpa_db_sqlserver");
    let string = format!(
        "Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2;TDS_Version=7.4;Encryption=off",
        server.port()
    );
    let db = DatabaseManager::builder(&unique("t_sql"))
        .connection_string(string)
        .database_type("sqlserver")
        .migrations_dir(&folder)
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    assert!(db.validate_migrations().unwrap().is_valid());
    assert_eq!(db.run_migrations().unwrap().applied.len(), 4);
    let sent = sent.lock().unwrap();
    // A view must be the first statement of its batch.
    assert!(sent.iter().any(|text| text.contains("batch.\nCREATE VIEW dbo.rpa1_survey_summary AS")));
    assert!(!sent.iter().any(|text| text.lines().any(|line| line.trim() == "GO")));
}

#[test]
fn each_file_leaves_a_line_with_its_duration_and_a_gap_a_warning() {
    capture::start();
    let name = unique("lines");
    server().create_database(&name).unwrap();
    let folder = folder(&[("V1__Nap.sql", "SELECT pg_sleep(0.05)"), ("V4__Far.sql", "SELECT 4")]);
    let db = builder(&name, &server().url_for(&name), &folder).build().unwrap();
    db.run_migrations().unwrap();
    let lines = capture::lines();
    let ours = |part: &str| {
        let found = lines
            .iter()
            .find(|line| line.message.starts_with(&format!("{name}: ")) && line.message.contains(part));
        found.unwrap_or_else(|| panic!("no line says {part}"))
    };
    for (file, place, least) in [("V1__Nap.sql", "(1 of 2)", 50), ("V4__Far.sql", "(2 of 2)", 0)] {
        let line = ours(&format!("{file} applied in "));
        assert!(line.level == Level::Info && line.message.ends_with(place), "{line:?}");
        assert_eq!((line.field("file"), line.field("database")), (Some(file), Some(name.as_str())));
        assert!(line.field("duration_ms").unwrap().parse::<u64>().unwrap() >= least, "{line:?}");
    }
    let gap = ours(" and V4 are left out");
    assert_eq!(gap.level, Level::Warn, "{gap:?}");
    assert_eq!(ours("2 migrations applied in").field("count"), Some("2"));
}
