//! Fetching a result chunk by chunk: by which way, and so that no chunk has many times more bytes than another.
//!
//! A block of rows is one driver call. Where a column has no bound, a value that is longer than its buffer is had again
//! from the driver, and what is taken over at a time is a part of the block then. How many rows the next block has is told
//! by the bytes of the last: the driver itself keeps a block in memory as a whole.

use odbc_sys::Len;

use super::block::Target;
use super::cells::{Cells, Chunk};
use super::columns::Column;
use super::diagnostics::Failure;
use super::statement::Statement;

/// The rows of a first block, and of every chunk by values.
const FIRST_ROWS: usize = 512;

/// The rows of a first block with columns that have no bound: no more than psqlODBC reads ahead by itself.
const FIRST_UNBOUNDED: usize = 64;

/// The most rows of a block with such columns. The driver has a block in memory as a whole, and any of its values may be long
/// although those before were short.
const MOST_UNBOUNDED: usize = 512;

/// The fewest rows of a block. Each is a call of the driver and a change of threads.
const FEWEST_ROWS: usize = 16;

/// The most rows of one chunk.
const MOST_ROWS: usize = 2048;

/// The size in bytes from which on a chunk is full.
const FULL: usize = 1 << 20;

/// How the rows of a result are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// Each value is asked for by itself and in the order of the columns, which every driver can do, and
    /// which cuts no value off however long it is.
    ByValue,
    /// So many rows go in one call into buffers of these widths, in units with the end mark; and so many at most.
    ByBlock { rows: usize, most: usize, widths: Vec<usize> },
}

impl Way {
    /// The fastest way for a result whose columns have these bounds, in bytes or UTF-16 units; a column
    /// without a bound may have one value that is longer than any buffer, and so needs a driver that
    /// gives such a value again.
    fn of(columns: &[Column], rereads: bool) -> Way {
        /// The width for a column without a bound, and the most for one whose longer values can be had.
        const USUAL: usize = 256;
        let widths: Option<Vec<usize>> = columns
            .iter()
            .map(|column| match (column.bound, rereads) {
                (Some(bound), false) => Some(bound + 1),
                (bound, true) => Some(bound.unwrap_or(USUAL).min(USUAL) + 1),
                (None, false) => None,
            })
            .collect();
        let Some(widths) = widths else { return Way::ByValue };
        let row: usize = columns
            .iter()
            .zip(&widths)
            .map(|(column, width)| size_of::<Len>() + column.form.unit_size() * width)
            .sum();
        let is_short = |column: &Column| column.bound.is_some_and(|bound| bound <= USUAL);
        let (first, most) = match !rereads || columns.iter().all(is_short) {
            true => (FIRST_ROWS, MOST_ROWS),
            false => (FIRST_UNBOUNDED, MOST_UNBOUNDED),
        };
        match (FULL / row.max(1)).min(most) {
            0 | 1 => Way::ByValue,
            most => Way::ByBlock { rows: most.min(first), most, widths },
        }
    }
}

/// A fetched block of which not all was handed over.
struct Block {
    cells: Vec<Cells>,
    indicators: Vec<Vec<Len>>,
    fetched: usize,
    /// The row that is next.
    next: usize,
}

/// A result that is being fetched.
pub(super) struct Fetch<'r> {
    columns: &'r [Column],
    way: Way,
    rest: Option<Block>,
    /// What the rows of the last block have taken in all; unknown where the driver has not said how long a value is.
    bytes: Option<usize>,
}

