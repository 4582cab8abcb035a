//! Metrics for monitoring: all pools, all operations, and the process itself.

mod process;
mod prometheus;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use process::ProcessMetrics;

use crate::error::ErrorKind;
use crate::manager::DatabaseManager;
use crate::metrics::{self as counts, OperationCounts, Recorder};
use crate::pool::{self, PoolStatus};

/// A snapshot of everything that is counted in this process.
///
/// Counts begin with the pool of a database and end with it.
///
/// ```
/// for database in batchdb::metrics().databases {
///     let failed: u64 = database.operations.iter().flat_map(|of| &of.errors).map(|error| error.count).sum();
///     println!("{}: {failed} failed, {} tried again", database.database, database.retries);
/// }
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// One for each pool that is open, by the database's name and the pool's number.
    pub databases: Vec<DatabaseMetrics>,
    /// The process.
    pub process: ProcessMetrics,
}

/// The counts of one pool.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DatabaseMetrics {
    /// The database's name.
    pub database: String,
    /// The operations that were called at least once.
    pub operations: Vec<OperationMetrics>,
    /// Failed checkouts, by the kind of the error: pool exhausted, server unreachable, login refused. The calls that
    /// needed the connection are not counted among the operations, because they did not begin.
    pub checkout_errors: Vec<ErrorCount>,
    /// Retries: further attempts of calls that had failed.
    pub retries: u64,
    /// Migrations that were applied.
    pub migrations: u64,
    /// The last errors, at most 20, the newest last.
    pub last_errors: Vec<LastError>,
    /// The pool's own numbers.
    pub pool: PoolStatus,
}

/// An error of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LastError {
    /// When.
    pub at: DateTime<Utc>,
    /// The call.
    pub operation: &'static str,
    /// The error's kind, as `ErrorKind` shows it.
    pub kind: String,
    /// The error's `Display`: without values and without the driver's text.
    pub message: String,
}

/// The counts of one operation, such as `execute_query`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct OperationMetrics {
    /// The operation's name.
    pub operation: &'static str,
    /// How often it was called, including failures.
    pub calls: u64,
    /// How often it failed, by the kind of the error.
    pub errors: Vec<ErrorCount>,
    /// The percentage of calls that succeeded.
    pub success_percent: f64,
    /// Rows returned or changed.
    pub rows: u64,
    /// The total time of the calls in milliseconds, without the wait for a connection.
    pub total_ms: f64,
    /// The median time in milliseconds.
    pub p50_ms: f64,
    /// The 95th percentile in milliseconds.
    pub p95_ms: f64,
    /// The 99th percentile in milliseconds.
    pub p99_ms: f64,
    /// The histogram: for each upper bound in seconds, how many calls took at most that long; `None` is the bucket
    /// without a bound.
    pub buckets: Vec<(Option<f64>, u64)>,
}

/// The number of errors of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ErrorCount {
    /// The error's kind, as `ErrorKind` shows it.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// Returns everything that is counted in this process, at this moment.
///
/// ```
/// let metrics = batchdb::metrics();
/// assert!(metrics.process.threads >= 1 || cfg!(not(target_os = "linux")));
/// println!("{}", metrics.to_prometheus());
/// ```
#[must_use]
pub fn metrics() -> Metrics {
    let mut databases: Vec<DatabaseMetrics> =
        pool::all().iter().map(|pool| of_pool(pool.recorder(), pool.status())).collect();
    databases
        .sort_by(|one, other| (&one.database, one.pool.number).cmp(&(&other.database, other.pool.number)));
    Metrics { databases, process: ProcessMetrics::read() }
}

impl DatabaseManager {
    /// Returns the counts of this handle's pool since the pool was made, by all its handles.
    ///
    /// ```no_run
    /// # let db = batchdb::DatabaseManager::new("rpa_db")?;
    /// for operation in db.metrics().operations {
    ///     println!("{}: {} calls, p95 {} ms", operation.operation, operation.calls, operation.p95_ms);
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> DatabaseMetrics {
        of_pool(self.recorder(), self.pool_status())
    }
}

impl Metrics {
    /// The metrics in the text format of Prometheus. The guide's page on [monitoring](crate::guide::monitoring#metrics)
    /// lists the names.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        prometheus::text(self)
    }

    /// The metrics as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

fn of_pool(recorder: &Recorder, pool: PoolStatus) -> DatabaseMetrics {
    DatabaseMetrics {
        database: pool.database_name.clone(),
        operations: recorder.operations().into_iter().map(of_operation).collect(),
        checkout_errors: recorder.checkout_errors().iter().map(of_errors).collect(),
        retries: recorder.retries(),
        migrations: recorder.migrations(),
        last_errors: recorder.last_errors().into_iter().map(of_error).collect(),
        pool,
    }
}

fn of_error(error: counts::LastError) -> LastError {
    let counts::LastError { at, operation, kind, message } = error;
    LastError { at: at.into(), operation, kind: kind.to_string(), message }
}

fn of_errors((kind, count): &(ErrorKind, u64)) -> ErrorCount {
    ErrorCount { kind: kind.to_string(), count: *count }
}

fn of_operation(of: OperationCounts) -> OperationMetrics {
    let OperationCounts { name, rows, durations, errors } = of;
    let calls = durations.count();
    let failed: u64 = errors.iter().map(|(_, count)| count).sum();
    let quantile = |share| millis(durations.quantile(share) * 1e3);
    let mut sum = 0;
    let bounds = counts::BOUNDS.iter().map(|bound| Some(*bound)).chain([None]);
    let cumulative = bounds.zip(durations.steps).map(|(bound, inside)| {
        sum += inside;
        (bound.map(|micros| ratio(micros, 1_000_000)), sum)
    });
    OperationMetrics {
        operation: name,
        calls,
        errors: errors.iter().map(of_errors).collect(),
        success_percent: millis(100.0 * ratio(calls.saturating_sub(failed), calls.max(1))),
        rows,
        total_ms: millis(durations.total_seconds() * 1e3),
        p50_ms: quantile(0.50),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        buckets: cumulative.collect(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "more digits than are shown")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// To three places.
fn millis(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
