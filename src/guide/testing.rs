//! Testing your program: a mock, a real server that starts in seconds, fixtures, fault injection.
//!
//! 1. [What to use for which test](#what-to-use-for-which-test)
//! 2. [Without a database](#without-a-database)
//! 3. [A mock](#a-mock)
//! 4. [A real server](#a-real-server)
//! 5. [A database for each test](#a-database-for-each-test)
//! 6. [Migrations](#migrations)
//! 7. [Faults](#faults)
//! 8. [A second database in a file](#a-second-database-in-a-file)
//!
//! ```toml
//! [dev-dependencies]
//! batchdb = { path = "../batchdb", features = ["testing"] }
//! ```
//!
//! # What to use for which test
//!
//! | you want to know | use |
//! | --- | --- |
//! | how your code processes rows | [`Row::from_pairs`](crate::Row::from_pairs): no database at all |
//! | which statements your code sends, and what it does when they fail | `testing::MockDatabase` |
//! | whether the SQL is right | `testing::TestDatabase` on a `testing::EmbeddedPostgres`: a real server |
//! | whether a job survives deadlocks and lost connections | `testing::FaultInjector`, on either |
//!
//! A mock answers only what you told it: it cannot find a misspelled column. Most tests of a job should use a real
//! server; once that runs, each test costs some ten milliseconds.
//!
//! # Without a database
//!
//! ```
//! use batchdb::{Row, Value};
//!
//! fn score(row: &Row) -> batchdb::Result<i64> {
//!     Ok(row.get::<Option<i64>>("answer")?.unwrap_or(3))
//! }
//!
//! assert_eq!(score(&Row::from_pairs([("answer", Value::from(5))]))?, 5);
//! assert_eq!(score(&Row::from_pairs([("answer", Value::Null)]))?, 3);
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # A mock
//!
//! The mock's handle is a real `DatabaseManager`: it checks parameters, uses a pool, begins, rolls back and retries
//! transactions, and keeps limits. Only the server's answers come from the test:
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use batchdb::testing::MockDatabase;
//! use batchdb::{DatabaseManager, ErrorKind, Result, Row, params};
//!
//! fn close(db: &DatabaseManager, id: i64) -> Result<u64> {
//!     db.transaction(|tx| tx.execute("UPDATE job SET state = 'done' WHERE id = :id", params! { id: id }))
//! }
//!
//! let mock = MockDatabase::new("rpa_db");
//! mock.on_like("UPDATE job %").once().fails(ErrorKind::Conflict); // a deadlock, the first time
//! mock.on_like("UPDATE job %").with(params! { id: 7 }).changes(1);
//!
//! assert_eq!(close(&mock.manager()?, 7)?, 1);
//! assert_eq!(mock.calls_like("UPDATE job %").len(), 2);
//! assert_eq!(mock.committed().len(), 1);
//! mock.assert_all_used();
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! A statement without an expectation is an error. `on_call` and `answers` take closures, `after` delays an answer,
//! `on_connect` and `on_commit` set what happens there. Code that makes its own handles by name reaches the mock if the
//! process environment sets the database's connection string to the mock's `connection_string()`.
//!
//! # A real server
//!
//! `EmbeddedPostgres` starts a temporary server from the PostgreSQL that is installed on the machine: on a free port,
//! never as root, and removed when the program ends, even if it is killed. It needs Unix.
//!
//! ```
//! # #[cfg(all(unix, feature = "postgres", feature = "testing"))] {
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
//! # A database for each test
//!
//! `TestDatabase` creates a database on a server, migrates it, and drops it at the end of the test. The first test that
//! uses a folder of migrations runs them; later tests get a copy of the result. It refuses to work in an environment
//! whose name begins with `prod`, `prd` or `live`, and drops only databases that it has made. The server can be an
//! `EmbeddedPostgres`, or any PostgreSQL 13 or newer, given by its URL, whose user may create databases.
//!
//! ```
//! # #[cfg(all(unix, feature = "postgres", feature = "testing"))] {
//! use batchdb::testing::{EmbeddedPostgres, TestDatabase, load_json};
//!
//! let server = EmbeddedPostgres::shared()?;
//! let db = TestDatabase::on(&server.url()).name("rpa_db").migrations("migrations/rpa_db").create()?;
//! load_json(&db, "rpa1_survey_queue", r#"[{"survey_id": 1}, {"survey_id": 2}]"#)?;
//! let waiting = db.query_one("SELECT count(*) AS n FROM rpa1_survey_queue WHERE done_at IS NULL", ())?;
//! assert_eq!(waiting.get::<i64>("n")?, 2);
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! A database that a killed test has left behind is dropped by a later test, one hour after it was created; databases
//! kept by `keep` stay. Migrated templates that were not used for a week are dropped too. Numbers in a JSON fixture
//! keep all their digits; `load_csv` takes CSV instead of JSON.
//!
//! # Migrations
//!
//! `testing::assert_round_trip` applies all versions one by one, undoes them one by one and applies them again. After
//! each step it compares the schema with the one of the first way up. Repeatable migrations run twice:
//!
//! ```
//! # #[cfg(all(unix, feature = "postgres", feature = "testing"))] {
//! use batchdb::DatabaseManager;
//! use batchdb::testing::{EmbeddedPostgres, TestDatabase, assert_round_trip};
//!
//! let scratch = TestDatabase::on(&EmbeddedPostgres::shared()?.url()).name("rpa_db").create()?;
//! let db = DatabaseManager::builder("rpa_db")
//!     .connection_string(scratch.connection_string())
//!     .migrations_dir("migrations/rpa_db")
//!     .build()?;
//! assert_round_trip(&db);
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # Faults
//!
//! `FaultInjector` injects faults at named points, each with a probability, from a seed; on a real database or on a
//! mock. Your program sees what it would see in the real case: for a commit whose answer was lost, the transaction is
//! committed and the error is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use batchdb::testing::{FaultInjector, FaultPoint, MockDatabase};
//! use batchdb::RetryPolicy;
//! use std::time::Duration;
//!
//! let mock = MockDatabase::new("rpa_db");
//! mock.on_like("UPDATE %").changes(1);
//! let faults = FaultInjector::new(42).at(FaultPoint::Deadlock, 0.3);
//! let db = mock.builder().faults(&faults).build()?;
//! let quick = RetryPolicy::default().attempts(20).conflict_waits(Duration::ZERO, Duration::from_millis(1));
//!
//! for _ in 0..50 {
//!     db.with_retry(quick.clone()).transaction(|tx| tx.execute("UPDATE counter SET n = n + 1", ()))?;
//! }
//! assert!(faults.struck(FaultPoint::Deadlock) > 5); // a test in which none struck has shown nothing
//! assert_eq!(mock.committed().len(), 50); // each once, and none lost
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # A second database in a file
//!
//! SQLite's ODBC driver gives a second database without a second server:
//!
//! ```no_run
//! let hub = batchdb::DatabaseManager::builder("SurveyHub")
//!     .database_type("odbc")
//!     .connection_string("Driver=SQLite3;Database=/tmp/survey_hub.db;")
//!     .build()?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! If the file does not exist it is created, unless the string has `NoCreat=1`. SQLite can stand in for a second
//! database, but not for SQL Server: its types, locks and messages are different.
