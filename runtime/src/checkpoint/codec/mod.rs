//! A serde format for checkpoints and fingerprints.
//!
//! Each value starts with a tag of its kind, so that it can be read without knowing its type. Values that serde buffers
//! (`flatten`, `untagged`, skipped fields) are read back as they were written. The format also keeps every distinction
//! that serde makes: `Some(None)` and `None`, `1.0` and `1`, different NaNs, and maps with any keys. No common format
//! does both. The format is not stable, because a checkpoint is only read by the version of setl that wrote it.

mod decode;
mod encode;

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Writes a value so that [`read()`] returns an equal value.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> Result<(), CodecError> {
    value.serialize(encode::Encoder::new(out, encode::Form::AsGiven))
}

/// Writes a value so that equal values give equal bytes, whatever the order of their maps.
pub(super) fn write_canonical<T: Serialize + ?Sized>(
    value: &T,
    out: &mut dyn Write,
) -> Result<(), CodecError> {
    value.serialize(encode::Encoder::new(out, encode::Form::Canonical))
}

/// Reads a value that [`write()`] wrote.
pub(super) fn read<T: Deserialize<'static>>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut decoder = decode::Decoder::new(bytes);
    let value = T::deserialize(&mut decoder)?;
    decoder.end()?;
    Ok(value)
}

/// The first byte of a value.
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
    /// The end of a sequence or a map, whose length is not always known at its start.
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

/// An error of writing or reading a value.
#[derive(Debug)]
pub(crate) enum CodecError {
    /// The error of the value's own implementation.
    Value(String),
    /// The bytes do not have this format.
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
