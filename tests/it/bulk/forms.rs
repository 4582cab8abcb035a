//! A load on PostgreSQL is in binary until a row has no such form, and from there on in text. Nobody notices.

use batchdb::{ErrorKind, Value};
use bigdecimal::BigDecimal;
use chrono::NaiveDate;

use super::count;
use crate::common::postgres;

fn decimal(text: &str) -> Value {
    Value::from(text.parse::<BigDecimal>().unwrap())
}

#[test]
fn a_row_that_goes_as_text_decides_nothing_for_the_others() {
    let db = postgres("forms");
    db.execute("CREATE DOMAIN amount AS int CHECK (VALUE > 0)", ()).unwrap();
    let columns = ["no", "small", "whole", "large", "object", "list", "domain", "single", "due"];
    let table = "(no int, small int2, whole int4, large int8, object oid, list int4[], domain amount, single real, due date)";
    let row = |no: i64, due: Value| {
        let list = Value::from(vec![decimal("5.00"), Value::Null, Value::Float(6.0)]);
        let single = Value::Float(1.0 + f64::powi(2.0, -24));
        let (large, whole) = (Value::Float(1e15), decimal("5e3"));
        vec![no.into(), decimal("5.00"), whole, large, decimal("7.0"), list, decimal("5.00"), single, due]
    };
    let date = || Value::from(NaiveDate::from_ymd_opt(2026, 1, 5).unwrap());
    // All rows in binary, all in text, and from row to row another one.
    for (name, is_text) in
        [("never", (|_| false) as fn(i64) -> bool), ("always", |_| true), ("mixed", |no| no % 2 == 1)]
    {
        db.execute(&format!("CREATE TABLE {name} {table}"), ()).unwrap();
        let rows = (0..10).map(|no| row(no, if is_text(no) { Value::from("infinity") } else { date() }));
        let loaded = db.bulk_insert(name, &columns, rows);
        assert_eq!(loaded.unwrap_or_else(|error| panic!("{name}: {}", error.report())), 10);
        let same = format!(
            "SELECT count(*) AS n FROM {name} WHERE (small, whole, large, object, list, domain, single) =
             (5::int2, 5000, 1000000000000000, 7::oid, ARRAY[5,NULL,6], 5, 1::real)"
        );
        assert_eq!(db.query_one(&same, ()).unwrap().get::<i64>("n").unwrap(), 10, "{name}");
    }
    // What is not whole is refused in either form, and it is the record that has it.
    let wrong = [row(0, "infinity".into()), row(1, date())].into_iter().map(|mut row| {
        if row[0] == Value::from(1) {
            row[2] = decimal("5.50");
        }
        row
    });
    let error = db.bulk_insert("never", &columns, wrong).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Params, "{}", error.report());
    assert!(error.to_string().contains("record 2: column \"whole\""), "{error}");
}

/// The input function of `name` keeps the first 63 bytes and says nothing; what reads the binary form refuses the others.
#[test]
fn a_name_that_is_too_long_is_refused_in_either_form() {
    let db = postgres("forms");
    db.execute("CREATE DOMAIN label AS name", ()).unwrap();
    db.execute("CREATE TABLE host (n name, l label, many name[], a inet)", ()).unwrap();
    let columns = ["n", "l", "many", "a"];
    let (fits, long) = (Value::from("x".repeat(63)), Value::from("x".repeat(80)));
    let list = |name: &Value| Value::from(vec![Value::from("x"), name.clone()]);
    for address in [Value::Null, Value::from("10.0.0.1")] {
        for (n, l, many) in
            [(&long, &fits, list(&fits)), (&fits, &long, list(&fits)), (&fits, &fits, list(&long))]
        {
            let row = vec![n.clone(), l.clone(), many, address.clone()];
            let error = db.bulk_insert("host", &columns, [row]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Params, "{}", error.report());
        }
        let row = vec![fits.clone(), fits.clone(), list(&fits), address];
        assert_eq!(db.bulk_insert("host", &columns, [row]).unwrap(), 1);
    }
    let sql = "INSERT INTO host (n) VALUES (:n)";
    assert_eq!(db.execute(sql, batchdb::params! { n: long }).unwrap_err().kind(), ErrorKind::Params);
    assert_eq!(count(&db, "host"), 2);
}
