//! A TCP proxy that does to connections what networks do: delays them, slows them down, swallows what is sent,
//! closes or resets them, at any time or at a moment that is told by what passes through.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides see an orderly close.
    Fin,
    /// Both sides see a reset.
    Reset,
    /// Nothing passes any longer, in either direction, until the proxy is healed.
    Silence,
}

/// Where a connection ends, seen from the client's message that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The server never sees the message.
    Before,
    /// The server has seen and answered it, and the client never sees the answer.
    BeforeReply,
}

/// The way of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

pub(crate) type Pattern = Box<dyn Fn(&[u8]) -> bool + Send>;

struct Trigger {
    pattern: Pattern,
    moment: Moment,
    end: End,
    times: u64,
}

struct Limit {
    way: Way,
    left: u64,
    end: End,
}

/// What is done to all connections.
#[derive(Default)]
struct Rules {
    silent: bool,
    refusing: bool,
    latency: Duration,
    jitter: Duration,
    bytes_per_second: Option<u64>,
    limit: Option<Limit>,
    triggers: Vec<Trigger>,
}

/// What has passed through, and what was done to it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    /// Messages that begin a session of PostgreSQL.
    pub(crate) logins: AtomicU64,
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
    pub(crate) round_trips: AtomicU64,
    /// Connections that were ended, silenced or refused on purpose.
    pub(crate) injected: AtomicU64,
}

/// One connection of a client and the one to the server that belongs to it.
struct Link {
    client: TcpStream,
    server: TcpStream,
    dead: AtomicBool,
    silent: AtomicBool,
    /// What becomes of the next answer.
    at_reply: Mutex<Option<End>>,
    last_way_up: AtomicBool,
}

struct Inner {
    target: u16,
    rules: Mutex<Rules>,
    changed: Condvar,
    links: Mutex<Vec<Arc<Link>>>,
    counters: Counters,
    stopped: AtomicBool,
}

