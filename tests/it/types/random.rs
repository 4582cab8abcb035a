//! Random values of every type, through every backend that has it.

use batchdb::{DatabaseManager, Row, Value, params};

use super::generator::{Generator, rounds, seed};
use super::same;
use crate::common::fresh;

pub(super) const TYPES: &[&str] = &[
    "int2",
    "int4",
    "int8",
    "oid",
    "xid8",
    "bool",
    "float4",
    "float8",
    "numeric",
    "text",
    "varchar",
    "bpchar",
    "name",
    "\"char\"",
    "bytea",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "varbit",
    "bit(9)",
    "pg_lsn",
    "tid",
    "int4range",
    "numrange",
    "tstzrange",
    "daterange",
    "nummultirange",
    "texts",
    "mood",
    "whole",
    "label",
    "pair",
];

/// Types of which there are arrays: of those that no column of a table has, there are none.
const ARRAYS: &[&str] = &[
    "bool[]",
    "int8[]",
    "numeric[]",
    "float4[]",
    "text[]",
    "bytea[]",
    "date[]",
    "timestamptz[]",
    "interval[]",
    "uuid[]",
    "jsonb[]",
    "inet[]",
    "int4range[]",
    "mood[]",
    "whole[]",
    "pair[]",
    "timetz[]",
];

/// Types of the database's own.
pub(super) const OWN: &[&str] = &[
    "CREATE TYPE mood AS ENUM ('sad', 'o k', 'it''s \"é\"')",
    "CREATE DOMAIN whole AS int4 CHECK (true)",
    "CREATE DOMAIN label AS text",
    "CREATE TYPE pair AS (a int, b text, c bool[], d timestamp)",
    "CREATE TYPE texts AS RANGE (subtype = text, collation = \"C\")",
];

/// What a database, or the role that logs in, may have set: none of it is to be seen in a value.
pub(super) const HOSTILE: &[&str] = &[
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'sql_standard'",
    "bytea_output = 'escape'",
    "extra_float_digits = -15",
    "TimeZone = 'America/St_Johns'",
    "xmloption = 'document'",
    "standard_conforming_strings = off",
    "backslash_quote = on",
    "array_nulls = on",
    "quote_all_identifiers = on",
];

/// Has every later session of the database begin with these.
pub(super) fn make_hostile(db: &DatabaseManager) {
    for setting in HOSTILE {
        let sql = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ', current_database()) || {}; END $$",
            quoted(setting)
        );
        db.execute(&sql, ()).unwrap();
    }
    db.shutdown();
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Sends a value and reads it again, with what the server itself would print of it.
fn check(db: &DatabaseManager, ty: &str, value: &Value, mode: &str) {
    let sql = format!("SELECT :v::{ty} AS v, format('%s', :v::{ty}) AS printed, NULL::{ty} AS missing");
    let at = || format!("TYPES_SEED={} {mode} {ty} {}", seed(), value.to_json());
    let row = match db.query_one(&sql, params! { v: value.clone() }) {
        Ok(row) => row,
        Err(error) => panic!("{}: {}", at(), error.report()),
    };
    assert!(same(&row["v"], value), "{}: became {} {:?}", at(), row["v"].to_json(), row["v"]);
    assert!(row["missing"].is_null(), "{}", at());
    // What comes as text is the very text of the server, unless it was told to print it in another way.
    if matches!(value, Value::Text(_)) && !mode.starts_with("hostile") {
        assert!(same(&row["printed"], value), "{}: is {} to the server", at(), row["printed"].to_json());
    }
}

#[test]
fn every_type_of_postgres_goes_both_ways_prepared_and_not() {
    let builder = fresh("types");
    let prepared = builder.clone().build().unwrap();
    for sql in OWN {
        prepared.execute(sql, ()).unwrap();
    }
    let unnamed = builder.statement_cache(0).build().unwrap();
    let mut generator = Generator::new(0);
    for ty in TYPES.iter().chain(ARRAYS) {
        for _ in 0..rounds(if ty.ends_with(']') { 12 } else { 25 }) {
            let value = generator.postgres(ty);
            check(&prepared, ty, &value, "prepared");
            check(&unnamed, ty, &value, "unnamed");
        }
    }
}

