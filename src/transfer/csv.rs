//! The grammar of CSV: strict where leniency would lose data in silence.
//!
//! It is ours because what the `csv` crate hides is needed here: whether an empty field stood in quotes tells the empty
//! text from NULL; and it takes an unclosed quote at the end of a file, which is how a file ends that was cut on its
//! way, and text behind a closing quote, for fields like any other. The tests compare the two on what both accept.

use std::io::{BufRead, BufReader, Chain, Cursor, Read};

use super::format::CsvFormat;
use crate::error::{Error, ErrorKind, Result};

/// One record: its fields, and the line that it began in.
#[derive(Debug, Default)]
pub(super) struct Record {
    text: String,
    /// Where each field ends in the text, and whether it stood in quotes.
    fields: Vec<(usize, bool)>,
    pub(super) line: u64,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A character in the only field, outside of quotes, that is the delimiter of other files.
    pub(super) fn other_delimiter(&self) -> Option<char> {
        match *self.fields {
            [(_, false)] => [';', '\t', '|', ','].into_iter().find(|other| self.text.contains(*other)),
            _ => None,
        }
    }

    /// The fields, and whether each stood in quotes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        let mut start = 0;
        self.fields.iter().map(move |(end, quoted)| {
            let field = &self.text[start..*end];
            start = *end;
            (field, *quoted)
        })
    }
}

/// Where the reader is in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the first byte of a field.
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: its end, or the first half of a quote.
    Quote,
}

/// Reads records.
pub(super) struct Reader<R> {
    input: BufReader<Chain<Cursor<Vec<u8>>, R>>,
    delimiter: u8,
    line: u64,
    /// The last line ended with a carriage return, whose line feed may still come.
    after_return: bool,
    bytes: Vec<u8>,
}

/// How much is read at a time.
const BUFFER: usize = 64 * 1024;

/// More than this in one record is a quote that nobody closed, and not worth filling the memory for.
const MOST_BYTES: usize = 1 << 30;

/// More fields than this are a damaged file: no table has so many columns. SQLite's may have the most.
const MOST_FIELDS: usize = 32_767;

