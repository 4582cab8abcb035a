//! What a pool tells of itself.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Pool;

/// The state of one pool. All keys are always there; before the first use the counts are 0.
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
    /// Which one it is of the open pools of that name, from 1: handles whose settings differ have pools of their own.
    pub number: u32,
    /// `not_initialized` before the first connection, then `active`, and `closed` at the end.
    pub status: &'static str,
    /// Connections that are kept when nobody uses them (`POOL_SIZE`).
    pub pool_size: usize,
    /// Connections that may be opened on top (`MAX_OVERFLOW`).
    pub max_overflow: usize,
    /// Open connections that nobody uses.
    pub checked_in: usize,
    /// Connections in use.
    pub checked_out: usize,
    /// Open connections beyond `pool_size`; never negative.
    pub overflow: usize,
    /// Connections thrown away as broken, since the start.
    pub invalid: u64,
    /// Threads of this pool that sit in an ODBC driver's call which nobody waits for any longer, or that have been
    /// closing a connection for more than two seconds. Each ends when its driver returns. When as many as the pool may
    /// have connections sit in calls that were given up, it opens no more.
    pub abandoned: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Connections opened, since the start.
    pub opened: u64,
    /// Checkouts that gave a connection, since the start.
    pub checkouts: u64,
    /// How long they took on average, in milliseconds: waiting in line, testing and connecting.
    pub checkout_mean_ms: f64,
    /// What 95 of a hundred did not exceed, told in steps that double: up to twice as much as it was.
    pub checkout_p95_ms: f64,
    /// The longest.
    pub checkout_max_ms: f64,
    /// All of them together.
    pub checkout_total_ms: f64,
    /// Connections in use, in percent of all that may be open.
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