#[test]
fn no_setting_of_the_database_is_seen_in_a_value() {
    let builder = fresh("types");
    let db = builder.clone().build().unwrap();
    for sql in OWN {
        db.execute(sql, ()).unwrap();
    }
    make_hostile(&db);
    let prepared = builder.clone().build().unwrap();
    let style = prepared.query_one("SELECT current_setting('DateStyle') AS s", ()).unwrap();
    assert_eq!(style.get::<String>("s").unwrap(), "SQL, DMY");
    let unnamed = builder.statement_cache(0).build().unwrap();
    let mut generator = Generator::new(5);
    for (number, ty) in TYPES.iter().chain(ARRAYS).enumerate() {
        let table = format!("t_{number}");
        prepared.execute(&format!("CREATE TABLE {table} (id int, v {ty})"), ()).unwrap();
        let values: Vec<Value> = (0..rounds(8)).map(|_| generator.postgres(ty)).collect();
        for value in &values {
            check(&prepared, ty, value, "hostile, prepared");
            check(&unnamed, ty, value, "hostile, unnamed");
        }
        let rows = values.iter().enumerate().map(|(id, value)| (Value::from(id), value.clone()));
        prepared.bulk_insert(&table, &["id", "v"], rows).unwrap();
        let rows = prepared.execute_query(&format!("SELECT v FROM {table} ORDER BY id"), ()).unwrap();
        assert_eq!(rows.len(), values.len(), "{ty}");
        for (row, value) in rows.iter().zip(&values) {
            assert!(same(&row["v"], value), "TYPES_SEED={} copied {ty} {}", seed(), value.to_json());
        }
    }
}

/// A column takes what a cast takes, and gives it back.
#[test]
fn every_type_of_postgres_is_kept_in_a_column() {
    let builder = fresh("types");
    let prepared = builder.clone().build().unwrap();
    for sql in OWN {
        prepared.execute(sql, ()).unwrap();
    }
    let unnamed = builder.statement_cache(0).build().unwrap();
    let mut generator = Generator::new(1);
    for (number, ty) in TYPES.iter().chain(ARRAYS).enumerate() {
        for (db, mode) in [(&prepared, "prepared"), (&unnamed, "unnamed"), (&prepared, "copied")] {
            let table = format!("t_{mode}_{number}");
            db.execute(&format!("CREATE TABLE {table} (id int, v {ty})"), ()).unwrap();
            let values: Vec<Value> =
                (0..rounds(6)).map(|_| generator.postgres(ty)).chain([Value::Null]).collect();
            let written = if mode == "copied" {
                // In binary up to the first value that has no such form, and as text from there on.
                let rows = values
                    .iter()
                    .enumerate()
                    .map(|(id, value)| Row::from_pairs([("id", Value::from(id)), ("v", value.clone())]));
                db.bulk_insert(&table, &["id", "v"], rows)
            } else {
                let records =
                    values.iter().enumerate().map(|(id, value)| params! { id: id, v: value.clone() });
                db.execute_many(&format!("INSERT INTO {table} VALUES (:id, :v)"), records)
            };
            if let Err(error) = written {
                panic!("TYPES_SEED={} {mode} {ty}: {}", seed(), error.report());
            }
            let rows = db.execute_query(&format!("SELECT v FROM {table} ORDER BY id"), ()).unwrap();
            assert_eq!(rows.len(), values.len(), "{mode} {ty}");
            for (row, value) in rows.iter().zip(&values) {
                let at = format!("TYPES_SEED={} {mode} {ty} {}", seed(), value.to_json());
                assert!(same(&row["v"], value), "{at}: became {}", row["v"].to_json());
            }
        }
    }
}
