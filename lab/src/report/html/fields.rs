//! Expectations and accounts as flat lists of fields, so that they can stand beside each other in a table.
//!
//! Read from their JSON, which both have in common, so that a new field shows up by itself.

use mesh::account::Account;
use serde::Serialize;
use serde_json::{Value, json};

use crate::expect::Expectation;

/// One field: its group (`leg 2`, `outcome`), its name as differences call it, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// All fields that an expectation names, in order.
pub(super) fn of_expectation(expectation: &Expectation) -> Vec<Field> {
    let json = to_json(expectation);
    let legs = entries(&json["legs"]).map(|(number, leg)| (number.clone(), leg));
    of(legs, &json["read_by"], &json["outcome"])
}

/// All fields that an account has and an expectation could name, in order. A leg that is not there carried nothing.
pub(super) fn of_account(account: &Account) -> Vec<Field> {
    let json = to_json(account);
    let nothing = json!({"layers": []});
    let there = |number: u8| json["legs"].as_array().into_iter().flatten().find(move |leg| leg["leg"] == number);
    of(
        (1..=3).map(|number| (number.to_string(), there(number).unwrap_or(&nothing))),
        &json["read_by"],
        &json["outcome"],
    )
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn of<'a>(legs: impl Iterator<Item = (String, &'a Value)>, read_by: &Value, outcome: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    for (number, leg) in legs {
        let group = format!("leg {number}");
        for (name, value) in entries(leg) {
            match name.as_str() {
                // Who is on a leg is the picture's to say.
                "leg" | "path" => {}
                "tls" => {
                    for (depth, tls) in value.as_array().into_iter().flatten().enumerate() {
                        let layer = if depth == 0 { String::new() } else { format!(" of TLS layer {}", depth + 1) };
                        let named = |name| format!("{}{layer}", tls_name(name));
                        fields.extend(entries(tls).map(|(name, value)| field(&group, &named(name), value)));
                    }
                }
                name => fields.push(field(&group, &name.replace('_', " "), value)),
            }
        }
    }
    fields.push(field("outcome", "read by", read_by));
    fields.extend(entries(outcome).map(|(name, value)| field("outcome", outcome_name(name), value)));
    fields.retain(|field| !field.value.is_empty());
    fields
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn field(group: &str, name: &str, value: &Value) -> Field {
    Field { group: group.into(), name: name.into(), value: text(name, value) }
}

fn text(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Array(items) if items.is_empty() => "nothing".into(),
        Value::Array(items) => {
            let separator = if name == "layers" { " › " } else { ", " };
            items.iter().map(|item| text("", item)).collect::<Vec<_>>().join(separator)
        }
        other => other.to_string(),
    }
}

fn tls_name(name: &str) -> &str {
    match name {
        "version" => "TLS version",
        "cipher_suite" => "cipher suite",
        "alpn_offered" => "ALPN offered",
        "alpn" => "ALPN",
        "sni" => "SNI",
        "client_identity" => "client identity",
        "server_identity" => "server identity",
        other => other,
    }
}

fn outcome_name(name: &str) -> &str {
    match name {
        "at" => "refused at",
        "response_flags" => "response flags",
        "app_sees" => "app sees",
        other => other,
    }
}
