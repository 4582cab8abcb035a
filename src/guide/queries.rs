//! Queries: named parameters, rows, one row or many, several calls on one connection.
//!
//! 1. [Parameters](#parameters)
//! 2. [Which call](#which-call)
//! 3. [Rows](#rows)
//! 4. [One connection for several calls](#one-connection-for-several-calls)
//! 5. [What is refused](#what-is-refused)
//!
//! # Parameters
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
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! * [`params!`](crate::params!) is strict: a name too many is an error, as is one too few. Nothing is sent then.
//! * A list belongs behind `IN` or `NOT IN`. An empty one makes `IN` false and `NOT IN` true.
//! * A whole record may hold more than the statement names: a [`Row`](crate::Row), a map, or a serde struct by
//!   [`record`](crate::record).
//! * A colon in a string, a quoted name, a comment, a cast (`::`), an assignment (`:=`) or a slice is left alone. `\:`
//!   is a colon and nothing more.
//! * Values never become part of the text. Names of tables and columns are part of the text, so let them come from your
//!   program.
//!
//! On PostgreSQL a value goes in the type that the server expects. Where that would change it without a word (a
//! fraction for an `integer`, a time of day for a `date`), the call is an error before the statement is run, and says
//! which cast would mean it. A parameter that nothing gives a type, as in `SELECT :x AS x`, is a text to PostgreSQL: say
//! `:x::int`.
//!
//! # Which call
//!
//! | call | returns |
//! | --- | --- |
//! | [`execute_query`](crate::DatabaseManager::execute_query) | all rows; none of a statement that returns none |
//! | [`query_one`](crate::DatabaseManager::query_one), [`query_opt`](crate::DatabaseManager::query_opt) | exactly one row; one or none. More is an error |
//! | [`query_as`](crate::DatabaseManager::query_as) | all rows as a type of yours, by serde |
//! | [`query_each`](crate::DatabaseManager::query_each) | hands over row by row, in bounded memory |
//! | [`execute`](crate::DatabaseManager::execute) | how many rows were changed |
//! | [`execute_many`](crate::DatabaseManager::execute_many) | one statement for many records, all or none |
//! | [`execute_transaction`](crate::DatabaseManager::execute_transaction) | the rows of several statements, all or none |
//! | [`query_sets`](crate::DatabaseManager::query_sets), [`call_procedure`](crate::DatabaseManager::call_procedure) | several results; what a procedure puts out |
//! | [`execute_query_with_timeout`](crate::DatabaseManager::execute_query_with_timeout) | all rows, within a limit of its own |
//! | [`execute_query_with_retry`](crate::DatabaseManager::execute_query_with_retry) | all rows, after as many attempts as it takes, within `RETRY_ATTEMPTS` (3) and `RETRY_BUDGET` (60 s) |
//! | [`execute_query_with_timing`](crate::DatabaseManager::execute_query_with_timing) | all rows and how long it took |
//!
//! All of them commit when they return `Ok`. Outside of a transaction one call is one transaction.
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! use batchdb::{Error, params};
//!
//! let one = db.query_one("SELECT count(*) AS jobs FROM job", ())?;
//! let perhaps = db.query_opt("SELECT name FROM job WHERE id = :id", params! { id: 7 })?;
//!
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
//! A stream that is ended early is cancelled on the server and costs its connection; inside a transaction it costs the
//! transaction. Where that matters, say `LIMIT`. A write with `RETURNING` is carried out to its end all the same,
//! whenever its reader stops. [Data that does not fit into memory](super::large_data) and [many rows](super::mass) have
//! pages of their own.
//!
//! # Rows
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
//! assert_eq!((job.id, job.note), (7, None));
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! By serde a row is a struct or a map with named fields, here and in [`query_as`](crate::DatabaseManager::query_as). Tuples
//! and single values are not supported: use `db.query_one(…)?.get(0)?`.
//!
//! Every database gives the same [`Value`](crate::Value) for the same kind of thing, exactly or not at all; a value
//! that does not fit the type that you ask for is an error that names the column. [What becomes of each
//! type](super::types) has its own page. Two columns of one name are read by index; by name, or as a record, they are
//! an error.
//!
//! # One connection for several calls
//!
//! Calls that must share a session, for a temporary table or a `SET`, borrow one connection:
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
//! The next borrower finds the session clean: on PostgreSQL it is reset, through ODBC its connection is closed. That is
//! told by reading the statements. What a function, a procedure or a `DO` block leaves behind is not seen.
//!
//! # What is refused
//!
//! * Several statements in one call: scripts are [migrations](super::migrations). (On SQL Server a batch is one call.)
//! * `BEGIN`, `COMMIT` and their kin as text: [`transaction`](crate::DatabaseManager::transaction) ends on every way
//!   out. So is what has the database begin transactions by itself: `SET IMPLICIT_TRANSACTIONS ON`, `SET autocommit = 0`.
//! * Writes where `READ_ONLY` is set, before anything is sent, and by the server besides where it can. Where it cannot (any
//!   database behind ODBC but PostgreSQL and SQLite), functions of your own count as writing.
//! * `SET standard_conforming_strings = off` on PostgreSQL: a backslash in `'…'` is a backslash, whatever the database or
//!   the role says. With escapes a string is written `E'…'`. (MySQL and MariaDB need `NO_BACKSLASH_ESCAPES` in their
//!   `sql_mode` to read such strings as this crate does; better, let no value stand in a text.)
//! * `?` for values, and `$1` beside names, because the compiled text would count differently. (On PostgreSQL `?` is an
//!   operator and goes through.)
