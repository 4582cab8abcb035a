//! Rows on their way from the connection's thread to the caller: values in the driver's form, by column. `fetch` fills
//! them.

use std::ops::Range;

use odbc_sys::{CDataType, Len, NULL_DATA};

use crate::error::Error;

use super::block::Target;
use super::columns::{Column, Form};
use super::diagnostics::Failure;
use super::statement::{Fixed, Part, Statement, Unit};

/// Some rows of a result.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) rows: usize,
    pub(super) columns: Vec<Cells>,
    /// The buffers are those of a block, and may be filled with another.
    pub(super) serves_again: bool,
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
    Bit(Vec<u8>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Single(Vec<f32>),
    Date(Vec<odbc_sys::Date>),
    Timestamp(Vec<odbc_sys::Timestamp>),
    Utf16(Long<u16>),
    Utf8(Long<u8>),
    Bytes(Long<u8>),
}

/// Values of any length, and where the value of each row begins and ends.
#[derive(Debug, Default)]
pub(super) struct Long<U> {
    units: Vec<U>,
    spans: Vec<(usize, usize)>,
}

impl<U> Long<U> {
    /// The values of some rows.
    pub(super) fn some(&self, rows: Range<usize>) -> impl Iterator<Item = &[U]> {
        self.spans[rows].iter().map(|&(start, end)| &self.units[start..end])
    }
}

#[cfg(test)]
impl<'t> FromIterator<&'t str> for Long<u16> {
    fn from_iter<T: IntoIterator<Item = &'t str>>(texts: T) -> Long<u16> {
        let mut long = Long::default();
        for text in texts {
            let start = long.units.len();
            long.units.extend(text.encode_utf16());
            long.spans.push((start, long.units.len()));
        }
        long
    }
}

impl Chunk {
    /// The buffers for another block, unless they are of another size, or of another result before it.
    pub(super) fn buffers(self, columns: &[Column], rows: usize, widths: &[usize]) -> Option<Vec<Cells>> {
        let mut all = self.columns.iter().zip(columns).zip(widths);
        let fit = self.columns.len() == columns.len()
            && all.all(|((cells, column), width)| cells.are_of(column.form, rows, *width));
        fit.then_some(self.columns)
    }
}

impl Cells {
    /// Buffers for so many rows, each of so many units where the form has no size of its own.
    pub(super) fn new(form: Form, rows: usize, width: usize) -> Cells {
        fn long<U: Unit>(length: usize) -> Long<U> {
            Long { units: vec![U::default(); length], spans: Vec::new() }
        }
        let values = match form {
            Form::Bit => Values::Bit(vec![0; rows]),
            Form::Int => Values::Int(vec![0; rows]),
            Form::Float => Values::Float(vec![0.0; rows]),
            Form::Single => Values::Single(vec![0.0; rows]),
            Form::Date => Values::Date(vec![odbc_sys::Date::default(); rows]),
            Form::Timestamp => Values::Timestamp(vec![odbc_sys::Timestamp::default(); rows]),
            Form::Utf16 => Values::Utf16(long(rows * width)),
            Form::Utf8 => Values::Utf8(long(rows * width)),
            Form::Bytes => Values::Bytes(long(rows * width)),
        };
        Cells { values, nulls: Vec::new() }
    }

    /// Whether the buffers are for just this.
    pub(super) fn are_of(&self, form: Form, rows: usize, width: usize) -> bool {
        match (&self.values, form) {
            (Values::Bit(values), Form::Bit) => values.len() == rows,
            (Values::Int(values), Form::Int) => values.len() == rows,
            (Values::Float(values), Form::Float) => values.len() == rows,
            (Values::Single(values), Form::Single) => values.len() == rows,
            (Values::Date(values), Form::Date) => values.len() == rows,
            (Values::Timestamp(values), Form::Timestamp) => values.len() == rows,
            (Values::Utf16(long), Form::Utf16) => long.units.len() == rows * width,
            (Values::Utf8(long), Form::Utf8) | (Values::Bytes(long), Form::Bytes) => {
                long.units.len() == rows * width
            }
            _ => false,
        }
    }

    /// The buffers as the target of a block.
    pub(super) fn target<'b>(&'b mut self, width: usize, indicators: &'b mut [Len]) -> Target<'b> {
        match &mut self.values {
            Values::Bit(values) => Target::fixed(values, indicators),
            Values::Int(values) => Target::fixed(values, indicators),
            Values::Float(values) => Target::fixed(values, indicators),
            Values::Single(values) => Target::fixed(values, indicators),
            Values::Date(values) => Target::fixed(values, indicators),
            Values::Timestamp(values) => Target::fixed(values, indicators),
            Values::Utf16(long) => Target::long(&mut long.units, width, CDataType::WChar, indicators),
            Values::Utf8(long) => Target::long(&mut long.units, width, CDataType::Char, indicators),
            Values::Bytes(long) => Target::long(&mut long.units, width, CDataType::Binary, indicators),
        }
    }

