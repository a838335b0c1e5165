//! Resolves scalars by YAML 1.1, as go-yaml does (`resolve.go` of `sigs.k8s.io/yaml/goyaml.v2`).

use serde_json::{Number, Value};

/// Resolves an unquoted scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// Resolves a scalar with a tag; `None` if it does not fit the tag.
pub(super) fn tagged(text: &str, tag: &str, is_plain: bool) -> Option<Value> {
    match tag {
        "int" | "float" => number(text).map(Value::Number),
        "bool" => Some(plain(text)).filter(Value::is_boolean),
        "null" => Some(Value::Null),
        "str" | "binary" | "timestamp" => Some(Value::String(text.to_owned())),
        _ if is_plain => Some(plain(text)),
        _ => Some(Value::String(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits))
}

/// With the prefixes that Go knows: `0x`, `0b`, `0o`, and `0` for octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match magnitude.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &magnitude[2..]),
        [b'0', b'b' | b'B', ..] => (2, &magnitude[2..]),
        [b'0', b'o' | b'O', ..] => (8, &magnitude[2..]),
        [b'0', _, ..] => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match negative {
        true => 0_i64.checked_sub_unsigned(magnitude).map(Number::from),
        false => Some(Number::from(magnitude)),
    }
}

/// Whole numbers come out as Go writes them in JSON: without a point.
fn float(text: &str) -> Option<Number> {
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let number: f64 = Some(text).filter(|text| text.chars().all(allowed))?.parse().ok()?;
    match number.fract() == 0.0 && number.abs() < 1e18 {
        true => Some(Number::from(number as i64)),
        false => Number::from_f64(number),
    }
}
