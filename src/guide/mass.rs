//! Many rows: which call, what it promises, and what it does on each database.
//!
//! 1. [Which call](#which-call)
//! 2. [All or nothing, or chunk by chunk](#all-or-nothing-or-chunk-by-chunk)
//! 3. [What is a row](#what-is-a-row)
//! 4. [The record that was refused](#the-record-that-was-refused)
//! 5. [What each database gets](#what-each-database-gets)
//! 6. [Rows that replace others](#rows-that-replace-others)
//!
//! # Which call
//!
//! | call | for |
//! | --- | --- |
//! | [`execute_many`](crate::DatabaseManager::execute_many) | any statement, once for each record with its named parameters |
//! | [`execute_many_returning`](crate::DatabaseManager::execute_many_returning) | the same, when the rows of `RETURNING` are wanted, in the order of the records |
//! | [`bulk_insert`](crate::DatabaseManager::bulk_insert) | rows into a table, as many as there are: the fastest way, in bounded memory |
//! | [`bulk_upsert`](crate::DatabaseManager::bulk_upsert) | the same, where a row takes the place of the one with its key |
//!
//! All of them take any iterator, do all or nothing, work on a [`DatabaseManager`](crate::DatabaseManager), a
//! [`Session`](crate::Session) and a [`Transaction`](crate::Transaction), and are attempted once, because the rows are not
//! kept. Within a transaction a call that fails undoes itself and nothing else.
//!
//! # All or nothing, or chunk by chunk
//!
//! ```no_run
//! use batchdb::{BulkOptions, DatabaseManager};
//!
//! let db = DatabaseManager::new("rpa_db")?;
//! let rows = (1..=5_000_000_i64).map(|id| (id, format!("job {id}")));
//! db.bulk_insert("job", &["id", "name"], rows)?; // one transaction
//!
//! let rows = (1..=5_000_000_i64).map(|id| (id, format!("job {id}")));
//! let options = BulkOptions::new().chunk_rows(100_000).commit_chunks().progress(|rows| eprintln!("{rows}"));
//! if let Err(failure) = db.bulk_insert_with("job", &["id", "name"], rows, options) {
//!     eprintln!("{} rows stay, go on behind them: {}", failure.report.rows, failure.error);
//! }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! `TIMEOUT` limits what the database does for one chunk of 20,000 rows. The time that the iterator takes is not counted by
//! it, but by a `statement_timeout` of the PostgreSQL server, which has the `COPY` open while it waits for rows.
//! [`with_deadline`](crate::DatabaseManager::with_deadline) limits the whole. Where chunks are committed by themselves,
//! the failure says how many of the first rows stay. When a connection breaks under the commit of a chunk,
//! [`in_doubt`](crate::BulkFailure::in_doubt) says how many more may.
//!
//! # What is a row
//!
//! A tuple, an array, a vector of values, a [`Row`](crate::Row) of another query, and whatever implements
//! [`IntoRow`](crate::IntoRow). A `Result` of one ends the load with its error, and nothing stays: an iterator over a file or
//! another database needs no code for its failures.
//!
//! # The record that was refused
//!
//! An error names the record, counted from 1, and where it is known the column: `record 2345: a row with this key exists
//! already, constraint "job_pkey"`. Nobody can name it where a constraint is looked at for all rows together (a foreign key
//! on PostgreSQL, anything deferred). SQL Server undoes the transaction with the first error, so there the error names the
//! records of the statement that failed: `one of the records 2001 to 3000`.
//!
//! # What each database gets
//!
//! | database | `bulk_insert` | `execute_many` with a plain `INSERT` |
//! | --- | --- | --- |
//! | PostgreSQL | binary `COPY`; as text from the first value on that has not the type of its column | the same, where the row is nothing but parameters; else statements of many rows |
//! | SQLite, psqlODBC | statements of many rows | statements of many rows |
//! | SQL Server | batches of `INSERT`s | batches of `INSERT`s |
//! | any other through ODBC | one `INSERT` a row | one statement a record |
//!
//! `execute_many` does what a loop does. Where that could differ, the records go one by one: a table with triggers, rules,
//! row-level security or a foreign key to itself, and one with a function of the database's own in a default or a check,
//! which might look at the rows before.
//!
//! `Ok` means that the database has counted as many rows as were sent, and of an upsert as many keys. A trigger that leaves
//! rows out makes an error of both. Through ODBC the columns' types are asked first, and what they would lose is
//! [refused](super::types#parameters). `COPY` fires triggers and fills in defaults; it knows no rules, takes the value that is given for a
//! `GENERATED ALWAYS AS IDENTITY` column, and the server refuses it for a table with row-level security.
//!
//! # Rows that replace others
//!
//! ```no_run
//! # let db = batchdb::DatabaseManager::new("rpa_db")?;
//! let scores = [(7_i64, 4.5), (8, 3.0), (7, 5.0)];
//! let changed = db.bulk_upsert("score", &["survey_id", "score"], &["survey_id"], scores)?;
//! assert_eq!(changed, 2); // of two rows with one key the last wins: 7 has 5.0
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! A row with NULL in its key is like no other, and new each time, but for PostgreSQL's keys with
//! `NULLS NOT DISTINCT`: let the key columns be `NOT NULL`.
