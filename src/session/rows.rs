//! Results read row by row: pulled by an iterator, or pushed to a closure, which is a loop over it.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use log::Level;

use super::told::Call;
use super::trouble::Trouble;
use super::{Session, in_part};
use crate::backend::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::log_line;
use crate::metrics::Recorder;
use crate::params::IntoParams;
use crate::row::{Columns, Row};
use crate::settings::Settings;
use crate::sql::{self, Template};

/// An iterator over the rows of a query, in bounded memory. Made by [`Session::query_iter`].
///
/// An error is returned once, as an `Err`, and is the last item. If the iterator ends without one, all rows have come.
/// So use `row?`: with `flatten` or `filter_map(Result::ok)` an error would look like the end.
#[must_use = "an iterator that is dropped unread cancels its query"]
pub struct RowIter<'r> {
    /// `None` behind the end.
    cursor: Option<Box<dyn Cursor + 'r>>,
    columns: Option<Arc<Columns>>,
    settings: &'r Settings,
    recorder: &'r Recorder,
    call: Call<'static>,
    template: Option<Arc<Template>>,
    handed: u64,
    /// The statement may write, so it is read to its end: if it were stopped half way, nobody could say what was kept.
    acts: bool,
    divisible: bool,
    /// Inside a transaction: where its errors are remembered.
    trouble: Option<&'r mut Trouble>,
    /// Why the connection was given up.
    given_up: &'r mut Option<Error>,
}

impl Session<'_> {
    /// Runs a query and returns an iterator that fetches its rows on demand.
    ///
    /// Memory use is bounded: for PostgreSQL by the socket's buffer, otherwise by a few blocks of rows. (Some ODBC
    /// drivers read whole results ahead; turn that off by `StepAPI=1` in the connection string for SQLite's driver, by
    /// `UseDeclareFetch=1` for psqlODBC.) A slow reader slows the server down. `TIMEOUT` limits each fetch, but not the
    /// time between two fetches. The session is borrowed until the iterator is dropped; to write meanwhile, use a
    /// second session or another database.
    ///
    /// **If it is dropped before the last row**, the query is cancelled on the server and the connection is closed,
    /// unless the remaining rows arrive within 10 ms. Then every later call in the session returns an error that says
    /// so, and an open transaction is rolled back, even if its closure returns `Ok`. A statement that writes (`INSERT …
    /// RETURNING`) always runs to its end; [`RowIter::finish`] returns its result.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::execute_query`](crate::DatabaseManager::execute_query), here or from the rows.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, Error};
    /// let db = DatabaseManager::new("rpa_db")?;
    /// let largest = db.session(|session| {
    ///     let mut largest = 0;
    ///     for row in session.query_iter("SELECT amount FROM payment", ())? {
    ///         largest = largest.max(row?.get::<i64>("amount")?);
    ///     }
    ///     Ok::<_, Error>(largest)
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn query_iter(&mut self, sql: &str, params: impl IntoParams) -> Result<RowIter<'_>> {
        self.rows("query_iter", sql, params)
    }

    /// Runs a query and hands its rows to `receive` one by one: a loop over [`query_iter`](Session::query_iter).
    ///
    /// `TIMEOUT` limits each fetch, but not the time that `receive` takes. Return `Ok(true)` for the next row,
    /// `Ok(false)` to stop early: then the query is cancelled on the server and the connection closed. A statement that
    /// writes (`INSERT … RETURNING`) always runs to its end. Returns the number of rows that were handed over.
    ///
    /// # Errors
    ///
    /// The error of `receive`, or those of `execute_query`.
    pub fn query_each<E: From<Error>>(
        &mut self,
        sql: &str,
        params: impl IntoParams,
        mut receive: impl FnMut(Row) -> Result<bool, E>,
    ) -> Result<u64, E> {
        let mut rows = self.rows("query_each", sql, params)?;
        for row in rows.by_ref() {
            if !receive(row?)? {
                break;
            }
        }
        Ok(rows.finish()?)
    }

    /// The rows of a query whose reader may fail. A statement that writes is refused, because the rows that it has
    /// deleted from its table would be lost then.
    ///
    /// # Errors
    ///
    /// `Usage` for a statement that writes; else as [`query_iter`](Session::query_iter).
    pub(crate) fn rows_of_reading(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl IntoParams,
    ) -> Result<RowIter<'_>> {
        let writes = self.dialect().and_then(|dialect| Ok(sql::template(sql, dialect)?.writes()));
        if writes.map_err(|error| error.during(operation).in_database(&self.settings.database))? {
            return Err(Error::usage(
                "the statement writes, and what it returns would be lost if its reader failed",
            )
            .with_hint("write first, by a separate call, and then read the rows")
            .during(operation)
            .in_database(&self.settings.database));
        }
        self.open_rows(operation, sql, params, true)
    }

    pub(crate) fn rows(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl IntoParams,
    ) -> Result<RowIter<'_>> {
        self.open_rows(operation, sql, params, false)
    }

    /// With `described` the columns are looked up first, even if they would otherwise come only with the first row.
    fn open_rows(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl IntoParams,
        described: bool,
    ) -> Result<RowIter<'_>> {
        let begun = Call::begin(operation);
        let recorder = self.lease.recorder();
        self.lease.note(operation);
        let admitted = self.admit(sql, params);
        let divisible =
            self.depth == 0 && admitted.as_ref().is_ok_and(|statement| statement.traits.divisible);
        let budget = self.budget();
        let settings: &Settings = self.settings;
        let trouble = (self.depth > 0).then_some(&mut self.trouble);
        let opened = admitted.and_then(|statement| {
            let (connection, given_up) = self.lease.parts()?;
            let columns = if described { connection.describe(&statement, budget)? } else { None };
            let cursor = connection.stream(&statement, budget)?;
            let columns = cursor.columns().cloned().or(columns);
            Ok((cursor, columns, given_up, statement.traits.acts, statement.template))
        });
        match opened {
            Ok((cursor, columns, given_up, acts, template)) => Ok(RowIter {
                columns,
                cursor: Some(cursor),
                settings,
                recorder,
                call: begun,
                template,
                handed: 0,
                acts,
                divisible,
                trouble,
                given_up,
            }),
            Err(error) => {
                Err(told(settings, recorder, begun.of_text(sql), in_part(error, divisible), trouble))
            }
        }
    }
}

