//! One pool per process, database and settings, however many handles there are.
//!
//! A task may make its own handle and still share connections. When the last handle is gone the pool
//! lingers, so that the next task finds it warm; a fan-out that is under way keeps it for as long.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

use super::{Pool, TIMER};
use crate::context;
use crate::error::Result;
use crate::log_line;
use crate::settings::{Fingerprint, Settings};

/// How long a pool that nobody holds stays open.
const LINGER: Duration = Duration::from_secs(60);

struct Entry {
    pool: Arc<Pool>,
    handles: usize,
    /// When the last handle went.
    unused_since: Instant,
}

type Entries = HashMap<Fingerprint, Entry>;

static POOLS: LazyLock<Mutex<Entries>> = LazyLock::new(Mutex::default);

fn pools() -> MutexGuard<'static, Entries> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A share in a pool.
#[derive(Debug)]
pub(crate) struct PoolHandle {
    pool: Arc<Pool>,
    key: Fingerprint,
    /// Whether the registry counts it: not one of a pool that was shut down, nor one that was given up.
    counted: bool,
}

/// The pool for these settings: the one that is open, or a new one, which has not connected yet.
pub(crate) fn pool_for(settings: &Arc<Settings>) -> Result<PoolHandle> {
    let key = settings.fingerprint();
    if let Some(entry) = pools().get_mut(&key) {
        entry.handles += 1;
        return Ok(PoolHandle { pool: Arc::clone(&entry.pool), key, counted: true });
    }
    // Made outside the lock: a backend may read certificate files.
    let made = Arc::new(Pool::new(Arc::clone(settings))?);
    let mut pools = pools();
    let number = free_number(&pools, &settings.database);
    let entry = pools.entry(key.clone()).or_insert_with(|| {
        made.number.store(number, Ordering::Relaxed);
        Entry { pool: made, handles: 0, unused_since: Instant::now() }
    });
    entry.handles += 1;
    Ok(PoolHandle { pool: Arc::clone(&entry.pool), key, counted: true })
}

/// The smallest number that no open pool of this name has. A name has several pools where handles differ in their
/// settings, and whoever watches must be able to tell them apart for as long as they are open.
fn free_number(pools: &Entries, database: &str) -> u32 {
    let same = pools.values().filter(|entry| *entry.pool.settings().database == *database);
    let taken: Vec<u32> = same.map(|entry| entry.pool.number()).collect();
    (1..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX)
}

/// A pool of one connection that is nobody else's, for what must not wait for a place in the shared one: its only place
/// may be that of the caller.
pub(crate) fn apart(mut settings: Settings) -> Result<PoolHandle> {
    let key = settings.fingerprint();
    (settings.pool_size, settings.max_overflow, settings.leak_after) = (1, 0, Duration::ZERO);
    Ok(PoolHandle { pool: Arc::new(Pool::new(Arc::new(settings))?), key, counted: false })
}

/// All pools that are open.
pub(crate) fn all() -> Vec<Arc<Pool>> {
    pools().values().map(|entry| Arc::clone(&entry.pool)).collect()
}

impl PoolHandle {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Gives the share up; the last one closes the pool at once.
    pub(crate) fn close(mut self) {
        let last = {
            let mut pools = pools();
            // Counted and looked at in one step: of two that close at once, one is the last.
            let last = self.leave(&mut pools) == Some(0);
            if last {
                pools.remove(&self.key);
            }
            last
        };
        if last {
            self.pool.close();
        }
    }

    /// Takes this share off the count, once; says how many are left where the pool is still known.
    fn leave(&mut self, pools: &mut Entries) -> Option<usize> {
        if !std::mem::take(&mut self.counted) {
            return None;
        }
        let entry = pools.get_mut(&self.key).filter(|entry| Arc::ptr_eq(&entry.pool, &self.pool))?;
        entry.handles -= 1;
        if entry.handles == 0 {
            entry.unused_since = Instant::now();
        }
        Some(entry.handles)
    }

    /// Closes the pool for all handles at once.
    pub(crate) fn shutdown(&self) {
        {
            let mut pools = pools();
            if pools.get(&self.key).is_some_and(|entry| Arc::ptr_eq(&entry.pool, &self.pool)) {
                pools.remove(&self.key);
            }
        }
        self.pool.close();
    }
}

impl Clone for PoolHandle {
    fn clone(&self) -> PoolHandle {
        let mut pools = pools();
        let entry = pools.get_mut(&self.key).filter(|entry| Arc::ptr_eq(&entry.pool, &self.pool));
        let counted = entry.map(|entry| entry.handles += 1).is_some();
        PoolHandle { pool: Arc::clone(&self.pool), key: self.key.clone(), counted }
    }
}

impl Drop for PoolHandle {
    fn drop(&mut self) {
        let left = self.leave(&mut pools());
        if left == Some(0) {
            close_later(self.key.clone());
        }
    }
}

fn close_later(key: Fingerprint) {
    TIMER.execute_after(LINGER, move || {
        let unused = {
            let mut pools = pools();
            match pools.get(&key) {
                Some(entry) if entry.handles == 0 && context::fan_outs_under_way() > 0 => {
                    drop(pools);
                    return close_later(key);
                }
                Some(entry) if entry.handles == 0 && entry.unused_since.elapsed() >= LINGER => {
                    pools.remove(&key)
                }
                _ => None,
            }
        };
        if let Some(entry) = unused {
            // Not here: this thread makes the slots of all pools. A silent server's sessions end slowly, and the log is
            // the program's own code, which may wait for anything.
            let pool = entry.pool;
            let closing = std::thread::Builder::new().name("batchdb-close".to_owned()).spawn(move || {
                let fields = [("database", (&*pool.settings().database).into())];
                log_line::event(Level::Debug, "the pool was unused and is closed", &fields);
                pool.close();
            });
            // Where no thread can be had, the pool was dropped with the closure, which closes it here after all.
            drop(closing);
        }
    });
}
