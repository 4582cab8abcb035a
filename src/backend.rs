//! The seam between the library and a driver: one small private trait, and the two rooms behind it.
//!
//! Nothing above this file knows which driver a connection has, and nothing here knows of pools,
//! retries or migrations. The choice of the room is made in one place, [`connector`].

use std::sync::Arc;

pub(crate) use self::notices::Listener;
pub(crate) use self::reach::{Found, Told};
use crate::deadline::{Budget, Deadline};
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Object, Result};
use crate::row::{Columns, Row};
use crate::settings::{Settings, Target};
use crate::sql::Statement;
use crate::value::Value;

#[cfg(feature = "testing")]
mod faulty;
mod notices;
#[cfg(feature = "odbc")]
mod odbc;
#[cfg(feature = "postgres")]
mod postgres;
mod reach;
mod rotating;
#[cfg(feature = "testing")]
pub(crate) mod scripted;

/// What becomes of the rows of a statement.
pub(crate) enum Rows<'a> {
    /// They are counted by the database and thrown away.
    Ignore,
    /// They are kept. The whole result is one step under one deadline.
    Collect(&'a mut Vec<Row>),
    /// The rows of every result of the statement are kept, each result by itself, under one deadline.
    Sets(&'a mut Vec<Vec<Row>>),
}

/// A result that is read row by row, in bounded memory. It has the connection to itself.
///
/// Dropped before its end it is cancelled on the server, and the connection is broken.
pub(crate) trait Cursor {
    /// The names of the columns; `None` where they come with the first row only.
    fn columns(&self) -> Option<&Arc<Columns>>;

    /// The next row; `None` behind the last one, when all was read and nothing had failed.
    ///
    /// Each fetch has its own deadline, and the time between two of them counts for none. An error is the end, and
    /// `None` follows on it; but for a row that cannot be read (`Decode`), which the others may follow.
    fn next(&mut self) -> Result<Option<Row>>;

    /// Reads no further row. True when that was the end of the connection; false when all had come by then.
    fn close(&mut self) -> bool;
}

/// Where the rows of a mass load go.
#[derive(Debug, Clone)]
pub(crate) struct LoadTarget {
    /// The table, its parts quoted.
    pub(crate) table: String,
    /// The table's own name, without its schema and without quotes.
    pub(crate) name: String,
    /// The columns, not quoted.
    pub(crate) columns: Arc<[Box<str>]>,
    /// The table that it stands for, where it is one of the session: what that one's columns are, its catalog says, and of
    /// this one not every catalog does, or not all.
    #[cfg_attr(
        not(feature = "odbc"),
        allow(dead_code, reason = "`COPY` is told by PostgreSQL's own description")
    )]
    pub(crate) stands_for: Option<Box<LoadTarget>>,
}

/// The database's refusal of a load that had values for a column which the database fills by itself, in our words.
pub(crate) fn takes_no_values(table: &str, column: Option<&str>, refusal: &Error) -> Error {
    let object = Object { table: Some(table.into()), column: column.map(Box::from), ..Object::default() };
    Error::new(ErrorKind::Constraint, "a value is given for a column that the database generates")
        .with_object(object)
        .with_hint("leave it out of the columns; of a file, by `ImportOptions::ignore`")
        .with_codes(refusal.sqlstate(), refusal.native_code())
        .with_effect(refusal.effect())
        .with_source_of(refusal)
}

/// Rows on their way into a table.
pub(crate) trait RowSource {
    /// Puts the values of the next row into `row`, which is empty: as many as the target has columns. False where
    /// the chunk has no more.
    fn next(&mut self, row: &mut Vec<Value>) -> Result<bool>;

    /// How many rows it has given: the number of the record that came last, for messages.
    fn given(&self) -> u64;
}

