//! Parallel tasks (fan-out): one task for each item, on threads, with a record of every task.
//!
//! [`map_tasks`] runs one closure over many items. [`stage`] and [`then`](Stage::then) chain several closures, so that
//! an item goes on to its next stage without waiting for other items. [`map_stream`] is for inputs that do not fit into
//! memory.

mod field;
mod name;
mod options;
mod outcome;
mod pace;
mod retry;
mod stage;
mod stream;
#[cfg(test)]
mod tests;
mod workers;

use std::error::Error as StdError;
use std::fmt;

pub use options::{MapOptions, Progress};
pub use outcome::{TaskError, TaskRecord, TaskResults, TaskState};
pub use stream::{TaskStream, map_stream, try_map_stream};

use crate::cancel::CancelToken;
use crate::context::{self, Stop};
use crate::error::Error;
use stage::{Running, Work};

/// Runs `work` once for each item, on threads that are started for this call, waits for all of them, and returns a
/// record for every item, in the order of the items.
///
/// A failure does not stop the other tasks, and a panic is caught. Calls of this crate inside `work` are logged with
/// the flow of the calling thread and the name of the task, and end within the task's [`timeout`](MapOptions::timeout).
///
/// Calls of the crate rayon inside `work` use the threads of this fan-out.
///
/// A task cannot start another fan-out: none of its items would run, and its [`into_values`](TaskResults::into_values)
/// returns an error that says what to do instead.
///
/// ```
/// use batchdb::{MapOptions, TaskState, map_tasks};
///
/// let results = map_tasks(["1", "2", "x"], MapOptions::new("parse-{index}"), |text| text.parse::<i64>());
///
/// assert_eq!(results.completed().collect::<Vec<_>>(), [&1, &2]);
/// let failed = results.failed().next().unwrap();
/// assert_eq!((failed.name(), failed.state()), ("parse-2", TaskState::Failed));
/// assert!(results.into_values().is_err());
/// ```
pub fn map_tasks<T, R, E>(
    items: impl IntoIterator<Item = T>,
    options: MapOptions<T>,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> TaskResults<R>
where
    T: Send + Sync,
    R: Send,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    stage(options, work).map(items)
}

/// Makes the first stage of a chain. [`then`](Stage::then) adds the next one, [`map`](Stage::map) runs them all.
///
/// An item goes through all its stages on one worker, one right after the other, so its result can be written while
/// other items are still being computed. The chain has as many workers as the stage that asks for the most; a stage
/// that asks for fewer runs on at most so many at a time.
///
/// ```
/// use batchdb::{MapOptions, stage};
///
/// let (scores, written) = stage(MapOptions::<i64>::new("score-{index}"), |id| Ok::<_, batchdb::Error>(id * 10))
///     .then(MapOptions::default().workers(2), |score| Ok::<_, batchdb::Error>(format!("wrote {score}")))
///     .map([1, 2, 3]);
///
/// assert_eq!(scores.into_values()?, [10, 20, 30]);
/// assert_eq!(written.into_values()?, ["wrote 10", "wrote 20", "wrote 30"]);
/// # Ok::<(), batchdb::Error>(())
/// ```
pub fn stage<'w, T, R, E>(
    options: MapOptions<T>,
    work: impl Fn(&T) -> Result<R, E> + Sync + 'w,
) -> Stage<'w, T, R>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    Stage { options, work: Box::new(move |item| work(item).map_err(TaskError::new)) }
}

/// One stage, not yet run. Made by [`stage`].
#[must_use = "a stage runs when it is mapped over items"]
pub struct Stage<'w, T, R> {
    options: MapOptions<T>,
    work: Work<'w, T, R>,
}

impl<'w, T: Send + Sync, A: Send> Stage<'w, T, A> {
    /// Adds a stage, which gets the value that this one returned for an item, right after it has returned it.
    ///
    /// An item that did not complete this stage is [`NotStarted`](TaskState::NotStarted) in the next.
    pub fn then<B, E>(
        self,
        options: MapOptions<A>,
        work: impl Fn(&A) -> Result<B, E> + Sync + 'w,
    ) -> TwoStages<'w, T, A, B>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        TwoStages { first: self, second: stage(options, work) }
    }

    /// Runs the stage over the items. See [`map_tasks`].
    pub fn map(self, items: impl IntoIterator<Item = T>) -> TaskResults<A> {
        let items: Vec<T> = items.into_iter().collect();
        let workers = workers::count(self.options.workers, items.len());
        let end = self.end();
        let only = self.open(items.len(), workers, outer(), end.as_ref());
        let (records, refusal) =
            run(&items, workers, |index, item, refusal| only.start(index, item, refusal));
        only.finish(records, refusal)
    }
}

