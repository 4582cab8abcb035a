//! How many connections of a pool the calling thread holds itself. A thread that holds all of them and asks for one
//! more would wait for itself. Examples: a call on the handle inside a session, or a load whose iterator reads from the
//! same pool.

use std::cell::{Cell, RefCell};

use super::Pool;

thread_local! {
    /// The address of the pool whose connection this thread holds, 0 for none. A thread usually holds only one at a
    /// time, and maintaining a list at each call would take a noticeable part of its time.
    static FIRST: Cell<usize> = const { Cell::new(0) };
    /// The addresses of the pools of further connections that it holds, one entry per connection.
    static MORE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The mark that this thread holds a connection of the pool at this address. It is also removed by this thread, because
/// a session lives inside one call of the handle, even if it is lent to other threads.
#[derive(Debug)]
pub(super) struct Held(usize);

impl Held {
    pub(super) fn of(pool: &Pool) -> Held {
        let place = std::ptr::from_ref(pool).addr();
        if FIRST.get() == 0 {
            FIRST.set(place);
        } else {
            // A thread that is ending has no such list any more, and cannot wait for itself.
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
