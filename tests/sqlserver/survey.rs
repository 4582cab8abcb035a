//! The survey job, as it is, with SurveyHub on each of the databases.

use std::fs;
use std::process::{Command, Stdio};

use batchdb::DatabaseManager;
use serde_json::Value;

use crate::answers::Survey;
use crate::survey_hub;
use crate::target::{Target, Told, server};

#[path = "../../examples/concurrent_survey.rs"]
mod job;

/// Set for a process that is to be the job, and not the suite.
const PLAYS_THE_JOB: &str = "BATCHDB_SUITE_PLAYS_THE_JOB";

/// Runs the job in the place of the suite, where that is what this process was started for.
pub(crate) fn played() -> Option<std::process::ExitCode> {
    std::env::var_os(PLAYS_THE_JOB).map(|_| job::main())
}

/// The table has the name that the job knows, so it does not outlive the body, however that ends.
struct Hub(DatabaseManager);

impl Drop for Hub {
    fn drop(&mut self) {
        if let Err(error) = self.0.execute("DROP TABLE survey_responses", ()) {
            println!("    survey_responses is left behind: {error}");
        }
    }
}

impl Hub {
    fn count(&self, condition: &str) -> i64 {
        let sql = format!("SELECT count(*) AS n FROM survey_responses WHERE {condition}");
        self.0.query_one(&sql, ()).unwrap().get("n").unwrap()
    }
}

/// The surveys of the file that `BATCHDB_TEST_SURVEYS` names, which everybody knows, and their average.
const KNOWN: (usize, f64) = (2_800, 4.2061);

/// `BATCHDB_TEST_SURVEYS` names the file with the surveys; without it they are made up.
pub(crate) fn the_survey_job_reads_scores_and_marks(target: &Target) -> Told {
    let (survey, responses) = match std::env::var_os("BATCHDB_TEST_SURVEYS") {
        Some(file) => {
            let text = fs::read(file).unwrap();
            (Survey::of_csv(&text), survey_hub::from_csv(&text[..]).unwrap())
        }
        None => {
            let survey = Survey::new(500, 5, 1);
            let responses = survey.responses();
            (survey, responses)
        }
    };
    let db = target.db();
    let (text, short) =
        (target.say("text", "text", "nvarchar(max)"), target.say("text", "text", "nvarchar(40)"));
    db.execute(
        &format!(
            "CREATE TABLE survey_responses (survey_id int PRIMARY KEY, customer_id int, response_data {text}, \
             submitted_at {short}, processed int NOT NULL)"
        ),
        (),
    )
    .unwrap();
    let hub = Hub(db);
    let columns = ["survey_id", "customer_id", "response_data", "submitted_at", "processed"];
    let rows = responses.into_iter().map(|one| {
        (one.survey_id, one.customer_id, one.response_data, one.submitted_at, one.processed.unwrap_or(0))
    });
    hub.0.bulk_insert("survey_responses", &columns, rows).unwrap();

    let name = target.unique("rpa_db");
    server().create_database(&name).unwrap();
    let run = || {
        let mut job = Command::new(std::env::current_exe().unwrap());
        job.arg("--mark-processed").stdin(Stdio::null()).env(PLAYS_THE_JOB, "1");
        job.env("BATCHDB_HOME", env!("CARGO_MANIFEST_DIR")).env("BATCHDB_ENVIRONMENT", "suite");
        job.env("SUITE_GLOBAL_SURVEYHUB_TYPE", target.database_type());
        job.env("SUITE_GLOBAL_SURVEYHUB_CONNECTION_STRING", target.connection_string());
        job.env("SUITE_GLOBAL_RPA_DB_CONNECTION_STRING", server().url_for(&name));
        let output = job.output().unwrap();
        let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}\n{log}");
        serde_json::from_str::<Value>(said.lines().last().unwrap()).unwrap()
    };
    let first = run();
    for key in ["responses_found", "surveys_processed", "successful_writes"] {
        assert_eq!(first[key], survey.len(), "{key}: {first}");
    }
    assert_eq!(first["average_satisfaction_score"], survey.average(), "{first}");
    assert_eq!((&first["failed_writes"], &first["final_health"]), (&0.into(), &"healthy".into()), "{first}");
    println!(
        "    {} surveys, on average {}",
        first["surveys_processed"], first["average_satisfaction_score"]
    );
    assert_eq!(hub.count("processed = 1"), i64::try_from(survey.len()).unwrap());
    let written = server().psql(
        &name,
        "SELECT count(DISTINCT survey_id), sum(satisfaction_score) * 500 FROM rpa1_processed_surveys",
    );
    let sums: Vec<String> = written.unwrap().split('|').map(str::to_owned).collect();
    assert_eq!(sums[0], survey.len().to_string());
    assert_eq!(sums[1].parse::<f64>().unwrap() as i64, survey.sum_in_500ths());
    if std::env::var_os("BATCHDB_TEST_SURVEYS").is_some() {
        let average = first["average_satisfaction_score"].as_f64().unwrap();
        assert_eq!(survey.len(), KNOWN.0, "{first}");
        assert!((average - KNOWN.1).abs() < 0.000_05, "{first}");
    }
    // Another run finds nothing, and does nothing.
    assert_eq!(run()["responses_found"], 0);
    Ok(())
}
