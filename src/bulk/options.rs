//! What may be asked of a mass load, and what it tells of itself.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Effect, Error};

/// The rows of a chunk, unless it is told otherwise: enough that what a chunk costs by itself cannot be told from noise.
const CHUNK_ROWS: u64 = 20_000;

/// How rows are loaded.
///
/// ```no_run
/// # use batchdb::{BulkOptions, DatabaseManager};
/// # let db = DatabaseManager::new("rpa_db")?;
/// # let rows = (0..1_000_000_i64).map(|id| (id, "x"));
/// let options = BulkOptions::new().chunk_rows(50_000).commit_chunks().progress(|rows| eprintln!("{rows} rows"));
/// let report = db.bulk_insert_with("job", &["id", "name"], rows, options)?;
/// println!("{} rows in {:?}", report.rows, report.duration);
/// # Ok::<(), batchdb::Error>(())
/// ```
#[must_use]
pub struct BulkOptions<'p> {
    pub(super) chunk_rows: u64,
    pub(super) commit_chunks: bool,
    pub(super) progress: Option<Box<dyn FnMut(u64) + 'p>>,
}

impl<'p> BulkOptions<'p> {
    /// All rows or none, in chunks of 20,000.
    pub fn new() -> BulkOptions<'p> {
        BulkOptions { chunk_rows: CHUNK_ROWS, commit_chunks: false, progress: None }
    }

    /// How many rows make a chunk, at least 1. By default 20,000; very large rows make smaller chunks.
    ///
    /// A chunk is what `TIMEOUT` limits, after which progress is told, and within which a bad row is found.
    pub fn chunk_rows(mut self, rows: u64) -> Self {
        self.chunk_rows = rows.max(1);
        self
    }

    /// Commits each chunk by itself. By default all rows are one transaction.
    ///
    /// A load that fails leaves the chunks before the failure: [`BulkFailure`] says how many rows they are. Not
    /// possible within a transaction.
    pub fn commit_chunks(mut self) -> Self {
        self.commit_chunks = true;
        self
    }

    /// Calls `told` after each chunk, with the number of rows that the database has taken so far. Unless chunks are
    /// committed, they may still be undone.
    pub fn progress(mut self, told: impl FnMut(u64) + 'p) -> Self {
        self.progress = Some(Box::new(told));
        self
    }
}

impl Default for BulkOptions<'_> {
    fn default() -> Self {
        BulkOptions::new()
    }
}

impl fmt::Debug for BulkOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkOptions")
            .field("chunk_rows", &self.chunk_rows)
            .field("commit_chunks", &self.commit_chunks)
            .finish_non_exhaustive()
    }
}

/// What a load has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BulkReport {
    /// The rows that are in the table: committed, or part of the open transaction that the load ran in.
    pub rows: u64,
    /// The chunks that they came in.
    pub chunks: u64,
    /// How long the whole took, with the time that the rows took to come.
    pub duration: Duration,
}

/// A load that failed, with what it had written before.
///
/// It turns into an [`Error`] by `?`, where what was written does not matter. `Display` says what stays; why it failed is
/// in [`error`](BulkFailure::error), which is the source too.
#[derive(Clone)]
#[non_exhaustive]
pub struct BulkFailure {
    /// Why.
    pub error: Error,
    /// What stays: nothing, unless chunks were committed by themselves. Those are the first rows of the input, as many
    /// as the report says, so that a load can go on behind them.
    pub report: BulkReport,
    /// The rows behind those, of which nobody knows whether they stay: the connection broke when they were committed.
    pub in_doubt: u64,
}

impl BulkFailure {
    /// The same failure, which may not be made again where rows stay: they would be there twice.
    pub(crate) fn final_where_rows_stay(self) -> BulkFailure {
        match self.report.rows > 0 && self.error.is_transient() {
            true => BulkFailure { error: self.error.with_effect(Effect::Final), ..self },
            false => self,
        }
    }
}

impl fmt::Display for BulkFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the load failed")?;
        match (self.report.rows, self.in_doubt) {
            (0, 0) => Ok(()),
            (rows, 0) => write!(f, "; {rows} rows stay"),
            (rows, doubt) => write!(f, "; {rows} rows stay, and {doubt} more may"),
        }
    }
}

impl fmt::Debug for BulkFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: {:?}", self.error)
    }
}

impl std::error::Error for BulkFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The error itself, and not what is behind it: who asks whether the load may be made again finds its answer.
        Some(&self.error)
    }
}

impl From<Error> for BulkFailure {
    fn from(error: Error) -> BulkFailure {
        BulkFailure { error, report: BulkReport::default(), in_doubt: 0 }
    }
}

impl From<BulkFailure> for Error {
    fn from(failure: BulkFailure) -> Error {
        failure.error
    }
}

/// What is counted of a load that has ended.
pub(super) fn written(outcome: &Result<BulkReport, BulkFailure>) -> Result<u64, &Error> {
    match outcome {
        Ok(report) => Ok(report.rows),
        Err(failure) => Err(&failure.error),
    }
}