/// The isolation level of a transaction.
///
/// ```no_run
/// use batchdb::{DatabaseManager, Isolation, TransactionOptions};
///
/// let db = DatabaseManager::new("rpa_db")?;
/// let options = TransactionOptions::new().isolation(Isolation::Serializable);
/// db.transaction_with(options, |tx| tx.execute("UPDATE counter SET n = n + 1", ()))?;
/// # Ok::<(), batchdb::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// Rows that the transaction has read do not change for it until its end.
    RepeatableRead,
    /// The transactions have the same effect as if they ran one after the other.
    Serializable,
    /// The whole transaction sees one state of the database, and fails if it would overwrite a later change. On SQL
    /// Server it is `SNAPSHOT`, which needs `ALLOW_SNAPSHOT_ISOLATION` to be on for the database; on PostgreSQL it is
    /// `REPEATABLE READ`.
    Snapshot,
}

impl Isolation {
    /// The level in the words of the SQL standard, and PostgreSQL's, which has no level of the standard between.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead | Isolation::Snapshot => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        }
    }
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Begin {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) read_only: bool,
    /// The server gives the transaction a mark by which its end can be asked for; see [`CommitMark`].
    pub(crate) settle: bool,
}

/// By what another connection can ask whether a transaction was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitMark {
    /// The transaction's number.
    pub(crate) transaction: String,
    /// The history that the number belongs to: on another server, or after a standby took over, it means nothing.
    pub(crate) history: String,
}

/// One connection to a database. Used by one thread at a time.
///
/// Every method returns by its deadline + 500 ms, whatever the server does. A connection that was
/// cancelled, timed out or failed in its transport says so by [`is_broken`](Connection::is_broken), and
/// is never used again.
pub(crate) trait Connection: Send {
    /// Which SQL the server at the other end speaks.
    fn dialect(&self) -> Dialect;

    /// Runs one statement and hands its rows over. Returns how many rows it returned or changed.
    fn run(&mut self, statement: &Statement, rows: Rows<'_>, budget: Budget) -> Result<u64>;

    /// Runs one statement whose rows are asked for one by one.
    fn stream<'c>(&'c mut self, statement: &Statement, budget: Budget) -> Result<Box<dyn Cursor + 'c>>;

    /// The columns of a statement that [`stream`](Connection::stream) would tell with the first row only, which may never
    /// come. `None` where it tells them before.
    fn describe(&mut self, _statement: &Statement, _budget: Budget) -> Result<Option<Arc<Columns>>> {
        Ok(None)
    }

    /// Runs one text without parameters that may hold several statements, and drops their rows.
    fn run_script(&mut self, text: &str, deadline: Deadline) -> Result<()>;

    /// Whether the session of a database that is only to be read refuses by itself what a function would write.
    fn refuses_writes(&self) -> bool;

    /// Whether the records of an `execute_many` may go as the rows of one statement.
    fn takes_many_rows(&self) -> bool;

    /// From now on what the server says besides results is logged for this listener, as it comes; or no longer.
    fn listen(&mut self, listener: Option<Listener>);

    /// Looks at the table that rows are to be loaded into, and remembers it for [`load`](Connection::load). To be
    /// called in the transaction of the loading, so that the table stays as it was found.
    fn begin_load(&mut self, target: &LoadTarget, budget: Budget) -> Result<()>;

    /// Puts rows into the table of the last [`begin_load`](Connection::begin_load), in the open transaction: all that
    /// the source gives, or fewer where they are enough for one statement. Returns how many; `Ok` means that the
    /// database has counted as many. The budget's limit on each step is one on the whole call, without the time that
    /// the source takes. An error names the record, where anybody knows it, and leaves only rolling back.
    fn load(&mut self, source: &mut dyn RowSource, budget: Budget) -> Result<u64>;

    /// Opens a transaction.
    fn begin(&mut self, begin: Begin, deadline: Deadline) -> Result<()>;

    /// Commits. `Ok` means that the server has committed; a connection that breaks after the request was
    /// sent gives [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    fn commit(&mut self, deadline: Deadline) -> Result<()>;

    /// The mark of the transaction that was begun last, where it was asked for and the database has such marks.
    fn commit_mark(&self) -> Option<CommitMark> {
        None
    }

    /// Rolls back.
    fn rollback(&mut self, deadline: Deadline) -> Result<()>;

    /// Asks the server for a sign of life.
    fn ping(&mut self, deadline: Deadline) -> Result<()>;

