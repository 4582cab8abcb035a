//! `batchdb query`.

use std::fs;

use serde_json::{Value as Json, json};

use crate::world::*;

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
