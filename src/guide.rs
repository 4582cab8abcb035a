//! The long read: how a batch program uses this crate, from its settings to its tests.
//!
//! 1. [Settings](#settings)
//! 2. [Queries and parameters](#queries-and-parameters)
//! 3. [Rows and types](#rows-and-types)
//! 4. [Errors](#errors)
//! 5. [Transactions](#transactions)
//! 6. [Deadlines](#deadlines)
//! 7. [Pools](#pools)
//! 8. [Migrations](#migrations)
//! 9. [Fan-out](#fan-out)
//! 10. [Health](#health)
//! 11. [Logging](#logging)
//! 12. [Tests](#tests)
//!
//! # Settings
//!
//! A program names a database, and the settings say what that is:
//!
//! ```no_run
//! use batchdb::DatabaseManager;
//!
//! let rpa = DatabaseManager::new("rpa_db")?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! In the environment `development`, which is used unless `BATCHDB_ENVIRONMENT` names another, this reads keys that
//! begin with `DEVELOPMENT_GLOBAL_RPA_DB_` from the process environment and from `envs/.env.development`:
//!
//! ```text
//! DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://postgres:${POSTGRES_PASSWORD}@localhost:5432/rpa_db
//! DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE=8
//! DEVELOPMENT_GLOBAL_DATABASE_TIMEOUT=60
//! ```
//!
//! `${POSTGRES_PASSWORD}` is replaced from the process environment, so that no secret stands in the file. It is replaced
//! after the URL was split: a password may hold `@`, `/` and `%` as they are. [`Settings`](crate::Settings) has the order
//! in which the sources win, and [`Settings::reference`](crate::Settings::reference) all keys with their defaults.
//!
//! A flow's own values go before the global ones, and the program's go before all:
//!
//! ```no_run
//! use batchdb::DatabaseManager;
//!
//! // DEVELOPMENT_RPA1_RPA_DB_… goes before DEVELOPMENT_GLOBAL_RPA_DB_…
//! let rpa = DatabaseManager::builder("rpa_db").flow("rpa1").pool_size(20).build()?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Making a handle connects to nothing. It checks all settings, and its error lists everything that is wrong with them,
//! each with the key, the file and the line, and never with a value:
//!
//! ```
//! use batchdb::{DatabaseManager, ErrorKind};
//!
//! let wrong = DatabaseManager::builder("rpa_db")
//!     .connection_string("postgresql://u:secret@localhost/rpa_db")
//!     .pool_size(0)
//!     .build()
//!     .unwrap_err();
//! assert_eq!(wrong.kind(), ErrorKind::Config);
//! assert!(wrong.to_string().contains("`pool_size` of the builder: must be a whole number from 1"));
//! assert!(!wrong.report().contains("secret"));
//! ```
//!
//! # Queries and parameters
//!
//! SQL is the database's own. `:name` stands for a value, on every database:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, params};
//!
//! let db = DatabaseManager::new("rpa_db")?;
//! let jobs = db.execute_query(
//!     "SELECT id, name FROM job WHERE state = :state AND id IN (:ids)",
//!     params! { state: "new", ids: vec![1, 2, 3] },
//! )?;
//! let changed = db.execute("UPDATE job SET state = :state WHERE id = :id", params! { state: "done", id: 7 })?;
//! let one = db.query_one("SELECT count(*) AS jobs FROM job", ())?;
//! let perhaps = db.query_opt("SELECT name FROM job WHERE id = :id", params! { id: 7 })?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! * [`params!`](crate::params!) is strict: a name too many is an error, as is one too few. Nothing is sent then.
//! * A list belongs behind `IN` or `NOT IN`. An empty one makes `IN` false and `NOT IN` true.
//! * A whole record may hold more than the statement names: a [`Row`](crate::Row), a map, or a serde struct by
//!   [`record`](crate::record).
//! * A colon in a string, a comment, a cast (`::`) or a slice is left alone. `\:` is a colon and nothing more.
//! * One call takes one statement. Scripts are migrations.
//!
//! Rows in mass are streamed, in bounded memory, and records in mass are written in one transaction:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, Error, params};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let mut total = 0;
//! db.query_each("SELECT amount FROM payment", (), |row| {
//!     total += row.get::<i64>("amount")?;
//!     Ok::<_, Error>(true) // false ends it early
//! })?;
//!
//! let records = (1..=1000).map(|id| params! { id: id, name: format!("job {id}") });
//! db.execute_many("INSERT INTO job (id, name) VALUES (:id, :name)", records)?;
//! # Ok::<(), Error>(())
//! ```
//!
//! Many rows go into tables by [`bulk_insert` and its kin](mass).
//!
//! A stream that is ended early is cancelled on the server and costs its connection; inside a transaction it costs the
//! transaction. Where that matters, say `LIMIT`. A write with `RETURNING` is carried out to its end
//! all the same, whenever its reader stops.
//!
//! [Data that does not fit into memory](large_data) is pulled by an iterator, copied between databases, written to files and
//! read from them. [Many rows](mass) are written by the call that fits.
//!
//! Several calls that must share a session, for a temporary table or a `SET`, borrow one connection:
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let rows = db.session(|session| {
//!     session.execute("SET TIME ZONE 'Europe/Berlin'", ())?;
//!     session.execute_query("SELECT now()::text AS local", ())
//! })?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! The next borrower finds the session clean.
//!
//! # Rows and types
//!
//! A [`Row`](crate::Row) is read by name or by index, as a type of yours, or as a whole by serde:
//!
//! ```
//! use batchdb::{Row, Value};
//!
//! let row = Row::from_pairs([("id", Value::from(7)), ("note", Value::Null)]);
//! assert_eq!(row.get::<i64>("id")?, 7);
//! assert_eq!(row.get::<Option<String>>("note")?, None);
//! assert!(row.get::<String>("note").is_err()); // NULL is an Option and nothing else
//!
//! #[derive(serde::Deserialize)]
//! struct Job { id: u32, note: Option<String> }
//! let job: Job = row.read()?;
//! assert_eq!(job.id, 7);
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Every database gives the same [`Value`](crate::Value) for the same kind of thing, exactly or not at all; a value that
//! does not fit the type that you ask for is an error that names the column. [What becomes of each type](types) has its
//! own page. Two columns of one name are read by index; by name, or as a record, they are an error.
//!
//! # Errors
//!
//! There is one [`Error`](crate::Error). Its `kind()` is for the program, its text for people, and its source is what the
//! driver said:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, ErrorKind, params};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! match db.execute("INSERT INTO job (id) VALUES (:id)", params! { id: 7 }) {
//!     Ok(_) => (),
//!     Err(error) if error.kind() == ErrorKind::Constraint => println!("{:?} is there", error.constraint()),
//!     // The same call may be made again: it was not sent, or has surely been undone.
//!     Err(error) if error.is_transient() => println!("try again: {error}"),
//!     // Whether it happened, nobody knows. Look before you do it again.
//!     Err(error) if error.kind() == ErrorKind::OutcomeUnknown => return Err(error),
//!     Err(error) => return Err(error),
//! }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! `Display` and `Debug` hold no value of yours and may be logged. [`report`](crate::Error::report) has the whole chain,
//! with the server's own words, which may quote values.
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
//!     // Inside, another one is a savepoint: its error undoes its own part only.
//!     let note = tx.transaction(|part| part.execute("INSERT INTO note (text) VALUES ('moved')", ()));
//!     if note.is_err() {
//!         log::warn!("moved without a note");
//!     }
//!     tx.execute("UPDATE account SET sum = sum + 5 WHERE id = :id", params! { id: 2 })
//! })?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! `Ok` means that the server has committed. Of an error that you swallow the server still knows: the commit is refused.
//! When the connection breaks after the commit was sent, the error is
//! [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), and a unique key is what makes doing it again harmless.
//! [`TransactionOptions`](crate::TransactionOptions) has isolation, read-only and settling. `BEGIN` and `COMMIT` as text are refused.
//!
//! # Retries
//!
//! Some calls are made again when they surely did not happen: the server was away, undid the work for the sake of another
//! transaction, or was short of a resource. Three attempts within `RETRY_BUDGET`, with waits of 4 to 10 s in an outage and
//! of milliseconds after a conflict:
//!
//! ```no_run
//! use std::time::Duration;
//! use batchdb::{DatabaseManager, RetryPolicy, TransactionOptions, params};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let open = db.execute_query_with_retry("SELECT id FROM job WHERE state = 'new'", ())?;
//!
//! // The closure runs again from its beginning: what it did to the database is undone by then, what else it did is not.
//! let count = "UPDATE counter SET n = n + 1";
//! db.transaction(|tx| tx.execute(count, ()))?;
//! // When the answer to the commit is lost, PostgreSQL is asked what became of it.
//! db.transaction_with(TransactionOptions::new().settle_commit(), |tx| tx.execute(count, ()))?;
//! db.transaction_once(|tx| tx.execute(count, ()))?;
//!
//! // Twice is no harm, says the caller: this is made again even when nobody knows whether it happened.
//! let sql = "INSERT INTO job (id) VALUES (:id) ON CONFLICT (id) DO NOTHING";
//! db.idempotent().execute_query_safe(sql, params! { id: 7 }, true)?;
//!
//! let patient = db.with_retry(RetryPolicy::default().attempts(20).budget(Duration::from_secs(600)));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Everything else is attempted once: `execute_query`, `execute`, `execute_many`, and what runs in a
//! [`session`](crate::DatabaseManager::session). Never made again are wrong credentials, refused data, wrong statements,
//! what somebody cancelled, and writes whose outcome is unknown. A query with a function of your own counts as a write,
//! and a procedure may have committed a part. [`with_deadline`](crate::DatabaseManager::with_deadline) and a task's timeout
//! end the waits too. A task with `retries` around a call that repeats itself multiplies the two.
//!
//! # Deadlines
//!
//! Every step has a limit: waiting for a connection `POOL_TIMEOUT`, opening one `CONNECT_TIMEOUT`, a statement or a fetch
//! `TIMEOUT`. So a long stream is not killed for being long. A limit on the whole is asked for:
//!
//! ```no_run
//! use std::time::Duration;
//! use batchdb::{DatabaseManager, ErrorKind, Phase};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let quick = db.with_deadline(Duration::from_secs(2)); // for every call of this handle
//! let rows = quick.execute_query("SELECT * FROM job", ())?;
//!
//! let slow = db.execute_query_with_timeout("SELECT pg_sleep(60)", (), Duration::from_millis(200));
//! assert_eq!(slow.unwrap_err().kind(), ErrorKind::Timeout(Phase::Query));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! When a limit passes the statement is cancelled on the server, and the call returns within another 500 ms even when the
//! server does not answer. Your own closures are not interrupted. A connection by Unix socket cannot be cut: set
//! `statement_timeout` there, or connect by TCP.
//!
//! # Pools
//!
//! Handles are cheap. All that are made for one database with the same settings share one pool in the process, so a task
//! may make its own. `POOL_SIZE` connections are kept, `MAX_OVERFLOW` more are opened at a peak and closed again. Who waits
//! is served in the order of asking.
//!
//! ```
//! use batchdb::DatabaseManager;
//!
//! let db = DatabaseManager::builder("rpa_db").connection_string("postgresql://u@localhost/rpa_db").build()?;
//! let pool = db.pool_status();
//! assert_eq!((pool.status, pool.pool_size, pool.checked_out), ("not_initialized", 5, 0));
//! db.close(); // the last handle: the pool is closed now, and not in 60 s
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! `pool_status()` also says how long checkouts took, and how many callers wait. With `LEAK_AFTER=60` a connection that is
//! held for longer than a minute is told in the log, with the line of your program that borrowed it, its flow and its task.
//!
//! Behind PgBouncer in transaction mode set `STATEMENT_CACHE=0`. batchdb blocks its thread: inside an async task it is an
//! error, on a thread of `spawn_blocking` it works.
//!
//! # Migrations
//!
//! The files `migrations/{database}/V<version>__<description>.sql` are applied once each, oldest first:
//!
//! ```no_run
//! let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let report = db.run_migrations()?;
//! println!("{} applied, now at {:?}", report.applied.len(), report.current_version);
//! println!("waiting: {:?}", db.migration_status()?.pending_migrations);
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! Each file runs in one transaction together with its row of the table `schema_version`: it is applied and recorded, or
//! it leaves nothing behind. All files are checked before anything runs, and of several programs that start at once one
//! works and the others wait. `MIGRATE_ON_START` says what the first use of a pool does about pending ones: `check`, the
//! default, logs them; `run` applies them; `off` does not look. [`migrations`] has the rest: kinds of files, undoing,
//! rehearsing, repairing, and taking over from Flyway and Pyway.
//!
//! # Fan-out
//!
//! [`map_tasks`](crate::map_tasks) runs a closure over many items on threads of its own, and every item leaves a record:
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
//! A failure does not stop the others, and a panic is caught. A task's timeout shortens every call that is made in it.
//! `{survey_id}` in the name is that column of a row, or field of a struct. With more workers than connections some only
//! wait, and the log says so once. A task cannot start a fan-out of its own; stages are chained instead, and an item goes
//! through all of them at once:
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
//! A task that is run again does again what it had committed. By default a failure of this crate is repeated only when it is
//! transient, any other always: let a task be one transaction, or harmless when repeated.
//!
//! # Stopping
//!
//! A scheduler sends SIGTERM and kills some seconds later. With a [`CancelToken`](crate::CancelToken) the fan-out starts no
//! new item then, and what runs may end within the grace. At its end calls that still wait are cancelled on the server, and
//! every item has its record, so that the next run knows what is left:
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
//! Outside of a fan-out [`with_cancel`](crate::with_cancel) does the same for the calls of a closure.
//!
//! # Several replicas
//!
//! One at a time, in the whole cluster, by a lock that ends with the process or its connection:
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let done = db.try_lock("nightly-run", |_lock| db.execute("UPDATE job SET state = 'due'", ()))?;
//! println!("{}", if done.is_some() { "done" } else { "another replica is at it" });
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! [`with_lock`](crate::DatabaseManager::with_lock) waits, and says in its error who holds it. When its connection fails
//! the lock is gone while your work goes on: the call ends with [`LockLost`](crate::ErrorKind::LockLost), and
//! [`Lock::check`](crate::Lock::check) tells before.
//!
//! All at once, by a table of work: each claims a batch that nobody else has, and writes the results in the transaction
//! that holds the claim. What a process that dies has claimed is free at once:
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
//! Where the work comes from another database, as in the example `replicated_survey`, its keys are put into such a table
//! first, by `INSERT … ON CONFLICT DO NOTHING`, as often and by as many as you like: what is done stays, marked.
//!
//! # Health
//!
//! ```no_run
//! use batchdb::{HealthStatus, database_health_check, validate_database_prerequisites};
//!
//! // Before the flow: every database it needs, side by side.
//! if !validate_database_prerequisites(&["rpa_db", "SurveyHub"], "rpa1").require_all().passed() {
//!     std::process::exit(3);
//! }
//! let report = database_health_check(&["rpa_db", "SurveyHub"], "rpa1");
//! assert_eq!(report.overall_status, HealthStatus::Healthy);
//! println!("{}", report.to_json());
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! A check connects, runs a query and looks at the migrations; pending ones do not make a database unhealthy. It never
//! fails: what went wrong is in the report, without secrets. [`health_check_all`](crate::health_check_all) finds the
//! databases by itself, and [`health_check_of`](crate::health_check_of) takes handles that you have made.
//!
//! # Logging
//!
//! ```
//! batchdb::init_logging(); // or init_logging_json(), or a logger of your own
//! batchdb::with_flow("rpa1", || {
//!     // Every line that batchdb writes about a statement in here carries flow=rpa1.
//! });
//! ```
//!
//! Lines carry database, operation, duration, rows, flow and task as key-values, and no value. ERROR is what is not also
//! returned, WARN a connection thrown away, a call or task made again, INFO migrations, DEBUG every statement. A logger of your own
//! must hold `tokio_postgres` at `info` and `odbc_api` at `error`: below that they print parameters and the server's texts.
//!
//! # Tests
//!
//! With the feature `testing` a test has a real PostgreSQL server, from what is installed on the machine:
//!
//! ```
//! # #[cfg(all(unix, feature = "postgres"))] {
//! use batchdb::testing::EmbeddedPostgres;
//! use batchdb::{DatabaseManager, MigrateOnStart, params};
//!
//! let server = EmbeddedPostgres::start()?; // `shared()` is one for all tests of a program
//! server.create_database("rpa_db")?;
//! let db = DatabaseManager::builder("rpa_db")
//!     .connection_string(server.url_for("rpa_db"))
//!     .migrate_on_start(MigrateOnStart::Off)
//!     .build()?;
//!
//! db.execute("CREATE TABLE job (id int PRIMARY KEY, price numeric)", ())?;
//! db.execute_many("INSERT INTO job VALUES (:id, :price)", [1, 2].map(|id| params! { id: id, price: "1.50" }))?;
//! let refused = db.transaction(|tx| {
//!     tx.execute("DELETE FROM job", ())?;
//!     tx.execute("INSERT INTO job VALUES (3, 1), (3, 1)", ())
//! });
//! assert_eq!(refused.unwrap_err().constraint(), Some("job_pkey"));
//! let sum = db.query_one("SELECT sum(price) AS sum FROM job", ())?;
//! assert_eq!(sum.get::<bigdecimal::BigDecimal>("sum")?.to_string(), "3.00");
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! It is gone with the program, however that ends. Code that takes rows is tested without any server, with
//! [`Row::from_pairs`](crate::Row::from_pairs). SQLite's ODBC driver gives a second database in one file:
//!
//! ```no_run
//! let hub = batchdb::DatabaseManager::builder("SurveyHub")
//!     .database_type("odbc")
//!     .connection_string("Driver=SQLite3;Database=/tmp/survey_hub.db;")
//!     .build()?;
//! # Ok::<(), batchdb::Error>(())
//! ```

pub mod large_data;
pub mod mass;
pub mod migrations;
pub mod sqlserver;
pub mod types;
