//! The other flows.

use crate::answers::Survey;
use crate::world::{World, server};

#[test]
fn quickstart_shows_what_is_there() {
    let survey = Survey::new(20, 5, 1);
    let world = World::new("flow_quickstart", &survey.responses());
    let before = world.run("quickstart");
    before.expect(0);
    before.assert_says("rpa_db is at V004");
    before.assert_says("SurveyHub has 20 responses to process");
    before.assert_says("  survey 3 by customer 1003");
    before.assert_says("rpa_db has no score yet");

    world.run("sequential_survey").expect(0);
    let after = world.run("quickstart");
    after.assert_says(&format!("rpa_db has 20 results, on average {:.4}", survey.average()));
}

#[test]
fn sequential_survey_does_the_same_in_one_thread() {
    let survey = Survey::new(80, 10, 2);
    let world = World::new("flow_sequential", &survey.responses());
    let finished = world.run("sequential_survey");
    let result = finished.expect(0);
    assert_eq!(result["responses_found"], 80);
    assert_eq!(result["surveys_processed"], 80);
    assert_eq!(result["average_satisfaction_score"], survey.average());
    let sum = survey.sum_in_500ths();
    let right = format!(
        "SELECT count(*), sum(satisfaction_score) = {sum}::numeric / 500 FROM rpa1_processed_surveys"
    );
    assert_eq!(world.sql(&right), "80|t");
    assert_eq!(world.run("sequential_survey").expect(0)["responses_found"], 0);
}

#[test]
fn resilient_flow_goes_on_where_it_can() {
    let mut world = World::new("flow_resilient", &Survey::new(25, 5, 1).responses());
    world.migrate();
    // The schema is right, but nobody knows any more how it came about; and one survey cannot be written.
    world.sql("DROP TABLE schema_version");
    world.sql("ALTER TABLE rpa1_processed_surveys ADD CONSTRAINT no_seven CHECK (survey_id <> 7)");
    let finished = world.run("resilient_flow");
    let result = finished.expect(0);
    assert_eq!(
        *result,
        serde_json::json!({ "status": "success", "processed": 24, "failed": 1, "total": 25 })
    );
    assert!(finished.stderr.contains("going on with the schema that is there"), "{finished}");
    assert!(finished.stderr.contains("survey_id=7"), "{finished}");

    world.sql("ALTER TABLE rpa1_processed_surveys DROP CONSTRAINT no_seven");
    assert_eq!(world.run("resilient_flow").expect(0)["total"], 1);
    assert_eq!(world.run("resilient_flow").expect(0)["message"], "No data to process");

    let refused = format!("postgresql://postgres:not-it@127.0.0.1:{}/flow_resilient", server().port());
    world.set("RPA_DB_CONNECTION_STRING", &refused);
    let finished = world.run("resilient_flow");
    assert_eq!(finished.expect(1)["status"], "failed");
    assert!(finished.stderr.contains("look at the user and the password"), "{finished}");
}

#[test]
fn health_monitoring_reports_before_during_and_after() {
    let mut world = World::new("flow_health", &Survey::new(15, 5, 1).responses());
    let finished = world.run("health_monitoring");
    let result = finished.expect(0);
    assert_eq!(result["status"], "success");
    assert_eq!(result["surveys_processed"], 15);
    assert_eq!(result["responses_found"], 15);
    assert_eq!(result["initial_health"], true);
    assert_eq!(result["mid_workflow_health"], "healthy");
    assert_eq!(result["final_health"], "healthy");

    let report: serde_json::Value = serde_json::from_str(finished.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(report["overall_status"], "healthy");
    let databases = report["databases"].as_object().unwrap();
    assert_eq!(databases.len(), 2, "{report}");
    assert!(databases.values().all(|database| database["query_test"] == true), "{report}");

    world.hub().execute("DROP TABLE survey_responses", ()).unwrap();
    let finished = world.run("health_monitoring");
    let result = finished.expect(1);
    assert_eq!(result["status"], "failed");
    assert_eq!(result["diagnostic_health"]["overall_status"], "healthy");

    world.set("SURVEYHUB_CONNECTION_STRING", "");
    let finished = world.run("health_monitoring");
    let result = finished.expect(3);
    assert_eq!((&result["status"], &result["initial_health"]), (&"aborted".into(), &false.into()));
}

#[test]
fn multi_database_joins_in_memory() {
    // Two responses an hour: 100 of them are the rest of a first day, a second day, and a bit of a third.
    let world = World::new("flow_join", &Survey::new(100, 5, 1).responses());
    world.run("concurrent_survey").expect(0);
    world.sql("DELETE FROM rpa1_processed_surveys WHERE survey_id > 96");
    let finished = world.run("multi_database");
    let result = finished.expect(0);
    assert_eq!(
        *result,
        serde_json::json!({ "responses": 100, "joined": 96, "without_score": 4, "days": 3 }),
        "{finished}"
    );
    let second_day = world.sql(
        "SELECT round(avg(satisfaction_score), 4) FROM rpa1_processed_surveys WHERE survey_id BETWEEN 48 AND 95",
    );
    finished.assert_says(&format!("2026-01-02:    48 surveys, {second_day} on average"));
}

#[test]
fn operations_work_in_batches_and_keep_their_limits() {
    let world = World::without_hub("flow_operations");
    let finished = world.run("operations");
    let result = finished.expect(0);
    assert_eq!(result["written"], 1000);
    assert_eq!(result["statements"], 3);
    assert_eq!(result["done"], 10);
    assert_eq!(result["duplicate_refused"], true);
    assert_eq!(result["row_count"], 1001);
    assert_eq!(result["timed_out"], true);
    assert_eq!(result["pool_status"]["pool_size"], 20);
    assert_eq!(result["pool_status"]["max_overflow"], 30);
    assert_eq!(result["pool_status"]["checked_out"], 0);
    // The connection whose query was cut off is not used again.
    assert_eq!(result["pool_status"]["invalid"], 1);
    assert_eq!(world.sql("SELECT to_regclass('operations_example') IS NULL"), "t");
}
