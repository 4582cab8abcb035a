//! Data that does not fit into memory: streams, files, copies, and parallel tasks over them.
//!
//! 1. [Rows one by one](#rows-one-by-one)
//! 2. [Into a table](#into-a-table)
//! 3. [Through threads](#through-threads)
//! 4. [From one database into another](#from-one-database-into-another)
//! 5. [To a file](#to-a-file)
//! 6. [From a file](#from-a-file)
//! 7. [The same file again](#the-same-file-again)
//!
//! Everything here holds only a few rows at a time, whatever the total. The slower side sets the pace: a slow reader
//! slows the server down. `TIMEOUT` limits each fetch and each chunk; the whole has no limit unless the handle has a
//! [deadline](crate::DatabaseManager::with_deadline).
//!
//! # Rows one by one
//!
//! [`query_each`](crate::DatabaseManager::query_each) hands rows to a closure. Within a session
//! [`query_iter`](crate::Session::query_iter) returns an iterator, which you can pass wherever an iterator is taken:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, Error};
//!
//! let db = DatabaseManager::new("rpa_db")?;
//! let total = db.session(|session| {
//!     let rows = session.query_iter("SELECT amount FROM payment", ())?;
//!     rows.map(|row| row?.get::<i64>("amount")).sum::<Result<i64, Error>>()
//! })?;
//! # Ok::<(), Error>(())
//! ```
//!
//! Each item is a `Result`. An error in the middle of the rows is an `Err`; if the iterator ends without one, all rows
//! have come. If you stop before the end, the query is cancelled on the server, its connection is closed, an open
//! transaction is rolled back, and every later call of the session returns an error that says so. To avoid that, use
//! `LIMIT`.
//!
//! Some ODBC drivers read a whole result into memory first. `StepAPI=1` in the connection string turns that off for
//! SQLite's driver, `UseDeclareFetch=1` for psqlODBC. psqlODBC then still holds a block of rows: as many as its option
//! `Fetch` says (100 by default), and up to 512 after short values; with values of megabytes, fewer. **psqlODBC 13.02
//! can crash, and your program with it, if its connection breaks in the middle of a result that is read with
//! `UseDeclareFetch=1`.** PostgreSQL's own protocol (`TYPE=postgresql`) needs no such setting and has no such fault.
//!
//! # Into a table
//!
//! [`bulk_insert`](crate::DatabaseManager::bulk_insert) takes rows from any iterator, also one of `Result`s, whose
//! first error ends the load. All rows are written or none, unless you ask for
//! [`commit_chunks`](crate::BulkOptions::commit_chunks). The page on [many rows](super::mass) has the rest.
//!
//! # Through threads
//!
//! [`map_tasks`](crate::map_tasks) keeps all items and all results in memory. [`map_stream`](crate::map_stream), and
//! [`try_map_stream`](crate::try_map_stream) for inputs that may fail, keep only a few: the calling thread reads
//! further items only when the receiver asks for the next record.
//!
//! ```no_run
//! use batchdb::{DatabaseManager, Error, MapOptions, Row, try_map_stream};
//!
//! # fn score(row: &Row) -> Result<(i64, i64), Error> { Ok((row.get("id")?, 1)) }
//! # let (hub, rpa) = (DatabaseManager::new("SurveyHub")?, DatabaseManager::new("rpa_db")?);
//! let options = MapOptions::new("score-{survey_id}").workers(8).retries(2).fail_fast();
//! let written = hub.session(|session| {
//!     let surveys = session.query_iter("SELECT survey_id, response_data FROM survey_responses", ())?;
//!     try_map_stream(surveys, options, score, |scores| {
//!         rpa.bulk_insert("survey_score", &["survey_id", "score"], scores.values()) // all of them, or none
//!     })
//! })?;
//! # Ok::<(), Error>(())
//! ```
//!
//! `values()` ends with an error if a task did not complete, the input failed, or the fan-out was cancelled before the
//! input ended; so the `bulk_insert` that reads from it keeps all rows or none. To write what succeeds and count what
//! does not, iterate over the records instead, and look at the state of each.
//!
//! [`fail_fast`](crate::MapOptions::fail_fast) cancels the running tasks when one fails,
//! [`per_second`](crate::MapOptions::per_second) limits the rate of starts, for a service with a rate limit.
//! `map_tasks` has both as well.
//!
//! # From one database into another
//!
//! ```no_run
//! use batchdb::{BulkOptions, DatabaseManager, copy_query, copy_table, params};
//!
//! # let (hub, rpa) = (DatabaseManager::new("SurveyHub")?, DatabaseManager::new("rpa_db")?);
//! copy_table(&hub, "customer", &rpa, "staging.customer", BulkOptions::new())?;
//! let sql = "SELECT id, name AS customer FROM customer WHERE changed > :since";
//! copy_query(&hub, sql, params! { since: "2026-01-05" }, &rpa, "staging.customer", BulkOptions::new())?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! `copy_table` leaves out columns that the target database computes itself; for `import_csv`, name them with
//! [`ImportOptions::ignore`](crate::ImportOptions::ignore).
//!
//! One thread reads and one writes. Columns are matched by name. An error on either side ends both at once, with
//! nothing copied. The page on [types](super::types) says how each type is converted. SQLite's driver, for example,
//! returns a `REAL` with 15 digits, so not every float survives a trip through it. Two tables of one SQLite file are
//! copied without `StepAPI=1`: with it, the reading side locks the file until the last row is read, and the copy ends
//! with a timeout. Within one database `INSERT … SELECT` is better in any case.
//!
//! # To a file
//!
//! ```no_run
//! use batchdb::{CsvFormat, DatabaseManager, ExportOptions};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let csv = ExportOptions::csv_as(CsvFormat::new().delimiter(';'));
//! db.export_to_path("SELECT * FROM job ORDER BY id", (), "jobs.csv", csv)?; // there as a whole, or not at all
//! db.export("SELECT * FROM job", (), std::io::stdout(), ExportOptions::json_lines())?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! NULL is an empty field, and the empty text is an empty field in quotes; [`CsvFormat`](crate::CsvFormat) can change
//! that. Numbers keep all their digits, dates and times are ISO 8601, bytes are `\x` and hexadecimal digits (in JSON
//! without `\x`). Two columns with the same name are an error before anything is written: rename them with `AS`.
//!
//! # From a file
//!
//! ```no_run
//! use batchdb::{DatabaseManager, ImportOptions};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let file = std::fs::File::open("customers.csv").expect("the file of today");
//! let options = ImportOptions::new().rename("Kunden-Nr.", "customer_id").ignore("Bemerkung");
//! println!("{} customers", db.import_csv("customer", file, options)?.rows);
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! The header line names the columns. A damaged file is refused with line and column, and nothing is kept: a line with
//! too few fields, an open quote at the end of the file, text that is not UTF-8. If the first line is one field with a
//! `;` or a tab in it, the error asks whether the delimiter is right. Exported data comes back unchanged;
//! for bytes on databases other than PostgreSQL, use [`ImportOptions::bytes`](crate::ImportOptions::bytes).
//!
//! Write dates and timestamps in the file in ISO 8601. PostgreSQL reads all other forms by its `DateStyle`: with the
//! default `ISO, MDY`, `05.04.2026` is the 4th of May, and only a day above 12 is an error. For a file with the day
//! first, set `datestyle` in the session that loads it, or in the connection string
//! (`?options=-c%20datestyle%3DISO,DMY`):
//!
//! ```no_run
//! use batchdb::{DatabaseManager, Error, ImportOptions};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let file = std::fs::File::open("customers.csv").expect("the file of today");
//! let report = db.session(|session| {
//!     session.execute("SET datestyle = 'ISO, DMY'", ())?;
//!     Ok::<_, Error>(session.import_csv("customer", file, ImportOptions::new())?)
//! })?;
//! # Ok::<(), Error>(())
//! ```
//!
//! # The same file again
//!
//! `import_csv` only adds rows. If the same file may be imported twice, load it into a temporary table first, and
//! insert from there the rows that are new:
//!
//! ```no_run
//! use batchdb::{DatabaseManager, ImportOptions};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! let file = std::fs::File::open("customers.csv").expect("the file of today");
//! let new = db.session(|session| {
//!     session.execute("CREATE TEMPORARY TABLE arrived AS SELECT id, name FROM customer WITH NO DATA", ())?;
//!     session.import_csv("arrived", file, ImportOptions::new())?;
//!     let sql = "INSERT INTO customer (id, name) SELECT id, name FROM arrived ON CONFLICT (id) DO NOTHING";
//!     session.execute(sql, ())
//! })?;
//! println!("{new} customers are new");
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! If the new rows are to replace existing ones, use `DO UPDATE SET name = excluded.name`, and `SELECT DISTINCT ON
//! (id)` if a key may be in the file twice. The `INSERT` is one statement, all or nothing, within `TIMEOUT`. For rows
//! that your program reads itself, use [`bulk_upsert`](crate::DatabaseManager::bulk_upsert).
//!
//! Do not use [`commit_chunks`](crate::BulkOptions::commit_chunks) for a file that you would load again after a
//! failure: `report.rows` of the [`BulkFailure`](crate::BulkFailure) counts the *records* that are committed, a record
//! may have several lines, and `import_csv` cannot start after them. Load all or nothing, or into the temporary table.
