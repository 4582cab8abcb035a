use super::*;
use proptest::prelude::*;

/// A decoder for each type that has a form of its own, with names for messages.
fn all() -> Vec<(Type, Decoder)> {
    [
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::OID,
        Type::XID8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::NUMERIC,
        Type::TEXT,
        Type::CHAR,
        Type::BYTEA,
        Type::DATE,
        Type::TIME,
        Type::TIMETZ,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::INTERVAL,
        Type::UUID,
        Type::JSON,
        Type::JSONB,
        Type::JSONPATH,
        Type::INET,
        Type::MACADDR,
        Type::VARBIT,
        Type::PG_LSN,
        Type::TID,
        Type::VOID,
        Type::RECORD,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::NUM_RANGE,
        Type::TSTZ_RANGE,
        Type::INT8MULTI_RANGE,
        Type::INT4_RANGE_ARRAY,
    ]
    .into_iter()
    .map(|ty| (ty.clone(), Decoder::of(&ty).unwrap()))
    .chain([(
        Type::RECORD,
        Decoder::Composite(Arc::new([
            (Type::INT4.oid(), Decoder::Int4),
            (Type::JSONB.oid(), Decoder::Jsonb),
        ])),
    )])
    .collect()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn read(ty: &Type, bytes: &[u8]) -> Result<Value> {
    Decoder::of(ty).unwrap().read(Some(bytes))
}

#[track_caller]
fn check_numeric(form: &[u16], expected: &str) {
    match read(&Type::NUMERIC, &words(form)).unwrap() {
        Value::Decimal(number) => assert_eq!(number.to_plain_string(), expected),
        _ => panic!("not a decimal"),
    }
}

#[test]
fn numerics_keep_every_digit_and_their_scale() {
    check_numeric(&[0, 0, 0, 0], "0");
    check_numeric(&[0, 0, 0, 2], "0.00");
    check_numeric(&[2, 0, 0, 2, 1, 5000], "1.50");
    check_numeric(&[1, 0xffff, 0x4000, 4, 1], "-0.0001");
    check_numeric(&[1, 0xffff, 0, 30, 1], &format!("0.0001{}", "0".repeat(26)));
    check_numeric(&[1, 2, 0, 0, 7], "700000000");
    check_numeric(&[1, 2, 0, 2, 7], "700000000.00");
    check_numeric(&[8, 7, 0, 0, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999], &"9".repeat(32));
    check_numeric(
        &[11, 10, 0x4000, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        "-10002000300040005000600070008000900100011",
    );
    let number = |sign| read(&Type::NUMERIC, &words(&[0, 0, sign, 0])).unwrap();
    assert_eq!(number(0xD000), Value::Float(f64::INFINITY));
    assert_eq!(number(0xF000), Value::Float(f64::NEG_INFINITY));
    assert!(matches!(number(0xC000), Value::Float(nan) if nan.is_nan()));
    for broken in
        [&[1, 0, 0, 0][..], &[0, 0, 0, 0, 1], &[1, 0, 0, 0, 10_000], &[0, 0, 1, 0], &[0, 0, 0, 16_384]]
    {
        assert!(read(&Type::NUMERIC, &words(broken)).is_err(), "{broken:?}");
    }
}

#[test]
fn what_chrono_cannot_hold_is_text() {
    let text = |ty: Type, bytes: &[u8]| match read(&ty, bytes).unwrap() {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text(Type::TIMESTAMP, &i64::MAX.to_be_bytes()), "infinity");
    assert_eq!(text(Type::TIMESTAMPTZ, &i64::MIN.to_be_bytes()), "-infinity");
    assert_eq!(text(Type::DATE, &i32::MIN.to_be_bytes()), "-infinity");
    assert_eq!(text(Type::DATE, &2_145_031_948_i32.to_be_bytes()), "5874897-12-31");
    let last = 9_223_371_331_199_999_999_i64.to_be_bytes();
    assert_eq!(text(Type::TIMESTAMP, &last), "294276-12-31 23:59:59.999999");
    assert_eq!(text(Type::TIMESTAMPTZ, &last), "294276-12-31 23:59:59.999999+00");
    assert_eq!(text(Type::TIME, &86_400_000_000_i64.to_be_bytes()), "24:00:00");
    assert!(read(&Type::TIME, &86_400_000_001_i64.to_be_bytes()).is_err());
    assert!(read(&Type::TIME, &(-1_i64).to_be_bytes()).is_err());
    let zoned = |micros: i64, west: i32| [&micros.to_be_bytes()[..], &west.to_be_bytes()].concat();
    assert_eq!(text(Type::TIMETZ, &zoned(3_600_500_000, -19_800)), "01:00:00.5+05:30");
    assert!(read(&Type::TIMETZ, &zoned(0, i32::MIN)).is_err());
}

#[test]
fn addresses_bits_and_places_are_spelled_as_the_server_does() {
    let text = |ty: Type, bytes: &[u8]| read(&ty, bytes).unwrap().as_str().unwrap().to_owned();
    assert_eq!(text(Type::INET, &[2, 32, 0, 4, 10, 0, 0, 1]), "10.0.0.1");
    assert_eq!(text(Type::CIDR, &[2, 32, 1, 4, 10, 0, 0, 1]), "10.0.0.1/32");
    assert_eq!(text(Type::INET, &[2, 8, 0, 4, 10, 0, 0, 1]), "10.0.0.1/8");
    let mut mapped = vec![3, 128, 0, 16];
    mapped.extend("::ffff:1.2.3.4".parse::<std::net::Ipv6Addr>().unwrap().octets());
    assert_eq!(text(Type::INET, &mapped), "::ffff:1.2.3.4");
    assert!(read(&Type::INET, &[2, 33, 0, 4, 10, 0, 0, 1]).is_err());
    assert_eq!(text(Type::MACADDR, &[0, 255, 1, 2, 3, 4]), "00:ff:01:02:03:04");
    assert_eq!(text(Type::VARBIT, &[0, 0, 0, 10, 0b1010_0000, 0b0100_0000]), "1010000001");
    assert_eq!(text(Type::BIT, &[0, 0, 0, 0]), "");
    assert!(read(&Type::BIT, &[0x7f, 0xff, 0xff, 0xff, 1]).is_err());
    assert_eq!(text(Type::PG_LSN, &0x16_B374_D848_u64.to_be_bytes()), "16/B374D848");
    assert_eq!(text(Type::TID, &[0, 0, 0, 4, 0, 1]), "(4,1)");
    assert_eq!(text(Type::CHAR, &[0]), "");
    assert!(read(&Type::CHAR, &[200]).is_err());
    assert!(read(&Type::XID8, &u64::MAX.to_be_bytes()).unwrap() == Value::from(u64::MAX));
}

/// What announces more than it has must not make room for it.
#[test]
fn an_announcement_is_no_allocation() {
    let int = |number: i32| number.to_be_bytes();
    let huge = [int(1), int(0), int(23), int(i32::MAX), int(1)].concat();
    assert!(read(&Type::INT4_ARRAY, &huge).is_err());
    let overflowing = [int(2), int(0), int(23), int(i32::MAX), int(1), int(i32::MAX), int(1)].concat();
    assert!(read(&Type::INT4_ARRAY, &overflowing).is_err());
    assert!(read(&Type::INT4_ARRAY, &[int(7), int(0), int(23)].concat()).is_err());
    assert!(read(&Type::INT8MULTI_RANGE, &int(-1)).is_err());
    assert!(read(&Type::RECORD, &int(-1)).is_err());
    assert!(read(&Type::TEXT_ARRAY, &[int(1), int(0), int(25), int(1), int(1), int(-2)].concat()).is_err());
}

#[test]
fn broken_forms_are_errors() {
    for (ty, decoder) in all() {
        // No form has 41 bytes of this kind, but for those that hold just any.
        let lax = matches!(decoder, Decoder::Bytes | Decoder::Void);
        assert_eq!(decoder.read(Some(&[0xfe; 41])).is_err(), !lax, "{ty}");
        assert!(decoder.read(None).unwrap().is_null());
    }
    for name in ["money", "point", "tsvector"] {
        let ty =
            [Type::MONEY, Type::POINT, Type::TS_VECTOR].into_iter().find(|ty| ty.name() == name).unwrap();
        assert!(Decoder::of(&ty).unwrap_err().to_string().contains(name));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for (_, decoder) in all() {
            let _ = decoder.read(Some(&bytes));
            let _ = decoder.print(&bytes);
        }
    }

    /// Small numbers in the right places come further than bytes of any kind.
    #[test]
    fn nor_do_bytes_that_look_right(
        parts in proptest::collection::vec(prop_oneof![-1_i32..9, Just(23), Just(25), Just(1700)], 0..24),
        tail in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let bytes = parts.iter().flat_map(|part| part.to_be_bytes()).chain(tail).collect::<Vec<u8>>();
        for (_, decoder) in all() {
            let _ = decoder.read(Some(&bytes));
            let _ = decoder.print(&bytes);
        }
    }
}
