//! Whether a flow may start.

use log::Level;
use log::kv::Value;

use super::{HealthReport, HealthStatus, database_health_check};
use crate::log_line;

/// The outcome of [`validate_database_prerequisites`].
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a flow that does not look at it starts without its databases"]
pub struct Prerequisites {
    report: HealthReport,
    all: bool,
}

impl Prerequisites {
    /// Requires every database to be healthy. Without it one healthy database is enough, because the overall status
    /// `degraded` is accepted.
    pub fn require_all(mut self) -> Prerequisites {
        self.all = true;
        self
    }

    /// Whether the flow may start. The log names every database that is not healthy: at `ERROR` if the flow may not
    /// start, else at `WARN`.
    #[must_use]
    pub fn passed(&self) -> bool {
        let passed = match self.report.overall_status {
            HealthStatus::Healthy => true,
            HealthStatus::Degraded => !self.all,
            _ => false,
        };
        if passed {
            let status = self.report.overall_status;
            log_line::event(
                Level::Info,
                "the databases are ready",
                &[("status", Value::from_display(&status))],
            );
        }
        for database in self.report.databases.iter().filter(|one| one.status != HealthStatus::Healthy) {
            // Accepted or not: the operator must learn which one it is.
            log_line::event(
                if passed { Level::Warn } else { Level::Error },
                "a database that the flow needs is not ready",
                &[
                    ("database", (&*database.database_name).into()),
                    ("status", Value::from_display(&database.status)),
                ],
            );
        }
        passed
    }

    /// The health report.
    #[must_use]
    pub fn report(&self) -> &HealthReport {
        &self.report
    }
}

/// Checks the databases that a flow needs, before it starts.
///
/// ```no_run
/// use batchdb::validate_database_prerequisites;
///
/// if !validate_database_prerequisites(&["rpa_db", "SurveyHub"], "rpa1").require_all().passed() {
///     std::process::exit(3);
/// }
/// ```
pub fn validate_database_prerequisites(databases: &[&str], flow: &str) -> Prerequisites {
    Prerequisites { report: database_health_check(databases, flow), all: false }
}
