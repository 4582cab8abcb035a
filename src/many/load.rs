//! Records as the rows of a load (`COPY`), used if that has the same effect as statements and is faster.

use super::{MOST_BYTES, OPERATION, Records, Window, is_refusal};
use crate::backend::{LoadTarget, RowSource};
use crate::error::{ErrorKind, Result};
use crate::params::IntoParams;
use crate::session::{Session, WholeLimit};
use crate::sql::{Places, PlainInsert};
use crate::value::Value;

/// How many records are kept until they are in the database.
const MOST_ROWS: usize = 20_000;

/// The records of a load under way; each is kept in case the load is refused.
struct Kept<'r, I> {
    records: &'r mut Records<I>,
    insert: &'r PlainInsert,
    places: &'r Places,
    window: &'r mut Window,
    bytes: usize,
    limit: WholeLimit,
}

impl<P: IntoParams, I: Iterator<Item = P>> RowSource for Kept<'_, I> {
    fn next(&mut self, row: &mut Vec<Value>) -> Result<bool> {
        if self.window.rows.len() >= MOST_ROWS || self.bytes >= MOST_BYTES {
            return Ok(false);
        }
        self.limit.check()?;
        let bind = |record: P| self.insert.bind(record.into_params()?);
        let Some(record) = self.records.next(bind) else { return Ok(false) };
        self.bytes += record.weight();
        self.places.fill(&record, row);
        self.window.rows.push(record);
        Ok(true)
    }

    fn given(&self) -> u64 {
        self.records.given
    }
}

impl Session<'_> {
    /// Loads the next records. The flag is true if the load was refused and statements did the work instead.
    pub(super) fn loaded<P: IntoParams>(
        &mut self,
        insert: &PlainInsert,
        places: &Places,
        records: &mut Records<impl Iterator<Item = P>>,
    ) -> Result<(u64, bool)> {
        let target = LoadTarget {
            table: insert.table().to_owned(),
            name: places.table.clone(),
            columns: places.columns.clone(),
        };
        let mut window = Window { first: records.given + 1, rows: Vec::new() };
        let limit = self.whole_limit();
        let loaded = self.transaction(|savepoint| {
            savepoint.load_step(OPERATION, |connection, budget| connection.begin_load(&target, budget))?;
            let mut source = Kept { records, insert, places, window: &mut window, bytes: 0, limit };
            savepoint.load_step(OPERATION, |connection, budget| connection.load(&mut source, budget))
        });
        match loaded {
            // Statements give the error that a loop would give, and name the record even if the server did not.
            Err(error) if is_refusal(&error) || error.kind() == ErrorKind::RowCount => {
                Ok((self.window(insert, &mut window)?, true))
            }
            loaded => Ok((loaded?, false)),
        }
    }
}
