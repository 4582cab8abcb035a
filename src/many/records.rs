//! The records that are still to come, one window at a time.
//!
//! A loop takes a record when it has written the one before. Here many records are taken before the first is written, and
//! the database waits. The wait must be short, because a server may end a transaction that is idle. And a window must not
//! be too large, because its records share one limit, while in a loop each record has a limit of its own.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::params::IntoParams;
use crate::session::WholeLimit;
use crate::sql::{BoundRow, PlainInsert};

/// The memory that the records of a window may use. They are kept until they are in the database, to find a record that is
/// refused.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How long records are collected before they are sent. Settings that end idle transactions
/// (`idle_in_transaction_session_timeout`) allow some seconds at least.
const PATIENCE: Duration = Duration::from_millis(500);

/// The records of one window should take this part of the limit on a statement.
const PART: u32 = 4;

/// How many records show whether they come quickly, and in what time they do. Then the next ones are taken while a load
/// is open, so that this process and the server work at the same time.
pub(super) const HEAD: usize = 512;
const QUICK: Duration = Duration::from_millis(20);

/// Records that were bound to the statement but are not in the database yet.
pub(super) struct Window {
    /// The number of the first record, from 1.
    pub(super) first: u64,
    pub(super) rows: Vec<BoundRow>,
    bytes: usize,
    began: Instant,
    /// When the last record came.
    last: Instant,
    /// The first [`HEAD`] records came within [`QUICK`].
    quick: bool,
    /// A record was waited for so long that the server may have ended a statement that was open meanwhile.
    stalled: bool,
}

impl Window {
    /// Whether more records can be taken while a load is open.
    pub(super) fn is_quick(&self) -> bool {
        self.quick
    }

    /// Whether a record was long in coming.
    pub(super) fn has_stalled(&self) -> bool {
        self.stalled
    }
}

/// The records that are still to come.
pub(super) struct Records<I> {
    rest: I,
    pub(super) given: u64,
    pub(super) ended: bool,
    /// The error of a record that could not be bound. The records before it are written first.
    pub(super) refused: Option<Error>,
    limit: WholeLimit,
}

impl<P: IntoParams, I: Iterator<Item = P>> Records<I> {
    pub(super) fn new(rest: I, limit: WholeLimit) -> Records<I> {
        Records { rest, given: 0, ended: false, refused: None, limit }
    }

    /// The next record, converted by `bind`.
    pub(super) fn next<R>(&mut self, bind: impl Fn(P) -> Result<R>) -> Option<R> {
        if self.ended {
            return None;
        }
        let bound = self.rest.next().map(|record| {
            self.given += 1;
            bind(record)
        });
        match bound {
            Some(Ok(bound)) => return Some(bound),
            Some(Err(error)) => self.refused = Some(error.at_records(self.given..=self.given)),
            None => (),
        }
        self.ended = true;
        None
    }

    /// The next window of `rows` records, or fewer if they are large or come slowly.
    ///
    /// # Errors
    ///
    /// `Timeout` or `Cancelled`, if the limit on the whole call passes meanwhile.
    pub(super) fn window(&mut self, insert: &PlainInsert, rows: usize) -> Result<Window> {
        let began = Instant::now();
        let (first, rows_taken) = (self.given + 1, Vec::new());
        let mut window =
            Window { first, rows: rows_taken, bytes: 0, began, last: began, quick: false, stalled: false };
        self.fill(&mut window, insert, rows)?;
        Ok(window)
    }

    /// Takes records into a window until it has `most`, or fewer if they are large or come slowly.
    ///
    /// # Errors
    ///
    /// As [`window`](Records::window).
    pub(super) fn fill(&mut self, window: &mut Window, insert: &PlainInsert, most: usize) -> Result<()> {
        while self.one_more(window, insert, most)? {}
        Ok(())
    }

    /// Takes one more record into a window that has room for it. False if none came, or the window is full: of records, of
    /// bytes, or of the time that was spent on it.
    ///
    /// # Errors
    ///
    /// As [`window`](Records::window).
    pub(super) fn one_more(
        &mut self,
        window: &mut Window,
        insert: &PlainInsert,
        most: usize,
    ) -> Result<bool> {
        let is_late = window.last.duration_since(window.began) >= PATIENCE;
        if window.rows.len() >= most || window.bytes >= MOST_BYTES || is_late {
            return Ok(false);
        }
        self.limit.check()?;
        let Some(row) = self.next(|record: P| insert.bind(record.into_params()?)) else { return Ok(false) };
        window.bytes += row.weight();
        window.rows.push(row);
        let now = Instant::now();
        window.stalled |= now.duration_since(window.last) >= PATIENCE;
        window.last = now;
        if window.rows.len() == HEAD {
            window.quick = now.duration_since(window.began) < QUICK;
        }
        Ok(true)
    }
}

/// How many records are sent at once: as many as take a part of the limit on a statement, judged by the last ones.
pub(super) struct Pace {
    limit: Duration,
    most: usize,
}

impl Pace {
    /// `limit` is the limit on one statement.
    pub(super) fn new(limit: Duration) -> Pace {
        Pace { limit, most: usize::MAX }
    }

    /// Tells how long the database took for so many rows.
    pub(super) fn took(&mut self, rows: usize, time: Duration) {
        let Some(each) = time.as_nanos().checked_div(rows as u128) else { return };
        let part = (self.limit / PART).as_nanos();
        self.most = usize::try_from(part / each.max(1)).unwrap_or(usize::MAX).max(1);
    }

    /// `wanted` rows, or fewer.
    pub(super) fn rows(&self, wanted: usize) -> usize {
        wanted.min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_rows_go_in_smaller_windows() {
        let mut pace = Pace::new(Duration::from_secs(30));
        assert_eq!(pace.rows(20_000), 20_000);
        pace.took(8, Duration::from_micros(800));
        assert_eq!(pace.rows(20_000), 20_000);
        pace.took(8, Duration::from_millis(80));
        assert_eq!(pace.rows(20_000), 750);
        pace.took(750, Duration::from_millis(75));
        assert_eq!(pace.rows(20_000), 20_000);
        pace.took(8, Duration::from_secs(200));
        assert_eq!(pace.rows(20_000), 1);
        pace.took(0, Duration::from_secs(1));
        assert_eq!(pace.rows(20_000), 1);
        let mut endless = Pace::new(Duration::MAX);
        endless.took(1, Duration::from_secs(60));
        endless.took(1, Duration::ZERO);
        assert_eq!(endless.rows(20_000), 20_000);
    }
}
