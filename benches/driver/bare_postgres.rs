//! The bare `postgres`, as a program that knows its statements uses it: one connection a thread, prepared.
#![allow(clippy::disallowed_methods, reason = "a program on the bare driver reads its rows so")]

use chrono::{DateTime, Utc};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, NoTls, Statement};

use crate::sum::Sum;

const POINT: &str = "SELECT id, name FROM item WHERE id = $1";
const FIVE: &str = "SELECT id, name, n, price, at FROM item";

pub(crate) struct Bare {
    client: Client,
    point: Statement,
    five: Statement,
    /// Dropped, a statement would be closed on the server, which costs a round trip.
    kept: Vec<Statement>,
}

impl Bare {
    pub(crate) fn connect(url: &str) -> Bare {
        let mut client = Client::connect(url, NoTls).unwrap();
        let (point, five) = (client.prepare(POINT).unwrap(), client.prepare(FIVE).unwrap());
        Bare { client, point, five, kept: Vec::new() }
    }

    /// Reads rows by their key, one query each.
    pub(crate) fn points(&mut self, ids: std::ops::RangeInclusive<i32>) -> Sum {
        let mut sum = Sum::default();
        for id in ids {
            let rows = self.client.query(&self.point, &[&id]).unwrap();
            let (id, name): (i32, String) = (rows[0].get(0), rows[0].get(1));
            sum.int(id.into());
            sum.text(&name);
        }
        sum
    }

    /// Reads a whole table into typed values.
    pub(crate) fn five_columns(&mut self) -> Sum {
        type Typed = (i32, String, i64, f64, DateTime<Utc>);
        let rows = self.client.query(&self.five, &[]).unwrap();
        let typed: Vec<Typed> =
            rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4))).collect();
        let mut sum = Sum::default();
        for (id, name, n, price, at) in &typed {
            sum.int((*id).into());
            sum.text(name);
            sum.int(*n);
            sum.float(*price);
            sum.instant(at);
        }
        sum
    }

    /// Reads a whole table row by row.
    pub(crate) fn streamed(&mut self) -> Sum {
        let none: [i32; 0] = [];
        let mut rows = self.client.query_raw(&self.five, none).unwrap();
        let mut sum = Sum::default();
        while let Some(row) = rows.next().unwrap() {
            let (id, name): (i32, String) = (row.get(0), row.get(1));
            sum.int(id.into());
            sum.text(&name);
            sum.int(row.get(2));
            sum.float(row.get(3));
            sum.instant(&row.get(4));
        }
        sum
    }

    /// A text that the connection has not seen: prepared, and run once.
    pub(crate) fn first_use(&mut self, number: usize) -> Sum {
        let statement =
            self.client.prepare(&format!("SELECT id, name, {number} AS n FROM item WHERE id = $1")).unwrap();
        let rows = self.client.query(&statement, &[&7_i32]).unwrap();
        let mut sum = Sum::default();
        sum.int(rows[0].get::<_, i32>(0).into());
        sum.text(rows[0].get(1));
        sum.int(rows[0].get::<_, i32>(2).into());
        self.kept.push(statement);
        sum
    }
}
