//! A database that is a program's own script: what it answers, a test has said beforehand. With the feature `testing`.
//!
//! All above the seam is the real thing: pool, parameters, transactions, deadlines and retries work on a scripted
//! connection as on any other. What is here behaves as PostgreSQL does where a program can tell: an error inside of
//! a transaction leaves only rolling back, and a connection that failed is not used again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, never};

use super::{Begin, Connection, Connector, Cursor, Listener, LoadTarget, RowSource, Rows};
use crate::context;
use crate::deadline::{Budget, Deadline};
use crate::dialect::Dialect;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::row::{Columns, Row};
use crate::sql::Statement;
use crate::value::Value;

/// What a scripted database is asked for.
#[derive(Debug)]
pub(crate) enum Asked<'a> {
    /// A new connection.
    Connect,
    /// One statement: the text that the program wrote, and its parameters.
    Statement {
        sql: &'a str,
        params: Vec<(Box<str>, Value)>,
    },
    /// A text of several statements.
    Script(&'a str),
    /// Rows for a table.
    Load {
        table: &'a str,
        columns: &'a [Box<str>],
        rows: Vec<Vec<Value>>,
    },
    Begin,
    Commit,
    Rollback,
    Ping,
}

/// What it answers.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) rows: Vec<Row>,
    pub(crate) changed: u64,
    /// How long it takes.
    pub(crate) latency: Duration,
    /// The answer is this error, after the same time.
    pub(crate) error: Option<Error>,
}

/// Who answers. `connection` tells the connections of a script apart.
pub(crate) trait Script: Send + Sync {
    fn answer(&self, connection: u64, asked: Asked<'_>) -> Reply;
}

static SCRIPTS: LazyLock<Mutex<HashMap<u64, Weak<dyn Script>>>> = LazyLock::new(Mutex::default);

fn scripts() -> MutexGuard<'static, HashMap<u64, Weak<dyn Script>>> {
    SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a script known; it can be connected to by its number for as long as somebody else holds it.
pub(crate) fn register(script: &Arc<dyn Script>) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut scripts = scripts();
    scripts.retain(|_, script| script.strong_count() > 0);
    scripts.insert(number, Arc::downgrade(script));
    number
}

/// Connects to the script of one number.
#[derive(Debug)]
pub(super) struct ScriptedConnector {
    pub(super) number: u64,
}

impl Connector for ScriptedConnector {
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn Connection>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let script = scripts().get(&self.number).and_then(Weak::upgrade).ok_or_else(|| {
            Error::new(ErrorKind::Connect, "the mock of this connection string is gone")
                .with_effect(Effect::NotSent)
                .with_hint("keep the `MockDatabase` for as long as its handles are used")
        })?;
        let mut connection = Scripted {
            script,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            state: State::Idle,
            read_only: false,
            broken: false,
            load: None,
        };
        connection.ask(Asked::Connect, deadline, Phase::Connect)?;
        Ok(Box::new(connection))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    /// Something failed in the transaction.
    Failed,
}

struct Scripted {
    script: Arc<dyn Script>,
    number: u64,
    state: State,
    /// Whether the transaction reads only.
    read_only: bool,
    broken: bool,
    load: Option<LoadTarget>,
}

impl Scripted {
    /// Has the script answer, and waits as long as it says, but not beyond the deadline.
    fn ask(&mut self, asked: Asked<'_>, deadline: Deadline, phase: Phase) -> Result<Reply> {
        self.usable()?;
        deadline.left_for(phase, Instant::now())?;
        let reply = self.script.answer(self.number, asked);
        if !reply.latency.is_zero() {
            let done = Deadline::after(Instant::now(), reply.latency);
            let wait = done.earlier(deadline);
            if context::receive(&never::<()>(), wait) != Err(RecvTimeoutError::Timeout)
                || !done.left(Instant::now()).is_zero()
            {
                self.broken = true;
                return Err(context::in_force(deadline).passed(phase));
            }
        }
        match reply.error {
            Some(error) => {
                // What a server refuses leaves its connection as it was; what befell the connection does not.
                self.broken |= matches!(
                    error.kind(),
                    ErrorKind::Connect
                        | ErrorKind::Timeout(_)
                        | ErrorKind::OutcomeUnknown
                        | ErrorKind::Cancelled
                );
                Err(error)
            }
            None => Ok(reply),
        }
    }

    /// Refuses what a connection does not do that has failed before.
    fn usable(&self) -> Result<()> {
        match self.broken {
            false => Ok(()),
            true => Err(Error::new(ErrorKind::Connect, "the connection has failed before")
                .with_effect(Effect::NotSent)),
        }
    }

    /// Refuses to write in a transaction that reads only, which is doomed by that.
    fn may_write(&mut self) -> Result<()> {
        if !self.read_only || self.state != State::Open {
            return Ok(());
        }
        self.state = State::Failed;
        Err(Error::new(ErrorKind::ReadOnly, "the transaction was begun to read only")
            .with_codes(Some("25006"), None))
    }

    /// The same inside of whatever is open: an error there leaves only rolling back.
    fn ask_within(&mut self, asked: Asked<'_>, deadline: Deadline, phase: Phase) -> Result<Reply> {
        self.usable()?;
        if self.state == State::Failed {
            return Err(Error::new(
                ErrorKind::Database,
                "an earlier statement of this transaction failed, and it can only be rolled back",
            )
            .with_codes(Some("25P02"), None));
        }
        let outcome = self.ask(asked, deadline, phase);
        if outcome.is_err() && self.state == State::Open {
            self.state = State::Failed;
        }
        outcome
    }

