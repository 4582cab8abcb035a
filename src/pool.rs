//! The pool: r2d2 makes the slots, a gate decides who may have one, and the caller's own thread fills it.
//!
//! A checkout waits in line at the gate, gets a live slot or a new one, and connects or tests the connection if needed,
//! all under one deadline, and errors go to the caller. A returned connection is kept if somebody waits or fewer than
//! `POOL_SIZE` are idle, and closed otherwise.

mod abandoned;
mod first_use;
mod gate;
mod held;
mod leaks;
mod outage;
mod registry;
mod slot;
mod status;
mod waits;

pub(crate) use registry::{PoolHandle, all, apart, pool_for};
pub use status::PoolStatus;

use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use log::Level;
use scheduled_thread_pool::ScheduledThreadPool;

use self::first_use::FirstUse;
use self::gate::{Gate, Permit, Refused};
use self::held::Held;
use self::leaks::{Loans, Note};
use self::outage::Outage;
use self::slot::{Live, Slot, SlotManager, Slotted, close_together, expiry};
use self::waits::Waits;
use crate::backend::{self, Connection, Connector};
use crate::context;
use crate::deadline::Deadline;
use crate::error::{Effect, Error, ErrorKind, Phase, Result};
use crate::log_line;
use crate::metrics::Recorder;
use crate::settings::Settings;

/// How long the cleaning of a session may take before the connection is closed instead.
const RESET_LIMIT: Duration = Duration::from_millis(250);
/// How long a ping may take before a new connection is opened instead.
const PING_LIMIT: Duration = Duration::from_secs(5);
/// How long `close` waits for connections that are still in use.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// One timer thread for all pools. It hands r2d2 its empty slots and closes pools that nobody holds.
static TIMER: LazyLock<Arc<ScheduledThreadPool>> = LazyLock::new(|| {
    Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("batchdb-timer-{}").build())
});

/// The connections of one process to one database.
pub(crate) struct Pool {
    settings: Arc<Settings>,
    connector: Arc<dyn Connector>,
    /// Limits the number of connections, and holds the idle ones.
    gate: Gate<Slotted>,
    slots: r2d2::Pool<SlotManager>,
    outage: Outage,
    recorder: Recorder,
    /// The number of this pool among the open pools of the same database name, from 1; 0 until it is registered.
    number: AtomicU32,
    /// Connections closed as broken, since the start.
    invalid: AtomicU64,
    /// Connections opened, since the start.
    opened: AtomicU64,
    /// Connections that have been idle since before this point must be pinged before use, because another idle
    /// connection was found dead then. Nanoseconds since `created`.
    suspect_before: AtomicU64,
    created: Instant,
    waits: Waits,
    /// Who has held which connection since when, if `LEAK_AFTER` is set.
    loans: Option<Arc<Loans>>,
    /// The last fan-out that was warned about having more workers than connections.
    warned_fan_out: AtomicU64,
    /// What happens at the first use; the layer above decides what that is.
    pub(crate) first_use: FirstUse,
}

impl Pool {
    pub(crate) fn new(settings: Arc<Settings>) -> Result<Pool> {
        let connector = backend::connector(&settings)?;
        let capacity = settings.pool_size as usize + settings.max_overflow as usize;
        // Twice the capacity, because a slot that arrives too late for its caller still counts. An empty slot costs
        // nothing; the number of connections is bounded by the gate alone.
        let slots = r2d2::Pool::builder()
            .max_size(u32::try_from(capacity * 2).unwrap_or(u32::MAX))
            .min_idle(Some(0))
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .thread_pool(Arc::clone(&TIMER))
            .build_unchecked(SlotManager);
        Ok(Pool {
            connector,
            gate: Gate::new(capacity),
            slots,
            outage: Outage::default(),
            recorder: Recorder::default(),
            number: AtomicU32::new(0),
            invalid: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            suspect_before: AtomicU64::new(0),
            created: Instant::now(),
            waits: Waits::default(),
            loans: Loans::new(&settings.database, settings.leak_after),
            warned_fan_out: AtomicU64::new(0),
            first_use: FirstUse::default(),
            settings,
        })
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Counts the calls on this pool.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(crate) fn capacity(&self) -> usize {
        self.settings.pool_size as usize + self.settings.max_overflow as usize
    }

    /// Borrows a connection that seems to work, before the deadline `whole`, for a call made at the source line
    /// `place`.
    ///
    /// # Errors
    ///
    /// `Checkout` when none became free in `POOL_TIMEOUT`, a timeout when `whole` passed first, `Closed`, and the
    /// errors of connecting.
    pub(crate) fn checkout(&self, whole: Deadline, place: &'static Location<'static>) -> Result<Lease<'_>> {
        self.warn_of_too_many_workers();
        let started = Instant::now();
        let (held, taken) = match self.gate.pass() {
            // The usual case: there is nothing to wait for, and no deadline is needed.
            Some((permit, Some(slot))) if self.is_fresh(&slot, started) => {
                self.waits.count_none();
                ((slot, permit), Some(started))
            }
            passed => {
                let held = self.take(passed, started, whole.earlier(context::deadline()))?;
                self.waits.count(started.elapsed());
                (held, None)
            }
        };
        let note = self.loans.as_ref().map(|loans| loans.note(place));
        let here = Held::of(self);
        Ok(Lease {
            pool: self,
            held: Some(held),
            note,
            dirty: false,
            taken,
            used: None,
            given_up: None,
            _here: here,
        })
    }

