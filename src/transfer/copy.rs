//! From one database into another, as a stream: one thread reads and one writes.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::bulk::{BulkFailure, BulkOptions, BulkReport, computed};
use crate::cancel::CancelToken;
use crate::context::{self, Context, Stop};
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::manager::DatabaseManager;
use crate::params::{IntoParams, Params};
use crate::value::Value;

/// How many chunks may wait between the two sides.
const WAITING: usize = 2;

/// The most rows and bytes of a chunk.
const ROWS: usize = 1_000;
const BYTES: usize = 1024 * 1024;

/// Copies the rows of a query into a table of another database, in one transaction there: all rows or none.
///
/// The columns of the result go to the columns of the same names; rename them with `AS`. The rows are streamed: a
/// thread of its own reads the query, a few chunks wait between the two sides, and the slower side sets the pace, so
/// memory use does not grow with the number of rows. Flow, task, deadline and [`CancelToken`] of the calling thread
/// apply to both sides. `TIMEOUT` limits each fetch on the reading side and each chunk on the writing side; a
/// [deadline](DatabaseManager::with_deadline) of either handle ends the whole copy.
///
/// It copies between PostgreSQL and ODBC databases in any direction, without changing values. Within one server `INSERT
/// … SELECT` is faster. Returns the number of rows and chunks, and the time.
///
/// # Errors
///
/// The first error on either side, which ends both at once; nothing is copied then, unless chunks are [committed by
/// themselves](BulkOptions::commit_chunks). On the reading side as [`query_iter`](crate::Session::query_iter), on the
/// writing side as [`bulk_insert`](DatabaseManager::bulk_insert). [`Usage`](ErrorKind::Usage) when both handles share a
/// pool of a single connection. It is not retried.
///
/// ```no_run
/// use batchdb::{BulkOptions, DatabaseManager, copy_query, params};
///
/// let (hub, rpa) = (DatabaseManager::new("SurveyHub")?, DatabaseManager::new("rpa_db")?);
/// let sql = "SELECT survey_id, customer_id AS customer FROM survey_responses WHERE processed = :p";
/// let report = copy_query(&hub, sql, params! { p: 0 }, &rpa, "staging.survey", BulkOptions::new())?;
/// println!("{} surveys copied", report.rows);
/// # Ok::<(), batchdb::Error>(())
/// ```
#[track_caller]
pub fn copy_query(
    from: &DatabaseManager,
    sql: &str,
    params: impl IntoParams,
    to: &DatabaseManager,
    table: &str,
    options: BulkOptions<'_>,
) -> Result<BulkReport, BulkFailure> {
    const COPY: &str = "copy_query";
    let params = params.into_params();
    let params = params.map_err(|error| error.during(COPY).in_database(&from.settings().database))?;
    copy(COPY, from, move |_| (sql.to_owned(), params), to, table, false, options)
}

/// Copies all rows of a table into a table of another database. See [`copy_query`].
///
/// The columns are matched by name. `from_table` may include its schema, and is quoted.
///
/// Columns that the target database computes itself (generated, computed, `rowversion`) are left out; columns that only
/// the source computes are copied like any other. Values of identity columns are copied if the target accepts them:
/// PostgreSQL does.
///
/// # Errors
///
/// As [`copy_query`].
///
/// ```no_run
/// # use batchdb::{BulkOptions, DatabaseManager, copy_table};
/// # let (hub, rpa) = (DatabaseManager::new("SurveyHub")?, DatabaseManager::new("rpa_db")?);
/// copy_table(&hub, "customer", &rpa, "customer", BulkOptions::new())?;
/// # Ok::<(), batchdb::Error>(())
/// ```
#[track_caller]
pub fn copy_table(
    from: &DatabaseManager,
    from_table: &str,
    to: &DatabaseManager,
    table: &str,
    options: BulkOptions<'_>,
) -> Result<BulkReport, BulkFailure> {
    let sql = |dialect: crate::dialect::Dialect| {
        // A colon in a name is one, and no parameter: quoted names are passed over.
        (format!("SELECT * FROM {}", dialect.quote_path(from_table)), Params::new())
    };
    copy("copy_table", from, sql, to, table, true, options)
}

/// The messages of the reading side.
enum Message {
    /// First of all: the names of the columns.
    Columns(Vec<String>),
    Rows(Vec<Vec<Value>>),
    /// Last of all. A channel that ends without it has ended by an error.
    End,
}

