//! Pools: how connections are shared, how many there should be, and what a pool tells of itself.
//!
//! 1. [One pool for all handles](#one-pool-for-all-handles)
//! 2. [How many connections](#how-many-connections)
//! 3. [Waiting](#waiting)
//! 4. [Idle, old and dead connections](#idle-old-and-dead-connections)
//! 5. [Finding what holds them](#finding-what-holds-them)
//! 6. [Ending](#ending)
//!
//! # One pool for all handles
//!
//! Handles are cheap. All that are made for one database with the same settings share one pool in the process, so a
//! task may make its own. `POOL_SIZE` connections are kept, `MAX_OVERFLOW` more are opened at a peak and closed again
//! when they come back and nobody waits. The first connection is opened by the first call, and nothing is opened in
//! advance.
//!
//! ```
//! use batchdb::DatabaseManager;
//!
//! let db = DatabaseManager::builder("rpa_db").connection_string("postgresql://u@localhost/rpa_db").build()?;
//! let pool = db.pool_status();
//! assert_eq!((pool.status, pool.pool_size, pool.max_overflow, pool.checked_out), ("not_initialized", 5, 10, 0));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # How many connections
//!
//! A database does as many things at a time as it has processors and disks; more connections only wait inside of it,
//! and each takes memory there. The rule of thumb of the PostgreSQL project, which HikariCP's page [About Pool Sizing]
//! made known, is for the *server*, all its clients together:
//!
//! ```text
//! connections = processors of the server × 2 + disks that work at the same time
//! ```
//!
//! It was found on spinning disks, and processors means cores, not their threads; where all data is in memory count 0
//! for the disks, and for an SSD nobody has measured it: take 1. It is where to start measuring and not where to end.
//! So, for a job:
//!
//! 1. Take the server's number, and subtract what its other clients need at the same hour.
//! 2. Divide by the replicas of your job. That is `POOL_SIZE + MAX_OVERFLOW` of each.
//! 3. Check that the sum over all programs stays below the server's `max_connections`, less its reserved ones.
//!
//! On a server with 8 processors and an SSD these are 17: two replicas of a job with 8 each, and one for who looks
//! after it.
//!
//! `POOL_SIZE` is what is kept between peaks. A job whose workers are always busy wants `POOL_SIZE` = workers and
//! `MAX_OVERFLOW` = 0; one that is idle for hours wants a small `POOL_SIZE` and the rest as overflow.
//!
//! **Workers and connections.** A worker that only computes between calls needs no connection meanwhile. Where the
//! database is most of the work, give the fan-out as many workers as the pool has connections: more only wait, and the
//! log says so once. A worker that needs two connections at a time (a session, and inside of it another call of the
//! same database) needs a pool of more than the workers, or all of them may hold one and wait for the second.
//! `with_lock` holds one for as long as its work runs.
//!
//! [About Pool Sizing]: https://github.com/brettwooldridge/HikariCP/wiki/About-Pool-Sizing
//!
//! # Waiting
//!
//! Who waits is served in the order of asking: a connection that comes back goes to who has waited longest. After
//! `POOL_TIMEOUT` the error is [`Checkout`](crate::ErrorKind::Checkout), which says how many connections there are and
//! how many callers wait. A thread that holds all of them itself waits for nothing: a call on the handle within a session of
//! a pool of one, or the input of a `bulk_insert` that reads from such a pool, is a [`Usage`](crate::ErrorKind::Usage) at once.
//!
//! A wrong password fails at once, with its own kind, after one login: it is remembered for 10 s, because repeated
//! attempts lock accounts, and the first call after that tries it once more. While a server is away one caller a second
//! tries; the others wait for the attempt that is under way, up to `CONNECT_TIMEOUT`, or get the error of the last one
//! without waiting.
//!
//! # Idle, old and dead connections
//!
//! A connection that sat idle for longer than `PING_AFTER_IDLE` (500 ms) is tested before it is given out, and replaced
//! when it is dead; then all that are idle are tested before their next use. One that is older than `POOL_RECYCLE` (an
//! hour, less some chance, so that they are not all replaced together) is replaced at its next use. Neither is seen by
//! the caller, but for the time that it takes.
//!
//! A connection in which something went wrong with the connection itself is never given out again.
//!
//! # Finding what holds them
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let pool = db.pool_status();
//! println!("{} of {} in use, {} wait", pool.checked_out, pool.pool_size + pool.max_overflow, pool.waiting);
//! println!("checkouts: {} ms on average, {} ms at most", pool.checkout_mean_ms, pool.checkout_max_ms);
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! With `LEAK_AFTER=60` a connection that is held for longer than a minute is told in the log, with the line of your
//! program that borrowed it, its flow and its task.
//!
//! # Ending
//!
//! A handle that is dropped leaves its pool open for another 60 s, so that the next task finds it warm.
//! [`close`](crate::DatabaseManager::close) on the last handle ends it at once, and
//! [`shutdown`](crate::DatabaseManager::shutdown) for all handles: callers that wait get
//! [`Closed`](crate::ErrorKind::Closed). A program that just ends needs neither; the server notices.
