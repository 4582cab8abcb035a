//! Transactions and retries: what `Ok` means, what may be done again, and why.
//!
//! 1. [Transactions](#transactions)
//! 2. [Savepoints](#savepoints)
//! 3. [What may be done again](#what-may-be-done-again)
//! 4. [Calls that repeat themselves](#calls-that-repeat-themselves)
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
//! `Ok` means that the server has committed. Of an error that you swallow the server still knows: PostgreSQL answers
//! the `COMMIT` of a failed transaction with a rollback and no error, and SQL Server undoes a transaction under its
//! program. Both are found out, and the commit is an error. `BEGIN` and `COMMIT` as text are refused, because a way out
//! would miss them.
//!
//! [`TransactionOptions`](crate::TransactionOptions) has isolation, read-only and settling. Without them the server's
//! own level is used.
//!
//! # Savepoints
//!
//! Inside a transaction another one is a savepoint, and its error undoes its own part only:
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
//! On SQL Server any failed statement undoes the whole transaction; there a savepoint undoes what your program gives
//! up.
//!
//! A savepoint undoes what the server has refused. A limit that passes, a stop, and a connection that is lost end the whole
//! transaction, because they cost the connection. Return errors of the kinds [`Timeout`](crate::ErrorKind::Timeout),
//! [`Cancelled`](crate::ErrorKind::Cancelled) and [`Connect`](crate::ErrorKind::Connect): where one is swallowed, every later
//! call in the transaction fails, and so does the commit.
//!
//! # What may be done again
//!
//! To do again what has happened is how customers are charged twice. So every error says what is known of its effect,
//! and [`is_transient`](crate::Error::is_transient) is true for the first three:
//!
//! | what is known | for example | again? |
//! | --- | --- | --- |
//! | it was never sent | connection refused, no connection free in time | yes |
//! | the server undid it | deadlock, serialization failure, a connection that broke before the commit | yes |
//! | the server undid it and asks for a pause | out of memory, too many sessions of Azure | yes, later |
//! | nobody knows | the connection broke under a write, or under a commit | no: [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) |
//! | it would fail again, or must not be done | a wrong statement, refused data, a wrong password, a statement that somebody cancelled | no |
//!
//! Three things look harmless and are not:
//!
//! * A `SELECT` may call a function that writes. Only functions that the database brings, and that are known to read,
//!   make a query one that may be repeated when its connection breaks; a function of your own counts as a write.
//! * A procedure, a `DO` block or a T-SQL batch may have committed a part of what it does. Outside of a transaction an
//!   error in one is not tried again, not even a deadlock, whose kind stays `Conflict` but is not transient then: what
//!   ended before it stays.
//! * A time limit that passes in the middle of a write is no proof that the server stopped in time.
//!
//! # Calls that repeat themselves
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
//! `RETRY_ATTEMPTS` is 3 in all, the last of which begins within `RETRY_BUDGET`, 60 s. Waits are drawn by chance, so
//! that programs that failed together do not come back together: 4 to 10 s while the server is away, 50 ms to 2 s after
//! a conflict, 10 to 30 s when it asked for a pause. [`with_deadline`](crate::DatabaseManager::with_deadline) and a
//! task's timeout end the waits too, and so does being told to stop.
//!
//! | call | repeats itself |
//! | --- | --- |
//! | `execute_query_with_retry`, `execute_query_safe(…, true)` | yes |
//! | `transaction`, `transaction_with`, `execute_transaction` | yes, as a whole |
//! | `execute_query`, `execute`, `query_…`, `transaction_once` | no |
//! | anything in a [`session`](crate::DatabaseManager::session), a transaction there included | no: what was done in the session before would be gone |
//! | `execute_many`, `bulk_insert` and their kin | no: their rows are not kept. Put a transaction around them, which can make the rows again |
//!
//! A connection that cannot be opened counts as an attempt. While a server is away one caller a second tries; the
//! others wait for the attempt that is under way, up to `CONNECT_TIMEOUT`, and get its error, for a second without
//! waiting.
//!
//! # Nobody knows whether it happened
//!
//! A connection that breaks after `COMMIT` was sent leaves a question that no client can answer by thinking. There are
//! three answers:
//!
//! 1. Ask the server. On PostgreSQL 13 and newer `settle_commit` gives the transaction its number at its beginning and
//!    looks up, on a new connection, what became of it:
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
//!    It costs no round trip, and one transaction number. When a standby has taken over meanwhile, the outcome stays
//!    unknown.
//! 2. Make it harmless. A unique key with `ON CONFLICT DO NOTHING`, or an update that says the state it expects
//!    (`UPDATE job SET state = 'done' WHERE id = :id AND state = 'running'`), may be done twice; then say
//!    [`idempotent`](crate::DatabaseManager::idempotent).
//! 3. Look. The error is returned, and your program or a person reads the data before anything is done again.
//!
//! # Retries of tasks
//!
//! [`retries`](crate::MapOptions::retries) of a fan-out runs the whole task again, with what it had committed. By
//! default it does so after every error of your own types, and after those of this crate that are transient. Let a task
//! be one transaction, or harmless when repeated. Around a call that repeats itself the two multiply: a task with 2
//! retries around a transaction with 3 attempts makes 9.
