//! One statement handle: calls whose return codes and diagnostics are read to the end.
#![allow(unsafe_code, reason = "calls on a statement handle dereference what is bound to it")]

use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::time::Duration;

use odbc_api::handles::{SqlResult, Statement as _, StatementImpl};
use odbc_sys::{CDataType, Desc, HandleType, Len, NULL_DATA, Nullability, Pointer, SqlDataType, SqlReturn};

use super::bind::Argument;
use super::diagnostics::{Failure, Record, records_and_words};
use super::flavor::Flavor;
use super::link::Link;
use super::session::{free, whole_seconds};

/// A statement of one connection.
pub(super) struct Statement<'c> {
    pub(super) handle: ManuallyDrop<StatementImpl<'c>>,
    link: &'c Link,
    flavor: Flavor,
    /// The driver can give a value of a fetched block again.
    rereads: bool,
    /// Something of the results has come, so that an error from here on leaves the connection in doubt.
    late: bool,
    /// What is bound to the handle.
    arguments: Vec<Argument>,
    /// What the server has said and nobody has taken yet.
    messages: Vec<String>,
}

/// What a driver says of one column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) sql_type: i16,
    /// The most characters, bytes or digits; what a type without a bound has here differs by driver.
    pub(super) size: usize,
    pub(super) unsigned: bool,
    /// The database's own name of the type.
    pub(super) type_name: String,
}

/// How much of a long value a call of `SQLGetData` gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Null,
    /// The value, or its last part, of so many bytes.
    Last(usize),
    /// The buffer is full; so many bytes are still to come, where the driver knows.
    More(Option<usize>),
}

