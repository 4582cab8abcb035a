//! Data that does not fit into memory: streams, files, copies, and the fan-out over them.
//!
//! 1. [Rows one by one](#rows-one-by-one)
//! 2. [Into a table](#into-a-table)
//! 3. [Through threads](#through-threads)
//! 4. [From one database into another](#from-one-database-into-another)
//! 5. [To a file](#to-a-file)
//! 6. [From a file](#from-a-file)
//! 7. [The same file again](#the-same-file-again)
//!
//! Everything here holds a few rows at a time, whatever the size of the whole. The slower side sets the pace: a reader that
//! takes its time holds the server back. Each fetch and each chunk has `TIMEOUT`, the whole has no limit unless the handle
//! has a [deadline](crate::DatabaseManager::with_deadline).
//!
//! # Rows one by one
//!
//! [`query_each`](crate::DatabaseManager::query_each) hands rows to a closure. Within a session
//! [`query_iter`](crate::Session::query_iter) is an iterator, which goes wherever one is taken:
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
//! Each row is a `Result`: an error in the midst of the rows comes out as one, and the end without one means that all have
//! come. A query that is left early is cancelled on the server and costs its connection, a transaction is rolled back, and
//! every later call of the session says why. Where that matters, say `LIMIT`.
//!
//! ODBC drivers may read a whole result ahead. SQLite's is told not to by `StepAPI=1` in the connection string, psqlODBC by
//! `UseDeclareFetch=1`. It still has some rows in memory as a whole: as many as `Fetch` says (100), and up to 512 where
//! values have been short before. Values of megabytes are read by fewer at a time. **psqlODBC 13.02 may crash, and the
//! program with it, where its connection breaks in the midst of a result that is read by `UseDeclareFetch=1`.** PostgreSQL's
//! own protocol (`TYPE=postgresql`) needs no such setting, and has no such fault.
//!
//! # Into a table
//!
//! [`bulk_insert`](crate::DatabaseManager::bulk_insert) takes rows from any iterator, and an iterator of `Result`s ends it
//! with the first error. All rows are written or none, unless
//! [`commit_chunks`](crate::BulkOptions::commit_chunks) says otherwise; the page on [many rows](super::mass) has the rest.
//!
//! # Through threads
//!
//! [`map_tasks`](crate::map_tasks) keeps all items and all results. [`map_stream`](crate::map_stream), and
//! [`try_map_stream`](crate::try_map_stream) for inputs that may fail, keep a few: the calling thread reads an item when the
//! next record is asked for.
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
//! `values()` ends with an error when a task did not complete, when the input failed, and when the fan-out was told to stop
//! before the input had ended; so what it is written to keeps all or nothing. To write what succeeds and count what does
//! not, go through the records instead, and look at each one's state.
//!
//! [`fail_fast`](crate::MapOptions::fail_fast) cancels what runs when one task fails,
//! [`per_second`](crate::MapOptions::per_second) spares a service that counts its calls; `map_tasks` has both as well.
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
//! `copy_table` leaves out what the written database computes by itself; `import_csv` is told to, by
//! [`ImportOptions::ignore`](crate::ImportOptions::ignore).
//!
//! One thread reads and one writes, columns go by name, and an error of either side ends both at once with nothing copied.
//! What a type becomes on its way is in the table of [types](super::types): SQLite's driver, for one, gives a `REAL` with 15
//! digits, so that not every float survives a way through it.
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
//! NULL is an empty field, and the empty text an empty field in quotes; [`CsvFormat`](crate::CsvFormat) can have it
//! otherwise. Numbers keep all their digits, times are ISO 8601, bytes `\x` and hexadecimal digits (in JSON without `\x`).
//! Two columns of one name are refused before anything is written: give them names with `AS`.
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
//! The headers name the columns. What is damaged is refused with its line and column and nothing stays: a line with too few
//! fields, an open quote at the end of the file, text that is not UTF-8. What was exported comes back as it was; bytes on
//! another database than PostgreSQL need [`ImportOptions::bytes`](crate::ImportOptions::bytes).
//!
//! Dates and points in time should be ISO 8601 in the file. PostgreSQL reads all others by its `DateStyle`: with the default
//! `ISO, MDY`, `05.04.2026` is the 4th of May, and only a day after the 12th is an error. For a file with the day first, say so
//! in the session that loads it, or in the connection string (`?options=-c%20datestyle%3DISO,DMY`):
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
//! `import_csv` adds rows. A file that may come twice goes into a temporary table first, and from there what is new:
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
//! For rows that replace others say `DO UPDATE SET name = excluded.name`, and `SELECT DISTINCT ON (id)` where a key may stand
//! in the file twice. The `INSERT` is one statement, all or nothing, within `TIMEOUT`. Rows that your program reads itself go by
//! [`bulk_upsert`](crate::DatabaseManager::bulk_upsert).
//!
//! [`commit_chunks`](crate::BulkOptions::commit_chunks) is not for a file that is loaded again after a failure:
//! `report.rows` of the [`BulkFailure`](crate::BulkFailure) says how many *records* stay, a record may have several lines, and
//! `import_csv` cannot begin behind them. Load all or nothing, or into the temporary table.
