//! Rows on their way from the connection's thread to the caller: values in the driver's form, by column.

use odbc_sys::CDataType;

use super::columns::{Column, Form};
use super::diagnostics::Failure;
use super::statement::{Part, Statement, Unit};

/// The most rows of one chunk.
const MOST_ROWS: usize = 512;

/// The size in bytes from which on a chunk is full.
const FULL: usize = 1 << 20;

/// Some rows of a result.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) rows: usize,
    pub(super) columns: Vec<Cells>,
}

/// The values of one column in the rows of a chunk.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) values: Values,
    pub(super) nulls: Vec<bool>,
}

/// Values in one of the forms that a driver hands over.
#[derive(Debug)]
pub(super) enum Values {
    Int(Vec<i64>),
    Float(Vec<f64>),
    Date(Vec<odbc_sys::Date>),
    Timestamp(Vec<odbc_sys::Timestamp>),
    Utf16(Long<u16>),
    Bytes(Long<u8>),
}

/// Values of any length, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Long<U> {
    units: Vec<U>,
    ends: Vec<usize>,
}

impl<U> Long<U> {
    /// The value of one row.
    pub(super) fn get(&self, row: usize) -> &[U] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.units[start..self.ends[row]]
    }
}

impl Chunk {
    /// Fetches the rows that fit into one chunk. `None` behind the last row.
    ///
    /// Each value is asked for by itself and in the order of the columns, which every driver can do, and
    /// which cuts no value off however long it is.
    pub(super) fn fetch(statement: &mut Statement<'_>, columns: &[Column]) -> Result<Option<Chunk>, Failure> {
        let mut chunk =
            Chunk { rows: 0, columns: columns.iter().map(|column| Cells::new(column.form)).collect() };
        let mut bytes = 0;
        while chunk.rows < MOST_ROWS && bytes < FULL && statement.fetch()? {
            for ((number, column), cells) in (1..).zip(columns).zip(&mut chunk.columns) {
                bytes += cells.push(statement, number, column.form)?;
            }
            chunk.rows += 1;
        }
        Ok((chunk.rows > 0).then_some(chunk))
    }
}

impl Cells {
    fn new(form: Form) -> Cells {
        let values = match form {
            Form::Bit | Form::Int => Values::Int(Vec::new()),
            Form::Float | Form::Single => Values::Float(Vec::new()),
            Form::Date => Values::Date(Vec::new()),
            Form::Timestamp => Values::Timestamp(Vec::new()),
            Form::Utf16 => Values::Utf16(Long::default()),
            Form::Utf8 | Form::Bytes => Values::Bytes(Long::default()),
        };
        Cells { values, nulls: Vec::new() }
    }

    /// Adds the value of the current row, and tells how many bytes it takes.
    fn push(&mut self, statement: &mut Statement<'_>, number: u16, form: Form) -> Result<usize, Failure> {
        let size = match &mut self.values {
            Values::Int(values) => {
                let value = match form {
                    Form::Bit => statement.get_fixed::<u8>(number)?.map(i64::from),
                    _ => statement.get_fixed(number)?,
                };
                keep(values, &mut self.nulls, value)
            }
            Values::Float(values) => {
                let value = match form {
                    Form::Single => statement.get_fixed::<f32>(number)?.map(f64::from),
                    _ => statement.get_fixed(number)?,
                };
                keep(values, &mut self.nulls, value)
            }
            Values::Date(values) => {
                let value = statement.get_fixed(number)?;
                keep(values, &mut self.nulls, value)
            }
            Values::Timestamp(values) => {
                let value = statement.get_fixed(number)?;
                keep(values, &mut self.nulls, value)
            }
            Values::Utf16(values) => append(values, &mut self.nulls, statement, number, CDataType::WChar)?,
            Values::Bytes(values) => {
                let c_type = if form == Form::Utf8 { CDataType::Char } else { CDataType::Binary };
                append(values, &mut self.nulls, statement, number, c_type)?
            }
        };
        Ok(size)
    }
}

/// Adds a value of fixed size; a NULL has a value that nobody reads.
fn keep<T: Default>(values: &mut Vec<T>, nulls: &mut Vec<bool>, value: Option<T>) -> usize {
    nulls.push(value.is_none());
    values.push(value.unwrap_or_default());
    size_of::<T>()
}

/// Adds a value of any length, part by part, straight into its place.
fn append<U: Unit>(
    values: &mut Long<U>,
    nulls: &mut Vec<bool>,
    statement: &mut Statement<'_>,
    number: u16,
    c_type: CDataType,
) -> Result<usize, Failure> {
    const FIRST: usize = 256;
    let start = values.units.len();
    let mark = usize::from(c_type != CDataType::Binary);
    let (mut end, mut room) = (start, FIRST);
    let null = loop {
        values.units.resize(end + room, U::default());
        match statement.get_part(number, c_type, &mut values.units[end..])? {
            Part::Null => break true,
            Part::Last(bytes) => {
                end += bytes / size_of::<U>();
                break false;
            }
            Part::More(left) => {
                end += room - mark;
                // What is left besides what came; the driver that does not know is asked for more each time.
                room = match left {
                    Some(bytes) => (bytes / size_of::<U>()).saturating_sub(room - mark) + mark + 1,
                    None => room * 2,
                };
            }
        }
    };
    values.units.truncate(end);
    values.ends.push(end);
    nulls.push(null);
    Ok((end - start) * size_of::<U>() + size_of::<usize>())
}
