//! The rows of a load, chunk by chunk.

use std::time::Instant;

use super::options::{BulkFailure, BulkOptions, BulkReport};
use super::row::IntoRow;
use crate::backend::{LoadTarget, RowSource};
use crate::error::{Error, ErrorKind, Result};
use crate::session::{Session, WholeLimit};
use crate::value::Value;

/// The rows that are still to come, handed out in chunks.
pub(super) struct Source<I> {
    rows: I,
    columns: usize,
    given: u64,
    /// How many more rows the current chunk may have.
    left: u64,
    ended: bool,
    limit: WholeLimit,
}

impl<I> Source<I> {
    pub(super) fn new(rows: I, columns: usize, limit: WholeLimit) -> Source<I> {
        Source { rows, columns, given: 0, left: 0, ended: false, limit }
    }
}

impl<I: Iterator<Item: IntoRow>> RowSource for Source<I> {
    fn next(&mut self, row: &mut Vec<Value>) -> Result<bool> {
        if self.left == 0 || self.ended {
            return Ok(false);
        }
        self.limit.check()?;
        let Some(next) = self.rows.next() else {
            self.ended = true;
            return Ok(false);
        };
        self.left -= 1;
        self.given += 1;
        let number = self.given;
        next.append_to(row).map_err(|error| error.at_records(number..=number))?;
        if row.len() != self.columns {
            let message = format!("{} values were given for {} columns", row.len(), self.columns);
            return Err(Error::params(message).at_records(number..=number));
        }
        Ok(true)
    }

    fn given(&self) -> u64 {
        self.given
    }
}

/// One load: its target, its options, and its name in errors and logs.
pub(super) struct Load<'p> {
    pub(super) operation: &'static str,
    pub(super) target: LoadTarget,
    pub(super) options: BulkOptions<'p>,
}

impl Load<'_> {
    /// Loads all rows; success and failure both say what was written.
    pub(super) fn run<I: Iterator<Item: IntoRow>>(
        &mut self,
        session: &mut Session<'_>,
        source: &mut Source<I>,
    ) -> Result<BulkReport, BulkFailure> {
        let started = Instant::now();
        let mut report = BulkReport::default();
        let mut in_doubt = 0;
        let outcome = if self.options.commit_chunks {
            self.chunk_by_chunk(session, source, &mut report, &mut in_doubt)
        } else {
            self.whole(session, source).map(|whole| report = whole)
        };
        report.duration = started.elapsed();
        match outcome {
            Ok(()) => Ok(report),
            Err(error) => Err(BulkFailure { error, report, in_doubt }.final_where_rows_stay()),
        }
    }

    /// All rows in one transaction, or in a savepoint of the open one.
    fn whole<I: Iterator<Item: IntoRow>>(
        &mut self,
        session: &mut Session<'_>,
        source: &mut Source<I>,
    ) -> Result<BulkReport> {
        session.transaction(|tx| {
            self.begin(tx)?;
            let mut report = BulkReport::default();
            while !source.ended {
                let rows = self.chunk(tx, source)?;
                self.count(&mut report, rows);
            }
            Ok(report)
        })
    }

    /// Each chunk in a transaction of its own.
    fn chunk_by_chunk<I: Iterator<Item: IntoRow>>(
        &mut self,
        session: &mut Session<'_>,
        source: &mut Source<I>,
        report: &mut BulkReport,
        in_doubt: &mut u64,
    ) -> Result<()> {
        if session.depth > 0 {
            return Err(Error::usage("chunks cannot be committed by themselves within a transaction")
                .with_hint("load outside of it, or leave `commit_chunks` out")
                .during(self.operation)
                .in_database(&session.settings().database));
        }
        while !source.ended {
            let mut sent = 0;
            // The table may have been changed since the last chunk was committed, so its columns are looked up again.
            let outcome = session.transaction(|tx| {
                self.begin(tx)?;
                sent = self.chunk(tx, source)?;
                Ok(())
            });
            outcome.inspect_err(|error: &Error| {
                if error.kind() == ErrorKind::OutcomeUnknown {
                    *in_doubt = sent;
                }
            })?;
            self.count(report, sent);
        }
        Ok(())
    }

    fn begin(&self, session: &mut Session<'_>) -> Result<()> {
        session.load_step(self.operation, |connection, budget| connection.begin_load(&self.target, budget))
    }

    fn chunk<I: Iterator<Item: IntoRow>>(
        &self,
        session: &mut Session<'_>,
        source: &mut Source<I>,
    ) -> Result<u64> {
        source.left = self.options.chunk_rows;
        let before = source.given;
        let counted =
            session.load_step(self.operation, |connection, budget| connection.load(source, budget))?;
        if counted == source.given - before {
            return Ok(counted);
        }
        let message = format!("{} rows were given and {counted} written", source.given - before);
        Err(Error::new(ErrorKind::RowCount, message))
    }

    fn count(&mut self, report: &mut BulkReport, rows: u64) {
        if rows == 0 {
            return;
        }
        report.rows += rows;
        report.chunks += 1;
        if let Some(progress) = &mut self.options.progress {
            progress(report.rows);
        }
    }
}
