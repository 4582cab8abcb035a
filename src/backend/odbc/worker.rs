//! The thread of a connection: it opens it, does one job after the other, and closes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::error::{Error, ErrorKind, Result};
use crate::sql::COUNT;

use super::bind::Argument;
use super::cells::Chunk;
use super::columns::{Column, column};
use super::diagnostics::Failure;
use super::fetch::Fetch;
use super::flavor::Flavor;
use super::link::Link;
use super::session::{Address, Opened, Session};
use super::statement::Statement;
use super::transaction::Control;

/// A piece of work for the connection's thread.
pub(super) enum Job {
    Run(Work, Sender<Reply>),
    Control(Control, Option<Duration>, Sender<Reply>),
}

/// One statement.
pub(super) struct Work {
    pub(super) text: Arc<str>,
    pub(super) arguments: Vec<Argument>,
    pub(super) wanted: Wanted,
    /// It writes, and is not undone: a result that nobody can read does not keep it from its end.
    pub(super) to_its_end: bool,
    /// The time that is left for it, for the driver's own limit.
    pub(super) left: Option<Duration>,
}

/// Which results of a statement are handed over. All of them are read to their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Only how many rows there were.
    Count,
    /// The rows of the first result that has any columns.
    First,
    /// The rows of every result that has columns.
    All,
}

/// What comes back. The last reply to a job is `Done` or `Failed`.
#[derive(Debug)]
pub(super) enum Reply {
    /// What the server said on the way, in the order in which it said it.
    Messages(Vec<String>),
    /// A result begins.
    Columns(Vec<Column>),
    Rows(Chunk),
    /// So many rows were returned or changed; of the end of a transaction, 1 where it has left the session another one.
    Done(u64),
    Failed(Failure),
}

/// The caller's ends of the channels to a connection's thread.
pub(super) struct Ends {
    /// Dropping it closes the connection.
    pub(super) jobs: Sender<Job>,
    /// What is to be known of the open connection, or why there is none.
    pub(super) opened: Receiver<Result<Opened, Failure>>,
    /// Never has a message; it disconnects when the thread has done its last driver call.
    pub(super) ended: Receiver<()>,
}

/// Replies that may wait for a caller that is slow to take them: together with the one that is being
/// filled and the one that is being read they bound the memory of a streamed result.
const WAITING_REPLIES: usize = 2;

/// Chunks that come faster than this grow. The limit on one fetch is not to be used up by waiting for a large chunk of
/// a result that comes slowly, and its first rows are not to wait for many others.
const QUICK: Duration = Duration::from_millis(50);

/// The channel for the replies to one job.
pub(super) fn replies() -> (Sender<Reply>, Receiver<Reply>) {
    bounded(WAITING_REPLIES)
}

/// Starts a thread that opens a connection and serves it.
///
/// # Errors
///
/// `Io`, when the system gives no thread.
pub(super) fn spawn(address: Arc<Address>, left: Duration, link: Arc<Link>) -> Result<Ends> {
    let (jobs, inbox) = unbounded();
    let (announce, opened) = bounded(1);
    let (alive, ended) = bounded(0);
    thread::Builder::new()
        .name("batchdb-odbc".into())
        .spawn(move || {
            let served = catch_unwind(AssertUnwindSafe(|| serve(&address, left, &link, &announce, &inbox)));
            if served.is_err() {
                // The payload may quote the server; the caller learns of it by the closed channel.
                log::warn!("an ODBC driver call panicked; its connection is thrown away");
            }
            link.end();
            drop(alive);
        })
        .map_err(|error| {
            Error::new(ErrorKind::Io, "no thread could be started for an ODBC connection").with_source(error)
        })?;
    Ok(Ends { jobs, opened, ended })
}

fn serve(
    address: &Address,
    left: Duration,
    link: &Link,
    announce: &Sender<Result<Opened, Failure>>,
    inbox: &Receiver<Job>,
) {
    let session = match Session::open(address, left, link) {
        Ok(session) => session,
        Err(failure) => return drop(announce.send(Err(failure))),
    };
    if announce.send(Ok(session.opened())).is_err() {
        return;
    }
    for job in inbox {
        match job {
            Job::Run(work, replies) => run(&session, work, &Outbox { replies, link }),
            Job::Control(control, left, replies) => {
                let reply = match session.control(control, left) {
                    Ok(as_before) => Reply::Done(u64::from(!as_before)),
                    Err(failure) => Reply::Failed(failure),
                };
                // A caller that has gone has marked the connection as broken.
                link.reply(&replies, reply);
            }
        }
    }
}

