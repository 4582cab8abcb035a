//! The caller's side of a connection: it sends work to the connection's thread and waits, never longer
//! than the deadline and a short grace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use log::Level;

use crate::backend::{Begin, Connection, Cursor, Listener, LoadTarget, RowSource, Rows};
use crate::context;
use crate::deadline::{Budget, Deadline};
use crate::dialect::Dialect;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::log_line;
use crate::settings::scrub;
use crate::sql::Statement;

use super::bind::{Forms, Long, arguments};
use super::cells::Chunk;
use super::classify::{Moment, judge, lost};
use super::decode::Decoder;
use super::diagnostics::Failure;
use super::flavor::Flavor;
use super::link::{Gauge, Link, Why};
use super::load::Load;
use super::session::{Address, Opened};
use super::stream::OdbcRows;
use super::text::text_for;
use super::transaction::{Control, begins_with_rollback};
use super::worker::{Job, Reply, Wanted, Work, replies, spawn};

mod failures;
mod parting;
mod spelling;

pub(super) use failures::driver_panicked;
use failures::{carried_out, not_opened, only_rollback, thread_gone, timed_out};
use spelling::Spelling;

/// The time for a thread that is between two driver calls to stop by itself. A cancel that meets no
/// waiting call is one that no driver can get wrong.
const BREATH: Duration = Duration::from_millis(10);

/// The time for a cancelled driver call to return.
const GRACE: Duration = Duration::from_millis(200);

/// A connection through an ODBC driver.
pub(super) struct OdbcConnection {
    address: Arc<Address>,
    flavor: Flavor,
    long: Long,
    driver: String,
    /// `None` only while the connection is dropped.
    jobs: Option<Sender<Job>>,
    ended: Receiver<()>,
    link: Arc<Link>,
    transaction: Transaction,
    /// True also while a call is under way, so that whoever leaves one early leaves a broken connection.
    broken: bool,
    /// Where the rows of the load under way go.
    load: Option<Load>,
    spelling: Spelling,
}

/// What is known of the session's transaction.
#[derive(Debug, Clone, Copy)]
enum Transaction {
    None,
    Open(Begin),
    /// A statement of it failed. Each database makes something else of that; here, as on PostgreSQL, only
    /// rolling back is left, as a whole or to a savepoint.
    Failed(Begin),
}

/// A reply to a job, as it is used.
pub(super) enum Came {
    /// How the rows that follow are read.
    Columns(Decoder),
    Rows(Chunk),
    /// The last one: so many rows were returned or changed.
    Done(u64),
}

/// What came of waiting.
enum Waited<T> {
    Message(T),
    DeadlinePassed,
    ThreadGone,
}

fn wait<T>(inbox: &Receiver<T>, deadline: Deadline) -> Waited<T> {
    match context::receive(inbox, deadline) {
        Ok(message) => Waited::Message(message),
        Err(RecvTimeoutError::Timeout) => Waited::DeadlinePassed,
        Err(RecvTimeoutError::Disconnected) => Waited::ThreadGone,
    }
}

/// The time that is left, for a driver's own limit.
fn left(deadline: Deadline) -> Option<Duration> {
    deadline.at().map(|_| deadline.left(Instant::now()))
}

impl OdbcConnection {
    /// Opens a connection on a thread of its own.
    ///
    /// # Errors
    ///
    /// `Config` when the driver is not installed, `Connect`, `Auth`, or a timeout.
    pub(super) fn open(
        address: &Arc<Address>,
        abandoned: &Arc<Gauge>,
        limit: Deadline,
    ) -> Result<OdbcConnection> {
        let left = limit.left_for(Phase::Connect, Instant::now())?;
        let link = Arc::new(Link::counted_by(abandoned));
        let ends = spawn(Arc::clone(address), left, Arc::clone(&link))?;
        match wait(&ends.opened, limit) {
            Waited::Message(Ok(Opened { flavor, long, driver })) => Ok(OdbcConnection {
                address: Arc::clone(address),
                flavor,
                long,
                driver,
                jobs: Some(ends.jobs),
                ended: ends.ended,
                link,
                transaction: Transaction::None,
                broken: false,
                load: None,
                spelling: Spelling::AsOpened,
            }),
            Waited::Message(Err(failure)) => Err(not_opened(failure, address, limit)),
            Waited::DeadlinePassed => {
                link.ask_to_stop();
                link.abandon(Why::GivenUp);
                Err(context::in_force(limit).passed(Phase::Connect))
            }
            Waited::ThreadGone => Err(driver_panicked().with_effect(Effect::NotSent)),
        }
        .map_err(|error| match error.kind() {
            // It names the place already.
            ErrorKind::Config => error,
            _ => error.at(&address.description),
        })
    }

