//! Health in the shapes that operators' tools expect.

use batchdb::{DatabaseManager, HealthStatus, validate_database_prerequisites};

use crate::common::{fresh, postgres, unique};

fn keys(json: &serde_json::Value) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

const KEYS: [&str; 9] = [
    "database_name",
    "database_type",
    "status",
    "connection",
    "query_test",
    "migration_status",
    "error",
    "response_time_ms",
    "timestamp",
];

#[test]
fn a_database_that_answers_is_healthy() {
    let db = postgres("health");
    let health = db.health_check();
    assert_eq!(health.status, HealthStatus::Healthy);
    let json = health.to_json();
    assert_eq!(keys(&json), KEYS);
    assert_eq!(
        (&json["database_type"], &json["connection"], &json["query_test"]),
        (&"postgresql".into(), &true.into(), &true.into())
    );
    assert!(json["error"].is_null() && json["response_time_ms"].as_f64().unwrap() > 0.0);
    assert!(json["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(json["migration_status"]["current_version"].is_null(), "{json}");
    assert_eq!(json["migration_status"]["pending_migrations"], serde_json::json!([]));
}

#[test]
fn a_read_only_database_has_no_migrations_of_ours() {
    let db = fresh("health").read_only(true).build().unwrap();
    assert_eq!(db.health_check().to_json()["migration_status"], "read_only");
}

#[test]
fn a_database_that_is_down_is_unhealthy_and_says_why() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let db = DatabaseManager::builder(&unique("down"))
        .connection_string(format!("postgresql://u:s3cret-word@127.0.0.1:{port}/db"))
        .build()
        .unwrap();
    let json = db.health_check().to_json();
    assert_eq!(keys(&json), KEYS);
    assert_eq!((&json["status"], &json["connection"]), (&"unhealthy".into(), &false.into()));
    assert!(json["migration_status"].is_null());
    let error = json["error"].as_str().unwrap();
    assert!(
        error.contains("refused") && error.contains("127.0.0.1") && !error.contains("s3cret-word"),
        "{error}"
    );
}

#[test]
fn databases_without_settings_are_not_configured() {
    let report = batchdb::database_health_check(&["no_such_database_anywhere"], "rpa1");
    assert_eq!(report.overall_status, HealthStatus::NotConfigured);
    let json = report.to_json();
    assert_eq!(keys(&json), ["flow_name", "overall_status", "databases", "timestamp"]);
    assert_eq!(json["databases"]["no_such_database_anywhere"]["status"], "not_configured");
    assert!(!validate_database_prerequisites(&["no_such_database_anywhere"], "rpa1").passed());
}

#[test]
fn the_pool_tells_the_same_keys_before_and_after_the_first_use() {
    let db = postgres("health");
    let before = db.pool_status().to_json();
    assert_eq!(before["status"], "not_initialized");
    db.execute_query("SELECT 1", ()).unwrap();
    let after = db.pool_status().to_json();
    assert_eq!(keys(&before), keys(&after));
    for key in
        ["pool_size", "checked_in", "checked_out", "overflow", "invalid", "utilization_percent", "timestamp"]
    {
        assert!(after.get(key).is_some(), "{key}");
    }
}
