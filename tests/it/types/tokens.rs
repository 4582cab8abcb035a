//! The types of SQL Server as they go over the wire: what announces a column, and what a value of it is.
//! (Microsoft's [MS-TDS], "Data Type Definitions"; little ends first.)

/// A column of a type, and the bytes of values in it.
pub(super) struct Column {
    /// The type's token and what follows it.
    pub(super) info: Vec<u8>,
    /// Of `rowversion` this is 80; of all others nobody needs it.
    pub(super) user_type: u32,
}

/// SQL Server's collation for Western Europe, code page 1252.
const COLLATION: [u8; 5] = [0x09, 0x04, 0xd0, 0x00, 0x34];

impl Column {
    fn of(info: Vec<u8>) -> Column {
        Column { info, user_type: 0 }
    }

    /// A type with a length of one byte: `bit`, the integers, floats, `money`, `datetime`, `uniqueidentifier`.
    pub(super) fn sized(token: u8, length: u8) -> Column {
        Column::of(vec![token, length])
    }

    pub(super) fn decimal(precision: u8, scale: u8) -> Column {
        Column::of(vec![0x6a, 17, precision, scale])
    }

    pub(super) fn date() -> Column {
        Column::of(vec![0x28])
    }

    /// `time`, `datetime2`, `datetimeoffset`.
    pub(super) fn scaled(token: u8, scale: u8) -> Column {
        Column::of(vec![token, scale])
    }

    /// `char`, `varchar`, `nchar`, `nvarchar` of so many bytes; 65,535 is `max`.
    pub(super) fn text(token: u8, bytes: u16) -> Column {
        Column::of([&[token][..], &bytes.to_le_bytes(), &COLLATION].concat())
    }

    pub(super) fn binary(token: u8, bytes: u16) -> Column {
        Column::of([&[token][..], &bytes.to_le_bytes()].concat())
    }

    pub(super) fn rowversion() -> Column {
        Column { user_type: 80, ..Column::binary(0xad, 8) }
    }

    pub(super) fn xml() -> Column {
        Column::of(vec![0xf1, 0])
    }

    /// `text`, `ntext`, `image`, of a table called `t`.
    pub(super) fn legacy(token: u8) -> Column {
        let collation: &[u8] = if token == 0x22 { &[] } else { &COLLATION };
        Column::of([&[token][..], &i32::MAX.to_le_bytes(), collation, &[1, 1, 0, b't', 0]].concat())
    }

    pub(super) fn variant() -> Column {
        Column::of([&[0x62][..], &8009_u32.to_le_bytes()].concat())
    }
}

/// A result of one column `v`, with these values in it.
pub(super) fn result(column: &Column, values: &[Vec<u8>]) -> Vec<u8> {
    let mut tokens = vec![0x81, 1, 0];
    tokens.extend(column.user_type.to_le_bytes());
    // The column may be NULL.
    tokens.extend([9, 0]);
    tokens.extend(&column.info);
    tokens.extend([1, b'v', 0]);
    for value in values {
        tokens.push(0xd1);
        tokens.extend(value);
    }
    tokens
}

/// A value behind its length in one byte; none is NULL.
pub(super) fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

/// A value behind its length in two bytes.
pub(super) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat()
}

/// A value of a `max` type: the whole length, then parts behind theirs.
pub(super) fn parts(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut value = (bytes.len() as u64).to_le_bytes().to_vec();
    for part in bytes.chunks(size) {
        value.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
        value.extend(part);
    }
    value.extend([0; 4]);
    value
}

/// A value of `text`, `ntext` or `image`: a pointer and a time stamp that nobody uses, the length, the bytes.
pub(super) fn pointed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    [&[16][..], &[7; 24], &length, bytes].concat()
}

/// NULL, by the way in which values of the column are told.
pub(super) fn null(column: &Column) -> Vec<u8> {
    match column.info[..] {
        [0xa5 | 0xa7 | 0xe7, 0xff, 0xff, ..] | [0xf1, ..] => vec![0xff; 8],
        [0xa5 | 0xa7 | 0xad | 0xaf | 0xe7 | 0xef, ..] => vec![0xff, 0xff],
        [0x62, ..] => vec![0; 4],
        _ => vec![0],
    }
}

pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// 100 ns since midnight, in so many bytes as seven digits need.
pub(super) fn ticks(time: chrono::NaiveTime) -> Vec<u8> {
    let since = time - chrono::NaiveTime::MIN;
    let ticks = since.num_nanoseconds().unwrap() / 100;
    ticks.to_le_bytes()[..5].to_vec()
}

/// Days since the first of the year 1.
pub(super) fn days(date: chrono::NaiveDate) -> Vec<u8> {
    let days = (date - chrono::NaiveDate::from_ymd_opt(1, 1, 1).unwrap()).num_days();
    days.to_le_bytes()[..3].to_vec()
}

/// A decimal's sign and its digits without the point.
pub(super) fn digits(unscaled: i128) -> Vec<u8> {
    let mut bytes = vec![u8::from(unscaled >= 0)];
    bytes.extend(unscaled.unsigned_abs().to_le_bytes());
    bytes
}

/// Takes a request apart.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(length);
        self.0 = tail;
        head
    }

    fn number(&mut self, bytes: usize) -> usize {
        self.take(bytes).iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    }

    /// The parts of a value of a `max` type, put together.
    fn parts(&mut self) -> Vec<u8> {
        self.take(8);
        let mut whole = Vec::new();
        loop {
            match self.number(4) {
                0 => return whole,
                length => whole.extend(self.take(length)),
            }
        }
    }

    /// A parameter: its type and its value, as a column of a result has them.
    fn parameter(&mut self) -> (Column, Vec<u8>) {
        let name = self.take(1)[0];
        self.take(usize::from(name) * 2);
        self.take(1);
        let rest = self.0;
        let token = rest[0];
        let size = match token {
            0x28 | 0xf1 => 1,
            0x26 | 0x68 | 0x6d | 0x6e | 0x6f | 0x24 | 0x29..=0x2b => 2,
            0x6a | 0x6c => 4,
            0xa5 | 0xad => 3,
            0xa7 | 0xaf | 0xe7 | 0xef => 8,
            0x22 => 5,
            0x23 | 0x63 => 10,
            other => panic!("no parameter of the type {other:#x} is known"),
        };
        let info = self.take(size).to_vec();
        match token {
            // A column of these types would be told in another way, so it becomes one of the new.
            0x22 | 0x23 | 0x63 => {
                let length = self.number(4);
                let value = parts(self.take(length), 8_000);
                let column = match token {
                    0x22 => Column::binary(0xa5, u16::MAX),
                    0x23 => Column::text(0xa7, u16::MAX),
                    _ => Column::text(0xe7, u16::MAX),
                };
                (column, value)
            }
            0xa5 | 0xa7 | 0xe7 if info[1..3] == [0xff, 0xff] => {
                (Column::of(info), parts(&self.parts(), 8_000))
            }
            0xa5 | 0xa7 | 0xad | 0xaf | 0xe7 | 0xef => {
                let length = self.number(2);
                (Column::of(info), long(self.take(length)))
            }
            _ => {
                let length = self.number(1);
                (Column::of(info), short(self.take(length)))
            }
        }
    }
}

/// The first value of a call of `sp_executesql`, whose first two parameters are the text and what it declares.
pub(super) fn first_value(request: &[u8]) -> (Column, Vec<u8>) {
    let mut reader = Reader(request);
    let headers = reader.number(4);
    reader.take(headers - 4);
    match reader.number(2) {
        0xffff => reader.take(2),
        length => reader.take(length * 2),
    };
    reader.take(2);
    reader.parameter();
    reader.parameter();
    // SQL Server compares `image`, `text` and `ntext` with nothing, and few functions take them.
    let (name, rest) = (usize::from(reader.0[0]), reader.0);
    assert!(!matches!(rest[2 + 2 * name], 0x22 | 0x23 | 0x63), "a value came as one of the old long types");
    reader.parameter()
}
