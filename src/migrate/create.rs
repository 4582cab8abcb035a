//! A new migration file: the next number, the description as a name, and a head that says what may stand in it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::migrate::files::Files;
use crate::migrate::name::{self, Name};

/// Writes the file, and with `undo` the one that undoes it. Returns their paths.
///
/// # Errors
///
/// `Usage`, when nothing of the description can be in a name; `Io`, when a file cannot be written.
pub(crate) fn create(folder: &Path, files: &Files, description: &str, undo: bool) -> Result<Vec<PathBuf>> {
    let file = next_name(files, description)?;
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    let mut written = vec![write(folder, &file, &head(description))?];
    if undo {
        let back = format!("U{}", file.strip_prefix('V').unwrap_or(&file));
        written.push(write(folder, &back, &format!("-- Undoes {file}.\n\n"))?);
    }
    Ok(written)
}

/// The next version and the words of the description.
fn next_name(files: &Files, description: &str) -> Result<String> {
    let newest = files.versioned.last().and_then(|script| script.id.version());
    let version = newest.map_or_else(|| "001".to_owned(), |version| version.next());
    let words = description.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let file = format!("V{version}__{}.sql", words.collect::<Vec<_>>().join("_"));
    match name::parse(&file) {
        Name::Versioned { .. } => Ok(file),
        Name::Misnamed(reason) => {
            Err(Error::usage(format!("this description gives no name of a file: {reason}")))
        }
        _ => Err(Error::usage("this description gives no name of a file")),
    }
}

fn head(description: &str) -> String {
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "-- {line}\n--\n-- Applied once, in one transaction with its row in schema_version. Once it is applied anywhere, do \
         not change it:\n-- write a new file. What the file asks for stands in a comment here that begins with the word \
         batchdb and a colon:\n-- no-transaction, timeout=10m, lock-timeout=5s, out-of-order, no-placeholders\n\n"
    )
}

fn write(folder: &Path, file: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(file);
    // Never over one that is there.
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| unwritable(&path, error))?;
    Ok(path)
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("\"{}\" cannot be written", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::directives::{self, Directives};
    use crate::migrate::files;

    #[test]
    fn the_next_number_and_the_words_make_the_name() {
        let files = Files::fake(&[("V002__a.sql", ""), ("V009__b.sql", "")]);
        assert_eq!(next_name(&files, " Add customer's phone! ").unwrap(), "V010__Add_customer_s_phone.sql");
        assert_eq!(next_name(&Files::default(), "größer").unwrap(), "V001__größer.sql");
        assert_eq!(next_name(&files, "?!").unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn the_files_can_be_read_and_ask_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let migrations = folder.path().join("migrations/rpa_db");
        let made = |undo| create(&migrations, &files::read(&migrations).unwrap(), "Add phone", undo).unwrap();
        assert_eq!(made(false).len(), 1);
        let written = made(true);
        assert!(written[1].ends_with("U002__Add_phone.sql"), "{written:?}");
        let read = files::read(&migrations).unwrap();
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        assert_eq!((read.versioned.len(), read.undo.len()), (2, 1));
        assert!(read.versioned[0].text.starts_with("-- Add phone\n"));
        assert_eq!(directives::read(&read.versioned[0].text), Directives::default());
    }
}
