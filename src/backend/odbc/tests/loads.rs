//! Loads through FreeTDS: a batch of INSERTs that counts itself, and what is made of its count and of its error.

use super::tds::scripted::{Answer, Server, Then};
use super::*;
use crate::backend::{LoadTarget, RowSource};

/// So many rows of a number, a text and NULL.
struct Numbers {
    given: u64,
    most: u64,
}

impl RowSource for Numbers {
    fn next(&mut self, row: &mut Vec<Value>) -> Result<bool> {
        if self.given == self.most {
            return Ok(false);
        }
        self.given += 1;
        row.extend([Value::Int(self.given as i64), Value::from("x"), Value::Null]);
        Ok(true)
    }

    fn given(&self) -> u64 {
        self.given
    }
}

/// A result of one row, whose integer is `number`.
fn one(number: usize) -> Answer {
    let whole = Answer::rows(1, Then::Done);
    whole.with_last(i32::try_from(number).unwrap())
}

fn load(script: impl Fn(&str) -> Answer + Send + Sync + 'static, rows: u64) -> Result<u64> {
    let server = Server::start(move |text| match text.contains("INSERT INTO") {
        true => script(text),
        false => Answer::nothing(Then::Done),
    });
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=x;Encryption=off", server.port());
    let mut connection = connector(Dialect::SqlServer, &text, &[]).connect(Deadline::NONE)?;
    connection.begin(Begin::default(), Deadline::NONE)?;
    let columns = ["a", "b]", "c"].map(Box::from).into();
    let target = LoadTarget { table: "[dbo].[t]".to_owned(), name: "t".to_owned(), columns };
    connection.begin_load(&target, budget(LONG))?;
    connection.load(&mut Numbers { given: 0, most: rows }, budget(LONG))
}

#[test]
fn a_load_on_sql_server_is_batches_that_count_themselves() {
    let counted = |text: &str| one(text.matches("SET @batchdb_rows += @@ROWCOUNT").count());
    // 666 rows of three columns have as many parameters as a statement takes.
    assert_eq!(load(counted, 1_500).unwrap(), 1_500);
    let sent = |text: &str| {
        let wanted = "INSERT INTO [dbo].[t] ([a], [b]]], [c]) VALUES (@P1, @P2, NULL)";
        assert!(text.contains(wanted), "{}", &text[..text.len().min(400)]);
        one(1)
    };
    assert_eq!(load(sent, 1).unwrap(), 1);
}

#[test]
fn a_batch_that_counts_other_rows_or_fails_is_an_error() {
    let error = load(|_| one(9), 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RowCount, "{error}");
    assert!(error.to_string().contains("9 of 10 rows"), "{error}");
    // An error behind the counts of the first statements.
    let error = load(|_| Answer::changed(1, Then::Fail(2627)), 10).unwrap_err();
    assert_eq!((error.kind(), error.native_code()), (ErrorKind::Constraint, Some(2627)), "{error}");
    assert!(error.to_string().contains("one of the records 1 to 10: "), "{error}");
    let error = load(|_| one(10).with_end(Then::HangUp), 10).unwrap_err();
    assert!(error.is_transient(), "{error}");
}
