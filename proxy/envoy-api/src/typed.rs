//! `google.protobuf.Any` in its JSON form: an object whose `@type` says which message the rest is.

use serde::{de, ser};
use serde_json::{Map, Value};

/// A message's type URL.
///
/// Each set of messages that may stand in one place is an enum here, such as [`NetworkFilter`](crate::NetworkFilter).
pub trait TypeUrl: Sized {
    /// The type URLs that are supported in this place.
    const SUPPORTED: &'static [&'static str];
}

/// Splits an `Any` into its type URL and its fields.
pub(crate) fn split<E: de::Error>(value: Value) -> Result<(String, Value), E> {
    let Value::Object(mut fields) = value else {
        return Err(E::custom("expected an object with `@type`"));
    };
    match fields.shift_remove("@type") {
        Some(Value::String(url)) => Ok((url, Value::Object(fields))),
        _ => Err(E::missing_field("@type")),
    }
}

/// Puts a type URL in front of a message's fields.
pub(crate) fn join<E: ser::Error>(url: &str, message: &impl serde::Serialize) -> Result<Value, E> {
    let Value::Object(fields) = serde_json::to_value(message).map_err(E::custom)? else {
        return Err(E::custom(format!("{url} is not a message")));
    };
    let mut any = Map::with_capacity(fields.len() + 1);
    any.insert("@type".into(), Value::String(url.into()));
    any.extend(fields);
    Ok(Value::Object(any))
}

/// Reads a message out of an `Any`'s fields; an error in it carries the path inside the message.
pub(crate) fn message<T: de::DeserializeOwned, E: de::Error>(fields: Value) -> Result<T, E> {
    serde_path_to_error::deserialize(fields).map_err(|e| {
        let path = e.path().to_string();
        if path == "." { E::custom(e.inner()) } else { E::custom(format_args!("{path}: {}", e.inner())) }
    })
}

/// Declares an enum of messages that may stand in one `Any`.
macro_rules! any_of {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident($message:ty) = $url:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant)] // configuration: read once, never moved on a hot path
        pub enum $name { $($(#[$vdoc])* $variant($message),)+ }

        impl $crate::TypeUrl for $name {
            const SUPPORTED: &'static [&'static str] = &[$($url),+];
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(message) => $crate::typed::join::<S::Error>($url, message)?.serialize(serializer),)+
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                let (url, fields) = $crate::typed::split::<D::Error>(serde_json::Value::deserialize(deserializer)?)?;
                match url.as_str() {
                    $($url => $crate::typed::message(fields).map(Self::$variant),)+
                    _ => Err(D::Error::unknown_variant(&url, <Self as $crate::TypeUrl>::SUPPORTED)),
                }
            }
        }
    };
}

pub(crate) use any_of;
