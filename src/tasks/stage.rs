//! One stage at work: a task for each item, with its name, its time, its attempts and its record.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ::log::Level;
use ::log::kv::Value;

use super::options::{self, Callback, MapOptions, Namer, Progress};
use super::outcome::{TaskError, TaskRecord, TaskResults, TaskState};
use super::pace::Pace;
use super::retry::{Next, Retry};
use crate::cancel::CancelToken;
use crate::context::{self, Context, FanOut, Stop};
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Result};
use crate::log_line::{self, Field, milliseconds};

/// The work of a stage, whatever its closure and its error are.
pub(super) type Work<'w, T, R> = Box<dyn Fn(&T) -> Result<R, TaskError> + Sync + 'w>;

/// A stage that runs, for one fan-out.
pub(super) struct Running<'w, T, R> {
    work: Work<'w, T, R>,
    name: Namer<T>,
    retry: Retry,
    timeout: Option<Duration>,
    /// What can stop this stage, and is passed on to the stages that follow.
    asked: Option<Stop>,
    /// The same, and the fan-out itself.
    stop: Option<Stop>,
    /// Cancelled by the first task of this stage that does not complete.
    fail_fast: Option<CancelToken>,
    pace: Option<Pace>,
    tally: Mutex<Tally>,
    /// How many of its tasks may run at a time, if fewer than the workers of the fan-out.
    permits: Option<Permits>,
    workers: usize,
    total: AtomicUsize,
    started: Instant,
}

struct Tally {
    done: usize,
    failed: usize,
    callback: Option<Callback>,
}

impl<'w, T, R> Running<'w, T, R> {
    /// `workers` are those of the whole fan-out; `before` may tell the stage before this one to stop, `end` all of them.
    pub(super) fn new(
        options: MapOptions<T>,
        work: Work<'w, T, R>,
        total: usize,
        workers: usize,
        before: Option<Stop>,
        end: Option<&CancelToken>,
    ) -> Self {
        let own = options.workers.unwrap_or(workers).min(workers);
        // A token of its own takes the place of the stage's before it, and not of what is around the whole.
        let asked = options.stop().map(|own| own.beside(super::outer())).or(before);
        Running {
            work,
            stop: end.map(|end| Stop::at_once(end, asked.clone())).or_else(|| asked.clone()),
            asked,
            fail_fast: end.filter(|_| options.fail_fast).cloned(),
            pace: options.pace,
            name: options.name,
            retry: options.retry,
            timeout: options.timeout,
            tally: Mutex::new(Tally { done: 0, failed: 0, callback: options.on_progress }),
            permits: (own < workers).then(|| Permits::new(own)),
            workers: own,
            total: AtomicUsize::new(total),
            started: Instant::now(),
        }
    }

    /// What can stop this stage and the stages that follow.
    pub(super) fn asked(&self) -> Option<Stop> {
        self.asked.clone()
    }

