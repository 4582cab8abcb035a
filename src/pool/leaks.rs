//! Connections that are held for longer than `LEAK_AFTER`: one warning for each, which says where it was borrowed.
//!
//! Off by default, because it costs each checkout an entry in a map. The timer runs only while something is borrowed,
//! and then once for the oldest loan.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::TIMER;
use crate::context;

/// The current loans of one pool.
#[derive(Debug)]
pub(super) struct Loans {
    database: Arc<str>,
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Ordered by number, that is, by age.
    loans: BTreeMap<u64, Loan>,
    last: u64,
    /// A timer is set.
    watched: bool,
    /// Loans to be reported, each with the time for which it was held.
    overdue: Vec<(Loan, Duration)>,
    /// A thread for the reports is running.
    telling: bool,
}

#[derive(Debug, Clone)]
struct Loan {
    since: Instant,
    place: &'static Location<'static>,
    flow: Option<Arc<str>>,
    task: Option<Arc<str>>,
    thread: thread::Thread,
    /// The last call on the connection.
    operation: &'static str,
    told: bool,
}

impl Loans {
    /// `None` if the limit is 0: then nothing is recorded.
    pub(super) fn new(database: &Arc<str>, limit: Duration) -> Option<Arc<Loans>> {
        (!limit.is_zero())
            .then(|| Arc::new(Loans { database: Arc::clone(database), limit, state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a loan to the calling thread until the note is dropped.
    pub(super) fn note(self: &Arc<Loans>, place: &'static Location<'static>) -> Note {
        let (flow, task) = context::with(|context| (context.flow.clone(), context.task.clone()));
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        let (since, thread) = (Instant::now(), thread::current());
        let loan = Loan { since, place, flow, task, thread, operation: "checkout", told: false };
        state.loans.insert(number, loan);
        if !std::mem::replace(&mut state.watched, true) {
            self.look_in(self.limit);
        }
        Note { loans: Arc::clone(self), number }
    }

    fn look_in(self: &Arc<Loans>, time: Duration) {
        // After the pool was closed, nobody needs the warning.
        let loans = Arc::downgrade(self);
        TIMER.execute_after(time, move || {
            if let Some(loans) = loans.upgrade() {
                loans.look();
            }
        });
    }

    fn look(self: &Arc<Loans>) {
        let mut state = self.lock();
        let State { loans, overdue, .. } = &mut *state;
        let mut next = None;
        for loan in loans.values_mut().filter(|loan| !loan.told) {
            let held = loan.since.elapsed();
            if held < self.limit {
                // The rest is younger.
                next = Some(self.limit - held);
                break;
            }
            loan.told = true;
            overdue.push((loan.clone(), held));
        }
        state.watched = next.is_some();
        let tells = !state.overdue.is_empty() && !std::mem::replace(&mut state.telling, true);
        drop(state);
        if let Some(time) = next {
            self.look_in(time);
        }
        if tells {
            self.tell_apart();
        }
    }

    /// Writes the warnings on a separate thread, at most one per pool. A logger is the program's own code: it may use
    /// this very database, or block, and must not hold up the timer of all pools.
    fn tell_apart(self: &Arc<Loans>) {
        let loans = Arc::clone(self);
        let telling = thread::Builder::new().name("batchdb-leaks".to_owned()).spawn(move || {
            while let Some((loan, held)) = loans.next_overdue() {
                // If the logger panics, one line is lost; it still gets the next.
                let _ = catch_unwind(AssertUnwindSafe(|| loans.tell(&loan, held)));
            }
        });
        if telling.is_err() {
            // They are reported with the next one.
            self.lock().telling = false;
        }
    }

    fn next_overdue(&self) -> Option<(Loan, Duration)> {
        let mut state = self.lock();
        let next = if state.overdue.is_empty() { None } else { Some(state.overdue.remove(0)) };
        state.telling = next.is_some();
        next
    }

    fn tell(&self, loan: &Loan, held: Duration) {
        let or_none = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("none").to_owned();
        log::warn!(
            database:% = self.database,
            flow = or_none(&loan.flow),
            task = or_none(&loan.task),
            thread = loan.thread.name().unwrap_or("unnamed"),
            operation = loan.operation,
            place:% = loan.place;
            "a connection borrowed at {} has been held for {} s, longer than LEAK_AFTER ({:?})",
            loan.place, held.as_secs(), self.limit,
        );
    }
}

/// The record of one loan.
#[derive(Debug)]
pub(super) struct Note {
    loans: Arc<Loans>,
    number: u64,
}

impl Note {
    /// A call is made on the connection.
    pub(super) fn operation(&self, operation: &'static str) {
        if let Some(loan) = self.loans.lock().loans.get_mut(&self.number) {
            loan.operation = operation;
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.loans.lock().loans.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(loans: &Arc<Loans>) -> Vec<bool> {
        loans.lock().loans.values().map(|loan| loan.told).collect()
    }

    #[test]
    fn only_what_is_held_for_too_long_is_told_and_only_once() {
        assert!(Loans::new(&Arc::from("db"), Duration::ZERO).is_none());
        let loans = Loans::new(&Arc::from("db"), Duration::from_millis(200)).unwrap();
        let old = loans.note(Location::caller());
        old.operation("execute");
        drop(loans.note(Location::caller()));
        let end = Instant::now() + Duration::from_secs(10);
        while told(&loans) != [true] {
            assert!(Instant::now() < end, "nobody looked");
            thread::yield_now();
        }
        assert!(!loans.lock().watched, "nothing is left to be told");
        // The next loan is looked after again.
        let young = loans.note(Location::caller());
        assert!(loans.lock().watched);
        assert_eq!(told(&loans), [true, false]);
        drop((old, young));
        assert!(loans.lock().loans.is_empty());
    }
}