    /// Has one job begun. The connection counts as broken until its last reply has come.
    pub(super) fn send(&mut self, job: impl FnOnce(Sender<Reply>) -> Job) -> Result<Receiver<Reply>> {
        if self.broken {
            return Err(lost());
        }
        self.broken = true;
        let (outbox, inbox) = replies();
        if self.jobs.as_ref().is_none_or(|jobs| jobs.send(job(outbox)).is_err()) {
            return Err(driver_panicked());
        }
        Ok(inbox)
    }

    /// Waits for the next reply to a job, until the deadline and a grace.
    pub(super) fn reply(&mut self, inbox: &Receiver<Reply>, moment: Moment) -> Result<Came> {
        // A thread that is as fast as we are always has rows for us.
        if moment.deadline.left(Instant::now()).is_zero() {
            return self.give_up(inbox, moment).map(Came::Done);
        }
        loop {
            return match wait(inbox, moment.deadline) {
                Waited::Message(Reply::Messages(messages)) => {
                    self.tell(&messages);
                    continue;
                }
                Waited::Message(Reply::Columns(columns)) => {
                    self.check_spelling(&columns)?;
                    Ok(Came::Columns(Decoder::new(columns, self.flavor)))
                }
                Waited::Message(Reply::Rows(chunk)) => Ok(Came::Rows(chunk)),
                Waited::Message(Reply::Done(count)) => {
                    self.broken = false;
                    self.link.drop_spares();
                    Ok(Came::Done(count))
                }
                Waited::Message(Reply::Failed(failure)) => Err(self.failed(failure, moment)),
                Waited::DeadlinePassed => self.give_up(inbox, moment).map(Came::Done),
                Waited::ThreadGone => Err(thread_gone(moment)),
            };
        }
    }

    /// Passes on what the server said: to whoever listens; else SQL Server's `PRINT` and its like, which are written
    /// to be read, go to the log, in the name of the flow and task that the caller works for.
    fn tell(&self, messages: &[String]) {
        for message in messages {
            let text = scrub(message, &self.address.secrets);
            if self.link.notices.tell(Level::Info, &text) || self.flavor != Flavor::SqlServer {
                continue;
            }
            log_line::event(
                Level::Info,
                "message of the server",
                &[("database", (&*self.address.database).into()), ("message", text.as_str().into())],
            );
        }
    }

    /// Has one job done, and keeps its rows where they are wanted.
    fn perform(
        &mut self,
        job: impl FnOnce(Sender<Reply>) -> Job,
        mut rows: Rows<'_>,
        moment: Moment,
    ) -> Result<u64> {
        let inbox = self.send(job)?;
        let (mut decoder, mut unread) = (None, None);
        loop {
            match self.reply(&inbox, moment)? {
                Came::Columns(columns) => {
                    decoder = Some(columns);
                    if let Rows::Sets(sets) = &mut rows {
                        sets.push(Vec::new());
                    }
                }
                Came::Rows(chunk) => {
                    let Some(decoder) = &mut decoder else { return Err(driver_panicked()) };
                    let kept = match &mut rows {
                        _ if unread.is_some() => Ok(()),
                        Rows::Ignore => Ok(()),
                        Rows::Collect(kept) => decoder.rows(&chunk, |row| kept.push(row)),
                        Rows::Sets(sets) => match sets.last_mut() {
                            Some(set) => decoder.rows(&chunk, |row| set.push(row)),
                            None => Ok(()),
                        },
                    };
                    // What writes is carried out to its end all the same.
                    match kept {
                        Err(error) if moment.may_have_written => unread = Some(error),
                        kept => kept?,
                    }
                    self.spend(chunk);
                }
                Came::Done(count) => return unread.map_or(Ok(count), Err),
            }
        }
    }

