//! Values both ways.

use std::fs;

use batchdb::{ErrorKind, TextParameters, Value, params};
use chrono::{DateTime, FixedOffset};
use uuid::Uuid;

use crate::target::{Kind, Left, Target, Told};

pub(crate) fn decimal(text: &str) -> Value {
    Value::Decimal(Box::new(text.parse().unwrap()))
}

pub(crate) fn values_come_back_as_they_went(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("SQLite has no types of its own for these"));
    }
    let db = target.db();
    let at: DateTime<FixedOffset> = "2026-01-05T08:00:37.123456+00:00".parse().unwrap();
    let text = "é€😀 'quoted' :name ? \\ ";
    let types: Vec<(&str, &str, Value)> = vec![
        ("smallint", "smallint", Value::Int(i16::MIN.into())),
        ("int", "int", Value::Int(i32::MAX.into())),
        ("bigint", "bigint", Value::Int(i64::MIN)),
        ("float8", "float", Value::Float(0.1)),
        ("float4", "real", Value::Float(0.5)),
        ("numeric(30,10)", "decimal(30,10)", decimal("12345678901234567890.0123456789")),
        ("numeric(10,2)", "decimal(10,2)", decimal("-1.50")),
        ("numeric(38,0)", "decimal(38,0)", decimal("99999999999999999999999999999999999999")),
        ("numeric(19,4)", "money", decimal("-922337203685477.5808")),
        ("bool", "bit", Value::Bool(true)),
        ("bool", "bit", Value::Bool(false)),
        ("text", "nvarchar(max)", Value::from(text)),
        ("varchar(50)", "nvarchar(50)", Value::from(text)),
        ("varchar(50)", "varchar(50)", Value::from("abc ")),
        ("varchar(50)", "nvarchar(50)", Value::from("")),
        ("text", "ntext", Value::from(text)),
        ("bytea", "varbinary(50)", Value::from(vec![0_u8, 1, 255, 39, 92])),
        ("bytea", "varbinary(max)", Value::from(vec![0_u8; 9000])),
        ("bytea", "varbinary(max)", Value::from(Vec::<u8>::new())),
        ("date", "date", Value::Date("1899-12-31".parse().unwrap())),
        ("time", "time(0)", Value::Time("23:59:59".parse().unwrap())),
        ("timestamp", "datetime2(6)", Value::Timestamp("2026-01-05T08:00:37.123456".parse().unwrap())),
        ("timestamp", "datetime2(0)", Value::Timestamp("0001-01-01T00:00:00".parse().unwrap())),
        ("timestamp", "smalldatetime", Value::Timestamp("2026-01-05T08:01:00".parse().unwrap())),
        ("timestamptz", "datetimeoffset(6)", Value::from(at)),
        ("uuid", "uniqueidentifier", Value::Uuid(Uuid::from_u128(0x6f2d_1f64_5717_4562_b3fc_2c96_3f66_afa6))),
    ];
    let mut wrong = Vec::new();
    for (postgres, t_sql, value) in types {
        let ty = target.say(postgres, "", t_sql);
        let table = target.table(&db, &format!("v {ty}, missing {ty}"));
        let given = params! { v: value.clone(), n: Value::Null };
        let back = db
            .execute(&format!("INSERT INTO {table} VALUES (:v, :n)"), given)
            .and_then(|_| db.query_one(&format!("SELECT v, missing FROM {table}"), ()));
        match back {
            Ok(row) if row["v"] == value && row["missing"].is_null() => (),
            Ok(row) => wrong.push(format!("{ty}: {} became {}", value.to_json(), row["v"].to_json())),
            Err(error) => wrong.push(format!("{ty}: {}", error.report())),
        }
    }
    let offset = |text: &String| text.starts_with("datetimeoffset") && text.contains("expression is of type");
    let no_offset = target.kind == Kind::Babelfish && wrong.iter().any(offset);
    wrong.retain(|text| target.kind != Kind::Babelfish || !offset(text));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Days that the calendars disagree about, and the ends of what there is.
    let sql = target.say(
        "SELECT CAST(:d AS date) AS d, CAST(:at AS timestamp) AS at",
        "",
        "SELECT CAST(:d AS date) AS d, CAST(:at AS datetime2(0)) AS at",
    );
    for day in
        ["0001-01-01", "0400-02-29", "1582-10-15", "1699-12-31", "1752-12-31", "1753-01-01", "9999-12-31"]
    {
        let day: chrono::NaiveDate = day.parse().unwrap();
        let at = day.and_hms_opt(12, 34, 56).unwrap();
        let row = db.query_one(sql, params! { d: Value::Date(day), at: Value::Timestamp(at) }).unwrap();
        assert!(
            row["d"] == Value::Date(day) && row["at"] == Value::Timestamp(at),
            "{day}: {}",
            row.to_json().unwrap()
        );
    }
    if no_offset {
        return Err(Left::NotSupported("no text becomes a datetimeoffset by itself; all other types passed"));
    }
    Ok(())
}

