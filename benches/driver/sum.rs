//! What a side has read, as one number: cheap, and another number when a value is wrong or missing.

use batchdb::{Row, Value};
use chrono::{DateTime, NaiveDateTime, Utc};

/// The sum of some values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    sum: u64,
    values: u64,
}

impl Sum {
    fn add(&mut self, value: u64) {
        self.values += 1;
        self.sum = self.sum.wrapping_add(value);
    }

    pub(crate) fn int(&mut self, number: i64) {
        self.add(number.cast_unsigned());
    }

    pub(crate) fn float(&mut self, number: f64) {
        self.add(number.to_bits());
    }

    pub(crate) fn text(&mut self, text: &str) {
        let last = text.as_bytes().last().copied().unwrap_or_default();
        self.add(text.len() as u64 * 256 + u64::from(last));
    }

    pub(crate) fn instant(&mut self, at: &DateTime<Utc>) {
        self.int(at.timestamp_micros());
    }

    pub(crate) fn moment(&mut self, at: &NaiveDateTime) {
        self.int(at.and_utc().timestamp_micros());
    }

    /// The values of a row of ours.
    pub(crate) fn row(&mut self, row: &Row) {
        for value in row.values() {
            match value {
                Value::Int(number) => self.int(*number),
                Value::Float(number) => self.float(*number),
                Value::Text(text) => self.text(text),
                Value::Timestamp(at) => self.moment(at),
                Value::TimestampTz(at) => self.int(at.timestamp_micros()),
                other => panic!("no bare side reads {other:?}"),
            }
        }
    }

    /// What several threads or rounds have read.
    pub(crate) fn all(&mut self, other: Sum) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.values += other.values;
    }
}
