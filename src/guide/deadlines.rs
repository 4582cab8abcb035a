//! Deadlines: which limit ends what, what a call returns when it passes, and what nobody can end.
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
//! | `CONNECT_TIMEOUT` | 10 s | opening one: name, network, TLS and login together |
//! | `TIMEOUT` | 30 s | one statement; one fetch of a stream; what the database does for one chunk of a mass load |
//! | `MIGRATION_TIMEOUT` | 1 h | one migration file; waiting for the lock of the migrations |
//!
//! Steps and not wholes, so that a stream of an hour or a load of a million rows is not killed for being long: as long
//! as it moves, it goes on. None of them can be switched off. A job that really waits for hours says hours.
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
//! A task's [`timeout`](crate::MapOptions::timeout) does the same for all calls that the task makes, whichever handle
//! they are made by. The shortest limit in force wins, and the error names the phase that it passed in.
//!
//! # When a limit passes
//!
//! The statement is cancelled on the server, and the call returns within another 500 ms even when the server does not
//! answer: refused, silent, half-answered, stopped, cut off. The connection is thrown away, because nobody knows what
//! it would say next.
//!
//! What a timeout means for the data:
//!
//! * in a transaction: undone, as the rest of it, also in a [savepoint](super::transactions_and_retry#savepoints). Return
//!   the error: every later call of the transaction fails;
//! * a query that only reads: nothing;
//! * a write outside of a transaction: PostgreSQL mostly confirms the cancel; then it is undone, and
//!   [`is_transient`](crate::Error::is_transient) is true. Without an answer it may have happened, and it is false;
//! * a commit: [`Timeout`](crate::ErrorKind::Timeout) when no time was left to send it, and all is undone. One that was
//!   sent and not answered in time is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
//!
//! PostgreSQL runs in the caller's thread, on a socket that can be cut from outside. An ODBC driver's call cannot be
//! ended when its server is silent, so each ODBC connection lives on a thread of its own that the caller can leave
//! behind. Such threads are counted (`pool_status().abandoned`), end when their driver returns, and bound the pool:
//! with as many of them as it may have connections, it opens no more. A connection that a driver is still closing makes the
//! next one wait, within `POOL_TIMEOUT`.
//!
//! # What is not limited
//!
//! * Your own code: closures and tasks are not interrupted. Look at the clock yourself, or make a call, which ends at
//!   once when the time is over.
//! * [`Lock::check`](crate::Lock::check), and giving a lock back at the end of [`with_lock`](crate::DatabaseManager::with_lock):
//!   each has 5 s of its own, whatever the task's timeout is and whoever was told to stop. A limit that has passed would
//!   make a lock look lost.
//! * A connection by Unix socket cannot be cut: the driver offers no way in. Set `statement_timeout` on the server, or
//!   connect by TCP.
//! * A machine that has stopped. The server frees what such a client holds when its own keep-alive says so, or
//!   `idle_in_transaction_session_timeout`.
