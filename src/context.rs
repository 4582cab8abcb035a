//! The context of the current thread: the flow, the task, the task's deadline, and what can stop it.
//!
//! A fan-out fills it, log lines and deadlines read it, so it need not be passed along.

mod apart;

pub(crate) use apart::{Missed, apart};

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Select};

use crate::cancel::CancelToken;
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
    /// Who may tell the thread's work to stop.
    pub(crate) stop: Option<Stop>,
}

/// Who may tell some work to stop, and how long what runs by then may go on.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) token: CancelToken,
    pub(crate) grace: Duration,
    /// Who else may, with a grace of its own.
    pub(crate) or: Option<Arc<Stop>>,
}

impl Stop {
    pub(crate) fn new(token: CancelToken, grace: Duration) -> Stop {
        Stop { token, grace, or: None }
    }

    /// One that has no grace, beside those that were there before.
    pub(crate) fn at_once(token: &CancelToken, before: Option<Stop>) -> Stop {
        Stop::new(token.clone(), Duration::ZERO).beside(before)
    }

    /// The same, and those who may tell the work around it: what runs inside is theirs, too.
    pub(crate) fn beside(self, around: Option<Stop>) -> Stop {
        Stop { or: around.map(Arc::new), ..self }
    }

    fn all(&self) -> impl Iterator<Item = &Stop> {
        std::iter::successors(Some(self), |stop| stop.or.as_deref())
    }

    /// Whether the work was told to stop.
    pub(crate) fn is_told(&self) -> bool {
        self.all().any(|stop| stop.token.is_cancelled())
    }

    /// The end of the grace, once the work was told.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        let ends =
            self.all().filter_map(|stop| Some(Deadline::grace(stop.token.cancelled_at()?, stop.grace)));
        ends.reduce(Deadline::earlier)
    }

    /// Whether the grace is over.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline.left(Instant::now()).is_zero())
    }

    /// Waits for `time` at most, and says whether the work was told to stop.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        if self.or.is_none() {
            return self.token.wait(time);
        }
        let untold = self.untold();
        if !self.is_told() {
            // What comes is the end of the time, or one of those who may tell.
            let until = Deadline::after(Instant::now(), time);
            let _ = select(&crossbeam_channel::never::<()>(), &untold, until);
        }
        self.is_told()
    }

    /// Those who have said nothing yet. To be asked before anything that depends on it: who speaks after that wakes
    /// whoever waits for them.
    fn untold(&self) -> Vec<&CancelToken> {
        self.all().map(|stop| &stop.token).filter(|token| !token.is_cancelled()).collect()
    }
}

/// Waits for a message, the deadline, or for somebody to say stop, which is `None`.
fn select<T>(
    inbox: &Receiver<T>,
    untold: &[&CancelToken],
    until: Deadline,
) -> Option<Result<T, RecvTimeoutError>> {
    let mut select = Select::new();
    select.recv(inbox);
    for token in untold {
        select.recv(token.told());
    }
    let selected = match until.at() {
        Some(at) => match select.select_deadline(at) {
            Ok(selected) => selected,
            Err(_) => return Some(Err(RecvTimeoutError::Timeout)),
        },
        None => select.select(),
    };
    let Some(token) = selected.index().checked_sub(1) else {
        return Some(selected.recv(inbox).map_err(|_| RecvTimeoutError::Disconnected));
    };
    // It is disconnected; a selected operation must be completed all the same.
    let _ = selected.recv(untold[token].told());
    None
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

const EMPTY: Context =
    Context { flow: None, task: None, deadline: Deadline::NONE, fan_out: None, stop: None };

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
    with(|context| match &context.stop {
        None => context.deadline,
        Some(stop) => context.deadline.earlier(stop.deadline().unwrap_or(Deadline::NONE)).shrinking(),
    })
}

/// What has become of a deadline since it was made: one that shrinks may have moved to the end of the grace.
pub(crate) fn in_force(deadline: Deadline) -> Deadline {
    if deadline.shrinks() { deadline.earlier(self::deadline()) } else { deadline }
}

/// Who may tell the thread's work to stop, for a wait until `deadline`.
pub(crate) fn stop_of(deadline: Deadline) -> Option<Stop> {
    if deadline.shrinks() { with(|context| context.stop.clone()) } else { None }
}

