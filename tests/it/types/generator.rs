//! Random values of a type, now and then one of those at which programs break.

use std::env;
use std::sync::LazyLock;

use batchdb::{Interval, Value};
use bigdecimal::BigDecimal;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use fastrand::Rng;
use uuid::Uuid;

/// Where the run begins; given, it is the same run again.
pub(super) fn seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| {
        let seed = match env::var("TYPES_SEED") {
            Ok(seed) => seed.parse().expect("TYPES_SEED is a number"),
            Err(_) => fastrand::u64(..u64::from(u32::MAX)),
        };
        println!("TYPES_SEED={seed}");
        seed
    });
    *SEED
}

/// How many values of a type: so many, or as many as `TYPES_ROUNDS` says.
pub(super) fn rounds(many: usize) -> usize {
    env::var("TYPES_ROUNDS").map_or(many, |rounds| rounds.parse().expect("TYPES_ROUNDS is a number"))
}

pub(super) struct Generator(pub(super) Rng);

impl Generator {
    pub(super) fn new(offset: u64) -> Generator {
        Generator(Rng::with_seed(seed() + offset))
    }

    fn pick<'t>(&mut self, edges: &[&'t str]) -> Option<&'t str> {
        if self.0.u8(..5) == 0 { self.0.choice(edges).copied() } else { None }
    }

    pub(super) fn int(&mut self, least: i64, most: i64) -> i64 {
        match self.0.u8(..8) {
            0 => least,
            1 => most,
            2 => 0,
            // Of any size, and not only large.
            3..=5 => (self.0.i64(least..=most) >> self.0.u32(..63)).clamp(least, most),
            _ => self.0.i64(least..=most),
        }
    }

    /// A decimal of at most so many digits, `scale` of them behind the point.
    pub(super) fn decimal(&mut self, digits: usize, scale: i64) -> BigDecimal {
        let count = self.0.usize(1..=digits);
        let mut text: String = if self.0.bool() { "-" } else { "" }.to_owned();
        let even = self.0.u8(..4);
        // Runs of zeros and nines, and others.
        text.extend((0..count).map(|_| match even {
            0 => *self.0.choice(&['0', '0', '0', '0', '0', '9', '1']).unwrap(),
            _ => self.0.digit(10),
        }));
        BigDecimal::new(text.parse().unwrap(), scale)
    }

    pub(super) fn double(&mut self) -> f64 {
        const EDGES: &[f64] = &[
            0.0,
            -0.0,
            0.1,
            1e15,
            1e-5,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        match self.0.u8(..4) {
            0 => *self.0.choice(EDGES).unwrap(),
            1 => self.0.i32(..).into(),
            _ => f64::from_bits(self.0.u64(..)),
        }
    }

    pub(super) fn single(&mut self) -> f32 {
        const EDGES: &[f32] = &[0.0, -0.0, 0.1, f32::MAX, f32::MIN_POSITIVE, 1e-45, f32::NAN, f32::INFINITY];
        match self.0.u8(..4) {
            0 => *self.0.choice(EDGES).unwrap(),
            _ => f32::from_bits(self.0.u32(..)),
        }
    }

    pub(super) fn text(&mut self, most: usize) -> String {
        let edges = ["", " ", "NULL", "{}", "a\"b\\c", "(1,2]", "\t\n\r", "é€😀", "'", "%", "  x  ", "1,2"];
        match self.pick(&edges) {
            Some(edge) if edge.chars().count() <= most => edge.to_owned(),
            _ => {
                let length = self.0.usize(..=most);
                let ascii = self.0.bool();
                let letter = |_| if ascii { self.0.char(' '..='~') } else { self.0.char('\u{1}'..) };
                (0..length).map(letter).collect()
            }
        }
    }

    pub(super) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.0.usize(..=most)).map(|_| self.0.u8(..)).collect()
    }

    /// A date between two years, both included.
    pub(super) fn date(&mut self, first: i32, last: i32) -> NaiveDate {
        let (first, last) =
            (NaiveDate::from_ymd_opt(first, 1, 1).unwrap(), NaiveDate::from_ymd_opt(last, 12, 31).unwrap());
        let days = (last - first).num_days();
        let near = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap() + TimeDelta::days(self.0.i64(-800..800));
        match self.0.u8(..6) {
            0 => first,
            1 => last,
            2 | 3 if (first..=last).contains(&near) => near,
            _ => first + TimeDelta::days(self.0.i64(0..=days)),
        }
    }

    /// A time whose fraction has so many digits.
    pub(super) fn time(&mut self, digits: u32) -> NaiveTime {
        let step = 10_u32.pow(9 - digits);
        let nanos = match self.0.u8(..3) {
            0 => 0,
            1 => 10_u32.pow(digits) - 1,
            _ => self.0.u32(..10_u32.pow(digits)),
        };
        let seconds = if self.0.u8(..8) == 0 { 86_399 } else { self.0.u32(..86_400) };
        NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos * step).unwrap()
    }

    pub(super) fn timestamp(&mut self, (first, last): (i32, i32), digits: u32) -> NaiveDateTime {
        self.date(first, last).and_time(self.time(digits))
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        Uuid::from_u128(self.0.u128(..))
    }

    pub(super) fn interval(&mut self) -> Interval {
        let most = i64::from(i32::MAX);
        let least = -most - 1;
        let small = |number: i64| i32::try_from(number).unwrap();
        Interval {
            months: small(self.int(least, most)),
            days: small(self.int(least, most)),
            // The two ends of all three together mean an infinity from PostgreSQL 17 on.
            microseconds: self.int(i64::MIN + 1, i64::MAX - 1),
        }
    }

    pub(super) fn json(&mut self, depth: u32) -> serde_json::Value {
        match self.0.u8(..if depth == 0 { 6 } else { 8 }) {
            0 => serde_json::Value::Null,
            1 => self.0.bool().into(),
            2 => self.int(i64::MIN, i64::MAX).into(),
            3 => self.0.u64(..).into(),
            // What is no number is none in JSON.
            4 => self.double().into(),
            5 => self.text(12).into(),
            6 => (0..self.0.usize(..4)).map(|_| self.json(depth - 1)).collect::<Vec<_>>().into(),
            _ => {
                let fields = (0..self.0.usize(..4)).map(|_| (self.text(6), self.json(depth - 1)));
                fields.collect::<serde_json::Map<_, _>>().into()
            }
        }
    }

    /// A value of a type of PostgreSQL, as it should come back.
    pub(super) fn postgres(&mut self, ty: &str) -> Value {
        if let Some(element) = ty.strip_suffix("[]") {
            let depth = self.0.u8(..3);
            return self.list(element, depth);
        }
        let text = |edge: Option<&str>| edge.map(Value::from);
        match ty {
            "int2" => Value::Int(self.int(i16::MIN.into(), i16::MAX.into())),
            "int4" | "whole" => Value::Int(self.int(i32::MIN.into(), i32::MAX.into())),
            "int8" => Value::Int(self.int(i64::MIN, i64::MAX)),
            "oid" => Value::Int(self.int(0, u32::MAX.into())),
            "xid8" => Value::from(self.0.u64(..)),
            "bool" => Value::Bool(self.0.bool()),
            "float4" => Value::Float(self.single().into()),
            "float8" => Value::Float(self.double()),
            "numeric" => match self.0.u8(..12) {
                0 => Value::Float(*self.0.choice(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).unwrap()),
                1 => Value::Decimal(Box::new(format!("1{}", "0".repeat(131_071)).parse().unwrap())),
                2 => Value::from(BigDecimal::new(1.into(), 16_383)),
                3 => Value::from(self.decimal(2_000, 1_000)),
                _ => {
                    let scale = self.0.i64(0..40);
                    Value::from(self.decimal(60, scale))
                }
            },
            "text" | "varchar" | "bpchar" | "label" => Value::from(self.text(40)),
            "name" => Value::from(self.text(15)),
            "\"char\"" => Value::from(self.0.char('\u{1}'..='~').to_string()),
            "mood" => Value::from(*self.0.choice(&["sad", "o k", "it's \"é\""]).unwrap()),
            "bytea" => Value::from(self.bytes(40)),
            "date" => text(self.pick(&["infinity", "-infinity", "5874897-12-31", "262143-01-01"]))
                .unwrap_or_else(|| Value::Date(self.date(-4712, 262_142))),
            "time" => text(self.pick(&["24:00:00"])).unwrap_or_else(|| Value::Time(self.time(6))),
            "timetz" => {
                let time = self.time(6).format("%H:%M:%S").to_string();
                let edges =
                    ["24:00:00+15:59:59", "00:00:00.000001-15", "23:59:59.5+05:30", "12:00:00-00:00:01"];
                text(self.pick(&edges)).unwrap_or_else(|| Value::from(time + "+02"))
            }
            "timestamp" => text(self.pick(&["infinity", "-infinity", "294276-12-31 23:59:59.999999"]))
                .unwrap_or_else(|| Value::Timestamp(self.timestamp((-4712, 262_142), 6))),
            "timestamptz" => text(self.pick(&["infinity", "-infinity", "294276-12-31 23:59:59.999999+00"]))
                .unwrap_or_else(|| {
                    let at = self.timestamp((-4711, 262_141), 6).and_utc();
                    Value::TimestampTz(at.fixed_offset())
                }),
            "interval" => Value::Interval(self.interval()),
            "uuid" => Value::Uuid(self.uuid()),
            "json" | "jsonb" => loop {
                let json = self.json(3);
                // A number of its own may be too large for its text to be held; NUL is no text of PostgreSQL.
                if !json.to_string().contains("\\u0000") {
                    break Value::from(json);
                }
            },
            "inet" => Value::from(match self.0.u8(..4) {
                0 => format!("{}/{}", std::net::Ipv4Addr::from(self.0.u32(..)), self.0.u8(..32)),
                1 => std::net::Ipv4Addr::from(self.0.u32(..)).to_string(),
                2 => format!("{}/{}", std::net::Ipv6Addr::from(self.0.u128(1 << 100..)), self.0.u8(..128)),
                _ => (*self
                    .0
                    .choice(&["::1", "::", "::ffff:1.2.3.4", "::1.2.3.4", "::2", "fe80::1:0:0:2"])
                    .unwrap())
                .to_owned(),
            }),
            "cidr" => Value::from(
                *self.0.choice(&["10.0.0.0/8", "10.1.2.3/32", "::/0", "2001:db8::/32", "0.0.0.0/0"]).unwrap(),
            ),
            "macaddr" => Value::from(self.mac(6)),
            "macaddr8" => Value::from(self.mac(8)),
            "varbit" | "bit(9)" => {
                let length = if ty == "varbit" { self.0.usize(..30) } else { 9 };
                Value::from((0..length).map(|_| if self.0.bool() { '1' } else { '0' }).collect::<String>())
            }
            "pg_lsn" => Value::from(format!("{:X}/{:X}", self.0.u32(..), self.0.u32(..))),
            "tid" => Value::from(format!("({},{})", self.0.u32(..), self.0.u16(..))),
            "int4range" => {
                let (from, to) = (self.0.i32(..0), self.0.i32(1..));
                let edges = ["empty", "(,)", "[5,)", "(,-2147483648)"];
                text(self.pick(&edges)).unwrap_or_else(|| Value::from(format!("[{from},{to})")))
            }
            "numrange" => text(self.pick(&["[-Infinity,NaN)", "(1.50,2.0]", "[0.0,0.00]"]))
                .unwrap_or_else(|| Value::from(format!("[{},)", self.decimal(30, 7).to_plain_string()))),
            "tstzrange" => Value::from(
                *self
                    .0
                    .choice(&[
                        "[\"2026-01-05 08:00:37.5+00\",infinity)",
                        "(,\"0044-03-15 00:00:00+00 BC\"]",
                        "[\"294276-12-31 23:59:59+00\",)",
                    ])
                    .unwrap(),
            ),
            "daterange" => {
                Value::from(*self.0.choice(&["[2026-01-05,2026-02-01)", "[-infinity,)", "empty"]).unwrap())
            }
            "texts" => {
                Value::from(*self.0.choice(&["[\"\",\"a\"\"b\\\\c\")", "[a,\"b c\"]", "(\"(\",é]"]).unwrap())
            }
            "nummultirange" => Value::from(*self.0.choice(&["{}", "{[1.0,2.0),(3,)}", "{(,)}"]).unwrap()),
            "pair" => Value::from(
                *self
                    .0
                    .choice(&[
                        "(1,\"a \"\"b\"\" (c), \\\\d\",\"{t,f,NULL}\",\"2026-01-05 08:00:37\")",
                        "(,,,)",
                        "(-7,\"\",\"{{t},{f}}\",infinity)",
                        "(0,[x],\"[0:1]={t,f}\",)",
                    ])
                    .unwrap(),
            ),
            other => panic!("no values for {other}"),
        }
    }

    fn mac(&mut self, length: usize) -> String {
        (0..length).map(|_| format!("{:02x}", self.0.u8(..))).collect::<Vec<_>>().join(":")
    }

    /// A list of so many more dimensions, all of one length each; NULLs may be in the innermost.
    fn list(&mut self, element: &str, depth: u8) -> Value {
        let lengths: Vec<usize> = (0..=depth).map(|_| self.0.usize(1..4)).collect();
        if self.0.u8(..6) == 0 {
            return Value::List(Box::default());
        }
        self.lists(element, &lengths)
    }

    fn lists(&mut self, element: &str, lengths: &[usize]) -> Value {
        let Some((length, rest)) = lengths.split_first() else {
            return if self.0.u8(..5) == 0 { Value::Null } else { self.postgres(element) };
        };
        Value::List((0..*length).map(|_| self.lists(element, rest)).collect())
    }
}
