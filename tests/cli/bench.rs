//! `batchdb bench`: it measures, and leaves nothing.

use crate::world::*;

#[test]
fn rates_and_percentiles_of_both_kinds_of_call() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    // A table of the same name is somebody's, and stays as it is.
    server()
        .psql(&world.database, "CREATE TABLE batchdb_bench (id int); INSERT INTO batchdb_bench VALUES (7)")
        .unwrap();
    let ran = world.expect(0, &["bench", "rpa_db", "--for", "2s", "--threads", "2", "--json"]);
    let report = json_of(&ran.out);
    assert_eq!(report["threads"], 2);
    for (place, operation) in ["point query", "insert"].into_iter().enumerate() {
        let measured = &report["measured"][place];
        assert_eq!(measured["operation"], operation);
        let number = |key: &str| measured[key].as_f64().unwrap();
        assert!(number("calls") > 10.0 && number("per_second") > 10.0, "{measured}");
        let steps = ["p50_ms", "p95_ms", "p99_ms", "max_ms"].map(number);
        assert!(steps[0] > 0.0 && steps.is_sorted(), "{measured}");
    }
    let left =
        server().psql(&world.database, "SELECT count(*) || '/' || min(id) FROM batchdb_bench").unwrap();
    assert_eq!(left.trim(), "1/7");
}

#[test]
fn a_database_that_is_read_only_is_only_read() {
    let world = World::new();
    fill_survey_hub(&world.survey_hub());
    let ran = world.expect(0, &["bench", "SurveyHub", "--for", "500ms"]);
    assert!(ran.out.contains("point query") && !ran.out.contains("insert"), "{}", ran.out);
    world.settings(&["DEVELOPMENT_GLOBAL_FILE_CONNECTION_STRING=sqlite:////tmp/never/there.db"]);
    world.expect(64, &["bench", "rpa_db", "--threads", "0"]);
}