/// A proxy in front of a server on this machine. It ends, with all its connections, when dropped.
pub(crate) struct Proxy {
    inner: Arc<Inner>,
    port: u16,
    acceptor: Option<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// A proxy to the server on port `target`.
    pub(crate) fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            target,
            rules: Mutex::default(),
            changed: Condvar::new(),
            links: Mutex::default(),
            counters: Counters::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&inner);
        let acceptor = thread::Builder::new()
            .name("proxy-accept".to_owned())
            .spawn(move || {
                for client in listener.incoming().flatten() {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    spawn("proxy-open", move || shared.open(client));
                }
            })
            .unwrap();
        Proxy { inner, port, acceptor: Some(acceptor) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    pub(crate) fn injected(&self) -> u64 {
        self.inner.counters.injected.load(Ordering::SeqCst)
    }

    pub(crate) fn round_trips(&self) -> u64 {
        self.inner.counters.round_trips.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        lock(&self.inner.links).len()
    }

    /// How many clients had a connection open at one moment, which is when the list is copied: all on it had connected
    /// before, and the kernel knows, earlier than the threads here do, who has closed since. (Its own table of sockets
    /// would not do: it is listed in pieces, and who closes in between stands there beside who connects next.)
    pub(crate) fn clients(&self) -> usize {
        let links = lock(&self.inner.links).clone();
        let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let is_open = |link: &&Arc<Link>| {
            let mut look = [PollFd::new(&link.client, PollFlags::RDHUP)];
            poll(&mut look, Some(&Timespec::default())).unwrap();
            !look[0].revents().intersects(closed)
        };
        links.iter().filter(is_open).count()
    }

    /// Swallows whatever is sent from now on, on old and new connections. Nothing is lost: it arrives when the proxy
    /// is healed, as after a break of the network.
    pub(crate) fn black_hole(&self) {
        lock(&self.inner.rules).silent = true;
        let hit = lock(&self.inner.links).len() as u64;
        self.inner.counters.injected.fetch_add(hit.max(1), Ordering::SeqCst);
    }

    /// Resets every new connection at once.
    pub(crate) fn refuse(&self) {
        lock(&self.inner.rules).refusing = true;
    }

    /// Delays every piece by so much, give or take the jitter.
    pub(crate) fn delay(&self, latency: Duration, jitter: Duration) {
        let mut rules = lock(&self.inner.rules);
        (rules.latency, rules.jitter) = (latency, jitter);
        self.inner.counters.injected.fetch_add(1, Ordering::SeqCst);
    }

    /// Lets no more than so many bytes a second pass, per connection and way.
    pub(crate) fn slow(&self, bytes_per_second: u64) {
        lock(&self.inner.rules).bytes_per_second = Some(bytes_per_second);
        self.inner.counters.injected.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends the connection that carries the byte after the next `bytes` in this way. Once.
    pub(crate) fn limit(&self, way: Way, bytes: u64, end: End) {
        lock(&self.inner.rules).limit = Some(Limit { way, left: bytes, end });
    }

    /// Whether the limit was not reached yet.
    pub(crate) fn limit_is_armed(&self) -> bool {
        lock(&self.inner.rules).limit.is_some()
    }

    /// Ends the connections on which the client sends what the pattern matches, so many of them.
    pub(crate) fn when(
        &self,
        pattern: impl Fn(&[u8]) -> bool + Send + 'static,
        moment: Moment,
        end: End,
        times: u64,
    ) {
        let trigger = Trigger { pattern: Box::new(pattern), moment, end, times };
        lock(&self.inner.rules).triggers.push(trigger);
    }

    /// Undoes all rules, and lets the silenced speak.
    pub(crate) fn heal(&self) {
        *lock(&self.inner.rules) = Rules::default();
        for link in lock(&self.inner.links).iter() {
            link.silent.store(false, Ordering::SeqCst);
            *lock(&link.at_reply) = None;
        }
        self.inner.changed.notify_all();
    }

    /// Ends all open connections.
    pub(crate) fn end_all(&self, end: End) {
        for link in lock(&self.inner.links).iter() {
            self.inner.end(link, end);
        }
        self.inner.changed.notify_all();
    }

    /// Ends one open connection, chosen by `choice`. False when there is none.
    pub(crate) fn end_one(&self, choice: usize, end: End) -> bool {
        let links = lock(&self.inner.links);
        let Some(link) = (!links.is_empty()).then(|| &links[choice % links.len()]) else { return false };
        self.inner.end(link, end);
        self.inner.changed.notify_all();
        true
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.inner.stopped.store(true, Ordering::SeqCst);
        // Only an arriving connection wakes the acceptor.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap();
        }
        self.end_all(End::Reset);
        let end = std::time::Instant::now() + Duration::from_secs(2);
        while self.open() > 0 && std::time::Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
            self.end_all(End::Reset);
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(work).unwrap();
}

/// Makes the last close of a stream a reset.
fn arm_reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

impl Inner {
    fn open(self: Arc<Inner>, client: TcpStream) {
        self.counters.connections.fetch_add(1, Ordering::SeqCst);
        if lock(&self.rules).refusing {
            self.counters.injected.fetch_add(1, Ordering::SeqCst);
            return arm_reset(&client);
        }
        if lock(&self.rules).silent {
            self.counters.injected.fetch_add(1, Ordering::SeqCst);
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else {
            return arm_reset(&client);
        };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            // Whoever is stuck in writing to a peer that does not read looks up and sees that the link is dead.
            let _ = stream.set_write_timeout(Some(Duration::from_millis(50)));
        }
        let link = Arc::new(Link {
            client,
            server,
            dead: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            at_reply: Mutex::new(None),
            last_way_up: AtomicBool::new(false),
        });
        lock(&self.links).push(Arc::clone(&link));
        let (inner, other) = (Arc::clone(&self), Arc::clone(&link));
        let down = thread::Builder::new()
            .name("proxy-down".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || inner.pump(&other, Way::Down))
            .unwrap();
        self.pump(&link, Way::Up);
        down.join().unwrap();
        lock(&self.links).retain(|known| !Arc::ptr_eq(known, &link));
    }

    fn end(&self, link: &Link, end: End) {
        self.counters.injected.fetch_add(1, Ordering::SeqCst);
        self.make_end(link, end);
    }

    fn make_end(&self, link: &Link, end: End) {
        let how = match end {
            End::Silence => return link.silent.store(true, Ordering::SeqCst),
            End::Fin => Shutdown::Both,
            // To shut down reading sends nothing, and wakes the pumps, whose end closes the sockets: by a reset.
            End::Reset => {
                arm_reset(&link.client);
                arm_reset(&link.server);
                Shutdown::Read
            }
        };
        link.dead.store(true, Ordering::SeqCst);
        let _ = link.client.shutdown(how);
        let _ = link.server.shutdown(how);
        self.changed.notify_all();
    }

    fn pump(&self, link: &Link, way: Way) {
        let (mut from, to) = match way {
            Way::Up => (&link.client, &link.server),
            Way::Down => (&link.server, &link.client),
        };
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.make_end(link, End::Reset),
            };
            if link.dead.load(Ordering::SeqCst) {
                return;
            }
            let data = &buffer[..read];
            self.count(link, way, data);
            let (passes, end) = self.decide(link, way, data);
            if !self.wait_while_silent(link) {
                return;
            }
            self.dawdle(read);
            let passed = self.write(link, to, &data[..passes]);
            match end {
                Some(End::Silence) => {
                    self.end(link, End::Silence);
                    if !self.wait_while_silent(link) || !self.write(link, to, &data[passes..]) {
                        return;
                    }
                }
                Some(end) => return self.end(link, end),
                None if !passed => return,
                None => (),
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn write(&self, link: &Link, mut to: &TcpStream, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            match to.write(data) {
                Ok(written) => data = &data[written..],
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                    ) =>
                {
                    if link.dead.load(Ordering::SeqCst) {
                        return false;
                    }
                }
                Err(_) => {
                    self.make_end(link, End::Reset);
                    return false;
                }
            }
        }
        true
    }

    fn count(&self, link: &Link, way: Way, data: &[u8]) {
        let counters = &self.counters;
        let up = way == Way::Up;
        let total = if up { &counters.up } else { &counters.down };
        total.fetch_add(data.len() as u64, Ordering::SeqCst);
        if !link.last_way_up.swap(up, Ordering::SeqCst) && up {
            counters.round_trips.fetch_add(1, Ordering::SeqCst);
        }
        if up && data.get(4..8) == Some(&[0, 3, 0, 0]) {
            counters.logins.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many of the bytes pass, and what happens then.
    fn decide(&self, link: &Link, way: Way, data: &[u8]) -> (usize, Option<End>) {
        if way == Way::Down
            && let Some(end) = lock(&link.at_reply).take()
        {
            return (0, Some(end));
        }
        let mut rules = lock(&self.rules);
        if let Some(limit) = rules.limit.as_mut().filter(|limit| limit.way == way) {
            if limit.left < data.len() as u64 {
                let (passes, end) = (limit.left as usize, limit.end);
                rules.limit = None;
                return (passes, Some(end));
            }
            limit.left -= data.len() as u64;
        }
        if way == Way::Down {
            return (data.len(), None);
        }
        let hit = rules.triggers.iter_mut().find(|trigger| trigger.times > 0 && (trigger.pattern)(data));
        let Some(trigger) = hit else { return (data.len(), None) };
        trigger.times -= 1;
        match trigger.moment {
            Moment::Before => (0, Some(trigger.end)),
            Moment::BeforeReply => {
                *lock(&link.at_reply) = Some(trigger.end);
                (data.len(), None)
            }
        }
    }

    /// False when the link was ended in the meantime.
    fn wait_while_silent(&self, link: &Link) -> bool {
        let mut rules = lock(&self.rules);
        loop {
            if link.dead.load(Ordering::SeqCst) {
                return false;
            }
            if !rules.silent && !link.silent.load(Ordering::SeqCst) {
                return true;
            }
            // With a limit, because an end that comes just before the wait does not hold the lock.
            let limit = Duration::from_millis(50);
            rules = self.changed.wait_timeout(rules, limit).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn dawdle(&self, bytes: usize) {
        let pause = {
            let rules = lock(&self.rules);
            let jitter = rules.jitter.mul_f64(fastrand::f64() * 2.0);
            let latency = (rules.latency + jitter).saturating_sub(rules.jitter);
            let slowness = rules.bytes_per_second.map(|rate| bytes as f64 / rate as f64);
            latency + Duration::from_secs_f64(slowness.unwrap_or_default())
        };
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
}

/// A pattern: the bytes of `text` are in the piece.
pub(crate) fn contains(text: &str) -> impl Fn(&[u8]) -> bool + Send + 'static {
    holds(text.as_bytes().to_vec())
}

/// The same for the characters of a TDS message.
pub(crate) fn contains_wide(text: &str) -> impl Fn(&[u8]) -> bool + Send + 'static {
    holds(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

fn holds(needle: Vec<u8>) -> impl Fn(&[u8]) -> bool + Send + 'static {
    move |data| data.windows(needle.len()).any(|part| part == needle)
}
