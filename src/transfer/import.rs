//! CSV into a table, through `bulk_insert`.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::Read;

use super::csv::{Reader, Record};
use super::format::CsvFormat;
use super::spell;
use crate::bulk::{BulkFailure, BulkOptions, BulkReport};
use crate::error::{Error, ErrorKind, Result};
use crate::manager::DatabaseManager;
use crate::session::Session;
use crate::value::Value;

/// The name of the call in errors and in the log.
const IMPORT: &str = "import_csv";

/// The options of [`import_csv`](DatabaseManager::import_csv).
///
/// By default the header line names the columns, and all rows are written or none.
///
/// ```
/// use batchdb::{BulkOptions, CsvFormat, ImportOptions};
///
/// let options = ImportOptions::new()
///     .format(CsvFormat::new().delimiter(';'))
///     .rename("Kunden-Nr.", "customer_id")
///     .ignore("Bemerkung")
///     .load(BulkOptions::new().progress(|rows| eprintln!("{rows} rows")));
/// ```
#[derive(Default)]
#[must_use]
pub struct ImportOptions<'p> {
    format: CsvFormat,
    columns: Option<Vec<String>>,
    renamed: Vec<(String, String)>,
    ignored: Vec<String>,
    bytes: Vec<String>,
    load: BulkOptions<'p>,
}

impl<'p> ImportOptions<'p> {
    /// The default format, all rows or none.
    pub fn new() -> ImportOptions<'p> {
        ImportOptions::default()
    }

    /// The format of the file. Default: [`CsvFormat::new`].
    pub fn format(mut self, format: CsvFormat) -> Self {
        self.format = format;
        self
    }

    /// The columns of the table, in the order of the fields. For a file without a header line; if the format has one,
    /// it is skipped, and must have as many fields.
    pub fn columns(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Loads the fields under this header into this column. Default: into the column with the header's name.
    pub fn rename(mut self, header: &str, column: &str) -> Self {
        self.renamed.push((header.to_owned(), column.to_owned()));
        self
    }

    /// Leaves out the fields under this header, or for this column.
    pub fn ignore(mut self, header: &str) -> Self {
        self.ignored.push(header.to_owned());
        self
    }

    /// Reads the fields for this column as bytes: hexadecimal digits, with or without `\x` in front.
    ///
    /// PostgreSQL reads `\x…` by itself; other databases would store the text.
    pub fn bytes(mut self, column: &str) -> Self {
        self.bytes.push(column.to_owned());
        self
    }

    /// Sets chunks, commits and progress of the load. Default: all rows or none.
    pub fn load(mut self, load: BulkOptions<'p>) -> Self {
        self.load = load;
        self
    }
}

impl fmt::Debug for ImportOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportOptions")
            .field("format", &self.format)
            .field("columns", &self.columns)
            .field("renamed", &self.renamed)
            .field("ignored", &self.ignored)
            .field("bytes", &self.bytes)
            .field("load", &self.load)
            .finish()
    }
}

impl Session<'_> {
    /// Loads a CSV file into a table: all rows or none, in a transaction of its own or in a savepoint of the open one.
    ///
    /// The closure of a [`transaction`](DatabaseManager::transaction) may run again. Open the file inside of it: a file
    /// that it borrows would continue where the first attempt stopped reading.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::import_csv`].
    pub fn import_csv(
        &mut self,
        table: &str,
        source: impl Read,
        options: ImportOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        let database = self.settings().database.clone();
        let named = |error: Error| error.during(IMPORT).in_database(&database);
        let (mut rows, columns) = Rows::open(source, &options).map_err(named)?;
        let places = rows.headers_are_data.then(|| rows.places());
        let loaded = self.load_as(IMPORT, table, &columns, places.as_deref(), &mut rows, options.load);
        loaded.map_err(|failure| {
            let lines =
                failure.error.records().and_then(|records| rows.lines.of(*records.start(), *records.end()));
            let error = match (rows.failed, lines) {
                // Its text names the line already.
                (Some(error), _) => error,
                (None, Some((first, last))) if first == last => {
                    failure.error.at(format_args!("line {first}"))
                }
                (None, Some((first, last))) => failure.error.at(format_args!("lines {first} to {last}")),
                (None, None) => failure.error,
            };
            BulkFailure { error: named(doubting(error, rows.doubt)), ..failure }
        })
    }
}

