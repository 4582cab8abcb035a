//! The public reports about migrations.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::migrate::files::Files;
use crate::migrate::plan::{self, Applied};
use crate::migrate::problem::{FindingKind, Problem};

/// The state of a database's migrations.
///
/// As JSON: `{"current_version":"V003","pending_migrations":["V004"],"total_migrations":3,
/// "last_migration":"2026-01-15T10:30:00Z","history":[…]}`. An empty history and an empty list of problems are left
/// out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The highest version that was applied, as the file's name spells it; `None` before the first.
    pub current_version: Option<String>,
    /// The pending migrations, in the order in which they would be applied: versions, then repeatable migrations that
    /// are new or have changed.
    pub pending_migrations: Vec<String>,
    /// How many migrations have been applied.
    pub total_migrations: usize,
    /// When the last one was applied.
    pub last_migration: Option<DateTime<Utc>>,
    /// The rows of `schema_version`, in the order in which they were made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<MigrationRecord>,
    /// Problems that prevent the next run, as far as file names and history show them: files that are changed, missing,
    /// out of order or failed. [`Migrations::validate`](crate::Migrations::validate) also checks the SQL of the files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<MigrationFinding>,
}

/// One row of `schema_version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationRecord {
    /// The version as the file's name spells it, or the name of a repeatable migration.
    pub version: String,
    /// What it does, in the words of the file's name.
    pub description: String,
    /// The file's name at the time when it was applied.
    pub file: String,
    /// What became of it.
    pub state: MigrationState,
    /// The user of the database who applied it.
    pub installed_by: String,
    /// When it was applied.
    pub installed_on: DateTime<Utc>,
    /// How long its statements took. In JSON: `duration_ms`.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// What became of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MigrationState {
    /// It was applied.
    Applied,
    /// It has `no-transaction` and did not finish; nothing else runs before it is repaired.
    Failed,
    /// It has `no-transaction` and is being run now: it has not finished, and somebody holds the migration lock.
    Running,
    /// A baseline: up to this version the database was made without migrations.
    Baseline,
}

impl MigrationStatus {
    /// The status as files and history tell it, with what was found; `running` says whether somebody holds the lock.
    pub(crate) fn of(
        files: &Files,
        history: &[Applied],
        running: bool,
        found: &[Problem],
    ) -> MigrationStatus {
        let problems: Vec<Problem> =
            found.iter().filter(|problem| problem.kind().is_problem()).cloned().collect();
        let applied = || history.iter().filter(|row| row.success && !row.is_baseline);
        MigrationStatus {
            current_version: plan::newest(history).map(Applied::name),
            pending_migrations: plan::pending(files, history).map(|script| script.id.to_string()).collect(),
            total_migrations: applied().count(),
            last_migration: applied().map(|row| row.installed_on).max(),
            history: history.iter().map(|row| MigrationRecord::of(row, running)).collect(),
            problems: MigrationValidation::of(&problems).findings,
        }
    }
}

impl MigrationRecord {
    fn of(row: &Applied, running: bool) -> MigrationRecord {
        MigrationRecord {
            version: row.name(),
            description: row.description.clone(),
            file: row.file.clone(),
            state: match (row.success, row.is_baseline) {
                (false, _) if running => MigrationState::Running,
                (false, _) => MigrationState::Failed,
                (true, true) => MigrationState::Baseline,
                (true, false) => MigrationState::Applied,
            },
            installed_by: row.installed_by.clone(),
            installed_on: row.installed_on,
            duration: Duration::from_millis(u64::try_from(row.execution_time).unwrap_or(0)),
        }
    }
}

/// What a run of the migrations did, or what a dry run would have done.
///
/// ```no_run
/// # let db = batchdb::DatabaseManager::new("rpa_db")?;
/// let report = db.run_migrations()?;
/// println!("{} applied in {:?}, now at {:?}", report.applied.len(), report.duration, report.current_version);
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationReport {
    /// The migrations that this run applied, in order. Empty when there was nothing to do.
    pub applied: Vec<AppliedMigration>,
    /// The migrations that were undone, in order: the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<AppliedMigration>,
    /// The files that a dry run could not run, because they have `no-transaction`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_rehearsed: Vec<String>,
    /// The version of the database after the run.
    pub current_version: Option<String>,
    /// How long the whole run took, including the wait for other runners. In JSON: `duration_ms`.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// One migration that a run applied or undid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AppliedMigration {
    /// The version as the file's name spells it, or the name of a repeatable migration.
    pub version: String,
    /// The file's name.
    pub file: String,
    /// How long its statements took. In JSON: `duration_ms`.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// What a run would do, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationPlan {
    /// The migrations that would run.
    pub steps: Vec<PlannedMigration>,
    /// Warnings, which do not prevent a run, such as a gap in the version numbers.
    pub warnings: Vec<String>,
}

/// One migration that would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedMigration {
    /// The version as the file's name spells it, or the name of a repeatable migration.
    pub version: String,
    /// What it does, in the words of the file's name.
    pub description: String,
    /// The file's name.
    pub file: String,
    /// The text of the file. Placeholders are not replaced, because their values may be secrets.
    pub sql: String,
    /// Whether it runs in a transaction, so that it is applied as a whole or not at all.
    pub in_transaction: bool,
    /// Whether it was applied before: a repeatable migration that has changed.
    pub again: bool,
    /// Whether a newer version was applied before it.
    pub out_of_order: bool,
}

