//! Deadlines: which limit applies to what, what a call returns when it passes, and what cannot be limited.
//!
//! 1. [Each step has a limit](#each-step-has-a-limit)
//! 2. [A limit on the whole](#a-limit-on-the-whole)
//! 3. [When a limit passes](#when-a-limit-passes)
//! 4. [What is not limited](#what-is-not-limited)
//!
//! # Each step has a limit
//!
//! | setting | default | limits |
//! | --- | --- | --- |
//! | `POOL_TIMEOUT` | 30 s | waiting for a free connection |
//! | `CONNECT_TIMEOUT` | 10 s | opening a connection: name lookup, TCP, TLS and login together |
//! | `TIMEOUT` | 30 s | one statement; one fetch of a stream; the database's work on one chunk of a mass load |
//! | `MIGRATION_TIMEOUT` | 1 h | one migration file; waiting for the migration lock |
//!
//! These limit single steps and not whole calls, so a stream of an hour or a load of a million rows goes on as long as
//! it makes progress. None of them can be switched off; a job that really must wait for hours sets hours.
//!
//! # A limit on the whole
//!
//! ```no_run
//! use std::time::Duration;
//! use batchdb::{DatabaseManager, ErrorKind, Phase};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let quick = db.with_deadline(Duration::from_secs(2)); // for every call of this handle, attempts and waits included
//! let rows = quick.execute_query("SELECT * FROM job", ())?;
//!
//! let slow = db.execute_query_with_timeout("SELECT pg_sleep(60)", (), Duration::from_millis(200));
//! assert_eq!(slow.unwrap_err().kind(), ErrorKind::Timeout(Phase::Query));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! A task's [`timeout`](crate::MapOptions::timeout) does the same for all calls that the task makes, on any handle. The
//! shortest limit in force wins, and the error names the phase in which it passed.
//!
//! # When a limit passes
//!
//! The statement is cancelled on the server, and the call returns within another 500 ms, even if the server refuses, is
//! silent, answers half, has stopped or is cut off. The connection is closed, because its state is not known.
//!
//! What a timeout means for your data:
//!
//! * in a transaction, also in a [savepoint](super::transactions_and_retry#savepoints): the whole transaction is
//!   undone. Return the error; every later call of the transaction fails;
//! * a query that only reads: nothing happened;
//! * a write outside a transaction: PostgreSQL usually confirms the cancel; then the write is undone, and
//!   [`is_transient`](crate::Error::is_transient) is true. Without that confirmation the write may have happened, and
//!   `is_transient` is false;
//! * a commit: [`Timeout`](crate::ErrorKind::Timeout) means that no time was left to send it, and everything is undone.
//!   A commit that was sent and not answered in time is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
//!
//! The PostgreSQL driver runs in the caller's thread, on a socket that another thread can cut. A call of an ODBC driver
//! cannot be ended while its server is silent, so each ODBC connection has a thread of its own, which the caller can
//! leave behind. `pool_status().abandoned` counts these threads. They end when the driver returns. When a pool has as
//! many of them as it may have connections, it opens no more. A new connection also waits, within `POOL_TIMEOUT`, for
//! one that a driver is still closing.
//!
//! # What is not limited
//!
//! * Your own code: closures and tasks are not interrupted. Check the time yourself, or make a database call, which
//!   fails at once when the time is over.
//! * [`Lock::check`](crate::Lock::check), and releasing a lock at the end of
//!   [`with_lock`](crate::DatabaseManager::with_lock): each has its own limit of 5 s, independent of timeouts and
//!   cancellation. Otherwise a limit that has passed would make a lock look lost.
//! * A PostgreSQL connection by Unix socket: the driver offers no way to cut it. Set `statement_timeout` on the server,
//!   or connect by TCP.
//! * A client machine that has stopped. The server frees what that client holds when its TCP keepalive or
//!   `idle_in_transaction_session_timeout` ends the session.
