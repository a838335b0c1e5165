//! `google.protobuf.Any` in its JSON form: an object whose `@type` names the message in its other fields.

use serde::{de, ser};
use serde_json::{Map, Value};

/// Type URLs of messages.
///
/// Each set of messages for one field is an enum, such as [`NetworkFilter`](crate::NetworkFilter).
pub trait TypeUrl: Sized {
    /// Type URLs of the enum's variants.
    const SUPPORTED: &'static [&'static str];
}

/// Splits an `Any` into its type URL and its other fields. A `TypedStruct` stands for the message that it names.
pub(crate) fn split<E: de::Error>(value: Value) -> Result<(String, Value), E> {
    let Value::Object(mut fields) = value else {
        return Err(E::custom("expected an object with `@type`"));
    };
    match fields.shift_remove("@type") {
        Some(Value::String(url)) if is_typed_struct(&url) => {
            match (fields.shift_remove("type_url"), fields.shift_remove("value")) {
                (Some(Value::String(url)), value) => Ok((url, value.unwrap_or_else(|| Map::new().into()))),
                _ => Err(E::missing_field("type_url")),
            }
        }
        Some(Value::String(url)) => Ok((url, Value::Object(fields))),
        _ => Err(E::missing_field("@type")),
    }
}

/// Whether a message carries another as JSON, whose type Envoy's build need not know (`xds/type/v3/typed_struct.proto`).
pub(crate) fn is_typed_struct(url: &str) -> bool {
    url.ends_with("/udpa.type.v1.TypedStruct") || url.ends_with("/xds.type.v3.TypedStruct")
}

/// Adds a type URL to the fields of a message.
pub(crate) fn join<E: ser::Error>(url: &str, message: &impl serde::Serialize) -> Result<Value, E> {
    let Value::Object(fields) = serde_json::to_value(message).map_err(E::custom)? else {
        return Err(E::custom(format!("{url} is not a message")));
    };
    let mut any = Map::with_capacity(fields.len() + 1);
    any.insert("@type".into(), Value::String(url.into()));
    any.extend(fields);
    Ok(Value::Object(any))
}

/// Parses the fields of an `Any`. Errors contain the path inside the message.
pub(crate) fn message<T: de::DeserializeOwned, E: de::Error>(fields: Value) -> Result<T, E> {
    serde_path_to_error::deserialize(fields).map_err(|e| {
        let path = e.path().to_string();
        if path == "." { E::custom(e.inner()) } else { E::custom(format_args!("{path}: {}", e.inner())) }
    })
}

/// Declares an enum of the messages that one `Any` may contain.
macro_rules! any_of {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident($message:ty) = $url:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant)] // configuration is not moved on hot paths
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
                let (url, mut fields) = $crate::typed::split::<D::Error>(serde_json::Value::deserialize(deserializer)?)?;
                $crate::accepted::leave_out(&url, &mut fields);
                match url.as_str() {
                    $($url => $crate::typed::message(fields).map(Self::$variant),)+
                    _ => Err(D::Error::unknown_variant(&url, <Self as $crate::TypeUrl>::SUPPORTED)),
                }
            }
        }
    };
}

pub(crate) use any_of;
