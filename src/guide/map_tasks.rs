//! Parallel tasks (fan-out): one task for each item, on threads, with a record of every task.
//!
//! 1. [Tasks](#tasks)
//! 2. [How many workers](#how-many-workers)
//! 3. [Failures](#failures)
//! 4. [Stages](#stages)
//! 5. [Cancellation](#cancellation)
//!
//! # Tasks
//!
//! [`map_tasks`](crate::map_tasks) runs a closure once for each item, on several threads, and waits for all of them. It
//! returns a record for every item, in the order of the items:
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
//! In the name, `{index}` is the item's position (from 0), and `{survey_id}` is that column of a row or field of a
//! struct. The name appears in every log line of the task, so use keys and no personal data. A task's timeout ends
//! every database call of the task, but does not interrupt your own code.
//!
//! A task cannot start another fan-out: the inner workers would wait for connections that the outer ones hold. Chain
//! [stages](#stages) instead, or return the inner items and map them afterwards. For inputs that do not fit into memory
//! use [`map_stream`](super::large_data).
//!
//! # How many workers
//!
//! The default is the number of processors. The right number depends on what a task waits for:
//!
//! | a task | workers |
//! | --- | --- |
//! | computes | the number of processors: more would only take turns |
//! | waits for the database | the number of connections in the pool (`POOL_SIZE + MAX_OVERFLOW`): more would wait for one another, and a line in the log says so |
//! | does both | connections ÷ the share of its time in which a task holds one: with 8 connections and a share of one half, 16 |
//! | waits for an external service | what that service allows; [`per_second`](crate::MapOptions::per_second) limits the rate of all workers together |
//!
//! For the number of connections see [pools](super::pools#how-many-connections). Measuring is better than calculating:
//! run some hundred items with 4, 8 and 16 workers, and compare the total time and `pool_status().checkout_mean_ms`.
//! When the total time no longer falls and the checkout time grows, there are too many workers.
//!
//! A fan-out starts its own threads and ends them. A task costs about a microsecond, so grouping items into batches
//! saves nothing there. It does save time in the database, where [one statement for many rows](super::mass) is faster
//! than many statements.
//!
//! # Failures
//!
//! A failure does not stop the other tasks, and a panic is caught. The state of an item:
//!
//! | state | what happened |
//! | --- | --- |
//! | [`Completed`](crate::TaskState::Completed) | the closure returned `Ok` |
//! | [`Failed`](crate::TaskState::Failed) | it returned `Err` in its last attempt |
//! | [`TimedOut`](crate::TaskState::TimedOut) | it returned `Err` after its time limit had passed: a timeout, or an error of your own. A task that returns `Ok` late is `Completed` |
//! | [`Crashed`](crate::TaskState::Crashed) | it panicked. That is a defect, and is not retried |
//! | [`Cancelled`](crate::TaskState::Cancelled) | the fan-out was cancelled, and the grace period ended or the task failed and was not retried; or the task's error is of the kind `Cancelled`, whoever cancelled |
//! | [`NotStarted`](crate::TaskState::NotStarted) | the fan-out was cancelled before the task began, or the stage before it did not complete |
//!
//! `into_values()` returns all results, or an error if any is missing; `into_completed()` returns the results that
//! there are. [`fail_fast`](crate::MapOptions::fail_fast) stops at the first failure. A retried task repeats what it
//! had already committed; see [retries of tasks](super::transactions_and_retry#retries-of-tasks).
//!
//! # Stages
//!
//! An item goes through all its stages on one worker, one right after the other, so results are written while other
//! items are still being computed:
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
//! The chain has as many workers as the largest stage asks for; a stage that asks for fewer is limited to its number.
//! Here 8 workers score, and at most 4 of them write at a time.
//!
//! # Cancellation
//!
//! A scheduler sends SIGTERM, and kills the process some seconds later. With a [`CancelToken`](crate::CancelToken) the
//! fan-out then starts no new item, and running tasks may finish within the grace period. When that ends, calls that
//! are still waiting are cancelled on the server. Every item has its record, so the next run knows what is left:
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
//! The grace period is 20 s by default. Kubernetes kills after 30 s, Docker after 10 s unless told otherwise. A second
//! signal ends the process at once. Outside a fan-out, [`with_cancel`](crate::with_cancel) does the same for the calls
//! of a closure. Tokens add up: a fan-out with its own token inside `with_cancel` is cancelled by either of the two.
