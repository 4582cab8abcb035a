//! Numerics, and bits.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use super::{Reader, malformed};
use crate::error::Result;
use crate::value::Value;

/// The binary form of `numeric`: a count of base-10,000 digits, the weight of the first, sign, scale.
/// (`numeric_send` in PostgreSQL's `src/backend/utils/adt/numeric.c`.) What is not a number is a float.
pub(super) fn numeric(bytes: &[u8]) -> Result<Value> {
    /// The most digits behind the point.
    const MOST: u16 = 16_383;
    let (head, digits) = bytes.split_at_checked(8).ok_or_else(malformed)?;
    let word = |place: usize| u16::from_be_bytes([head[place * 2], head[place * 2 + 1]]);
    let (count, weight, sign, scale) = (word(0), word(1).cast_signed(), word(2), word(3));
    let (digits, []) = digits.as_chunks::<2>() else { return Err(malformed()) };
    let negative = match sign {
        0x0000 => false,
        0x4000 => true,
        0xC000 => return Ok(Value::Float(f64::NAN)),
        0xD000 => return Ok(Value::Float(f64::INFINITY)),
        0xF000 => return Ok(Value::Float(f64::NEG_INFINITY)),
        _ => return Err(malformed()),
    };
    if digits.len() != usize::from(count) || scale > MOST {
        return Err(malformed());
    }
    let digits = digits.iter().map(|pair| match u16::from_be_bytes(*pair) {
        digit @ 0..=9_999 => Ok(digit),
        _ => Err(malformed()),
    });
    // How many decimal digits behind the point the last of the base-10,000 digits ends.
    let written = (i64::from(count) - 1 - i64::from(weight)) * 4;
    let scale = i64::from(scale);
    // 38 decimal digits fit into 128 bits, which is enough for most numbers; the others take the slow way.
    if count <= 8 {
        let mut sum = 0_i128;
        for digit in digits {
            sum = sum * 10_000 + i128::from(digit?);
        }
        let sum = if negative { -sum } else { sum };
        let exact = match u32::try_from((scale - written).unsigned_abs()) {
            Ok(more @ 0..=38) if scale >= written => sum.checked_mul(10_i128.pow(more)),
            // Digits beyond the scale are zeros: cutting them off loses nothing and keeps `1.50` as `1.50`.
            Ok(less @ 0..=38) => {
                Some(10_i128.pow(less)).filter(|power| sum % power == 0).map(|power| sum / power)
            }
            _ => None,
        };
        if let Some(unscaled) = exact {
            return Ok(Value::from(BigDecimal::new(BigInt::from(unscaled), scale)));
        }
        return Ok(Value::from(BigDecimal::new(BigInt::from(sum), written).with_scale(scale)));
    }
    let mut decimal = Vec::with_capacity(usize::from(count) * 4);
    for digit in digits {
        let digit = digit?;
        for power in [1000, 100, 10, 1] {
            // A decimal digit is less than 10.
            decimal.push((digit / power % 10) as u8);
        }
    }
    let sign = if negative { Sign::Minus } else { Sign::Plus };
    let unscaled = BigInt::from_radix_be(sign, &decimal, 10).ok_or_else(malformed)?;
    Ok(Value::from(BigDecimal::new(unscaled, written).with_scale(scale)))
}

/// `bit` and `varbit`: a count of bits, and the bits.
pub(super) fn bits(bytes: &[u8]) -> Result<String> {
    let mut reader = Reader(bytes);
    let count = usize::try_from(reader.i32()?).map_err(|_| malformed())?;
    let bytes = reader.take(count.div_ceil(8))?;
    reader.end()?;
    let bit = |place: usize| if bytes[place / 8] & (0x80 >> (place % 8)) == 0 { '0' } else { '1' };
    Ok((0..count).map(bit).collect())
}

/// A place in the write-ahead log: `16/B374D848`.
pub(super) fn lsn(place: u64) -> String {
    format!("{:X}/{:X}", place >> 32, place & 0xffff_ffff)
}

/// A place in a table: `(4,1)`.
pub(super) fn tid(bytes: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = bytes;
    format!("({},{})", u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))
}