/// Where the replies to one job go.
struct Outbox<'l> {
    replies: Sender<Reply>,
    link: &'l Link,
}

impl Outbox<'_> {
    fn send(&self, reply: Reply) -> Result<(), Failure> {
        if self.link.reply(&self.replies, reply) { Ok(()) } else { Err(Failure::Stopped) }
    }
}

/// Runs one statement. The answer goes out before the handle is freed, which may take a driver a while.
fn run(session: &Session<'_>, work: Work, replies: &Outbox<'_>) {
    let last = |outcome| {
        // A caller that has gone has marked the connection as broken.
        let _ = replies.send(match outcome {
            Ok(count) => Reply::Done(count),
            Err(failure) => Reply::Failed(failure),
        });
    };
    match session.statement() {
        Ok(mut statement) => {
            let is_script = work.arguments.is_empty() && work.wanted == Wanted::Count;
            let outcome = results(&mut statement, work, replies);
            let outcome = outcome.map_err(|failure| match is_script {
                true => statement.with_later_errors(failure),
                false => failure,
            });
            // What a call said that failed in the end is told before the failure.
            let _ = say(&mut statement, replies);
            last(outcome);
        }
        Err(failure) => last(Err(failure)),
    }
}

/// Passes on what the server has said.
fn say(statement: &mut Statement<'_>, replies: &Outbox<'_>) -> Result<(), Failure> {
    let messages = statement.take_messages();
    if messages.is_empty() {
        return Ok(());
    }
    replies.send(Reply::Messages(messages))
}

/// Executes, hands over the rows of the results that are wanted, and reads all the others to their end: the error of
/// a later statement, or of a trigger, stands behind the results before it.
fn results(statement: &mut Statement<'_>, work: Work, replies: &Outbox<'_>) -> Result<u64, Failure> {
    if let Some(left) = work.left {
        statement.set_timeout(left);
    }
    statement.bind(work.arguments)?;
    statement.execute(&work.text)?;
    let (mut returned, mut counted, mut unread) = (None, 0, None);
    loop {
        say(statement, replies)?;
        let columns = statement.column_count()?;
        if columns == 0 {
            // What a trigger counts and returns comes before the count of the statement that fired it.
            counted = statement.row_count().unwrap_or(counted);
        } else if work.wanted == Wanted::All
            || (work.wanted == Wanted::First && returned.is_none() && unread.is_none())
        {
            match describe(statement, columns) {
                Err(Failure::Ours(error)) if work.to_its_end => {
                    unread.get_or_insert(error);
                    while statement.fetch()? {}
                }
                columns => returned = Some(returned.unwrap_or(0) + hand_over(statement, columns?, replies)?),
            }
        } else {
            counted = count(statement, columns)?;
        }
        if !statement.more_results()? {
            return unread.map_or(Ok(returned.unwrap_or(counted)), |error| Err(Failure::Ours(error)));
        }
    }
}

/// How many rows the current result has; or what it says, where the text of the statement has asked for its count.
fn count(statement: &mut Statement<'_>, columns: u16) -> Result<u64, Failure> {
    let is_answer =
        columns == 1 && statement.flavor() == Flavor::SqlServer && statement.describe(1)?.name == COUNT;
    let mut rows = 0;
    while statement.fetch()? {
        rows = match is_answer {
            true => statement.get_fixed::<i64>(1)?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
            false => rows + 1,
        };
    }
    Ok(rows)
}

/// What the columns of the current result are, where all of them can be read.
fn describe(statement: &mut Statement<'_>, columns: u16) -> Result<Vec<Column>, Failure> {
    let flavor = statement.flavor();
    (1..=columns).map(|number| Ok(column(statement.describe(number)?, flavor)?)).collect()
}

fn hand_over(
    statement: &mut Statement<'_>,
    columns: Vec<Column>,
    replies: &Outbox<'_>,
) -> Result<u64, Failure> {
    let flavor = statement.flavor();
    replies.send(Reply::Columns(columns.clone()))?;
    let mut fetch = Fetch::new(statement, &columns, flavor.fetches_blocks());
    let mut rows = 0;
    let mut begun = Instant::now();
    while let Some(chunk) = fetch.next(statement)? {
        let quick = begun.elapsed() < QUICK;
        rows += chunk.rows as u64;
        replies.send(Reply::Rows(chunk))?;
        fetch.adapt(statement, quick);
        begun = Instant::now();
    }
    fetch.end(statement);
    Ok(rows)
}
