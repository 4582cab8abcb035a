//! The threads of a fan-out: the one room of rayon.
//!
//! [`map_tasks`](super::map_tasks) makes a rayon pool for each fan-out and ends it with the fan-out. A shared pool
//! could give a waiting worker another task, which then waits for a connection that the first task holds.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Scope};

use ::rayon::{ThreadPool, ThreadPoolBuilder};

use crate::context::{self, Context, Entered, FanOut, UnderWay};
use crate::error::{Error, ErrorKind, Result};

/// The number of workers to start, for this many items when this many were asked for.
pub(super) fn count(wanted: Option<usize>, items: usize) -> usize {
    let wanted = wanted.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    wanted.min(items).max(1)
}

/// Runs `work` for every item, on threads of its own, and returns the results in order.
///
/// Items are started in their order: each worker takes the next one when it is free. The calling thread
/// only waits.
///
/// # Errors
///
/// When the calling thread is itself a worker, or threads could not be started. Then no item was started.
pub(super) fn fan_out<T: Sync, P: Send>(
    items: &[T],
    workers: usize,
    work: impl Fn(usize, &T) -> P + Sync,
) -> Result<Vec<P>> {
    let crew = Crew::of(workers)?;
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let next = AtomicUsize::new(0);
    let drain = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(index, item)));
        }
    };
    let run = || {
        ThreadPoolBuilder::new().num_threads(workers).thread_name(thread_name).build_scoped(
            |thread| {
                let _entered = crew.enter();
                thread.run();
            },
            |pool: &ThreadPool| pool.broadcast(|_| drain()),
        )
    };
    let parts = apart_from_rayon(run).map_err(no_threads)?;
    let mut done: Vec<(usize, P)> = parts.into_iter().flatten().collect();
    // Each worker's results are already in order, which makes this sort fast.
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

fn thread_name(worker: usize) -> String {
    format!("batchdb-task-{worker}")
}

fn no_threads(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Io, "the threads of a fan-out could not be started").with_source(error)
}

/// The workers of one fan-out: what they know of it, and that it is under way.
pub(super) struct Crew {
    context: Context,
    _under_way: UnderWay,
}

impl Crew {
    /// # Errors
    ///
    /// `Usage`, when the calling thread is itself a worker.
    pub(super) fn of(workers: usize) -> Result<Crew> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        if context::with(|context| context.fan_out.is_some()) {
            return Err(Error::usage("a fan-out was started inside a task of another").with_hint(
                "chain the stages with `then`, or return the inner items and map them afterwards",
            ));
        }
        let fan_out = FanOut { id: LAST.fetch_add(1, Ordering::Relaxed) + 1, workers };
        let context = Context { fan_out: Some(fan_out), ..context::current() };
        Ok(Crew { context, _under_way: UnderWay::begin() })
    }

    /// Makes the calling thread one of the workers until the guard is dropped.
    fn enter(&self) -> Entered {
        context::enter(self.context.clone())
    }

    /// Starts one of the workers on a plain thread. Rayon's threads cannot be used for workers that wait for items: a
    /// rayon broadcast by a task would wait for these workers.
    pub(super) fn spawn<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        worker: usize,
        work: impl FnOnce() + Send + 's,
    ) -> Result<()> {
        let run = || {
            let _entered = self.enter();
            work();
        };
        thread::Builder::new().name(thread_name(worker)).spawn_scoped(scope, run).map_err(no_threads)?;
        Ok(())
    }
}

/// Waits by blocking the calling thread. Otherwise, if the caller is a worker of another rayon pool, rayon would run
/// another job of that pool on it meanwhile, with everything that the caller holds.
fn apart_from_rayon<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    if ::rayon::current_thread_index().is_none() {
        return run();
    }
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_at_most_the_items_and_at_least_one() {
        assert_eq!(count(Some(8), 3), 3);
        assert_eq!(count(Some(2), 3), 2);
        assert_eq!(count(Some(2), 0), 1);
        assert!(count(None, 1000) >= 1);
    }

    #[test]
    fn threads_are_named_and_gone_afterwards() {
        let names = fan_out(&[(); 3], 3, |_, ()| thread::current().name().map(str::to_owned)).unwrap();
        assert!(names.iter().flatten().all(|name| name.starts_with("batchdb-task-")), "{names:?}");
        assert!(context::with(|context| context.fan_out.is_none()));
    }

    #[test]
    fn the_calling_thread_runs_nothing_even_in_a_rayon_pool() {
        let caller = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (own, others) = caller.install(|| {
            let own = thread::current().id();
            (own, fan_out(&[(); 4], 2, |_, ()| thread::current().id()).unwrap())
        });
        assert!(!others.contains(&own));
    }
}
