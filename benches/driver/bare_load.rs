//! The bare `postgres` on the way in: a prepared loop in one transaction, and the writer of binary COPY.

use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::Type;
use postgres::{Client, NoTls};

use crate::sum::Sum;

pub(crate) struct Bare {
    client: Client,
}

impl Bare {
    pub(crate) fn connect(url: &str) -> Bare {
        Bare { client: Client::connect(url, NoTls).unwrap() }
    }

    pub(crate) fn loop_in_transaction(&mut self, records: i64) -> Sum {
        let mut transaction = self.client.transaction().unwrap();
        let insert = transaction.prepare("INSERT INTO many (id, name, n) VALUES ($1, $2, $3)").unwrap();
        for id in 1..=records {
            transaction.execute(&insert, &[&id, &format!("row {id}"), &(id * 7)]).unwrap();
        }
        transaction.commit().unwrap();
        Sum::default()
    }

    pub(crate) fn binary_copy(&mut self, rows: i64) -> Sum {
        let mut transaction = self.client.transaction().unwrap();
        let writer = transaction.copy_in("COPY many (id, name, n) FROM STDIN (FORMAT binary)").unwrap();
        let mut writer = BinaryCopyInWriter::new(writer, &[Type::INT8, Type::VARCHAR, Type::INT8]);
        for id in 1..=rows {
            writer.write(&[&id, &format!("row {id}"), &(id * 7)]).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), rows.cast_unsigned());
        transaction.commit().unwrap();
        Sum::default()
    }
}
