//! Addresses, as PostgreSQL prints them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{fixed, malformed};
use crate::error::Result;

/// `inet` and `cidr`: family, bits of the mask, whether it is a `cidr`, length, address.
pub(super) fn address(bytes: &[u8]) -> Result<String> {
    let [family, bits, is_cidr, _, address @ ..] = bytes else { return Err(malformed()) };
    let (text, most) = match (family, address.len()) {
        (2, 4) => (Ipv4Addr::from(fixed::<4>(address)?).to_string(), 32),
        (3, 16) => (v6(Ipv6Addr::from(fixed::<16>(address)?)), 128),
        _ => return Err(malformed()),
    };
    match (*bits, is_cidr) {
        (bits, _) if bits > most => Err(malformed()),
        (bits, 0) if bits == most => Ok(text),
        (bits, _) => Ok(format!("{text}/{bits}")),
    }
}

/// PostgreSQL also spells the addresses that once meant IPv4 with a dotted end.
fn v6(address: Ipv6Addr) -> String {
    let segments = address.segments();
    match (address.octets(), segments) {
        ([.., a, b, c, d], [0, 0, 0, 0, 0, 0, high, _]) if high != 0 => {
            format!("::{}", Ipv4Addr::new(a, b, c, d))
        }
        _ => address.to_string(),
    }
}

/// `macaddr` and `macaddr8`.
pub(super) fn mac_address(bytes: &[u8]) -> Result<String> {
    if !matches!(bytes.len(), 6 | 8) {
        return Err(malformed());
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}
