//! `batchdb export`, `import` and `copy`.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::*;

/// A world whose `job` has its two rows: one without NULL, one with two.
fn filled() -> World {
    let world = World::new();
    world.expect(0, &["migrate", "rpa_db", "up"]);
    world
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    let world = filled();
    let file = world.home.path().join("jobs.csv");
    let path = file.to_str().unwrap();
    let all = "SELECT * FROM job ORDER BY id";
    let ran = world.expect(0, &["export", "rpa_db", all, "--to", path]);
    assert!(ran.out.starts_with(&format!("{path}: 2 rows exported in ")), "{}", ran.out);
    assert_eq!(fs::read_to_string(&file).unwrap(), "id,name,sum\n1,one,1.50\n2,,\n");
    server().psql(&world.database, "CREATE TABLE other (LIKE job)").unwrap();
    let ran = world.expect(0, &["import", "rpa_db", "other", path]);
    assert!(ran.out.starts_with("other: 2 rows imported in "), "{}", ran.out);
    let (before, after) =
        (world.expect(0, &["query", "rpa_db", all, "--json"]), "SELECT * FROM other ORDER BY id");
    assert_eq!(before.out, world.expect(0, &["query", "rpa_db", after, "--json"]).out);
    // The same to standard output, and back from standard input.
    let ran = world.expect(0, &["export", "rpa_db", all, "--delimiter", "\\t", "--to", "-"]);
    assert_eq!(ran.out, "id\tname\tsum\n1\tone\t1.50\n2\t\t\n");
    let ran = world.expect(64, &["export", "rpa_db", all, "--delimiter", "ab"]);
    assert!(ran.err.contains("one character"), "{}", ran.err);
    let ran = world.expect(0, &["export", "rpa_db", all, "--delimiter", ";", "--null", "-"]);
    assert_eq!(ran.out, "id;name;sum\n1;one;1.50\n2;-;-\n");
    assert!(ran.err.contains("2 rows exported"), "{}", ran.err);
    server().psql(&world.database, "TRUNCATE other").unwrap();
    let import = ["import", "rpa_db", "other", "-", "--delimiter", ";", "--null", "-"];
    let ran = run(&import, |command| command.env("BATCHDB_HOME", world.home.path()).write_stdin(ran.out));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(before.out, world.expect(0, &["query", "rpa_db", after, "--json"]).out);
}

