//! Encodes a value as tagged bytes.

use std::io::Write;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{CodecError, Tag};

/// The treatment of differences between equal values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Differences are kept.
    AsGiven,
    /// Maps are sorted by the bytes of their keys, and all NaNs are equal.
    Canonical,
}

pub(super) struct Encoder<'out> {
    out: &'out mut dyn Write,
    form: Form,
}

impl<'out> Encoder<'out> {
    pub(super) fn new(out: &'out mut dyn Write, form: Form) -> Self {
        Self { out, form }
    }

    fn tag(&mut self, tag: Tag) -> Result<(), CodecError> {
        Ok(self.out.write_all(&[tag as u8])?)
    }

    fn tagged(&mut self, tag: Tag, bytes: &[u8]) -> Result<(), CodecError> {
        self.tag(tag)?;
        Ok(self.out.write_all(bytes)?)
    }

    /// Writes `bytes` with their length in front, so that the following bytes cannot be taken for a part of them.
    fn sized(&mut self, tag: Tag, bytes: &[u8]) -> Result<(), CodecError> {
        self.tagged(tag, &(bytes.len() as u64).to_le_bytes())?;
        Ok(self.out.write_all(bytes)?)
    }

    fn variant(&mut self, name: &'static str) -> Result<(), CodecError> {
        self.tag(Tag::Variant)?;
        self.sized(Tag::Str, name.as_bytes())
    }

    fn begin(mut self, tag: Tag) -> Result<Compound<'out>, CodecError> {
        self.tag(tag)?;
        let form = self.form;
        Ok(Compound { encoder: self, sorted: (form == Form::Canonical).then(Vec::new), key: Vec::new() })
    }
}

macro_rules! numbers {
    ($($method:ident: $type:ty => $tag:ident),* $(,)?) => {
        $(fn $method(mut self, value: $type) -> Result<(), CodecError> {
            self.tagged(Tag::$tag, &value.to_le_bytes())
        })*
    };
}

impl<'out> Serializer for Encoder<'out> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Compound<'out>;
    type SerializeTuple = Compound<'out>;
    type SerializeTupleStruct = Compound<'out>;
    type SerializeTupleVariant = Compound<'out>;
    type SerializeMap = Compound<'out>;
    type SerializeStruct = Compound<'out>;
    type SerializeStructVariant = Compound<'out>;

    numbers! {
        serialize_i8: i8 => I8,
        serialize_i16: i16 => I16,
        serialize_i32: i32 => I32,
        serialize_i64: i64 => I64,
        serialize_i128: i128 => I128,
        serialize_u8: u8 => U8,
        serialize_u16: u16 => U16,
        serialize_u32: u32 => U32,
        serialize_u64: u64 => U64,
        serialize_u128: u128 => U128,
    }

    fn serialize_bool(mut self, value: bool) -> Result<(), CodecError> {
        self.tag(if value { Tag::True } else { Tag::False })
    }

    fn serialize_f32(mut self, value: f32) -> Result<(), CodecError> {
        let value = if self.form == Form::Canonical && value.is_nan() { f32::NAN } else { value };
        self.tagged(Tag::F32, &value.to_bits().to_le_bytes())
    }

    fn serialize_f64(mut self, value: f64) -> Result<(), CodecError> {
        let value = if self.form == Form::Canonical && value.is_nan() { f64::NAN } else { value };
        self.tagged(Tag::F64, &value.to_bits().to_le_bytes())
    }

    fn serialize_char(mut self, value: char) -> Result<(), CodecError> {
        self.tagged(Tag::Char, &u32::from(value).to_le_bytes())
    }

    fn serialize_str(mut self, value: &str) -> Result<(), CodecError> {
        self.sized(Tag::Str, value.as_bytes())
    }

    fn serialize_bytes(mut self, value: &[u8]) -> Result<(), CodecError> {
        self.sized(Tag::Bytes, value)
    }

    fn serialize_none(mut self) -> Result<(), CodecError> {
        self.tag(Tag::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), CodecError> {
        self.tag(Tag::Some)?;
        value.serialize(self)
    }

    fn serialize_unit(mut self) -> Result<(), CodecError> {
        self.tag(Tag::Unit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CodecError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), CodecError> {
        self.variant(variant)?;
        self.tag(Tag::Unit)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        self.variant(variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'out>, CodecError> {
        self.begin(Tag::Sequence)
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'out>, CodecError> {
        self.begin(Tag::Sequence)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'out>, CodecError> {
        self.begin(Tag::Sequence)
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'out>, CodecError> {
        self.variant(variant)?;
        self.begin(Tag::Sequence)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'out>, CodecError> {
        self.begin(Tag::Map)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'out>, CodecError> {
        self.begin(Tag::Map)
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'out>, CodecError> {
        self.variant(variant)?;
        self.begin(Tag::Map)
    }

    // The deserializers that serde uses for buffered values are always human-readable, whatever the format. So this
    // format must be, too. Otherwise types that ask, such as `IpAddr`, could not be read back from within `flatten`.
    fn is_human_readable(&self) -> bool {
        true
    }
}

/// A sequence or a map that is being written.
pub(super) struct Compound<'out> {
    encoder: Encoder<'out>,
    /// The entries of a map that must be sorted.
    sorted: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// The key of the next value, if the map must be sorted.
    key: Vec<u8>,
}

impl Compound<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        let Encoder { out, form } = &mut self.encoder;
        value.serialize(Encoder::new(&mut **out, *form))
    }

    fn aside<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::new();
        value.serialize(Encoder::new(&mut bytes, self.encoder.form))?;
        Ok(bytes)
    }

    fn finish(mut self) -> Result<(), CodecError> {
        if let Some(mut entries) = self.sorted.take() {
            entries.sort();
            for (key, value) in entries {
                self.encoder.out.write_all(&key)?;
                self.encoder.out.write_all(&value)?;
            }
        }
        self.encoder.tag(Tag::End)
    }
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        if self.sorted.is_none() {
            return self.element(key);
        }
        self.key = self.aside(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        if self.sorted.is_none() {
            return self.element(value);
        }
        let entry = (std::mem::take(&mut self.key), self.aside(value)?);
        self.sorted.get_or_insert_default().push(entry);
        Ok(())
    }

    fn end(self) -> Result<(), CodecError> {
        self.finish()
    }
}

macro_rules! sequences {
    ($($trait:ident::$method:ident),*) => {
        $(impl $trait for Compound<'_> {
            type Ok = ();
            type Error = CodecError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                self.element(value)
            }

            fn end(self) -> Result<(), CodecError> {
                self.finish()
            }
        })*
    };
}

macro_rules! structs {
    ($($trait:ident),*) => {
        $(impl $trait for Compound<'_> {
            type Ok = ();
            type Error = CodecError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), CodecError> {
                self.element(name)?;
                self.element(value)
            }

            fn end(self) -> Result<(), CodecError> {
                self.finish()
            }
        })*
    };
}

sequences!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);
structs!(SerializeStruct, SerializeStructVariant);
