//! What a driver says after a call: its diagnostic records, and the failures made of them.

use std::fmt;

use odbc_api::handles::{DiagnosticStream, Diagnostics, slice_to_cow_utf8};

use crate::error::Error;
use crate::settings::{Secret, scrub};

/// More records than this say nothing new of a failure; some drivers give one for each row.
const MOST_RECORDS: usize = 32;

/// One diagnostic record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Its place among the records of the call, counted from 1.
    pub(super) number: i16,
    pub(super) state: String,
    pub(super) native: i32,
    pub(super) text: String,
    /// The line of the text that was sent, where the driver says it.
    pub(super) line: Option<u32>,
}

impl Record {
    /// What the server has to say, without the names that drivers put before it: `[Microsoft][ODBC Driver 18 …]`.
    pub(super) fn message(&self) -> &str {
        // What the server says may begin with a bracket of its own.
        if let Some((_, said)) = self.text.split_once("[SQL Server]") {
            return said.trim();
        }
        let mut text = self.text.as_str();
        while let Some((_, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            text = rest;
        }
        text.trim()
    }

    /// Whether the record reports an error, whatever the call returned.
    ///
    /// FreeTDS returns a success with diagnostics for a block of rows that an error cut short, and
    /// reports a lost connection with the class of a warning.
    pub(super) fn is_error(&self) -> bool {
        match self.state.get(..2) {
            Some("00" | "02") => false,
            // On Microsoft's driver the same numbers are warnings of the server's.
            Some("01") => {
                self.state == "01000" && lost_by_number(self.native) && !self.text.starts_with("[Microsoft]")
            }
            _ => true,
        }
    }

    /// What the server says besides results and errors: a `PRINT`, a `RAISERROR` of severity 10 or lower, a notice.
    pub(super) fn said(&self) -> Option<&str> {
        /// "Changed database context to", "Changed language setting to".
        const CONTEXT: [i32; 2] = [5701, 5703];
        // What is not of this class is the driver's own: a value that was cut, an option that it changed.
        let is_word = matches!(self.state.as_str(), "01000" | "00000") && !self.is_error();
        let is_said = is_word && !CONTEXT.contains(&self.native);
        Some(self.message()).filter(|text| is_said && !text.is_empty())
    }
}

/// The numbers with which FreeTDS reports that the connection is gone or never was.
pub(super) fn lost_by_number(native: i32) -> bool {
    matches!(native, 20003 | 20004 | 20006 | 20017 | 20047)
}

/// The records of the last call on a handle, in the driver's order, which is best first.
pub(super) fn records(handle: &impl Diagnostics) -> Vec<Record> {
    records_and_words(handle).0
}

/// The same, and all that the server has said, of which there may be any number: a batch that prints a line for each of
/// its rows has a record for each. FreeTDS puts an error behind them.
pub(super) fn records_and_words(handle: &impl Diagnostics) -> (Vec<Record>, Vec<String>) {
    let mut stream = DiagnosticStream::new(handle);
    let (mut kept, mut errors, mut words) = (Vec::new(), 0, Vec::new());
    let mut number: i16 = 0;
    while let Some(record) = stream.next() {
        number = number.saturating_add(1);
        let record = Record {
            number,
            state: record.state.as_str().to_owned(),
            native: record.native_error,
            text: slice_to_cow_utf8(&record.message).trim_end_matches(['\0', '\n', ' ']).to_owned(),
            line: None,
        };
        words.extend(record.said().map(str::to_owned));
        let is_error = record.is_error();
        if kept.len() < MOST_RECORDS || (is_error && errors < MOST_RECORDS) {
            errors += usize::from(is_error);
            kept.push(record);
        }
    }
    (kept, words)
}

/// Why the thread of a connection could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver, or the server behind it, reported an error.
    Driver {
        records: Vec<Record>,
        /// It came after a part of the results, so that nobody knows what the connection still holds.
        late: bool,
    },
    /// This room found an error. The connection is as good as before.
    Ours(Error),
    /// The caller has gone, or asked to stop.
    Stopped,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Ours(error)
    }
}

/// The driver's own words, to be the source of an error of ours.
#[derive(Debug)]
pub(super) struct DriverText(String);

impl DriverText {
    /// Joins the records' texts, with every secret taken out of them.
    pub(super) fn new(records: &[Record], secrets: &[Secret]) -> DriverText {
        let text = records
            .iter()
            .map(|record| format!("[{}/{}] {}", record.state, record.native, record.text))
            .collect::<Vec<_>>()
            .join("; ");
        DriverText(scrub(&text, secrets))
    }
}

impl fmt::Display for DriverText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DriverText {}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(state: &str, native: i32) -> Record {
        Record { number: 1, state: state.into(), native, text: String::new(), line: None }
    }

    impl Record {
        fn with_text(self, text: &str) -> Record {
            Record { text: text.into(), ..self }
        }
    }

    #[test]
    fn a_record_is_judged_by_its_class_and_by_the_numbers_of_a_lost_connection() {
        assert!(!record("01000", 0).is_error());
        assert!(!record("01004", 20017).is_error());
        assert!(!record("00000", 1).is_error());
        assert!(record("01000", 20017).is_error());
        assert!(record("22012", 8134).is_error());
        assert!(record("", 0).is_error());
    }

    #[test]
    fn a_message_is_what_the_server_says_without_an_error() {
        let said =
            |state, native, text: &str| record(state, native).with_text(text).said().map(str::to_owned);
        assert_eq!(said("01000", 0, "[FreeTDS][SQL Server]100 rows").as_deref(), Some("100 rows"));
        let long = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server][a] [SQL Server]";
        assert_eq!(said("01000", 50000, long).as_deref(), Some("[a] [SQL Server]"));
        assert_eq!(said("01000", 5701, "[FreeTDS][SQL Server]Changed database context to 'x'."), None);
        assert_eq!(said("01000", 20017, "[FreeTDS][SQL Server]Unexpected EOF from the server"), None);
        assert_eq!(said("23000", 2627, "[FreeTDS][SQL Server]Violation of"), None);
        assert_eq!(said("01S02", 0, "[FreeTDS]Option value changed"), None);
    }

    #[test]
    fn a_message_is_read_without_the_names_before_it() {
        let text = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]halfway [of 3]".into();
        assert_eq!(Record { text, ..record("01000", 0) }.message(), "halfway [of 3]");
        assert_eq!(Record { text: "[open".into(), ..record("01000", 0) }.message(), "[open");
    }

    #[test]
    fn secrets_leave_no_trace_in_the_drivers_text() {
        let secrets = ["p}w", "p}w-long", ""].map(Secret::new);
        let records = [Record {
            number: 1,
            state: "08001".into(),
            native: 0,
            line: None,
            text: "PWD={p}}w-long}; raw p}w-long, raw p}w, braced p}}w, coded p%7Dw".into(),
        }];
        assert_eq!(
            DriverText::new(&records, &secrets).to_string(),
            "[08001/0] PWD={***}; raw ***, raw ***, braced ***, coded ***"
        );
    }
}