/// Waits for a message until the deadline, which may shrink meanwhile.
///
/// # Errors
///
/// As those of `recv_timeout`.
pub(crate) fn receive<T>(inbox: &Receiver<T>, deadline: Deadline) -> Result<T, RecvTimeoutError> {
    if let Some(stop) = stop_of(deadline) {
        loop {
            let untold = stop.untold();
            if untold.is_empty() {
                break;
            }
            if let Some(outcome) = select(inbox, &untold, in_force(deadline)) {
                return outcome;
            }
        }
    }
    match in_force(deadline).at() {
        Some(at) => inbox.recv_deadline(at),
        None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

/// Whether the thread's work was told to stop.
pub(crate) fn is_stopped() -> bool {
    with(|context| context.stop.as_ref().is_some_and(Stop::is_told))
}

/// Pauses the thread; false at once when its work was told to stop.
pub(crate) fn pause(time: Duration) -> bool {
    match with(|context| context.stop.clone()) {
        Some(stop) => !stop.wait(time),
        None => {
            thread::sleep(time);
            true
        }
    }
}

/// Frees the thread of limits and of being told to stop until the guard is dropped: for what must be brought to an
/// end in its own time.
pub(crate) fn without_limits() -> Entered {
    enter(Context { deadline: Deadline::NONE, stop: None, ..current() })
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

/// Runs `work` with a flow's name in the context, so that the log lines of every call inside carry it. It does not
/// select the flow's settings; the builder's [`flow`](crate::DatabaseManagerBuilder::flow) does.
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

/// Runs `work` so that it can be cancelled: once `token` is cancelled, calls of this crate inside `work` may go on for
/// `grace` at most; then they end with [`Cancelled`](crate::ErrorKind::Cancelled), and are cancelled on the server. A
/// fan-out inside starts no new item.
///
/// `work` itself is not interrupted. For pauses in it use [`CancelToken::wait`]. An outer token, such as that of another
/// `with_cancel` or of the fan-out whose task this is, still cancels the work inside, with its own grace period.
///
/// ```
/// use std::time::Duration;
/// use batchdb::{CancelToken, with_cancel};
///
/// let token = CancelToken::new();
/// with_cancel(&token, Duration::from_secs(20), || {
///     // Queries made here end at most 20 s after `token.cancel()`.
/// });
/// ```
pub fn with_cancel<R>(token: &CancelToken, grace: Duration, work: impl FnOnce() -> R) -> R {
    let around = current();
    let stop = Some(Stop::new(token.clone(), grace).beside(around.stop));
    let _entered = enter(Context { stop, ..around });
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_wait_shrinks_to_the_grace_when_it_is_told_to_stop() {
        let (_keep, inbox) = crossbeam_channel::bounded::<()>(0);
        let token = CancelToken::new();
        let teller = token.clone();
        with_cancel(&token, Duration::from_millis(50), || {
            let began = Instant::now();
            let deadline = Deadline::after(began, LONG).earlier(deadline());
            let told = thread::spawn(move || teller.cancel());
            assert_eq!(receive(&inbox, deadline), Err(RecvTimeoutError::Timeout));
            assert!((Duration::from_millis(50)..LONG / 2).contains(&began.elapsed()));
            told.join().unwrap();
            let error = in_force(deadline).passed(crate::error::Phase::Query);
            assert_eq!(error.kind(), crate::error::ErrorKind::Cancelled);
            // What undoes and cleans up has its own time.
            let own = Deadline::after(Instant::now(), LONG);
            assert_eq!(in_force(own), own);
            assert!(!pause(LONG));
        });
        assert_eq!(deadline(), Deadline::NONE);
    }

    #[test]
    fn a_message_comes_through_while_nobody_says_stop() {
        let (sender, inbox) = crossbeam_channel::bounded(1);
        with_cancel(&CancelToken::new(), LONG, || {
            sender.send(7).unwrap();
            assert_eq!(receive(&inbox, deadline()), Ok(7));
            let soon = Deadline::after(Instant::now(), Duration::from_millis(5)).earlier(deadline());
            assert_eq!(receive(&inbox, soon), Err(RecvTimeoutError::Timeout));
            drop(sender);
            assert_eq!(receive(&inbox, deadline()), Err(RecvTimeoutError::Disconnected));
        });
    }

    #[test]
    fn of_several_who_may_say_stop_each_is_heard() {
        let (_keep, inbox) = crossbeam_channel::bounded::<()>(0);
        let (patient, hasty) = (CancelToken::new(), CancelToken::new());
        let stop = Stop::at_once(&hasty, Some(Stop::new(patient.clone(), LONG)));
        assert!(!stop.wait(Duration::from_millis(1)) && !stop.is_told() && stop.deadline().is_none());
        let _entered = enter(Context { stop: Some(stop.clone()), ..current() });
        patient.cancel();
        assert!(stop.is_told() && stop.wait(LONG) && !stop.is_over());
        // The grace of the one does not keep the other from being heard.
        let told = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            hasty.cancel();
        });
        let began = Instant::now();
        assert_eq!(receive(&inbox, deadline()), Err(RecvTimeoutError::Timeout));
        assert!(began.elapsed() < LONG / 2 && stop.is_over());
        told.join().unwrap();
    }

    #[test]
    fn who_may_stop_the_work_around_may_stop_the_work_inside() {
        let (_keep, inbox) = crossbeam_channel::bounded::<()>(0);
        let (outer, inner) = (CancelToken::new(), CancelToken::new());
        let teller = outer.clone();
        with_cancel(&outer, Duration::from_millis(20), || {
            with_cancel(&inner, LONG, || {
                assert!(!is_stopped());
                let told = thread::spawn(move || teller.cancel());
                let began = Instant::now();
                assert_eq!(receive(&inbox, deadline()), Err(RecvTimeoutError::Timeout));
                assert!(is_stopped() && began.elapsed() < LONG / 2);
                told.join().unwrap();
            });
        });
        // The grace of each is its own.
        with_cancel(&CancelToken::new(), LONG, || {
            with_cancel(&outer, LONG, || assert!(is_stopped() && deadline().left(Instant::now()) > LONG / 2));
            assert!(!is_stopped());
        });
    }

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