/// What a T-SQL server itself makes of the types that no parameter has, at their ends.
pub(crate) fn every_type_of_the_server_is_read(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let at = |text: &str| Value::Timestamp(text.parse().unwrap());
    let cases: Vec<(&str, Value)> = vec![
        ("CAST(0 AS tinyint)", Value::Int(0)),
        ("CAST(255 AS tinyint)", Value::Int(255)),
        ("CAST(-32768 AS smallint)", Value::Int(-32_768)),
        ("CAST(-2147483648 AS int)", Value::Int(i32::MIN.into())),
        ("CAST(9223372036854775807 AS bigint)", Value::Int(i64::MAX)),
        ("CAST(0.1 AS real)", Value::Float(f64::from(0.1_f32))),
        ("CAST(-3.40E38 AS real)", Value::Float(f64::from(-3.4e38_f32))),
        ("CAST(1.7976931348623157E308 AS float)", Value::Float(f64::MAX)),
        ("CAST(-214748.3648 AS smallmoney)", decimal("-214748.3648")),
        ("CAST(214748.3647 AS smallmoney)", decimal("214748.3647")),
        ("CAST('abc' AS char(5))", Value::from("abc  ")),
        ("CAST(N'é€' AS nchar(4))", Value::from("é€  ")),
        ("CAST('abc' AS text)", Value::from("abc")),
        ("CAST(N'é€😀' AS ntext)", Value::from("é€😀")),
        ("CAST(N'<a>é</a>' AS xml)", Value::from("<a>é</a>")),
        ("CAST(0x00FF27 AS binary(3))", Value::from(vec![0_u8, 255, 39])),
        ("CAST(0x00FF27 AS image)", Value::from(vec![0_u8, 255, 39])),
        ("CAST('1753-01-01T00:00:00' AS datetime)", at("1753-01-01T00:00:00")),
        ("CAST('2026-01-05T08:00:37.123' AS datetime)", at("2026-01-05T08:00:37.123")),
        ("CAST('9999-12-31T23:59:59.997' AS datetime)", at("9999-12-31T23:59:59.997")),
        ("CAST('1900-01-01T00:00:00' AS smalldatetime)", at("1900-01-01T00:00:00")),
        ("CAST('2079-06-06T23:59:00' AS smalldatetime)", at("2079-06-06T23:59:00")),
        ("CAST('0001-01-01T00:00:00' AS datetime2(7))", at("0001-01-01T00:00:00")),
        ("CAST('00:00:00' AS time(7))", Value::Time("00:00:00".parse().unwrap())),
    ];
    // Babelfish keeps six digits of a second, and has no `rowversion`.
    let finest: Vec<(&str, Value)> = vec![
        ("CAST(0x00000000000007D1 AS rowversion)", Value::from(vec![0_u8, 0, 0, 0, 0, 0, 7, 0xd1])),
        ("CAST('2026-01-05T08:00:37.1234567' AS datetime2(7))", at("2026-01-05T08:00:37.1234567")),
        ("CAST('23:59:59.9999999' AS time(7))", Value::Time("23:59:59.9999999".parse().unwrap())),
    ];
    let has_all = target.kind != Kind::Babelfish;
    let mut wrong = Vec::new();
    for (expression, wanted) in cases.into_iter().chain(finest.into_iter().filter(|_| has_all)) {
        match db.query_one(&format!("SELECT {expression} AS v"), ()) {
            Ok(row) if row["v"] == wanted => (),
            Ok(row) => wrong.push(format!("{expression} became {}", row["v"].to_json())),
            Err(error) => wrong.push(format!("{expression}: {}", error.report())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    target.not_on_babelfish("it keeps six digits of a second, and has no rowversion; all other types passed")
}

/// The server would drop an offset and cut a fraction without a word, and read a day of a text by the login's language.
pub(crate) fn text_comes_back_as_it_went(target: &Target) -> Told {
    let db = target.db();
    let ty = target.say("text", "text", "nvarchar(max)");
    let table = target.table(&db, &format!("id int, v {ty}"));
    let texts = [
        "😀👩‍👩‍👧‍👦".to_owned(),
        "e\u{301} n\u{303}".to_owned(),
        "\u{FFFF}\u{FFFE}".to_owned(),
        "\u{10FFFF}".to_owned(),
        "a trailing blank ".to_owned(),
        "\r\n\t".to_owned(),
        "é".repeat(4000),
        "é".repeat(4001),
        "a".repeat(8000),
        "a".repeat(8001),
        "😀".repeat(2001),
        "x".repeat(70_000),
        // Read in several parts, of which one ends within a character of two units.
        format!("abc{}", "é€😀".repeat(600_000)),
    ];
    for (id, text) in (1..).zip(&texts) {
        let given = params! { id: id, v: text.as_str() };
        db.execute(&format!("INSERT INTO {table} VALUES (:id, :v)"), given).unwrap();
        let row = db.query_one(&format!("SELECT v FROM {table} WHERE id = :id"), params! { id: id }).unwrap();
        let back: String = row.get("v").unwrap();
        assert!(back == *text, "text {id} of {} bytes became one of {}", text.len(), back.len());
    }
    // In the text of the statement itself, too.
    let row = db.query_one(target.say("SELECT 'é€😀' AS v", "SELECT 'é€😀' AS v", "SELECT N'é€😀' AS v"), ());
    assert_eq!(row.unwrap().get::<String>("v").unwrap(), "é€😀");
    Ok(())
}

/// How much memory the process has needed at most since the last call, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    kib * 1024
}

pub(crate) fn long_values_come_back_whole_in_bounded_memory(target: &Target) -> Told {
    const MIB: usize = 1024 * 1024;
    let db = target.builder().pool_size(1).build().unwrap();
    let text = target.say("text", "text", "nvarchar(max)");
    let bytes = target.say("bytea", "blob", "varbinary(max)");
    let table = target.table(&db, &format!("id int, t {text}, b {bytes}"));
    let insert = format!("INSERT INTO {table} VALUES (:id, :t, :b)");
    // 10 MiB as the database has it: two bytes a character in an `nvarchar`.
    let units = if target.is_t_sql() { 5 * MIB } else { 10 * MIB };
    let long = "x€".repeat(if target.is_t_sql() { units / 2 } else { units / 4 });
    let size = 10 * MIB;
    let raw: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
    db.execute(&insert, params! { id: 0, t: "é", b: vec![1_u8] }).unwrap();
    let mut needed = Vec::new();
    let mut measured = |what: &'static str, work: &mut dyn FnMut()| {
        peak();
        let before = peak();
        work();
        needed.push((what, peak().saturating_sub(before)));
    };
    let (long_value, raw_value) = (Value::from(long.as_str()), Value::from(raw.clone()));
    measured("text in", &mut || {
        db.execute(&insert, params! { id: 1, t: long_value.clone(), b: Value::Null }).unwrap();
    });
    measured("bytes in", &mut || {
        db.execute(&insert, params! { id: 2, t: Value::Null, b: raw_value.clone() }).unwrap();
    });
    let one = |id: i64, column: &str| {
        let sql = format!("SELECT {column} FROM {table} WHERE id = :id");
        db.query_one(&sql, params! { id: id }).unwrap().into_values().remove(0)
    };
    measured("text out", &mut || assert!(one(1, "t") == long_value, "the text is another"));
    measured("bytes out", &mut || assert!(one(2, "b") == raw_value, "the bytes are others"));
    let shown: Vec<String> =
        needed.iter().map(|(what, bytes)| format!("{what} {} MiB", bytes / MIB as u64)).collect();
    println!("    10 MiB: {}", shown.join(", "));
    // A copy of the value that the call is given is part of what it needs. psqlODBC has every value that it sends as a
    // literal, and SQLite's driver the whole result, besides: that is theirs, and no part of the promise.
    let times = if matches!(target.kind, Kind::PsqlOdbc | Kind::Sqlite) { 6 } else { 4 };
    for (what, bytes) in needed {
        assert!(bytes < times * size as u64, "{what} of 10 MiB needs {} MiB", bytes / MIB as u64);
    }
    Ok(())
}

pub(crate) fn a_nul_in_a_text_arrives_or_is_refused(target: &Target) -> Told {
    let db = target.db();
    let ty = target.say("text", "text", "nvarchar(max)");
    let table = target.table(&db, &format!("v {ty}"));
    let given = params! { v: "a\0b" };
    match db.execute(&format!("INSERT INTO {table} VALUES (:v)"), given) {
        Ok(_) => {
            let row = db.query_one(&format!("SELECT v FROM {table}"), ()).unwrap();
            assert_eq!(row.get::<String>("v").unwrap(), "a\0b");
        }
        Err(error) => {
            let kind = error.kind();
            assert!(matches!(kind, ErrorKind::Params | ErrorKind::Data), "{}", error.report());
            assert!(error.report().contains("NUL") || error.report().contains("0x00"), "{}", error.report());
            assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
        }
    }
    Ok(())
}

pub(crate) fn lists_and_nulls(target: &Target) -> Told {
    let db = target.db();
    let table = target.table(&db, &format!("id int, name {}", target.say("text", "text", "nvarchar(20)")));
    let records =
        (1..=5).map(|id| params! { id: id, name: if id == 3 { Value::Null } else { Value::from("é") } });
    db.execute_many(&format!("INSERT INTO {table} VALUES (:id, :name)"), records).unwrap();
    let count = |condition: &str, ids: Vec<i64>| -> i64 {
        let sql = format!("SELECT count(*) AS n FROM {table} WHERE id {condition}");
        db.query_one(&sql, params! { ids: ids }).unwrap().get("n").unwrap()
    };
    assert_eq!(count("IN (:ids)", vec![1, 3, 9]), 2);
    assert_eq!(count("NOT IN (:ids)", vec![1, 3, 9]), 3);
    assert_eq!(count("IN (:ids)", vec![]), 0);
    assert_eq!(count("NOT IN (:ids)", vec![]), 5);
    let changed = db
        .execute(
            &format!("UPDATE {table} SET name = :name WHERE name IS NULL"),
            params! { name: Value::Null },
        )
        .unwrap();
    assert_eq!(changed, 1);
    Ok(())
}

pub(crate) fn plain_text_is_varchar_and_other_text_nvarchar(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let base = |value: &str| -> String {
        let sql = "SELECT CAST(SQL_VARIANT_PROPERTY(:v, 'BaseType') AS varchar(20)) AS base";
        db.query_one(sql, params! { v: value }).unwrap().get("base").unwrap()
    };
    assert_eq!(base("abc"), "varchar");
    // Whatever the settings say, a text finds itself in columns of both kinds.
    let table = target.table(&db, "v varchar(20), n nvarchar(20)");
    for texts in [TextParameters::Auto, TextParameters::Nvarchar, TextParameters::Varchar] {
        let db = target.builder().text_parameters(texts).build().unwrap();
        db.execute(&format!("INSERT INTO {table} VALUES (:t, :t)"), params! { t: "abc" }).unwrap();
        let found = format!("SELECT count(*) AS n FROM {table} WHERE v = :t AND n = :t");
        assert!(
            db.query_one(&found, params! { t: "abc" }).unwrap().get::<i64>("n").unwrap() > 0,
            "{texts:?}"
        );
        let other = db.query_one(&found, params! { t: "äbc" }).map(|row| row.get::<i64>("n").unwrap());
        match texts {
            TextParameters::Varchar => assert_eq!(other.unwrap_err().kind(), ErrorKind::Params),
            _ => assert_eq!(other.unwrap(), 0),
        }
        let long = "x".repeat(9_000);
        let same =
            db.query_one("SELECT CAST(:t AS nvarchar(max)) AS t", params! { t: long.as_str() }).unwrap();
        assert!(same.get::<String>("t").unwrap() == long, "{texts:?}");
    }
    // What is said in the statement goes before: there the text is `nvarchar` whatever it holds.
    let sql =
        "SELECT CAST(SQL_VARIANT_PROPERTY(CAST(:v AS nvarchar(20)), 'BaseType') AS varchar(20)) AS base";
    assert_eq!(db.query_one(sql, params! { v: "abc" }).unwrap().get::<String>("base").unwrap(), "nvarchar");
    target.not_on_babelfish("its sql_variant calls every text parameter a varchar")?;
    assert_eq!(base("äbc"), "nvarchar", "text that is not ASCII");
    let wide = target.builder().text_parameters(TextParameters::Nvarchar).build().unwrap();
    let sql = "SELECT CAST(SQL_VARIANT_PROPERTY(:v, 'BaseType') AS varchar(20)) AS base";
    let row = wide.query_one(sql, params! { v: "abc" }).unwrap();
    assert_eq!(row.get::<String>("base").unwrap(), "nvarchar");
    Ok(())
}

pub(crate) fn a_datetime_that_was_read_finds_its_row(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let table = target.table(&db, "id int PRIMARY KEY, at datetime");
    db.execute(
        &format!(
            "INSERT INTO {table} VALUES (0, '2026-01-05T08:00:37'), (3, '2026-01-05T08:00:37.003'), \
             (7, '2026-01-05T08:00:37.007')"
        ),
        (),
    )
    .unwrap();
    // A `datetime` is a number of 1/300 s, and compared as such: a timestamp becomes one by a cast only.
    let sql = format!("SELECT id FROM {table} WHERE at = CAST(:at AS datetime)");
    for row in db.execute_query(&format!("SELECT id, at FROM {table}"), ()).unwrap() {
        let found = db.execute_query(&sql, params! { at: row["at"].clone() }).unwrap();
        let ids: Vec<i64> = found.iter().map(|row| row.get(0).unwrap()).collect();
        assert_eq!(ids, [row.get::<i64>("id").unwrap()]);
    }
    Ok(())
}

pub(crate) fn a_long_parameter_is_of_no_old_type(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let table = target.table(&db, "id int, n nvarchar(max), v varchar(max), b varbinary(max)");
    let (plain, wide, raw) = ("x".repeat(9_000), "é".repeat(9_000), vec![7_u8; 9_000]);
    let given = || params! { n: wide.as_str(), v: plain.as_str(), b: raw.clone() };
    db.execute(&format!("INSERT INTO {table} VALUES (1, :n, :v, :b)"), given()).unwrap();
    // `text`, `ntext` and `image` can be compared with nothing, joined with nothing, and given to few functions.
    let equal = format!("SELECT id FROM {table} WHERE n = :n AND v = :v AND b = :b");
    assert_eq!(db.execute_query(&equal, given()).unwrap().len(), 1);
    let sql = "SELECT CAST(LEN(:v) AS int) AS v, CAST(LEN(:n + N'x') AS int) AS n, CAST(DATALENGTH(:b) AS int) AS b, \
               RIGHT(UPPER(:v) + 'y', 2) AS tail";
    let row = db.query_one(sql, given()).unwrap();
    let number = |name: &str| row.get::<i64>(name).unwrap();
    assert_eq!((number("v"), number("n"), number("b")), (9_000, 9_001, 9_000));
    assert_eq!(row.get::<String>("tail").unwrap(), "Xy");
    let json = format!("[{}1]", "1, ".repeat(4_000));
    let sql = "SELECT count(*) AS n FROM OPENJSON(:json)";
    assert_eq!(db.query_one(sql, params! { json: json }).unwrap().get::<i64>("n").unwrap(), 4_001);
    Ok(())
}
