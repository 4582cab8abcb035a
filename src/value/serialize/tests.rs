use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::error::ErrorKind;
use crate::value::Interval;

fn fields(thing: &impl Serialize) -> HashMap<String, Value> {
    to_fields(thing).unwrap().unwrap().into_iter().collect()
}

#[derive(Serialize)]
enum Choice {
    Plain,
    One(i32),
    Two(i32, i32),
    Named { a: Option<i32> },
}

#[derive(Serialize)]
struct Inner {
    a: u8,
    b: f64,
}

#[derive(Serialize)]
struct Record<'a> {
    nan: f64,
    single: f32,
    large: u128,
    missing: Option<i32>,
    letter: char,
    list: Vec<Option<i64>>,
    inner: Inner,
    map: BTreeMap<i32, &'a str>,
    choices: [Choice; 4],
    raw: &'a serde_json::value::RawValue,
}

#[test]
fn every_field_is_the_value_that_it_was() {
    let raw = serde_json::from_str("{\"a\": [1]}").unwrap();
    let record = Record {
        nan: f64::NAN,
        single: 0.1,
        large: u128::MAX,
        missing: None,
        letter: 'é',
        list: vec![Some(1), None],
        inner: Inner { a: 1, b: f64::INFINITY },
        map: BTreeMap::from([(1, "one")]),
        choices: [Choice::Plain, Choice::One(1), Choice::Two(1, 2), Choice::Named { a: None }],
        raw,
    };
    let fields = to_fields(&record).unwrap().unwrap();
    let field = |name: &str| &fields.iter().find(|(known, _)| known == name).unwrap().1;
    assert!(matches!(field("nan"), Value::Float(number) if number.is_nan()));
    assert!(*field("single") == Value::Float(f64::from(0.1_f32)));
    assert!(*field("large") == Value::from(BigDecimal::from(u128::MAX)));
    assert!(field("missing").is_null());
    assert!(*field("letter") == Value::from("é"));
    assert!(*field("list") == Value::from(vec![Some(1_i64), None]));
    assert!(*field("inner") == Value::from(serde_json::json!({"a": 1, "b": "inf"})));
    assert!(*field("map") == Value::from(serde_json::json!({"1": "one"})));
    assert!(*field("raw") == Value::from(serde_json::json!({"a": [1]})));
    let choices = serde_json::json!(["Plain", {"One": 1}, {"Two": [1, 2]}, {"Named": {"a": null}}]);
    assert_eq!(field("choices").to_json(), choices);
}

#[test]
fn what_has_no_names_is_no_record_and_errors_show_no_value() {
    assert!(to_fields(&7).unwrap().is_none());
    assert!(to_fields(&[1, 2]).unwrap().is_none());
    assert!(to_fields(&BTreeMap::from([(vec![1], 2)])).is_err());
    let error: Error = ser::Error::custom("hunter2");
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn a_field_is_what_it_would_be_without_serde() {
    #[derive(Serialize)]
    struct Newtype(serde_json::Value);

    #[derive(Serialize)]
    struct Typed<'a> {
        text: serde_json::Value,
        number: &'a serde_json::Value,
        null: Box<serde_json::Value>,
        some: Option<serde_json::Value>,
        none: Option<serde_json::Value>,
        within: Newtype,
        lent: Cow<'a, serde_json::Value>,
        map: serde_json::Map<String, serde_json::Value>,
        list: Vec<serde_json::Value>,
        at: DateTime<FixedOffset>,
        local: Option<DateTime<Local>>,
        day: NaiveDate,
        time: &'a NaiveTime,
        stamp: NaiveDateTime,
        price: BigDecimal,
        id: Uuid,
        wait: Interval,
        days: Vec<NaiveDate>,
        bytes: Value,
        exact: Value,
        word: String,
    }

    let at = DateTime::parse_from_rfc3339("2026-01-05T08:00:37.123456789+02:00").unwrap();
    let (day, time) = (at.date_naive(), at.time());
    let price: BigDecimal = "5.00".parse().unwrap();
    let wait = Interval { months: 1, days: -2, microseconds: 3 };
    let number = json!(1.5);
    let read = fields(&Typed {
        text: json!("42"),
        number: &number,
        null: Box::new(json!(null)),
        some: Some(json!("true")),
        none: None,
        within: Newtype(json!("{\"a\":1}")),
        lent: Cow::Owned(json!("hello")),
        map: serde_json::Map::from_iter([("a".to_owned(), json!("b"))]),
        list: vec![json!("a"), json!(null)],
        at,
        local: Some(at.into()),
        day,
        time: &time,
        stamp: at.naive_utc(),
        price: price.clone(),
        id: Uuid::nil(),
        wait,
        days: vec![day],
        bytes: Value::from(vec![0_u8, 255]),
        exact: Value::from(vec![Value::from(price.clone()), Value::from(json!("7")), Value::Float(f64::NAN)]),
        word: "2026-01-05".to_owned(),
    });
    for (name, wanted) in [
        ("text", Value::from(json!("42"))),
        ("number", json!(1.5).into()),
        ("null", json!(null).into()),
        ("some", json!("true").into()),
        ("none", Value::Null),
        ("within", json!("{\"a\":1}").into()),
        ("lent", json!("hello").into()),
        ("map", json!({"a": "b"}).into()),
        ("list", vec![json!("a"), json!(null)].into()),
        ("at", at.into()),
        ("local", at.into()),
        ("day", day.into()),
        ("time", time.into()),
        ("stamp", at.naive_utc().into()),
        ("price", price.into()),
        ("id", Uuid::nil().into()),
        ("wait", wait.into()),
        ("days", vec![day].into()),
        ("bytes", vec![0_u8, 255].into()),
        ("word", "2026-01-05".into()),
    ] {
        assert!(read[name] == wanted, "{name}: {:?}", read[name]);
    }
    let Value::List(exact) = &read["exact"] else { panic!("{:?}", read["exact"]) };
    assert_eq!(exact.iter().map(Value::kind).collect::<Vec<_>>(), ["decimal", "json", "float"]);
}

