//! Loads through FreeTDS: a batch of INSERTs that counts itself, and what is made of its count and of its error.

use super::tds::scripted::{Answer, Cell, Server, Then};
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

/// What a batch that counts itself says.
fn one(number: usize) -> Answer {
    Answer::row(&[(crate::sql::COUNT, Cell::Number(number as i64))])
}

/// Values of one column.
struct Values(std::vec::IntoIter<Value>, u64);

impl RowSource for Values {
    fn next(&mut self, row: &mut Vec<Value>) -> Result<bool> {
        let next = self.0.next();
        self.1 += u64::from(next.is_some());
        row.extend(next);
        Ok(!row.is_empty())
    }

    fn given(&self) -> u64 {
        self.1
    }
}

/// Loads values into a column of `[dbo].[s]`, where the server answers what is asked of it.
fn load_values(
    script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
    values: Vec<Value>,
) -> Result<u64> {
    let rows = values.len();
    let server = Server::start(move |text| match script(text) {
        Some(answer) => answer,
        None if text.contains("INSERT INTO") => one(rows),
        None => Answer::nothing(Then::Done),
    });
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=x;Encryption=off", server.port());
    let mut connection = connector(Dialect::SqlServer, &text, &[]).connect(Deadline::NONE)?;
    let target = LoadTarget {
        table: "[dbo].[s]".to_owned(),
        name: "s".to_owned(),
        columns: ["V"].map(Box::from).into(),
        stands_for: None,
    };
    connection.begin_load(&target, budget(LONG))?;
    connection.load(&mut Values(values.into_iter(), 0), budget(LONG))
}

/// What the catalog says of the column.
fn column(ty: &str, letters: Cell<'_>) -> Answer {
    Answer::row(&[("name", Cell::Text("v")), ("type", Cell::Text(ty)), ("letters", letters)])
}

#[test]
fn a_column_is_known_behind_a_synonym() {
    let script = |base: &'static str, table: &'static str| {
        move |text: &str| match text {
            _ if text.contains(&format!("sys.columns WHERE object_id = OBJECT_ID(N'{table}')")) => {
                Some(column("int", Cell::Null))
            }
            _ if text.contains("sys.synonyms") => Some(Answer::row(&[("base", Cell::Text(base))])),
            _ => None,
        }
    };
    for (base, table) in [("[dbo].[t]", "[dbo].[t]"), ("[other]..[t]", "[other]..[t]")] {
        let error = load_values(script(base, table), vec![1.into(), "".into()]).unwrap_err();
        assert!(error.to_string().starts_with("record 2: column \"V\": a text without a digit"), "{error}");
        assert_eq!(load_values(script(base, table), vec![1.into(), "2".into()]).unwrap(), 2);
    }
}

#[test]
fn letters_are_asked_for_before_they_are_sent() {
    let script = |kept: &'static str| {
        move |text: &str| match text {
            _ if text.contains("sys.columns") => Some(column("varchar", Cell::Text("Polish_CI_AS"))),
            _ if text.contains("COLLATE Polish_CI_AS AS varchar(max))") => {
                Some(Answer::text("letters", kept))
            }
            _ => None,
        }
    };
    let values = || vec!["plain".into(), "é".into(), "ñé".into()];
    assert_eq!(load_values(script("é\nñ"), values()).unwrap(), 3);
    for kept in ["é\nn", "é\n?", ""] {
        let error = load_values(script(kept), values()).unwrap_err();
        let record = if kept.is_empty() { 2 } else { 3 };
        let told = format!("record {record}: column \"V\": a letter is not in the code page");
        assert!(error.to_string().starts_with(&told), "{error}");
    }
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
    let target =
        LoadTarget { table: "[dbo].[t]".to_owned(), name: "t".to_owned(), columns, stands_for: None };
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
fn the_rows_of_a_trigger_are_no_count() {
    let result = |name: &str, value: i32| {
        let mut tokens = vec![0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0x38, name.len() as u8];
        tokens.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        tokens.push(0xd1);
        tokens.extend(value.to_le_bytes());
        tokens
    };
    let more = [&[0xff][..], &[0x11, 0], &[0xc1, 0], &1_u64.to_le_bytes()].concat();
    let answer = |count| [result("n", 42), more.clone(), result(crate::sql::COUNT, count)].concat();
    let (whole, part) = (answer(10), answer(9));
    assert_eq!(load(move |_| Answer::tokens(whole.clone(), 1), 10).unwrap(), 10);
    let error = load(move |_| Answer::tokens(part.clone(), 1), 10).unwrap_err();
    assert!(error.to_string().contains("9 of 10 rows"), "{error}");
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
