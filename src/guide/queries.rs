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
//! You write the SQL of your database. `:name` stands for a value, on every database:
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
//! * [`params!`](crate::params!) is strict: a name that the statement does not use is an error, and so is a missing
//!   one. Nothing is sent then.
//! * A list stands alone in the parentheses of `IN` or `NOT IN`. With an empty list `IN` is false and `NOT IN` is true.
//! * A whole record may hold more fields than the statement uses: a [`Row`](crate::Row), a map, or a serde struct
//!   through [`record`](crate::record).
//! * A colon in a string, a quoted name, a comment, a cast (`::`), an assignment (`:=`) or an array slice is left
//!   alone. `\:` is a plain colon.
//! * Values never become part of the SQL text. Names of tables and columns are part of it, so take them only from your
//!   own program, never from input.
//!
//! On PostgreSQL a value is sent as the type that the server expects at that place. If the conversion would silently
//! change it (a fraction for an `integer`, a time of day for a `date`), the call fails before the statement runs, and
//! the error names the cast that says what you mean. PostgreSQL takes a parameter whose type nothing determines, as in
//! `SELECT :x AS x`, for a text: write `:x::int`.
//!
//! # Which call
//!
//! | call | returns |
//! | --- | --- |
//! | [`execute_query`](crate::DatabaseManager::execute_query) | all rows; an empty list for a statement that returns no rows |
//! | [`query_one`](crate::DatabaseManager::query_one), [`query_opt`](crate::DatabaseManager::query_opt) | exactly one row; one row or none. More rows are an error |
//! | [`query_as`](crate::DatabaseManager::query_as) | all rows as a type of your own, by serde |
//! | [`query_each`](crate::DatabaseManager::query_each) | the number of rows; hands each row to a closure, in bounded memory |
//! | [`execute`](crate::DatabaseManager::execute) | the number of changed rows |
//! | [`execute_many`](crate::DatabaseManager::execute_many) | the number of changed rows; runs one statement for many records, all or none |
//! | [`execute_transaction`](crate::DatabaseManager::execute_transaction) | the rows of several statements, all or none |
//! | [`query_sets`](crate::DatabaseManager::query_sets), [`call_procedure`](crate::DatabaseManager::call_procedure) | the rows of several results; the results and output parameters of a procedure |
//! | [`execute_query_with_timeout`](crate::DatabaseManager::execute_query_with_timeout) | all rows, within a time limit for this call |
//! | [`execute_query_with_retry`](crate::DatabaseManager::execute_query_with_retry) | all rows; retries up to `RETRY_ATTEMPTS` (3 attempts in all), the last of which begins within `RETRY_BUDGET` (60 s) |
//! | [`execute_query_with_timing`](crate::DatabaseManager::execute_query_with_timing) | all rows and how long it took |
//!
//! All of them have committed when they return `Ok`. Outside a transaction, each call is a transaction of its own.
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
//! Ending a stream early cancels the query on the server and closes its connection; inside a transaction it rolls the
//! transaction back. To avoid that, use `LIMIT`. A write with `RETURNING` always runs to its end, whenever its reader
//! stops. [Data that does not fit into memory](super::large_data) and [many rows](super::mass) have pages of their own.
//!
//! # Rows
//!
//! Read a column of a [`Row`](crate::Row) by name or by index (from 0), or the whole row as a struct by serde:
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
//! serde reads a row as a struct or a map with named fields, here and in
//! [`query_as`](crate::DatabaseManager::query_as). Tuples and single values are not supported: use
//! `db.query_one(…)?.get(0)?`.
//!
//! Every database gives the same [`Value`](crate::Value) for the same kind of data, exactly or as an error. A value
//! that does not fit the type that you ask for is an error that names the column. The page on [types](super::types) has
//! the tables. Two columns with the same name can be read by index; reading them by name, or the row as a record, is an
//! error.
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
//! The next borrower gets a clean session: on PostgreSQL it is reset, through ODBC the connection is closed. batchdb
//! decides from the text of the statements whether that is needed, so what a function, a procedure or a `DO` block
//! leaves behind is not noticed.
//!
//! # What is refused
//!
//! * Several statements in one call; use [migrations](super::migrations) for scripts. (On SQL Server one call may be a
//!   batch of several.)
//! * `BEGIN`, `COMMIT` and the like as text: use [`transaction`](crate::DatabaseManager::transaction), which ends on
//!   every way out. Settings that make the database begin transactions by itself are refused too: `SET
//!   IMPLICIT_TRANSACTIONS ON`, `SET autocommit = 0`.
//! * Writes when `READ_ONLY` is set: before anything is sent, and by the server too if it can. Where the server cannot
//!   (every database through ODBC except PostgreSQL and SQLite), a call of a function of your own counts as a write.
//! * `SET standard_conforming_strings = off` on PostgreSQL: a backslash in `'…'` is always a plain backslash, whatever
//!   the settings of the database or the role say. Write a string with escapes as `E'…'`. (MySQL and MariaDB read such
//!   strings as this crate does only with `NO_BACKSLASH_ESCAPES` in their `sql_mode`. It is better to pass values as
//!   parameters.)
//! * `?` as a placeholder, and `$1` together with `:name`, because the text that is sent numbers its parameters itself.
//!   (On PostgreSQL `?` is an operator and is passed on.)
