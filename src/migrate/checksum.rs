//! What a migration's text is recognised by. Pure.
//!
//! A checkout may change line ends and an editor may add a byte order mark; neither changes a checksum.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The two checksums of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checksum {
    /// Flyway's, for the column that its tools read. It does not hash line ends, so that it cannot tell
    /// `-- note⏎DELETE …` from `-- noteDELETE …`; hence the second one.
    pub(crate) crc32: i32,
    /// SHA-256 of the text with its line ends, in hexadecimal. The one that decides.
    pub(crate) sha256: String,
}

impl Checksum {
    /// The checksums of a text that [`normalize`] returned.
    pub(crate) fn of(text: &str) -> Checksum {
        Checksum { crc32: crc32(text), sha256: sha256(text) }
    }
}

/// The text without byte order mark and with `\n` for every `\r\n`: what is hashed, and what is run.
pub(crate) fn normalize(text: &str) -> String {
    text.strip_prefix('\u{FEFF}').unwrap_or(text).replace("\r\n", "\n")
}

/// CRC-32 over the lines without their ends, as the signed number that Flyway stores.
///
/// Flyway reads lines as Java does, for which a lone `\r` ends one as well.
fn crc32(text: &str) -> i32 {
    let mut hasher = crc32fast::Hasher::new();
    for line in text.split(['\r', '\n']) {
        hasher.update(line.as_bytes());
    }
    hasher.finalize().cast_signed()
}

/// Whether a CRC-32 is that of the bytes of a text with the line ends of either world, as Pyway makes it.
pub(crate) fn is_of_bytes(crc32: u32, text: &str) -> bool {
    crc32fast::hash(text.as_bytes()) == crc32
        || crc32fast::hash(text.replace('\n', "\r\n").as_bytes()) == crc32
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Checksum {
        Checksum::of(&normalize(text))
    }

    #[test]
    fn the_known_values_come_out() {
        // The check value of CRC-32 is 0xCBF43926, which is negative as a signed number.
        assert_eq!(of("123456789").crc32, -873_187_034);
        assert_eq!(of("").crc32, 0);
        assert_eq!(of("abc").sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_change_nothing() {
        let unix = of("CREATE TABLE t (\n  a int\n);\n");
        assert_eq!(of("CREATE TABLE t (\r\n  a int\r\n);\r\n"), unix);
        assert_eq!(of("\u{FEFF}CREATE TABLE t (\r\n  a int\n);\n"), unix);
    }

    #[test]
    fn flyways_checksum_is_blind_to_line_ends_and_ours_is_not() {
        let (commented, live) = (of("-- note\nDELETE FROM t;"), of("-- noteDELETE FROM t;"));
        assert_eq!(commented.crc32, live.crc32);
        assert_ne!(commented.sha256, live.sha256);
        assert_eq!(of("a\rb").crc32, of("a\nb").crc32);
        assert_ne!(of("a\rb").sha256, of("a\nb").sha256);
    }

    #[test]
    fn spaces_count() {
        assert_ne!(of("SELECT 1; "), of("SELECT 1;"));
        assert_ne!(of("SELECT 1; ").crc32, of("SELECT 1;").crc32);
    }
}
