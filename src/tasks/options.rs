//! What a caller may ask of a fan-out.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::name::Template;
use super::outcome::{TaskError, TaskState};
use super::pace::Pace;
use super::retry::Retry;
use crate::cancel::CancelToken;
use crate::context::Stop;

/// How long what runs may go on after a cancel.
const GRACE: Duration = Duration::from_secs(20);

pub(super) type Namer<T> = Box<dyn Fn(usize, &T) -> String + Send + Sync>;
pub(super) type Callback = Box<dyn FnMut(Progress<'_>) + Send>;

/// How a fan-out names, runs and repeats its tasks.
///
/// ```
/// use std::time::Duration;
/// use batchdb::{MapOptions, Row};
///
/// let options = MapOptions::<Row>::new("process-survey-{survey_id}")
///     .workers(8)
///     .retries(2)
///     .retry_delay(Duration::from_secs(5))
///     .timeout(Duration::from_secs(60));
/// ```
#[must_use]
pub struct MapOptions<T> {
    pub(super) name: Namer<T>,
    pub(super) workers: Option<usize>,
    pub(super) retry: Retry,
    pub(super) timeout: Option<Duration>,
    pub(super) cancel: Option<CancelToken>,
    pub(super) grace: Duration,
    pub(super) fail_fast: bool,
    pub(super) pace: Option<Pace>,
    pub(super) in_order: bool,
    pub(super) in_flight: Option<usize>,
    pub(super) on_progress: Option<Callback>,
}

impl<T> MapOptions<T> {
    /// Names each task by a template: `{field}` is that field of the item (a column of a row, a field of
    /// a struct, a key of a map), `{index}` the item's place from 0.
    ///
    /// The name stands in log lines, so put keys in it and nobody's personal data. Of a longer text the
    /// first 80 characters are taken. A field that an item does not have, or that is a list or a record
    /// itself, leaves the placeholder as it is, with one warning in the log.
    pub fn new(template: &str) -> MapOptions<T>
    where
        T: Serialize,
    {
        let template = Template::parse(template);
        MapOptions::named(move |index, item| template.render(index, item))
    }

    /// Names each task by a function of the item's place from 0 and the item.
    pub fn named(name: impl Fn(usize, &T) -> String + Send + Sync + 'static) -> MapOptions<T> {
        MapOptions {
            name: Box::new(name),
            workers: None,
            retry: Retry::default(),
            timeout: None,
            cancel: None,
            grace: GRACE,
            fail_fast: false,
            pace: None,
            in_order: false,
            in_flight: None,
            on_progress: None,
        }
    }

    /// How many tasks run at a time, at least 1. By default as many as the machine has processors.
    ///
    /// Tasks that mostly wait for a database may be more than that; more than the connections of its
    /// pool only wait for one another. Never more threads are started than there are items.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers.max(1));
        self
    }

    /// How often a failed task is run again. By default never.
    ///
    /// The whole task is run again, with what it had already committed: let it be one transaction, or
    /// harmless when repeated. A panic is a defect and not repeated, nor is a task whose time has passed.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.most = retries;
        self
    }

    /// The pause before a task is run again. By default none.
    ///
    /// The worker waits, so that a failing database is not asked more often by its other tasks. A pause
    /// that would end after the task's [`timeout`](MapOptions::timeout) is not begun.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry.delay = delay;
        self
    }

    /// Which errors are worth another attempt.
    ///
    /// By default all but those of this crate that are not [transient](crate::Error::is_transient). An
    /// error type that hides what it was made of counts as not of this crate.
    ///
    /// ```
    /// use batchdb::{ErrorKind, MapOptions};
    ///
    /// // What nobody knows is repeated too, because these tasks do no harm when they run twice.
    /// let options = MapOptions::<i64>::default().retries(3).retry_if(|error| {
    ///     error.as_batchdb().is_some_and(|error| error.is_transient() || error.kind() == ErrorKind::OutcomeUnknown)
    /// });
    /// ```
    pub fn retry_if(mut self, rule: impl Fn(&TaskError) -> bool + Send + Sync + 'static) -> Self {
        self.retry.rule = Some(Box::new(rule));
        self
    }

    /// The time that a task has, over all its attempts.
    ///
    /// No call of this crate that the task makes goes on past it. The task's own code is not interrupted.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Lets the fan-out be told to stop: once the token is cancelled, no new item is started, and those not yet
    /// started are [`NotStarted`](TaskState::NotStarted). By default nobody can. The token of a
    /// [`with_cancel`](crate::with_cancel) around the fan-out is heard in any case.
    ///
    /// What runs by then may end within the [`grace`](MapOptions::grace), all its stages included; it is not run
    /// again when it fails. In a chain of stages this counts for its own stage and those after it that have no
    /// token of their own.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// How long what runs may go on after the cancel. By default 20 s, for Kubernetes kills after 30 s; Docker by
    /// itself does after 10 s.
    ///
    /// At its end every call of this crate that a task makes ends with
    /// [`Cancelled`](crate::ErrorKind::Cancelled), and is cancelled on the server; the task is
    /// [`Cancelled`](TaskState::Cancelled). The task's own code is not interrupted.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Stops the fan-out at the first task that does not complete. By default the others go on.
    ///
    /// No new item is started then, and every call of this crate that a running task makes ends at once with
    /// [`Cancelled`](crate::ErrorKind::Cancelled), and is cancelled on the server. Of a chain of stages all are
    /// stopped. [`into_values`](crate::TaskResults::into_values) gives the error of the task that failed, and not
    /// of one that was stopped for its sake.
    ///
    /// ```
    /// use batchdb::{MapOptions, TaskState, map_tasks};
    ///
    /// let options = MapOptions::default().workers(1).fail_fast();
    /// let results = map_tasks(["1", "x", "3"], options, |text| text.parse::<i64>());
    /// assert_eq!(results.iter().map(|task| task.state()).collect::<Vec<_>>(), [
    ///     TaskState::Completed, TaskState::Failed, TaskState::NotStarted,
    /// ]);
    /// ```
    pub fn fail_fast(mut self) -> Self {
        self.fail_fast = true;
        self
    }

    /// Starts at most so many tasks in a second, all workers together, repeated attempts included. By default as many
    /// as the workers can.
    ///
    /// The starts are spread evenly, and time in which none was wanted is not made up for: what is behind this, such as
    /// a service that counts its calls, never sees a burst. 0.1 is one in ten seconds. What is not above zero is no
    /// limit.
    pub fn per_second(mut self, starts: f64) -> Self {
        self.pace = Pace::per_second(starts);
        self
    }

    /// For [`map_stream`](crate::map_stream): hands the records over in the order of the items. By default each is
    /// handed over as soon as its task is done.
    ///
    /// What is done before its turn is held back, and counts as in flight: one slow task stops the others for as long
    /// as that takes.
    pub fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// For [`map_stream`](crate::map_stream): how many items are at most read from the input and not yet handed over
    /// as records, which bounds the memory. By default twice the workers; fewer than those leave some without work.
    pub fn in_flight(mut self, items: usize) -> Self {
        self.in_flight = Some(items.max(1));
        self
    }

    /// Is called after each item, on the worker's thread and never twice at a time, so keep it short.
    ///
    /// If it panics, the tasks go on and it is not called again.
    ///
    /// ```
    /// use batchdb::{MapOptions, map_tasks};
    ///
    /// let options = MapOptions::default().on_progress(|progress| {
    ///     eprintln!("{} of {}, {} failed", progress.done, progress.total, progress.failed);
    /// });
    /// map_tasks(0..10, options, |number| Ok::<_, std::fmt::Error>(number * 2)).into_values()?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn on_progress(mut self, callback: impl FnMut(Progress<'_>) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(callback));
        self
    }
}

