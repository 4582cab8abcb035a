//! `batchdb migrate`.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::world::*;

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
fn the_status_says_by_its_code_what_keeps_the_next_run_away() {
    let world = World::new();
    world.expect(0, &["migrate", "rpa_db", "up"]);
    world.expect(0, &["migrate", "rpa_db", "status"]);
    world.migration("V001__Create_job.sql", "CREATE TABLE job (id bigint)");
    let ran = world.expect(1, &["migrate", "rpa_db", "status"]);
    assert!(ran.err.contains("\"V001__Create_job.sql\" was changed"), "{}", ran.err);
    let status = json_of(&world.expect(1, &["migrate", "rpa_db", "status", "--json"]).out);
    assert_eq!(status["problems"][0]["kind"], "changed");
    fs::remove_file(world.home.path().join("migrations/rpa_db/V001__Create_job.sql")).unwrap();
    let ran = world.expect(1, &["migrate", "rpa_db", "status"]);
    assert!(ran.err.contains("the folder has no file of its version"), "{}", ran.err);
    // A version of a later release is no trouble.
    world.migration("V001__Create_job.sql", "CREATE TABLE job (id int PRIMARY KEY, name text, sum numeric)");
    fs::remove_file(world.home.path().join("migrations/rpa_db/V002__Fill_job.sql")).unwrap();
    world.expect(0, &["migrate", "rpa_db", "status"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let world = World::new();
    // More than a pipe holds.
    let long = format!("SELECT 1;\n{}", "-- a line of a comment, and one more of them\n".repeat(20_000));
    world.migration("V003__Long.sql", &long);
    let notices =
        "DO $$ BEGIN FOR n IN 1..3000 LOOP RAISE NOTICE 'one of many, which fill a pipe'; END LOOP; END $$";
    world.migration("V004__Notices.sql", notices);
    for arguments in ["plan |", "plan --json |", "up 2>&1 |"] {
        let pipe =
            format!("\"$0\" migrate rpa_db {arguments} head -n 1 >/dev/null; echo \"${{PIPESTATUS[0]}}\"");
        let output = std::process::Command::new("bash")
            .args(["-c", &pipe, env!("CARGO_BIN_EXE_batchdb")])
            .env("BATCHDB_HOME", world.home.path())
            .env("PG_PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        // Of the file of settings, which everybody can read here.
        let said: Vec<&str> = said.lines().filter(|line| !line.contains("chmod o-r")).collect();
        assert_eq!((String::from_utf8(output.stdout).unwrap().trim(), said), ("0", vec![]), "{arguments}");
    }
    world.expect(0, &["migrate", "rpa_db", "status"]);
}

#[test]
fn the_values_of_placeholders_are_in_no_plan() {
    let world = World::new();
    world.settings(&["DEVELOPMENT_GLOBAL_RPA_DB_MIGRATION_PLACEHOLDERS=password=hunter2x"]);
    world.migration("V003__User.sql", "SELECT '${password}'");
    for arguments in [&["migrate", "rpa_db", "plan"][..], &["migrate", "rpa_db", "plan", "--json"]] {
        let ran = world.expect(3, arguments);
        assert!(ran.out.contains("${password}") && !ran.out.contains("hunter2x"), "{}", ran.out);
    }
}

#[test]
fn the_history_of_flyway_is_taken_over() {
    let world = World::new();
    let flyway = "CREATE TABLE job (id int PRIMARY KEY, name text, sum numeric);
        CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50),
            description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int,
            installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(),
            execution_time int NOT NULL, success boolean NOT NULL);
        INSERT INTO flyway_schema_history VALUES
            (1, '001', 'Create job', 'SQL', 'V001__Create_job.sql', NULL, 'fly', now(), 12, true)";
    server().psql(&world.database, flyway).unwrap();
    world.expect(0, &["migrate", "rpa_db", "baseline", "--from", "flyway"]);
    let status = world.expect(3, &["migrate", "rpa_db", "status"]).out;
    assert!(status.contains("V001") && status.contains("pending: V002"), "{status}");
    assert!(!status.contains("pending: V001"), "{status}");
    world.expect(0, &["migrate", "rpa_db", "up"]);
    world.expect(0, &["migrate", "rpa_db", "status"]);
}

#[test]
fn what_failed_is_forgotten_or_accepted_as_done() {
    let world = World::new();
    world.expect(0, &["migrate", "rpa_db", "up"]);
    let half = "-- batchdb: no-transaction\nINSERT INTO job VALUES (7);\nINSERT INTO nowhere VALUES (1);";
    world.migration("V003__Half.sql", half);
    world.expect(1, &["migrate", "rpa_db", "up"]);
    world.expect(1, &["migrate", "rpa_db", "status"]);
    server().psql(&world.database, "DELETE FROM job WHERE id = 7").unwrap();
    let repaired = world.expect(0, &["migrate", "rpa_db", "repair", "--forget", "V003"]).out;
    assert!(repaired.contains("V003__Half.sql: forgotten, to be run again"), "{repaired}");
    world.expect(1, &["migrate", "rpa_db", "up"]);
    let repaired = world.expect(0, &["migrate", "rpa_db", "repair", "--done", "--all"]).out;
    assert!(repaired.contains("V003__Half.sql: accepted as done"), "{repaired}");
    world.expect(0, &["migrate", "rpa_db", "status"]);
    let count = server().psql(&world.database, "SELECT count(*) FROM job WHERE id = 7").unwrap();
    assert_eq!(count.trim(), "1");

    // In the wrong folder nothing is forgotten.
    for file in ["V001__Create_job.sql", "V002__Fill_job.sql", "V003__Half.sql"] {
        fs::remove_file(world.home.path().join("migrations/rpa_db").join(file)).unwrap();
    }
    let refused = world.expect(1, &["migrate", "rpa_db", "repair", "--forget", "--all"]).err;
    assert!(refused.contains("3 rows of the history would be forgotten"), "{refused}");
}

/// Runs `up` until the server is in a `pg_sleep`.
fn up_to_the_sleep(world: &World, stderr: impl Into<Stdio>) -> Child {
    let mut command = world.command(&["migrate", "rpa_db", "up"]);
    let child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while sleeping(world) != "1" {
        assert!(Instant::now() < end, "it does not come to the slow file");
        thread::sleep(Duration::from_millis(20));
    }
    child
}

fn tell_to_stop(child: &Child) {
    let kill = std::process::Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(kill.unwrap().success());
}

fn stopped(world: &World) -> Output {
    let child = up_to_the_sleep(world, Stdio::piped());
    let told = Instant::now();
    tell_to_stop(&child);
    let output = child.wait_with_output().unwrap();
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    output
}

fn await_calm(world: &World) {
    let end = Instant::now() + Duration::from_secs(5);
    while sleeping(world) != "0" {
        assert!(Instant::now() < end, "the server still works for nobody");
        thread::sleep(Duration::from_millis(20));
    }
}

fn sleeping(world: &World) -> String {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE '%pg_sleep%' AND state = 'active'",
        world.database
    );
    server().psql("postgres", &sql).unwrap().trim().to_owned()
}