/// As `make features` shows, in a build in which `serde_json` has `arbitrary_precision` too.
#[test]
fn json_that_is_the_record_has_values_of_their_kind() {
    let record = json!({
        "id": 7, "name": "x", "score": 1.5, "done": true, "gone": null, "tags": ["a", 2], "doc": {"a": 0.5},
        "large": u64::MAX, "zero": -0.0
    });
    let wanted = [
        ("id", Value::from(7)),
        ("name", "x".into()),
        ("score", 1.5.into()),
        ("done", true.into()),
        ("gone", Value::Null),
        ("tags", vec![Value::from("a"), Value::from(2)].into()),
        ("doc", json!({"a": 0.5}).into()),
        ("large", u64::MAX.into()),
        ("zero", (-0.0).into()),
    ];
    let map: BTreeMap<String, Option<serde_json::Value>> =
        record.as_object().unwrap().iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    for read in [fields(&record), fields(record.as_object().unwrap()), fields(&map)] {
        for (name, value) in &wanted {
            assert!(read[*name] == *value, "{name}: {:?}", read[*name]);
        }
    }
    // In a struct, flattened or not, the field has a type of its own, and the entries of the map have theirs.
    #[derive(Serialize)]
    struct Flat {
        doc: serde_json::Value,
        number: serde_json::Number,
        #[serde(flatten)]
        more: serde_json::Map<String, serde_json::Value>,
    }
    let more = serde_json::Map::from_iter([("name".to_owned(), json!("x"))]);
    let read = fields(&Flat { doc: json!("42"), number: 7.into(), more });
    assert!(read["doc"] == json!("42").into() && read["number"] == 7.into(), "{read:?}");
    assert!(read["name"] == "x".into(), "{read:?}");
    // As numbers come where they have all their digits.
    let digits = |text: &str| number(text).unwrap();
    let long = "123456789012345678901234567890.5";
    assert!(digits(long) == Value::from(long.parse::<BigDecimal>().unwrap()));
    assert!(digits("1e3") == Value::Float(1000.0) && digits("-7") == Value::Int(-7));
}

#[test]
fn a_name_that_stands_twice_is_refused_at_any_depth() {
    #[derive(Serialize)]
    struct Twice {
        id: i64,
        #[serde(flatten)]
        more: BTreeMap<String, i64>,
    }
    let twice = |name: &str| Twice { id: 7, more: BTreeMap::from([(name.to_owned(), 9)]) };
    assert_eq!(fields(&twice("other")).len(), 2);
    for error in [
        to_fields(&twice("id")).err().unwrap(),
        to_fields(&BTreeMap::from([("inner", twice("id"))])).err().unwrap(),
        to_fields(&BTreeMap::from([("inner", [twice("id")])])).err().unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Params);
        assert!(error.to_string().contains("the field `id` twice"), "{error}");
    }
    let many = |name: &str| {
        let more = (0..1_000).map(|number| (format!("f{number}"), number)).chain([(name.to_owned(), 0)]);
        to_fields(&Twice { id: 7, more: more.collect() })
    };
    assert!(many("id").is_err());
    assert_eq!(many("other").unwrap().unwrap().len(), 1_002);
}
