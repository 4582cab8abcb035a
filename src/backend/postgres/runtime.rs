//! Telling an async task from a plain thread.

use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::task::coop;

use crate::error::{Error, Result};

/// Tokio's budget of one task between two yields is 128 steps; a few more than that empty it.
const MORE_THAN_A_BUDGET: usize = 256;

/// Refuses to block inside an async task, where the driver would panic.
///
/// Threads of `spawn_blocking` also belong to a runtime, but may block. Tokio does not say which kind a thread is, but
/// it gives each async task a budget of steps, and a blocking thread none. So this uses up the budget to see whether
/// there is one; that happens only on the way to this error.
///
/// # Errors
///
/// `Usage`, inside an async task.
pub(super) fn refuse_async() -> Result<()> {
    if Handle::try_current().is_err() || !has_budget() {
        return Ok(());
    }
    Err(Error::usage("batchdb blocks its thread and was called inside an async task")
        .with_hint("call it on a plain thread, or through `spawn_blocking`"))
}

/// Whether this thread runs an async task of Tokio's now.
pub(super) fn is_async() -> bool {
    refuse_async().is_err()
}

fn has_budget() -> bool {
    let mut context = Context::from_waker(Waker::noop());
    (0..MORE_THAN_A_BUDGET).any(|_| match coop::poll_proceed(&mut context) {
        Poll::Ready(step) => {
            step.made_progress();
            false
        }
        Poll::Pending => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn async_tasks_are_refused_and_blocking_threads_are_not() {
        assert!(!is_async());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        assert!(runtime.block_on(async { is_async() }));
        assert!(runtime.block_on(async { tokio::spawn(async { is_async() }).await.unwrap() }));
        assert!(!runtime.block_on(async { tokio::task::spawn_blocking(is_async).await.unwrap() }));
        let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(single.block_on(async { is_async() }));
        let _entered = single.enter();
        assert!(!is_async());
    }
}
