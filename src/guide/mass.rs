//! Many rows: which call to use, what it guarantees, and what it does on each database.
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
//! | [`execute_many`](crate::DatabaseManager::execute_many) | running any statement once for each record; the record's fields are the named parameters |
//! | [`execute_many_returning`](crate::DatabaseManager::execute_many_returning) | the same, returning the rows of `RETURNING` in the order of the records |
//! | [`bulk_insert`](crate::DatabaseManager::bulk_insert) | loading any number of rows into a table: the fastest way, in bounded memory |
//! | [`bulk_upsert`](crate::DatabaseManager::bulk_upsert) | the same, but a row whose key is in the table updates that row |
//!
//! All of them take any iterator, do all or nothing, and exist on [`DatabaseManager`](crate::DatabaseManager),
//! [`Session`](crate::Session) and [`Transaction`](crate::Transaction). They are not retried, because the rows are not
//! kept. Within a transaction, a call that fails undoes only itself (but see
//! [savepoints](super::transactions_and_retry#savepoints)).
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
//! `TIMEOUT` limits the database's work on each chunk (20,000 rows by default). The time that your iterator takes does
//! not count; but a `statement_timeout` set on the PostgreSQL server does count it, because the `COPY` is open while it
//! waits for rows. [`with_deadline`](crate::DatabaseManager::with_deadline) limits the whole load. With
//! `commit_chunks`, the failure says how many rows from the start of the input are committed. If the connection breaks
//! during the commit of a chunk, [`in_doubt`](crate::BulkFailure::in_doubt) says how many more may be.
//!
//! # What is a row
//!
//! A tuple, an array, a vector of values, a [`Row`](crate::Row) of another query, or any type that implements
//! [`IntoRow`](crate::IntoRow). It may also be a `Result` of one of these: an `Err` ends the load with that error, and
//! nothing is kept. So an iterator over a file or another database needs no error handling of its own.
//!
//! # The record that was refused
//!
//! An error names the record, counted from 1, and the column if it is known: `record 2345: a row with this key exists
//! already, constraint "job_pkey"`. It names no record if the database checks a constraint for all rows together (a
//! foreign key on PostgreSQL, anything deferred). SQL Server rolls the transaction back at the first error, so there
//! the error names the records of the statement that failed: `one of the records 2001 to 3000`.
//!
//! # What each database gets
//!
//! | database | `bulk_insert` | `execute_many` with a plain `INSERT` |
//! | --- | --- | --- |
//! | PostgreSQL | binary `COPY`; text `COPY` from the first value on that does not have its column's type | the same if `VALUES` holds nothing but parameters; else multi-row statements |
//! | SQLite, psqlODBC | multi-row statements | multi-row statements |
//! | SQL Server | batches of `INSERT`s | batches of `INSERT`s |
//! | any other through ODBC | one `INSERT` per row | one statement per record |
//!
//! `execute_many` always has the effect of a loop. If multi-row statements could differ from that, it sends the records
//! one by one: for a table with triggers, rules, row-level security or a foreign key to itself, and for a table with a
//! user-defined function in a default or a check, because that might look at the rows inserted before. While it waits
//! for slow records, no statement is open, and after half a second it sends the records that it has. (If an iterator was
//! quick and then stops, the server may end the open `COPY`; statements then write its records.) If rows take long,
//! it sends fewer at a time, so that together they stay within `TIMEOUT`, which in a loop each record has for itself. With
//! `STATEMENT_CACHE=0` it uses statements instead of `COPY`.
//!
//! For `bulk_insert`, `Ok` means that the database counted as many rows as were sent, for `bulk_upsert` as many keys.
//! If a trigger leaves rows out, both return an error. Through ODBC the types of the columns are looked up first, and
//! values that would lose something are [refused](super::types#parameters). `COPY` fires triggers and fills in
//! defaults. Unlike `INSERT` it ignores rules and takes a given value for a `GENERATED ALWAYS AS IDENTITY` column, and
//! PostgreSQL refuses it for a table with row-level security.
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
//! A row with NULL in its key matches no other row, so it is inserted anew each time (except for PostgreSQL keys with
//! `NULLS NOT DISTINCT`). Make the key columns `NOT NULL`.
