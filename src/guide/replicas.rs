//! Several replicas: one at a time by a lock, or all at once by claims.
//!
//! 1. [One at a time](#one-at-a-time)
//! 2. [All at once](#all-at-once)
//! 3. [A row that always fails](#a-row-that-always-fails)
//! 4. [Which of the two](#which-of-the-two)
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
//! A claim without `pending` and `done` deletes its rows when they are done. One with `pending` alone is refused: say
//! `.done(…)`, or `.deleting()` where they are to be deleted. A `done` after which `pending` still holds is an error of
//! `claim_all`, which would never end.
//!
//! Where the work comes from another database, as in the example `replicated_survey`, its keys are put into such a
//! table first, by `INSERT … ON CONFLICT DO NOTHING`, as often and by as many as you like: what is done stays, marked.
//! (A queue whose rows are deleted when they are done would take them in again.)
//!
//! A process that is stopped but not dead (`SIGSTOP`, a machine that has lost its network) keeps its rows until the
//! server notices: keep-alive on the server's side, or `idle_in_transaction_session_timeout`, bounds that.
//!
//! # A row that always fails
//!
//! `claim_all` ends with the first batch that fails, and the next run, of any replica, claims the same rows first: one row
//! whose work always fails stops them all. So give each row a savepoint, and write into the queue what failed:
//!
//! ```no_run
//! use batchdb::{Claim, DatabaseManager, Error, Transaction, params};
//!
//! fn work(tx: &mut Transaction<'_, '_>, id: i64) -> Result<u64, Error> {
//!     tx.execute("INSERT INTO result (job_id) VALUES (:id)", params! { id: id })
//! }
//!
//! let db = DatabaseManager::new("rpa_db")?;
//! // CREATE TABLE job_queue (job_id BIGINT PRIMARY KEY, done_at TIMESTAMPTZ, error TEXT)
//! let queue = Claim::new("job_queue", "job_id").pending("done_at IS NULL").done("done_at = now()").batch(20);
//! db.claim_all(&queue, |tx, rows| {
//!     for row in rows {
//!         let id = row.get::<i64>("job_id")?;
//!         match tx.transaction(|part| work(part, id)) {
//!             Ok(_) => (),
//!             Err(error) if error.is_transient() => return Err(error), // it may pass: no fault of the row's
//!             Err(error) => {
//!                 let failed = params! { error: error.to_string(), id: id };
//!                 tx.execute("UPDATE job_queue SET error = :error WHERE job_id = :id", failed)?;
//!             }
//!         }
//!     }
//!     Ok::<_, Error>(())
//! })?;
//! # Ok::<(), Error>(())
//! ```
//!
//! The good rows of the batch stay, and `error IS NOT NULL` finds the others. `done` is applied to all rows of the batch,
//! the failed ones too. With a column `state` let it keep theirs:
//! `.pending("state = 'new'").done("state = CASE state WHEN 'failed' THEN 'failed' ELSE 'done' END")`.
//!
//! [Not every error](super::transactions_and_retry#savepoints) ends at a savepoint: a limit that passes undoes the whole
//! batch, and on SQL Server so does any failed statement. Where a row can do that, keep its key outside of the closure, and
//! mark it by a call of its own before you claim again.
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
