//! A query's result to a writer: CSV, or JSON line by line.

use std::fmt;
use std::io::Write;
use std::path::Path;

use super::csv;
use super::file::WholeFile;
use super::format::CsvFormat;
use super::spell;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::params::IntoParams;
use crate::row::Row;
use crate::session::{RowIter, Session};

/// The name of the call in errors and in the log.
const EXPORT: &str = "export";

/// What is handed to the writer at a time.
const BUFFER: usize = 64 * 1024;

/// After so many rows progress is told.
const TOLD_AFTER: u64 = 10_000;

/// The format and the progress callback of [`export`](DatabaseManager::export).
///
/// ```
/// use batchdb::{CsvFormat, ExportOptions};
///
/// let csv = ExportOptions::csv();
/// let semicolons = ExportOptions::csv_as(CsvFormat::new().delimiter(';')).progress(|rows| eprintln!("{rows} rows"));
/// let json = ExportOptions::json_lines();
/// ```
#[must_use]
pub struct ExportOptions<'p> {
    format: Format,
    progress: Option<Box<dyn FnMut(u64) + 'p>>,
}

enum Format {
    Csv(CsvFormat),
    JsonLines,
}

impl<'p> ExportOptions<'p> {
    /// As CSV, in the default [`CsvFormat`].
    pub fn csv() -> ExportOptions<'p> {
        ExportOptions::csv_as(CsvFormat::new())
    }

    /// As CSV, in this format.
    pub fn csv_as(format: CsvFormat) -> ExportOptions<'p> {
        ExportOptions { format: Format::Csv(format), progress: None }
    }

    /// One JSON object per line, with the column names as keys and the values in the form of
    /// [`Value::to_json`](crate::Value::to_json): decimals, dates and times are strings.
    pub fn json_lines() -> ExportOptions<'p> {
        ExportOptions { format: Format::JsonLines, progress: None }
    }

    /// Calls `told` with the number of rows written so far, after every 10,000 rows and at the end.
    pub fn progress(mut self, told: impl FnMut(u64) + 'p) -> Self {
        self.progress = Some(Box::new(told));
        self
    }
}

impl fmt::Debug for ExportOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.format {
            Format::Csv(format) => f.debug_tuple("ExportOptions").field(format).finish_non_exhaustive(),
            Format::JsonLines => f.write_str("ExportOptions(json lines)"),
        }
    }
}

impl Session<'_> {
    /// Writes the rows of a query to `sink`, and returns their number.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::export`].
    pub fn export(
        &mut self,
        sql: &str,
        params: impl IntoParams,
        sink: impl Write,
        options: ExportOptions<'_>,
    ) -> Result<u64> {
        let database = self.settings().database.clone();
        let named = |error: Error| error.during(EXPORT).in_database(&database);
        let mut writer = Writer::new(sink, options.format).map_err(named)?;
        let rows = self.rows_of_reading(EXPORT, sql, params)?;
        pour(rows, &mut writer, options.progress).map_err(named)
    }

    /// Writes the rows of a query to a file that is complete or not there at all.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::export_to_path`].
    pub fn export_to_path(
        &mut self,
        sql: &str,
        params: impl IntoParams,
        path: impl AsRef<Path>,
        options: ExportOptions<'_>,
    ) -> Result<u64> {
        let path = path.as_ref();
        let database = self.settings().database.clone();
        let refused = |what: &str| {
            let message = format!("the file {} cannot be {what}", path.display());
            let database = database.clone();
            move |error| {
                Error::new(ErrorKind::Io, message).with_source(error).during(EXPORT).in_database(&database)
            }
        };
        let mut file = WholeFile::create(path).map_err(refused("written"))?;
        let rows = self.export(sql, params, &mut file, options)?;
        file.keep().map_err(refused("kept"))?;
        Ok(rows)
    }
}

impl DatabaseManager {
    /// Writes the rows of a query to `sink`, as CSV or as JSON lines, and returns their number.
    ///
    /// The rows are streamed: memory use does not grow with their number, and a slow sink slows the server down. The
    /// sink needs no buffer of its own, and is flushed at the end.
    ///
    /// Values are written so that the database can read them back: `true` and `false`; numbers with all their digits;
    /// dates, times and timestamps in ISO 8601; in CSV, bytes as `\x` and hexadecimal digits, and PostgreSQL's arrays
    /// as its own literals (`{1,NULL}`). [`CsvFormat`] says how NULL differs from the empty text.
    ///
    /// **After an error the sink may hold a part of the rows**, and nothing in it says so. If somebody could take that
    /// for the whole, use [`export_to_path`](DatabaseManager::export_to_path).
    ///
    /// It is not retried, because what was written cannot be taken back.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) when writing to the sink fails, with the sink's error as the source; the query is
    /// cancelled then. [`Decode`](ErrorKind::Decode), before anything is written, when several columns have the same
    /// name. Else as [`execute_query`](DatabaseManager::execute_query), possibly in the middle of the rows.
    ///
    /// ```no_run
    /// use batchdb::{DatabaseManager, ExportOptions, params};
    ///
    /// let db = DatabaseManager::new("rpa_db")?;
    /// let sql = "SELECT id, name FROM job WHERE state = :state ORDER BY id";
    /// db.export(sql, params! { state: "done" }, std::io::stdout(), ExportOptions::json_lines())?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn export(
        &self,
        sql: &str,
        params: impl IntoParams,
        sink: impl Write,
        options: ExportOptions<'_>,
    ) -> Result<u64> {
        self.session(|session| session.export(sql, params, sink, options))
    }

    /// Writes the rows of a query to a file that is complete or not there at all, and returns their number.
    ///
    /// The rows are written to a hidden file in the same folder (`.NAME.PID-N.partial`, or `.long-name.PID-N.partial`
    /// if that would be too long). When it is complete, it is synced to disk and renamed in one step, replacing an
    /// existing file. After an error it is deleted, and an existing file stays; after a crash, a `.partial` file may be
    /// left behind. A symbolic link at the path is replaced, not followed.
    ///
    /// # Errors
    ///
    /// As [`export`](DatabaseManager::export), and [`Io`](ErrorKind::Io) when the file cannot be created or renamed.
    ///
    /// ```no_run
    /// # use batchdb::{DatabaseManager, ExportOptions};
    /// # let db = DatabaseManager::new("rpa_db")?;
    /// let rows = db.export_to_path("SELECT * FROM job", (), "/var/export/jobs.csv", ExportOptions::csv())?;
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn export_to_path(
        &self,
        sql: &str,
        params: impl IntoParams,
        path: impl AsRef<Path>,
        options: ExportOptions<'_>,
    ) -> Result<u64> {
        self.session(|session| session.export_to_path(sql, params, path, options))
    }
}

