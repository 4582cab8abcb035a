//! Fan-out: one task for each item, on threads of its own, with a record of every task.
//!
//! 1. [Tasks](#tasks)
//! 2. [How many workers](#how-many-workers)
//! 3. [Failures](#failures)
//! 4. [Stages](#stages)
//! 5. [Being told to stop](#being-told-to-stop)
//!
//! # Tasks
//!
//! [`map_tasks`](crate::map_tasks) runs a closure over many items, and every item leaves a record, in the order of the
//! items:
//!
//! ```
//! use std::time::Duration;
//! use batchdb::{MapOptions, TaskState, map_tasks};
//!
//! let options = MapOptions::new("double-{index}")
//!     .workers(4)
//!     .retries(2)
//!     .timeout(Duration::from_secs(60));
//! let results = map_tasks([1, 2, 3], options, |number| {
//!     if *number == 2 { Err("two is odd") } else { Ok(number * 2) }
//! });
//!
//! assert_eq!(results.counts()[&TaskState::Completed], 2);
//! let failed = results.failed().next().unwrap();
//! assert_eq!((failed.name(), failed.attempts()), ("double-1", 3));
//! assert_eq!(results.into_completed().collect::<Vec<_>>(), [2, 6]); // `into_values` would be an error
//! ```
//!
//! `{survey_id}` in the name is that column of a row, or field of a struct. The name stands in every log line of the
//! task: put keys in it and nobody's personal data. A task's timeout shortens every call that is made in it, and
//! interrupts none of your own code.
//!
//! A task cannot start a fan-out of its own: its workers would wait for connections that the outer ones hold. Chain
//! [stages](#stages) instead, or return the inner items and map them afterwards. Inputs that do not fit into memory go
//! through [`map_stream`](super::large_data).
//!
//! # How many workers
//!
//! By default as many as the machine has processors. What is right depends on what a task waits for:
//!
//! | a task | workers |
//! | --- | --- |
//! | computes | the processors: more only take turns |
//! | waits for the database | as many as the pool has connections (`POOL_SIZE + MAX_OVERFLOW`): more wait for one another, and the log says so once |
//! | does both | connections ÷ share of the time that it holds one: with 8 connections, each held for half of the time, 16 |
//! | waits for a service outside | what that service allows; [`per_second`](crate::MapOptions::per_second) holds all workers together to a rate |
//!
//! How many connections the pool should have is said in [pools](super::pools#how-many-connections). To measure beats to
//! calculate: run some hundred items with 4, 8 and 16 workers, and look at the time that it takes and at
//! `pool_status().checkout_mean_ms`. When the one no longer falls and the other grows, it was too many.
//!
//! A fan-out starts its threads and ends with them. A task costs about a microsecond, so nothing is gained by batches
//! of items for its sake; they are for the database's, where [one statement for many rows](super::mass) beats many
//! statements.
//!
//! # Failures
//!
//! A failure does not stop the others, and a panic is caught. What becomes of an item:
//!
//! | state | what happened |
//! | --- | --- |
//! | [`Completed`](crate::TaskState::Completed) | the closure returned `Ok` |
//! | [`Failed`](crate::TaskState::Failed) | it returned `Err`, after all its attempts |
//! | [`TimedOut`](crate::TaskState::TimedOut) | its time had passed, and it returned `Err`: a timeout, or an error of your own. One that returns `Ok` late is `Completed` |
//! | [`Crashed`](crate::TaskState::Crashed) | it panicked. That is a defect, and not repeated |
//! | [`Cancelled`](crate::TaskState::Cancelled) | it was told to stop, and its grace had passed or it would have been run again; or its error is of the kind `Cancelled`, whoever cancelled |
//! | [`NotStarted`](crate::TaskState::NotStarted) | it was told to stop before, or the stage before it did not complete |
//!
//! `into_values()` is all results or an error, `into_completed()` those that there are.
//! [`fail_fast`](crate::MapOptions::fail_fast) stops at the first failure. A task that is run again does again what it
//! had committed; the page on [retries](super::transactions_and_retry#retries-of-tasks) says what that asks of it.
//!
//! # Stages
//!
//! An item goes through all stages on one worker, one right after the other, so that what is achieved is written while
//! others are still being computed:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, Error, MapOptions, Row, params, stage};
//!
//! # fn score(row: &Row) -> Result<i64, Error> { row.get("id") }
//! # let todo: Vec<Row> = Vec::new();
//! let (scores, written) = stage(MapOptions::<Row>::new("score-{survey_id}").workers(8), score)
//!     .then(MapOptions::default().workers(4).retries(2), |score: &i64| {
//!         let db = DatabaseManager::new("rpa_db")?; // shares the pool
//!         db.execute("INSERT INTO result (score) VALUES (:score)", params! { score: *score })
//!     })
//!     .map(todo);
//! println!("{} scored, {} written", scores.completed().count(), written.completed().count());
//! written.into_values()?; // an error when one was not
//! # Ok::<(), Error>(())
//! ```
//!
//! A stage that asks for fewer workers than another is held to that number: 8 score, and at most 4 of them write at a
//! time.
//!
//! # Being told to stop
//!
//! A scheduler sends SIGTERM and kills some seconds later. With a [`CancelToken`](crate::CancelToken) the fan-out
//! starts no new item then, and what runs may end within the grace. At its end calls that still wait are cancelled on
//! the server, and every item has its record, so that the next run knows what is left:
//!
//! ```no_run
//! # #[cfg(feature = "signals")] {
//! use std::time::Duration;
//! use batchdb::{CancelToken, DatabaseManager, MapOptions, TaskState, map_tasks, params};
//!
//! let db = DatabaseManager::new("rpa_db")?;
//! let options = MapOptions::new("job-{index}")
//!     .cancel(CancelToken::on_signals()?) // or `CancelToken::new()`, and `cancel()` from anywhere
//!     .grace(Duration::from_secs(8));
//! let results = map_tasks(0..1000_i64, options, |id| {
//!     db.execute("UPDATE job SET state = 'done' WHERE id = :id", params! { id: *id })
//! });
//! let left = results.counts().get(&TaskState::NotStarted).copied().unwrap_or_default();
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! The grace is 20 s unless you say so: Kubernetes kills after 30 s, Docker by itself after 10 s. A second signal ends
//! the process at once. Outside of a fan-out [`with_cancel`](crate::with_cancel) does the same for the calls of a
//! closure. A token inside of another's reach, such as that of a fan-out within `with_cancel`, stands beside it: either can
//! tell the work to stop.
