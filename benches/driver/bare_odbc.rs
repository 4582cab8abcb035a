//! The bare `odbc-api`, column-wise: blocks of rows into bound buffers, and from there into owned typed values.
//!
//! Text is read as UTF-16, as our side reads it: the narrow functions change characters with some drivers.

use chrono::{NaiveDate, NaiveDateTime};
use odbc_api::buffers::{BufferDesc, ColumnarDynBuffer};
use odbc_api::sys::Timestamp;
use odbc_api::{ConnectionOptions, Cursor, Environment};

use crate::sum::Sum;

/// More rows a block made it no faster, fewer did make it slower.
const BLOCK: usize = 1000;

type Typed = (i64, String, i64, f64, NaiveDateTime);

pub(crate) struct Bare<'e> {
    connection: odbc_api::Connection<'e>,
}

pub(crate) fn environment() -> Environment {
    Environment::new().unwrap()
}

impl<'e> Bare<'e> {
    pub(crate) fn connect(environment: &'e Environment, string: &str) -> Bare<'e> {
        let options = ConnectionOptions::default();
        Bare { connection: environment.connect_with_connection_string(string, options).unwrap() }
    }

    pub(crate) fn fetch(&self, sql: &str) -> Sum {
        let cursor = self.connection.execute(sql, (), None).unwrap().unwrap();
        let columns = [
            BufferDesc::I64 { nullable: true },
            BufferDesc::WText { max_str_len: 40 },
            BufferDesc::I64 { nullable: true },
            BufferDesc::F64 { nullable: true },
            BufferDesc::Timestamp { nullable: true },
        ];
        let mut cursor = cursor.bind_buffer(ColumnarDynBuffer::from_descs(BLOCK, columns)).unwrap();
        let mut typed: Vec<Typed> = Vec::new();
        while let Some(block) = cursor.fetch_with_truncation_check(true).unwrap() {
            let ids = block.column(0).as_nullable_slice::<i64>().unwrap();
            let names = block.column(1).as_wide_text().unwrap();
            let ns = block.column(2).as_nullable_slice::<i64>().unwrap();
            let prices = block.column(3).as_nullable_slice::<f64>().unwrap();
            let days = block.column(4).as_nullable_slice::<Timestamp>().unwrap();
            let rows = ids.zip(names.iter()).zip(ns).zip(prices).zip(days);
            typed.extend(rows.map(|((((id, name), n), price), day)| {
                let name = String::from_utf16(name.unwrap().as_slice()).unwrap();
                (*id.unwrap(), name, *n.unwrap(), *price.unwrap(), moment(day.unwrap()))
            }));
        }
        let mut sum = Sum::default();
        for (id, name, n, price, day) in &typed {
            sum.int(*id);
            sum.text(name);
            sum.int(*n);
            sum.float(*price);
            sum.moment(day);
        }
        sum
    }
}

fn moment(at: &Timestamp) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(at.year.into(), at.month.into(), at.day.into())
        .and_then(|day| day.and_hms_nano_opt(at.hour.into(), at.minute.into(), at.second.into(), at.fraction))
        .unwrap()
}
