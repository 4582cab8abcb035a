//! Records of serde's on a real PostgreSQL: a field goes as what it is, as it would by `params!`.

use std::collections::BTreeMap;

use batchdb::{ErrorKind, Value, params, record};
use bigdecimal::BigDecimal;
use chrono::{DateTime, FixedOffset, NaiveDateTime};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::postgres;

/// Each document by a record and by `params!`, and what the server says of both.
#[test]
fn a_document_in_a_record_is_the_document() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        doc: serde_json::Value,
        text: serde_json::Value,
        maybe: Option<serde_json::Value>,
    }
    let db = postgres("record");
    db.execute("CREATE TABLE kept (doc jsonb, text json, maybe jsonb)", ()).unwrap();
    let insert = "INSERT INTO kept VALUES (:doc, :text, :maybe)";
    for doc in [
        json!("42"),
        json!("true"),
        json!("{\"a\":1}"),
        json!("hello"),
        json!(null),
        json!(1.5),
        json!({"a": [1, null]}),
    ] {
        db.execute("TRUNCATE kept", ()).unwrap();
        let written = Record { doc: doc.clone(), text: doc.clone(), maybe: Some(doc.clone()) };
        db.execute(insert, record(&written)).unwrap();
        db.execute(insert, params! { doc: doc.clone(), text: doc.clone(), maybe: doc.clone() }).unwrap();
        let rows = db.execute_query("SELECT * FROM kept", ()).unwrap();
        assert_eq!(rows[0], rows[1], "{doc}");
        assert_eq!(rows[0].read::<Record>().unwrap(), written, "{doc}");
        assert_eq!(rows[0].get::<serde_json::Value>("doc").unwrap(), doc);
    }
    // `None` is NULL, and JSON's null is not.
    db.execute("TRUNCATE kept", ()).unwrap();
    db.execute(insert, record(&Record { doc: json!(null), text: json!(null), maybe: None })).unwrap();
    let row = db.query_one("SELECT doc IS NULL AS doc, maybe IS NULL AS maybe FROM kept", ()).unwrap();
    assert_eq!((row["doc"].clone(), row["maybe"].clone()), (Value::Bool(false), Value::Bool(true)));
}

#[test]
fn a_record_is_refused_what_params_is_refused() {
    #[derive(Serialize)]
    struct Point {
        at: DateTime<FixedOffset>,
    }
    #[derive(Serialize)]
    struct Clock {
        at: NaiveDateTime,
    }
    #[derive(Serialize)]
    struct Bytes {
        content: Value,
        price: BigDecimal,
    }
    let db = postgres("record");
    db.execute(
        "CREATE TABLE kept (naive timestamp, zoned timestamptz, day date, content bytea, price int)",
        (),
    )
    .unwrap();
    let at = DateTime::parse_from_rfc3339("2026-01-05T08:00:37.5+02:00").unwrap();
    let fine = at + chrono::TimeDelta::nanoseconds(1);
    let into = |column: &str| format!("INSERT INTO kept ({column}) VALUES (:at)");
    for outcome in [
        db.execute(&into("naive"), record(&Point { at })),
        db.execute(&into("zoned"), record(&Point { at: fine })),
        db.execute(&into("day"), record(&Clock { at: at.naive_utc() })),
    ] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Params);
    }
    db.execute(&into("zoned"), record(&Point { at })).unwrap();
    let bytes = Bytes { content: Value::from(vec![0_u8, 255]), price: "5.00".parse().unwrap() };
    db.execute("UPDATE kept SET content = :content, price = :price", record(&bytes)).unwrap();
    let row = db.query_one("SELECT zoned, content, price FROM kept", ()).unwrap();
    assert_eq!(row["zoned"], Value::from(at.to_utc()));
    assert_eq!((&row["content"], &row["price"]), (&bytes.content, &Value::Int(5)));
}

#[test]
fn a_record_with_a_name_twice_is_refused() {
    #[derive(Serialize)]
    struct Record {
        id: i64,
        #[serde(flatten)]
        more: BTreeMap<String, i64>,
    }
    let db = postgres("record");
    let twice = Record { id: 7, more: BTreeMap::from([("id".to_owned(), 9)]) };
    let error = db.query_one("SELECT :id::int AS id", record(&twice)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Params, "{error}");
    assert!(error.to_string().contains("`id` twice"), "{error}");
    let nested = BTreeMap::from([("doc", twice)]);
    assert_eq!(db.query_one("SELECT :doc::jsonb", record(&nested)).unwrap_err().kind(), ErrorKind::Params);
}
