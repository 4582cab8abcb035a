//! Several replicas: one at a time by a lock, or all at once by claims.
//!
//! 1. [One at a time](#one-at-a-time)
//! 2. [All at once](#all-at-once)
//! 3. [Which of the two](#which-of-the-two)
//!
//! # One at a time
//!
//! A lock by name, which nobody else in the whole cluster can hold on that database, and which ends with the process or
//! its connection:
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let done = db.try_lock("nightly-run", |_lock| db.execute("UPDATE job SET state = 'due'", ()))?;
//! println!("{}", if done.is_some() { "done" } else { "another replica is at it" });
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! [`with_lock`](crate::DatabaseManager::with_lock) waits, and says in its error who holds it. It takes one connection
//! for as long as the work runs. When that connection fails the lock is gone while your work goes on: the call ends
//! with [`LockLost`](crate::ErrorKind::LockLost), and [`Lock::check`](crate::Lock::check) tells before, ahead of what
//! must not be done twice.
//!
//! PostgreSQL and SQL Server have such locks, SQLite has none, and behind [PgBouncer](super::pgbouncer) in transaction
//! mode they hold nothing.
//!
//! # All at once
//!
//! A table of work: each replica claims a batch that nobody else has, and writes the results in the transaction that
//! holds the claim. What a process that dies has claimed is free at once:
//!
//! ```no_run
//! use batchdb::{Claim, DatabaseManager, Error, params};
//!
//! let db = DatabaseManager::new("rpa_db")?;
//! // CREATE TABLE job_queue (job_id BIGINT PRIMARY KEY, done_at TIMESTAMPTZ)
//! let queue = Claim::new("job_queue", "job_id").pending("done_at IS NULL").done("done_at = now()").batch(20);
//! let done = db.claim_all(&queue, |tx, rows| {
//!     for row in rows {
//!         tx.execute("INSERT INTO result (job_id) VALUES (:id)", params! { id: row.get::<i64>("job_id")? })?;
//!     }
//!     Ok::<_, Error>(())
//! })?;
//! println!("{done} of them were mine, and none is left");
//! # Ok::<(), Error>(())
//! ```
//!
//! [`claim_all`](crate::DatabaseManager::claim_all) returns when nothing is left that is not done, by whomever: it
//! waits for what others hold, because one of those may die. [`claim`](crate::DatabaseManager::claim) takes one batch
//! and returns.
//!
//! Where the work comes from another database, as in the example `replicated_survey`, its keys are put into such a
//! table first, by `INSERT … ON CONFLICT DO NOTHING`, as often and by as many as you like: what is done stays, marked.
//! (A queue whose rows are deleted when they are done would take them in again.)
//!
//! A process that is stopped but not dead (`SIGSTOP`, a machine that has lost its network) keeps its rows until the
//! server notices: keep-alive on the server's side, or `idle_in_transaction_session_timeout`, bounds that.
//!
//! # Which of the two
//!
//! | | `with_lock` | `claim_all` |
//! | --- | --- | --- |
//! | work is done by | one replica, the others stand by | all of them |
//! | a replica dies | the next one begins anew | the others do its batch |
//! | needs | nothing | a table of work with a unique key |
//! | for | a nightly run that is quick enough on one machine; maintenance | more work than one machine does in time |
//!
//! [Kubernetes](super::kubernetes) has both as manifests.
