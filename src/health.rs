//! Whether databases work, in the words that operators' tools expect.

mod prerequisites;
mod report;
mod server;

pub use prerequisites::{Prerequisites, validate_database_prerequisites};
pub use report::{DatabaseHealth, HealthReport, HealthStatus, MigrationHealth};
pub use server::ServerHealth;
pub(crate) use server::is_not_opened;

use std::time::Instant;

use chrono::Utc;
use log::Level;

use crate::context;
use crate::error::{Error, Result};
use crate::log_line;
use crate::manager::DatabaseManager;
use crate::migrate::{MigrationState, MigrationStatus};
use crate::settings::{self, Overrides};

impl DatabaseManager {
    /// Connects, runs a query, and looks at the migrations. It never returns an error: what went wrong is in the
    /// result. Pending migrations do not make a database unhealthy. A SQL Server is also asked for its version and
    /// edition, the database's state, whether it accepts writes, and its role in an availability group; if the database
    /// is not online, or accepts no writes although `READ_ONLY` is not set, it is degraded. If the server does not open
    /// the database, its state is read from `master`, which takes another login.
    ///
    /// ```no_run
    /// let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// println!("{}", db.health_check().to_json());
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[must_use]
    pub fn health_check(&self) -> DatabaseHealth {
        let started = Instant::now();
        let mut health = DatabaseHealth::unknown(self.name());
        health.database_type = Some(self.settings().dialect().name().to_owned());
        let outcome = self.session_without_hook(|session| {
            health.connection = true;
            let row = session.query_one("SELECT 1 AS health_check", ())?;
            health.query_test = one(&row[0]);
            health.server = ServerHealth::ask(session)?;
            Ok::<_, Error>(())
        });
        let problem =
            health.server.as_ref().and_then(|server| server.problem(self.settings().is_read_only()));
        health.migration_status = match (&outcome, self.settings().is_read_only()) {
            (Err(_), _) => None,
            (Ok(()), true) => Some(MigrationHealth::ReadOnly),
            (Ok(()), false) => Some(self.for_the_rest(started).migration_status().map_or_else(
                |error| {
                    let text = format!("the migrations could not be looked at: {error}");
                    log_line::event(Level::Debug, &text, &[("database", self.name().into())]);
                    MigrationHealth::Unavailable
                },
                |status| MigrationHealth::Status(without_the_applied(status)),
            )),
        };
        let closed = outcome.as_ref().err().and_then(|error| {
            let (server, says) = ServerHealth::of_closed(&self.for_the_rest(started), error)?;
            health.server = Some(server);
            Some(says)
        });
        health.response_time_ms = Some((started.elapsed().as_secs_f64() * 100_000.0).round() / 100.0);
        health.status = match &outcome {
            Ok(()) if health.query_test && problem.is_none() => HealthStatus::Healthy,
            Ok(()) => HealthStatus::Degraded,
            Err(_) => HealthStatus::Unhealthy,
        };
        health.error = problem;
        if let Err(error) = outcome {
            let text = format!("a health check failed: {error}");
            log_line::event(Level::Warn, &text, &[("database", self.name().into())]);
            let report = self.settings().scrub(&error.report());
            health.error = Some(closed.into_iter().fold(report, |report, says| format!("{report}; {says}")));
        }
        health
    }
}

/// A report that is asked for every minute has no use for all that was ever applied, but for what failed or runs now.
fn without_the_applied(mut status: MigrationStatus) -> MigrationStatus {
    status.history.retain(|row| matches!(row.state, MigrationState::Failed | MigrationState::Running));
    status
}

/// Some ODBC drivers give the type of an expression as text.
fn one(value: &crate::value::Value) -> bool {
    value.as_i64() == Some(1) || value.as_str() == Some("1")
}

/// Checks the named databases in parallel, with the settings of a flow.
///
/// A database without settings is `not_configured`, one with wrong settings is `unhealthy`; the others are checked all
/// the same.
///
/// ```no_run
/// let report = batchdb::database_health_check(&["rpa_db", "SurveyHub"], "rpa1");
/// println!("{}: {}", report.overall_status, report.to_json());
/// ```
#[must_use]
pub fn database_health_check(databases: &[&str], flow: &str) -> HealthReport {
    let opened = databases.iter().map(|name| (*name, DatabaseManager::builder(name).flow(flow).build()));
    HealthReport::of(Some(flow), side_by_side(opened.collect()), Utc::now())
}

/// Checks databases for which the program has built handles itself, in parallel. Pass each name with the result of
/// [`build`](crate::DatabaseManagerBuilder::build), which may be an error.
///
/// ```no_run
/// use batchdb::{DatabaseManager, health_check_of};
///
/// let staging = |name| (name, DatabaseManager::builder(name).environment("staging").build());
/// let report = health_check_of(["rpa_db", "SurveyHub"].map(staging));
/// println!("{}", report.overall_status);
/// ```
#[must_use]
pub fn health_check_of<'n>(
    databases: impl IntoIterator<Item = (&'n str, Result<DatabaseManager>)>,
) -> HealthReport {
    HealthReport::of(None, side_by_side(databases.into_iter().collect()), Utc::now())
}

fn side_by_side(databases: Vec<(&str, Result<DatabaseManager>)>) -> Vec<DatabaseHealth> {
    let check = |name: &str, opened: Result<DatabaseManager>| match opened {
        Ok(manager) => manager.health_check(),
        Err(error) if settings::is_not_configured(&error) => DatabaseHealth::not_configured(name, &error),
        Err(error) => DatabaseHealth::misconfigured(name, &error),
    };
    std::thread::scope(|scope| {
        let around = context::current();
        let start = |(name, opened)| {
            let around = around.clone();
            // Who tells the caller to stop tells these threads too.
            let work = move || {
                let _entered = context::enter(around);
                check(name, opened)
            };
            (name, scope.spawn(work))
        };
        let running: Vec<_> = databases.into_iter().map(start).collect();
        let finished = |(name, thread): (&str, std::thread::ScopedJoinHandle<'_, DatabaseHealth>)| {
            thread.join().unwrap_or_else(|_| DatabaseHealth::panicked(name))
        };
        running.into_iter().map(finished).collect()
    })
}

/// Checks every database that has settings in the environment, in parallel, with the settings of a flow.
///
/// # Errors
///
/// [`Config`](crate::ErrorKind::Config) when the settings cannot be read at all.
///
/// ```no_run
/// let report = batchdb::health_check_all("rpa1")?;
/// # Ok::<(), batchdb::Error>(())
/// ```
pub fn health_check_all(flow: &str) -> Result<HealthReport> {
    let names =
        settings::configured_databases(&Overrides { flow: Some(flow.to_owned()), ..Overrides::default() })?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(database_health_check(&names, flow))
}
