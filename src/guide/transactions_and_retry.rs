//! Transactions and retries: what `Ok` means, what may be retried, and why.
//!
//! 1. [Transactions](#transactions)
//! 2. [Savepoints](#savepoints)
//! 3. [What may be retried](#what-may-be-retried)
//! 4. [Calls that retry](#calls-that-retry)
//! 5. [Nobody knows whether it happened](#nobody-knows-whether-it-happened)
//! 6. [Retries of tasks](#retries-of-tasks)
//!
//! # Transactions
//!
//! A transaction is a closure. It commits on `Ok` and rolls back on `Err` and on a panic:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, params};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! db.transaction(|tx| {
//!     tx.execute("UPDATE account SET sum = sum - 5 WHERE id = :id", params! { id: 1 })?;
//!     tx.execute("UPDATE account SET sum = sum + 5 WHERE id = :id", params! { id: 2 })
//! })?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! `Ok` means that the server has committed. If your closure ignores an error of a statement and returns `Ok`, the
//! server has not forgotten it: PostgreSQL answers the `COMMIT` of a failed transaction with a rollback and no error,
//! and SQL Server may have rolled back on its own. batchdb detects both, and the transaction returns an error. `BEGIN`
//! and `COMMIT` as text are refused, because an early return or a panic would skip them.
//!
//! [`TransactionOptions`](crate::TransactionOptions) sets the isolation level, read-only mode and `settle_commit`. The
//! default isolation level is the server's.
//!
//! # Savepoints
//!
//! A transaction inside a transaction is a savepoint; its error undoes only its own part:
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! db.transaction(|tx| {
//!     tx.execute("INSERT INTO job (id) VALUES (7)", ())?;
//!     let note = tx.transaction(|part| part.execute("INSERT INTO note (text) VALUES ('made')", ()));
//!     if note.is_err() {
//!         log::warn!("made without a note");
//!     }
//!     Ok::<_, batchdb::Error>(())
//! })?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! On SQL Server any failed statement undoes the whole transaction. There a savepoint only undoes work that your own
//! code abandons by returning `Err`.
//!
//! A savepoint can undo what the server has refused. A time limit, a cancellation or a lost connection ends the whole
//! transaction, because the connection is gone. So always return errors of the kinds
//! [`Timeout`](crate::ErrorKind::Timeout), [`Cancelled`](crate::ErrorKind::Cancelled) and
//! [`Connect`](crate::ErrorKind::Connect): if you ignore one, every later call in the transaction fails, and so does
//! the commit.
//!
//! # What may be retried
//!
//! Retrying what has already happened is how customers are charged twice. So every error records what is known about
//! its effect, and [`is_transient`](crate::Error::is_transient) is true for the first three rows:
//!
//! | what is known | for example | retry? |
//! | --- | --- | --- |
//! | it was never sent | connection refused, no connection free in time | yes |
//! | the server undid it | deadlock, serialization failure, a connection that broke before the commit | yes |
//! | the server undid it and asks for a pause | out of memory, too many sessions of Azure | yes, later |
//! | nothing: it may have happened | the connection broke during a write or a commit | no: [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) |
//! | it would fail again, or must not be retried | a wrong statement, refused data, a wrong password, a statement that somebody cancelled | no |
//!
//! Three things look safe to retry and are not:
//!
//! * A `SELECT` may call a function that writes. A query whose connection breaks is retried only if all its functions
//!   are built into the database and known to read; a function of your own counts as a write.
//! * A procedure, a `DO` block or a T-SQL batch may have committed a part of its work. Outside a transaction an error
//!   in one is not retried, not even a deadlock: its kind is still `Conflict`, but it is not transient, because the
//!   committed part stays.
//! * A time limit that passes during a write does not prove that the server stopped in time.
//!
//! # Calls that retry
//!
//! ```no_run
//! use std::time::Duration;
//! use batchdb::{DatabaseManager, RetryPolicy, params};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let open = db.execute_query_with_retry("SELECT id FROM job WHERE state = 'new'", ())?;
//!
//! // The closure runs again from its beginning: what it did to the database is undone by then, what else it did is not.
//! db.transaction(|tx| tx.execute("UPDATE counter SET n = n + 1", ()))?;
//!
//! // At most once, whatever comes of it.
//! db.transaction_once(|tx| tx.execute("UPDATE counter SET n = n + 1", ()))?;
//!
//! // Twice is no harm, says the caller: this is repeated even when nobody knows whether it happened.
//! let sql = "INSERT INTO job (id) VALUES (:id) ON CONFLICT (id) DO NOTHING";
//! db.idempotent().execute_query_safe(sql, params! { id: 7 }, true)?;
//!
//! let patient = db.with_retry(RetryPolicy::default().attempts(20).budget(Duration::from_secs(600)));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! By default there are 3 attempts in all (`RETRY_ATTEMPTS`), the last of which begins within 60 s (`RETRY_BUDGET`).
//! The waits between them are random, so that programs that failed together do not come back together: 4 to 10 s while
//! the server cannot be reached, 50 ms to 2 s after a conflict, 10 to 30 s when the server is short of a resource.
//! [`with_deadline`](crate::DatabaseManager::with_deadline), a task's timeout and cancellation end the waits too.
//!
//! | call | retries |
//! | --- | --- |
//! | `execute_query_with_retry`, `execute_query_safe(…, true)` | yes |
//! | `transaction`, `transaction_with`, `execute_transaction` | yes, as a whole |
//! | `execute_query`, `execute`, `query_…`, `transaction_once` | no |
//! | anything in a [`session`](crate::DatabaseManager::session), transactions included | no: the earlier state of the session would be lost |
//! | `execute_many`, `bulk_insert` and similar | no: their rows are not kept. Call them in a `transaction` whose closure can produce the rows again |
//!
//! A connection that cannot be opened counts as an attempt. While a server cannot be reached, the pool makes one
//! attempt per second. Other callers wait for the attempt that is under way, for `CONNECT_TIMEOUT` at most; if it fails
//! they get its error, and so does, without waiting, every caller of the next second.
//!
//! # Nobody knows whether it happened
//!
//! When a connection breaks after `COMMIT` was sent, the client cannot know whether the transaction was committed.
//! There are three ways to deal with that:
//!
//! 1. Ask the server. On PostgreSQL 13 and newer `settle_commit` assigns the transaction its ID when it begins, and
//!    after a lost answer looks up on a new connection what became of it:
//!
//!    ```no_run
//!    use batchdb::TransactionOptions;
//!
//!    # let db = batchdb::DatabaseManager::new("rpa_db")?;
//!    db.transaction_with(TransactionOptions::new().settle_commit(), |tx| {
//!        tx.execute("UPDATE counter SET n = n + 1", ())
//!    })?;
//!    # Ok::<(), batchdb::Error>(())
//!    ```
//!
//!    It costs no round trip, but one transaction ID, even if the transaction writes nothing. If a standby has taken
//!    over meanwhile, the outcome stays unknown.
//! 2. Make it idempotent. An insert with a unique key and `ON CONFLICT DO NOTHING`, or an update that names the state
//!    it expects (`UPDATE job SET state = 'done' WHERE id = :id AND state = 'running'`), can safely run twice; then
//!    call it on an [`idempotent`](crate::DatabaseManager::idempotent) handle.
//! 3. Look at the data. The error is returned, and your program or a person checks the data before anything is done
//!    again.
//!
//! # Retries of tasks
//!
//! [`retries`](crate::MapOptions::retries) of a fan-out runs the whole task again, including what it had already
//! committed. By default it does so after every error of your own types, and after transient errors of this crate. So
//! make a task one transaction, or safe to repeat. Retries multiply: a task with 2 retries (3 runs) around a
//! transaction with 3 attempts makes up to 9 attempts.
