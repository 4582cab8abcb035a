//! `batchdb export`: the rows of a query in a file.

use std::path::{Path, PathBuf};

use batchdb::{CsvFormat, ExportOptions, MigrateOnStart};
use clap::{Args, ValueEnum};

use super::options::Options;
use super::progress::Progress;
use super::show::{Out, tell};
use super::{Failure, code, params};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb export rpa_db 'SELECT * FROM job ORDER BY id' --to jobs.csv
  batchdb export rpa_db 'SELECT * FROM job WHERE day = :day' -p day=2026-01-05 --to jobs.jsonl
  batchdb export rpa_db 'SELECT * FROM job' --to jobs.csv --delimiter ';'
  batchdb export rpa_db 'SELECT * FROM job' | gzip > jobs.csv.gz";

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The database
    #[arg(value_name = "DB")]
    database: String,
    /// The query, with :name for each parameter
    #[arg(value_name = "SQL")]
    sql: String,
    /// A parameter: name=text, or name:=JSON for a number, null or a list
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// The file, which is there as a whole or not at all; - is standard output [default: -]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// How rows are written [default: by the end of the file's name, else csv]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    csv: Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// How CSV is written and read; one set of words for both directions.
#[derive(Debug, Clone, Args)]
pub(crate) struct Csv {
    /// CSV: what stands between two fields, one character; \t is a tab
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: char,
    /// CSV: how NULL is spelled, without quotes
    #[arg(long, value_name = "MARK", default_value = "", hide_default_value = true)]
    null: String,
    /// CSV: there is no line of headers
    #[arg(long)]
    no_header: bool,
}

impl Csv {
    pub(crate) fn format(&self) -> CsvFormat {
        let format = CsvFormat::new().delimiter(self.delimiter).null(&self.null);
        if self.no_header { format.without_header() } else { format }
    }
}

/// One character, or what a shell has no other way to write.
fn delimiter(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("\\t", ..) => Ok('\t'),
        (_, Some(only), None) => Ok(only),
        _ => Err("it is one character, or \\t for a tab".to_owned()),
    }
}

fn by_name(path: &Path) -> Format {
    match path.extension().and_then(|end| end.to_str()) {
        Some("jsonl" | "ndjson" | "json") => Format::Jsonl,
        _ => Format::Csv,
    }
}

pub(crate) fn run(options: &Options, export: &Export, out: Out<'_>) -> Result<u8, Failure> {
    let params = params::parse(&export.params).map_err(Failure::Usage)?;
    let to = export.to.as_deref().filter(|path| path.as_os_str() != "-");
    if let Some(path) = to.filter(|path| path.metadata().is_ok_and(|about| !about.is_file())) {
        let path = path.display();
        return Err(Failure::Local(format!(
            "{path} is no regular file; without --to the rows go to standard output"
        )));
    }
    let db =
        options.builder(&export.database).migrate_on_start(MigrateOnStart::Off).read_only(true).build()?;
    let format = export.format.or_else(|| to.map(by_name)).unwrap_or(Format::Csv);
    let progress = Progress::new("exported", None);
    let written = match format {
        Format::Csv => ExportOptions::csv_as(export.csv.format()),
        Format::Jsonl => ExportOptions::json_lines(),
    };
    let written = written.progress(|rows| progress.rows(rows));
    let rows = match to {
        Some(path) => db.export_to_path(&export.sql, params, path, written)?,
        None => db.export(&export.sql, params, &mut *out, written)?,
    };
    let summary = progress.done(rows);
    match to {
        Some(path) => writeln!(out, "{}: {summary}", path.display())?,
        None => tell(format_args!("batchdb: {summary}")),
    }
    Ok(code::DONE)
}