/// From the rows to the writer, until one of them ends.
fn pour(
    mut rows: RowIter<'_>,
    writer: &mut Writer<impl Write>,
    mut progress: Option<Box<dyn FnMut(u64) + '_>>,
) -> Result<u64> {
    let mut count = 0;
    while let Some(row) = rows.next().transpose()? {
        if count == 0 {
            writer.begin(&rows.columns().collect::<Vec<_>>())?;
        }
        writer.row(&row)?;
        count += 1;
        if count % TOLD_AFTER == 0
            && let Some(told) = &mut progress
        {
            told(count);
        }
    }
    if count == 0 {
        writer.begin(&rows.columns().collect::<Vec<_>>())?;
    }
    writer.end()?;
    if let Some(told) = &mut progress {
        told(count);
    }
    Ok(count)
}

/// Writes rows in one format.
struct Writer<W> {
    sink: W,
    format: Format,
    delimiter: u8,
    /// JSON: the keys, with the quotes and the colon.
    keys: Vec<Vec<u8>>,
    out: Vec<u8>,
    /// CSV: the text of the value at hand.
    scratch: String,
}

impl<W: Write> Writer<W> {
    fn new(sink: W, format: Format) -> Result<Writer<W>> {
        let delimiter = match &format {
            Format::Csv(format) => format.checked_delimiter()?,
            Format::JsonLines => b',',
        };
        Ok(Writer {
            sink,
            format,
            delimiter,
            keys: Vec::new(),
            out: Vec::with_capacity(2 * BUFFER),
            scratch: String::new(),
        })
    }

    fn begin(&mut self, columns: &[&str]) -> Result<()> {
        let named = !matches!(&self.format, Format::Csv(format) if !format.has_header());
        let twin = (0..columns.len()).find(|&place| columns[..place].contains(&columns[place]));
        if let Some(twin) = twin.filter(|_| named) {
            let message =
                format!("several columns are called \"{}\", and a file has each name once", columns[twin]);
            return Err(Error::decode(message).with_hint("give them names with AS"));
        }
        match &self.format {
            Format::Csv(format) if format.has_header() && !columns.is_empty() => {
                for (place, name) in columns.iter().enumerate() {
                    if place > 0 {
                        self.out.push(self.delimiter);
                    }
                    csv::write(&mut self.out, Some(name), self.delimiter, format.null_mark());
                }
                self.out.push(b'\n');
            }
            Format::Csv(_) => (),
            Format::JsonLines => {
                let key = |(place, name): (usize, &&str)| {
                    let before = if place == 0 { "" } else { "," };
                    format!("{before}{}:", serde_json::Value::from(*name)).into_bytes()
                };
                self.keys = columns.iter().enumerate().map(key).collect();
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<()> {
        match &self.format {
            Format::Csv(format) => {
                for (place, value) in row.values().iter().enumerate() {
                    if place > 0 {
                        self.out.push(self.delimiter);
                    }
                    let text = spell::text(value, &mut self.scratch);
                    csv::write(&mut self.out, text, self.delimiter, format.null_mark());
                }
            }
            Format::JsonLines => {
                self.out.push(b'{');
                for (key, value) in self.keys.iter().zip(row.values()) {
                    self.out.extend_from_slice(key);
                    serde_json::to_writer(&mut self.out, value).map_err(|error| {
                        Error::decode("a value cannot be written as JSON").with_source(error)
                    })?;
                }
                self.out.push(b'}');
            }
        }
        self.out.push(b'\n');
        if self.out.len() >= BUFFER { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<()> {
        let outcome = self.sink.write_all(&self.out);
        self.out.clear();
        outcome.map_err(refused)
    }

    fn end(&mut self) -> Result<()> {
        self.hand_over()?;
        self.sink.flush().map_err(refused)
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the rows could not be written").with_source(error)
}