    /// Makes the session as good as new, or breaks the connection where that cannot be done.
    fn reset(&mut self, deadline: Deadline) -> Result<()>;

    /// What the session was told when it was opened and a `RESET ALL` takes back: statements, each with its semicolon.
    fn opening(&self) -> String {
        String::new()
    }

    /// Whether the connection must be thrown away.
    fn is_broken(&self) -> bool;

    /// Whether it has failed, so that nothing more can be sent by it.
    fn has_failed(&self) -> bool {
        self.is_broken()
    }

    /// The driver's name and version, where there is a driver besides this library.
    fn driver(&self) -> Option<String> {
        None
    }
}

/// Opens connections to one database.
pub(crate) trait Connector: Send + Sync {
    /// Opens one connection. Names are resolved, and every byte up to the end of the login is exchanged,
    /// before `deadline`.
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn Connection>>;

    /// The threads that a driver holds for connections that nobody has any more.
    fn abandoned(&self) -> Abandoned {
        Abandoned::default()
    }
}

/// Threads in calls of a driver that nobody waits for any longer. Each ends when its call returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Abandoned {
    /// In calls that were given up: the driver had its time, and a cancel.
    pub(crate) stuck: usize,
    /// Closing their connections.
    pub(crate) closing: usize,
    /// Those of the closing ones that take longer than a close does.
    pub(crate) overdue: usize,
}

impl Abandoned {
    /// All of them.
    pub(crate) fn all(self) -> usize {
        self.stuck + self.closing
    }

    /// Those of which there should be none.
    pub(crate) fn not_returned(self) -> usize {
        self.stuck + self.overdue
    }

    /// Those of two connectors.
    pub(crate) fn and(self, other: Abandoned) -> Abandoned {
        Abandoned {
            stuck: self.stuck + other.stuck,
            closing: self.closing + other.closing,
            overdue: self.overdue + other.overdue,
        }
    }
}

/// The connector for these settings.
///
/// # Errors
///
/// `Config`, when the backend that the settings name was not compiled in, or refuses them.
pub(crate) fn connector(settings: &Settings) -> Result<Arc<dyn Connector>> {
    let mut connector = room(settings)?;
    if settings.may_rotate() {
        connector = Arc::new(rotating::Rotating::new(settings, connector));
    }
    #[cfg(feature = "testing")]
    if let Some(faults) = &settings.faults {
        return Ok(Arc::new(faulty::FaultyConnector { inner: connector, faults: faults.clone() }));
    }
    Ok(connector)
}

/// Goes the way to the database as far as it can be gone without a login, and tells of each step. The first error is the
/// end. Every step ends by `CONNECT_TIMEOUT` and by `whole`.
pub(crate) fn probe(settings: &Settings, whole: Deadline, told: Told<'_>) {
    match settings.target() {
        #[cfg(feature = "postgres")]
        Target::Postgres(target) => postgres::probe(target, settings.connect_timeout, whole, told),
        #[cfg(feature = "odbc")]
        Target::Odbc(target) => {
            odbc::probe(target, settings.read_only, settings.connect_timeout, whole, told);
        }
        // What is left is refused when it is opened.
        #[allow(
            unreachable_patterns,
            reason = "reached when a backend is left out of the build, and for mocks"
        )]
        _ => drop((whole, told)),
    }
}

fn room(settings: &Settings) -> Result<Arc<dyn Connector>> {
    match settings.target() {
        #[cfg(feature = "postgres")]
        Target::Postgres(target) => Ok(Arc::new(postgres::PostgresConnector::new(target, settings)?)),
        #[cfg(feature = "odbc")]
        Target::Odbc(target) => Ok(Arc::new(odbc::OdbcConnector::new(target, settings)?)),
        #[cfg(feature = "testing")]
        Target::Mock(number) => Ok(Arc::new(scripted::ScriptedConnector { number: *number })),
        #[allow(unreachable_patterns, reason = "reached when a backend is left out of the build")]
        other => Err(Error::config(format!("this build of batchdb has no backend for {}", other.describe()))
            .with_hint("enable the feature `postgres` or `odbc` of the crate")),
    }
}
