//! The result types of `diagnose`.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepOutcome {
    /// Everything is as it should be.
    Passed,
    /// It works, and something should be looked at.
    Warning,
    /// It failed, and the diagnosis ends here.
    Failed,
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StepOutcome::Passed => "passed",
            StepOutcome::Warning => "warning",
            StepOutcome::Failed => "failed",
        })
    }
}

/// One step of the diagnosis.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DiagnosisStep {
    /// `settings`, `driver`, `file`, `name`, `tcp`, `tls`, `login`, `permissions`, `round trip`, `server`, `clock`,
    /// `migrations` or `versions`; `session` if the login succeeded but the pool gives no connection.
    pub name: &'static str,
    /// What became of it.
    pub outcome: StepOutcome,
    /// What was found, without secrets.
    pub facts: Vec<String>,
    /// What is wrong, or should be looked at. Messages of the database may quote data.
    pub problems: Vec<String>,
    /// What to do about it.
    pub advice: Vec<String>,
    /// How long the step took, in milliseconds.
    pub took_ms: f64,
}

impl DiagnosisStep {
    pub(super) fn new(name: &'static str, took: Duration) -> DiagnosisStep {
        DiagnosisStep {
            name,
            outcome: StepOutcome::Passed,
            facts: Vec::new(),
            problems: Vec::new(),
            advice: Vec::new(),
            took_ms: (took.as_secs_f64() * 100_000.0).round() / 100.0,
        }
    }
}

/// The diagnosis of a connection, step by step, up to the last step or to the one that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The database's name.
    pub database_name: String,
    /// The worst outcome of a step.
    pub verdict: StepOutcome,
    /// The steps, in order. A failed step is the last one.
    pub steps: Vec<DiagnosisStep>,
    /// When it was made.
    pub timestamp: DateTime<Utc>,
}

impl Diagnosis {
    /// The step that failed, if one did.
    #[must_use]
    pub fn failed(&self) -> Option<&DiagnosisStep> {
        self.steps.iter().find(|step| step.outcome == StepOutcome::Failed)
    }

    /// The step of this name, if it was done.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&DiagnosisStep> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The diagnosis as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
