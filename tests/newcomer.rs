//! The first hour of somebody new: a fresh crate in an empty folder, with nothing in it but what the README's section
//! "A first program" says, built by cargo and run on real databases.

#![allow(clippy::unwrap_used, reason = "a test that fails by `unwrap` says where and why")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, params};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// The blocks of code of a section of the README: the language and the text of each.
fn blocks(section: &str) -> Vec<(String, String)> {
    let readme = fs::read_to_string(Path::new(PROJECT).join("README.md")).unwrap();
    let (_, behind) = readme.split_once(&format!("\n## {section}\n")).expect("the section is gone");
    let text = behind.split("\n## ").next().unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push((language.split(',').next().unwrap().to_owned(), body.join("\n") + "\n"));
    }
    blocks
}

/// The one block of a language.
fn block(language: &str) -> String {
    let mut found = blocks("A first program").into_iter().filter(|(of, _)| of == language);
    let (_, text) = found.next().unwrap_or_else(|| panic!("there is no block of {language}"));
    assert!(found.next().is_none(), "there are several blocks of {language}");
    text
}

/// The name of the file that a block is for, which its first line says behind the mark of a comment.
fn named(text: &str) -> &str {
    let first = text.lines().next().unwrap();
    first.trim_start_matches(['#', '-', '/']).split_whitespace().next().unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[track_caller]
fn succeeded(what: &str, output: Output) -> String {
    let (said, complained) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{said}\n{complained}", output.status);
    said
}

/// A SurveyHub in an SQLite file, with two surveys that are open and one that is not.
fn survey_hub(folder: &Path) {
    let file = folder.join("survey_hub.sqlite");
    let db = DatabaseManager::builder("newcomers_hub")
        .database_type("odbc")
        .connection_string(format!("Driver=SQLite3;Database={};", file.display()))
        .build()
        .unwrap();
    db.execute(
        "CREATE TABLE survey_responses (survey_id INTEGER PRIMARY KEY, customer_id INTEGER, processed INTEGER)",
        (),
    )
    .unwrap();
    let rows = [(1, 10, 0), (2, 20, 1), (3, 30, 0)];
    let rows = rows.map(|(id, customer, done)| params! { id: id, customer: customer, done: done });
    db.execute_many("INSERT INTO survey_responses VALUES (:id, :customer, :done)", rows).unwrap();
    db.close();
}

#[test]
fn the_readmes_first_program_runs_in_a_fresh_crate() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let server = EmbeddedPostgres::start().unwrap();
    server.create_database("rpa_db").unwrap();
    survey_hub(home);

    let package = "[package]\nname = \"newcomer\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n";
    let manifest = block("toml");
    assert!(manifest.contains("../batchdb"), "{manifest}");
    write(home, "Cargo.toml", &format!("{package}{}", manifest.replace("../batchdb", PROJECT)));
    // The versions that are at hand, because this must work without a network.
    fs::copy(Path::new(PROJECT).join("Cargo.lock"), home.join("Cargo.lock")).unwrap();
    let (settings, migration) = (block("text"), block("sql"));
    assert!(settings.contains("localhost:5432"), "{settings}");
    let place = format!("{}:{}", server.host(), server.port());
    write(home, named(&settings), &settings.replace("localhost:5432", &place));
    write(home, named(&migration), &migration);
    write(home, "src/main.rs", &block("rust"));

    // A folder of its own that stays: what is built with other features in the project's would take turns with this.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newcomer");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--offline", "--quiet"]).current_dir(home).env("CARGO_TARGET_DIR", &target);
    build.env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    succeeded("cargo build", build.output().unwrap());

    let program = target.join("debug").join(format!("newcomer{}", std::env::consts::EXE_SUFFIX));
    let run = || {
        let mut run = Command::new(&program);
        run.current_dir(home).env("POSTGRES_PASSWORD", server.password());
        // Whatever the tests themselves run with is not the newcomer's.
        for variable in ["BATCHDB_ENVIRONMENT", "PREFECT_ENVIRONMENT", "BATCHDB_HOME", "RUST_LOG"] {
            run.env_remove(variable);
        }
        succeeded("the first program", run.output().unwrap())
    };
    assert_eq!(run(), "2 rows written\n");
    assert_eq!(run(), "0 rows written\n");
    let written =
        "SELECT string_agg(survey_id || ' by ' || customer_id || ' ' || status, ', ' ORDER BY survey_id)
                   FROM rpa1_processed_surveys";
    assert_eq!(server.psql("rpa_db", written).unwrap(), "1 by 10 completed, 3 by 30 completed");
}
