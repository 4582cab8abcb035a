//! The fan-out over an input that does not fit into memory.
//!
//! The calling thread reads the input, and only when the next record is asked for. So the input need not be `Send`,
//! a slow receiver holds everything back, and there is no thread more than the workers.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::options::MapOptions;
use super::outcome::{TaskError, TaskRecord};
use super::outer;
use super::stage::{Running, guarded};
use super::workers::{self, Crew};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};

/// How many items are in flight for each worker: one that it works on, and the next.
const PER_WORKER: usize = 2;

/// Runs `work` once for each item of an input of any length, and hands the records to `receive` as an iterator. The
/// memory is bounded: at most [`in_flight`](MapOptions::in_flight) items are read and not yet handed over.
///
/// Names, retries, time limits, panics, [`fail_fast`](MapOptions::fail_fast) and [`per_second`](MapOptions::per_second)
/// work as in [`map_tasks`](crate::map_tasks). Every item that is read leaves a [record](TaskRecord), in the order in
/// which the tasks finish, or in that of the items with [`in_order`](MapOptions::in_order).
///
/// The calling thread reads the input, whenever `receive` asks for the next record. So the input may be a
/// [`RowIter`](crate::RowIter), whose query then goes no faster than the receiver. While the calling thread waits for a
/// slow input, finished records wait too, and so does the end after a cancel: an input that waits for something should
/// look at the same token.
///
/// **When it is cancelled**, by a token or by `fail_fast`, no new item is started. Running tasks leave their records as
/// they end. If the input has not ended by then, the last record stands for its next item: it is
/// [`NotStarted`](crate::TaskState::NotStarted), and its error says that the remaining items were not read.
///
/// **When `receive` returns early**, running tasks are cancelled as by `fail_fast`, and nothing more is started. When
/// `map_stream` returns, its threads have ended.
///
/// # Errors
///
/// The error of `receive`. [`Usage`](ErrorKind::Usage) inside a task of another fan-out, and [`Io`](ErrorKind::Io) when
/// no threads can be started: then nothing was read, and `receive` was not called.
///
/// ```
/// use batchdb::{Error, MapOptions, map_stream};
///
/// let options = MapOptions::new("square-{index}").workers(4).in_order();
/// let sum = map_stream(1..=100_000_u64, options, |n| Ok::<_, Error>(n * n), |squares| {
///     let mut sum = 0;
///     for square in squares.values() {
///         sum += square?;
///     }
///     Ok::<_, Error>(sum)
/// })?;
/// assert_eq!(sum, 333_338_333_350_000);
/// # Ok::<(), Error>(())
/// ```
///
/// [`try_map_stream`] is for an input that may fail, such as the rows of a query.
pub fn map_stream<T, R, E, O, X>(
    items: impl IntoIterator<Item = T>,
    options: MapOptions<T>,
    work: impl Fn(&T) -> Result<R, E> + Sync,
    receive: impl FnOnce(TaskStream<'_, R>) -> Result<O, X>,
) -> Result<O, X>
where
    T: Send,
    R: Send,
    E: Into<Box<dyn StdError + Send + Sync>>,
    X: From<Error>,
{
    try_map_stream(items.into_iter().map(Ok::<T, Error>), options, work, receive)
}

/// As [`map_stream`], for an input of `Result`s, such as the rows of a query. The example copies from one database
/// through eight threads into another, in bounded memory.
///
/// Nothing is read after an error of the input. Such an error is never taken for the end: the last record is then
/// [`NotStarted`](crate::TaskState::NotStarted) with that error, and `try_map_stream` returns the error even if
/// `receive` returns `Ok`.
///
/// # Errors
///
/// The input's, and those of [`map_stream`].
///
/// ```no_run
/// use batchdb::{DatabaseManager, Error, MapOptions, Result, Row, try_map_stream};
///
/// fn score(row: &Row) -> Result<(i64, i64)> {
///     Ok((row.get("survey_id")?, row.get::<String>("response_data")?.len() as i64))
/// }
///
/// let (hub, rpa) = (DatabaseManager::new("SurveyHub")?, DatabaseManager::new("rpa_db")?);
/// let written = hub.session(|session| {
///     let surveys = session.query_iter("SELECT survey_id, response_data FROM survey_responses", ())?;
///     let options = MapOptions::new("score-{survey_id}").workers(8);
///     try_map_stream(surveys, options, score, |scores| {
///         rpa.bulk_insert("survey_score", &["survey_id", "score"], scores.values()) // all of them, or none
///     })
/// })?;
/// # Ok::<(), Error>(())
/// ```
pub fn try_map_stream<T, F, R, E, O, X>(
    items: impl IntoIterator<Item = Result<T, F>>,
    options: MapOptions<T>,
    work: impl Fn(&T) -> Result<R, E> + Sync,
    receive: impl FnOnce(TaskStream<'_, R>) -> Result<O, X>,
) -> Result<O, X>
where
    T: Send,
    F: Into<Error>,
    R: Send,
    E: Into<Box<dyn StdError + Send + Sync>>,
    X: From<Error>,
{
    let workers = workers::count(options.workers, usize::MAX);
    let crew = Crew::of(workers)?;
    let (in_order, in_flight) = (options.in_order, options.in_flight.unwrap_or(workers * PER_WORKER));
    let end = CancelToken::new();
    let work = Box::new(move |item: &T| work(item).map_err(TaskError::new));
    let running = Running::new(options, work, 0, workers, outer(), Some(&end));
    let (mut failed, left) = (None, AtomicBool::new(false));
    let (outbox, done) = unbounded();
    let _unwanted = Unwanted(done.clone());
    let outcome = thread::scope(|scope| {
        let (jobs, inbox) = unbounded();
        for worker in 0..workers {
            let (inbox, outbox, running, left) = (inbox.clone(), outbox.clone(), &running, &left);
            crew.spawn(scope, worker, move || serve(&inbox, &outbox, running, left))?;
        }
        // Whoever waits for a record must see it when no worker is left to send one.
        drop((inbox, outbox));
        let leaving = Leaving { jobs, end: &end, left: &left };
        let feed = Feed {
            items: Some(items.into_iter().map(|item| item.map_err(Into::into))),
            failed: &mut failed,
            running: &running,
            end: &end,
            left: &left,
            jobs: &leaving.jobs,
            done,
            read: 0,
            at_work: 0,
            held: BTreeMap::new(),
            handed: 0,
            in_order,
            in_flight,
            workers,
        };
        receive(TaskStream { feed: Box::new(feed) })
    });
    running.finish_stream();
    match failed {
        Some(error) => outcome.and(Err(error.into())),
        None => outcome,
    }
}

/// A worker: one item after the other, until there are no more. Nothing else may end it, because every item must leave
/// a record, and items, values and errors may be types of the caller with a `drop` that panics.
fn serve<T, R>(
    inbox: &Receiver<(usize, T)>,
    outbox: &Sender<TaskRecord<R>>,
    running: &Running<'_, T, R>,
    left: &AtomicBool,
) {
    for (index, item) in inbox {
        if left.load(Ordering::SeqCst) {
            discard(item);
            continue;
        }
        let record = running.start(index, &item, None);
        discard(item);
        // It is taken in any case: what nobody wants is unwanted.
        let _ = outbox.send(record);
    }
}

/// The end of the workers, on every way out of the receiver. They must not hang on the stream, which the receiver may
/// have leaked (`mem::forget`).
struct Leaving<'l, T> {
    /// Dropping it is the end of what the workers wait for.
    jobs: Sender<(usize, T)>,
    end: &'l CancelToken,
    left: &'l AtomicBool,
}

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        if !self.left.swap(true, Ordering::SeqCst) {
            self.end.cancel();
        }
    }
}

