//! What a client says of itself when it logs in: the message LOGIN7 of TDS 7.

/// A login, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(dead_code, reason = "not every program that includes this file looks at all of it")]
pub(crate) struct Login {
    /// The version of the protocol that is asked for: `0x7400_0004` for 7.4.
    pub(crate) version: u32,
    pub(crate) user: String,
    pub(crate) password: String,
    /// The name of the program.
    pub(crate) application: String,
    /// The server's name, as the client was told it.
    pub(crate) server: String,
    pub(crate) database: String,
    /// `ApplicationIntent=ReadOnly`.
    pub(crate) reads_only: bool,
}

impl Login {
    /// Reads the content of the message; what is not there is empty.
    pub(crate) fn read(content: &[u8]) -> Login {
        // Behind 36 bytes of fixed fields stand an offset and a length in characters for each text.
        let number = |at: usize| {
            content.get(at..at + 2).map_or(0, |pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])))
        };
        let field = |index: usize| {
            let (at, length) = (number(36 + 4 * index), number(38 + 4 * index));
            content.get(at..at + 2 * length).unwrap_or_default().to_vec()
        };
        let text = |bytes: &[u8]| {
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        };
        // The halves of each byte of the password are exchanged, and then it is veiled.
        let unveiled: Vec<u8> = field(2).iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
        let version =
            content.get(4..8).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        Login {
            version,
            user: text(&field(1)),
            password: text(&unveiled),
            application: text(&field(3)),
            server: text(&field(4)),
            database: text(&field(8)),
            reads_only: content.get(26).is_some_and(|flags| flags & 0x20 != 0),
        }
    }
}
