//! The public state of a pool.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Pool;

/// The state of one pool. All fields are always present; before the first use the counts are 0.
///
/// ```
/// let db = batchdb::DatabaseManager::builder("rpa_db").connection_string("postgresql://u@localhost/d").build()?;
/// let pool = db.pool_status();
/// assert_eq!((pool.status, pool.pool_size, pool.waiting), ("not_initialized", 5, 0));
/// assert_eq!(pool.to_json()["checked_out"], 0);
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The database's name.
    pub database_name: String,
    /// The number of this pool among the open pools of that database name, from 1: handles with different settings have
    /// different pools.
    pub number: u32,
    /// `not_initialized` before the first connection, then `active`, and `closed` at the end.
    pub status: &'static str,
    /// How many idle connections are kept open (`POOL_SIZE`).
    pub pool_size: usize,
    /// How many more connections may be open at a peak (`MAX_OVERFLOW`).
    pub max_overflow: usize,
    /// Idle connections.
    pub checked_in: usize,
    /// Connections in use.
    pub checked_out: usize,
    /// Open connections beyond `pool_size`; never negative.
    pub overflow: usize,
    /// Connections closed as broken, since the pool was made.
    pub invalid: u64,
    /// Threads of this pool that are in a call of an ODBC driver for which nobody waits any more, or that have been
    /// closing a connection for more than two seconds. Each ends when the driver returns. If the calls that were given
    /// up are as many as the pool may have connections, it opens no more.
    pub abandoned: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Connections opened, since the pool was made.
    pub opened: u64,
    /// Successful checkouts, since the pool was made.
    pub checkouts: u64,
    /// Their average time in milliseconds: waiting in line, testing and connecting.
    pub checkout_mean_ms: f64,
    /// The 95th percentile of their time in milliseconds. It is counted in doubling steps, so it may be up to twice the
    /// true value.
    pub checkout_p95_ms: f64,
    /// The longest time in milliseconds.
    pub checkout_max_ms: f64,
    /// The total time in milliseconds.
    pub checkout_total_ms: f64,
    /// Connections in use, in percent of `pool_size + max_overflow`.
    pub utilization_percent: f64,
    /// When this was read.
    pub timestamp: DateTime<Utc>,
}

impl PoolStatus {
    /// The status as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Pool {
    pub(crate) fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let checked_in = self.gate.idle();
        let checked_out = self.gate.taken();
        let opened = self.opened.load(Ordering::Relaxed);
        let waits = self.waits.summary();
        let (pool_size, max_overflow) =
            (self.settings.pool_size as usize, self.settings.max_overflow as usize);
        PoolStatus {
            database_name: self.settings.database.to_string(),
            number: self.number(),
            status: match (self.gate.is_closed(), opened) {
                (true, _) => "closed",
                (false, 0) => "not_initialized",
                (false, _) => "active",
            },
            pool_size,
            max_overflow,
            checked_in,
            checked_out,
            overflow: (checked_in + checked_out).saturating_sub(pool_size),
            invalid: self.invalid.load(Ordering::Relaxed),
            abandoned: self.connector.abandoned().not_returned(),
            waiting: self.gate.waiting(),
            opened,
            checkouts: waits.count,
            checkout_mean_ms: waits.mean_ms,
            checkout_p95_ms: waits.p95_ms,
            checkout_max_ms: waits.max_ms,
            checkout_total_ms: waits.total_ms,
            utilization_percent: percent(checked_out, pool_size + max_overflow),
            timestamp: Utc::now(),
        }
    }
}

/// `part` of `whole` in percent, to one decimal place.
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of connections are small")]
    let exact = part as f64 * 1000.0 / whole as f64;
    exact.round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_have_one_place() {
        assert_eq!(percent(1, 3), 33.3);
        assert_eq!(percent(15, 15), 100.0);
        assert_eq!(percent(0, 0), 0.0);
    }
}