    /// Gets a permit and a working connection when one of them has to be waited for, opened or tested.
    #[cold]
    fn take<'p>(
        &'p self,
        passed: Option<(Permit<'p, Slotted>, Option<Slotted>)>,
        started: Instant,
        whole: Deadline,
    ) -> Result<(Slotted, Permit<'p, Slotted>)> {
        let patience = Deadline::after(started, self.settings.pool_timeout);
        let (permit, idle) = match passed {
            Some(passed) => passed,
            None => self.enter(patience, whole)?,
        };
        let mut slot = match idle {
            Some(slot) => slot,
            None => {
                self.await_room(patience, whole)?;
                self.new_slot(patience.earlier(whole))?
            }
        };
        if let Err(error) = self.make_ready(&mut slot, whole) {
            // The permit is returned last, or another caller could open one connection too many.
            drop(slot);
            drop(permit);
            return Err(error);
        }
        Ok((slot, permit))
    }

    fn enter(&self, patience: Deadline, whole: Deadline) -> Result<(Permit<'_, Slotted>, Option<Slotted>)> {
        if Held::here(self) >= self.capacity() {
            return Err(Error::usage(format!(
                "this thread holds all {} connections of the pool itself, and would wait for itself",
                self.capacity()
            ))
            .with_hint("raise POOL_SIZE or MAX_OVERFLOW, or use the session or transaction that is open"));
        }
        self.gate.enter(patience.earlier(whole)).map_err(|refused| match refused {
            Refused::Closed => self.closed(),
            Refused::TimedOut if context::in_force(whole).left(Instant::now()).is_zero() => {
                context::in_force(whole).passed(Phase::Checkout)
            }
            Refused::TimedOut => Error::new(
                ErrorKind::Checkout,
                format!(
                    "all {} connections of the pool were in use for {:?}, and {} more callers wait",
                    self.capacity(),
                    patience.limit(),
                    self.gate.waiting(),
                ),
            )
            .with_effect(Effect::NotSent)
            .with_hint(
                "raise POOL_SIZE or MAX_OVERFLOW, use fewer workers, or hold connections for a shorter time",
            ),
        })
    }

    fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, "the pool of this database was closed")
    }

    /// Gets an empty slot from r2d2.
    fn new_slot(&self, until: Deadline) -> Result<Slotted> {
        // The timer thread makes one, which takes microseconds unless the machine is stalled.
        let left = until.left(Instant::now()).clamp(Duration::from_millis(100), Duration::from_secs(60));
        self.slots.get_timeout(left).map_err(|error| {
            Error::new(ErrorKind::Checkout, "the pool's timer thread gave no slot")
                .with_effect(Effect::NotSent)
                .with_source(error)
        })
    }

    /// Whether a connection may be used without a test: neither too old nor idle for too long.
    fn is_fresh(&self, slot: &Slot, now: Instant) -> bool {
        slot.idle().is_some_and(|live| live.is_fresh(now) && !self.is_suspect(live.idle_since))
    }

    /// Tests the slot's connection if it was idle for long; replaces it if it is dead or too old.
    fn make_ready(&self, slot: &mut Slot, whole: Deadline) -> Result<()> {
        let now = Instant::now();
        if self.is_fresh(slot, now) {
            return Ok(());
        }
        if let Some(live) = slot.live() {
            let expired = live.is_expired(now);
            let limit = Deadline::after(now, PING_LIMIT.min(self.settings.connect_timeout)).earlier(whole);
            let alive = !expired && live.connection.ping(limit).is_ok();
            if alive && !live.connection.is_broken() {
                return Ok(());
            }
            if !expired && whole.left(Instant::now()).is_zero() {
                // The caller's deadline was too short to decide whether the connection is alive.
                slot.empty();
                return Err(whole.passed(Phase::Ping));
            }
            if !expired {
                self.suspect_all_idle();
                self.invalid.fetch_add(1, Ordering::Relaxed);
                self.warn("an idle connection was dead and is replaced");
            }
            slot.empty();
        }
        self.connect(slot, whole)
    }

    /// Whether it has been idle since before another idle connection was found dead.
    fn is_suspect(&self, idle_since: Instant) -> bool {
        let before = self.suspect_before.load(Ordering::Relaxed);
        before > 0 && idle_since.saturating_duration_since(self.created).as_nanos() < u128::from(before)
    }

    fn suspect_all_idle(&self) {
        let now = u64::try_from(self.created.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.suspect_before.fetch_max(now, Ordering::Relaxed);
    }

    fn connect(&self, slot: &mut Slot, whole: Deadline) -> Result<()> {
        let now = Instant::now();
        // Waiting for another caller's attempt is part of connecting, and counts towards the limit.
        let limit = Deadline::after(now, self.settings.connect_timeout);
        let deadline = limit.earlier(whole);
        let attempt = self.outage.admit(deadline).map_err(|stored| match stored {
            // Put in front of the message and not into the hint, because the stored error has a hint of its own.
            Some(error) => error.at("the attempt of a moment ago failed, and is not repeated at once"),
            None => context::in_force(deadline).passed(Phase::Connect),
        })?;
        match self.connector.connect(deadline) {
            Ok(connection) => {
                attempt.succeeded();
                self.opened.fetch_add(1, Ordering::Relaxed);
                slot.fill(connection, expiry(now, self.settings.pool_recycle, fastrand::f64()));
                Ok(())
            }
            Err(error) => {
                attempt.failed(&error, deadline.at() != limit.at());
                Err(error)
            }
        }
    }

    fn warn(&self, message: &str) {
        log_line::event(Level::Warn, message, &[("database", (&*self.settings.database).into())]);
    }

    /// Warns, once per fan-out, that it has more workers than the pool has connections.
    fn warn_of_too_many_workers(&self) {
        let Some(fan_out) = context::with(|context| context.fan_out) else {
            return;
        };
        if fan_out.workers > self.capacity()
            && self.warned_fan_out.fetch_max(fan_out.id, Ordering::Relaxed) < fan_out.id
        {
            self.warn(&format!("{} workers share the {} connections of this pool (POOL_SIZE {} + MAX_OVERFLOW {}): some will wait",
                fan_out.workers, self.capacity(), self.settings.pool_size, self.settings.max_overflow));
        }
    }

    /// Admits no more callers, waits up to `CLOSE_LIMIT` for connections in use, and closes the idle ones.
    pub(crate) fn close(&self) {
        self.gate.close();
        if !self.gate.drain(Instant::now() + CLOSE_LIMIT) {
            self.warn(&format!(
                "the pool is closed while {} connections are still in use; they close when they come back",
                self.gate.taken()
            ));
        }
        close_together(self.gate.take_idle());
    }

    /// Takes a connection back: keeps it, cleans and keeps it, or closes it.
    fn give_back(&self, mut slot: Slotted, permit: Permit<'_, Slotted>, used: Option<Instant>, dirty: bool) {
        let last = used.unwrap_or_else(Instant::now);
        let used = if slot.live().is_some_and(|live| self.is_worth_keeping(live, last, dirty)) {
            self.gate.keep(permit, slot, self.settings.pool_size as usize)
        } else {
            Err((permit, slot))
        };
        if let Err((permit, slot)) = used {
            drop(slot);
            // Only now may the next caller get a permit, or there would be one connection too many.
            drop(permit);
        }
    }

    /// Whether a connection that was last used at `last` can be used again. If the session is dirty, it is cleaned
    /// here.
    fn is_worth_keeping(&self, live: &mut Live, last: Instant, dirty: bool) -> bool {
        if live.connection.is_broken() || std::thread::panicking() {
            self.invalid.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        live.rest(last, self.settings.ping_after_idle);
        if live.is_expired(last) {
            return false;
        }
        if dirty {
            // If there is no room for it, it will be closed anyway, so cleaning it would be wasted.
            if !self.gate.has_room(self.settings.pool_size as usize) {
                return false;
            }
            self.clean(live);
            return !live.connection.is_broken();
        }
        true
    }

    /// Cleans a used session; if that fails, the connection counts as broken.
    fn clean(&self, live: &mut Live) {
        if let Err(error) = live.connection.reset(Deadline::after(Instant::now(), RESET_LIMIT)) {
            log_line::event(
                Level::Debug,
                &format!("a used session could not be cleaned and is closed: {error}"),
                &[("database", (&*self.settings.database).into())],
            );
        }
        live.rest(Instant::now(), self.settings.ping_after_idle);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.gate.close();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("database", &self.settings.database).finish_non_exhaustive()
    }
}

/// A borrowed connection. It goes back to the pool when dropped, or is closed when it cannot be used again.
#[derive(Debug)]
pub(crate) struct Lease<'p> {
    pool: &'p Pool,
    /// `None` only while it is dropped.
    held: Option<(Slotted, Permit<'p, Slotted>)>,
    /// The entry of the loan for `LEAK_AFTER`; dropped last.
    note: Option<Note>,
    dirty: bool,
    taken: Option<Instant>,
    /// When the last call ended. The connection is idle since then, so the clock need not be read again.
    used: Option<Instant>,
    /// Why the connection was given up, if later calls are to return that error.
    given_up: Option<Error>,
    _here: Held,
}

impl<'p> Lease<'p> {
    /// The connection.
    ///
    /// # Errors
    ///
    /// `Closed`, for a lease whose connection was given up.
    pub(crate) fn connection(&mut self) -> Result<&mut dyn Connection> {
        self.parts().map(|(connection, _)| connection)
    }

    /// The connection, and the place for the reason if it is given up; every later call returns that reason.
    ///
    /// # Errors
    ///
    /// As [`connection`](Lease::connection).
    pub(crate) fn parts(&mut self) -> Result<(&mut dyn Connection, &mut Option<Error>)> {
        if let Some(reason) = &self.given_up {
            return Err(reason.clone());
        }
        match self.held.as_mut().and_then(|(slot, _)| slot.live()) {
            Some(live) => Ok((&mut *live.connection, &mut self.given_up)),
            None => Err(Error::new(
                ErrorKind::Closed,
                "the connection of this session was given up after an error",
            )
            .with_effect(Effect::NotSent)),
        }
    }

    /// Gives the connection up for this reason, which every later call returns.
    pub(crate) fn give_up(&mut self, reason: &Error) {
        self.given_up.get_or_insert_with(|| reason.clone());
    }

    /// Whether the connection was given up for a stored reason.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// When it was taken, if that took no measurable time.
    pub(crate) fn taken(&self) -> Option<Instant> {
        self.taken
    }

    /// Counts the calls on the pool.
    pub(crate) fn recorder(&self) -> &'p Recorder {
        &self.pool.recorder
    }

    /// Notes the name of a call, for a warning about a leak.
    pub(crate) fn note(&self, operation: &'static str) {
        if let Some(note) = &self.note {
            note.operation(operation);
        }
    }

    /// Notes when a call has ended.
    pub(crate) fn used(&mut self, ended: Instant) {
        self.used = Some(ended);
    }

    /// Marks the session to be cleaned before its next use.
    pub(crate) fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// Closes the connection; it must not be used again.
    pub(crate) fn discard(&mut self) {
        if let Some((slot, _)) = self.held.as_mut().filter(|(slot, _)| !slot.is_empty()) {
            self.pool.invalid.fetch_add(1, Ordering::Relaxed);
            slot.empty();
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some((slot, permit)) = self.held.take() {
            self.pool.give_back(slot, permit, self.used, self.dirty);
        }
    }
}
