//! What a load refuses because its column would keep another value.

use batchdb::{ErrorKind, ImportOptions, Value, params};
use chrono::{DateTime, FixedOffset};

use crate::target::{Target, Told};
use crate::values::decimal;

pub(crate) fn a_load_loses_nothing_in_its_columns(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let at: DateTime<FixedOffset> = "2026-01-05T08:00:37+02:00".parse().unwrap();
    let stamp = Value::Timestamp(at.naive_local());
    for (ty, value) in [
        ("int", decimal("1.5")),
        ("tinyint", Value::Float(1.5)),
        ("float", decimal("0.12345678901234567890")),
        ("date", stamp.clone()),
        ("time(7)", stamp.clone()),
        ("date", Value::from(at)),
        ("datetime2(6)", Value::from(at)),
        ("datetime", Value::from(at)),
        ("smalldatetime", Value::from(at)),
        // What the server would make a 0, the 1st of January 1900, another number or another text of.
        ("int", Value::from("")),
        ("bigint", Value::from("-")),
        ("float", Value::from(" ")),
        ("bit", Value::from("5")),
        ("bit", Value::Int(2)),
        ("money", Value::from("")),
        ("money", Value::from("1,5")),
        ("datetime", Value::from("")),
        ("datetime2", Value::from("08:00")),
        ("smalldatetime", Value::Int(5)),
        ("datetime", decimal("1.5")),
        ("datetime", Value::Time(at.time())),
        ("int", Value::from(b"abc".to_vec())),
        ("varchar(20)", Value::from(b"abc".to_vec())),
        ("uniqueidentifier", Value::from(b"abc".to_vec())),
        ("uniqueidentifier", Value::from("0e984725-c51c-4bf4-9960-e1c80e27aba0-and-more")),
        ("varbinary(20)", Value::Int(5)),
        ("varchar(20)", Value::from("Łódź")),
        ("char(20)", Value::from("日本")),
        ("text", Value::from("😀")),
    ] {
        let table = target.table(&db, &format!("v {ty}"));
        let error = db.bulk_insert(&table, &["v"], [(Value::Null,), (value.clone(),)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Params, "{ty}: {}", error.report());
        assert!(error.to_string().contains("record 2: column \"v\": "), "{ty}: {error}");
        // What becomes of the same parameter of a statement is the server's decision: no two agree.
        let alone = db.execute(&format!("INSERT INTO {table} VALUES (:v)"), params! { v: value.clone() });
        let sql = format!("SELECT CAST(v AS nvarchar(40)) AS v FROM {table}");
        let kept = match alone.and_then(|_| db.query_one(&sql, ())) {
            Ok(row) => row["v"].to_json().to_string(),
            Err(error) => format!("refused: {}", error.kind()),
        };
        println!("    {} in a statement into {ty}: {kept}", value.to_json());
    }
    let table = target.table(&db, "id int, o datetime, s smalldatetime, n datetime2(0)");
    for format in ["dmy", "mdy", "ymd"] {
        db.session(|session| {
            session.execute(&format!("SET DATEFORMAT {format}"), ())?;
            let file = "id,o,s,n\n1,2026-01-05,2026-01-05 08:00,2026-01-05\n2,2026-01-13T08:00:37.5,,\n";
            session.import_csv(&table, file.as_bytes(), ImportOptions::new())?;
            let sql = format!(
                "SELECT MONTH(o) AS o, MONTH(s) AS s, MONTH(n) AS n, DAY(o) AS d FROM {table} WHERE id = 1"
            );
            let row = session.query_one(&sql, ())?;
            assert!(
                row.values()[..3].iter().all(|month| *month == Value::Int(1)),
                "{format}: {row:?} {}",
                row.to_json()?
            );
            assert_eq!(row["d"], Value::Int(5));
            session.execute(&format!("DELETE FROM {table}"), ()).map(|_| ())
        })
        .unwrap_or_else(|error: batchdb::Error| panic!("{format}: {}", error.report()));
    }
    Ok(())
}

pub(crate) fn a_load_keeps_every_letter_or_names_its_record(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    let table = target
        .table(&db, "id int, v varchar(40), p varchar(40) COLLATE Polish_CI_AS NOT NULL, n nvarchar(40)");
    let columns = ["id", "v", "p", "n"];
    let row = |id: i64, v: &'static str, p: &'static str| (id, v, p, "Łódź 日本 😀");
    let rows = (1..=1_200).map(|id| row(id, "né €", "Łódź, né"));
    assert_eq!(db.bulk_insert(&table, &columns, rows).unwrap(), 1_200);
    let sql = format!("SELECT count(*) AS n FROM {table} WHERE v = :v AND p = :p AND n = :n");
    let given = params! { v: "né €", p: "Łódź, né", n: "Łódź 日本 😀" };
    assert_eq!(db.query_one(&sql, given).unwrap().get::<i64>("n").unwrap(), 1_200);
    // Of two columns each has its own letters.
    for (bad, column) in [(row(2_000, "Łódź", "Łódź"), "v"), (row(2_000, "ñ", "ñ"), "p")] {
        let rows = || (1_201..2_000).map(|id| row(id, "é", "Łódź")).chain([bad, row(2_001, "é", "é")]);
        let error = db.bulk_insert(&table, &columns, rows()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Params, "{}", error.report());
        assert!(error.to_string().contains(&format!("record 800: column \"{column}\": a letter")), "{error}");
        let error = db.bulk_upsert(&table, &columns, &["id"], rows()).unwrap_err();
        assert!(error.to_string().contains(&format!("record 800: column \"{column}\": a letter")), "{error}");
    }
    let sql = format!("SELECT count(*) AS n FROM {table}");
    assert_eq!(db.query_one(&sql, ()).unwrap().get::<i64>("n").unwrap(), 1_200);
    // Every digit of a float, too.
    db.bulk_insert(
        &table,
        &columns,
        [(Value::Int(3_000), Value::Float(1_234_567.891), Value::from(at_noon()), Value::Null)],
    )
    .unwrap();
    let row = db.query_one(&format!("SELECT v, p FROM {table} WHERE id = 3000"), ()).unwrap();
    assert_eq!(
        (&row["v"], &row["p"]),
        (&Value::from("1234567.891"), &Value::from("2026-01-05 12:00:00.0000000"))
    );
    Ok(())
}

fn at_noon() -> chrono::NaiveDateTime {
    "2026-01-05T12:00:00".parse().unwrap()
}