/// Adds database and call to an error, logs it, and remembers it if it may end the transaction.
fn told(
    settings: &Settings,
    recorder: &Recorder,
    call: Call<'_>,
    error: Error,
    trouble: Option<&mut Trouble>,
) -> Error {
    let mut error = error.during(call.operation).in_database(&settings.database);
    if let Some(trouble) = trouble {
        error = trouble.explain(error);
        trouble.note(&error);
    }
    call.end(settings, recorder, Err(&error));
    error
}

impl RowIter<'_> {
    /// The column names, in order. They are known before the first row, except on PostgreSQL with `STATEMENT_CACHE=0`,
    /// where they come with the first row.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        let names = self.columns.as_deref().map_or(&[][..], Columns::names);
        names.iter().map(|name| &**name)
    }

    /// Ends the query early, as dropping the iterator does, and returns the number of rows that were handed over. A
    /// query that only reads is cancelled; one that writes runs to its end.
    ///
    /// # Errors
    ///
    /// Those of the rest of a statement that writes.
    pub fn finish(mut self) -> Result<u64> {
        self.end().map(|()| self.handed)
    }

    /// Ends the query if it has not ended, and returns the result.
    fn end(&mut self) -> Result<()> {
        let Some(cursor) = self.cursor.take() else { return Ok(()) };
        match self.close(cursor) {
            Ok(()) => {
                self.log();
                Ok(())
            }
            Err(error) => Err(self.told(error)),
        }
    }

    fn close(&mut self, mut cursor: Box<dyn Cursor + '_>) -> Result<()> {
        let mut outcome = Ok(());
        // During a panic the end of the statement is not waited for, and the connection is closed anyway.
        if self.acts && !std::thread::panicking() {
            outcome = drain(&mut *cursor);
        }
        if cursor.close() {
            *self.given_up = Some(ended_early());
        }
        outcome
    }

    fn told(&mut self, error: Error) -> Error {
        let error = in_part(error, self.divisible);
        let call = about(self.call, self.template.as_deref());
        told(self.settings, self.recorder, call, error, self.trouble.as_deref_mut())
    }

    fn log(&self) {
        about(self.call, self.template.as_deref()).end(self.settings, self.recorder, Ok(self.handed));
    }

    /// A row cannot be decoded. That ends the reading, but does not mean that the statement has failed.
    fn unreadable(&mut self, error: Error) -> Error {
        let closed = self.cursor.take().map_or(Ok(()), |cursor| self.close(cursor));
        let error = match closed {
            Err(worse) => worse,
            Ok(()) if self.acts => {
                error.at("the statement was carried out, but not all that it returned can be read")
            }
            Ok(()) => error,
        };
        self.told(error)
    }
}

/// The call, with what is known of its statement.
fn about<'c>(call: Call<'c>, template: Option<&'c Template>) -> Call<'c> {
    template.map_or(call, |template| call.about(Some(template.source()), template.writes()))
}

/// Reads a statement that writes to its end, ignoring rows that cannot be decoded.
fn drain(cursor: &mut dyn Cursor) -> Result<()> {
    loop {
        match cursor.next() {
            Ok(Some(_)) => (),
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Decode => (),
            Err(error) => return Err(error),
        }
    }
}

fn ended_early() -> Error {
    Error::usage(
        "a query of this session was ended before its last row, which closed the connection and undid what was not \
         committed",
    )
    .with_hint("make it the last call of its session, read it to its end, or use LIMIT")
}

impl Iterator for RowIter<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        match self.cursor.as_mut()?.next() {
            Ok(Some(row)) => {
                self.handed += 1;
                if self.columns.is_none() {
                    self.columns = self.cursor.as_ref().and_then(|cursor| cursor.columns().cloned());
                }
                Some(Ok(row))
            }
            Ok(None) => {
                self.cursor = None;
                self.log();
                None
            }
            Err(error) if error.kind() == ErrorKind::Decode => Some(Err(self.unreadable(error))),
            Err(error) => {
                self.cursor = None;
                Some(Err(self.told(error)))
            }
        }
    }
}

impl FusedIterator for RowIter<'_> {}

impl Drop for RowIter<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            let fields = [("database", (&*self.settings.database).into())];
            let message = format!("a statement whose rows were not read to the end has failed: {error}");
            log_line::event(Level::Warn, &message, &fields);
        }
    }
}

impl fmt::Debug for RowIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowIter")
            .field("database", &self.settings.database)
            .field("handed", &self.handed)
            .field("ended", &self.cursor.is_none())
            .finish_non_exhaustive()
    }
}
