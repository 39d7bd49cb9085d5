//! How values are written down by way of serde: for checkpoints, and for fingerprints.
//!
//! Each value starts with a tag that says what it is, so that nothing has to be known to read it: what serde buffers
//! (`flatten`, `untagged`, fields that are left out) comes back as it went. And every distinction that serde makes is kept:
//! `Some(None)` from `None`, `1.0` from `1`, one NaN from another, maps by any key. No common format does both. Nothing is
//! stable about it, since only the version of setl that wrote a checkpoint ever reads it.

mod decode;
mod encode;

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Writes a value so that [`read()`] gives it back.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> Result<(), CodecError> {
    value.serialize(encode::Encoder::new(out, encode::Form::AsGiven))
}

/// Writes a value so that equal ones are written alike, in whichever order they iterate over their maps.
pub(super) fn write_canonical<T: Serialize + ?Sized>(
    value: &T,
    out: &mut dyn Write,
) -> Result<(), CodecError> {
    value.serialize(encode::Encoder::new(out, encode::Form::Canonical))
}

/// Reads what [`write()`] wrote.
pub(super) fn read<T: Deserialize<'static>>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut decoder = decode::Decoder::new(bytes);
    let value = T::deserialize(&mut decoder)?;
    decoder.end()?;
    Ok(value)
}

/// What a value starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Unit = 1,
    None,
    Some,
    False,
    True,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
    Sequence,
    Map,
    Variant,
    /// Of a sequence or a map: how long they are is not always known when they begin.
    End,
}

impl Tag {
    const ALL: [Self; 24] = [
        Self::Unit,
        Self::None,
        Self::Some,
        Self::False,
        Self::True,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::I128,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::U128,
        Self::F32,
        Self::F64,
        Self::Char,
        Self::Str,
        Self::Bytes,
        Self::Sequence,
        Self::Map,
        Self::Variant,
        Self::End,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte).checked_sub(1)?).copied()
    }
}

/// Why a value cannot be written or read.
#[derive(Debug)]
pub(crate) enum CodecError {
    /// What the value itself says.
    Value(String),
    /// The bytes are none that were written.
    Malformed(&'static str),
    Io(io::Error),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(message) => f.write_str(message),
            Self::Malformed(what) => f.write_str(what),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Value(_) | Self::Malformed(_) => None,
        }
    }
}

impl From<io::Error> for CodecError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}

#[cfg(test)]
mod tests;
