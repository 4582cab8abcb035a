//! The gate in front of the pool: a fixed number of permits, handed out first come, first served, each with an idle
//! connection if there is one.
//!
//! r2d2 wakes its waiters in order, but lets a newcomer take the connection first, and wakes nobody when a broken
//! connection comes back. Here the caller that has waited longest gets what comes back, a permit with or without a
//! connection, and a checkout takes only one lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::context;
use crate::deadline::Deadline;

/// Why no permit was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    TimedOut,
    Closed,
}

/// Hands out a fixed number of permits, and keeps idle things for the holders of permits.
#[derive(Debug)]
pub(super) struct Gate<T> {
    state: Mutex<State<T>>,
    /// Written under the lock of the state, so that a caller that returns a connection can read it without the lock.
    closed: AtomicBool,
    /// Signalled when the last permit came back.
    drained: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    free: usize,
    /// The last used one is on top. There are never more of them than free permits, because each permit takes one
    /// along.
    idle: Vec<T>,
    waiting: VecDeque<Ticket<T>>,
    /// How many callers wait until all permits are back. It is counted because a signal costs a system call even if
    /// nobody waits.
    draining: usize,
}

/// A place in the queue.
type Ticket<T> = Sender<Called<T>>;

/// The result of waiting: a permit, perhaps with something idle to use.
type Called<T> = Result<Option<T>, Refused>;