impl DatabaseManager {
    /// Loads a CSV file into a table, in one transaction: all rows or none. Returns the number of rows and chunks, and
    /// the time.
    ///
    /// The header line names the columns, or [`ImportOptions`] does; columns that are not named get their defaults. The
    /// file is streamed, so its size does not matter. Values are sent as text, which the database converts to the
    /// column types; [`CsvFormat`] says which fields are NULL. [Exported](DatabaseManager::export) data comes back
    /// unchanged.
    ///
    /// Write dates in ISO 8601: PostgreSQL reads other forms by its `DateStyle`, by default with the month first, so
    /// `05.04.2026` is the 4th of May, without an error. For a file with the day first, run `SET datestyle = 'ISO,
    /// DMY'` in a [`session`](DatabaseManager::session), and load in that session.
    ///
    /// Reading is strict, because a damaged file must not become data: each line must have as many fields as the first,
    /// quotes must be closed, the text must be UTF-8. Empty lines are skipped, except in a file with one column, where
    /// an empty line is a record.
    ///
    /// # Errors
    ///
    /// [`Data`](ErrorKind::Data) for invalid CSV, with line and column; [`Io`](ErrorKind::Io) when `source` cannot be
    /// read; else as [`bulk_insert`](DatabaseManager::bulk_insert), with the line of the record. With
    /// [`commit_chunks`](BulkOptions::commit_chunks) the failure says how many records are committed. A second call
    /// cannot start after them; see [the same file again](crate::guide::large_data#the-same-file-again) for what to do
    /// instead.
    ///
    /// ```no_run
    /// use batchdb::{DatabaseManager, ImportOptions};
    ///
    /// let db = DatabaseManager::new("rpa_db")?;
    /// let file = std::fs::File::open("customers.csv").expect("the file of today");
    /// let report = db.import_csv("customer", file, ImportOptions::new())?;
    /// println!("{} customers", report.rows);
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[track_caller]
    pub fn import_csv(
        &self,
        table: &str,
        source: impl Read,
        options: ImportOptions<'_>,
    ) -> Result<BulkReport, BulkFailure> {
        self.session(|session| session.import_csv(table, source, options))
    }
}

/// What becomes of the fields of one place.
struct Field {
    /// The column that they go to; `None` where they are left out.
    column: Option<String>,
    bytes: bool,
}

/// The records of a file as rows of a table.
struct Rows<R> {
    reader: Reader<R>,
    record: Record,
    fields: Vec<Field>,
    /// The columns are named by the file's headers, which of a file that has none are its first record.
    headers_are_data: bool,
    null: String,
    /// The first record, where its fields had to be counted.
    ahead: bool,
    /// Another likely delimiter, judged by the first record.
    doubt: Option<char>,
    lines: Lines,
    /// The error that ended it.
    failed: Option<Error>,
}

impl<R: Read> Rows<R> {
    /// Reads the headers, and says which columns the rows are for.
    fn open(source: R, options: &ImportOptions<'_>) -> Result<(Rows<R>, Vec<String>)> {
        let mut reader = Reader::new(source, &options.format)?;
        let mut record = Record::default();
        let mut headers = options.columns.clone();
        let headers_are_data = headers.is_none();
        let mut ahead = false;
        if options.format.has_header() {
            if !reader.read(&mut record)? {
                return Err(Error::new(
                    ErrorKind::Data,
                    "the file is empty, and has not even a line of headers",
                ));
            }
        } else {
            ahead = reader.read(&mut record)?;
        }
        let doubt = record.other_delimiter();
        if options.format.has_header() {
            let found = record.iter().map(|(name, _)| name.to_owned());
            match &headers {
                None => headers = Some(found.collect()),
                // Records that have as many fields as the columns would not fit the line above them.
                Some(named) if named.len() != record.len() => {
                    return Err(doubting(wrong_count(&record, named.len()), doubt));
                }
                Some(_) => (),
            }
        }
        let Some(headers) = headers else {
            return Err(Error::usage("a file without headers does not say where its fields go")
                .with_hint("name the columns by `ImportOptions::columns`"));
        };
        let fields = fields(&headers, options).map_err(|error| doubting(error, doubt))?;
        let columns = fields.iter().filter_map(|field| field.column.clone()).collect();
        let null = options.format.null_mark().to_owned();
        let lines = Lines::default();
        let failed = None;
        let rows = Rows { reader, record, fields, headers_are_data, null, ahead, doubt, lines, failed };
        Ok((rows, columns))
    }

    /// The numbers of the fields that go to a column.
    fn places(&self) -> Vec<usize> {
        (1..).zip(&self.fields).filter(|(_, field)| field.column.is_some()).map(|(place, _)| place).collect()
    }

