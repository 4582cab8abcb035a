//! `batchdb health` and `batchdb pool`, once and again and again.

use serde_json::json;

use crate::world::*;

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
fn a_watched_database_is_looked_at_again() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    let ran = world.expect(0, &["health", "rpa_db", "--json", "--watch", "100ms", "--count", "3"]);
    let reports: Vec<_> = ran.out.lines().map(json_of).collect();
    assert_eq!(reports.len(), 3);
    assert!(reports.iter().all(|report| report["overall_status"] == "healthy"), "{}", ran.out);
    let ran = world.expect(0, &["health", "--watch", "100ms", "--count", "2"]);
    assert_eq!(ran.out.matches("overall: healthy").count(), 2, "{}", ran.out);
    // No terminal: nothing is cleared.
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
    world.expect(64, &["health", "--count", "2"]);
}

#[test]
fn the_sessions_of_others_are_seen_by_program_host_and_state() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    assert!(world.expect(0, &["pool", "rpa_db"]).out.contains("nobody else is in this database"));
    let url = format!("{}?application_name=nightly", server().url_for(&world.database));
    let other = batchdb::DatabaseManager::builder("other").connection_string(url).build().unwrap();
    other.query_one("SELECT 1", ()).unwrap();
    let ran = world.expect(0, &["pool", "rpa_db"]);
    for expected in ["15 connections (5 + 10)", "nightly", "127.0.0.1", "idle", "| 1 "] {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
    let ran = world.expect(0, &["pool", "rpa_db", "--json", "--watch", "50ms", "--count", "2"]);
    let looks: Vec<_> = ran.out.lines().map(json_of).collect();
    assert_eq!((looks.len(), &looks[1]["sessions"][0]["program"]), (2, &json!("nightly")));
    assert!(looks[0]["max_connections"].as_i64().unwrap() > 10, "{}", ran.out);
    assert!(world.expect(0, &["pool", "SurveyHub"]).out.contains("there is no server"));
}

#[test]
fn who_may_see_little_sees_that_others_are_there() {
    let world = World::new();
    let script = format!("CREATE ROLE {0} LOGIN PASSWORD '{PASSWORD}'", world.database);
    server().psql(&world.database, &script).unwrap();
    let (port, database) = (server().port(), &world.database);
    world.settings(&[&format!(
        "DEVELOPMENT_GLOBAL_OWN_CONNECTION_STRING=postgresql://{database}:${{PG_PASSWORD}}@127.0.0.1:{port}/{database}"
    )]);
    let url = server().url_for(database);
    let other = batchdb::DatabaseManager::builder("other").connection_string(url).build().unwrap();
    other.query_one("SELECT 1", ()).unwrap();
    let look = json_of(&world.expect(0, &["pool", "own", "--json"]).out);
    assert_eq!(look["sessions"][0]["state"], "not shown", "{look}");
    // The other one and the command's own, at least.
    assert!(look["connections"].as_i64().unwrap() >= 2, "{look}");
}

#[test]
fn a_watch_outlives_what_it_watches() {
    let world = World::new();
    world.settings(&[&format!(
        "DEVELOPMENT_GLOBAL_GONE_CONNECTION_STRING=postgresql://u@127.0.0.1:{}/x",
        closed_port()
    )]);
    let ran = world.expect(75, &["pool", "gone", "--watch", "50ms", "--count", "2"]);
    assert_eq!(ran.out.matches("nothing listens there").count(), 2, "{}", ran.out);
    let ran = world.expect(75, &["pool", "gone", "--json", "--watch", "50ms", "--count", "2"]);
    let looks: Vec<_> = ran.out.lines().map(json_of).collect();
    assert!(looks.len() == 2 && looks[1]["problem"].is_string(), "{}", ran.out);
}

#[test]
#[cfg(unix)]
fn a_secret_that_comes_later_is_met_by_a_watch() {
    let world = World::new();
    let (count, database) = (world.home.path().join("count"), world.survey_hub());
    fill_survey_hub(&database);
    // The first time it says nothing, as a vault that is not up yet.
    world.settings(&[&format!(
        "DEVELOPMENT_GLOBAL_LATE_CONNECTION_STRING_COMMAND='echo x >> {0}; test $(wc -l < {0}) -gt 1 && echo \"sqlite:///{1}\"'",
        count.display(),
        database.display()
    )]);
    let ran = world.expect(0, &["health", "late", "--json", "--watch", "50ms", "--count", "2"]);
    let looks: Vec<_> = ran.out.lines().map(json_of).collect();
    assert_eq!(looks.len(), 2, "{}", ran.out);
    assert_ne!(looks[0]["overall_status"], "healthy", "{}", ran.out);
    assert_eq!(looks[1]["overall_status"], "healthy", "{}", ran.out);
}