    /// Reads the indicators of a fetched block, and gets the values that were longer than their buffer.
    pub(super) fn settle(
        &mut self,
        statement: &mut Statement<'_>,
        place: usize,
        column: &Column,
        width: usize,
        indicators: &[Len],
    ) -> Result<(), Failure> {
        self.nulls.clear();
        self.nulls.extend(indicators.iter().map(|&indicator| indicator == NULL_DATA));
        match &mut self.values {
            Values::Utf16(long) => long.settle(statement, place, column, width, indicators, CDataType::WChar),
            Values::Utf8(long) => long.settle(statement, place, column, width, indicators, CDataType::Char),
            Values::Bytes(long) => {
                long.settle(statement, place, column, width, indicators, CDataType::Binary)
            }
            _ => Ok(()),
        }
    }

    /// Adds the value of the current row, and tells how many bytes it takes.
    pub(super) fn push(&mut self, statement: &mut Statement<'_>, number: u16) -> Result<usize, Failure> {
        let nulls = &mut self.nulls;
        match &mut self.values {
            Values::Bit(values) => push_fixed(values, nulls, statement, number),
            Values::Int(values) => push_fixed(values, nulls, statement, number),
            Values::Float(values) => push_fixed(values, nulls, statement, number),
            Values::Single(values) => push_fixed(values, nulls, statement, number),
            Values::Date(values) => push_fixed(values, nulls, statement, number),
            Values::Timestamp(values) => push_fixed(values, nulls, statement, number),
            Values::Utf16(long) => long.push(nulls, statement, number, CDataType::WChar),
            Values::Utf8(long) => long.push(nulls, statement, number, CDataType::Char),
            Values::Bytes(long) => long.push(nulls, statement, number, CDataType::Binary),
        }
    }

    /// Adds the value of a row of a fetched block, which is copied where all of it came into its buffer and had again from
    /// the driver where not, and tells how many bytes it takes. The statement stands on that row.
    pub(super) fn push_from(
        &mut self,
        block: &Cells,
        row: usize,
        width: usize,
        indicator: Len,
        statement: &mut Statement<'_>,
        number: u16,
    ) -> Result<usize, Failure> {
        fn fixed<T: Copy>(values: &mut Vec<T>, block: &[T], row: usize) -> usize {
            values.push(block[row]);
            size_of::<T>()
        }
        let nulls = &mut self.nulls;
        let bytes = match (&mut self.values, &block.values) {
            (Values::Bit(values), Values::Bit(block)) => fixed(values, block, row),
            (Values::Int(values), Values::Int(block)) => fixed(values, block, row),
            (Values::Float(values), Values::Float(block)) => fixed(values, block, row),
            (Values::Single(values), Values::Single(block)) => fixed(values, block, row),
            (Values::Date(values), Values::Date(block)) => fixed(values, block, row),
            (Values::Timestamp(values), Values::Timestamp(block)) => fixed(values, block, row),
            (Values::Utf16(long), Values::Utf16(block)) => match block.whole(row, width, indicator, 1) {
                Some(units) => long.push_whole(nulls, units, indicator),
                None => long.push(nulls, statement, number, CDataType::WChar)?,
            },
            (Values::Utf8(long), Values::Utf8(block)) => match block.whole(row, width, indicator, 1) {
                Some(units) => long.push_whole(nulls, units, indicator),
                None => long.push(nulls, statement, number, CDataType::Char)?,
            },
            (Values::Bytes(long), Values::Bytes(block)) => match block.whole(row, width, indicator, 0) {
                Some(units) => long.push_whole(nulls, units, indicator),
                None => long.push(nulls, statement, number, CDataType::Binary)?,
            },
            _ => return Err(Error::decode("a block has other columns than its result").into()),
        };
        if self.values.has_fixed_size() {
            self.nulls.push(indicator == NULL_DATA);
        }
        Ok(bytes)
    }
}

impl Values {
    fn has_fixed_size(&self) -> bool {
        !matches!(self, Values::Utf16(_) | Values::Utf8(_) | Values::Bytes(_))
    }

    /// How many bytes a value of a block takes behind its buffer; `None` where the driver does not say how long it is.
    pub(super) fn excess(&self, width: usize, indicator: Len) -> Option<usize> {
        let buffer = match self {
            Values::Utf16(_) => width * size_of::<u16>(),
            Values::Utf8(_) | Values::Bytes(_) => width,
            _ => return Some(0),
        };
        match usize::try_from(indicator) {
            Ok(bytes) => Some(bytes.saturating_sub(buffer)),
            Err(_) => (indicator == NULL_DATA).then_some(0),
        }
    }
}

/// Adds a value of fixed size; a NULL has a value that nobody reads.
fn push_fixed<T: Fixed>(
    values: &mut Vec<T>,
    nulls: &mut Vec<bool>,
    statement: &mut Statement<'_>,
    number: u16,
) -> Result<usize, Failure> {
    let value = statement.get_fixed(number)?;
    nulls.push(value.is_none());
    values.push(value.unwrap_or_default());
    Ok(size_of::<T>())
}

