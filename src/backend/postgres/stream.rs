//! A result that is read row by row, on the driver's own iterator.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::RowIter;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;

use super::connection::PgConnection;
use super::encode::Param;
use super::failure::Failed;
use super::runtime;
use super::statements::Shape;
use super::watchdog::Watched;
use crate::backend::Cursor;
use crate::context;
use crate::deadline::{Budget, Deadline};
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::row::{Columns, Row};
use crate::sql::Statement;

/// How long to read the rest of an abandoned result, in the hope of reaching its end: about as long as opening a new
/// connection would take.
const PATIENCE: Duration = Duration::from_millis(10);

/// The rows of one statement. The connection counts as broken until the last row was read. So if the reading is left
/// early, also by a panic, the connection is not used again.
pub(super) struct PgRows<'c> {
    /// `None` after the end.
    rows: Option<RowIter<'c>>,
    /// `None` before the first row of a statement that was not prepared.
    shape: Option<Shape>,
    control: &'c Watched,
    broken: &'c mut bool,
    in_transaction: bool,
    writes: bool,
    budget: Budget,
    /// How many rows were read, for messages.
    read: u64,
}

impl PgConnection {
    /// Runs a statement up to its first row.
    ///
    /// It is prepared each time, even if it is in the cache. A stale statement could not be replaced here, because the
    /// iterator over its rows has already borrowed the connection. For a streamed result one more round trip does not
    /// matter.
    pub(super) fn open(&mut self, statement: &Statement, budget: Budget) -> Result<PgRows<'_>> {
        let first = budget.step(Instant::now());
        let prepared = if self.statements.is_on() {
            self.statements.forget(&statement.text);
            let (prepared, _) = self.prepare(statement, first)?;
            prepared.shape.check()?;
            Some(prepared)
        } else {
            None
        };
        runtime::refuse_async()?;
        first.left_for(Phase::Query, Instant::now())?;
        let PgConnection { client, control, broken, in_transaction, .. } = self;
        let Some(client) = client.as_mut().filter(|_| !*broken) else {
            return Err(Error::new(ErrorKind::Connect, "the connection has failed before")
                .with_effect(Effect::NotSent));
        };
        *broken = true;
        control.arm(first);
        let started = match &prepared {
            Some(prepared) => client.query_raw(&prepared.statement, statement.args.iter().map(Param)),
            None => {
                let values = statement.args.iter().map(Param::told);
                client.query_typed_raw(&statement.text, values)
            }
        };
        let in_time = control.disarm();
        let mut opened = PgRows {
            rows: None,
            shape: prepared.map(|prepared| prepared.shape.clone()),
            control,
            broken,
            in_transaction: *in_transaction,
            writes: statement.traits.acts,
            budget,
            read: 0,
        };
        match started {
            Ok(rows) if in_time => opened.rows = Some(rows),
            // The server sends its first answer together with the first rows; here it sent them only because of the
            // cancel. The stream will be cut next.
            Ok(_) => return Err(opened.late(Phase::Query, first)),
            Err(error) => return Err(opened.failed(&error, Phase::Query, first, in_time)),
        }
        Ok(opened)
    }
}

impl PgConnection {
    /// Finds out the columns of a statement that is not prepared by name. It is prepared for that alone, and
    /// deallocated in the same transaction, so that a pooler sends everything to one server session.
    pub(super) fn columns_of(
        &mut self,
        statement: &Statement,
        budget: Budget,
    ) -> Result<Option<Arc<Columns>>> {
        if self.statements.is_on() {
            return Ok(None);
        }
        let types: Vec<Type> = statement.args.iter().map(|value| Param::told(value).1).collect();
        let of = |prepared: postgres::Statement| {
            Columns::new(prepared.columns().iter().map(postgres::Column::name))
        };
        let deadline = budget.step(Instant::now());
        let (text, is_open) = (&*statement.text, self.in_transaction);
        let columns = self.call(deadline, Phase::Query, false, |client| {
            if is_open {
                return client.prepare_typed(text, &types).map(of);
            }
            let mut transaction = client.transaction()?;
            let columns = transaction.prepare_typed(text, &types).map(of)?;
            transaction.commit()?;
            Ok(columns)
        })?;
        Ok(Some(columns))
    }
}

impl PgRows<'_> {
    /// Ends the stream because the deadline has passed, although the server has answered.
    fn late(&self, phase: Phase, deadline: Deadline) -> Error {
        let unknown = self.writes && !self.in_transaction;
        let effect = if unknown { Effect::Unknown } else { Effect::RolledBack };
        context::in_force(deadline).passed(phase).with_effect(effect)
    }

    /// Ends the stream with an error. After an answer of the server the connection is usable; `explain` decides whether
    /// it was one.
    fn failed(&mut self, error: &postgres::Error, phase: Phase, deadline: Deadline, in_time: bool) -> Error {
        self.rows = None;
        *self.broken = !in_time;
        let (in_transaction, writes) = (self.in_transaction, self.writes);
        Failed { in_time, in_transaction, writes, phase, deadline }.explain(error, self.broken)
    }
}

impl Cursor for PgRows<'_> {
    fn columns(&self) -> Option<&Arc<Columns>> {
        self.shape.as_ref().map(Shape::columns)
    }

    fn next(&mut self) -> Result<Option<Row>> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        runtime::refuse_async()?;
        let deadline = self.budget.step(Instant::now()).earlier(context::deadline());
        self.control.arm(deadline);
        let next = rows.next();
        let in_time = self.control.disarm();
        match next {
            Ok(Some(row)) if in_time => {
                let shape = self.shape.get_or_insert_with(|| {
                    Shape::of(row.columns().iter().map(|column| (column.name(), column.type_())))
                });
                self.read += 1;
                shape.read(&row).map(Some).map_err(|error| error.at(format_args!("row {}", self.read)))
            }
            Ok(Some(_)) => {
                self.rows = None;
                Err(self.late(Phase::Fetch, deadline))
            }
            Ok(None) => {
                self.rows = None;
                // A cancel that came too late to stop this statement must not hit the next one.
                *self.broken = !in_time;
                Ok(None)
            }
            Err(error) => Err(self.failed(&error, Phase::Fetch, deadline, in_time)),
        }
    }

    fn close(&mut self) -> bool {
        let Some(mut rows) = self.rows.take() else { return false };
        let until = Instant::now() + PATIENCE;
        if runtime::is_async() || std::thread::panicking() {
            self.control.cancel();
            return true;
        }
        self.control.arm(Deadline::after(Instant::now(), PATIENCE));
        let ended = loop {
            match rows.next() {
                Ok(Some(_)) if Instant::now() < until => (),
                Ok(Some(_)) | Err(_) => break false,
                Ok(None) => break true,
            }
        };
        let in_time = self.control.disarm();
        if in_time && !ended {
            self.control.cancel();
        }
        *self.broken = !(in_time && ended);
        *self.broken
    }
}

impl Drop for PgRows<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
