//! What became of the tasks of a fan-out.

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// What became of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// It returned `Ok`.
    Completed,
    /// It returned an error, in its last attempt.
    Failed,
    /// It failed with a timeout, or with an error that is not of this crate, after its
    /// [`timeout`](crate::MapOptions::timeout) had passed.
    TimedOut,
    /// It panicked. The error has the panic's text.
    Crashed,
    /// It failed because one of its calls was cancelled; or it failed after the fan-out was cancelled, and was
    /// therefore not retried.
    Cancelled,
    /// It did not run: the stage before it did not complete, the fan-out was cancelled before it began, or the whole
    /// fan-out was refused.
    NotStarted,
}

impl TaskState {
    /// Whether it was kept from completing by what happened elsewhere.
    pub(super) fn is_stopped(self) -> bool {
        matches!(self, TaskState::Cancelled | TaskState::NotStarted)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::TimedOut => "timed out",
            TaskState::Crashed => "crashed",
            TaskState::Cancelled => "cancelled",
            TaskState::NotStarted => "not started",
        })
    }
}

/// Why a task did not complete: the error that it returned, or what prevented it from running.
///
/// `Display` and `source` are those of that error. [`as_batchdb`](TaskError::as_batchdb) finds an error of this crate
/// in it.
pub struct TaskError(Box<dyn StdError + Send + Sync>);

impl TaskError {
    pub(super) fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> TaskError {
        TaskError(error.into())
    }

    /// The error of a task that panicked, with the panic's text where it has one.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> TaskError {
        let text = payload.downcast_ref::<&str>().copied();
        match text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)) {
            Some(text) => TaskError::new(format!("the task panicked: {text}")),
            None => TaskError::new("the task panicked"),
        }
    }

    /// The error of this crate, if it is one or has one among its sources.
    #[must_use]
    pub fn as_batchdb(&self) -> Option<&Error> {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self.0.as_ref());
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Error>() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// The error itself, to be downcast.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn StdError + Send + Sync> {
        self.0
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for TaskError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// The record of one item's task. Every item leaves one.
pub struct TaskRecord<R> {
    pub(super) index: usize,
    pub(super) name: Arc<str>,
    pub(super) state: TaskState,
    pub(super) attempts: u32,
    pub(super) duration: Duration,
    pub(super) outcome: Result<R, TaskError>,
}

impl<R> TaskRecord<R> {
    /// A record of a task that did not run.
    pub(super) fn not_started(index: usize, name: Arc<str>, error: TaskError) -> TaskRecord<R> {
        let (state, duration) = (TaskState::NotStarted, Duration::ZERO);
        TaskRecord { index, name, state, attempts: 0, duration, outcome: Err(error) }
    }

    /// The item's position in the input, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The task's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The final state.
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// How often it was run: 1 without retries, 0 if it was not started.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The time from its first start to its end, including pauses between attempts.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The value that it returned, if it completed.
    #[must_use]
    pub fn value(&self) -> Option<&R> {
        self.outcome.as_ref().ok()
    }

    /// Why it did not complete.
    #[must_use]
    pub fn error(&self) -> Option<&TaskError> {
        self.outcome.as_ref().err()
    }

    /// The value that it returned, or why it did not complete.
    ///
    /// # Errors
    ///
    /// The task's error, in every state but [`Completed`](TaskState::Completed).
    pub fn into_result(self) -> Result<R, TaskError> {
        self.outcome
    }
}

impl<R> fmt::Debug for TaskRecord<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRecord")
            .field("index", &self.index)
            .field("name", &self.name)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("duration", &self.duration)
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}

/// The records of a fan-out, in the order of its items.
///
/// ```
/// use batchdb::{MapOptions, TaskState, map_tasks};
///
/// let results = map_tasks(["1", "x", "3"], MapOptions::new("parse-{index}"), |text| text.parse::<i64>());
/// assert_eq!((results.len(), results.counts()[&TaskState::Failed]), (3, 1));
/// for task in results.failed() {
///     println!("{} after {} attempts: {:?}", task.name(), task.attempts(), task.error());
/// }
/// assert_eq!(results.into_completed().collect::<Vec<_>>(), [1, 3]);
/// ```
#[must_use = "a failed task is seen only here"]
pub struct TaskResults<R> {
    records: Vec<TaskRecord<R>>,
    refusal: Option<Error>,
}

impl<R> TaskResults<R> {
    pub(super) fn new(records: Vec<TaskRecord<R>>, refusal: Option<Error>) -> TaskResults<R> {
        TaskResults { records, refusal }
    }

    /// The values of all tasks, in the order of the items.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tasks`] when a task did not complete: the message says how many, and the source is the error of the
    /// first one that failed by itself. If the whole fan-out was refused: [`ErrorKind::Usage`] inside a task of another
    /// fan-out, [`ErrorKind::Io`] when no threads could be started.
    pub fn into_values(self) -> Result<Vec<R>> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let total = self.records.len();
        let mut values = Vec::with_capacity(total);
        let mut first: Option<(Arc<str>, TaskState, TaskError)> = None;
        let mut failed = 0_usize;
        for record in self.records {
            match record.outcome {
                Ok(value) => values.push(value),
                Err(error) => {
                    failed += 1;
                    // What was stopped for another's sake says less than that one.
                    if first
                        .as_ref()
                        .is_none_or(|(_, state, _)| state.is_stopped() && !record.state.is_stopped())
                    {
                        first = Some((record.name, record.state, error));
                    }
                }
            }
        }
        let Some((name, state, error)) = first else { return Ok(values) };
        let message = format!("{failed} of {total} tasks did not complete, the first is `{name}` ({state})");
        Err(Error::new(ErrorKind::Tasks, message).with_source(error))
    }

    /// The values of the completed tasks. The others are left out: look at [`failed`](Self::failed) too.
    pub fn completed(&self) -> impl Iterator<Item = &R> {
        self.records.iter().filter_map(TaskRecord::value)
    }

    /// As [`completed`](Self::completed), but by value.
    pub fn into_completed(self) -> impl Iterator<Item = R> {
        self.records.into_iter().filter_map(|record| record.outcome.ok())
    }

    /// The records of the tasks that did not complete, including those that were not started.
    pub fn failed(&self) -> impl Iterator<Item = &TaskRecord<R>> {
        self.records.iter().filter(|record| record.outcome.is_err())
    }

    /// How many tasks ended in each state. A state in which none did is left out.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<TaskState, usize> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            *counts.entry(record.state).or_default() += 1;
        }
        counts
    }

    /// The error, if the whole fan-out was refused and no task was started.
    #[must_use]
    pub fn refusal(&self) -> Option<&Error> {
        self.refusal.as_ref()
    }

    /// How many items there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there were no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, in the order of the items.
    pub fn iter(&self) -> std::slice::Iter<'_, TaskRecord<R>> {
        self.records.iter()
    }
}

impl<R> IntoIterator for TaskResults<R> {
    type Item = TaskRecord<R>;
    type IntoIter = std::vec::IntoIter<TaskRecord<R>>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

impl<'a, R> IntoIterator for &'a TaskResults<R> {
    type Item = &'a TaskRecord<R>;
    type IntoIter = std::slice::Iter<'a, TaskRecord<R>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<R> fmt::Debug for TaskResults<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskResults")
            .field("counts", &self.counts())
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}
