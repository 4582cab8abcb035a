//! `batchdb import`: a CSV file into a table.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use batchdb::{BulkOptions, CancelToken, ImportOptions, MigrateOnStart};
use clap::Args;

use super::export::Csv;
use super::options::Options;
use super::progress::{Counted, Progress};
use super::show::Out;
use super::{Failure, code};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb import rpa_db customer customers.csv
  batchdb import rpa_db customer customers.csv --delimiter ';' --rename 'Kunden-Nr.=customer_id' --ignore Bemerkung
  batchdb import rpa_db customer plain.csv --no-header --columns customer_id,name
  gunzip -c customers.csv.gz | batchdb import rpa_db customer -

Where it fails nothing of it stays, unless --commit-chunks is given: then the chunks before the failure do, and it says
how many rows they are.";

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The database
    #[arg(value_name = "DB")]
    database: String,
    /// The table; it may carry its schema: sales.customer
    #[arg(value_name = "TABLE")]
    table: String,
    /// The CSV file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    csv: Csv,
    /// The columns that the fields go to, in their order, with commas between [default: the headers]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Fields under this header go to that column
    #[arg(long, value_name = "HEADER=COLUMN")]
    rename: Vec<String>,
    /// Fields under this header are left out
    #[arg(long, value_name = "HEADER")]
    ignore: Vec<String>,
    /// Fields for this column are bytes, as hexadecimal digits
    #[arg(long, value_name = "COLUMN")]
    bytes: Vec<String>,
    #[command(flatten)]
    load: Load,
}

/// How rows are loaded.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// How many rows are sent at a time
    #[arg(long, value_name = "NUMBER")]
    chunk_rows: Option<u64>,
    /// Commit each chunk by itself: what came before a failure stays
    #[arg(long)]
    commit_chunks: bool,
}

impl Load {
    pub(crate) fn options<'p>(&self, progress: &'p Progress) -> BulkOptions<'p> {
        let options = BulkOptions::new().progress(|rows| progress.rows(rows));
        let options = match self.chunk_rows {
            Some(rows) => options.chunk_rows(rows),
            None => options,
        };
        if self.commit_chunks { options.commit_chunks() } else { options }
    }
}

pub(crate) fn run(options: &Options, import: &Import, out: Out<'_>) -> Result<u8, Failure> {
    let db = options.builder(&import.database).migrate_on_start(MigrateOnStart::Off).build()?;
    let (source, length) = open(import)?;
    let progress = Progress::new("imported", length);
    let mut how = ImportOptions::new().format(import.csv.format()).load(import.load.options(&progress));
    if let Some(columns) = &import.columns {
        how = how.columns(columns);
    }
    for pair in &import.rename {
        let Some((header, column)) = pair.rsplit_once('=') else {
            return Err(Failure::Usage("--rename has the form HEADER=COLUMN".to_owned()));
        };
        how = how.rename(header, column);
    }
    for header in &import.ignore {
        how = how.ignore(header);
    }
    for column in &import.bytes {
        how = how.bytes(column);
    }
    let report = db.import_csv(&import.table, Counted::new(source, &progress), how)?;
    writeln!(out, "{}: {}", import.table, progress.done(report.rows))?;
    Ok(code::DONE)
}

/// The input, and how long it is where that is known.
fn open(import: &Import) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if import.file.as_os_str() == "-" {
        return Ok((Box::new(Input::open()?), None));
    }
    let unreadable = |error| Failure::Local(format!("{} cannot be read: {error}", import.file.display()));
    let file = File::open(&import.file).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    Ok((Box::new(file), about.is_file().then_some(about.len())))
}

/// Standard input, read by a thread of its own: nobody can end a read that waits for what a pipe brings, and who waits for
/// the thread can be told to stop.
struct Input {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Cursor<Vec<u8>>,
    token: CancelToken,
}

impl Input {
    /// How often it looks whether it was told to stop.
    const LOOK_UP: Duration = Duration::from_millis(50);
    const CHUNK: usize = 64 * 1024;

    fn open() -> Result<Input, Failure> {
        // So few that what is read ahead stays small beside the rows.
        let (sender, chunks) = mpsc::sync_channel(4);
        let read = move || {
            let mut input = io::stdin().lock();
            loop {
                let mut chunk = vec![0; Input::CHUNK];
                let read = input.read(&mut chunk).map(|count| {
                    chunk.truncate(count);
                    chunk
                });
                let is_last = read.as_ref().is_ok_and(Vec::is_empty);
                let is_passing = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted);
                // Nobody listens any longer where the load has failed.
                if !is_passing && (sender.send(read).is_err() || is_last) {
                    return;
                }
            }
        };
        let unreadable = |error| Failure::Local(format!("standard input cannot be read: {error}"));
        thread::Builder::new().name("stdin".to_owned()).spawn(read).map_err(unreadable)?;
        Ok(Input { chunks, chunk: Cursor::default(), token: CancelToken::on_signals()? })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.chunk.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if self.token.is_cancelled() {
                return Err(io::Error::other("the command was told to stop"));
            }
            match self.chunks.recv_timeout(Input::LOOK_UP) {
                Ok(chunk) => {
                    self.chunk = Cursor::new(chunk?);
                    if self.chunk.get_ref().is_empty() {
                        return Ok(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}
