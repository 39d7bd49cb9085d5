//! A fast check of the lines of a CSV file, 64 bytes at a time.
//!
//! Bit masks of each block give the positions of separators, line ends and quotes, so that there is no branch per byte.
//! Irregular content, such as a quote within an unquoted field, is left to [`Dialect::cut`](super::fields::Dialect::cut).

use memchr::memchr;

use super::fields::Dialect;

const BLOCK: usize = 64;
/// The bit of each byte within a group of eight.
const BITS: [u8; BLOCK] = {
    let mut bits = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        bits[at] = 1 << (at % 8);
        at += 1;
    }
    bits
};

/// The extent of the regular lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Regular {
    /// The total length of the regular records, in bytes.
    pub(super) done: usize,
    /// The number of bytes after which it is worth trying blocks again.
    pub(super) again: usize,
}

/// The state at the start of a block.
struct Carry {
    /// All bits are set if the block begins within quotes. Otherwise it is 0.
    inside: u64,
    /// 1 if a quote at the start of the block opens a field, or is the second of two.
    may_open: u64,
    /// 1 if the byte before closes a field, unless a second quote follows.
    closing: u64,
    /// 1 if the byte before is a carriage return outside quotes.
    returned: u64,
}

/// Calls `record` for each record with its number of fields, and with `true` for a blank line. It stops at the first
/// irregular record, or when `record` returns `false`. The bytes must begin with a record.
pub(super) fn regular(
    dialect: &Dialect,
    bytes: &[u8],
    record: &mut impl FnMut(usize, bool) -> bool,
) -> Regular {
    let quote = dialect.quote.filter(|quote| memchr(*quote, bytes).is_some());
    let separator = dialect.separator;
    match (quote, memchr(b'\r', bytes).is_some()) {
        (None, false) => scan::<false, false>(separator, 0, bytes, record),
        (None, true) => scan::<false, true>(separator, 0, bytes, record),
        (Some(quote), false) => scan::<true, false>(separator, quote, bytes, record),
        (Some(quote), true) => scan::<true, true>(separator, quote, bytes, record),
    }
}

fn scan<const QUOTES: bool, const RETURNS: bool>(
    separator: u8,
    quote: u8,
    bytes: &[u8],
    record: &mut impl FnMut(usize, bool) -> bool,
) -> Regular {
    let mut carry = Carry { inside: 0, may_open: 1, closing: 0, returned: 0 };
    // The start of the record, and the number of its separators in the blocks before.
    let (mut start, mut separators) = (0, 0);
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        let irregular = |done| Regular { done, again: (index + 1) * BLOCK };
        let (mut between, mut ends) = (mask(block, separator), mask(block, b'\n'));
        let mut returns = if RETURNS { mask(block, b'\r') } else { 0 };
        if QUOTES {
            let quotes = mask(block, quote);
            let inside = prefix_xor(quotes) ^ carry.inside;
            (between, ends, returns) = (between & !inside, ends & !inside, returns & !inside);
            let (opening, closing) = (quotes & inside, quotes & !inside);
            let opens = between | ends | closing;
            let may_open = opens << 1 | carry.may_open;
            let after = closing << 1 | carry.closing;
            if opening & !may_open != 0 || after & !(between | ends | returns | opening) != 0 {
                return irregular(start);
            }
            carry.inside = if inside >> (BLOCK - 1) == 1 { u64::MAX } else { 0 };
            carry.may_open = opens >> (BLOCK - 1);
            carry.closing = closing >> (BLOCK - 1);
        }
        if RETURNS {
            if (returns << 1 | carry.returned) & !ends != 0 {
                return irregular(start);
            }
            carry.returned = returns >> (BLOCK - 1);
        }
        while ends != 0 {
            let end = ends & ends.wrapping_neg();
            let before = between & (end - 1);
            let at = index * BLOCK + end.trailing_zeros() as usize;
            let fields = separators + before.count_ones() as usize + 1;
            let blank = fields == 1 && matches!(&bytes[start..at], [] | [b'\r']);
            if !record(fields, blank) {
                return irregular(start);
            }
            (start, separators) = (at + 1, 0);
            between ^= before;
            ends ^= end;
        }
        separators += between.count_ones() as usize;
    }
    Regular { done: start, again: bytes.len() }
}

/// Returns a mask of the bytes of a block that equal `byte`.
#[inline(always)]
fn mask(block: &[u8; BLOCK], byte: u8) -> u64 {
    let mut found = [0; BLOCK];
    for at in 0..BLOCK {
        found[at] = if block[at] == byte { BITS[at] } else { 0 };
    }
    let (eights, _) = found.as_chunks::<8>();
    eights.iter().enumerate().fold(0, |mask, (at, eight)| {
        // Each of the eight bytes has its own bit, so their sum combines them.
        mask | (u64::from_le_bytes(*eight).wrapping_mul(0x0101_0101_0101_0101) >> 56) << (8 * at)
    })
}

/// Sets each bit if the number of set bits up to it is odd.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
