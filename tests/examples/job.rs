//! The main job, `concurrent_survey`.

use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::answers::{Form, Survey};
use crate::survey_hub::{self, NewResponse};
use crate::world::{Finished, World, server};

const JOB: &str = "concurrent_survey";

/// The keys of a successful result, all of them, in this order.
const KEYS: [&str; 8] = [
    "status",
    "responses_found",
    "surveys_processed",
    "successful_writes",
    "failed_writes",
    "average_satisfaction_score",
    "final_health",
    "timestamp",
];

fn keys(result: &Value) -> Vec<&str> {
    result.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_recent(result: &Value) {
    let text = result["timestamp"].as_str().unwrap();
    let at = DateTime::parse_from_rfc3339(text).unwrap();
    assert_eq!(at.offset().local_minus_utc(), 0, "{text}");
    assert!((Utc::now() - at.to_utc()).num_seconds().abs() < 60, "{text}");
}

/// That all of the survey was found and written, by what the job says and by what the database says.
#[track_caller]
fn assert_whole(world: &World, finished: &Finished, survey: &Survey) {
    let result = finished.expect(0);
    assert_eq!(keys(result), KEYS);
    assert_eq!(result["status"], "success");
    for key in ["responses_found", "surveys_processed", "successful_writes"] {
        assert_eq!(result[key], survey.len(), "{key}: {finished}");
    }
    assert_eq!(result["failed_writes"], 0);
    assert_eq!(result["average_satisfaction_score"], survey.average());
    assert_eq!(result["final_health"], "healthy");
    assert_recent(result);
    assert_written(world, survey);
}

/// That each survey stands in the table of results exactly once, with the right sum.
#[track_caller]
fn assert_written(world: &World, survey: &Survey) {
    let (count, sum) = (survey.len(), survey.sum_in_500ths());
    let found = world.sql(&format!(
        "SELECT count(*), count(DISTINCT survey_id), count(*) FILTER (WHERE status = 'completed'),
                sum(satisfaction_score) = {sum}::numeric / 500
         FROM rpa1_processed_surveys"
    ));
    assert_eq!(found, format!("{count}|{count}|{count}|t"));
}

#[track_caller]
fn assert_nothing_to_do(finished: &Finished) {
    let result = finished.expect(0);
    assert_eq!(keys(result), KEYS);
    assert_eq!(result["status"], "success");
    for key in ["responses_found", "surveys_processed", "successful_writes", "failed_writes"] {
        assert_eq!(result[key], 0, "{key}: {finished}");
    }
    assert!(result["average_satisfaction_score"].is_null());
    assert_eq!(result["final_health"], "healthy");
}

#[test]
fn it_scores_and_writes_all_surveys_and_finds_nothing_to_do_the_second_time() {
    let survey = Survey::new(700, 5, 1);
    let world = World::new("job_twice", &survey.responses());
    let first = world.run(JOB);
    assert_whole(&world, &first, &survey);
    first.assert_says("responses found");
    assert!(first.stdout.lines().count() > 5, "{first}");
    assert!(!first.stderr.contains('█'), "a progress bar is for terminals only");
    let rows = world.sql(
        "SELECT survey_id, customer_id, satisfaction_score, processed_at > now() - interval '1 minute', error IS NULL
         FROM rpa1_processed_surveys WHERE survey_id = 1",
    );
    let first_response = &survey.responses()[0];
    let score = crate::survey::satisfaction_score(Some(&first_response.response_data)).unwrap();
    assert_eq!(rows, format!("1|1001|{score}|t|t"));

    assert_nothing_to_do(&world.run(JOB));
    assert_written(&world, &survey);
    // SurveyHub was read only.
    assert_eq!(world.count_in_hub("processed = 0"), 700);
}

#[test]
fn its_figures_are_right_for_files_of_every_form_and_scale() {
    let form = |bom, crlf, reordered| Form { bom, crlf, reordered };
    for (name, survey, form) in [
        ("job_windows", Survey::new(61, 10, 1), form(true, true, false)),
        ("job_reordered", Survey::new(48, 100, 1), form(true, false, true)),
        ("job_fractions", Survey::new(33, 5, 20), form(false, true, true)),
        ("job_one", Survey::new(1, 7, 4), form(false, false, false)),
    ] {
        let responses = survey_hub::from_csv(survey.csv(form).as_bytes()).unwrap();
        let world = World::new(name, &responses);
        assert_whole(&world, &world.run(JOB), &survey);
    }
}

#[test]
fn it_reads_a_hub_on_another_database_by_its_settings_alone() {
    let survey = Survey::new(40, 5, 2);
    let mut world = World::without_hub("job_postgres_hub");
    world.sql("CREATE TABLE survey_responses (survey_id int, customer_id int, response_data jsonb, processed smallint)");
    for response in survey.responses() {
        world.sql(&format!(
            "INSERT INTO survey_responses VALUES ({}, {}, '{}', 0)",
            response.survey_id,
            response.customer_id.unwrap(),
            response.response_data
        ));
    }
    world.set("SURVEYHUB_CONNECTION_STRING", &server().url_for("job_postgres_hub"));
    world.set("SURVEYHUB_READ_ONLY", "true");
    assert_whole(&world, &world.run(JOB), &survey);
}

/// What must never be quoted: it stands in responses that cannot be scored.
const CONFIDENTIAL: &str = "confidential";

fn broken() -> Vec<(&'static str, &'static str)> {
    vec![
        (r#"{"question_1": 4, "note": "confidential"#, "response_data is not valid JSON (line 1, column 39)"),
        ("confidential", "response_data is not valid JSON (line 1, column 1)"),
        ("", "response_data is not valid JSON (line 1, column 0)"),
        (r#"["confidential"]"#, "response_data is valid JSON, but not an object"),
        ("4", "response_data is valid JSON, but not an object"),
        ("null", "response_data is valid JSON, but not an object"),
        (r#"{"question_2": null}"#, "the answer question_2 is null"),
        (r#"{"question_3": "confidential"}"#, "the answer question_3 is not a number"),
        (r#"{"question_4": true}"#, "the answer question_4 is not a number"),
        (r#"{"question_5": {"confidential": 1}}"#, "the answer question_5 is not a number"),
    ]
}

#[test]
fn surveys_that_cannot_be_scored_are_written_as_failed_and_the_others_are_scored() {
    let survey = Survey::new(50, 5, 1);
    let mut responses = survey.responses();
    for (id, (data, _)) in (101..).zip(broken()) {
        responses.push(NewResponse { survey_id: id, response_data: data.to_owned(), ..responses[0].clone() });
    }
    let world = World::new("job_broken", &responses);
    world.hub().execute("INSERT INTO survey_responses VALUES (200, 1, NULL, NULL, 0)", ()).unwrap();

    let finished = world.run(JOB);
    let result = finished.expect(0);
    assert_eq!(result["status"], "success");
    for key in ["responses_found", "surveys_processed", "successful_writes"] {
        assert_eq!(result[key], 61, "{finished}");
    }
    assert_eq!(result["failed_writes"], 0);
    assert_eq!(result["average_satisfaction_score"], survey.average());

    let mut expected: Vec<String> =
        (101..).zip(broken()).map(|(id, (_, error))| format!("{id}|t|{error}")).collect();
    expected.push("200|t|response_data is NULL".to_owned());
    let written = world.sql(
        "SELECT survey_id, satisfaction_score IS NULL, error FROM rpa1_processed_surveys
         WHERE status = 'failed' ORDER BY survey_id",
    );
    assert_eq!(written.lines().collect::<Vec<_>>(), expected);
    assert_eq!(world.sql("SELECT count(*) FROM rpa1_processed_surveys WHERE status = 'completed'"), "50");
    finished.assert_says("the answer question_2 is null");
    for text in [&finished.stdout, &finished.stderr] {
        assert!(!text.contains(CONFIDENTIAL), "a response was quoted: {text}");
    }
    // Failed is processed too.
    assert_nothing_to_do(&world.run(JOB));
}

#[test]
fn killed_half_way_and_started_again_it_ends_with_each_survey_once() {
    let survey = Survey::new(400, 5, 1);
    let world = World::new("job_killed", &survey.responses());
    world.migrate();
    world.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(0.1); RETURN new; END';
         CREATE TRIGGER slow BEFORE INSERT ON rpa1_processed_surveys FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let count = || world.sql("SELECT count(*) FROM rpa1_processed_surveys").parse::<usize>().unwrap();
    let mut job = world.command(JOB).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while count() < 20 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the job writes nothing");
        thread::sleep(Duration::from_millis(10));
    }
    job.kill().unwrap();
    job.wait().unwrap();
    let before = count();
    assert!((20..400).contains(&before), "{before} of 400 were written before the job was killed");

    world.sql("DROP TRIGGER slow ON rpa1_processed_surveys");
    let finished = world.run(JOB);
    let result = finished.expect(0);
    let found = result["responses_found"].as_u64().unwrap();
    assert!((1..=400 - before as u64).contains(&found), "{finished}");
    assert_eq!(result["successful_writes"], found);
    assert_eq!(result["failed_writes"], 0);
    assert_written(&world, &survey);
}

#[test]
fn a_result_that_cannot_be_written_is_counted_and_tried_again_by_the_next_run() {
    let survey = Survey::new(30, 5, 1);
    let world = World::new("job_refused", &survey.responses());
    world.migrate();
    world.sql("ALTER TABLE rpa1_processed_surveys ADD CONSTRAINT no_seven CHECK (survey_id <> 7)");
    let finished = world.run(JOB);
    let result = finished.expect(0);
    assert_eq!(result["surveys_processed"], 30);
    assert_eq!(result["successful_writes"], 29);
    assert_eq!(result["failed_writes"], 1);
    assert!(finished.stderr.contains("write-survey-results-7"), "{finished}");

    world.sql("ALTER TABLE rpa1_processed_surveys DROP CONSTRAINT no_seven");
    assert_eq!(world.run(JOB).expect(0)["successful_writes"], 1);
    assert_written(&world, &survey);
}

#[track_caller]
fn assert_aborted(finished: &Finished) {
    let result = finished.expect(3);
    assert_eq!(keys(result), ["status", "reason", "timestamp"]);
    assert_eq!(result["status"], "aborted");
    assert_eq!(result["reason"], "database_health_check_failed");
    assert_recent(result);
}

#[test]
fn it_is_aborted_before_it_does_anything_when_one_database_is_not_ready() {
    let responses = Survey::new(3, 5, 1).responses();
    let mut world = World::new("job_aborted", &responses);
    let hub = survey_hub::connection_string(&world.hub_file()).unwrap();

    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.set("RPA_DB_CONNECTION_STRING", &format!("postgresql://u:hunter2@127.0.0.1:{port}/rpa_db"));
    assert_aborted(&world.run(JOB));

    let refused = format!("postgresql://postgres:wrong-hunter2@127.0.0.1:{}/job_aborted", server().port());
    world.set("RPA_DB_CONNECTION_STRING", &refused);
    assert_aborted(&world.run(JOB));

    world.set("RPA_DB_CONNECTION_STRING", "");
    assert_aborted(&world.run(JOB));

    world.set("RPA_DB_CONNECTION_STRING", &server().url_for("job_aborted"));
    world.set("SURVEYHUB_CONNECTION_STRING", "Driver=SQLite3;Database=/nowhere/survey_hub.sqlite");
    assert_aborted(&world.run(JOB));

    assert_eq!(world.sql("SELECT to_regclass('rpa1_processed_surveys') IS NULL"), "t");
    world.set("SURVEYHUB_CONNECTION_STRING", &hub);
    world.run(JOB).expect(0);
}

#[track_caller]
fn assert_failed<'f>(finished: &'f Finished, error: &str) -> &'f Value {
    let result = finished.expect(1);
    assert_eq!(keys(result), ["status", "error", "diagnostic_health", "timestamp"]);
    assert_eq!(result["status"], "failed");
    assert!(result["error"].as_str().unwrap().contains(error), "{finished}");
    assert_recent(result);
    &result["diagnostic_health"]
}

#[test]
fn it_fails_with_a_diagnosis_when_something_is_wrong_with_a_healthy_database() {
    let world = World::new("job_failed", &[]);
    world.hub().execute("DROP TABLE survey_responses", ()).unwrap();
    let finished = world.run(JOB);
    let health = assert_failed(&finished, "SurveyHub");
    assert_eq!(health["flow_name"], "rpa1");
    assert_eq!(health["overall_status"], "healthy");
    assert_eq!(health["databases"]["SurveyHub"]["migration_status"], "read_only");
    assert_eq!(health["databases"]["rpa_db"]["migration_status"]["current_version"], "V004");
    assert_eq!(health["databases"]["rpa_db"]["database_type"], "postgresql");
}

#[test]
fn it_fails_when_a_migration_fails() {
    let world = World::new("job_migration", &Survey::new(3, 5, 1).responses());
    world.sql("CREATE TABLE rpa1_processed_surveys (mine int)");
    assert_failed(&world.run(JOB), "rpa_db");
}

#[test]
fn it_marks_what_is_written_in_a_writable_hub_if_asked_to() {
    let survey = Survey::new(60, 5, 1);
    let mut responses = survey.responses();
    responses[9].processed = Some(1);
    let mut world = World::new("job_mark", &responses);
    world.migrate();

    let refused = world.run_with(JOB, ["--mark-processed"]);
    assert_failed(&refused, "READ_ONLY");
    assert_eq!(world.sql("SELECT count(*) FROM rpa1_processed_surveys"), "0");

    world.set("SURVEYHUB_READ_ONLY", "false");
    // One result is there from an earlier run that ended before its mark.
    world.sql("INSERT INTO rpa1_processed_surveys (survey_id, customer_id, status) VALUES (1, 1, 'failed')");
    // And one cannot be written, so it must stay as it is.
    world.sql("ALTER TABLE rpa1_processed_surveys ADD CONSTRAINT no_seven CHECK (survey_id <> 7)");
    let marking = world.run_with(JOB, ["--mark-processed"]);
    let result = marking.expect(0);
    assert_eq!(
        (&result["responses_found"], &result["successful_writes"]),
        (&58.into(), &57.into()),
        "{marking}"
    );
    assert_eq!(world.count_in_hub("processed = 0"), 1);
    assert_eq!(world.count_in_hub("processed = 0 AND survey_id = 7"), 1);

    world.sql("ALTER TABLE rpa1_processed_surveys DROP CONSTRAINT no_seven");
    assert_eq!(world.run_with(JOB, ["--mark-processed"]).expect(0)["successful_writes"], 1);
    assert_eq!(world.count_in_hub("processed = 0"), 0);
    assert_nothing_to_do(&world.run_with(JOB, ["--mark-processed"]));
}
