//! The fan-out: one task for each item, on threads of its own, with a record of every task.
//!
//! [`map_tasks`] runs one closure over many items. [`stage`] and [`then`](Stage::then) chain several, so
//! that an item goes on to its next stage at once and does not wait for the others. [`map_stream`] is for inputs that
//! do not fit into memory.

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

/// Runs `work` once for each item, on a thread pool of its own, and waits for all of them.
///
/// One failure does not stop the others, and a panic is caught: every item leaves a record, in the order
/// of the items. Calls of this crate made inside `work` are logged with the flow of the calling thread
/// and the name of the task, and keep within the task's time.
///
/// Rayon's own calls made inside `work` share the threads of this fan-out.
///
/// A task cannot start a fan-out of its own: no item of it runs, and
/// [`into_values`](TaskResults::into_values) says what to do instead.
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

/// The first stage of a chain. [`then`](Stage::then) adds the next one, `map` runs them all.
///
/// An item goes through all its stages on one worker, one right after the other: what it has achieved is
/// written while other items are still being computed. The chain has as many workers as the stage that
/// asks for the most; a stage that asks for fewer is held to that number.
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
    /// Adds a stage that gets what this one returned for an item, as soon as it has returned it.
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
    /// `before` may tell the stage before this one to stop, `end` all of them.
    fn open(
        self,
        items: usize,
        workers: usize,
        before: Option<Stop>,
        end: Option<&CancelToken>,
    ) -> Running<'w, T, R> {
        Running::new(self.options, self.work, items, workers, before, end)
    }

    /// What stops the fan-out at its first failure, where this stage asks for that.
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

/// Who may tell the calling thread's work to stop, and with it what it fans out.
fn outer() -> Option<Stop> {
    context::with(|context| context.stop.clone())
}

/// Fans the items out. Where that is refused, each is recorded as refused instead, by the same function.
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