impl<T> Default for MapOptions<T> {
    /// Tasks named `task-0`, `task-1` and so on.
    fn default() -> Self {
        MapOptions::named(|index, _| default_name(index))
    }
}

impl<T> MapOptions<T> {
    /// Who may tell the stage to stop, where it was said.
    pub(super) fn stop(&self) -> Option<Stop> {
        self.cancel.as_ref().map(|token| Stop::new(token.clone(), self.grace))
    }
}

pub(super) fn default_name(index: usize) -> String {
    format!("task-{index}")
}

impl<T> fmt::Debug for MapOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOptions")
            .field("workers", &self.workers)
            .field("retries", &self.retry.most)
            .field("retry_delay", &self.retry.delay)
            .field("timeout", &self.timeout)
            .field("cancel", &self.cancel)
            .field("grace", &self.grace)
            .field("fail_fast", &self.fail_fast)
            .field("pace", &self.pace)
            .field("in_order", &self.in_order)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// How far a fan-out is, after one more item.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The items that are done with, this one included, whatever became of them.
    pub done: usize,
    /// All items; of [`map_stream`](crate::map_stream) those that were read so far.
    pub total: usize,
    /// The items of `done` that did not complete.
    pub failed: usize,
    /// The name of this item's task.
    pub name: &'a str,
    /// What became of it.
    pub state: TaskState,
}
