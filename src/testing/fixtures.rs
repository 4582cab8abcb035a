//! Initial rows of a test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::manager::DatabaseManager;
use crate::params::Params;
use crate::transfer::ImportOptions;
use crate::value::Value;

/// Inserts the objects of a JSON array into a table, one row each, all or nothing. Returns the number of rows.
///
/// The keys are the columns. A missing key is `NULL`. Texts are converted to the column's type (a date, a number);
/// arrays and objects are JSON. Numbers keep all their digits.
///
/// # Errors
///
/// [`Params`](crate::ErrorKind::Params) when the text is not a JSON array of objects; and those of the database, with
/// the number of the row.
///
/// ```no_run
/// # let db = batchdb::DatabaseManager::new("rpa_db")?;
/// let fixture = r#"[{"id": 1, "name": "nightly"}, {"id": 2}]"#;
/// assert_eq!(batchdb::testing::load_json(&db, "job", fixture)?, 2);
/// # Ok::<(), batchdb::Error>(())
/// ```
pub fn load_json(db: &DatabaseManager, table: &str, text: &str) -> Result<u64> {
    let unfit = || Error::params("the fixture is no JSON array of objects");
    // Raw, because a number that went through a float would come out as another one.
    let rows: Vec<BTreeMap<String, &RawValue>> =
        serde_json::from_str(text).map_err(|error| unfit().with_source(error))?;
    let columns: BTreeSet<&str> = rows.iter().flat_map(BTreeMap::keys).map(String::as_str).collect();
    if columns.is_empty() {
        return if rows.is_empty() { Ok(0) } else { Err(unfit()) };
    }
    let dialect = db.settings().dialect();
    let quoted: Vec<String> = columns.iter().map(|column| dialect.quote(column)).collect();
    let marks: Vec<String> = (0..columns.len()).map(|place| format!(":c{place}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        dialect.quote_path(table),
        quoted.join(", "),
        marks.join(", ")
    );
    let records = rows.iter().map(|row| {
        columns.iter().enumerate().try_fold(Params::new(), |params, (place, column)| {
            Ok(params.set(&format!("c{place}"), value(row.get(*column).map(|raw| raw.get()))?))
        })
    });
    let records = records.collect::<serde_json::Result<Vec<Params>>>();
    let records = records.map_err(|error| unfit().with_source(error))?;
    db.execute_many(&sql, records)
}

/// Inserts the rows of a CSV text into a table, all or nothing. The first line names the columns. Returns the number of
/// rows.
///
/// An empty field is `NULL`, and `""` the empty text; [`import_csv`](DatabaseManager::import_csv) has the rest, and
/// other formats.
///
/// # Errors
///
/// As `import_csv`: [`Data`](crate::ErrorKind::Data) for invalid CSV; and those of the database, with the line.
///
/// ```no_run
/// # let db = batchdb::DatabaseManager::new("rpa_db")?;
/// let fixture = "id,name\n1,nightly\n2,\n";
/// assert_eq!(batchdb::testing::load_csv(&db, "job", fixture)?, 2);
/// # Ok::<(), batchdb::Error>(())
/// ```
pub fn load_csv(db: &DatabaseManager, table: &str, text: &str) -> Result<u64> {
    Ok(db.import_csv(table, text.as_bytes(), ImportOptions::new())?.rows)
}

/// What the text of one JSON value is to a column.
fn value(json: Option<&str>) -> serde_json::Result<Value> {
    let Some(text) = json else { return Ok(Value::Null) };
    Ok(match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't' | b'f') => Value::Bool(text == "true"),
        Some(b'"') => Value::from(serde_json::from_str::<String>(text)?),
        // A document's numbers keep their digits as well: the database reads it.
        Some(b'[' | b'{') => Value::from(text),
        _ => match text.parse::<i64>() {
            Ok(whole) => Value::Int(whole),
            Err(_) => text.parse::<bigdecimal::BigDecimal>().map_or_else(|_| Value::from(text), Value::from),
        },
    })
}
