//! Accounts in one line each, for lists.

use std::fmt::Write;

use mesh::account::{Account, Leg, Outcome};

#[cfg(test)]
mod tests;

/// What the legs carried and how the call ended: `leg 1 http/1.1, leg 2 mtls > http/1.1, leg 3 http/1.1: 200`.
pub fn line(account: &Account) -> String {
    let legs: Vec<String> = account.legs.iter().map(|leg| format!("leg {} {}", leg.number, layers(leg))).collect();
    format!("{}: {}", legs.join(", "), end(account))
}

/// A leg's layers, outermost first: `mtls > http/1.1`.
pub fn layers(leg: &Leg) -> String {
    if leg.layers.is_empty() {
        return "nothing".into();
    }
    leg.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" > ")
}

/// What the app sees, and the API server's conclusion from a webhook's answer: `200, patched`.
pub fn app_sees(outcome: &Outcome) -> String {
    let admission = outcome.admission.map(|admission| format!(", {admission}"));
    format!("{}{}", outcome.app_sees, admission.unwrap_or_default())
}

/// How a call ended: `200`, or `503, refused by the server sidecar (no filter chain match)`.
pub fn end(account: &Account) -> String {
    let outcome = &account.outcome;
    let mut text = app_sees(outcome);
    if outcome.delivered {
        return text;
    }
    match outcome.at {
        Some(at) => _ = write!(text, ", refused by the {at}"),
        None => text.push_str(", not delivered"),
    }
    if let Some(reason) = outcome.reason {
        let _ = write!(text, " ({})", reason.to_string().replace('_', " "));
    }
    text
}
