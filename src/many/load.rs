//! Records as the rows of a load (`COPY`), used if that has the same effect as statements and is faster.
//!
//! For the server a load is one statement, and an iterator that is slow must not keep it open until `statement_timeout`. So
//! the first records are there before the load begins, and only if these came quickly it takes the next ones itself. If one
//! of those keeps it waiting and the server ends it for that, statements write what has come.

use super::records::{Records, Window};
use super::{OPERATION, is_refusal};
use crate::backend::{LoadTarget, RowSource};
use crate::error::{ErrorKind, Result};
use crate::params::IntoParams;
use crate::session::Session;
use crate::sql::{Places, PlainInsert};
use crate::value::Value;

/// PostgreSQL's code for a statement that was ended: by `statement_timeout`, or by somebody else's cancel. (Our own
/// timeout has no code.)
const ENDED: &str = "57014";

/// How many records are kept until they are in the database.
pub(super) const MOST_ROWS: usize = 20_000;

/// The records of a window as a source of rows; each is kept in case the load is refused.
struct Kept<'w, I> {
    insert: &'w PlainInsert,
    places: &'w Places,
    window: &'w mut Window,
    records: &'w mut Records<I>,
    /// The most records that the window may have.
    most: usize,
    /// How many of them were given.
    at: usize,
    ended: bool,
}

impl<P: IntoParams, I: Iterator<Item = P>> RowSource for Kept<'_, I> {
    fn next(&mut self, row: &mut Vec<Value>) -> Result<bool> {
        if self.at == self.window.rows.len() && !self.records.one_more(self.window, self.insert, self.most)? {
            self.ended = true;
            return Ok(false);
        }
        self.places.fill(&self.window.rows[self.at], row);
        self.at += 1;
        Ok(true)
    }

    fn given(&self) -> u64 {
        self.window.first - 1 + self.at as u64
    }
}

impl Session<'_> {
    /// Loads the records of a window, and takes more, up to `most`, if these came quickly. The flag is true if the load was
    /// refused and statements did the work instead.
    pub(super) fn loaded<P: IntoParams>(
        &mut self,
        insert: &PlainInsert,
        places: &Places,
        window: &mut Window,
        (records, most): (&mut Records<impl Iterator<Item = P>>, usize),
    ) -> Result<(u64, bool)> {
        let most = if window.is_quick() { most } else { window.rows.len() };
        let target = LoadTarget {
            table: insert.table().to_owned(),
            name: places.table.clone(),
            columns: places.columns.clone(),
            stands_for: None,
        };
        let loaded = self.transaction(|savepoint| {
            savepoint.load_step(OPERATION, |connection, budget| connection.begin_load(&target, budget))?;
            let mut source =
                Kept { insert, places, window: &mut *window, records, most, at: 0, ended: false };
            let mut count = 0;
            // If the rows are large, one step does not take all of them.
            while !source.ended {
                count += savepoint
                    .load_step(OPERATION, |connection, budget| connection.load(&mut source, budget))?;
            }
            Ok(count)
        });
        match loaded {
            // Statements give the error that a loop would give, and name the record even if the server did not.
            Err(error) if is_refusal(&error) || error.kind() == ErrorKind::RowCount => {
                Ok((self.window(insert, window)?, true))
            }
            Err(error) if window.has_stalled() && error.sqlstate() == Some(ENDED) => {
                Ok((self.window(insert, window)?, false))
            }
            loaded => Ok((loaded?, false)),
        }
    }
}
