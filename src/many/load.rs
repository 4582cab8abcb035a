//! Records as the rows of a load (`COPY`), used if that has the same effect as statements and is faster.
//!
//! The records are there before the load begins. For the server a load is one statement, and an iterator that is slow must
//! not keep it open until `statement_timeout`.

use super::records::Window;
use super::{OPERATION, is_refusal};
use crate::backend::{LoadTarget, RowSource};
use crate::error::{ErrorKind, Result};
use crate::session::Session;
use crate::sql::{BoundRow, Places, PlainInsert};
use crate::value::Value;

/// How many records are kept until they are in the database.
pub(super) const MOST_ROWS: usize = 20_000;

/// The records of a window as a source of rows; each is kept in case the load is refused.
struct Kept<'w> {
    places: &'w Places,
    rows: std::slice::Iter<'w, BoundRow>,
    /// How many records were given before the next one.
    given: u64,
}

impl RowSource for Kept<'_> {
    fn next(&mut self, row: &mut Vec<Value>) -> Result<bool> {
        let Some(record) = self.rows.next() else { return Ok(false) };
        self.places.fill(record, row);
        self.given += 1;
        Ok(true)
    }

    fn given(&self) -> u64 {
        self.given
    }
}

impl Session<'_> {
    /// Loads the records of a window. The flag is true if the load was refused and statements did the work instead.
    pub(super) fn loaded(
        &mut self,
        insert: &PlainInsert,
        places: &Places,
        window: &mut Window,
    ) -> Result<(u64, bool)> {
        let target = LoadTarget {
            table: insert.table().to_owned(),
            name: places.table.clone(),
            columns: places.columns.clone(),
        };
        let loaded = self.transaction(|savepoint| {
            savepoint.load_step(OPERATION, |connection, budget| connection.begin_load(&target, budget))?;
            let mut source = Kept { places, rows: window.rows.iter(), given: window.first - 1 };
            let mut count = 0;
            // If the rows are large, one step does not take all of them.
            while !source.rows.as_slice().is_empty() {
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
            loaded => Ok((loaded?, false)),
        }
    }
}
