//! The recorded calls of a mock.

use std::collections::HashMap;
use std::fmt;

use crate::error::ErrorKind;
use crate::value::Value;

/// One statement that reached a mock.
///
/// `Debug` prints the text, and the names and types of the parameters.
#[derive(Clone, PartialEq)]
pub struct MockCall {
    connection: u64,
    in_transaction: bool,
    sql: String,
    params: Vec<(Box<str>, Value)>,
    rows: Vec<Vec<Value>>,
    failed: Option<ErrorKind>,
}

impl MockCall {
    pub(super) fn new(
        connection: u64,
        in_transaction: bool,
        sql: &str,
        params: Vec<(Box<str>, Value)>,
    ) -> MockCall {
        MockCall { connection, in_transaction, sql: sql.to_owned(), params, rows: Vec::new(), failed: None }
    }

    /// A mass load, in the form of the `COPY` that PostgreSQL gets.
    pub(super) fn of_load(
        connection: u64,
        in_transaction: bool,
        table: &str,
        columns: &[Box<str>],
        rows: Vec<Vec<Value>>,
    ) -> MockCall {
        let sql = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
        MockCall { rows, ..MockCall::new(connection, in_transaction, &sql, Vec::new()) }
    }

    /// What stands for a call where there is none: a connection, a commit.
    pub(super) fn none(connection: u64) -> MockCall {
        MockCall::new(connection, false, "", Vec::new())
    }

    pub(super) fn failed(mut self, kind: Option<ErrorKind>) -> MockCall {
        self.failed = kind;
        self
    }

    /// The text as the program wrote it, with its `:name` parameters. A mass load reads
    /// `COPY table (column, …) FROM STDIN`.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The value of a parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// All parameters, in the order of the text.
    pub fn params(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.params.iter().map(|(name, value)| (&**name, value))
    }

    /// The rows of a mass load.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// Whether it ran inside a transaction.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// The kind of the error that the mock answered with.
    #[must_use]
    pub fn error(&self) -> Option<ErrorKind> {
        self.failed
    }
}

impl fmt::Debug for MockCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MockCall");
        debug.field("sql", &self.sql).field("params", &self.params).field("failed", &self.failed);
        debug.field("rows", &self.rows.len()).field("in_transaction", &self.in_transaction).finish()
    }
}

/// One event on a mock. Connections are identified by a number.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MockEvent {
    /// A connection was requested; with the kind of the error if it was refused.
    Connected {
        /// Which one.
        connection: u64,
        /// Why it was refused.
        failed: Option<ErrorKind>,
    },
    /// A statement.
    Call(MockCall),
    /// A transaction began.
    Begun {
        /// On which connection.
        connection: u64,
    },
    /// A savepoint was made, released or undone.
    Savepoint {
        /// On which connection.
        connection: u64,
        /// By which statement.
        sql: String,
    },
    /// A commit; with the kind of the error if it failed.
    Committed {
        /// On which connection.
        connection: u64,
        /// Why it was not.
        failed: Option<ErrorKind>,
    },
    /// A transaction was rolled back.
    RolledBack {
        /// On which connection.
        connection: u64,
    },
}

impl MockEvent {
    pub(super) fn into_call(self) -> Option<MockCall> {
        match self {
            MockEvent::Call(call) => Some(call),
            _ => None,
        }
    }

    /// Whether a transaction is open on the connection after this; `None` where it says nothing about that.
    pub(super) fn opens(&self, connection: u64) -> Option<bool> {
        match self {
            MockEvent::Begun { connection: its } if *its == connection => Some(true),
            MockEvent::Committed { connection: its, .. } | MockEvent::RolledBack { connection: its }
                if *its == connection =>
            {
                Some(false)
            }
            _ => None,
        }
    }
}

/// The calls whose effect stayed.
pub(super) fn committed(events: &[MockEvent]) -> Vec<MockCall> {
    // By place in `events`, so that the calls come out in the order in which they were made.
    let mut open: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut kept = Vec::new();
    for (place, event) in events.iter().enumerate() {
        match event {
            MockEvent::Begun { connection } => drop(open.insert(*connection, Vec::new())),
            MockEvent::RolledBack { connection } | MockEvent::Committed { connection, failed: Some(_) } => {
                drop(open.remove(connection));
            }
            MockEvent::Committed { connection, failed: None } => {
                kept.extend(open.remove(connection).unwrap_or_default());
            }
            MockEvent::Call(call) if call.failed.is_none() => match open.get_mut(&call.connection) {
                Some(calls) => calls.push(place),
                None => kept.push(place),
            },
            // What a savepoint undid is gone; one that is released or made changes nothing.
            MockEvent::Savepoint { connection, sql } if sql.starts_with("ROLLBACK TO ") => {
                let made = sql.replacen("ROLLBACK TO ", "", 1);
                let since = events[..place].iter().rposition(
                    |event| matches!(event, MockEvent::Savepoint { connection: its, sql } if its == connection && *sql == made),
                );
                if let (Some(since), Some(calls)) = (since, open.get_mut(connection)) {
                    calls.retain(|call| *call < since);
                }
            }
            _ => (),
        }
    }
    kept.sort_unstable();
    let calls = kept.into_iter().filter_map(|place| events[place].clone().into_call());
    calls.collect()
}