impl<R: Read> Reader<R> {
    /// Looks at the first bytes: a byte order mark is passed over.
    ///
    /// # Errors
    ///
    /// `Usage` for a format that nobody could read, `Data` for UTF-16, `Io` when the input cannot be read.
    pub(super) fn new(mut input: R, format: &CsvFormat) -> Result<Reader<R>> {
        let delimiter = format.checked_delimiter()?;
        let mut head = Vec::with_capacity(3);
        input.by_ref().take(3).read_to_end(&mut head).map_err(unreadable)?;
        match *head {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                return Err(Error::new(ErrorKind::Data, "the file is UTF-16, and must be UTF-8")
                    .with_hint("save it as UTF-8, or convert it by `iconv -f UTF-16 -t UTF-8`"));
            }
            [0xef, 0xbb, 0xbf] => head.clear(),
            _ => (),
        }
        Ok(Reader {
            input: BufReader::with_capacity(BUFFER, Cursor::new(head).chain(input)),
            delimiter,
            line: 1,
            after_return: false,
            bytes: Vec::new(),
        })
    }

    /// Reads the next record into `record`. False behind the last.
    ///
    /// # Errors
    ///
    /// `Data` with the line and the field, for what is no CSV, and for a record of more fields than a table has columns;
    /// `Io` when the input cannot be read.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool> {
        self.bytes.clear();
        record.fields.clear();
        record.line = self.line;
        let mut state = State::Start;
        let mut opened = self.line;
        loop {
            let buffer = fill(&mut self.input)?;
            if buffer.is_empty() {
                return self.end(record, state, opened);
            }
            let mut used = 0;
            let mut whole = false;
            while used < buffer.len() && !whole {
                let byte = buffer[used];
                if std::mem::take(&mut self.after_return) && byte == b'\n' {
                    used += 1;
                    continue;
                }
                match state {
                    State::Plain | State::Quoted => {
                        // What is nothing special is taken in one piece.
                        let rest = &buffer[used..];
                        let special = |byte: &u8| match state {
                            State::Quoted => *byte == b'"' || *byte == b'\n',
                            _ => *byte == self.delimiter || matches!(*byte, b'\n' | b'\r' | b'"'),
                        };
                        let length = rest.iter().position(special).unwrap_or(rest.len());
                        if length > 0 {
                            self.bytes.extend_from_slice(&rest[..length]);
                            used += length;
                            continue;
                        }
                    }
                    State::Start | State::Quote => (),
                }
                used += 1;
                match (state, byte) {
                    (State::Start, b'"') => {
                        state = State::Quoted;
                        opened = self.line;
                    }
                    (State::Quoted, b'"') => state = State::Quote,
                    (State::Quoted, _) => {
                        self.line += 1;
                        self.bytes.push(byte);
                    }
                    (State::Quote, b'"') => {
                        self.bytes.push(b'"');
                        state = State::Quoted;
                    }
                    (_, byte) if byte == self.delimiter => {
                        record.fields.push((self.bytes.len(), state == State::Quote));
                        state = State::Start;
                    }
                    (_, b'\n' | b'\r') => {
                        self.after_return = byte == b'\r';
                        self.line += 1;
                        record.fields.push((self.bytes.len(), state == State::Quote));
                        whole = true;
                    }
                    (State::Plain, _) => {
                        return Err(wrong(
                            self.line,
                            record.len(),
                            "a quote stands within a field that does not begin with one",
                        )
                        .with_hint("put the whole field in quotes, and double those in it"));
                    }
                    (State::Quote, _) => {
                        return Err(wrong(self.line, record.len(), "text stands behind the closing quote")
                            .with_hint("a quote within a field in quotes is doubled"));
                    }
                    (State::Start, _) => {
                        self.bytes.push(byte);
                        state = State::Plain;
                    }
                }
            }
            self.input.consume(used);
            if record.len() > MOST_FIELDS {
                return Err(too_wide(record.line));
            }
            if whole {
                return self.finish(record).map(|()| true);
            }
            if self.bytes.len() > MOST_BYTES {
                return Err(wrong(opened, record.len(), "a record of more than 1 GiB begins")
                    .with_hint("is there an unclosed quote?"));
            }
        }
    }

    /// The input has ended.
    fn end(&mut self, record: &mut Record, state: State, opened: u64) -> Result<bool> {
        self.after_return = false;
        match state {
            State::Quoted => Err(wrong(opened, record.len(), "the quote that begins here is not closed")
                .with_hint("is the file complete?")),
            State::Start if record.fields.is_empty() => Ok(false),
            state => {
                record.fields.push((self.bytes.len(), state == State::Quote));
                if record.len() > MOST_FIELDS {
                    return Err(too_wide(record.line));
                }
                self.finish(record).map(|()| true)
            }
        }
    }

    /// The bytes of a whole record as text.
    fn finish(&self, record: &mut Record) -> Result<()> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => {
                record.text.clear();
                record.text.push_str(text);
                Ok(())
            }
            Err(error) => {
                let field = record.fields.iter().position(|(end, _)| error.valid_up_to() < *end);
                Err(wrong(record.line, field.unwrap_or_default(), "the text is not valid UTF-8")
                    .with_hint("convert the file, such as by `iconv -f WINDOWS-1252 -t UTF-8`"))
            }
        }
    }
}

fn fill<R: Read>(input: &mut BufReader<R>) -> Result<&[u8]> {
    // Twice, because a borrow that is returned from a loop cannot be given up in it.
    while let Err(error) = input.fill_buf() {
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(unreadable(error));
        }
    }
    Ok(input.buffer())
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the input cannot be read").with_source(error)
}

fn too_wide(line: u64) -> Error {
    let message =
        format!("line {line}: the record has more than {MOST_FIELDS} fields, and no table so many columns");
    Error::new(ErrorKind::Data, message).with_hint("is it the right delimiter, and is the file undamaged?")
}

/// An error about a field of a line, both counted from 1.
fn wrong(line: u64, field: usize, what: &'static str) -> Error {
    Error::new(ErrorKind::Data, format!("line {line}, field {}: {what}", field + 1))
}

/// Appends a field; `None` is NULL.
pub(super) fn write(out: &mut Vec<u8>, field: Option<&str>, delimiter: u8, null: &str) {
    let Some(text) = field else { return out.extend_from_slice(null.as_bytes()) };
    let special = |byte: &u8| *byte == delimiter || matches!(*byte, b'"' | b'\r' | b'\n');
    // A reader that sees the mark of NULL without quotes takes it for that, and a byte order mark at the beginning of a
    // file for one. A blank at an end some readers trim.
    let quoted = text == null
        || text.is_empty()
        || text.as_bytes().iter().any(special)
        || text.trim().len() != text.len()
        || text.starts_with('\u{feff}');
    if !quoted {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for (place, part) in text.split('"').enumerate() {
        if place > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