    fn row(&mut self) -> Result<Option<Vec<Value>>> {
        loop {
            if !std::mem::take(&mut self.ahead) && !self.reader.read(&mut self.record)? {
                return Ok(None);
            }
            let is_empty =
                self.record.len() == 1 && self.record.iter().all(|(text, quoted)| text.is_empty() && !quoted);
            if self.fields.len() == 1 || !is_empty {
                break;
            }
        }
        let (line, wanted) = (self.record.line, self.fields.len());
        if self.record.len() != wanted {
            return Err(wrong_count(&self.record, wanted));
        }
        self.lines.next(line);
        let mut row = Vec::with_capacity(wanted);
        for (field, (text, quoted)) in self.fields.iter().zip(self.record.iter()) {
            let Some(column) = &field.column else { continue };
            row.push(if !quoted && text == self.null {
                Value::Null
            } else if field.bytes {
                let bytes = spell::bytes(text).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Data,
                        format!("line {line}, column \"{column}\": these are no hexadecimal digits"),
                    )
                })?;
                Value::from(bytes)
            } else {
                Value::from(text)
            });
        }
        Ok(Some(row))
    }
}

impl<R: Read> Iterator for &mut Rows<R> {
    type Item = Result<Vec<Value>>;

    fn next(&mut self) -> Option<Result<Vec<Value>>> {
        let row = self.row();
        self.failed = row.as_ref().err().cloned();
        row.transpose()
    }
}

/// The error for a record with more or fewer fields than wanted.
fn wrong_count(record: &Record, wanted: usize) -> Error {
    let (line, found) = (record.line, record.len());
    let message = format!("line {line}: it has {found} fields, and should have {wanted}");
    Error::new(ErrorKind::Data, message)
        .with_hint("is there a delimiter in an unquoted field, or is the line cut off?")
}

/// Adds the question whether the delimiter is right to an error that may follow from a wrong one.
fn doubting(error: Error, doubt: Option<char>) -> Error {
    match (doubt, error.kind()) {
        (Some(other), ErrorKind::Data | ErrorKind::Syntax) => error
            .with_hint(format!("the first line is one field with {other:?} in it: is the delimiter right?")),
        _ => error,
    }
}

/// Where the fields under these headers go.
fn fields(headers: &[String], options: &ImportOptions<'_>) -> Result<Vec<Field>> {
    let known = |name: &String| headers.contains(name);
    // The headers of a file that has none are its first record: they stand in no message.
    let unknown = |name: &str| Error::new(ErrorKind::Data, format!("the file has no header \"{name}\""));
    let asked = options.renamed.iter().map(|(header, _)| header).chain(&options.ignored);
    if let Some(name) = { asked }.find(|name| !known(name)) {
        return Err(unknown(name));
    }
    let mut fields: Vec<Field> = Vec::with_capacity(headers.len());
    let mut places = HashMap::with_capacity(headers.len());
    for header in headers {
        let column =
            options.renamed.iter().find(|(name, _)| name == header).map_or(header, |(_, column)| column);
        let column = (!options.ignored.contains(header)).then(|| column.clone());
        if column.as_ref().is_some_and(String::is_empty) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("the header of field {} is empty", fields.len() + 1),
            )
            .with_hint(
                "name the columns by `ImportOptions::columns`, or leave the field out by `ignore(\"\")`",
            ));
        }
        let twin = column.as_ref().and_then(|column| places.insert(column.clone(), fields.len()));
        if let Some(twin) = twin {
            let message = format!("the fields {} and {} are for one column", twin + 1, fields.len() + 1);
            return Err(Error::new(ErrorKind::Data, message).with_hint(
                "rename one, or leave it out; for a file without a header line use `without_header`",
            ));
        }
        let bytes = column.as_ref().is_some_and(|column| options.bytes.contains(column));
        fields.push(Field { column, bytes });
    }
    if let Some(name) =
        options.bytes.iter().find(|name| !fields.iter().any(|field| field.column.as_ref() == Some(name)))
    {
        return Err(unknown(name));
    }
    Ok(fields)
}

/// In which line each record began, as far back as an error can be about.
#[derive(Debug, Default)]
struct Lines {
    /// Records, counted from 1, that do not begin in the line behind the one of the record before; with their lines.
    jumps: VecDeque<(u64, u64)>,
    /// The last record and its line.
    last: (u64, u64),
}

impl Lines {
    /// So many jumps are kept. Only a file in which every record has several lines needs one for each, and a load
    /// sends smaller chunks than that.
    const MOST: usize = 100_000;

    fn next(&mut self, line: u64) {
        let (record, before) = self.last;
        self.last = (record + 1, line);
        if record == 0 || line != before + 1 {
            self.jumps.push_back((record + 1, line));
            if self.jumps.len() > Lines::MOST {
                self.jumps.pop_front();
            }
        }
    }

    fn line(&self, record: u64) -> Option<u64> {
        let place = self.jumps.partition_point(|(first, _)| *first <= record).checked_sub(1)?;
        let (first, line) = self.jumps[place];
        Some(line + (record - first))
    }

    fn of(&self, first: u64, last: u64) -> Option<(u64, u64)> {
        Some((self.line(first)?, self.line(last)?))
    }
}

#[cfg(test)]
mod tests;
