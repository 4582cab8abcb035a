use super::*;
use crate::error::ErrorKind;

fn bound(value: impl Into<Value>, flavor: Flavor) -> Argument {
    argument(&value.into(), flavor, TextParameters::Auto).unwrap()
}

#[test]
fn a_database_may_have_one_kind_of_text_only() {
    let given = |text: &str, texts| argument(&text.into(), Flavor::SqlServer, texts);
    let wide = given("abc", TextParameters::Nvarchar).unwrap();
    assert_eq!((wide.sql_type, wide.size, wide.indicator), (SqlDataType::EXT_W_VARCHAR, 100, 6));
    assert_eq!(given("abc", TextParameters::Varchar).unwrap().sql_type, SqlDataType::VARCHAR);
    let refused = given("é", TextParameters::Varchar).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Params);
    let elsewhere = argument(&"é".into(), Flavor::Postgres, TextParameters::Varchar);
    assert_eq!(elsewhere.unwrap().sql_type, SqlDataType::EXT_W_VARCHAR);
    // A number is spelled, and no text of the program.
    let uuid = argument(&Value::Uuid(uuid::Uuid::nil()), Flavor::SqlServer, TextParameters::Nvarchar);
    assert_eq!(uuid.unwrap().sql_type, SqlDataType::VARCHAR);
}

#[test]
fn text_goes_to_sql_server_as_varchar_where_it_can_and_in_steps_of_size() {
    let plain = bound("abc", Flavor::SqlServer);
    assert_eq!((plain.sql_type, plain.size), (SqlDataType::VARCHAR, 100));
    let wide = bound("é€😀", Flavor::SqlServer);
    assert_eq!((wide.sql_type, wide.size, wide.indicator), (SqlDataType::EXT_W_VARCHAR, 100, 8));
    for (value, typed, kept) in [
        (Value::from("a".repeat(8001)), SqlDataType::EXT_LONG_VARCHAR, SqlDataType::VARCHAR),
        (Value::from("é".repeat(4001)), SqlDataType::EXT_W_LONG_VARCHAR, SqlDataType::EXT_W_VARCHAR),
        (Value::from(vec![0_u8; 8001]), SqlDataType::EXT_LONG_VAR_BINARY, SqlDataType::EXT_VAR_BINARY),
    ] {
        assert_eq!(bound(value.clone(), Flavor::SqlServer).sql_type, typed);
        let max = bound(value, Flavor::SqlServer).with(Long::Unsized);
        assert_eq!((max.sql_type, max.size), (kept, 0));
    }
    assert_eq!(bound("é€😀", Flavor::Sqlite).cdata_type(), CDataType::Char);
}

#[test]
fn a_second_has_no_more_digits_than_sql_server_reads() {
    let time: chrono::NaiveTime = "08:00:37.1234567".parse().unwrap();
    for (flavor, length) in
        [(Flavor::SqlServer, "08:00:37.1234567".len()), (Flavor::Sqlite, "08:00:37.123456700".len())]
    {
        assert_eq!(bound(time, flavor).indicator, length as isize);
    }
    let at = chrono::NaiveDate::MAX.with_year(2026).unwrap().and_time(time).and_utc();
    let length = "2026-12-31 08:00:37.1234567 +00:00".len();
    assert_eq!(bound(at, Flavor::SqlServer).indicator, length as isize);
}

#[test]
fn bytes_go_in_steps_of_size() {
    for (length, size) in [(0, 100), (100, 100), (101, 1000), (1001, 8000), (8000, 8000), (8001, 8001)] {
        assert_eq!(bound(vec![0_u8; length], Flavor::SqlServer).size, size, "{length}");
    }
}

#[test]
fn decimals_keep_their_digits_and_scale() {
    for (text, size, digits) in [("12.30", 4, 2), ("-0.001", 3, 3), ("1e3", 4, 0), ("0", 1, 0)] {
        let decimal = bound(text.parse::<BigDecimal>().unwrap(), Flavor::SqlServer);
        assert_eq!((decimal.sql_type, decimal.size, decimal.digits), (SqlDataType::DECIMAL, size, digits));
    }
    let small = format!("0.{}", "9".repeat(38));
    assert_eq!(bound(small.parse::<BigDecimal>().unwrap(), Flavor::SqlServer).sql_type, SqlDataType::DECIMAL);
    assert!(
        argument(
            &Value::Decimal(Box::new("1e1000000000".parse().unwrap())),
            Flavor::SqlServer,
            TextParameters::Auto
        )
        .is_err()
    );
    let huge = bound("1e40".parse::<BigDecimal>().unwrap(), Flavor::SqlServer);
    assert_eq!(huge.sql_type, SqlDataType::VARCHAR);
}

#[test]
fn old_dates_go_to_sql_server_as_text() {
    let day = |year| NaiveDate::from_ymd_opt(year, 3, 1).unwrap();
    for (year, c_type) in [(1, CDataType::Char), (1752, CDataType::Char), (1753, CDataType::TypeDate)] {
        assert_eq!(bound(Value::Date(day(year)), Flavor::SqlServer).cdata_type(), c_type);
    }
    let at = Value::Timestamp(day(1583).and_hms_opt(1, 2, 3).unwrap());
    assert_eq!(bound(at, Flavor::SqlServer).cdata_type(), CDataType::Char);
}

#[test]
fn what_cannot_go_unchanged_is_refused_with_its_place() {
    let refused = |value: Value, flavor| {
        let forms = Forms { flavor, long: Long::Typed, texts: TextParameters::Auto };
        arguments(&[Value::Null, value], forms).unwrap_err()
    };
    let fine = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap().and_hms_nano_opt(3, 4, 5, 678).unwrap();
    for error in [
        refused(Value::Timestamp(fine), Flavor::SqlServer),
        refused(Value::from("a\0b"), Flavor::Sqlite),
        refused(Value::List(Box::default()), Flavor::Other),
        refused(Value::Float(f64::NAN), Flavor::Sqlite),
    ] {
        assert_eq!(error.kind(), ErrorKind::Params);
        assert!(error.to_string().starts_with("parameter 2: "), "{error}");
    }
    assert!(argument(&Value::from("a\0b"), Flavor::SqlServer, TextParameters::Auto).is_err());
}

#[test]
fn debug_shows_no_value() {
    assert!(!format!("{:?}", bound("hunter2", Flavor::Sqlite)).contains("hunter2"));
}
