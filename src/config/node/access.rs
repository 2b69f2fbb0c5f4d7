//! What a list, a mapping and a choice hand to serde, one part after the other.

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};

use super::{
    super::{
        refusal::{Kind, Refusal},
        tree::{Node, Value},
    },
    Reader,
};

/// The items of a list.
pub(super) struct Items<'r, 't, I> {
    pub(super) reader: Reader<'t>,
    pub(super) rest: &'r mut I,
    pub(super) given: usize,
}

impl<'t, I: Iterator<Item = &'t Node>> de::SeqAccess<'t> for &mut Items<'_, 't, I> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'t>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some(node) = self.rest.next() else {
            return Ok(None);
        };
        self.given += 1;
        let item = self.reader.child(node);
        item.blame(seed.deserialize(item)).map(Some)
    }
}

/// Words which readers of YAML 1.1 take for true, false or nothing, so that they are no names.
const AMBIGUOUS: [&str; 11] = [
    "on", "off", "yes", "no", "y", "n", "true", "false", "null", "~", "",
];

/// Whether another reader takes a plain key for something else than text.
pub(in crate::config) fn is_ambiguous(text: &str) -> bool {
    let number =
        text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && text.parse::<f64>().is_ok();
    number || AMBIGUOUS.contains(&text.to_ascii_lowercase().as_str())
}

/// What the keys of a mapping may be.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// Names that the user chooses: refused when another reader would not take them for text.
    Free,
    /// Names that the type knows.
    Any,
}

/// The entries of a mapping.
pub(super) struct Entries<'r, 't, I> {
    pub(super) reader: Reader<'t>,
    pub(super) rest: &'r mut I,
    pub(super) value: Option<&'t Node>,
    pub(super) keys: Keys,
}

impl<'t, I: Iterator<Item = &'t (Node, Node)>> de::MapAccess<'t> for Entries<'_, 't, I> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        if let (Keys::Free, Value::Scalar { text, plain: true }) = (self.keys, &key.value)
            && is_ambiguous(text)
        {
            let what = format!("`{text}` as a name is a number, true, false or nothing to other readers");
            return Err(Refusal::from(Kind::Custom(format!(
                "{what}: put it in quotes, as in `\"{text}\"`"
            )))
            .at(key.id));
        }
        let key = self.reader.child(key);
        key.blame(seed.deserialize(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let Some(node) = self.value.take() else {
            return Err(de::Error::custom("a value before its key"));
        };
        let value = self.reader.child(node);
        value.blame(seed.deserialize(value))
    }
}

/// One of several kinds: a word alone, or a mapping of one key.
pub(super) struct Choice<'t> {
    pub(super) outer: Reader<'t>,
    pub(super) name: Reader<'t>,
    pub(super) content: Option<Reader<'t>>,
}

impl<'t> de::EnumAccess<'t> for Choice<'t> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'t>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let name = self.name.blame(seed.deserialize(self.name))?;
        Ok((name, self))
    }
}

impl<'t> de::VariantAccess<'t> for Choice<'t> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match self.content {
            None => Ok(()),
            Some(content) => serde::Deserialize::deserialize(content),
        }
    }

    /// A word alone stands for the kind with nothing set: `do: reset` is `do: {reset: {}}`.
    fn newtype_variant_seed<T: DeserializeSeed<'t>>(self, seed: T) -> Result<T::Value, Refusal> {
        match self.content {
            Some(content) => content.blame(seed.deserialize(content)),
            None => self.outer.blame(seed.deserialize(Nothing)),
        }
    }

    fn tuple_variant<V: Visitor<'t>>(self, length: usize, visitor: V) -> Result<V::Value, Refusal> {
        match self.content {
            Some(content) => content.deserialize_tuple(length, visitor),
            None => Err(self.outer.wrong("a mapping", "")),
        }
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.content {
            Some(content) => content.deserialize_struct("", known, visitor),
            None => self.outer.blame(Nothing.deserialize_any(visitor)),
        }
    }
}

/// What a kind that was named without settings is read from.
struct Nothing;

impl<'de> Deserializer<'de> for Nothing {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let none = std::iter::empty::<(&str, &str)>();
        visitor.visit_map(de::value::MapDeserializer::<_, Refusal>::new(none))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
