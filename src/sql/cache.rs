//! The templates of a process, so that a text is read once.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use lru::{DefaultHasher, LruCache};

use super::template::Template;
use crate::dialect::Dialect;
use crate::error::Result;

/// A lock is held for one look-up in a small table; with this many, threads rarely meet at one.
const SHARDS: usize = 16;

/// 16 × 128 = 2,048 texts.
const TEXTS_A_SHARD: NonZeroUsize = NonZeroUsize::MIN.saturating_add(127);

/// Longer texts are made by programs, seldom twice, and would fill the memory.
const LONGEST: usize = 64 * 1024;

type Shard = LruCache<u64, Arc<Template>>;

struct Cache {
    /// Fast, and seeded by chance.
    hasher: DefaultHasher,
    shards: [Mutex<Shard>; SHARDS],
}

static CACHE: LazyLock<Cache> = LazyLock::new(|| Cache {
    hasher: DefaultHasher::default(),
    shards: std::array::from_fn(|_| Mutex::new(LruCache::new(TEXTS_A_SHARD))),
});

impl Cache {
    /// The key is the hash; a template knows its own text, so two texts of one hash are never confused.
    fn key(&self, sql: &str, dialect: Dialect) -> u64 {
        self.hasher.hash_one((dialect, sql))
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(key % SHARDS as u64).unwrap_or(0);
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many texts a thread keeps for itself.
const RECENT: usize = 32;

thread_local! {
    /// The texts that the thread has used last, by their place in memory, which of a literal is always the same: a
    /// look without a hash and without a lock, which threads that run one statement would all meet at.
    static OF_THREAD: RefCell<[Option<Arc<Template>>; RECENT]> = const { RefCell::new([const { None }; RECENT]) };
}

/// The template of a text, from the cache where it is there.
///
/// # Errors
///
/// As [`Template::parse`]. A refused text is not kept.
pub(super) fn template(sql: &str, dialect: Dialect) -> Result<Arc<Template>> {
    if sql.len() > LONGEST {
        return Ok(Arc::new(Template::parse(sql, dialect)?));
    }
    // Not the lowest bits, which say little of where a text begins.
    let place = (sql.as_ptr().addr() >> 3) % RECENT;
    let recent = OF_THREAD.with_borrow(|recent| {
        recent[place].as_ref().filter(|known| known.is_of(sql, dialect)).map(Arc::clone)
    });
    if let Some(recent) = recent {
        return Ok(recent);
    }
    let found = of_process(sql, dialect)?;
    OF_THREAD.with_borrow_mut(|recent| recent[place] = Some(Arc::clone(&found)));
    Ok(found)
}

#[cold]
fn of_process(sql: &str, dialect: Dialect) -> Result<Arc<Template>> {
    let key = CACHE.key(sql, dialect);
    let known = CACHE.shard(key).get(&key).cloned();
    if let Some(known) = known.filter(|known| known.is_of(sql, dialect)) {
        return Ok(known);
    }
    // Read outside of the lock. Where another thread was faster, its template wins: all users of a text
    // must get the same `Arc<str>`.
    let fresh = Arc::new(Template::parse(sql, dialect)?);
    let mut shard = CACHE.shard(key);
    if let Some(known) = shard.get(&key).filter(|known| known.is_of(sql, dialect)) {
        return Ok(Arc::clone(known));
    }
    shard.put(key, Arc::clone(&fresh));
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_for_each_dialect() {
        let sql = "SELECT 'a text of this test' WHERE :a = 1";
        let first = template(sql, Dialect::Postgres).unwrap();
        assert!(Arc::ptr_eq(&first, &template(sql, Dialect::Postgres).unwrap()));
        assert!(!Arc::ptr_eq(&first, &template(sql, Dialect::Sqlite).unwrap()));
    }

    #[test]
    fn threads_that_race_get_one_template() {
        let sql = "SELECT 'raced for' WHERE :a = 1";
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..16).map(|_| scope.spawn(|| template(sql, Dialect::Postgres).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|one| Arc::ptr_eq(one, &all[0])));
    }

    #[test]
    fn long_texts_are_not_kept() {
        let sql = format!("SELECT '{}'", "x".repeat(LONGEST));
        let first = template(&sql, Dialect::Postgres).unwrap();
        assert!(!Arc::ptr_eq(&first, &template(&sql, Dialect::Postgres).unwrap()));
    }

    #[test]
    fn the_cache_is_bounded() {
        for n in 0..4_000 {
            template(&format!("SELECT {n}"), Dialect::Odbc).unwrap();
        }
        let kept: usize = (0..SHARDS as u64).map(|key| CACHE.shard(key).len()).sum();
        assert!(kept <= SHARDS * TEXTS_A_SHARD.get(), "{kept} texts are kept");
    }
}