/// The channel has room for the one result of a ticket, so this never blocks.
fn call<T>(ticket: &Ticket<T>, outcome: Called<T>) {
    let _ = ticket.try_send(outcome);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The guarded state is consistent after each statement, so a poisoned lock can be used.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Gate<T> {
    pub(super) fn new(capacity: usize) -> Gate<T> {
        let state = State { free: capacity, idle: Vec::new(), waiting: VecDeque::new(), draining: 0 };
        Gate { state: Mutex::new(state), closed: AtomicBool::new(false), drained: Condvar::new(), capacity }
    }

    /// Gets a permit if one is free and nobody waits, together with something idle if there is any.
    pub(super) fn pass(&self) -> Option<(Permit<'_, T>, Option<T>)> {
        self.pass_locked(&mut lock(&self.state))
    }

    fn pass_locked(&self, state: &mut State<T>) -> Option<(Permit<'_, T>, Option<T>)> {
        if self.is_closed() || state.free == 0 || !state.waiting.is_empty() {
            return None;
        }
        state.free -= 1;
        Some((Permit { gate: self }, state.idle.pop()))
    }

    /// Waits in line for a permit, which comes with something idle if there is any.
    pub(super) fn enter(&self, until: Deadline) -> Result<(Permit<'_, T>, Option<T>), Refused> {
        let (ticket, called) = {
            let mut state = lock(&self.state);
            if self.is_closed() {
                return Err(Refused::Closed);
            }
            if let Some(passed) = self.pass_locked(&mut state) {
                return Ok(passed);
            }
            let (ticket, called) = bounded(1);
            state.waiting.push_back(ticket.clone());
            (ticket, called)
        };
        let idle = self.wait(&ticket, &called, until)?;
        Ok((Permit { gate: self }, idle))
    }

    fn wait(&self, ticket: &Ticket<T>, called: &Receiver<Called<T>>, until: Deadline) -> Called<T> {
        context::receive(called, until).unwrap_or_else(|_| {
            // Leave the queue first. If the permit arrived in between, it is ours after all.
            lock(&self.state).waiting.retain(|other| !other.same_channel(ticket));
            called.try_recv().unwrap_or(Err(Refused::TimedOut))
        })
    }

    /// Takes back a permit together with something to be used again: it goes to the caller that has waited longest, or
    /// becomes idle.
    ///
    /// Returns both if the gate is closed, or if nobody waits and `most` are idle already. The caller must then drop
    /// the thing before the permit, or somebody could make a new one while it still exists.
    pub(super) fn keep<'g>(
        &'g self,
        permit: Permit<'g, T>,
        used: T,
        most: usize,
    ) -> Result<(), (Permit<'g, T>, T)> {
        let mut state = lock(&self.state);
        if self.is_closed() || (state.waiting.is_empty() && state.idle.len() >= most) {
            return Err((permit, used));
        }
        // It is taken back here.
        std::mem::forget(permit);
        match state.waiting.pop_front() {
            Some(next) => call(&next, Ok(Some(used))),
            None => {
                state.idle.push(used);
                self.free_one(&mut state);
            }
        }
        Ok(())
    }

    /// Whether `keep` would take something now.
    pub(super) fn has_room(&self, most: usize) -> bool {
        let state = lock(&self.state);
        !self.is_closed() && (!state.waiting.is_empty() || state.idle.len() < most)
    }

    fn leave(&self) {
        let mut state = lock(&self.state);
        match state.waiting.pop_front() {
            Some(next) => call(&next, Ok(None)),
            None => self.free_one(&mut state),
        }
    }

    fn free_one(&self, state: &mut State<T>) {
        state.free += 1;
        if state.free == self.capacity && state.draining > 0 {
            self.drained.notify_all();
        }
    }

    /// Admits nobody any more, and turns the waiting callers away.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        self.closed.store(true, Ordering::Release);
        state.waiting.drain(..).for_each(|ticket| call(&ticket, Err(Refused::Closed)));
    }

    /// Waits until all permits are back; false if that did not happen in time.
    pub(super) fn drain(&self, until: Instant) -> bool {
        let mut state = lock(&self.state);
        state.draining += 1;
        while state.free < self.capacity {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.drained.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.draining -= 1;
        state.free == self.capacity
    }

    /// Takes out everything that is idle.
    pub(super) fn take_idle(&self) -> Vec<T> {
        std::mem::take(&mut lock(&self.state).idle)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// How many permits are out.
    pub(super) fn taken(&self) -> usize {
        self.capacity - lock(&self.state).free
    }

    /// How many things are idle.
    pub(super) fn idle(&self) -> usize {
        lock(&self.state).idle.len()
    }
}

/// The right to hold one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit<'g, T> {
    gate: &'g Gate<T>,
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.gate.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    fn soon(millis: u64) -> Deadline {
        Deadline::after(Instant::now(), Duration::from_millis(millis))
    }

    fn wait_until(mut done: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(5);
        while !done() {
            assert!(Instant::now() < end, "did not happen");
            thread::yield_now();
        }
    }

    #[test]
    fn waiters_are_served_in_the_order_in_which_they_came() {
        let gate = Arc::new(Gate::<u32>::new(1));
        let held = gate.enter(Deadline::NONE).unwrap();
        let (order, served) = mpsc::channel();
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (queue, order) = (Arc::clone(&gate), order.clone());
                let thread = thread::spawn(move || {
                    let (permit, _) = queue.enter(soon(5_000)).unwrap();
                    order.send(number).unwrap();
                    drop(permit);
                });
                wait_until(|| gate.waiting() == number + 1);
                thread
            })
            .collect();
        drop(held);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(served.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!(gate.taken(), 0);
    }

    #[test]
    fn a_waiter_that_gives_up_leaves_no_trace() {
        let gate = Gate::<u32>::new(1);
        let held = gate.enter(Deadline::NONE).unwrap();
        assert_eq!(gate.enter(soon(5)).unwrap_err(), Refused::TimedOut);
        assert_eq!(gate.waiting(), 0);
        drop(held);
        assert!(gate.enter(soon(0)).is_ok());
    }

    #[test]
    fn closing_sends_waiters_away_and_drains() {
        let gate = Arc::new(Gate::<u32>::new(1));
        let held = gate.enter(Deadline::NONE).unwrap();
        let queue = Arc::clone(&gate);
        let waiter = thread::spawn(move || queue.enter(Deadline::NONE).map(|_| ()));
        wait_until(|| gate.waiting() == 1);
        gate.close();
        assert_eq!(waiter.join().unwrap(), Err(Refused::Closed));
        assert!(!gate.drain(Instant::now()));
        drop(held);
        assert!(gate.drain(Instant::now() + Duration::from_secs(1)));
        assert_eq!(gate.enter(Deadline::NONE).unwrap_err(), Refused::Closed);
    }

    #[test]
    fn no_permit_is_lost_under_load() {
        let gate = Arc::new(Gate::<u32>::new(3));
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    for round in 0..2_000_u64 {
                        // Some give up while they wait: the race between giving up and being called.
                        if let Ok((permit, _)) = gate.enter(soon((number + round) % 2)) {
                            assert!(gate.taken() <= 3);
                            drop(permit);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((gate.taken(), gate.waiting()), (0, 0));
    }

    #[test]
    fn what_comes_back_goes_to_who_waits_and_else_lies_idle() {
        let gate = Gate::<u32>::new(2);
        let (first, idle) = gate.enter(Deadline::NONE).unwrap();
        assert_eq!(idle, None);
        gate.keep(first, 7, 1).unwrap();
        assert_eq!((gate.idle(), gate.taken()), (1, 0));
        let (first, idle) = gate.enter(Deadline::NONE).unwrap();
        let (second, none) = gate.enter(Deadline::NONE).unwrap();
        assert_eq!((idle, none), (Some(7), None));
        // Nobody passes while all permits are out.
        assert!(gate.pass().is_none());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| gate.enter(soon(5_000)).unwrap().1);
            wait_until(|| gate.waiting() == 1);
            // Nothing may lie idle, but somebody waits for it.
            assert!(gate.has_room(0));
            gate.keep(first, 8, 0).unwrap();
            assert_eq!(waiter.join().unwrap(), Some(8));
        });
        assert!(!gate.has_room(0));
        let (second, refused) = gate.keep(second, 9, 0).unwrap_err();
        assert_eq!((refused, gate.taken()), (9, 1));
        drop(second);
        assert_eq!((gate.idle(), gate.taken()), (0, 0));
    }

    #[test]
    fn a_closed_gate_keeps_nothing() {
        let gate = Gate::<u32>::new(2);
        let (permit, _) = gate.enter(Deadline::NONE).unwrap();
        let (other, _) = gate.enter(Deadline::NONE).unwrap();
        gate.keep(permit, 1, 5).unwrap();
        gate.close();
        assert!(gate.pass().is_none());
        assert!(gate.keep(other, 2, 5).is_err());
        assert_eq!(gate.take_idle(), [1]);
        assert_eq!((gate.idle(), gate.taken()), (0, 0));
    }
}