impl<'c> Statement<'c> {
    pub(super) fn new(
        handle: StatementImpl<'c>,
        link: &'c Link,
        flavor: Flavor,
        rereads: bool,
    ) -> Statement<'c> {
        let handle = ManuallyDrop::new(handle);
        Statement { handle, link, flavor, rereads, late: false, arguments: Vec::new(), messages: Vec::new() }
    }

    /// Whether a value of a fetched block can be had again by `position` and `get_part`.
    pub(super) fn rereads(&self) -> bool {
        self.rereads
    }

    /// Whom the connection's thread shares its chunks with.
    pub(super) fn link(&self) -> &'c Link {
        self.link
    }

    pub(super) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Sets the driver's own limit behind ours, where that helps.
    pub(super) fn set_timeout(&mut self, left: Duration) {
        if self.flavor.wants_query_timeout()
            && self.handle.set_query_timeout_sec(whole_seconds(left) as usize).is_err()
        {
            log::debug!("the ODBC driver takes no query timeout");
        }
    }

    /// Binds the arguments, in their order, and keeps them for as long as the handle lives.
    pub(super) fn bind(&mut self, arguments: Vec<Argument>) -> Result<(), Failure> {
        self.arguments = arguments;
        for (number, argument) in (1..).zip(&self.arguments) {
            // SAFETY: an `Argument` describes its own buffers. It stays where it is, unchanged, until
            // after the handle was freed: the vector is private and not touched again.
            let result = unsafe { self.handle.bind_input_parameter(number, argument) };
            if !matches!(result, SqlResult::Success(())) {
                return self.checked(result);
            }
        }
        Ok(())
    }

    /// What the server has said (`PRINT`, `RAISERROR` of a low severity) since the last time.
    pub(super) fn take_messages(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }

    /// Sends the text and waits for its first result.
    pub(super) fn execute(&mut self, text: &str) -> Result<(), Failure> {
        let statement = self.handle.as_sys();
        let result = if self.flavor.takes_utf8() {
            let Ok(length) = i32::try_from(text.len()) else { return Err(self.too_long()) };
            self.link.interruptible(statement, || {
                // SAFETY: the handle is valid, the text outlives the call and has `length` bytes, and what
                // is bound lives in `self`.
                unsafe { odbc_sys::SQLExecDirect(statement, text.as_ptr(), length) }
            })
        } else {
            let text: Vec<u16> = text.encode_utf16().collect();
            let Ok(length) = i32::try_from(text.len()) else { return Err(self.too_long()) };
            self.link.interruptible(statement, || {
                // SAFETY: as above, with `length` units of UTF-16.
                unsafe { odbc_sys::SQLExecDirectW(statement, text.as_ptr(), length) }
            })
        };
        // NO_DATA is the answer to an UPDATE or DELETE that found no row.
        self.returned(result.ok_or(Failure::Stopped)?).map(|_| ())
    }

    /// Goes on to the next result. False when there is none.
    pub(super) fn more_results(&mut self) -> Result<bool, Failure> {
        self.late = true;
        let statement = self.handle.as_sys();
        // SAFETY: the handle is valid, and no column is bound, so no buffer can be of the wrong type.
        let result = self.waiting(|| unsafe { odbc_sys::SQLMoreResults(statement) })?;
        self.returned(result)
    }

    /// Goes on to the next row. False behind the last.
    pub(super) fn fetch(&mut self) -> Result<bool, Failure> {
        self.late = true;
        let statement = self.handle.as_sys();
        // SAFETY: the handle is valid; what `fetch_block` has bound outlives this call.
        let result = self.waiting(|| unsafe { odbc_sys::SQLFetch(statement) })?;
        self.returned(result)
    }

    /// The number of columns of the current result; 0 where it is a count of changed rows.
    pub(super) fn column_count(&mut self) -> Result<u16, Failure> {
        match self.handle.num_result_cols() {
            SqlResult::Success(count) | SqlResult::SuccessWithInfo(count) => {
                Ok(u16::try_from(count).unwrap_or(0))
            }
            other => self.checked(other.map(|_| ())).map(|()| 0),
        }
    }

    /// The number of rows that the current result changed, where the driver knows it.
    pub(super) fn row_count(&mut self) -> Option<u64> {
        match self.handle.row_count() {
            SqlResult::Success(count) | SqlResult::SuccessWithInfo(count) => u64::try_from(count).ok(),
            _ => None,
        }
    }

    /// What the driver says of a column, counted from 1.
    pub(super) fn describe(&mut self, number: u16) -> Result<Described, Failure> {
        let (name, sql_type, size) = self.name_and_type(number)?;
        Ok(Described {
            name,
            sql_type: sql_type.0,
            size,
            unsigned: matches!(self.handle.is_unsigned_column(number), SqlResult::Success(true)),
            // The number of the type alone serves for all but psqlODBC and SQLite's driver, which know
            // their names.
            type_name: self.type_name(number).unwrap_or_default(),
        })
    }

    fn name_and_type(&mut self, number: u16) -> Result<(String, SqlDataType, usize), Failure> {
        /// No database has longer names, and a cut one is at worst a name that nobody finds.
        const UNITS: i16 = 1024;
        let statement = self.handle.as_sys();
        let (mut length, mut sql_type, mut size, mut digits) = (0_i16, SqlDataType::UNKNOWN_TYPE, 0, 0_i16);
        let mut nullable = Nullability::UNKNOWN;
        let mut narrow = [0_u8; UNITS as usize];
        let mut wide = [0_u16; UNITS as usize];
        // SAFETY: the handle is valid and has a result; the buffers have the length that is told, and all
        // pointers outlive the call.
        let result = unsafe {
            if self.flavor.takes_utf8() {
                odbc_sys::SQLDescribeCol(
                    statement,
                    number,
                    narrow.as_mut_ptr(),
                    UNITS,
                    &mut length,
                    &mut sql_type,
                    &mut size,
                    &mut digits,
                    &mut nullable,
                )
            } else {
                odbc_sys::SQLDescribeColW(
                    statement,
                    number,
                    wide.as_mut_ptr(),
                    UNITS,
                    &mut length,
                    &mut sql_type,
                    &mut size,
                    &mut digits,
                    &mut nullable,
                )
            }
        };
        self.returned(result)?;
        let length = usize::try_from(length).unwrap_or(0);
        Ok((self.text_of(&narrow, &wide, length), sql_type, size))
    }

    /// The database's own name of a column's type, in small letters.
    fn type_name(&mut self, number: u16) -> Result<String, Failure> {
        const BYTES: i16 = 256;
        let statement = self.handle.as_sys();
        let mut length = 0_i16;
        let mut narrow = [0_u8; BYTES as usize];
        let mut wide = [0_u16; BYTES as usize / 2];
        // SAFETY: the handle is valid and has a result; both buffers have `BYTES` bytes; the numeric
        // attribute is not asked for.
        let result = unsafe {
            if self.flavor.takes_utf8() {
                let buffer = narrow.as_mut_ptr() as Pointer;
                odbc_sys::SQLColAttribute(
                    statement,
                    number,
                    Desc::TypeName,
                    buffer,
                    BYTES,
                    &mut length,
                    null_mut(),
                )
            } else {
                let buffer = wide.as_mut_ptr() as Pointer;
                odbc_sys::SQLColAttributeW(
                    statement,
                    number,
                    Desc::TypeName,
                    buffer,
                    BYTES,
                    &mut length,
                    null_mut(),
                )
            }
        };
        self.returned(result)?;
        // The wide function counts bytes here, and not all drivers know it: the NUL tells the end.
        Ok(self.text_of(&narrow, &wide, usize::from(BYTES.unsigned_abs())).to_ascii_lowercase())
    }

    /// The text that a driver wrote into one of the two buffers: up to its length or its first NUL,
    /// which some drivers count.
    fn text_of(&self, narrow: &[u8], wide: &[u16], length: usize) -> String {
        if self.flavor.takes_utf8() {
            let text = narrow.get(..length).unwrap_or(narrow).split(|&byte| byte == 0).next();
            String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
        } else {
            let text = wide.get(..length).unwrap_or(wide).split(|&unit| unit == 0).next();
            String::from_utf16_lossy(text.unwrap_or_default())
        }
    }

    /// The value of a column of the current row in one of the types of fixed size. `None` is NULL.
    pub(super) fn get_fixed<T: Fixed>(&mut self, column: u16) -> Result<Option<T>, Failure> {
        let mut value = T::default();
        let mut indicator: Len = 0;
        // SAFETY: the handle is valid and on a row; `T` is a type whose layout is that of `T::C_TYPE`, and
        // both pointers outlive the call.
        let result = self.waiting(|| unsafe {
            odbc_sys::SQLGetData(
                self.handle.as_sys(),
                column,
                T::C_TYPE,
                (&raw mut value).cast(),
                size_of::<T>() as Len,
                &mut indicator,
            )
        })?;
        self.returned(result)?;
        Ok((indicator != NULL_DATA).then_some(value))
    }

    /// The next part of a column's value as text or bytes, written into `room`.
    ///
    /// A text's buffer must have place for its end mark besides: the driver always writes it.
    pub(super) fn get_part<U: Unit>(
        &mut self,
        column: u16,
        c_type: CDataType,
        room: &mut [U],
    ) -> Result<Part, Failure> {
        let bytes = size_of_val(room);
        let mut indicator: Len = 0;
        // SAFETY: the handle is valid and on a row; the buffer has `bytes` bytes, any bit pattern is a
        // `U`, and both pointers outlive the call.
        let result = self.waiting(|| unsafe {
            odbc_sys::SQLGetData(
                self.handle.as_sys(),
                column,
                c_type,
                room.as_mut_ptr().cast(),
                bytes as Len,
                &mut indicator,
            )
        })?;
        if !self.returned(result)? {
            return Ok(Part::Last(0));
        }
        let mark = if c_type == CDataType::Binary { 0 } else { size_of::<U>() };
        Ok(match usize::try_from(indicator) {
            Ok(length) if length + mark <= bytes => Part::Last(length),
            Ok(length) => Part::More(Some(length)),
            Err(_) if indicator == NULL_DATA => Part::Null,
            Err(_) => Part::More(None),
        })
    }

    /// Makes a call that may wait for the server.
    fn waiting(&self, call: impl FnOnce() -> SqlReturn) -> Result<SqlReturn, Failure> {
        if self.flavor.waits_in_fetch() {
            self.link.interruptible(self.handle.as_sys(), call).ok_or(Failure::Stopped)
        } else if self.link.must_stop() {
            Err(Failure::Stopped)
        } else {
            Ok(call())
        }
    }

    /// The truth about a call: true for a success, false for "no data", and an error also where a
    /// success has an error among its diagnostics.
    pub(super) fn returned(&mut self, code: SqlReturn) -> Result<bool, Failure> {
        match code {
            SqlReturn::SUCCESS => Ok(true),
            SqlReturn::NO_DATA => Ok(false),
            SqlReturn::SUCCESS_WITH_INFO => {
                let records = self.records();
                if records.iter().any(Record::is_error) {
                    return Err(self.failed(records));
                }
                Ok(true)
            }
            SqlReturn::INVALID_HANDLE => Err(self.failed(Vec::new())),
            _ => {
                let records = self.records();
                Err(self.failed(records))
            }
        }
    }

    /// The records of the last call. What the server itself says among them is kept, to be told.
    fn records(&mut self) -> Vec<Record> {
        let (mut records, words) = records_and_words(&*self.handle);
        self.messages.extend(words);
        if self.flavor == Flavor::SqlServer {
            for record in &mut records {
                record.line = self.line_of(record.number);
            }
        }
        records
    }

    /// The line of the batch that a record of SQL Server is about; of a procedure that the batch calls, none.
    fn line_of(&self, record: i16) -> Option<u32> {
        /// `SQL_DIAG_SS_PROCNAME`, a text.
        const PROCEDURE: i16 = -1153;
        /// `SQL_DIAG_SS_LINE`, an unsigned number of 16 bits.
        const LINE: i16 = -1154;
        let ask = |field, room: Pointer, bytes, length: &mut i16| {
            // SAFETY: the handle is valid, and both pointers outlive the call; `room` has `bytes` bytes, which is
            // more than a number takes.
            unsafe {
                odbc_sys::SQLGetDiagFieldW(
                    HandleType::Stmt,
                    self.handle.as_sys().as_handle(),
                    record,
                    field,
                    room,
                    bytes,
                    length,
                )
            }
        };
        let (mut name, mut line, mut length) = ([0_u16; 64], 0_u64, 0_i16);
        let told = |code| matches!(code, SqlReturn::SUCCESS | SqlReturn::SUCCESS_WITH_INFO);
        let in_procedure = told(ask(PROCEDURE, name.as_mut_ptr().cast(), 128, &mut length)) && name[0] != 0;
        let found = told(ask(LINE, (&raw mut line).cast(), 8, &mut length)) && line > 0;
        // The low 16 bits, whatever else the driver wrote.
        (found && !in_procedure).then_some((line & 0xFFFF) as u32)
    }

    /// The failure with the errors behind it: SQL Server may report each error of a batch as a result of its own, and the
    /// last one often says no more than to look at those before it. FreeTDS gives the errors up to the first end of a
    /// statement, and then says that there are no more.
    pub(super) fn with_later_errors(&mut self, failure: Failure) -> Failure {
        /// A batch that goes on for longer after its first error is not followed.
        const MOST_RESULTS: usize = 32;
        let Failure::Driver { mut records, late } = failure else { return failure };
        let is_lost = |records: &[Record]| records.iter().any(|record| record.state.starts_with("08"));
        if self.flavor == Flavor::SqlServer {
            for _ in 0..MOST_RESULTS {
                if is_lost(&records) {
                    break;
                }
                match self.more_results() {
                    Ok(true) => (),
                    Err(Failure::Driver { records: more, .. }) if !more.is_empty() => records.extend(more),
                    _ => break,
                }
            }
        }
        Failure::Driver { records, late }
    }

    fn checked(&mut self, result: SqlResult<()>) -> Result<(), Failure> {
        let code = match result {
            SqlResult::Success(()) | SqlResult::NoData => return Ok(()),
            SqlResult::SuccessWithInfo(()) => SqlReturn::SUCCESS_WITH_INFO,
            _ => SqlReturn::ERROR,
        };
        self.returned(code).map(|_| ())
    }

    fn failed(&self, records: Vec<Record>) -> Failure {
        Failure::Driver { records, late: self.late }
    }

    fn too_long(&self) -> Failure {
        crate::error::Error::usage("the statement's text is longer than ODBC can take").into()
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        free(HandleType::Stmt, &*self.handle);
    }
}

/// A type of fixed size that `SQLGetData` can fill.
pub(super) trait Fixed: Copy + Default {
    const C_TYPE: CDataType;
}

macro_rules! fixed {
    ($($target:ty => $c_type:ident),+ $(,)?) => { $(
        impl Fixed for $target {
            const C_TYPE: CDataType = CDataType::$c_type;
        }
    )+ };
}

fixed! {
    i64 => SBigInt,
    f64 => Double,
    f32 => Float,
    u8 => Bit,
    odbc_sys::Date => TypeDate,
    odbc_sys::Timestamp => TypeTimestamp,
}

/// A unit of text or bytes, for which every bit pattern is valid.
pub(super) trait Unit: Copy + Default {}

impl Unit for u8 {}
impl Unit for u16 {}
