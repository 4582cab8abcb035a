//! Several replicas: one at a time by a lock, or all at once by claims.
//!
//! 1. [One at a time](#one-at-a-time)
//! 2. [All at once](#all-at-once)
//! 3. [A row that always fails](#a-row-that-always-fails)
//! 4. [Which of the two](#which-of-the-two)
//!
//! # One at a time
//!
//! A named lock: only one process of the whole cluster can hold it on that database. It ends with the process or its
//! connection:
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let done = db.try_lock("nightly-run", |_lock| db.execute("UPDATE job SET state = 'due'", ()))?;
//! println!("{}", if done.is_some() { "done" } else { "another replica is at it" });
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! [`try_lock`](crate::DatabaseManager::try_lock) returns `None` at once if somebody else holds the lock.
//! [`with_lock`](crate::DatabaseManager::with_lock) waits for it, and its timeout error says who holds it. Both use one
//! connection for as long as the work runs. If that connection fails, the lock is gone while your work goes on: the
//! call then ends with [`LockLost`](crate::ErrorKind::LockLost). Call [`Lock::check`](crate::Lock::check) before a step
//! that must not be done twice.
//!
//! PostgreSQL and SQL Server have such locks, SQLite has none. Behind [PgBouncer](super::pgbouncer) in transaction mode
//! they do not work.
//!
//! # All at once
//!
//! A work table (queue): each replica claims a batch of rows that nobody else has claimed, and writes the results in
//! the transaction that holds the claim. When a process dies, the rows that it had claimed are free at once:
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
//! [`claim_all`](crate::DatabaseManager::claim_all) returns when all rows are done, by any replica: it waits for rows
//! that others hold, because one of those replicas may die. [`claim`](crate::DatabaseManager::claim) does one batch and
//! returns.
//!
//! A claim without `pending` and `done` deletes its rows when they are done. A claim with only `pending` is an error:
//! add `.done(…)`, or `.deleting()` to delete the rows. If a row still matches `pending` after `done` was applied, that
//! is an error too, because `claim_all` would never end.
//!
//! If the work comes from another database, as in the example `replicated_survey`, first insert its keys into such a
//! table by `INSERT … ON CONFLICT DO NOTHING`. Every replica may do that, any number of times, as long as finished rows
//! stay in the table, marked as done. (If they were deleted, the next insert would put them in again.)
//!
//! A process that is stopped but not dead (`SIGSTOP`, a machine that has lost its network) keeps its rows until the
//! server notices. TCP keepalive on the server's side, or `idle_in_transaction_session_timeout`, bounds that time.
//!
//! # A row that always fails
//!
//! `claim_all` ends at the first batch that fails, and the next run of any replica claims the same rows first. So one
//! row whose work always fails stops all replicas. To prevent that, give each row a savepoint, and write its error into
//! the queue:
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
//! The good rows of the batch are committed, and `error IS NOT NULL` finds the others. `done` is applied to all rows of
//! the batch, including the failed ones. If the table has a column `state`, let `done` keep the state of failed rows:
//! `.pending("state = 'new'").done("state = CASE state WHEN 'failed' THEN 'failed' ELSE 'done' END")`.
//!
//! [Not every error](super::transactions_and_retry#savepoints) ends at a savepoint: a timeout undoes the whole batch,
//! and on SQL Server so does any failed statement. If a row can cause that, keep its key in a variable outside the
//! closure, and mark the row by a separate call before you claim again.
//!
//! # Which of the two
//!
//! | | `with_lock` | `claim_all` |
//! | --- | --- | --- |
//! | work is done by | one replica; the others wait or skip | all replicas |
//! | a replica dies | the next one starts again | the others do its batch |
//! | needs | nothing else | a work table with a unique key |
//! | use it for | a nightly run that is fast enough on one machine; maintenance | more work than one machine can do in time |
//!
//! [Kubernetes](super::kubernetes) has both as manifests.