    /// The deadline has passed: asks for a cancel, waits a little, and leaves the thread to itself.
    fn give_up(&mut self, inbox: &Receiver<Reply>, moment: Moment) -> Result<u64> {
        let moment = Moment { gave_up: true, deadline: context::in_force(moment.deadline), ..moment };
        let mut rows_came = false;
        self.link.ask_to_stop();
        for (pause, cancels) in [(BREATH, true), (GRACE, false)] {
            let until = Instant::now() + pause;
            loop {
                match inbox.recv_deadline(until) {
                    Ok(Reply::Columns(_) | Reply::Rows(_)) => rows_came = true,
                    Ok(Reply::Messages(messages)) => self.tell(&messages),
                    // It was done after all. Nobody else gets the connection, for a cancel may be on its way.
                    Ok(Reply::Done(count)) if !rows_came => return Ok(count),
                    Ok(Reply::Done(_)) => return Err(moment.deadline.passed(moment.phase)),
                    Ok(Reply::Failed(failure)) => return Err(self.failed(failure, moment)),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return Err(thread_gone(moment)),
                }
            }
            if cancels {
                Link::cancel(&self.link);
            }
        }
        self.link.abandon(Why::GivenUp);
        Err(timed_out(moment))
    }

    /// The error for a failure that the thread reports, and what it means for the connection.
    fn failed(&mut self, failure: Failure, moment: Moment) -> Error {
        match failure {
            Failure::Ours(error) => {
                self.broken = moment.gave_up;
                // The results behind it were not read, and one of them may have been an error.
                self.fail_transaction();
                error
            }
            Failure::Stopped => timed_out(moment),
            Failure::Driver { records, late } => {
                let verdict = judge(&records, self.flavor, moment, &self.address.secrets);
                self.broken = verdict.broken || late || moment.gave_up;
                self.fail_transaction();
                verdict.error
            }
        }
    }

    pub(super) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// A chunk was read.
    pub(super) fn spend(&self, chunk: Chunk) {
        self.link.keep_spare(chunk);
    }

    fn fail_transaction(&mut self) {
        if let Transaction::Open(begin) = self.transaction {
            self.transaction = Transaction::Failed(begin);
        }
    }

    /// A statement as work for the connection's thread.
    fn work(&self, statement: &Statement, wanted: Wanted, budget: Budget) -> Result<(Work, Moment)> {
        if wanted != Wanted::Count && self.flavor.loses_rows(&statement.text) {
            return Err(Error::usage("SQLite's ODBC driver would run this and lose the rows of RETURNING")
                .with_hint("run it without RETURNING, and read the rows by a SELECT"));
        }
        let forms = Forms { flavor: self.flavor, long: self.long, texts: self.address.texts };
        let arguments = arguments(&statement.args, forms)?;
        let (deadline, _) = budget.first(Instant::now);
        let text = text_for(&statement.text, wanted, forms);
        let moment = self.moment(Phase::Query, deadline, statement.traits.acts);
        let to_its_end = moment.may_have_written;
        Ok((Work { text, arguments, wanted, to_its_end, left: left(deadline) }, moment))
    }

    fn moment(&self, phase: Phase, deadline: Deadline, writes: bool) -> Moment {
        let may_have_written = writes && matches!(self.transaction, Transaction::None);
        Moment { phase, deadline, may_have_written, gave_up: false }
    }

    /// Runs a text without arguments, and drops its rows.
    fn text(&mut self, text: &str, phase: Phase, deadline: Deadline, writes: bool) -> Result<()> {
        let (arguments, wanted, left) = (Vec::new(), Wanted::Count, left(deadline));
        let work = Work { text: text.into(), arguments, wanted, to_its_end: false, left };
        let moment = self.moment(phase, deadline, writes);
        self.perform(|replies| Job::Run(work, replies), Rows::Ignore, moment).map(|_| ())
    }

    fn control(&mut self, control: Control, phase: Phase, deadline: Deadline) -> Result<()> {
        let moment = self.moment(phase, deadline, false);
        let left = left(deadline);
        let changed = self.perform(|replies| Job::Control(control, left, replies), Rows::Ignore, moment)?;
        // What was asked for is done, and yet nobody may go on in a session that is not as it was before.
        self.broken |= changed > 0;
        Ok(())
    }

    /// Refuses a statement in a transaction that can only be rolled back.
    ///
    /// SQL Server has undone the transaction by then: the statement would run outside of any.
    fn admit(&self, rolls_back: bool) -> Result<()> {
        match self.transaction {
            Transaction::Failed(_) if !rolls_back => Err(only_rollback()),
            _ => Ok(()),
        }
    }
}

impl Connection for OdbcConnection {
    fn takes_many_rows(&self) -> bool {
        true
    }