impl<'w, T, R> Stage<'w, T, R> {
    /// `before` can stop the stage before this one, `end` can stop all stages.
    fn open(
        self,
        items: usize,
        workers: usize,
        before: Option<Stop>,
        end: Option<&CancelToken>,
    ) -> Running<'w, T, R> {
        Running::new(self.options, self.work, items, workers, before, end)
    }

    /// The token that stops the fan-out at its first failure, if this stage asks for `fail_fast`.
    fn end(&self) -> Option<CancelToken> {
        self.options.fail_fast.then(CancelToken::new)
    }
}

/// Two stages, not yet run. Made by [`Stage::then`].
#[must_use = "stages run when they are mapped over items"]
pub struct TwoStages<'w, T, A, B> {
    first: Stage<'w, T, A>,
    second: Stage<'w, A, B>,
}

impl<'w, T: Send + Sync, A: Send, B: Send> TwoStages<'w, T, A, B> {
    /// Adds a third stage. See [`Stage::then`].
    pub fn then<C, E>(
        self,
        options: MapOptions<B>,
        work: impl Fn(&B) -> Result<C, E> + Sync + 'w,
    ) -> ThreeStages<'w, T, A, B, C>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        ThreeStages { first: self.first, second: self.second, third: stage(options, work) }
    }

    /// Runs the stages over the items and returns the records of each. See [`stage`].
    pub fn map(self, items: impl IntoIterator<Item = T>) -> (TaskResults<A>, TaskResults<B>) {
        let items: Vec<T> = items.into_iter().collect();
        let wanted = self.first.options.workers.max(self.second.options.workers);
        let workers = workers::count(wanted, items.len());
        let end = self.first.end().or_else(|| self.second.end());
        let first = self.first.open(items.len(), workers, outer(), end.as_ref());
        let second = self.second.open(items.len(), workers, first.asked(), end.as_ref());
        let (records, refusal) = run(&items, workers, |index, item, refusal| {
            let one = first.start(index, item, refusal);
            let two = second.follow(&one, refusal);
            (one, two)
        });
        let (ones, twos) = records.into_iter().unzip();
        (first.finish(ones, refusal.clone()), second.finish(twos, refusal))
    }
}

/// Three stages, not yet run. Made by [`TwoStages::then`].
#[must_use = "stages run when they are mapped over items"]
pub struct ThreeStages<'w, T, A, B, C> {
    first: Stage<'w, T, A>,
    second: Stage<'w, A, B>,
    third: Stage<'w, B, C>,
}

impl<T: Send + Sync, A: Send, B: Send, C: Send> ThreeStages<'_, T, A, B, C> {
    /// Runs the stages over the items and returns the records of each. See [`stage`].
    pub fn map(self, items: impl IntoIterator<Item = T>) -> (TaskResults<A>, TaskResults<B>, TaskResults<C>) {
        let items: Vec<T> = items.into_iter().collect();
        let wanted = self.first.options.workers.max(self.second.options.workers);
        let workers = workers::count(wanted.max(self.third.options.workers), items.len());
        let end = self.first.end().or_else(|| self.second.end()).or_else(|| self.third.end());
        let first = self.first.open(items.len(), workers, outer(), end.as_ref());
        let second = self.second.open(items.len(), workers, first.asked(), end.as_ref());
        let third = self.third.open(items.len(), workers, second.asked(), end.as_ref());
        let (records, refusal) = run(&items, workers, |index, item, refusal| {
            let one = first.start(index, item, refusal);
            let two = second.follow(&one, refusal);
            let three = third.follow(&two, refusal);
            (one, (two, three))
        });
        let (ones, rest): (_, Vec<_>) = records.into_iter().unzip();
        let (twos, threes) = rest.into_iter().unzip();
        let refused = || refusal.clone();
        (first.finish(ones, refused()), second.finish(twos, refused()), third.finish(threes, refused()))
    }
}

/// What can stop the work of the calling thread, and with it this fan-out.
fn outer() -> Option<Stop> {
    context::with(|context| context.stop.clone())
}

/// Runs the items on the workers. If the fan-out is refused, the same function records every item as refused.
fn run<T: Sync, P: Send>(
    items: &[T],
    workers: usize,
    one: impl Fn(usize, &T, Option<&Error>) -> P + Sync,
) -> (Vec<P>, Option<Error>) {
    match workers::fan_out(items, workers, |index, item| one(index, item, None)) {
        Ok(records) => (records, None),
        Err(refusal) => {
            let records =
                items.iter().enumerate().map(|(index, item)| one(index, item, Some(&refusal))).collect();
            (records, Some(refusal))
        }
    }
}

impl<T, R> fmt::Debug for Stage<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<T, A, B> fmt::Debug for TwoStages<'_, T, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entry(&self.first).entry(&self.second).finish()
    }
}

impl<T, A, B, C> fmt::Debug for ThreeStages<'_, T, A, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entry(&self.first).entry(&self.second).entry(&self.third).finish()
    }
}
