//! Which fields a type has at a path, asked of its own `Deserialize`: a type names its fields before it reads any.

use serde::{
    Deserialize, Deserializer,
    de::{
        self, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field or a key.
    Key(String),
    /// An element.
    Index,
}

/// The fields of the struct that `T` has at `path`; nothing when there is no struct.
pub(super) fn fields_at<'de, T: Deserialize<'de>>(path: &[Step]) -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // Ends with an error by design: the probe goes down one path and no further.
    let _ = T::deserialize(Probe { path, found: &mut found });
    found
}

/// Pretends to be a document that holds nothing but one path.
struct Probe<'a> {
    path: &'a [Step],
    found: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.path {
            [] => Err(de::Error::custom("the end of the path")),
            [Step::Key(key), path @ ..] => {
                let next = Probe { path, found: self.found };
                visitor.visit_map(MapDeserializer::new(std::iter::once((key.as_str(), next))))
            }
            [Step::Index, path @ ..] => {
                let next = Probe { path, found: self.found };
                visitor.visit_seq(SeqDeserializer::new(std::iter::once(next)))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.path.is_empty() {
            *self.found = fields;
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Probe<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