impl<'r> Fetch<'r> {
    /// By blocks where `blocks` says that the driver can be trusted with them.
    pub(super) fn new(statement: &mut Statement<'_>, columns: &'r [Column], blocks: bool) -> Fetch<'r> {
        let mut way = Way::of(columns, statement.rereads());
        if let Way::ByBlock { rows, .. } = way
            && (!blocks || !statement.widen(rows))
        {
            way = Way::ByValue;
        }
        Fetch { columns, way, rest: None, bytes: Some(0) }
    }

    /// The rows that fit into one chunk. `None` behind the last row.
    pub(super) fn next(&mut self, statement: &mut Statement<'_>) -> Result<Option<Chunk>, Failure> {
        if let Some(block) = self.rest.take() {
            return self.part(statement, block).map(Some);
        }
        let chunk = match self.way {
            Way::ByValue => self.by_value(statement)?,
            Way::ByBlock { rows, .. } => self.by_block(statement, rows)?,
        };
        Ok((chunk.rows > 0).then_some(chunk))
    }

    /// Takes more rows at a time where they are short and came quickly: each chunk costs a change of threads. Takes fewer
    /// where they are long.
    pub(super) fn adapt(&mut self, statement: &mut Statement<'_>, quick: bool) {
        let Way::ByBlock { rows, most, .. } = &mut self.way else { return };
        if self.rest.is_some() {
            return;
        }
        // So many of the last block's size make a full chunk.
        let full = self.bytes.map_or(FEWEST_ROWS, |bytes| *rows * FULL / bytes.max(1));
        let wanted = full.min(if quick { *rows * 2 } else { *rows }).max(FEWEST_ROWS).min(*most);
        if wanted == *rows {
            return;
        }
        if statement.widen(wanted) {
            *rows = wanted;
        } else if statement.widen(*rows) {
            *most = *rows;
        } else {
            self.way = Way::ByValue;
        }
    }

    /// Leaves the statement as it was before.
    pub(super) fn end(&self, statement: &mut Statement<'_>) {
        if self.way != Way::ByValue {
            statement.narrow();
        }
    }

    fn by_value(&mut self, statement: &mut Statement<'_>) -> Result<Chunk, Failure> {
        let mut chunk = self.empty();
        let mut bytes = 0;
        while chunk.rows < FIRST_ROWS && bytes < FULL && statement.fetch()? {
            for (number, cells) in (1..).zip(&mut chunk.columns) {
                bytes += cells.push(statement, number)?;
            }
            chunk.rows += 1;
        }
        Ok(chunk)
    }

    fn by_block(&mut self, statement: &mut Statement<'_>, rows: usize) -> Result<Chunk, Failure> {
        let Way::ByBlock { widths, .. } = &self.way else { return Ok(self.empty()) };
        let columns = self.columns;
        let spare = statement.link().take_spare();
        let mut cells = match spare.and_then(|spare| spare.buffers(columns, rows, widths)) {
            Some(cells) => cells,
            None => {
                let new = |(column, width): (&Column, &usize)| Cells::new(column.form, rows, *width);
                columns.iter().zip(widths).map(new).collect()
            }
        };
        let mut indicators = vec![vec![0; rows]; columns.len()];
        let mut targets: Vec<Target<'_>> = cells
            .iter_mut()
            .zip(widths)
            .zip(&mut indicators)
            .map(|((cells, &width), indicators)| cells.target(width, indicators))
            .collect();
        let fetched = statement.fetch_block(&mut targets, rows)?;
        drop(targets);
        let excess = cells.iter().zip(widths).zip(&indicators).map(|((cells, width), indicators)| {
            let each = indicators[..fetched].iter().map(|&indicator| cells.values.excess(*width, indicator));
            each.sum::<Option<usize>>()
        });
        let excess: Option<usize> = excess.sum();
        self.bytes = excess;
        if statement.rereads() && excess.is_none_or(|bytes| bytes > FULL) {
            return self.part(statement, Block { cells, indicators, fetched, next: 0 });
        }
        for (place, cells) in cells.iter_mut().enumerate() {
            let (column, width) = (&columns[place], widths[place]);
            cells.settle(statement, place, column, width, &indicators[place][..fetched])?;
        }
        // Long values that were had again stand behind the block, and would stay there.
        let mut all = cells.iter().zip(columns).zip(widths);
        let serves_again = all.all(|((cells, column), width)| cells.are_of(column.form, rows, *width));
        Ok(Chunk { rows: fetched, columns: cells, serves_again })
    }

    /// The next rows of a block whose long values are too many for one chunk.
    fn part(&mut self, statement: &mut Statement<'_>, mut block: Block) -> Result<Chunk, Failure> {
        let mut chunk = self.empty();
        let Way::ByBlock { widths, .. } = &self.way else { return Ok(chunk) };
        let mut bytes = 0;
        while block.next < block.fetched && bytes < FULL {
            let row = block.next;
            statement.position(row)?;
            for (place, cells) in chunk.columns.iter_mut().enumerate() {
                let number = u16::try_from(place + 1).unwrap_or(u16::MAX);
                let indicator = block.indicators[place][row];
                bytes +=
                    cells.push_from(&block.cells[place], row, widths[place], indicator, statement, number)?;
            }
            chunk.rows += 1;
            block.next += 1;
        }
        self.rest = (block.next < block.fetched).then_some(block);
        Ok(chunk)
    }

    fn empty(&self) -> Chunk {
        let cells = self.columns.iter().map(|column| Cells::new(column.form, 0, 0)).collect();
        Chunk { rows: 0, columns: cells, serves_again: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::odbc::columns::{Form, Kind};

    fn column(form: Form, bound: Option<usize>) -> Column {
        Column { name: "c".into(), kind: Kind::Text, form, bound }
    }

    #[test]
    fn a_result_goes_by_block_where_every_column_has_a_bound() {
        let number = column(Form::Int, Some(0));
        let bounded = column(Form::Utf16, Some(40));
        let endless = column(Form::Utf16, None);
        let both = [number.clone(), bounded.clone()];
        assert_eq!(Way::of(&both, false), Way::ByBlock { rows: 512, most: 2048, widths: vec![1, 41] });
        assert_eq!(Way::of(&[number.clone(), endless.clone()], false), Way::ByValue);
        assert_eq!(
            Way::of(&[number, endless], true),
            Way::ByBlock { rows: 64, most: 512, widths: vec![1, 257] }
        );
        let wide = vec![column(Form::Utf16, Some(8000)); 40];
        assert_eq!(Way::of(&wide, false), Way::ByValue);
    }
}
