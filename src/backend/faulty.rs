//! A connection that fails where a test has ordered it to. With the feature `testing`.
//!
//! It stands around a real connection and looks to all above as that one would look in trouble: what a lost
//! connection means, for a read, a write, a transaction or a commit, is told by the rules of the real rooms.

use std::sync::Arc;

use super::{
    Abandoned, Begin, CommitMark, Connection, Connector, Cursor, Listener, LoadTarget, RowSource, Rows,
};
use crate::deadline::{Budget, Deadline};
use crate::dialect::Dialect;
use crate::error::{Effect, Error, ErrorKind, Result};
use crate::fault::{FaultInjector, FaultPoint};
use crate::row::Columns;
use crate::sql::Statement;

pub(super) struct FaultyConnector {
    pub(super) inner: Arc<dyn Connector>,
    pub(super) faults: FaultInjector,
}

impl Connector for FaultyConnector {
    fn connect(&self, deadline: Deadline) -> Result<Box<dyn Connection>> {
        if self.faults.strikes(FaultPoint::Connect) {
            return Err(Error::new(ErrorKind::Connect, "the connection was refused by an ordered fault")
                .with_effect(Effect::NotSent));
        }
        let inner = self.inner.connect(deadline)?;
        Ok(Box::new(Faulty { inner, faults: self.faults.clone(), open: false, state: State::Sound }))
    }

    fn abandoned(&self) -> Abandoned {
        self.inner.abandoned()
    }
}

/// What faults have made of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    /// The server has undone the transaction, which is still open and can only be rolled back.
    Undone,
    /// It is gone. The real one behind it is sound and must not be reached: no lost connection carries anything out.
    Lost,
}

struct Faulty {
    inner: Box<dyn Connection>,
    faults: FaultInjector,
    /// Whether a transaction is open.
    open: bool,
    state: State,
}

impl Faulty {
    /// Loses the connection: it is closed, and the server undoes what was not committed.
    fn lose(&mut self, acts: bool) -> Error {
        self.state = State::Lost;
        let (kind, effect) = match (self.open, acts) {
            (true, _) => (ErrorKind::Connect, Effect::RolledBack),
            (false, false) => (ErrorKind::Connect, Effect::NotSent),
            (false, true) => (ErrorKind::OutcomeUnknown, Effect::Unknown),
        };
        Error::new(kind, "the connection was lost by an ordered fault").with_effect(effect)
    }

    /// Refuses what a connection does not do after a fault.
    fn usable(&self) -> Result<()> {
        match self.state {
            State::Sound => Ok(()),
            State::Undone => Err(undone_before()),
            State::Lost => {
                Err(Error::new(ErrorKind::Connect, "the connection was lost before by an ordered fault")
                    .with_effect(Effect::NotSent))
            }
        }
    }

    /// What strikes before a statement.
    fn before(&mut self, acts: bool) -> Result<()> {
        self.usable()?;
        if self.faults.strikes(FaultPoint::BeforeStatement) {
            return Err(self.lose(acts));
        }
        if self.faults.strikes(FaultPoint::Deadlock) {
            if self.open {
                self.state = State::Undone;
            }
            return Err(Error::new(
                ErrorKind::Conflict,
                "an ordered fault: the server undid it for another transaction",
            )
            .with_codes(Some("40P01"), None)
            .with_effect(Effect::RolledBack));
        }
        Ok(())
    }

    /// What strikes after a statement that has succeeded.
    fn after<T>(&mut self, acts: bool, outcome: Result<T>) -> Result<T> {
        if outcome.is_ok() && self.faults.strikes(FaultPoint::AfterStatement) {
            return Err(self.lose(acts));
        }
        outcome
    }
}

/// What PostgreSQL says in a transaction that it has undone.
fn undone_before() -> Error {
    Error::new(ErrorKind::Database, "the transaction was undone before by an ordered fault")
        .with_codes(Some("25P02"), None)
}

impl Connection for Faulty {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn run(&mut self, statement: &Statement, rows: Rows<'_>, budget: Budget) -> Result<u64> {
        let acts = statement.traits.acts;
        self.before(acts)?;
        let outcome = self.inner.run(statement, rows, budget);
        self.after(acts, outcome)
    }

    fn stream<'c>(&'c mut self, statement: &Statement, budget: Budget) -> Result<Box<dyn Cursor + 'c>> {
        self.before(statement.traits.acts)?;
        self.inner.stream(statement, budget)
    }

    fn describe(&mut self, statement: &Statement, budget: Budget) -> Result<Option<Arc<Columns>>> {
        self.inner.describe(statement, budget)
    }

    fn run_script(&mut self, text: &str, deadline: Deadline) -> Result<()> {
        self.before(true)?;
        let outcome = self.inner.run_script(text, deadline);
        self.after(true, outcome)
    }

    fn listen(&mut self, listener: Option<Listener>) {
        self.inner.listen(listener);
    }

    fn begin_load(&mut self, target: &LoadTarget, budget: Budget) -> Result<()> {
        self.usable()?;
        self.inner.begin_load(target, budget)
    }

    fn load(&mut self, source: &mut dyn RowSource, budget: Budget) -> Result<u64> {
        self.before(true)?;
        let outcome = self.inner.load(source, budget);
        self.after(true, outcome)
    }

    fn begin(&mut self, begin: Begin, deadline: Deadline) -> Result<()> {
        self.usable()?;
        self.inner.begin(begin, deadline)?;
        self.open = true;
        Ok(())
    }

    fn commit(&mut self, deadline: Deadline) -> Result<()> {
        match self.state {
            State::Sound => (),
            State::Undone => {
                self.rollback(deadline)?;
                return Err(undone_before());
            }
            State::Lost => {
                self.open = false;
                return Err(Error::new(
                    ErrorKind::Connect,
                    "the connection was lost in this transaction by an ordered fault, which undid it",
                )
                .with_effect(Effect::RolledBack));
            }
        }
        self.open = false;
        if self.faults.strikes(FaultPoint::BeforeCommit) {
            return Err(self.lose(true));
        }
        self.inner.commit(deadline)?;
        if self.faults.strikes(FaultPoint::AfterCommit) {
            return Err(self.lose(true));
        }
        Ok(())
    }

    fn takes_many_rows(&self) -> bool {
        self.inner.takes_many_rows()
    }

    fn refuses_writes(&self) -> bool {
        self.inner.refuses_writes()
    }

    fn commit_mark(&self) -> Option<CommitMark> {
        self.inner.commit_mark()
    }

    fn rollback(&mut self, deadline: Deadline) -> Result<()> {
        self.open = false;
        if self.state == State::Lost {
            // The server has undone it by itself.
            return Ok(());
        }
        self.state = State::Sound;
        self.inner.rollback(deadline)
    }

    fn ping(&mut self, deadline: Deadline) -> Result<()> {
        self.usable()?;
        self.inner.ping(deadline)
    }

    fn reset(&mut self, deadline: Deadline) -> Result<()> {
        self.usable()?;
        self.inner.reset(deadline)
    }

    fn driver(&self) -> Option<String> {
        self.inner.driver()
    }

    fn has_failed(&self) -> bool {
        self.state == State::Lost || self.inner.has_failed()
    }

    fn opening(&self) -> String {
        self.inner.opening()
    }

    fn is_broken(&self) -> bool {
        self.state == State::Lost || self.inner.is_broken()
    }
}
