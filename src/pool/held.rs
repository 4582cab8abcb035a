//! Which connections the calling thread holds itself. A thread that holds all of a pool and asks for one more would wait for
//! itself: an iterator of a load that reads from the pool that it is loaded into, a call on the handle within a session.

use std::cell::{Cell, RefCell};

use super::Pool;

thread_local! {
    /// The place of the pool whose connection this thread holds, 0 for none. Mostly that is all: a thread borrows one at a
    /// time, at each call, and a list would be a good part of what that takes.
    static FIRST: Cell<usize> = const { Cell::new(0) };
    /// The places of the pools whose connections it holds besides, once for each.
    static MORE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A connection of the pool at this place is held by this thread. It is given back here too: a session lives in one call of
/// the handle, whatever threads it is lent to.
#[derive(Debug)]
pub(super) struct Held(usize);

impl Held {
    pub(super) fn of(pool: &Pool) -> Held {
        let place = std::ptr::from_ref(pool).addr();
        if FIRST.get() == 0 {
            FIRST.set(place);
        } else {
            // A thread that is ending has no such list any more, and waits for nothing that it holds.
            let _ = MORE.try_with(|held| held.borrow_mut().push(place));
        }
        Held(place)
    }

    /// How many connections of the pool the calling thread holds.
    pub(super) fn here(pool: &Pool) -> usize {
        let place = std::ptr::from_ref(pool).addr();
        let count = |held: &RefCell<Vec<usize>>| held.borrow().iter().filter(|held| **held == place).count();
        usize::from(FIRST.get() == place) + MORE.try_with(count).unwrap_or(0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if FIRST.get() == self.0 {
            return FIRST.set(0);
        }
        let _ = MORE.try_with(|held| {
            let mut held = held.borrow_mut();
            if let Some(place) = held.iter().rposition(|held| *held == self.0) {
                held.swap_remove(place);
            }
        });
    }
}
