//! The options of a fan-out.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::name::Template;
use super::outcome::{TaskError, TaskState};
use super::pace::Pace;
use super::retry::Retry;
use crate::cancel::CancelToken;
use crate::context::Stop;

/// How long running tasks may go on after a cancel.
const GRACE: Duration = Duration::from_secs(20);

pub(super) type Namer<T> = Box<dyn Fn(usize, &T) -> String + Send + Sync>;
pub(super) type Callback = Box<dyn FnMut(Progress<'_>) + Send>;

/// How a fan-out names, runs and retries its tasks.
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
    /// Names each task by a template: `{index}` is the item's position, from 0; `{field}` is that field of the item (a
    /// column of a row, a field of a struct, a key of a map).
    ///
    /// The name appears in log lines, so use keys and no personal data. It is cut after 80 characters. If an item does
    /// not have the field, or the field is a list or a record itself, the placeholder stays as it is, with one warning
    /// in the log.
    pub fn new(template: &str) -> MapOptions<T>
    where
        T: Serialize,
    {
        let template = Template::parse(template);
        MapOptions::named(move |index, item| template.render(index, item))
    }

    /// Names each task by a function of the item's position, from 0, and the item.
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

    /// How many tasks run at a time, at least 1. Default: the number of processors.
    ///
    /// For tasks that mostly wait for a database this may be more, up to the number of connections in its pool; beyond
    /// that they only wait for one another. Never more threads are started than there are items.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers.max(1));
        self
    }

    /// How often a failed task is run again: 2 means up to 3 runs. Default: 0.
    ///
    /// The whole task is run again, including what it had already committed: make it one transaction, or safe to
    /// repeat. A panic is not retried, because it is a defect, nor is a task whose time limit has passed.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.most = retries;
        self
    }

    /// The pause before a task is run again. Default: none.
    ///
    /// The worker waits and runs no other task meanwhile, so that a failing database gets fewer calls. If the pause
    /// would end after the task's [`timeout`](MapOptions::timeout), the task fails without it.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry.delay = delay;
        self
    }

    /// Which errors are retried.
    ///
    /// Default: all errors, except those of this crate that are not [transient](crate::Error::is_transient). An error
    /// type of yours that does not return the batchdb error as its `source` counts as not of this crate.
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

    /// The time limit of a task, over all its attempts. Default: none.
    ///
    /// No call of this crate in the task goes on past it. The task's own code is not interrupted.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Makes the fan-out cancellable: once the token is cancelled, no new item is started, and the items that were not
    /// started are [`NotStarted`](TaskState::NotStarted). A [`with_cancel`](crate::with_cancel) around the fan-out can
    /// cancel it in any case, with or without a token here.
    ///
    /// Items that are running may finish within the [`grace`](MapOptions::grace) period, including all their stages; a
    /// task that fails is not retried any more. In a chain the token applies to its stage and to the stages after it
    /// that have no token of their own.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// How long running tasks may go on after the cancel. Default: 20 s, because Kubernetes kills a process after 30 s.
    /// (Docker kills after 10 s by default.)
    ///
    /// When it is over, every call of this crate in a task ends with [`Cancelled`](crate::ErrorKind::Cancelled), and is
    /// cancelled on the server; the task's state is [`Cancelled`](TaskState::Cancelled). The task's own code is not
    /// interrupted.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Stops the fan-out at the first task that does not complete. Default: the other tasks go on.
    ///
    /// Then no new item is started, and every call of this crate in a running task ends at once with
    /// [`Cancelled`](crate::ErrorKind::Cancelled), and is cancelled on the server. In a chain all stages are stopped.
    /// [`into_values`](crate::TaskResults::into_values) returns the error of the task that failed, and not of one that
    /// was stopped because of it.
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

    /// Starts at most so many tasks per second, all workers together, retries included. Default: no limit.
    ///
    /// The starts are spread evenly, and unused time is not made up for, so a service with a rate limit never sees a
    /// burst. 0.1 is one start in ten seconds. A number that is not above zero means no limit.
    pub fn per_second(mut self, starts: f64) -> Self {
        self.pace = Pace::per_second(starts);
        self
    }

    /// For [`map_stream`](crate::map_stream): hands the records over in the order of the items. Default: each as soon
    /// as its task is done.
    ///
    /// Records that are done before their turn are held back and count as [`in_flight`](MapOptions::in_flight), so one
    /// slow task can hold up the others.
    pub fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// For [`map_stream`](crate::map_stream): the maximum number of items that are read from the input and not yet
    /// handed over as records. It bounds the memory. Default: twice the number of workers; with fewer than the workers,
    /// some have no work.
    pub fn in_flight(mut self, items: usize) -> Self {
        self.in_flight = Some(items.max(1));
        self
    }

    /// Sets a callback that is called after each item, on the worker's thread. Calls never overlap, so keep it short.
    ///
    /// If it panics, the tasks go on, and it is not called again.
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
    /// What can stop the stage, if `cancel` was set.
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

/// The progress of a fan-out, after one more item.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The number of finished items, including this one, whatever their state.
    pub done: usize,
    /// The number of all items; for [`map_stream`](crate::map_stream), of those read so far.
    pub total: usize,
    /// How many items of `done` did not complete.
    pub failed: usize,
    /// The name of this item's task.
    pub name: &'a str,
    /// What became of it.
    pub state: TaskState,
}