impl<U: Unit> Long<U> {
    /// A value of a fetched block, where all of it is in its buffer, which ends in `mark` units of an end mark.
    fn whole(&self, row: usize, width: usize, indicator: Len, mark: usize) -> Option<&[U]> {
        let length = match usize::try_from(indicator) {
            Ok(bytes) => bytes / size_of::<U>(),
            Err(_) if indicator == NULL_DATA => 0,
            Err(_) => return None,
        };
        (length + mark <= width).then(|| &self.units[row * width..row * width + length])
    }

    fn push_whole(&mut self, nulls: &mut Vec<bool>, units: &[U], indicator: Len) -> usize {
        let start = self.units.len();
        self.units.extend_from_slice(units);
        self.spans.push((start, self.units.len()));
        nulls.push(indicator == NULL_DATA);
        size_of_val(units) + size_of::<(usize, usize)>()
    }

    /// Adds the value of the current row.
    fn push(
        &mut self,
        nulls: &mut Vec<bool>,
        statement: &mut Statement<'_>,
        number: u16,
        c_type: CDataType,
    ) -> Result<usize, Failure> {
        let span = self.append(statement, number, c_type)?;
        let (start, end) = span.unwrap_or_default();
        nulls.push(span.is_none());
        self.spans.push((start, end));
        Ok((end - start) * size_of::<U>() + size_of::<(usize, usize)>())
    }

    /// Gets a value of any length, part by part, straight into its place. `None` is NULL.
    fn append(
        &mut self,
        statement: &mut Statement<'_>,
        number: u16,
        c_type: CDataType,
    ) -> Result<Option<(usize, usize)>, Failure> {
        const FIRST: usize = 256;
        /// In one call at most: Microsoft's driver reads a long value from the network as it is asked for, and only
        /// between two calls it is seen that nobody waits for it any more.
        const MOST: usize = 1 << 20;
        let start = self.units.len();
        let mark = usize::from(c_type != CDataType::Binary);
        let (mut end, mut room) = (start, FIRST);
        let null = loop {
            self.units.resize(end + room, U::default());
            match statement.get_part(number, c_type, &mut self.units[end..])? {
                Part::Null => break true,
                Part::Last(bytes) => {
                    end += bytes / size_of::<U>();
                    break false;
                }
                Part::More(left) => {
                    end += room - mark;
                    // What is left counts what just came. A driver that does not know is asked for more
                    // each time.
                    let wanted = match left {
                        Some(bytes) => (bytes / size_of::<U>()).saturating_sub(room - mark) + mark + 1,
                        None => room * 2,
                    };
                    self.units.reserve(wanted);
                    room = wanted.min(MOST);
                }
            }
        };
        self.units.truncate(end);
        Ok((!null).then_some((start, end)))
    }

    /// Notes where the values of a block are, after what the driver says of their lengths.
    fn settle(
        &mut self,
        statement: &mut Statement<'_>,
        place: usize,
        column: &Column,
        width: usize,
        indicators: &[Len],
        c_type: CDataType,
    ) -> Result<(), Failure> {
        let room = width - usize::from(c_type != CDataType::Binary);
        self.spans.clear();
        for (row, &indicator) in indicators.iter().enumerate() {
            let start = row * width;
            let length = usize::try_from(indicator).map(|bytes| bytes / size_of::<U>());
            let span = match length {
                Ok(length) if length <= room => (start, start + length),
                Err(_) if indicator == NULL_DATA => (start, start),
                _ if statement.rereads() => {
                    let number = u16::try_from(place + 1).unwrap_or(u16::MAX);
                    statement.position(row)?;
                    self.append(statement, number, c_type)?.unwrap_or_default()
                }
                _ => return Err(too_long(column).into()),
            };
            self.spans.push(span);
        }
        Ok(())
    }
}

/// The rest of the value is lost: the row was left behind by the same call that cut it off.
fn too_long(column: &Column) -> Error {
    Error::decode(format!("column \"{}\" has a value that is longer than its driver announced", column.name))
        .with_hint("cast it in the SQL to a type that is long enough")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::odbc::columns::Kind;

    fn column(form: Form, bound: Option<usize>) -> Column {
        Column { name: "c".into(), kind: Kind::Text, form, bound }
    }

    #[test]
    fn buffers_serve_again_for_the_same_columns_only() {
        let (number, text) = (column(Form::Int, Some(0)), column(Form::Utf16, Some(9)));
        let chunk = || {
            let columns = vec![Cells::new(Form::Int, 4, 1), Cells::new(Form::Utf16, 4, 10)];
            Chunk { rows: 3, columns, serves_again: true }
        };
        let both = [number.clone(), text.clone()];
        assert!(chunk().buffers(&both, 4, &[1, 10]).is_some());
        assert!(chunk().buffers(&both, 8, &[1, 10]).is_none());
        assert!(chunk().buffers(&both, 4, &[1, 12]).is_none());
        assert!(chunk().buffers(&both[..1], 4, &[1]).is_none());
        assert!(chunk().buffers(&[number.clone(), number.clone()], 4, &[1, 10]).is_none());
        let mut grown = chunk();
        let Values::Utf16(long) = &mut grown.columns[1].values else { panic!("not a text") };
        long.units.push(0);
        assert!(grown.buffers(&both, 4, &[1, 10]).is_none());
    }
}
