//! Texts that somebody would send who wants a value to become a statement, or to be read as another value.

use std::env;
use std::sync::LazyLock;

use fastrand::Rng;

/// What has ended a string, begun a comment, named a parameter or broken an encoding somewhere.
const PIECES: &[&str] = &[
    "'",
    "''",
    "\"",
    "\"\"",
    "`",
    "\\",
    "\\'",
    "\\\\",
    ":name",
    ":1",
    "::text",
    ":=",
    "$1",
    "$2::int",
    "$$",
    "$a$",
    "?",
    "??",
    "@p",
    "@@version",
    "#t",
    "--",
    "-- \n",
    "/*",
    "*/",
    "/* /* */",
    ";",
    "; DROP TABLE canary; --",
    "'; DELETE FROM canary; --",
    "') ; DELETE FROM canary; /*",
    "{",
    "}",
    "{fn now()}",
    "{d '2026-01-01'}",
    "{oj",
    "{1,2}",
    "NULL",
    "null",
    "{}",
    "[]",
    "[",
    "]",
    "]]",
    "%",
    "%s",
    "%00",
    "%27",
    "_",
    "\\x00",
    "\\000",
    "\\u0000",
    "\\ud800",
    "U&'\\0027'",
    "E'\\''",
    "N'x'",
    "x'00'",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\u{b}",
    "\u{1}",
    "\u{1a}",
    "\u{7f}",
    " ",
    "  ",
    "\u{a0}",
    "\u{200b}",
    "\u{feff}",
    "\u{202e}",
    "\u{2066}",
    "\u{200d}",
    "\u{301}",
    "é",
    "ß",
    "İ",
    "ſ",
    "Ω",
    "ｑ",
    "＇",
    "’",
    "ʼ",
    "中文",
    "עברית",
    "العربية",
    "हिन्दी",
    "😀",
    "👩‍👩‍👧‍👦",
    "🇩🇪",
    "𝒳",
    "\u{ffff}",
    "\u{fffd}",
    "\u{e000}",
    "\u{10ffff}",
    "\u{10000}",
    "0",
    "-1",
    "1e999",
    "NaN",
    "Infinity",
    "true",
    "2026-02-30",
    "0x41",
    "GO",
    "GO\n",
    "COMMIT",
    "BEGIN",
    "ROLLBACK;",
    "SELECT 1",
    "UNION SELECT",
    "CHAR(39)",
    "\\.",
    "\\N",
    "<script>",
    "../..",
    "\u{85}",
    "\u{2028}",
];

/// Where the run begins; given, it is the same run again.
pub(super) fn seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| {
        let seed = match env::var("HOSTILE_SEED") {
            Ok(seed) => seed.parse().expect("HOSTILE_SEED is a number"),
            Err(_) => fastrand::u64(..u64::from(u32::MAX)),
        };
        println!("HOSTILE_SEED={seed}");
        seed
    });
    *SEED
}

pub(super) struct Generator(Rng);

impl Generator {
    pub(super) fn new(seed: u64) -> Generator {
        Generator(Rng::with_seed(seed))
    }

    /// Mostly short, at times long, now and then longer than any buffer.
    pub(super) fn value(&mut self) -> String {
        let pieces = match self.0.u32(..5_000) {
            0 => 150_000,
            1..=10 => 3_000,
            11..=200 => self.0.usize(50..200),
            _ => self.0.usize(..8),
        };
        (0..pieces).map(|_| self.piece()).collect()
    }

    /// A name that PostgreSQL does not cut (63 bytes), and without a dot: SQLite's driver calls the column `a.b` `b`.
    pub(super) fn name(&mut self) -> String {
        let mut name = String::from(*self.0.choice(&["t", "T", " ", "\"", "'"]).unwrap());
        loop {
            let piece = self.piece().replace('.', "");
            if name.len() + piece.len() > 60 {
                return name;
            }
            name.push_str(&piece);
        }
    }

    fn piece(&mut self) -> String {
        if self.0.u8(..4) == 0 {
            // Any character but NUL, which has a test of its own.
            return self.0.char('\u{1}'..).to_string();
        }
        (*self.0.choice(PIECES).unwrap()).to_owned()
    }
}
