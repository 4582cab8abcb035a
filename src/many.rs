//! One statement for many records: `execute_many`.

mod load;
mod records;
mod table;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::backend::Rows;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::params::IntoParams;
use crate::row::Row;
use crate::session::Session;
use crate::sql::{self, BoundRow, PlainInsert, Template};

use records::{HEAD, Pace, Records, Window};
use table::Way;

const OPERATION: &str = "execute_many";

/// With up to this many records, looking up their table is not worth the time.
const FEW: usize = 8;

/// How many statements share a savepoint. Their records are kept until the savepoint is done, to find a record that is
/// refused.
const STATEMENTS: usize = 8;

/// A multi-row statement failed.
struct Stopped {
    error: Error,
    /// The positions of its records in the window. Empty if it was not a statement of the window.
    at: Range<usize>,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped { error, at: 0..0 }
    }
}

impl Session<'_> {
    /// Runs one statement once for each record, all or nothing: in a transaction of its own, or in a savepoint of the
    /// open one. Returns the total number of changed rows.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::execute_many`](crate::DatabaseManager::execute_many).
    pub fn execute_many<P: IntoParams>(
        &mut self,
        sql: &str,
        records: impl IntoIterator<Item = P>,
    ) -> Result<u64> {
        let work = |session: &mut Self| session.many(sql, records);
        self.as_call(OPERATION, Some(sql), work, |changed| changed.as_ref().copied())
    }

    fn many<P: IntoParams>(&mut self, sql: &str, records: impl IntoIterator<Item = P>) -> Result<u64> {
        let mut records = Records::new(records.into_iter(), self.whole_limit());
        let template = self.dialect().and_then(|dialect| sql::template(sql, dialect));
        let template = template.map_err(|error| self.named(error))?;
        let insert = if self.takes_many_rows()? { template.plain_insert() } else { None };
        let engine = match (insert, self.dialect()?) {
            (None, _) => None,
            // Finding out the engine behind an unknown driver takes a query, which could fail and so end the open
            // transaction.
            (_, Dialect::Odbc) if self.depth > 0 => None,
            _ => Engine::of(self)?,
        };
        self.transaction(|tx| {
            let changed = match insert.zip(engine) {
                Some((insert, engine)) => tx.many_rows(insert, engine, &mut records)?,
                None => tx.one_by_one(&template, &mut records)?,
            };
            match records.refused.take() {
                Some(error) => Err(tx.named(error)),
                None => Ok(changed),
            }
        })
    }

    /// Runs a statement once for each record, all or nothing, and returns its rows (of `RETURNING`, `OUTPUT` or a
    /// `SELECT`) in the order of the records.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::execute_many`](crate::DatabaseManager::execute_many).
    pub fn execute_many_returning<P: IntoParams>(
        &mut self,
        sql: &str,
        records: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Row>> {
        let work = |session: &mut Self| session.many_returning(sql, records);
        self.as_call(OPERATION, Some(sql), work, |rows| rows.as_ref().map(|rows| rows.len() as u64))
    }

    fn many_returning<P: IntoParams>(
        &mut self,
        sql: &str,
        records: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Row>> {
        self.transaction(|tx| {
            let (mut rows, mut returned) = (Vec::new(), Vec::new());
            for (place, record) in records.into_iter().enumerate() {
                let statement =
                    tx.dialect().and_then(|dialect| sql::compile(sql, dialect, record.into_params()?));
                statement
                    .map_err(|error| tx.named(error))
                    .and_then(|statement| tx.run_bound(OPERATION, &statement, Rows::Collect(&mut returned)))
                    .map_err(|error| error.at_records(place as u64 + 1..=place as u64 + 1))?;
                rows.append(&mut returned);
            }
            Ok(rows)
        })
    }

    fn named(&self, error: Error) -> Error {
        error.during(OPERATION).in_database(&self.settings().database)
    }

    fn one_by_one<P: IntoParams>(
        &mut self,
        template: &Arc<Template>,
        records: &mut Records<impl Iterator<Item = P>>,
    ) -> Result<u64> {
        let mut changed = 0;
        while let Some(statement) = records.next(|record| Arc::clone(template).bind(record.into_params()?)) {
            changed += self
                .run_bound(OPERATION, &statement, Rows::Ignore)
                .map_err(|error| error.at_records(records.given..=records.given))?;
        }
        Ok(changed)
    }

    fn many_rows<P: IntoParams>(
        &mut self,
        insert: &PlainInsert,
        engine: Engine,
        records: &mut Records<impl Iterator<Item = P>>,
    ) -> Result<u64> {
        let mut pace = Pace::new(self.limit_of_each());
        let mut window = records.window(insert, FEW).map_err(|error| self.named(error))?;
        let began = Instant::now();
        let mut changed = self.singles(insert, &mut window.rows, window.first)?;
        pace.took(window.rows.len(), began.elapsed());
        if records.ended {
            return Ok(changed);
        }
        let mut way = table::way_into(self, engine, insert.table()).map_err(|error| self.named(error))?;
        // Without a statement cache the server decides how values are converted, but for a load this crate decides, by the
        // types of the columns.
        let mut places = insert.places().filter(|_| self.settings().statement_cache > 0);
        while !records.ended {
            let most = match (way, places) {
                (Way::OneByOne, _) => 1,
                (Way::Loaded, Some(_)) => HEAD,
                _ => insert.sizes()[0] * STATEMENTS,
            };
            let mut window = records.window(insert, pace.rows(most)).map_err(|error| self.named(error))?;
            if let (Way::Loaded, Some(_)) = (way, places)
                && window.rows.len() == HEAD
                && !window.is_quick()
            {
                // They are all taken before the load begins.
                records
                    .fill(&mut window, insert, pace.rows(load::MOST_ROWS))
                    .map_err(|error| self.named(error))?;
            }
            let began = Instant::now();
            changed += match (way, places) {
                // For so few records, starting a load or a savepoint costs more than it saves.
                _ if window.rows.len() < FEW => self.singles(insert, &mut window.rows, window.first)?,
                (Way::Loaded, Some(into)) => {
                    let rest = (&mut *records, pace.rows(load::MOST_ROWS));
                    let (count, refused) = self.loaded(insert, into, &mut window, rest)?;
                    if refused {
                        (way, places) = (Way::Together, None);
                    }
                    count
                }
                _ => self.window(insert, &mut window)?,
            };
            pace.took(window.rows.len(), began.elapsed());
        }
        Ok(changed)
    }

    /// Writes the records of a window in as few statements as possible.
    fn window(&mut self, insert: &PlainInsert, window: &mut Window) -> Result<u64> {
        if self.dialect()? == Dialect::SqlServer {
            // SQL Server rolls the transaction back at the first error, so the record cannot be searched for
            // afterwards.
            return self.statements(insert, &mut window.rows, window.first).map_err(|stopped| stopped.error);
        }
        let (mut changed, mut rows, mut first) = (0, &mut window.rows[..], window.first);
        loop {
            let stopped = match self.transaction(|savepoint| savepoint.statements(insert, rows, first)) {
                Ok(count) => return Ok(changed + count),
                Err(stopped) => stopped,
            };
            if stopped.at.is_empty() || !is_refusal(&stopped.error) {
                return Err(stopped.error);
            }
            // Everything up to the savepoint is undone. Now the statements that succeeded run again, and then the
            // records of the failed statement, one by one, up to the one that fails. If none fails, a loop would have
            // succeeded too, and the call goes on.
            let at = stopped.at;
            changed +=
                self.statements(insert, &mut rows[..at.start], first).map_err(|stopped| stopped.error)?;
            changed += self.singles(insert, &mut rows[at.clone()], first + at.start as u64)?;
            (rows, first) = (&mut rows[at.end..], first + at.end as u64);
        }
    }

    fn statements(
        &mut self,
        insert: &PlainInsert,
        rows: &mut [BoundRow],
        first: u64,
    ) -> Result<u64, Stopped> {
        let (mut changed, mut at) = (0, 0);
        for size in insert.sizes() {
            while rows.len() - at >= size {
                let part = &mut rows[at..at + size];
                let statement = insert.statement(part);
                let outcome = self.run_bound(OPERATION, &statement, Rows::Ignore);
                PlainInsert::take_back(part, statement);
                let first = first + at as u64;
                changed += outcome.map_err(|error| Stopped {
                    error: error.at_records(first..=first + size as u64 - 1),
                    at: at..at + size,
                })?;
                at += size;
            }
        }
        Ok(changed)
    }

    fn singles(&mut self, insert: &PlainInsert, rows: &mut [BoundRow], first: u64) -> Result<u64> {
        let mut changed = 0;
        for (number, row) in (first..).zip(rows) {
            let statement = insert.statement(std::slice::from_mut(row));
            changed += self
                .run_bound(OPERATION, &statement, Rows::Ignore)
                .map_err(|error| error.at_records(number..=number))?;
        }
        Ok(changed)
    }
}

impl DatabaseManager {
    /// Runs one statement once for each record, in one transaction, and returns its rows (of `RETURNING` or `OUTPUT`)
    /// in the order of the records.
    ///
    /// Each record is sent as a statement of its own, because no database guarantees the order of the rows that a
    /// multi-row statement returns.
    ///
    /// # Errors
    ///
    /// As [`execute_many`](DatabaseManager::execute_many).
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, params};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let names = ["first", "second"];
    /// let sql = "INSERT INTO job (name) VALUES (:name) RETURNING id";
    /// let made = db.execute_many_returning(sql, names.map(|name| params! { name: name }))?;
    /// for (name, row) in names.iter().zip(&made) {
    ///     println!("{name} is {}", row.get::<i64>("id")?);
    /// }
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_many_returning<P: IntoParams>(
        &self,
        sql: &str,
        records: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Row>> {
        self.session(|session| session.execute_many_returning(sql, records))
    }
}

/// Whether the server refused the statement itself or its data, and the connection can still be used.
fn is_refusal(error: &Error) -> bool {
    use ErrorKind::{Constraint, Data, Database, Params, Permission, Syntax};
    matches!(error.kind(), Constraint | Data | Database | Params | Permission | Syntax)
        && !error.is_transient()
}
