//! Whether a flow may start.

use super::{HealthReport, HealthStatus, database_health_check};

/// The outcome of [`validate_database_prerequisites`].
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a flow that does not look at it starts without its databases"]
pub struct Prerequisites {
    report: HealthReport,
    all: bool,
}

impl Prerequisites {
    /// Asks that every database be healthy. Without it one healthy database is enough, as `degraded` is
    /// accepted.
    pub fn require_all(mut self) -> Prerequisites {
        self.all = true;
        self
    }

    /// Whether the flow may start. Says in the log which database is in the way.
    #[must_use]
    pub fn passed(&self) -> bool {
        let passed = match self.report.overall_status {
            HealthStatus::Healthy => true,
            HealthStatus::Degraded => !self.all,
            _ => false,
        };
        if passed {
            log::info!(status:% = self.report.overall_status; "the databases are ready");
        } else {
            for database in self.report.databases.iter().filter(|one| one.status != HealthStatus::Healthy) {
                log::error!(database = database.database_name.as_str(), status:% = database.status; "a database that the flow needs is not ready");
            }
        }
        passed
    }

    /// What was found.
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
