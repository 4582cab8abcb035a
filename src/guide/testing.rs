//! Tests of your own: a mock, a real server that starts in seconds, fixtures, faults on order.
//!
//! 1. [What to test with what](#what-to-test-with-what)
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
//! # What to test with what
//!
//! | you want to know | take |
//! | --- | --- |
//! | what your code makes of rows | [`Row::from_pairs`](crate::Row::from_pairs): no database at all |
//! | which statements your code sends, and what it does when they fail | `testing::MockDatabase` |
//! | whether the SQL is right | `testing::TestDatabase` on a `testing::EmbeddedPostgres`: a real server |
//! | whether a job survives deadlocks and lost connections | `testing::FaultInjector`, on either |
//!
//! A mock says what you told it: it cannot find a misspelled column. Most tests of a job belong on a real server; one
//! costs some ten milliseconds once the server runs.
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
//! The handle that it gives is a real one: parameters are checked, a pool lends connections, transactions are begun,
//! rolled back and attempted again, limits are kept. Only what the server would say is the test's word:
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
//! A statement that nothing was said about is an error. `on_call` and `answers` take closures, `after` gives an answer
//! a latency, `on_connect` and `on_commit` are for the rest. Code that makes its handles by name finds the mock where
//! the process environment has its `connection_string()`.
//!
//! # A real server
//!
//! `EmbeddedPostgres` makes a throw-away cluster from the PostgreSQL that is installed on the machine: on a free port,
//! as no root, and gone with the program, however that ends. It is there on Unix.
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
//! `TestDatabase` is one database of a server's, migrated, and dropped at the end of the test. The first test that
//! wants a folder of migrations runs them; the others get a copy of what they made. It refuses to work in an
//! environment called production, and drops no database that it has not made. Beside `EmbeddedPostgres` it takes any
//! PostgreSQL from version 13 on, by its URL, whose user may create databases.
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
//! What a test that was killed leaves behind is dropped by a later one, an hour after it was made; what `keep` has left
//! there stays. A state of the migrations that nobody has wanted for a week goes too. Numbers of a JSON fixture keep all
//! their digits; `load_csv` takes CSV in place of JSON.
//!
//! # Migrations
//!
//! `testing::assert_round_trip` applies all versions one by one, undoes them one by one and applies them again, and
//! compares the schema after each step with that of the way up; what is repeatable runs twice:
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
//! A seed and a probability for each named point, on a real database or a mock. What is told to the program is what it
//! would be told then: a commit whose answer was lost is committed, and
//! [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
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
//! The file is made where there is none, unless the string has `NoCreat=1`. It stands in for another *database*, and not
//! for SQL Server: types, locks and messages are its own.
