//! One pool per process, database and settings, however many handles there are.
//!
//! A task may make its own handle and still share connections. After the last handle is dropped, the pool stays open
//! for a while (`LINGER`), so that the next task finds open connections. It also stays open as long as a fan-out is
//! running.

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
    /// When the last handle was dropped.
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
    /// Whether the registry still counts it: no longer after the pool was shut down or the share was given up.
    counted: bool,
}

/// Returns the open pool for these settings, or a new one, which has not connected yet.
pub(crate) fn pool_for(settings: &Arc<Settings>) -> Result<PoolHandle> {
    let key = settings.fingerprint();
    if let Some(entry) = pools().get_mut(&key) {
        entry.handles += 1;
        return Ok(PoolHandle { pool: Arc::clone(&entry.pool), key, counted: true });
    }
    // Created outside the lock, because a backend may read certificate files.
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

/// The smallest number that no open pool of this name has. A database name has several pools if its handles differ in
/// their settings, and monitoring must be able to tell them apart while they are open.
fn free_number(pools: &Entries, database: &str) -> u32 {
    let same = pools.values().filter(|entry| *entry.pool.settings().database == *database);
    let taken: Vec<u32> = same.map(|entry| entry.pool.number()).collect();
    (1..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX)
}

/// A private pool with a single connection, for work that must not wait for the shared pool: the caller may hold the
/// shared pool's only connection.
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

    /// Gives the share up; if it is the last one, the pool is closed at once.
    pub(crate) fn close(mut self) {
        let last = {
            let mut pools = pools();
            // Counted down and read in one step, so that of two handles that close at the same time exactly one is the
            // last.
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

    /// Subtracts this share from the count, once; returns how many are left if the pool is still registered.
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
            // Not on this thread, which makes the slots of all pools: sessions of a silent server close slowly, and a
            // logger is the program's own code, which may block.
            let pool = entry.pool;
            let closing = std::thread::Builder::new().name("batchdb-close".to_owned()).spawn(move || {
                let fields = [("database", (&*pool.settings().database).into())];
                log_line::event(Level::Debug, "the pool was unused and is closed", &fields);
                pool.close();
            });
            // If no thread can be started, the pool was dropped with the closure, which has closed it on this thread.
            drop(closing);
        }
    });
}
