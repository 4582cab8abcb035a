//! Who is connected: a thread for each, as many as there is room for, and who dawdles makes room.
//!
//! A connection is worth nothing until its request is there, and anybody can open some and say nothing. So the one that
//! has dawdled longest is cut where a new one finds no room: whoever asks at once is answered at once, however many
//! others sit there.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::answer::Site;
use super::http;

/// How many connections there are side by side: probes, a Prometheus, a few open pages.
const ROOM: usize = 16;

/// How long a new connection waits for one that was cut to be gone.
const CLEARING: Duration = Duration::from_millis(100);

/// How long the listener rests when the system gives it no connection, for want of descriptors for example.
const REST: Duration = Duration::from_millis(100);

/// All who are connected.
pub(super) struct Guests {
    state: Mutex<State>,
    gone: Condvar,
}

struct State {
    /// Told to end.
    over: bool,
    /// The listener is there.
    open: bool,
    next: u64,
    /// In the order in which they came.
    guests: Vec<Guest>,
}

struct Guest {
    number: u64,
    /// The same socket, to cut it.
    stream: TcpStream,
    /// It is waited for: its request is not there yet, or it takes its answer slowly.
    dawdles: bool,
}

impl Guest {
    fn cut(&mut self) {
        self.dawdles = false;
        // One that has gone by itself is cut already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Listens in a thread of its own until the guests are sent home.
pub(super) fn start(listener: TcpListener, site: Arc<Site>) -> io::Result<Arc<Guests>> {
    let state = State { over: false, open: true, next: 0, guests: Vec::new() };
    let guests = Arc::new(Guests { state: Mutex::new(state), gone: Condvar::new() });
    let ours = Arc::clone(&guests);
    thread::Builder::new().name("batchdb-monitor".to_owned()).spawn(move || {
        let open = Open(&ours);
        listen(&listener, &ours, &site);
        // Before anybody is told that it is gone.
        drop(listener);
        drop(open);
    })?;
    Ok(guests)
}

fn listen(listener: &TcpListener, guests: &Arc<Guests>, site: &Arc<Site>) {
    let mut told = false;
    loop {
        let accepted = listener.accept();
        if guests.lock().over {
            return;
        }
        match accepted {
            Ok((stream, _)) => {
                told = false;
                receive(stream, guests, site);
            }
            Err(error) => {
                if !told {
                    log::warn!("the monitor is given no connection: {error}");
                }
                told = true;
                thread::sleep(REST);
            }
        }
    }
}

/// Gives a connection a thread, or lets it go where there is no room or no thread.
fn receive(stream: TcpStream, guests: &Arc<Guests>, site: &Arc<Site>) {
    let Some(number) = stream.try_clone().ok().and_then(|same| guests.enter(same)) else { return };
    let visit = Visit { guests: Arc::clone(guests), number };
    let site = Arc::clone(site);
    let named = thread::Builder::new().name(format!("batchdb-monitor-{number}"));
    let started = named.spawn(move || {
        let answer = |asked: &http::Asked| {
            visit.guests.dawdles(visit.number, false);
            let answer = site.answer(&asked.method, &asked.target);
            visit.guests.dawdles(visit.number, true);
            answer
        };
        if let Err(error) = http::converse(&stream, answer) {
            // Who has asked and gone away is nobody's loss.
            log::debug!("a request to the monitor came to nothing: {error}");
        }
    });
    if let Err(error) = started {
        log::warn!("the monitor has no thread for a request: {error}");
    }
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds room for one more, and gives it a number.
    fn enter(&self, stream: TcpStream) -> Option<u64> {
        let until = Instant::now() + CLEARING;
        let mut state = self.lock();
        if state.guests.len() >= ROOM
            && let Some(slowest) = state.guests.iter_mut().find(|guest| guest.dawdles)
        {
            slowest.cut();
        }
        while state.guests.len() >= ROOM {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.gone.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.over {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.guests.push(Guest { number, stream, dawdles: true });
        Some(number)
    }

    fn dawdles(&self, number: u64, dawdles: bool) {
        if let Some(guest) = self.lock().guests.iter_mut().find(|guest| guest.number == number) {
            guest.dawdles = dawdles;
        }
    }

    /// Cuts all connections, and lets nobody in any more.
    pub(super) fn send_home(&self) {
        let mut state = self.lock();
        state.over = true;
        state.guests.iter_mut().for_each(Guest::cut);
    }

    /// Waits until the listener and all threads have ended, for at most this time.
    pub(super) fn wait_until_gone(&self, limit: Duration) {
        let is_there = |state: &mut State| state.open || !state.guests.is_empty();
        let waited = self.gone.wait_timeout_while(self.lock(), limit, is_there);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A connection's place, given back on every way out, also that of a panic.
struct Visit {
    guests: Arc<Guests>,
    number: u64,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.guests.lock().guests.retain(|guest| guest.number != self.number);
        self.guests.gone.notify_all();
    }
}

/// The same for the listener.
struct Open<'g>(&'g Guests);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lock().open = false;
        self.0.gone.notify_all();
    }
}
