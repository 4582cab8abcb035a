//! Many rows in one driver call, into buffers that are bound for just that call.
#![allow(unsafe_code, reason = "a driver writes into buffers that are bound to its handle")]

use std::marker::PhantomData;
use std::ptr::null_mut;

use odbc_api::handles::{SqlResult, Statement as _};
use odbc_sys::{
    CDataType, FreeStmtOption, HStmt, IS_POINTER, Len, Lock, Operation, Pointer, SqlReturn,
    StatementAttribute,
};

use crate::error::{Error, ErrorKind};

use super::diagnostics::Failure;
use super::statement::{Fixed, Statement, Unit};

/// The status of a row that the driver could not deliver whole.
const ROW_ERROR: u16 = 5;

/// The buffers of one column, for as many rows as they hold.
pub(super) struct Target<'b> {
    c_type: CDataType,
    values: Pointer,
    /// The size of one value's buffer in bytes.
    width: usize,
    indicators: *mut Len,
    rows: usize,
    _buffers: PhantomData<&'b mut [Len]>,
}

impl<'b> Target<'b> {
    /// Values of fixed size.
    pub(super) fn fixed<T: Fixed>(values: &'b mut [T], indicators: &'b mut [Len]) -> Target<'b> {
        Target {
            c_type: T::C_TYPE,
            width: size_of::<T>(),
            rows: values.len().min(indicators.len()),
            values: values.as_mut_ptr().cast(),
            indicators: indicators.as_mut_ptr(),
            _buffers: PhantomData,
        }
    }

    /// Texts or bytes, each in a buffer of `width` units.
    pub(super) fn long<U: Unit>(
        units: &'b mut [U],
        width: usize,
        c_type: CDataType,
        indicators: &'b mut [Len],
    ) -> Target<'b> {
        Target {
            c_type,
            width: width * size_of::<U>(),
            rows: (units.len() / width.max(1)).min(indicators.len()),
            values: units.as_mut_ptr().cast(),
            indicators: indicators.as_mut_ptr(),
            _buffers: PhantomData,
        }
    }
}

/// Takes away from a handle, when dropped, all pointers that a block has given it.
struct Unbind(HStmt);

impl Drop for Unbind {
    fn drop(&mut self) {
        // SAFETY: the handle is valid for as long as the statement that made this guard; taking pointers
        // away reads none of them.
        unsafe {
            let _ = odbc_sys::SQLFreeStmt(self.0, FreeStmtOption::Unbind);
            for pointer in [StatementAttribute::RowsFetchedPtr, StatementAttribute::RowStatusPtr] {
                let _ = odbc_sys::SQLSetStmtAttr(self.0, pointer, null_mut(), IS_POINTER);
            }
        }
    }
}

impl Statement<'_> {
    /// Has the next calls of `fetch_block` return so many rows. False where the driver will not.
    pub(super) fn widen(&mut self, rows: usize) -> bool {
        // SAFETY: no column is bound between two calls of `fetch_block`, which checks its buffers.
        let widened = unsafe { self.handle.set_row_array_size(rows) };
        let widened = matches!(widened, SqlResult::Success(()));
        if !widened {
            self.narrow();
        }
        widened
    }

    /// Has each fetch return one row again.
    pub(super) fn narrow(&mut self) {
        // SAFETY: as above.
        if unsafe { self.handle.set_row_array_size(1) }.is_err() {
            log::debug!("an ODBC driver would not go back to single rows");
        }
    }

    /// Fetches as many rows as the handle was widened to, and tells how many came.
    pub(super) fn fetch_block(&mut self, targets: &mut [Target<'_>], rows: usize) -> Result<usize, Failure> {
        if targets.iter().any(|target| target.rows < rows) {
            return Err(Error::new(ErrorKind::Decode, "a buffer is smaller than its block of rows").into());
        }
        let statement = self.handle.as_sys();
        let mut fetched: usize = 0;
        let mut status = vec![0_u16; rows];
        let unbind = Unbind(statement);
        // SAFETY: both live until after `unbind` has taken them from the handle.
        unsafe {
            let fetched = (&raw mut fetched).cast();
            let set =
                odbc_sys::SQLSetStmtAttr(statement, StatementAttribute::RowsFetchedPtr, fetched, IS_POINTER);
            self.returned(set)?;
            let status = status.as_mut_ptr().cast();
            let set =
                odbc_sys::SQLSetStmtAttr(statement, StatementAttribute::RowStatusPtr, status, IS_POINTER);
            self.returned(set)?;
        }
        for (number, target) in (1..).zip(targets.iter()) {
            // SAFETY: the buffers are borrowed by the targets, and so outlive `unbind`. They have place for
            // the rows of a block, which was checked above, each value in its width.
            let bound = unsafe {
                let (values, indicators) = (target.values, target.indicators);
                odbc_sys::SQLBindCol(
                    statement,
                    number,
                    target.c_type,
                    values,
                    target.width as Len,
                    indicators,
                )
            };
            self.returned(bound)?;
        }
        let more = self.fetch()?;
        drop(unbind);
        if !more {
            return Ok(0);
        }
        if fetched > rows || status[..fetched].contains(&ROW_ERROR) {
            return Err(Failure::Driver { records: Vec::new(), late: true });
        }
        Ok(fetched)
    }

    /// Goes to a row of the block that was fetched last, counted from 0, to get a value of it again.
    pub(super) fn position(&mut self, row: usize) -> Result<(), Failure> {
        // SAFETY: the handle is valid and has fetched a block; no column is bound.
        let result: SqlReturn = unsafe {
            odbc_sys::SQLSetPos(self.handle.as_sys(), row as u64 + 1, Operation::POSITION, Lock::NO_CHANGE)
        };
        self.returned(result).map(|_| ())
    }
}
