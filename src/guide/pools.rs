//! Pools: how connections are shared, how many you need, and how to see what a pool does.
//!
//! 1. [One pool for all handles](#one-pool-for-all-handles)
//! 2. [How many connections](#how-many-connections)
//! 3. [Waiting](#waiting)
//! 4. [Idle, old and dead connections](#idle-old-and-dead-connections)
//! 5. [Finding out who holds connections](#finding-out-who-holds-connections)
//! 6. [Ending](#ending)
//!
//! # One pool for all handles
//!
//! Handles are cheap. All handles for one database with the same settings share one pool in the process, so a task may
//! make its own. The pool keeps up to `POOL_SIZE` idle connections. At a peak up to `MAX_OVERFLOW` more are opened;
//! they are closed when they come back and nobody waits for one. The first call opens the first connection; nothing is
//! opened in advance.
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
//! A database server does about as many things at a time as it has processors and disks. More connections only wait
//! inside the server, and each takes memory there. The PostgreSQL project's rule of thumb, made known by HikariCP's
//! page [About Pool Sizing], is for the *server*, with all its clients together:
//!
//! ```text
//! connections = processors of the server × 2 + disks that work at the same time
//! ```
//!
//! Processors means cores, not hardware threads. The rule was found on spinning disks; count 0 disks if all data is in
//! memory, and 1 for an SSD (for which nobody has measured it). It is only a starting point for measuring. So, for a
//! job:
//!
//! 1. Take the server's number, and subtract what other clients need at the same time.
//! 2. Divide by the number of replicas of your job. That is `POOL_SIZE + MAX_OVERFLOW` for each replica.
//! 3. Check that the sum over all programs stays below the server's `max_connections`, less its reserved ones.
//!
//! Example: a server with 8 processors and an SSD gets 17 connections: 8 for each of two replicas, and one for an
//! administrator.
//!
//! `POOL_SIZE` is the number kept between peaks. For a job whose workers are always busy, set `POOL_SIZE` to the number
//! of workers and `MAX_OVERFLOW` to 0. For one that is idle for hours, set a small `POOL_SIZE` and the rest as
//! overflow.
//!
//! **Workers and connections.** A worker holds a connection only during a call. If the database is most of the work,
//! give the fan-out as many workers as the pool has connections; more would only wait, and a line in the log says so.
//! If a worker needs two connections at a time (a session, and inside it another call on the same database), the pool
//! must be larger than the number of workers; otherwise all of them may hold one connection and wait for the second.
//! `with_lock` holds one for as long as its work runs.
//!
//! [About Pool Sizing]: https://github.com/brettwooldridge/HikariCP/wiki/About-Pool-Sizing
//!
//! # Waiting
//!
//! Callers are served first come, first served: a connection that comes back goes to the caller that has waited
//! longest. After `POOL_TIMEOUT` the error is [`Checkout`](crate::ErrorKind::Checkout); it says how many connections
//! there are and how many callers wait. A thread that itself holds all connections of the pool, and asks for another
//! one, would wait for itself, and gets the error [`Usage`](crate::ErrorKind::Usage) at once. Examples with a pool of
//! one connection: a call on the handle inside a session, or a `bulk_insert` whose input is read from the same pool.
//!
//! A wrong password fails at once with the kind [`Auth`](crate::ErrorKind::Auth). Because repeated attempts lock
//! accounts, the refusal is remembered for 10 s, and only the first call after that tries again. While a server cannot
//! be reached, the pool makes one attempt per second. Other callers wait for the attempt that is under way, for
//! `CONNECT_TIMEOUT` at most, or get the error of the last attempt without waiting.
//!
//! # Idle, old and dead connections
//!
//! A connection that was idle for longer than `PING_AFTER_IDLE` (500 ms) is tested before it is given out, and replaced
//! if it is dead; then all other idle connections are tested before their next use too. A connection older than
//! `POOL_RECYCLE` (one hour, shortened at random so that not all are replaced together) is replaced at its next use.
//! The caller notices nothing of this except the time that it takes.
//!
//! A connection that has failed itself (and not only a statement on it) is never given out again.
//!
//! # Finding out who holds connections
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let pool = db.pool_status();
//! println!("{} of {} in use, {} wait", pool.checked_out, pool.pool_size + pool.max_overflow, pool.waiting);
//! println!("checkouts: {} ms on average, {} ms at most", pool.checkout_mean_ms, pool.checkout_max_ms);
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! With `LEAK_AFTER=60` a connection that is held for longer than 60 s is reported in the log, with the line of your
//! program that borrowed it, its flow and its task.
//!
//! # Ending
//!
//! When the last handle is dropped, its pool stays open for another 60 s, so that the next task finds open connections.
//! [`close`](crate::DatabaseManager::close) on the last handle closes the pool at once.
//! [`shutdown`](crate::DatabaseManager::shutdown) closes it for all handles; callers that wait get
//! [`Closed`](crate::ErrorKind::Closed). A program that simply ends needs neither.