/// Everything that was found in files and history without running anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationValidation {
    /// Problems first.
    pub findings: Vec<MigrationFinding>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationFinding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The file that it is about.
    pub file: String,
    /// What it is, and what to do about it.
    pub message: String,
}

impl MigrationValidation {
    pub(crate) fn of(problems: &[Problem]) -> MigrationValidation {
        let finding = |problem: &Problem| MigrationFinding {
            kind: problem.kind(),
            file: problem.file().to_owned(),
            message: problem.to_string(),
        };
        let mut findings: Vec<MigrationFinding> = problems.iter().map(finding).collect();
        findings.sort_by_key(|finding| !finding.kind.is_problem());
        MigrationValidation { findings }
    }

    /// Whether nothing prevents a run. Pending migrations, and versions that cannot be undone, do not.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.findings.iter().any(|finding| finding.kind.is_problem())
    }
}

/// One row of `schema_version_history`: something that was done, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationEvent {
    /// `applied`, `failed`, `undone`, `repaired`, `baselined` or `imported`.
    pub action: String,
    /// The version as the history keeps it, or the name of a repeatable migration or of a callback that failed.
    pub version: String,
    /// The file's name.
    pub file: String,
    /// The user of the database.
    pub done_by: String,
    /// When it was done.
    pub done_at: DateTime<Utc>,
    /// How long the statements took. In JSON: `duration_ms`.
    #[serde(rename = "duration_ms", serialize_with = "perhaps_milliseconds")]
    pub duration: Option<Duration>,
    /// Why it failed, or how it was repaired.
    pub message: Option<String>,
}

/// The progress of a run. Passed to the callback of [`Migrations::on_progress`](crate::Migrations::on_progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationProgress<'p> {
    /// The file's name.
    pub file: &'p str,
    /// Its number among the files of this run, from 1.
    pub number: usize,
    /// How many files this run has.
    pub total: usize,
    /// How long it took if it is done; `None` when it begins.
    pub finished: Option<Duration>,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn perhaps_milliseconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => milliseconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::migrate::files::Script;

    fn row(file: &str, second: i64, success: bool) -> Applied {
        Applied {
            id: Script::fake(file, "").id,
            is_baseline: false,
            description: "x".into(),
            file: file.to_owned(),
            crc32: None,
            sha256: None,
            rank: 1,
            installed_by: "me".into(),
            installed_on: DateTime::from_timestamp(1_768_473_000 + second, 0).unwrap(),
            execution_time: 12,
            success,
        }
    }

    #[test]
    fn the_status_has_the_shape_of_the_specification_and_the_history() {
        let files = Files::fake(
            &["V001__a.sql", "V002__b.sql", "V003__c.sql", "V004__d.sql", "V5_1__e.sql", "R__f.sql"]
                .map(|file| (file, "")),
        );
        let rows = [row("V001__a.sql", 1, true), row("V003__c.sql", 0, true), row("V002__b.sql", 0, true)];
        let mut status = serde_json::to_value(MigrationStatus::of(&files, &rows, false, &[])).unwrap();
        let history = status.as_object_mut().unwrap().remove("history").unwrap();
        assert_eq!(
            status,
            json!({
                "current_version": "V003",
                "pending_migrations": ["V004", "V5_1", "R__f"],
                "total_migrations": 3,
                "last_migration": "2026-01-15T10:30:01Z",
            })
        );
        assert_eq!(
            history[0],
            json!({
                "version": "V001",
                "description": "x",
                "file": "V001__a.sql",
                "state": "applied",
                "installed_by": "me",
                "installed_on": "2026-01-15T10:30:01Z",
                "duration_ms": 12,
            })
        );
    }

    #[test]
    fn a_database_without_history_has_no_version() {
        let status = MigrationStatus::of(&Files::fake(&[("V001__a.sql", "")]), &[], false, &[]);
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
        let files = Files::fake(&[("V001__a.sql", "")]);
        let rows = [row("V001__a.sql", 0, false)];
        let status = MigrationStatus::of(&files, &rows, false, &plan::findings(&files, &rows));
        assert_eq!((status.total_migrations, status.current_version), (0, None));
        assert!(status.pending_migrations.is_empty());
        assert_eq!(status.history[0].state, MigrationState::Failed);
        assert_eq!(status.problems.len(), 1);
        let running = MigrationStatus::of(&files, &rows, true, &[]);
        assert_eq!(running.history[0].state, MigrationState::Running);
    }

    #[test]
    fn problems_are_told_before_what_is_none() {
        let [pending, changed] =
            [Problem::Pending { file: "a".into() }, Problem::Changed { file: "b".into() }];
        let validation = MigrationValidation::of(&[pending.clone(), changed]);
        assert_eq!(validation.findings[0].file, "b");
        assert!(!validation.is_valid() && MigrationValidation::of(&[pending]).is_valid());
        let json = serde_json::to_value(&validation).unwrap();
        assert_eq!(json["findings"][1]["kind"], "pending");
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
            ..MigrationReport::default()
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"applied":[{"version":"V001","file":"V001__a.sql","duration_ms":1}],"current_version":"V001","duration_ms":2}"#
        );
    }
}
