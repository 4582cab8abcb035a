//! What the current thread works for: the flow, the task, and the task's own deadline.
//!
//! A fan-out fills it, log lines and limits read it, and nobody has to pass it along.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::deadline::Deadline;

/// The context of one thread.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The flow on whose behalf the thread works.
    pub(crate) flow: Option<Arc<str>>,
    /// The task of a fan-out that the thread runs.
    pub(crate) task: Option<Arc<str>>,
    /// No call on this thread may go on past this point.
    pub(crate) deadline: Deadline,
    /// The fan-out that the thread is a worker of.
    pub(crate) fan_out: Option<FanOut>,
}

/// The fan-out that a thread is a worker of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FanOut {
    /// Tells one fan-out from the next, so that something is said once for each.
    pub(crate) id: u64,
    /// How many workers it has.
    pub(crate) workers: usize,
}

/// How many fan-outs run in this process.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Counts one fan-out for as long as it lives.
#[derive(Debug)]
pub(crate) struct UnderWay(());

impl UnderWay {
    pub(crate) fn begin() -> UnderWay {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        UnderWay(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How many fan-outs run in this process: what their tasks share is kept for as long.
pub(crate) fn fan_outs_under_way() -> usize {
    UNDER_WAY.load(Ordering::SeqCst)
}

const EMPTY: Context = Context { flow: None, task: None, deadline: Deadline::NONE, fan_out: None };

thread_local! {
    static CURRENT: RefCell<Context> = const { RefCell::new(EMPTY) };
}

/// A copy of the current thread's context.
pub(crate) fn current() -> Context {
    CURRENT.with_borrow(Clone::clone)
}

/// Looks at the current thread's context without a copy.
pub(crate) fn with<R>(look: impl FnOnce(&Context) -> R) -> R {
    CURRENT.with_borrow(look)
}

/// The point past which no call on this thread may go on.
pub(crate) fn deadline() -> Deadline {
    with(|context| context.deadline)
}

/// Sets the thread's context until the guard is dropped.
pub(crate) fn enter(context: Context) -> Entered {
    Entered { before: Some(CURRENT.replace(context)) }
}

/// Puts the thread's former context back when dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    before: Option<Context>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            CURRENT.set(before);
        }
    }
}

/// Runs `work` with the flow's name in the context, so that log lines of every call inside carry it.
///
/// ```
/// batchdb::with_flow("rpa1", || {
///     // Queries made here are logged with `flow=rpa1`.
/// });
/// ```
pub fn with_flow<R>(flow: &str, work: impl FnOnce() -> R) -> R {
    let _entered = enter(Context { flow: Some(flow.into()), ..current() });
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_ends_with_its_guard_also_on_panic() {
        with_flow("outer", || {
            let caught = std::panic::catch_unwind(|| with_flow("inner", || panic!("on purpose")));
            assert!(caught.is_err());
            assert_eq!(current().flow.as_deref(), Some("outer"));
        });
        assert_eq!(current().flow, None);
    }
}
