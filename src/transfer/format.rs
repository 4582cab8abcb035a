//! How a CSV file is written and read: one rule for both directions.

use crate::error::{Error, Result};

/// How CSV is written by [`export`](crate::DatabaseManager::export) and read by
/// [`import_csv`](crate::DatabaseManager::import_csv).
///
/// The default is that of RFC 4180 and of PostgreSQL's `COPY … CSV`: commas, a header line, and double quotes around
/// fields that contain a comma, a quote (then doubled) or a line end. The encoding is always UTF-8; a byte order mark
/// is skipped. Lines are written with a line feed at the end, and may end with a line feed, a carriage return, or both
/// when read.
///
/// **NULL and the empty text** are different: NULL is an empty field, and the empty text is an empty field in quotes
/// (`""`). With another [`null`](CsvFormat::null) mark, NULL is the mark without quotes, and a text that looks the same
/// is put in quotes. So exported data is imported unchanged with the same format.
///
/// ```
/// use batchdb::CsvFormat;
///
/// let excel_in_europe = CsvFormat::new().delimiter(';');
/// let mysql = CsvFormat::new().delimiter('\t').null("\\N");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct CsvFormat {
    delimiter: char,
    null: String,
    header: bool,
}

impl CsvFormat {
    /// Commas, a header line, NULL as an empty field.
    pub fn new() -> CsvFormat {
        CsvFormat { delimiter: ',', null: String::new(), header: true }
    }

    /// The character between two fields. Default: a comma. It must be an ASCII character, and neither a quote nor a
    /// line end.
    pub fn delimiter(mut self, delimiter: char) -> CsvFormat {
        self.delimiter = delimiter;
        self
    }

    /// How NULL is written, without quotes. Default: an empty field.
    pub fn null(mut self, mark: &str) -> CsvFormat {
        self.null = mark.to_owned();
        self
    }

    /// The file has no header line. Default: the first line holds the column names.
    pub fn without_header(mut self) -> CsvFormat {
        self.header = false;
        self
    }

    pub(super) fn has_header(&self) -> bool {
        self.header
    }

    pub(super) fn null_mark(&self) -> &str {
        &self.null
    }

    /// The delimiter as a byte.
    ///
    /// # Errors
    ///
    /// `Usage`, for a delimiter or a mark of NULL that no reader could tell from what is around it.
    pub(super) fn checked_delimiter(&self) -> Result<u8> {
        let special = |c: char| matches!(c, '"' | '\r' | '\n');
        let wrong =
            |what: &str| Error::usage(format!("the {what} of the CSV format cannot be told from its fields"));
        let Some(delimiter) = u8::try_from(self.delimiter).ok().filter(|byte| byte.is_ascii()) else {
            return Err(wrong("delimiter").with_hint("use one character of ASCII"));
        };
        if special(self.delimiter) {
            return Err(wrong("delimiter").with_hint("it may be neither a quote nor a line end"));
        }
        if self.null.contains(|c| special(c) || c == self.delimiter) {
            return Err(wrong("mark of NULL").with_hint("it may hold no delimiter, quote or line end"));
        }
        Ok(delimiter)
    }
}

impl Default for CsvFormat {
    fn default() -> Self {
        CsvFormat::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_nobody_could_read_is_refused() {
        for wrong in ['"', '\n', '\r', 'é', '→'] {
            assert!(CsvFormat::new().delimiter(wrong).checked_delimiter().is_err(), "{wrong:?}");
        }
        for wrong in [",", "a\nb", "\"\""] {
            assert!(CsvFormat::new().null(wrong).checked_delimiter().is_err(), "{wrong:?}");
        }
        assert_eq!(CsvFormat::new().delimiter('\t').null("NULL").checked_delimiter().unwrap(), b'\t');
    }
}
