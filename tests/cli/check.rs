//! `batchdb check`: what is set, where it comes from, what is wrong.

use serde_json::json;

use crate::world::*;

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
fn each_setting_is_told_with_the_place_that_it_comes_from() {
    let world = World::new();
    let password = world.home.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    world.settings(&[
        "DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE=7",
        "DEVELOPMENT_RPA1_RPA_DB_POOL_SIZE=9",
        "DEVELOPMENT_GLOBAL_DATABASE_TIMEOUT=45",
        "DEVELOPMENT_GLOBAL_RPA_DB_MIGRATION_PLACEHOLDERS=\"owner=${PG_PASSWORD}\"",
        "DEVELOPMENT_GLOBAL_FILED_CONNECTION_STRING=postgresql://postgres@127.0.0.1/x?connect_timeout=3",
        &format!("DEVELOPMENT_GLOBAL_FILED_PASSWORD_FILE={}", password.display()),
        "DEVELOPMENT_GLOBAL_ASKED_CONNECTION_STRING_COMMAND=\"echo postgresql://u:S3cr@127.0.0.1/x\"",
    ]);
    let ran = run(&["check", "--json"], |command| {
        command
            .env("BATCHDB_HOME", world.home.path())
            .env("DEVELOPMENT_GLOBAL_RPA_DB_MAX_OVERFLOW", "2")
            .env("DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE", "8")
    });
    assert_eq!(ran.code, 0, "{}", ran.err);
    let all = json_of(&ran.out);
    let of = |name: &str, key: &str| {
        let settings = all[name]["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["key"] == key).unwrap().clone()
    };
    let file =
        |line: usize| format!("({}, line {line})", world.home.path().join("envs/.env.development").display());
    for (name, key, value, origin) in [
        (
            "rpa_db",
            "POOL_SIZE",
            json!("8"),
            "DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE (process environment)".to_owned(),
        ),
        (
            "rpa_db",
            "MAX_OVERFLOW",
            json!("2"),
            "DEVELOPMENT_GLOBAL_RPA_DB_MAX_OVERFLOW (process environment)".to_owned(),
        ),
        ("rpa_db", "TIMEOUT", json!("45s"), format!("DEVELOPMENT_GLOBAL_DATABASE_TIMEOUT {}", file(7))),
        ("rpa_db", "CONNECT_TIMEOUT", json!("10s"), "the default of CONNECT_TIMEOUT".to_owned()),
        ("rpa_db", "TYPE", json!("postgresql"), "the connection string".to_owned()),
        (
            "rpa_db",
            "CONNECTION_STRING",
            json!(null),
            format!("DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING {}", file(1)),
        ),
        (
            "rpa_db",
            "MIGRATION_PLACEHOLDERS",
            json!("owner=…"),
            format!("DEVELOPMENT_GLOBAL_RPA_DB_MIGRATION_PLACEHOLDERS {}", file(8)),
        ),
        (
            "SurveyHub",
            "READ_ONLY",
            json!("true"),
            format!("DEVELOPMENT_GLOBAL_SURVEYHUB_READ_ONLY {}", file(4)),
        ),
        ("filed", "CONNECT_TIMEOUT", json!("3s"), "the connection string".to_owned()),
        (
            "filed",
            "PASSWORD_FILE",
            json!(password.to_str().unwrap()),
            format!("DEVELOPMENT_GLOBAL_FILED_PASSWORD_FILE {}", file(10)),
        ),
        (
            "asked",
            "CONNECTION_STRING_COMMAND",
            json!(null),
            format!("DEVELOPMENT_GLOBAL_ASKED_CONNECTION_STRING_COMMAND {}", file(11)),
        ),
        ("asked", "CONNECTION_STRING", json!(null), "not set".to_owned()),
    ] {
        let setting = of(name, key);
        assert_eq!(
            (&setting["value"], setting["origin"].as_str().unwrap()),
            (&value, &*origin),
            "{name} {key}"
        );
    }
    assert_eq!(of("rpa_db", "CONNECTION_STRING")["variables"], json!(["PG_PASSWORD"]));
    assert_eq!(
        of("rpa_db", "POOL_SIZE")["overridden"],
        json!([format!("DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE {}", file(5))])
    );

    let ran = world.expect(0, &["check", "rpa_db", "--flow", "rpa1"]);
    for expected in [
        "line 6: DEVELOPMENT_RPA1_RPA_DB_POOL_SIZE; goes before line 5: DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE",
        "line 1: DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING, with ${PG_PASSWORD}",
        "(not shown)",
        "default",
        "envs/.env.development\n",
    ] {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
}

#[test]
fn the_table_of_settings_stays() {
    let world = World::new();
    world.settings(&["DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE=7", "DEVELOPMENT_GLOBAL_RPA_DB_SLOW_QUERY=1500ms"]);
    let ran = world.expect(0, &["check", "rpa_db"]);
    let text = ran.out.replace(world.home.path().to_str().unwrap(), "HOME");
    let text = text.replace(&server().port().to_string(), "PORT").replace(&world.database, "DATABASE");
    // The widths of columns depend on the length of the folder's name.
    let lines = text.lines().filter(|line| !line.starts_with("|--"));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    insta::assert_snapshot!("settings", words.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_secret_in_the_place_of_a_files_name_is_not_told() {
    let world = World::new();
    let port = server().port();
    world.settings(&[
        &format!("DEVELOPMENT_GLOBAL_FILED_CONNECTION_STRING=postgresql://postgres@127.0.0.1:{port}/x"),
        "DEVELOPMENT_GLOBAL_FILED_PASSWORD_FILE=${PG_PASSWORD}",
        "DEVELOPMENT_GLOBAL_PLACED_CONNECTION_STRING_FILE=postgresql://postgres:S3cr@127.0.0.1/x",
        "DEVELOPMENT_GLOBAL_AWAY_CONNECTION_STRING_FILE=/run/no/where",
    ]);
    // That no output holds the secret is looked at where the command is run.
    for (name, told) in [
        ("filed", "the file that this key names"),
        ("placed", "the file that this key names"),
        ("away", "/run/no/where"),
    ] {
        let ran = world.expect(1, &["check", name]);
        assert!(ran.out.contains(told) && ran.out.contains("cannot be read"), "{}", ran.out);
    }
}