#[test]
fn the_end_of_a_name_is_the_format_unless_one_is_named() {
    let world = filled();
    let file = world.home.path().join("jobs.jsonl");
    let (path, one) = (file.to_str().unwrap(), "SELECT id, name FROM job WHERE id = :id");
    world.expect(0, &["export", "rpa_db", one, "-p", "id=1", "--to", path]);
    assert_eq!(json_of(&fs::read_to_string(&file).unwrap()), json!({"id": 1, "name": "one"}));
    world.expect(0, &["export", "rpa_db", one, "-p", "id=1", "--to", path, "--format", "csv", "--no-header"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "1,one\n");
    let ran = world.expect(0, &["query", "rpa_db", one, "-p", "id=1", "--csv"]);
    assert_eq!(ran.out, "id,name\n1,one\n");
}

#[test]
#[cfg(unix)]
fn what_is_no_regular_file_stays_what_it_is() {
    let world = World::new();
    let link = world.home.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    for path in [link.as_path(), world.home.path()] {
        let ran = world.expect(1, &["export", "rpa_db", "SELECT 1 AS one", "--to", path.to_str().unwrap()]);
        assert!(ran.err.contains("without --to the rows go to standard output"), "{}", ran.err);
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_failed_export_leaves_the_old_file() {
    let world = filled();
    let file = world.home.path().join("jobs.csv");
    fs::write(&file, "of yesterday").unwrap();
    let late = "SELECT 1 / (3 - n) FROM generate_series(1, 3) AS n";
    let ran = world.expect(1, &["export", "rpa_db", late, "--to", file.to_str().unwrap()]);
    assert!(ran.err.contains("22012"), "{}", ran.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "of yesterday");
    let left: Vec<_> =
        fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
    // It reads, and nothing else.
    let ran = world.expect(64, &["export", "rpa_db", "DELETE FROM job RETURNING *"]);
    assert!(ran.err.contains("the statement writes"), "{}", ran.err);
}

#[test]
fn a_failed_import_names_the_line_and_leaves_nothing() {
    let world = filled();
    let file = world.home.path().join("bad.csv");
    fs::write(&file, "Nr,name,remark\n3,three,x\n4,four,y\nfive,five,z\n").unwrap();
    let path = file.to_str().unwrap();
    let import = ["import", "rpa_db", "job", path, "--rename", "Nr=id", "--ignore", "remark"];
    let ran = world.expect(1, &import);
    assert!(ran.err.contains("line 4") && ran.err.contains("nothing of it stays"), "{}", ran.err);
    let count = "SELECT count(*) AS n FROM job";
    assert_eq!(world.expect(0, &["query", "rpa_db", count, "--json"]).out, "{\"n\":2}\n");
    let ran = world.expect(1, &[&import[..], &["--commit-chunks", "--chunk-rows", "1"]].concat());
    assert!(ran.err.contains("2 rows stay"), "{}", ran.err);
    assert_eq!(world.expect(0, &["query", "rpa_db", count, "--json"]).out, "{\"n\":4}\n");
    assert!(world.expect(1, &["import", "rpa_db", "job", "/nowhere/x.csv"]).err.contains("cannot be read"));
    world.expect(64, &["import", "rpa_db", "job", path, "--rename", "Nr"]);
}

#[test]
fn rows_go_from_one_database_into_another() {
    let world = filled();
    fill_survey_hub(&world.survey_hub());
    server()
        .psql(&world.database, "CREATE TABLE open_survey (survey_id int PRIMARY KEY, note text)")
        .unwrap();
    let open = "SELECT survey_id, note FROM survey_responses WHERE processed = :p";
    let copy = ["copy", "--from", "SurveyHub", open, "-p", "p:=0", "--to", "rpa_db", "open_survey"];
    let ran = world.expect(0, &copy);
    assert!(ran.out.starts_with("open_survey: 2 rows copied in "), "{}", ran.out);
    let notes = "SELECT string_agg(note, '|' ORDER BY survey_id) AS notes FROM open_survey";
    let ran = world.expect(0, &["query", "rpa_db", notes, "--json"]);
    assert_eq!(json_of(&ran.out), json!({"notes": "fine|a\u{1b}b"}));
    // Again they are refused, as a whole.
    assert!(world.expect(1, &copy).err.contains("23505"));
}

#[test]
fn an_export_that_is_told_to_stop_leaves_nothing() {
    let world = filled();
    let file = world.home.path().join("slow.csv");
    let sql = "SELECT n, pg_sleep(0.01) IS NULL AS slept FROM generate_series(1, 100000) AS n";
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_batchdb"));
    command.args(["export", "rpa_db", sql, "--to", file.to_str().unwrap()]);
    command.env("BATCHDB_HOME", world.home.path()).env("PG_PASSWORD", PASSWORD);
    let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let names = || -> Vec<String> {
        let entries = fs::read_dir(world.home.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !names().iter().any(|name| name.ends_with(".partial")) {
        assert!(Instant::now() < end, "it has not begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = Instant::now();
    let status =
        std::process::Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(status.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    assert!(!names().iter().any(|name| name.contains("slow")), "{:?}", names());
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE '%pg_sleep%' AND state = 'active'",
        world.database
    );
    let end = Instant::now() + Duration::from_secs(5);
    while server().psql("postgres", &running).unwrap().trim() != "0" {
        assert!(Instant::now() < end, "the server still works for nobody");
    }
}
