//! The options of a mass load, and its reports.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Effect, Error};

/// The default number of rows in a chunk: so many that the fixed cost of a chunk does not matter.
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

    /// How many rows make a chunk, at least 1. Default: 20,000; with very large rows, chunks are smaller.
    ///
    /// `TIMEOUT` limits each chunk, progress is reported after each chunk, and a bad row is looked for within its
    /// chunk.
    pub fn chunk_rows(mut self, rows: u64) -> Self {
        self.chunk_rows = rows.max(1);
        self
    }

    /// Commits each chunk by itself. Default: all rows are one transaction.
    ///
    /// When such a load fails, the chunks before the failure stay in the table: [`BulkFailure`] says how many rows they
    /// have. Not possible within a transaction.
    pub fn commit_chunks(mut self) -> Self {
        self.commit_chunks = true;
        self
    }

    /// Calls `told` after each chunk with the number of rows that the database has accepted so far. Unless chunks are
    /// committed by themselves, these rows can still be rolled back.
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
    /// The number of chunks.
    pub chunks: u64,
    /// The total time, including the time that the iterator took.
    pub duration: Duration,
}

/// A load that failed, with what it had written before.
///
/// `?` converts it into an [`Error`], for callers that do not care what was written. `Display` says how many rows are
/// kept; [`error`](BulkFailure::error), which is also the source, says why the load failed.
#[derive(Clone)]
#[non_exhaustive]
pub struct BulkFailure {
    /// Why.
    pub error: Error,
    /// What is kept: nothing, unless chunks were committed by themselves. The kept rows are the first `rows` rows of
    /// the input, so a second load can skip these.
    pub report: BulkReport,
    /// How many rows after those may be kept or not: the connection broke while they were being committed.
    pub in_doubt: u64,
}

impl BulkFailure {
    /// The same failure, but not transient if rows are kept: a retry would insert them twice.
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
        // The error itself, and not its source, so that a search through the chain finds `is_transient`.
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

/// The number of rows to be counted for a load that has ended.
pub(super) fn written(outcome: &Result<BulkReport, BulkFailure>) -> Result<u64, &Error> {
    match outcome {
        Ok(report) => Ok(report.rows),
        Err(failure) => Err(&failure.error),
    }
}
