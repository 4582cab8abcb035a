//! A result that is read row by row: the chunks of the connection's thread, one at a time.
//!
//! The channel between the two holds a few of them, so that a slow reader stops the thread, and with it the driver
//! and the server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::caller::{Came, OdbcConnection, driver_panicked};
use super::classify::Moment;
use super::decode::Decoder;
use super::worker::{Job, Reply, Work};
use crate::backend::Cursor;
use crate::context;
use crate::deadline::Budget;
use crate::error::{Error, Phase, Result};
use crate::row::{Columns, Row};

/// The rows of one statement.
pub(super) struct OdbcRows<'c> {
    connection: &'c mut OdbcConnection,
    inbox: Receiver<Reply>,
    moment: Moment,
    budget: Budget,
    /// `None` for a statement that returns no rows.
    decoder: Option<Decoder>,
    /// The rows that have come and were not taken yet, and what is wrong behind them.
    rows: VecDeque<Row>,
    failed: Option<Error>,
    /// The last reply has come.
    ended: bool,
}

impl<'c> OdbcRows<'c> {
    /// Runs a statement until its columns are known: what is wrong with it is said here.
    pub(super) fn open(
        connection: &'c mut OdbcConnection,
        work: Work,
        moment: Moment,
        budget: Budget,
    ) -> Result<OdbcRows<'c>> {
        let inbox = connection.send(|replies| Job::Run(work, replies))?;
        let mut opened = OdbcRows {
            connection,
            inbox,
            moment,
            budget,
            decoder: None,
            rows: VecDeque::new(),
            failed: None,
            ended: false,
        };
        opened.receive()?;
        opened.moment.phase = Phase::Fetch;
        Ok(opened)
    }

    fn receive(&mut self) -> Result<()> {
        match self.connection.reply(&self.inbox, self.moment) {
            Ok(Came::Columns(decoder)) => self.decoder = Some(decoder),
            Ok(Came::Rows(chunk)) => {
                let Some(decoder) = &mut self.decoder else { return Err(driver_panicked()) };
                self.failed = decoder.single_rows(&chunk, |row| self.rows.push_back(row)).err();
                self.connection.spend(chunk);
            }
            Ok(Came::Done(_)) => self.ended = true,
            Err(error) => {
                self.ended = true;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Cursor for OdbcRows<'_> {
    fn columns(&self) -> Option<&Arc<Columns>> {
        self.decoder.as_ref().map(Decoder::names)
    }

    fn next(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                return Ok(Some(row));
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if self.ended {
                return Ok(None);
            }
            self.moment.deadline = self.budget.step(Instant::now()).earlier(context::deadline());
            self.receive()?;
        }
    }

    fn close(&mut self) -> bool {
        self.rows.clear();
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        self.connection.ended_early(&self.inbox)
    }
}

impl Drop for OdbcRows<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
