//! 64-bit numbers, which protobuf's JSON writes as strings and reads as either.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use serde_json::Value;

#[allow(clippy::ref_option)] // serde's signature
pub(crate) fn serialize<N: Display, S: Serializer>(number: &Option<N>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(number),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn deserialize<'de, N: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<Option<N>, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    number.map(Some).ok_or_else(|| D::Error::custom("expected a whole number"))
}
