//! The shapes of health reports. All keys are always there; what is not known is null.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::server::ServerHealth;
use crate::error::Error;
use crate::migrate::MigrationStatus;

/// The state of one database, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthStatus {
    /// It answers queries.
    Healthy,
    /// One database: it connects, but a query does not give the right answer. Several: some are healthy.
    Degraded,
    /// It cannot be used.
    Unhealthy,
    /// There are no settings for it.
    NotConfigured,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HealthStatus::Healthy => "healthy",
            HealthStatus::Degraded => "degraded",
            HealthStatus::Unhealthy => "unhealthy",
            HealthStatus::NotConfigured => "not_configured",
        })
    }
}

/// What a health check says of the migrations.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MigrationHealth {
    /// The versions that are applied and pending.
    Status(MigrationStatus),
    /// The database is read-only, so it has no migrations of ours.
    ReadOnly,
    /// They could not be looked at.
    Unavailable,
}

impl Serialize for MigrationHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MigrationHealth::Status(status) => status.serialize(serializer),
            MigrationHealth::ReadOnly => serializer.serialize_str("read_only"),
            MigrationHealth::Unavailable => serializer.serialize_str("unavailable"),
        }
    }
}

/// The health of one database.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DatabaseHealth {
    /// The database's name.
    pub database_name: String,
    /// `postgresql`, `sqlserver`, `sqlite` or `odbc`; `None` when there are no settings.
    pub database_type: Option<String>,
    /// The verdict.
    pub status: HealthStatus,
    /// Whether a connection could be had.
    pub connection: bool,
    /// Whether a query gave the right answer.
    pub query_test: bool,
    /// The migrations; `None` when there was no connection.
    pub migration_status: Option<MigrationHealth>,
    /// What a SQL Server says of itself. Not part of the JSON of any other database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerHealth>,
    /// What went wrong, without secrets.
    pub error: Option<String>,
    /// How long the check took, in milliseconds.
    pub response_time_ms: Option<f64>,
    /// When it was made.
    pub timestamp: DateTime<Utc>,
}

impl DatabaseHealth {
    pub(super) fn unknown(name: &str) -> DatabaseHealth {
        DatabaseHealth {
            database_name: name.to_owned(),
            database_type: None,
            status: HealthStatus::Unhealthy,
            connection: false,
            query_test: false,
            migration_status: None,
            server: None,
            error: None,
            response_time_ms: None,
            timestamp: Utc::now(),
        }
    }

    pub(super) fn not_configured(name: &str, error: &Error) -> DatabaseHealth {
        DatabaseHealth {
            status: HealthStatus::NotConfigured,
            error: Some(error.to_string()),
            ..DatabaseHealth::unknown(name)
        }
    }

    pub(super) fn misconfigured(name: &str, error: &Error) -> DatabaseHealth {
        DatabaseHealth { error: Some(error.to_string()), ..DatabaseHealth::unknown(name) }
    }

    pub(super) fn panicked(name: &str) -> DatabaseHealth {
        DatabaseHealth { error: Some("the check panicked".to_owned()), ..DatabaseHealth::unknown(name) }
    }

    /// The health as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The health of several databases.
///
/// ```no_run
/// let report = batchdb::health_check_all("rpa1")?;
/// for database in &report.databases {
///     println!("{}: {} {:?} ms", database.database_name, database.status, database.response_time_ms);
/// }
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// The flow on whose behalf they were checked.
    pub flow_name: Option<String>,
    /// The verdict over all.
    pub overall_status: HealthStatus,
    /// Each database, in the order in which they were asked for; a map by name in JSON.
    #[serde(serialize_with = "by_name")]
    pub databases: Vec<DatabaseHealth>,
    /// When the report was made.
    pub timestamp: DateTime<Utc>,
}

fn by_name<S: Serializer>(databases: &[DatabaseHealth], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(databases.len()))?;
    for database in databases {
        map.serialize_entry(&database.database_name, database)?;
    }
    map.end()
}

impl HealthReport {
    pub(super) fn of(
        flow: Option<&str>,
        databases: Vec<DatabaseHealth>,
        timestamp: DateTime<Utc>,
    ) -> HealthReport {
        HealthReport {
            flow_name: flow.map(str::to_owned),
            overall_status: overall(&databases),
            databases,
            timestamp,
        }
    }

    /// The health of the database called `name`.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&DatabaseHealth> {
        self.databases.iter().find(|database| database.database_name == name)
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// All healthy: healthy. Some: degraded. None: unhealthy, or not configured where none has settings.
fn overall(databases: &[DatabaseHealth]) -> HealthStatus {
    let count = |status| databases.iter().filter(|database| database.status == status).count();
    let healthy = count(HealthStatus::Healthy);
    match databases.len() {
        all if count(HealthStatus::NotConfigured) == all => HealthStatus::NotConfigured,
        all if healthy == all => HealthStatus::Healthy,
        // A database that connects but answers wrongly is not nothing.
        _ if healthy + count(HealthStatus::Degraded) > 0 => HealthStatus::Degraded,
        _ => HealthStatus::Unhealthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statuses: &[HealthStatus], expected: HealthStatus) {
        let databases: Vec<_> = statuses
            .iter()
            .map(|&status| DatabaseHealth { status, ..DatabaseHealth::unknown("x") })
            .collect();
        assert_eq!(overall(&databases), expected);
    }

    #[test]
    fn the_whole_is_as_healthy_as_its_parts() {
        use HealthStatus::{Degraded, Healthy, NotConfigured, Unhealthy};
        check(&[], NotConfigured);
        check(&[NotConfigured, NotConfigured], NotConfigured);
        check(&[Healthy, Healthy], Healthy);
        check(&[Healthy, Unhealthy], Degraded);
        check(&[Healthy, NotConfigured], Degraded);
        check(&[Degraded], Degraded);
        check(&[Unhealthy, NotConfigured], Unhealthy);
    }

    #[test]
    fn every_key_is_there_from_the_start() {
        let json = DatabaseHealth::unknown("rpa_db").to_json();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "database_name",
                "database_type",
                "status",
                "connection",
                "query_test",
                "migration_status",
                "error",
                "response_time_ms",
                "timestamp"
            ]
        );
        assert!(json["error"].is_null() && json["response_time_ms"].is_null());
    }
}
