//! Reads JSON values into typed documents, reporting the path of what does not fit.
//!
//! Kubernetes' types are large, and `Deserialize` is compiled anew for each deserializer: each wrapper
//! around a value instantiates all of them again. So one deserializer does what serde_ignored and serde_path_to_error do.

use std::{cell::RefCell, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Value;

/// A field that does not fit its type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The path, such as `spec.ports[0].port`; empty for the whole document.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) message: String,
}

/// Reads a value as a type, and lists the fields that the type does not know.
///
/// # Errors
/// If a field is missing or not of its type.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<(T, Vec<Misfit>), Misfit> {
    let unknown = RefCell::default();
    match T::deserialize(Reader { value, place: Place::Document, siblings: &[], unknown: &unknown }) {
        Ok(typed) => Ok((typed, unknown.into_inner())),
        Err(Unfit { path, message }) => Err(Misfit { path: path.unwrap_or_default(), message }),
    }
}

/// The candidate most similar to a word, if any is similar enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= 2.max(c.len() / 4) && *distance < c.len())
        .min()
        .map(|(_, c)| c)
}

/// A deserializer for a value in a document.
struct Reader<'a> {
    value: Value,
    place: Place<'a>,
    /// The fields of the struct that it is in; none for a value in a map or a list.
    siblings: &'static [&'static str],
    unknown: &'a RefCell<Vec<Misfit>>,
}

/// The path of a value in a document.
#[derive(Clone, Copy)]
enum Place<'a> {
    Document,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => Ok(()),
            Self::Field(Self::Document, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Reader<'_> {
    fn note_unknown(&self) {
        let Place::Field(_, name) = self.place else { return };
        let message = match nearest(name, self.siblings.iter().copied()) {
            Some(meant) => format!("unknown field; did you mean {meant}?"),
            None if self.siblings.is_empty() => "unknown field".to_owned(),
            None => format!("unknown field; known here are {}", self.siblings.join(", ")),
        };
        self.unknown.borrow_mut().push(Misfit { path: self.place.to_string(), message });
    }

    fn visit<'de, V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Unfit> {
        let Self { value, place, unknown, .. } = self;
        let visited = match value {
            Value::Object(entries) => {
                visitor.visit_map(Entries { rest: entries.into_iter(), next: None, place, fields, unknown })
            }
            Value::Array(items) => visitor.visit_seq(Items { rest: items.into_iter().enumerate(), place, unknown }),
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
        };
        visited.map_err(|unfit| unfit.at(place))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.visit(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        // A type with fields would take a list as its fields in order.
        if self.value.is_array() {
            let unfit: Unfit = de::Error::custom("invalid type: sequence, expected a mapping");
            return Err(unfit.at(self.place));
        }
        self.visit(fields, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let Self { value, place, .. } = self;
        let visited = match value {
            Value::String(variant) => visitor.visit_enum(variant.into_deserializer()),
            _ => Err(de::Error::custom("invalid type: expected one of the words that are known here")),
        };
        visited.map_err(|unfit: Unfit| unfit.at(place))
    }

    /// A type ignores what it does not know.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.note_unknown();
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier
    }
}

/// The entries of a mapping.
struct Entries<'a> {
    rest: serde_json::map::IntoIter,
    /// The value whose key has been read.
    next: Option<(String, Value)>,
    place: Place<'a>,
    fields: &'static [&'static str],
    unknown: &'a RefCell<Vec<Misfit>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unfit> {
        self.next = self.rest.next();
        self.next.as_ref().map(|(key, _)| seed.deserialize(key.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfit> {
        let (key, value) =
            self.next.take().ok_or_else(|| <Unfit as de::Error>::custom("a value was asked for before its key"))?;
        let place = Place::Field(&self.place, &key);
        seed.deserialize(Reader { value, place, siblings: self.fields, unknown: self.unknown })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The items of a list.
struct Items<'a> {
    rest: std::iter::Enumerate<std::vec::IntoIter<Value>>,
    place: Place<'a>,
    unknown: &'a RefCell<Vec<Misfit>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Unfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unfit> {
        let Some((index, value)) = self.rest.next() else { return Ok(None) };
        let place = Place::Item(&self.place, index);
        seed.deserialize(Reader { value, place, siblings: &[], unknown: self.unknown }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// Why a value could not be read.
#[derive(Debug)]
struct Unfit {
    /// Set where the error first occurs, the innermost place.
    path: Option<String>,
    message: String,
}

impl Unfit {
    fn at(mut self, place: Place<'_>) -> Self {
        self.path.get_or_insert_with(|| place.to_string());
        self
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Unfit {}

impl de::Error for Unfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: None, message: message.to_string() }
    }
}