    fn refuses_writes(&self) -> bool {
        matches!(self.flavor, Flavor::Postgres | Flavor::Sqlite)
    }

    fn dialect(&self) -> Dialect {
        self.address.dialect
    }

    fn run(&mut self, statement: &Statement, rows: Rows<'_>, budget: Budget) -> Result<u64> {
        let rolls_back = statement.traits.transaction_control && begins_with_rollback(&statement.text);
        self.admit(rolls_back)?;
        let wanted = match rows {
            Rows::Ignore => Wanted::Count,
            Rows::Collect(_) => Wanted::First,
            Rows::Sets(_) => Wanted::All,
        };
        self.look_at_spelling(statement, wanted, budget)?;
        let (work, moment) = self.work(statement, wanted, budget)?;
        let count = self.perform(|replies| Job::Run(work, replies), rows, moment);
        let count = count.map_err(|error| carried_out(error, moment))?;
        if let (Transaction::Failed(begin), true) = (self.transaction, rolls_back) {
            self.transaction = Transaction::Open(begin);
        }
        Ok(count)
    }

    fn stream<'c>(&'c mut self, statement: &Statement, budget: Budget) -> Result<Box<dyn Cursor + 'c>> {
        self.admit(false)?;
        self.look_at_spelling(statement, Wanted::First, budget)?;
        let (work, moment) = self.work(statement, Wanted::First, budget)?;
        let opened = OdbcRows::open(self, work, moment, budget);
        Ok(Box::new(opened.map_err(|error| carried_out(error, moment))?))
    }

    fn run_script(&mut self, text: &str, deadline: Deadline) -> Result<()> {
        self.admit(false)?;
        self.note_setters(text);
        self.text(text, Phase::Query, deadline, true)
    }

    fn listen(&mut self, listener: Option<Listener>) {
        self.link.notices.listen(listener);
    }

    fn begin_load(&mut self, target: &LoadTarget, budget: Budget) -> Result<()> {
        self.load = Some(self.look_at(target, budget)?);
        Ok(())
    }

    fn load(&mut self, source: &mut dyn RowSource, budget: Budget) -> Result<u64> {
        match self.load.take() {
            None => Err(Error::usage("rows were to be loaded before the table was looked at")),
            Some(load) => {
                let rows = self.insert_rows(&load, source, budget)?;
                self.load = Some(load);
                Ok(rows)
            }
        }
    }

    fn begin(&mut self, begin: Begin, deadline: Deadline) -> Result<()> {
        if !matches!(self.transaction, Transaction::None) {
            return Err(Error::usage("the connection is in a transaction already"));
        }
        self.control(Control::Begin(begin), Phase::Query, deadline)?;
        self.transaction = Transaction::Open(begin);
        Ok(())
    }

    fn commit(&mut self, deadline: Deadline) -> Result<()> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => Err(Error::usage("there is no transaction to commit")),
            // Asked to commit, psqlODBC reports a success after its server was killed.
            _ if self.broken => Err(lost()),
            Transaction::Failed(begin) => {
                self.control(Control::Rollback(begin), Phase::Rollback, deadline)
                    .inspect_err(|_| self.broken = true)?;
                Err(only_rollback())
            }
            Transaction::Open(begin) => {
                // What is left in the session after a commit that failed, no two databases agree on.
                self.control(Control::Commit(begin), Phase::Commit, deadline).inspect_err(|_| {
                    self.broken = true;
                })
            }
        }
    }

    fn rollback(&mut self, deadline: Deadline) -> Result<()> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => Ok(()),
            Transaction::Open(begin) | Transaction::Failed(begin) => self
                .control(Control::Rollback(begin), Phase::Rollback, deadline)
                .inspect_err(|_| self.broken = true),
        }
    }

    fn ping(&mut self, deadline: Deadline) -> Result<()> {
        self.text("SELECT 1", Phase::Ping, deadline, false)
            .map_err(|error| error.with_effect(Effect::NotSent))
    }

    /// ODBC has no way to make a session as new.
    fn reset(&mut self, _deadline: Deadline) -> Result<()> {
        self.broken = true;
        Ok(())
    }

    fn opening(&self) -> String {
        let texts = self.flavor.opening(self.address.read_only).iter().chain(self.flavor.opened_by_driver());
        texts.map(|text| format!("{text};")).collect()
    }

    fn driver(&self) -> Option<String> {
        Some(self.driver.clone())
    }

    fn is_broken(&self) -> bool {
        self.broken
    }
}