/// Both sides bear the name of the call that the program has made, in errors, in the log and in what is counted.
#[track_caller]
fn copy(
    operation: &'static str,
    from: &DatabaseManager,
    query: impl FnOnce(crate::dialect::Dialect) -> (String, Params) + Send,
    to: &DatabaseManager,
    table: &str,
    leaves_out_computed: bool,
    options: BulkOptions<'_>,
) -> Result<BulkReport, BulkFailure> {
    if from.shares_its_only_connection_with(to) {
        return Err(Error::usage(
            "both sides of the copy are one pool of a single connection, and each needs its own",
        )
        .with_hint("raise POOL_SIZE or MAX_OVERFLOW, or use INSERT … SELECT")
        .during(operation)
        .in_database(&from.settings().database)
        .into());
    }
    // Whichever side fails first stops the other at once, and is the one whose error is told.
    let (end, cause) = (CancelToken::new(), OnceLock::new());
    let around = context::current();
    let stop = Some(Stop::at_once(&end, around.stop.clone()));
    // The copy is one call of both handles: where it is too late for the one, the other has nothing to wait for.
    let deadline = from.call().whole.earlier(to.call().whole).earlier(around.deadline);
    let context = Context { stop, deadline, ..around };
    let (outbox, inbox) = bounded(WAITING);
    thread::scope(|scope| {
        let _entered = context::enter(context.clone());
        let stop = EndOnDrop(&end);
        let until = context::deadline();
        let mut incoming = Incoming { inbox, rows: VecDeque::new(), until, left_out: Vec::new() };
        let mut reader = None;
        let reading = {
            let (end, cause) = (&end, &cause);
            move || {
                let _entered = context::enter(context);
                let stop = EndOnDrop(end);
                match read(operation, from, query, &outbox) {
                    Ok(()) => std::mem::forget(stop),
                    Err(error) => drop(cause.set(error)),
                }
            }
        };
        // The writing side first: where nothing can be written, nothing is asked for.
        let outcome: Result<BulkReport, BulkFailure> = to.session(|session| {
            let thread = thread::Builder::new().name("batchdb-copy".to_owned());
            reader = Some(thread.spawn_scoped(scope, reading).map_err(|error| {
                Error::new(ErrorKind::Io, "no thread could be started for the reading side")
                    .with_source(error)
            })?);
            let mut columns = incoming
                .columns()
                .map_err(|error| error.during(operation).in_database(&session.settings().database))?;
            if columns.is_empty() {
                return Ok(BulkReport::default());
            }
            if leaves_out_computed {
                let table = session.dialect()?.quote_path(table);
                let places = computed(session, operation, &table, &columns)?;
                incoming.leave_out(&mut columns, places);
            }
            session.load_as(operation, table, &columns, None, &mut incoming, options)
        });
        let outcome = outcome.map_err(|failure| match cause.get() {
            // What nobody knows of the writing side weighs more than why the reading side has ended.
            Some(error) if failure.error.kind() != ErrorKind::OutcomeUnknown => {
                BulkFailure { error: error.clone(), ..failure }.final_where_rows_stay()
            }
            _ => failure,
        });
        // The reading side waits for nothing any more: neither for a place in the channel nor for its server.
        drop(incoming);
        drop(stop);
        match reader.map(thread::ScopedJoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => outcome,
        }
    })
}

/// Stops the other side when this one is left, by a panic too.
struct EndOnDrop<'t>(&'t CancelToken);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The reading side: sends all that the query returns.
fn read(
    operation: &'static str,
    from: &DatabaseManager,
    query: impl FnOnce(crate::dialect::Dialect) -> (String, Params),
    outbox: &Sender<Message>,
) -> Result<()> {
    let gone = |_| Error::new(ErrorKind::Cancelled, "the writing side has ended").during(operation);
    let send = |message| outbox.send(message).map_err(gone);
    from.session(|session| {
        let (sql, params) = query(session.dialect()?);
        let mut rows = session.rows_of_reading(operation, &sql, params)?;
        let (mut begun, mut chunk, mut bytes) = (false, Vec::new(), 0);
        loop {
            let row = rows.next().transpose()?;
            if !begun {
                begun = true;
                send(Message::Columns(rows.columns().map(str::to_owned).collect()))?;
            }
            let Some(row) = row else { break };
            let row = row.into_values();
            bytes += row.iter().map(Value::weight).sum::<usize>();
            chunk.push(row);
            if chunk.len() == ROWS || bytes >= BYTES {
                bytes = 0;
                send(Message::Rows(std::mem::replace(&mut chunk, Vec::with_capacity(ROWS))))?;
            }
        }
        send(Message::Rows(chunk))?;
        send(Message::End)
    })
}

/// The rows as they arrive on the writing side.
struct Incoming {
    inbox: Receiver<Message>,
    rows: VecDeque<Vec<Value>>,
    /// The end of the whole copy.
    until: Deadline,
    /// The places of the values that are not written, in their order.
    left_out: Vec<usize>,
}

impl Incoming {
    fn columns(&mut self) -> Result<Vec<String>> {
        match self.receive()? {
            Message::Columns(columns) => Ok(columns),
            Message::Rows(_) | Message::End => Err(torn()),
        }
    }

    /// Removes the columns at these positions, and their values from every row.
    fn leave_out(&mut self, columns: &mut Vec<String>, places: Vec<usize>) {
        for place in places.iter().rev() {
            columns.remove(*place);
        }
        self.left_out = places;
    }

    fn receive(&mut self) -> Result<Message> {
        context::receive(&self.inbox, self.until).map_err(|missed| match missed {
            // What was loaded is rolled back.
            RecvTimeoutError::Timeout => {
                context::in_force(self.until).passed(Phase::Query).with_effect(Effect::RolledBack)
            }
            RecvTimeoutError::Disconnected => torn(),
        })
    }
}

/// The channel has ended without a last message: the reading side has the reason.
fn torn() -> Error {
    Error::new(ErrorKind::Cancelled, "the reading side of the copy has failed")
}

impl Iterator for &mut Incoming {
    type Item = Result<Vec<Value>>;

    fn next(&mut self) -> Option<Result<Vec<Value>>> {
        loop {
            if let Some(mut row) = self.rows.pop_front() {
                for place in self.left_out.iter().rev() {
                    row.remove(*place);
                }
                return Some(Ok(row));
            }
            match self.receive() {
                Ok(Message::Rows(rows)) => self.rows = rows.into(),
                Ok(Message::End) => return None,
                Ok(Message::Columns(_)) => return Some(Err(torn())),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