/// The records that nobody has taken by the time when all workers have ended. A value may panic when it is dropped.
struct Unwanted<R>(Receiver<TaskRecord<R>>);

impl<R> Drop for Unwanted<R> {
    fn drop(&mut self) {
        self.0.try_iter().for_each(discard);
    }
}

fn discard<V>(value: V) {
    if guarded(|| drop(value)).is_err() {
        let _ = guarded(|| log::warn!("something of a fan-out panicked when it was dropped"));
    }
}

/// The records of [`map_stream`](crate::map_stream), as they come.
#[must_use = "nothing runs unless the records are asked for"]
pub struct TaskStream<'s, R> {
    feed: Box<dyn Records<R> + 's>,
}

impl<R> TaskStream<'_, R> {
    /// The values alone, up to the first task that did not complete: the last item is then an error of the kind
    /// [`Tasks`](ErrorKind::Tasks), with the task's own error as its source. If that task was only stopped because of
    /// another one ([`fail_fast`](MapOptions::fail_fast)), it is the error of the task that really failed.
    ///
    /// If the fan-out is cancelled before its input has ended, the last item is an error as well, so that a transaction
    /// that is filled from here keeps all or nothing.
    pub fn values(self) -> impl Iterator<Item = Result<R>> {
        let mut stream = Some(self);
        std::iter::from_fn(move || {
            let mut record = stream.as_mut()?.next()?;
            if record.state().is_stopped() {
                let cause = stream.as_mut().and_then(|stream| stream.feed.cause());
                record = cause.unwrap_or(record);
            }
            let (name, state) = (record.name().to_owned(), record.state());
            Some(record.into_result().map_err(|error| {
                stream = None;
                Error::new(ErrorKind::Tasks, format!("the task `{name}` did not complete ({state})"))
                    .with_source(error)
            }))
        })
    }
}

