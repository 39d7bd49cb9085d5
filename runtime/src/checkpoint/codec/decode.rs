//! Decodes a value from tagged bytes.

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{CodecError, Tag};

const TRUNCATED: CodecError = CodecError::Malformed("it ends too early");

/// A decoder that lends nothing of its bytes to the value, so that the value can have any lifetime.
pub(super) struct Decoder<'b> {
    bytes: &'b [u8],
}

impl<'b> Decoder<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// Checks that no bytes are left.
    pub(super) fn end(&self) -> Result<(), CodecError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(CodecError::Malformed("it goes on after its end")) }
    }

    fn peek(&self) -> Result<Tag, CodecError> {
        let byte = self.bytes.first().ok_or(TRUNCATED)?;
        Tag::of(*byte).ok_or(CodecError::Malformed("it holds something unknown"))
    }

    fn tag(&mut self) -> Result<Tag, CodecError> {
        let tag = self.peek()?;
        self.bytes = &self.bytes[1..];
        Ok(tag)
    }

    fn expect(&mut self, tag: Tag) -> Result<(), CodecError> {
        if self.tag()? == tag { Ok(()) } else { Err(CodecError::Malformed("it holds something else")) }
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], CodecError> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], CodecError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn sized(&mut self) -> Result<&'b [u8], CodecError> {
        let len = u64::from_le_bytes(self.array()?);
        self.take(usize::try_from(len).map_err(|_| TRUNCATED)?)
    }

    fn text(&mut self) -> Result<&'b str, CodecError> {
        std::str::from_utf8(self.sized()?).map_err(|_| CodecError::Malformed("its text is not UTF-8"))
    }

    fn char(&mut self) -> Result<char, CodecError> {
        char::from_u32(u32::from_le_bytes(self.array()?))
            .ok_or(CodecError::Malformed("it has an invalid char"))
    }
}

impl<'de> Deserializer<'de> for &mut Decoder<'_> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.tag()? {
            Tag::Unit => visitor.visit_unit(),
            Tag::None => visitor.visit_none(),
            Tag::Some => visitor.visit_some(self),
            Tag::False => visitor.visit_bool(false),
            Tag::True => visitor.visit_bool(true),
            Tag::I8 => visitor.visit_i8(i8::from_le_bytes(self.array()?)),
            Tag::I16 => visitor.visit_i16(i16::from_le_bytes(self.array()?)),
            Tag::I32 => visitor.visit_i32(i32::from_le_bytes(self.array()?)),
            Tag::I64 => visitor.visit_i64(i64::from_le_bytes(self.array()?)),
            Tag::I128 => visitor.visit_i128(i128::from_le_bytes(self.array()?)),
            Tag::U8 => visitor.visit_u8(u8::from_le_bytes(self.array()?)),
            Tag::U16 => visitor.visit_u16(u16::from_le_bytes(self.array()?)),
            Tag::U32 => visitor.visit_u32(u32::from_le_bytes(self.array()?)),
            Tag::U64 => visitor.visit_u64(u64::from_le_bytes(self.array()?)),
            Tag::U128 => visitor.visit_u128(u128::from_le_bytes(self.array()?)),
            Tag::F32 => visitor.visit_f32(f32::from_le_bytes(self.array()?)),
            Tag::F64 => visitor.visit_f64(f64::from_le_bytes(self.array()?)),
            Tag::Char => visitor.visit_char(self.char()?),
            Tag::Str => visitor.visit_str(self.text()?),
            Tag::Bytes => visitor.visit_bytes(self.sized()?),
            Tag::Sequence => {
                let value = visitor.visit_seq(Entries(self))?;
                self.expect(Tag::End)?;
                Ok(value)
            }
            Tag::Map => {
                let value = visitor.visit_map(Entries(self))?;
                self.expect(Tag::End)?;
                Ok(value)
            }
            // For an enum at a place that does not expect one, such as in `untagged`, serde accepts a text or a map of
            // one entry.
            Tag::Variant => {
                self.expect(Tag::Str)?;
                let name = self.text()?;
                if self.peek()? == Tag::Unit {
                    self.tag()?;
                    return visitor.visit_str(name);
                }
                visitor.visit_map(OneEntry { decoder: self, name: Some(name) })
            }
            Tag::End => Err(CodecError::Malformed("it has too few elements")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.peek()? {
            Tag::None | Tag::Some => self.deserialize_any(visitor),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self.tag()? {
            Tag::Variant => {
                self.expect(Tag::Str)?;
                let name = self.text()?;
                visitor.visit_enum(Variant { decoder: self, name })
            }
            // A handwritten `Serialize` may write the name of the variant.
            Tag::Str => visitor.visit_enum(self.text()?.into_deserializer()),
            _ => Err(CodecError::Malformed("it holds no variant of the enum")),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct ignored_any
    }
}

/// The elements before the end of a sequence or a map.
struct Entries<'a, 'b>(&'a mut Decoder<'b>);

impl<'de> SeqAccess<'de> for Entries<'_, '_> {
    type Error = CodecError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        if self.0.peek()? == Tag::End {
            return Ok(None);
        }
        seed.deserialize(&mut *self.0).map(Some)
    }
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, CodecError> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, CodecError> {
        seed.deserialize(&mut *self.0)
    }
}

/// A variant as a map from its name to its content.
struct OneEntry<'a, 'b> {
    decoder: &'a mut Decoder<'b>,
    name: Option<&'b str>,
}

impl<'de> MapAccess<'de> for OneEntry<'_, '_> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, CodecError> {
        self.name.take().map(|name| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, CodecError> {
        seed.deserialize(&mut *self.decoder)
    }
}

struct Variant<'a, 'b> {
    decoder: &'a mut Decoder<'b>,
    name: &'b str,
}

impl<'a, 'b, 'de> EnumAccess<'de> for Variant<'a, 'b> {
    type Error = CodecError;
    type Variant = &'a mut Decoder<'b>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, &'a mut Decoder<'b>), CodecError> {
        let name = seed.deserialize(StrDeserializer::<CodecError>::new(self.name))?;
        Ok((name, self.decoder))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'_> {
    type Error = CodecError;

    fn unit_variant(self) -> Result<(), CodecError> {
        <()>::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, CodecError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_any(visitor)
    }
}