    fn statement(&mut self, statement: &Statement, budget: Budget) -> Result<Reply> {
        self.usable()?;
        if writes(statement) {
            self.may_write()?;
        }
        let asked = Asked::Statement { sql: statement.source(), params: statement.named_args() };
        // What is known of a statement whose connection was lost under it does not depend on who lost it: it was
        // undone with its transaction, it did nothing because it only reads, or nobody knows.
        let undone = match (self.state, statement.traits.acts) {
            (State::Open, _) => Some(Effect::RolledBack),
            (_, false) => Some(Effect::NotSent),
            (_, true) => None,
        };
        self.ask_within(asked, budget.step(Instant::now()), Phase::Query).map_err(|error| {
            match (error.kind(), undone) {
                (ErrorKind::Timeout(Phase::Query), Some(effect)) => error.with_effect(effect),
                (ErrorKind::OutcomeUnknown, Some(effect)) => {
                    error.with_kind(ErrorKind::Connect).with_effect(effect)
                }
                _ => error,
            }
        })
    }
}

/// Statements that may do something and that PostgreSQL does not refuse in a transaction that reads only: it refuses
/// what they lead to.
const NEVER_REFUSED: &[&str] = &["SET", "RESET", "LISTEN", "UNLISTEN", "NOTIFY", "CALL", "DO", "LOCK"];

/// Whether a transaction that reads only refuses the statement, as far as its words tell.
fn writes(statement: &Statement) -> bool {
    let word = statement.source().split_whitespace().next().unwrap_or_default();
    statement.traits.writes
        && !statement.traits.transaction_control
        && !NEVER_REFUSED.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// An answer that is read row by row. All of it is there; a reader that stops early ends the connection as it would
/// end one to a server.
struct Answered<'c> {
    connection: &'c mut Scripted,
    columns: Option<Arc<Columns>>,
    rows: std::vec::IntoIter<Row>,
}

impl Cursor for Answered<'_> {
    fn columns(&self) -> Option<&Arc<Columns>> {
        self.columns.as_ref()
    }

    fn next(&mut self) -> Result<Option<Row>> {
        Ok(self.rows.next())
    }

    fn close(&mut self) -> bool {
        let early = self.rows.len() > 0;
        self.connection.broken |= early;
        self.rows = Vec::new().into_iter();
        early
    }
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

impl Connection for Scripted {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn run(&mut self, statement: &Statement, rows: Rows<'_>, budget: Budget) -> Result<u64> {
        // A savepoint of ours that is undone takes back what had failed in it.
        if statement.source().starts_with("ROLLBACK TO ") && self.state == State::Failed {
            self.state = State::Open;
        }
        let reply = self.statement(statement, budget)?;
        let count = reply.changed.max(reply.rows.len() as u64);
        match rows {
            Rows::Ignore => (),
            Rows::Collect(kept) => kept.extend(reply.rows),
            Rows::Sets(_) if reply.rows.is_empty() => (),
            Rows::Sets(sets) => sets.push(reply.rows),
        }
        Ok(count)
    }

    fn stream<'c>(&'c mut self, statement: &Statement, budget: Budget) -> Result<Box<dyn Cursor + 'c>> {
        let reply = self.statement(statement, budget)?;
        let columns = reply.rows.first().map(|row| Arc::clone(row.shared_columns()));
        Ok(Box::new(Answered { connection: self, columns, rows: reply.rows.into_iter() }))
    }

    fn run_script(&mut self, text: &str, deadline: Deadline) -> Result<()> {
        self.ask_within(Asked::Script(text), deadline, Phase::Query).map(drop)
    }

    /// As PostgreSQL does, whose SQL a script is asked in.
    fn refuses_writes(&self) -> bool {
        true
    }

    /// A script sees the statement that the program wrote, once for each record.
    fn takes_many_rows(&self) -> bool {
        false
    }

    /// It says nothing.
    fn listen(&mut self, _listener: Option<Listener>) {}

    fn begin_load(&mut self, target: &LoadTarget, _: Budget) -> Result<()> {
        self.usable()?;
        self.may_write()?;
        self.load = Some(target.clone());
        Ok(())
    }

    fn load(&mut self, source: &mut dyn RowSource, budget: Budget) -> Result<u64> {
        let target = self.load.clone().ok_or_else(|| Error::usage("no load was begun"))?;
        let (mut rows, mut row) = (Vec::new(), Vec::new());
        while source.next(&mut row)? {
            rows.push(std::mem::take(&mut row));
        }
        let count = rows.len() as u64;
        let asked = Asked::Load { table: &target.name, columns: &target.columns, rows };
        self.ask_within(asked, budget.step(Instant::now()), Phase::Query)?;
        Ok(count)
    }

    fn begin(&mut self, begin: Begin, deadline: Deadline) -> Result<()> {
        self.ask(Asked::Begin, deadline, Phase::Query)?;
        self.state = State::Open;
        self.read_only = begin.read_only;
        Ok(())
    }

    fn commit(&mut self, deadline: Deadline) -> Result<()> {
        if self.broken {
            self.state = State::Idle;
            return Err(Error::new(
                ErrorKind::Connect,
                "the connection failed in this transaction, which is thereby undone",
            )
            .with_effect(Effect::RolledBack));
        }
        let outcome = self.ask_within(Asked::Commit, deadline, Phase::Commit).map(drop);
        self.state = State::Idle;
        outcome
    }

    fn rollback(&mut self, deadline: Deadline) -> Result<()> {
        self.state = State::Idle;
        self.ask(Asked::Rollback, deadline, Phase::Rollback).map(drop)
    }

    fn ping(&mut self, deadline: Deadline) -> Result<()> {
        self.ask(Asked::Ping, deadline, Phase::Ping).map(drop)
    }

    fn reset(&mut self, _: Deadline) -> Result<()> {
        Ok(())
    }

    fn is_broken(&self) -> bool {
        self.broken
    }
}
