//! SQL Server's types, through FreeTDS from a server that speaks its protocol.

use std::sync::{Arc, Mutex};

use batchdb::{
    DatabaseManager, DatabaseManagerBuilder, ErrorKind, MigrateOnStart, TextParameters, Value, params,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::generator::{Generator, rounds, seed};
use super::tokens::{self, Column, days, digits, long, null, parts, pointed, result, short, ticks, utf16};
use super::{decimal, same};
use crate::common::unique;
use crate::tds::{Answer, Server, Then};

/// A handle for a server that answers every `SELECT` with these tokens.
fn answering(tokens: Vec<u8>, rows: u64) -> (Server, DatabaseManager) {
    let server = Server::start(move |text| match text.contains("SELECT") {
        true => Answer::tokens(tokens.clone(), rows),
        false => Answer::nothing(Then::Done),
    });
    let db = connect(&server);
    (server, db)
}

fn connect(server: &Server) -> DatabaseManager {
    builder(server).build().unwrap()
}

fn builder(server: &Server) -> DatabaseManagerBuilder {
    DatabaseManager::builder(&unique("types"))
        .connection_string(format!(
            "Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=hunter2;Encryption=off",
            server.port()
        ))
        .database_type("sqlserver")
        .migrate_on_start(MigrateOnStart::Off)
}

/// Reads a column of these values, and a NULL behind them.
#[track_caller]
fn check(name: &str, column: &Column, cells: &[(Vec<u8>, Value)]) {
    let values: Vec<Vec<u8>> = cells.iter().map(|(bytes, _)| bytes.clone()).chain([null(column)]).collect();
    let (_server, db) = answering(result(column, &values), values.len() as u64);
    let rows = match db.execute_query("SELECT v", ()) {
        Ok(rows) => rows,
        Err(error) => panic!("{name}: {}", error.report()),
    };
    assert_eq!(rows.len(), values.len(), "{name}");
    for (row, (_, value)) in rows.iter().zip(cells) {
        assert!(
            same(&row["v"], value),
            "{name}: {} became {} {:?}",
            value.to_json(),
            row["v"].to_json(),
            row["v"]
        );
    }
    assert!(rows[cells.len()]["v"].is_null(), "{name}");
}

fn time(text: &str) -> NaiveTime {
    text.parse().unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn timestamp(text: &str) -> Value {
    Value::Timestamp(text.parse::<NaiveDateTime>().unwrap())
}

#[test]
fn numbers_are_exact() {
    let int = |length: u8, number: i64| (short(&number.to_le_bytes()[..length.into()]), Value::Int(number));
    check(
        "bit",
        &Column::sized(0x68, 1),
        &[(vec![1, 0], Value::Bool(false)), (vec![1, 1], Value::Bool(true))],
    );
    check("tinyint", &Column::sized(0x26, 1), &[int(1, 0), int(1, 127), int(1, 128), int(1, 255)]);
    check("smallint", &Column::sized(0x26, 2), &[int(2, i16::MIN.into()), int(2, i16::MAX.into())]);
    check("int", &Column::sized(0x26, 4), &[int(4, i32::MIN.into()), int(4, i32::MAX.into())]);
    check("bigint", &Column::sized(0x26, 8), &[int(8, i64::MIN), int(8, i64::MAX), int(8, (1 << 53) + 1)]);
    let exact = |unscaled: i128, text: &str| (short(&digits(unscaled)), decimal(text));
    let most = 99_999_999_999_999_999_999_999_999_999_999_999_999_i128;
    check(
        "decimal(38,0)",
        &Column::decimal(38, 0),
        &[exact(most, &most.to_string()), exact(-most, &(-most).to_string()), exact(0, "0")],
    );
    check(
        "decimal(38,10)",
        &Column::decimal(38, 10),
        &[
            exact(most, "9999999999999999999999999999.9999999999"),
            exact(-1, "-0.0000000001"),
            exact(15_000_000_000, "1.5000000000"),
        ],
    );
    check("decimal(38,38)", &Column::decimal(38, 38), &[exact(most, &format!("0.{most}"))]);
    let money = |amount: i64, text: &str| {
        let high = i32::try_from(amount >> 32).unwrap().to_le_bytes();
        let low = ((amount & 0xffff_ffff) as u32).to_le_bytes();
        (short(&[high, low].concat()), decimal(text))
    };
    check(
        "money",
        &Column::sized(0x6e, 8),
        &[
            money(i64::MAX, "922337203685477.5807"),
            money(i64::MIN, "-922337203685477.5808"),
            money(125_000, "12.5000"),
            money(-1, "-0.0001"),
        ],
    );
    let small = |amount: i32, text: &str| (short(&amount.to_le_bytes()), decimal(text));
    check("smallmoney", &Column::sized(0x6e, 4), &[small(i32::MAX, "214748.3647"), small(-1, "-0.0001")]);
    let single = |number: f32| (short(&number.to_le_bytes()), Value::Float(number.into()));
    check("real", &Column::sized(0x6d, 4), &[single(0.1), single(f32::MAX), single(-1e-45), single(0.0)]);
    let double = |number: f64| (short(&number.to_le_bytes()), Value::Float(number));
    check(
        "float",
        &Column::sized(0x6d, 8),
        &[double(0.1), double(f64::MAX), double(5e-324), double(0.1 + 0.2)],
    );
}

#[test]
fn times_keep_all_seven_digits() {
    let day = |text: &str| (short(&days(date(text))), Value::Date(date(text)));
    check("date", &Column::date(), &[day("0001-01-01"), day("9999-12-31"), day("2024-02-29")]);
    let clock = |text: &str| (short(&ticks(time(text))), Value::Time(time(text)));
    check(
        "time(7)",
        &Column::scaled(0x29, 7),
        &[clock("00:00:00"), clock("23:59:59.9999999"), clock("01:02:03.0000001")],
    );
    let two = |text: &str| {
        let at: NaiveDateTime = text.parse().unwrap();
        (short(&[ticks(at.time()), days(at.date())].concat()), Value::Timestamp(at))
    };
    check(
        "datetime2(7)",
        &Column::scaled(0x2a, 7),
        &[two("0001-01-01T00:00:00"), two("9999-12-31T23:59:59.9999999"), two("2026-01-05T08:00:37.1234567")],
    );
    let zoned = |text: &str| {
        let at = DateTime::parse_from_rfc3339(text).unwrap();
        let minutes = i16::try_from(at.offset().local_minus_utc() / 60).unwrap().to_le_bytes();
        let utc = at.naive_utc();
        (short(&[&ticks(utc.time())[..], &days(utc.date()), &minutes].concat()), Value::TimestampTz(at))
    };
    check(
        "datetimeoffset(7)",
        &Column::scaled(0x2b, 7),
        &[
            zoned("2026-01-05T08:00:37.1234567+02:00"),
            zoned("2026-01-05T08:00:37-03:30"),
            zoned("2026-01-05T08:00:37.1+14:00"),
            zoned("0001-01-02T00:00:00Z"),
        ],
    );
    let old = |days: i32, ticks: u32, text: &str| {
        (short(&[days.to_le_bytes(), ticks.to_le_bytes()].concat()), timestamp(text))
    };
    // A tick is a 300th of a second, and SQL Server prints the nearest of its milliseconds.
    check(
        "datetime",
        &Column::sized(0x6f, 8),
        &[
            old(0, 0, "1900-01-01T00:00:00"),
            old(-53_690, 0, "1753-01-01T00:00:00"),
            old(2_958_463, 25_919_999, "9999-12-31T23:59:59.997"),
            old(46_025, 1, "2026-01-05T00:00:00.003"),
            old(46_025, 2, "2026-01-05T00:00:00.007"),
        ],
    );
    let smaller = |days: u16, minutes: u16, text: &str| {
        (short(&[days.to_le_bytes(), minutes.to_le_bytes()].concat()), timestamp(text))
    };
    check(
        "smalldatetime",
        &Column::sized(0x6f, 4),
        &[smaller(0, 0, "1900-01-01T00:00:00"), smaller(u16::MAX, 1439, "2079-06-06T23:59:00")],
    );
}

#[test]
fn texts_and_bytes_are_whole() {
    let latin = |text: &str| {
        text.chars().map(|letter| if letter == '€' { 0x80 } else { letter as u8 }).collect::<Vec<u8>>()
    };
    let narrow = |text: &str| (long(&latin(text)), Value::from(text));
    check("varchar(20)", &Column::text(0xa7, 20), &[narrow(""), narrow("abc"), narrow("é€ü")]);
    check("char(3)", &Column::text(0xaf, 3), &[narrow("ab "), narrow("é€ü")]);
    let wide = |text: &str| (long(&utf16(text)), Value::from(text));
    check("nvarchar(20)", &Column::text(0xe7, 40), &[wide(""), wide("é€😀"), wide("a\0b")]);
    check("nchar(4)", &Column::text(0xef, 8), &[wide("é  "), wide("😀😀")]);
    let endless = "é€😀".repeat(20_000);
    let max = |text: &str| (parts(&utf16(text), 4_001), Value::from(text));
    check("nvarchar(max)", &Column::text(0xe7, u16::MAX), &[max(""), max("x"), max(&endless), max("é€😀")]);
    let plain = "é€ü".repeat(30_000);
    let max = |text: &str| (parts(&latin(text), 8_000), Value::from(text));
    check("varchar(max)", &Column::text(0xa7, u16::MAX), &[max(""), max(&plain)]);
    check("text", &Column::legacy(0x23), &[(pointed(&latin(&plain)), Value::from(plain.as_str()))]);
    check("ntext", &Column::legacy(0x63), &[(pointed(&utf16(&endless)), Value::from(endless.as_str()))]);
    let xml = "<a b=\"é€😀\">c</a>";
    check("xml", &Column::xml(), &[(parts(&utf16(xml), 10), Value::from(xml))]);

    let every: Vec<u8> = (0..=255).collect();
    let bytes = |bytes: &[u8]| (long(bytes), Value::Bytes(bytes.into()));
    check("varbinary(300)", &Column::binary(0xa5, 300), &[bytes(&[]), bytes(&every)]);
    check("binary(2)", &Column::binary(0xad, 2), &[bytes(&[0, 255])]);
    check("rowversion", &Column::rowversion(), &[bytes(&[0, 0, 0, 0, 0, 0, 7, 209])]);
    let many = every.repeat(400);
    check(
        "varbinary(max)",
        &Column::binary(0xa5, u16::MAX),
        &[(parts(&[], 1), Value::Bytes(Box::default())), (parts(&many, 777), Value::from(many.clone()))],
    );
    check("image", &Column::legacy(0x22), &[(pointed(&many), Value::from(many.clone()))]);
    let id = uuid::Uuid::from_u128(0x6f2d_1f64_5717_4562_b3fc_2c96_3f66_afa6);
    check("uniqueidentifier", &Column::sized(0x24, 16), &[(short(&id.to_bytes_le()), Value::Uuid(id))]);
}

#[test]
fn a_variant_is_cast_by_whoever_asks_for_it() {
    // An int in a variant: its length, its type, no properties, its value.
    let value = [&6_u32.to_le_bytes()[..], &[0x38, 0], &7_i32.to_le_bytes()].concat();
    let (_server, db) = answering(result(&Column::variant(), &[value]), 1);
    let error = db.execute_query("SELECT v", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{}", error.report());
    assert!(
        error.to_string().contains("column \"v\"") || error.to_string().contains("\"v\" is of type"),
        "{error}"
    );
}

/// A server that returns the parameter of a statement in the type in which it came. It takes none of the old long types.
fn echo() -> (Server, DatabaseManager) {
    let server = Server::reading(|text, request| match text.contains("@P1") {
        true => {
            let (column, value) = tokens::first_value(request);
            Answer::tokens(result(&column, &[value]), 1)
        }
        false => Answer::nothing(Then::Done),
    });
    let db = connect(&server);
    (server, db)
}

#[test]
fn texts_go_as_the_settings_say() {
    for (texts, given, declared) in [
        (TextParameters::Auto, "abc", Some("@P1 varchar(100)")),
        (TextParameters::Auto, "é", Some("@P1 nvarchar(100)")),
        (TextParameters::Nvarchar, "abc", Some("@P1 nvarchar(100)")),
        (TextParameters::Nvarchar, "é", Some("@P1 nvarchar(100)")),
        (TextParameters::Varchar, "abc", Some("@P1 varchar(100)")),
        (TextParameters::Varchar, "é", None),
    ] {
        let seen = Arc::new(Mutex::new(None));
        let told = Arc::clone(&seen);
        let server = Server::start(move |text| {
            if let Some((_, behind)) = text.to_ascii_lowercase().split_once("@p1 ") {
                let declared = behind.split_inclusive(')').next().unwrap_or_default();
                *told.lock().unwrap() = Some(format!("@P1 {declared}"));
            }
            Answer::nothing(Then::Done)
        });
        let db = builder(&server).text_parameters(texts).build().unwrap();
        let outcome = db.execute("DELETE FROM t WHERE v = :v", params! { v: given });
        assert_eq!(seen.lock().unwrap().as_deref(), declared, "{texts:?} {given}");
        match declared {
            Some(_) => assert!(outcome.is_ok()),
            None => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Params),
        }
    }
}

#[test]
fn parameters_are_declared_with_what_their_values_need() {
    let seen = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&seen);
    let server = Server::start(move |text| {
        if let Some((_, behind)) = text.to_ascii_lowercase().split_once("@p1 ") {
            let end = behind.find(|letter: char| !letter.is_ascii_graphic()).unwrap_or(behind.len());
            let declared = &behind[..end];
            *told.lock().unwrap() = declared.find(')').map_or(declared, |at| &declared[..=at]).to_owned();
        }
        Answer::nothing(Then::Done)
    });
    let db = connect(&server);
    for (value, declared) in [
        (timestamp("2026-01-05T08:00:37.003"), "datetime2"),
        (Value::from("x".repeat(8_001)), "varchar(max)"),
        (Value::from("é".repeat(4_001)), "nvarchar(max)"),
        (Value::from(vec![1_u8; 8_001]), "varbinary(max)"),
        (Value::from(vec![1_u8; 7]), "varbinary(100)"),
        (Value::from(vec![1_u8; 101]), "varbinary(1000)"),
        (decimal("12.50"), "decimal(4,2)"),
    ] {
        db.execute("DELETE FROM t WHERE v = :v", params! { v: value.clone() }).unwrap();
        assert!(seen.lock().unwrap().starts_with(declared), "{}: {seen:?}", value.to_json());
    }
}

/// Of a second the server reads seven digits at most.
fn clock(time: NaiveTime) -> String {
    let mut text = time.format("%H:%M:%S%.f").to_string();
    text.truncate("00:00:00.0000000".len());
    text
}

#[test]
fn parameters_reach_the_server_as_they_are() {
    let (_server, db) = echo();
    let check = |value: Value, expected: &Value| {
        let row = match db.query_one("SELECT :v AS v", params! { v: value.clone() }) {
            Ok(row) => row,
            Err(error) => panic!("TYPES_SEED={} {}: {}", seed(), value.to_json(), error.report()),
        };
        let at = format!("TYPES_SEED={} {} became {}", seed(), value.to_json(), row["v"].to_json());
        assert!(same(&row["v"], expected), "{at} {:?}", row["v"]);
    };
    let mut generator = Generator::new(4);
    let g = &mut generator;
    for _ in 0..rounds(40) {
        let values = [
            Value::Bool(g.0.bool()),
            Value::Int(g.int(i64::MIN, i64::MAX)),
            Value::from(g.text(300)),
            Value::from(g.bytes(300)),
            Value::Date(g.date(1753, 9999)),
            Value::Timestamp(g.timestamp((1753, 9999), 7)),
            Value::from("é€😀".repeat(g.0.usize(1_300..3_000))),
            Value::from("x".repeat(g.0.usize(7_900..20_000))),
            Value::Bytes(vec![7; g.0.usize(7_900..20_000)].into()),
        ];
        for value in values {
            check(value.clone(), &value);
        }
        let scale = g.0.i64(0..=38);
        let number = Value::from(g.decimal(38, scale));
        check(number.clone(), &number);
        let number = loop {
            match g.double() {
                number if number.is_finite() => break Value::Float(number),
                _ => (),
            }
        };
        check(number.clone(), &number);
        // These have no parameter of their own that every driver knows, and go as the text that the server reads.
        let time = g.time(7);
        check(Value::Time(time), &Value::from(clock(time)));
        // FreeTDS would send these as other days.
        let old = g.date(1, 1752);
        check(Value::Date(old), &Value::from(old.to_string()));
        let at = g.timestamp((1, 1752), 7);
        check(Value::Timestamp(at), &Value::from(format!("{} {}", at.date(), clock(at.time()))));
        let id = g.uuid();
        check(Value::Uuid(id), &Value::from(id.to_string()));
        let at = g.timestamp((1, 9998), 7).and_utc().fixed_offset();
        let spelled = format!("{} {} +00:00", at.date_naive(), clock(at.time()));
        check(Value::TimestampTz(at), &Value::from(spelled));
    }
}