    /// Whether it was told to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::is_told)
    }

    /// One more item was read.
    pub(super) fn count(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the task of an input item, unless the fan-out was refused, or cancelled before its turn.
    pub(super) fn start(&self, index: usize, item: &T, refusal: Option<&Error>) -> TaskRecord<R> {
        match refusal {
            None => self.run(index, item, Stop::is_told),
            Some(error) => {
                TaskRecord::not_started(index, self.name_of(index, item), TaskError::new(error.clone()))
            }
        }
    }

    /// Runs the task that follows one of the previous stage, if that one completed.
    pub(super) fn follow(&self, before: &TaskRecord<T>, refusal: Option<&Error>) -> TaskRecord<R> {
        if let Some(value) = before.value() {
            // During the grace period an item may still go through its remaining stages.
            return self.run(before.index, value, Stop::is_over);
        }
        let error = match refusal {
            Some(error) => TaskError::new(error.clone()),
            None => TaskError::new("the stage before this one did not complete"),
        };
        // This stage cannot name the task, because there is no value to name it by.
        let record = TaskRecord::not_started(before.index, Arc::clone(&before.name), error);
        if refusal.is_none() {
            self.report(&record);
        }
        record
    }

    /// Ends the stage: logs one line for all its tasks.
    pub(super) fn finish(self, records: Vec<TaskRecord<R>>, refusal: Option<Error>) -> TaskResults<R> {
        let results = TaskResults::new(records, refusal);
        let completed = results.counts().get(&TaskState::Completed).copied().unwrap_or_default();
        let message = if results.refusal().is_some() { "fan-out refused" } else { "fan-out finished" };
        self.tell(message, results.len(), completed);
        results
    }

    /// Ends a stage whose records were handed over one by one.
    pub(super) fn finish_stream(&self) {
        let (done, failed) = {
            let tally = lock(&self.tally);
            (tally.done, tally.failed)
        };
        self.tell("fan-out finished", done, done - failed);
    }

    fn tell(&self, message: &str, tasks: usize, completed: usize) {
        let level = if completed == tasks { Level::Debug } else { Level::Warn };
        let fields: [Field<'_>; 4] = [
            ("tasks", tasks.into()),
            ("completed", completed.into()),
            ("workers", self.workers.into()),
            ("duration_ms", milliseconds(self.started.elapsed()).into()),
        ];
        log_line::event(level, message, &fields);
    }

    /// Makes the record of an item's task, whatever panics on the way. If a worker died of a panic, its record would be
    /// lost, and the caller would wait for it for ever.
    fn run(&self, index: usize, item: &T, too_late: impl FnOnce(&Stop) -> bool) -> TaskRecord<R> {
        // Panics of the work itself are caught where it is called. Here come only those of the destructor of its error
        // or panic payload, and of the program's logger.
        guarded(|| self.attempt(index, item, too_late)).unwrap_or_else(|error| {
            let record = TaskRecord {
                index,
                name: options::default_name(index).into(),
                state: TaskState::Crashed,
                attempts: 1,
                duration: Duration::ZERO,
                outcome: Err(error),
            };
            let _ = guarded(|| self.report(&record));
            record
        })
    }

    /// Runs the task of an item, unless it is `too_late` for that.
    fn attempt(&self, index: usize, item: &T, too_late: impl FnOnce(&Stop) -> bool) -> TaskRecord<R> {
        let _permit = self.permits.as_ref().map(Permits::take);
        // The time of a task begins with its start.
        self.await_turn(Deadline::NONE);
        if self.stop.as_ref().is_some_and(too_late) {
            return self.stopped(index, item, "the fan-out was told to stop before this task began");
        }
        let name = self.name_of(index, item);
        let started = Instant::now();
        let context = context::current();
        let own = self.timeout.map_or(Deadline::NONE, |limit| Deadline::after(started, limit));
        let workers = self.workers;
        let _entered = context::enter(Context {
            task: Some(Arc::clone(&name)),
            deadline: own.earlier(context.deadline),
            fan_out: context.fan_out.map(|fan_out| FanOut { workers, ..fan_out }),
            stop: self.stop.clone(),
            flow: context.flow,
        });
        let (attempts, state, outcome) = self.attempts(item);
        let record = TaskRecord { index, name, state, attempts, duration: started.elapsed(), outcome };
        let fields: [Field<'_>; 3] = [
            ("state", Value::from_display(&record.state)),
            ("attempts", record.attempts.into()),
            ("duration_ms", milliseconds(record.duration).into()),
        ];
        log_line::event(Level::Debug, "task finished", &fields);
        self.report(&record);
        record
    }

    /// The record of an item that came when the stage was stopped already.
    pub(super) fn stopped(&self, index: usize, item: &T, message: &'static str) -> TaskRecord<R> {
        let error = Error::new(ErrorKind::Cancelled, message).with_effect(Effect::NotSent);
        let record = TaskRecord::not_started(index, self.name_of(index, item), TaskError::new(error));
        self.report(&record);
        record
    }

    /// The record in the place of an item that could not be read.
    pub(super) fn unread(&self, index: usize, error: Error) -> TaskRecord<R> {
        let name = options::default_name(index).into();
        let record = TaskRecord::not_started(index, name, TaskError::new(error));
        self.report(&record);
        record
    }

    /// With `per_second`, waits for the turn of the next start; the wait ends early on cancellation. Returns false at
    /// once if the turn comes after `end`.
    fn await_turn(&self, end: Deadline) -> bool {
        let Some(pace) = &self.pace else { return true };
        let now = Instant::now();
        let Some(turn) = pace.next(now, end.at()) else { return false };
        let wait = turn.saturating_duration_since(now);
        match &self.stop {
            _ if wait.is_zero() => (),
            Some(stop) => drop(stop.wait(wait)),
            None => thread::sleep(wait),
        }
        true
    }

    fn attempts(&self, item: &T) -> (u32, TaskState, Result<R, TaskError>) {
        let mut attempt = 0;
        loop {
            attempt += 1;
            // The `retry_if` rule is the caller's code too, so its panics are caught as well.
            let caught = catch_unwind(AssertUnwindSafe(|| {
                (self.work)(item).map_err(|error| {
                    let left = context::deadline().left(Instant::now());
                    let next = self.retry.next(attempt, &error, left, context::is_stopped());
                    (error, next)
                })
            }));
            match caught {
                Ok(Ok(value)) => return (attempt, TaskState::Completed, Ok(value)),
                Ok(Err((error, Next::End(state)))) => return (attempt, state, Err(error)),
                Ok(Err((error, Next::Again))) => {
                    if let Err(state) = self.pause(attempt, &error) {
                        return (attempt, state, Err(error));
                    }
                }
                Err(panic) => return (attempt, TaskState::Crashed, Err(crash(panic))),
            }
        }
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    ///
    /// The final state of the task, if the fan-out was cancelled meanwhile, or the task's time would end before its
    /// turn.
    fn pause(&self, attempt: u32, error: &TaskError) -> Result<(), TaskState> {
        let mut fields: Vec<Field<'_>> =
            vec![("attempt", attempt.into()), ("delay_ms", milliseconds(self.retry.delay).into())];
        // Only our own error texts are known to contain no values.
        fields.extend(error.as_batchdb().map(|error| ("error", Value::from_display(error))));
        log_line::event(Level::Warn, "a task failed and is run again", &fields);
        let in_time = context::pause(self.retry.delay) && self.await_turn(context::deadline());
        match self.is_stopped() {
            true => Err(TaskState::Cancelled),
            false if in_time => Ok(()),
            false => Err(TaskState::TimedOut),
        }
    }

    fn name_of(&self, index: usize, item: &T) -> Arc<str> {
        // If the naming function panics, the task gets its default name.
        let name = guarded(|| (self.name)(index, item));
        name.unwrap_or_else(|_| options::default_name(index)).into()
    }

    fn report(&self, record: &TaskRecord<R>) {
        if let Some(end) = self.fail_fast.as_ref().filter(|_| record.state != TaskState::Completed) {
            end.cancel();
        }
        let mut tally = lock(&self.tally);
        tally.done += 1;
        tally.failed += usize::from(record.state != TaskState::Completed);
        let progress = Progress {
            done: tally.done,
            total: self.total.load(Ordering::Relaxed),
            failed: tally.failed,
            name: &record.name,
            state: record.state,
        };
        let Some(callback) = &mut tally.callback else { return };
        if guarded(|| callback(progress)).is_err() {
            tally.callback = None;
            log_line::event(Level::Warn, "the progress callback panicked and is not called again", &[]);
        }
    }
}

/// Runs something that may panic.
///
/// # Errors
///
/// The panic's text.
pub(super) fn guarded<V>(run: impl FnOnce() -> V) -> Result<V, TaskError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(crash)
}

/// The text of a panic. Its payload may be of any type; if dropping it panics again, it is not dropped a second time.
fn crash(payload: Box<dyn Any + Send>) -> TaskError {
    let error = TaskError::panicked(payload.as_ref());
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
    error
}

/// How many tasks of a stage may run at a time.
struct Permits {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Permits {
    fn new(free: usize) -> Permits {
        Permits { free: Mutex::new(free), freed: Condvar::new() }
    }

    fn take(&self) -> Permit<'_> {
        let free = self.freed.wait_while(lock(&self.free), |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }
}

struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.freed.notify_one();
    }
}

/// The state under these locks is consistent after each step, so a poisoned lock can be used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