#[test]
fn a_run_that_is_told_to_stop_undoes_the_file_under_way_and_says_so() {
    let world = World::new();
    world.migration("V003__Slow.sql", "INSERT INTO job VALUES (3);\nSELECT pg_sleep(30);");
    world.migration("V004__Last.sql", "INSERT INTO job VALUES (4)");
    let output = stopped(&world);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(out.contains("[2/4] applied V002__Fill_job.sql") && !out.contains("V003"), "{out}");
    assert!(
        err.contains("\"V003__Slow.sql\" was stopped") && err.contains("nothing of it was kept"),
        "{err}"
    );
    assert!(!err.contains("could not be added to the history"), "{err}");

    // Nothing runs on, nobody holds the lock, and the next run goes on where this one was.
    await_calm(&world);
    assert!(world.expect(3, &["migrate", "rpa_db", "status"]).out.contains("pending: V003, V004"));
    world.migration("V003__Slow.sql", "INSERT INTO job VALUES (3)");
    let ran = world.expect(0, &["migrate", "rpa_db", "up", "--wait", "2"]).out;
    assert!(ran.contains("2 migrations applied; the version is V004"), "{ran}");
}

#[test]
fn a_file_without_a_transaction_that_was_stopped_is_not_taken_for_done() {
    let world = World::new();
    let half = "-- batchdb: no-transaction\nINSERT INTO job VALUES (3);\nSELECT pg_sleep(30);";
    world.migration("V003__Half.sql", half);
    let output = stopped(&world);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(
        err.contains("\"V003__Half.sql\" was stopped") && err.contains("what it did before was kept"),
        "{err}"
    );
    assert!(err.contains("repair"), "{err}");
    let refused = world.expect(1, &["migrate", "rpa_db", "up", "--wait", "2"]).err;
    assert!(refused.contains("V003__Half.sql"), "{refused}");
    world.expect(0, &["migrate", "rpa_db", "repair", "--done", "V003"]);
    world.expect(0, &["migrate", "rpa_db", "status"]);
}

#[test]
fn a_run_whose_messages_nobody_reads_hears_all_the_same_that_it_is_to_stop() {
    let world = World::new();
    world.migration("V003__Slow.sql", "SELECT pg_sleep(30)");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let mut child = up_to_the_sleep(&world, writer);
    // More than the pipe holds: from here on whoever writes to it waits.
    let filling = thread::spawn(move || filler.write_all(&[b'.'; 1 << 18]));
    thread::sleep(Duration::from_millis(300));
    tell_to_stop(&child);
    await_calm(&world);
    let reading = thread::spawn(move || {
        let mut said = Vec::new();
        reader.read_to_end(&mut said).map(|_| String::from_utf8(said).unwrap())
    });
    assert_eq!(child.wait().unwrap().code(), Some(130));
    filling.join().unwrap().unwrap();
    let said = reading.join().unwrap().unwrap();
    assert!(said.contains("told to stop: what runs may end"), "{}", said.trim_matches('.'));
}