impl<R> Iterator for TaskStream<'_, R> {
    type Item = TaskRecord<R>;

    fn next(&mut self) -> Option<TaskRecord<R>> {
        self.feed.next()
    }
}

impl<R> FusedIterator for TaskStream<'_, R> {}

impl<R> fmt::Debug for TaskStream<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStream").finish_non_exhaustive()
    }
}

/// What a stream of records is made of, whatever its items are.
trait Records<R> {
    fn next(&mut self) -> Option<TaskRecord<R>>;

    /// Ends the stream: what runs is cancelled, and nothing more is read. Gives a record of what failed by itself,
    /// where there is one among those that are still to come.
    fn cause(&mut self) -> Option<TaskRecord<R>>;
}

/// Reads the input, gives it to the workers, and takes their records.
struct Feed<'s, 'w, I, T, R> {
    /// `None` behind its end.
    items: Option<I>,
    /// Why it ended, where that was an error.
    failed: &'s mut Option<Error>,
    running: &'s Running<'w, T, R>,
    /// Stops what runs.
    end: &'s CancelToken,
    /// Nobody wants a record any more.
    left: &'s AtomicBool,
    jobs: &'s Sender<(usize, T)>,
    done: Receiver<TaskRecord<R>>,
    /// The items read so far.
    read: usize,
    /// Those that a worker has, or will have.
    at_work: usize,
    /// Records that wait for their turn.
    held: BTreeMap<usize, TaskRecord<R>>,
    /// The records handed over so far.
    handed: usize,
    in_order: bool,
    in_flight: usize,
    workers: usize,
}

impl<I: Iterator<Item = Result<T>>, T, R> Feed<'_, '_, I, T, R> {
    /// Reads as many items as may be in flight; fewer where all workers are busy and something is done already.
    fn fill(&mut self) {
        while self.at_work + self.held.len() < self.in_flight
            && (self.at_work < self.workers || self.done.is_empty())
        {
            let Some(item) = self.items.as_mut().and_then(Iterator::next) else {
                self.items = None;
                return;
            };
            let index = self.read;
            self.read += 1;
            self.running.count();
            let item = match item {
                Ok(item) => item,
                Err(error) => {
                    self.items = None;
                    self.held.insert(index, self.running.unread(index, error.clone()));
                    *self.failed = Some(error);
                    return;
                }
            };
            if self.running.is_stopped() {
                self.items = None;
                let message = "the fan-out was told to stop before this task began, and the items behind it were \
                               not read";
                self.held.insert(index, self.running.stopped(index, &item, message));
            } else if self.jobs.send((index, item)).is_ok() {
                self.at_work += 1;
            }
        }
    }

    /// The record that may be handed over, of those that wait for their turn.
    fn due(&mut self) -> Option<TaskRecord<R>> {
        // Out of order only the last one waits, for all the others.
        let first = *self.held.first_key_value()?.0;
        let turn = if self.in_order { first == self.handed } else { self.at_work == 0 };
        if turn { self.held.remove(&first) } else { None }
    }
}

impl<I: Iterator<Item = Result<T>>, T, R> Records<R> for Feed<'_, '_, I, T, R> {
    fn next(&mut self) -> Option<TaskRecord<R>> {
        loop {
            if let Some(record) = self.due() {
                self.handed += 1;
                return Some(record);
            }
            self.fill();
            if self.at_work == 0 {
                if self.held.is_empty() {
                    return None;
                }
                continue;
            }
            let record = self.done.recv().ok()?;
            self.at_work -= 1;
            if self.in_order {
                self.held.insert(record.index(), record);
            } else {
                self.handed += 1;
                return Some(record);
            }
        }
    }

    fn cause(&mut self) -> Option<TaskRecord<R>> {
        self.items = None;
        self.end.cancel();
        loop {
            while let Some((_, record)) = self.held.pop_first() {
                if record.error().is_some() && !record.state().is_stopped() {
                    return Some(record);
                }
                discard(record);
            }
            // Those at work end as soon as they can, which whoever has called waits for in any case.
            if self.at_work == 0 {
                return None;
            }
            let record = self.done.recv().ok()?;
            self.at_work -= 1;
            self.held.insert(record.index(), record);
        }
    }
}

impl<I, T, R> Drop for Feed<'_, '_, I, T, R> {
    fn drop(&mut self) {
        if self.at_work > 0 {
            self.end.cancel();
        }
        self.left.store(true, Ordering::SeqCst);
        std::mem::take(&mut self.held).into_values().for_each(discard);
    }
}
