//! What callers are told of migrations.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::migrate::files::Script;
use crate::migrate::plan::{self, Applied};

/// Where a database stands among its migrations.
///
/// As JSON: `{"current_version":"V003","pending_migrations":["V004"],"total_migrations":3,
/// "last_migration":"2026-01-15T10:30:00Z"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The highest version that was applied, as the file's name spells it; `None` before the first.
    pub current_version: Option<String>,
    /// The versions of the files that have not been applied, oldest first.
    pub pending_migrations: Vec<String>,
    /// How many migrations have been applied.
    pub total_migrations: usize,
    /// When the last of them was applied.
    pub last_migration: Option<DateTime<Utc>>,
}

impl MigrationStatus {
    pub(crate) fn of(scripts: &[Script], history: &[Applied]) -> MigrationStatus {
        let recorded = plan::recorded(history);
        let applied = || history.iter().filter(|row| row.success);
        MigrationStatus {
            current_version: plan::newest(history).map(Applied::name),
            pending_migrations: scripts
                .iter()
                .filter(|script| !recorded.contains(&script.version))
                .map(|script| script.version.to_string())
                .collect(),
            total_migrations: applied().count(),
            last_migration: applied().map(|row| row.installed_on).max(),
        }
    }
}

/// What a run of the migrations did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationReport {
    /// The migrations that this run applied, in order. Empty when there was nothing to do.
    pub applied: Vec<AppliedMigration>,
    /// The version of the database after the run.
    pub current_version: Option<String>,
    /// How long the whole run took, the wait for other runners included. In JSON: `duration_ms`.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// One migration that a run applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AppliedMigration {
    /// The version, as the file's name spells it.
    pub version: String,
    /// The file's name.
    pub file: String,
    /// How long its statements took. In JSON: `duration_ms`.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(file: &str, second: i64, success: bool) -> Applied {
        Applied {
            version: Script::fake(file, "").version,
            file: file.to_owned(),
            crc32: None,
            sha256: None,
            rank: 1,
            installed_on: DateTime::from_timestamp(1_768_473_000 + second, 0).unwrap(),
            success,
        }
    }

    #[test]
    fn the_status_has_the_shape_of_the_specification() {
        let files: Vec<Script> = ["V001__a.sql", "V002__b.sql", "V003__c.sql", "V004__d.sql", "V5_1__e.sql"]
            .map(|file| Script::fake(file, ""))
            .into();
        let rows = [row("V001__a.sql", 1, true), row("V003__c.sql", 0, true), row("V002__b.sql", 0, true)];
        assert_eq!(
            serde_json::to_value(MigrationStatus::of(&files, &rows)).unwrap(),
            json!({
                "current_version": "V003",
                "pending_migrations": ["V004", "V5_1"],
                "total_migrations": 3,
                "last_migration": "2026-01-15T10:30:01Z",
            })
        );
    }

    #[test]
    fn a_database_without_history_has_no_version() {
        let status = MigrationStatus::of(&[Script::fake("V001__a.sql", "")], &[]);
        assert_eq!(
            serde_json::to_value(status).unwrap(),
            json!({
                "current_version": null,
                "pending_migrations": ["V001"],
                "total_migrations": 0,
                "last_migration": null,
            })
        );
    }

    #[test]
    fn a_failed_row_does_not_count() {
        let files = [Script::fake("V001__a.sql", "")];
        let status = MigrationStatus::of(&files, &[row("V001__a.sql", 0, false)]);
        assert_eq!((status.total_migrations, status.current_version), (0, None));
        assert!(status.pending_migrations.is_empty());
    }

    #[test]
    fn a_report_tells_milliseconds() {
        let report = MigrationReport {
            applied: vec![AppliedMigration {
                version: "V001".into(),
                file: "V001__a.sql".into(),
                duration: Duration::from_micros(1_500),
            }],
            current_version: Some("V001".into()),
            duration: Duration::from_millis(2),
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"applied":[{"version":"V001","file":"V001__a.sql","duration_ms":1}],"current_version":"V001","duration_ms":2}"#
        );
    }
}
