//! Layers as nested boxes. Each kind has a colour, and always its name too.

use maud::{Markup, html};
use mesh::account::Leg;

/// The kinds that the legend explains, by their names in JSON.
pub(super) const LEGEND: [&str; 5] = ["mtls", "tls", "http/1.1", "h2", "tcp"];

/// The class that gives a kind its colour.
pub(super) fn class(kind: &str) -> &'static str {
    match kind {
        "mtls" => "mtls",
        "tls" => "tls",
        "http/1.1" => "http",
        "h2" => "h2",
        _ => "tcp",
    }
}

/// A kind's name as people write it.
pub(super) fn label(kind: &str) -> &str {
    match kind {
        "mtls" => "mTLS",
        "tls" => "TLS",
        "http/1.1" => "HTTP/1.1",
        "h2" => "HTTP/2",
        "tcp" => "TCP",
        other => other,
    }
}

/// A kind, for the legend.
pub(super) fn meaning(kind: &str) -> &'static str {
    match kind {
        "mtls" => "both sides showed a certificate",
        "tls" => "only the server did",
        "http/1.1" | "h2" => "HTTP",
        _ => "other bytes",
    }
}

/// A leg's layers by name, outermost first.
pub(super) fn names(leg: &Leg) -> Vec<String> {
    leg.layers.iter().map(ToString::to_string).collect()
}

/// The layers as boxes in boxes, outermost first. `broken` says, for each TLS layer in the same order, whether its
/// handshake failed.
pub(super) fn nest<S: AsRef<str>>(layers: &[S], broken: &[bool]) -> Markup {
    let Some((outer, inner)) = layers.split_first() else {
        return html! { span .l.none { "nothing" } };
    };
    let kind = outer.as_ref();
    let is_tls = matches!(class(kind), "mtls" | "tls");
    let (failed, rest) = match broken.split_first() {
        Some((failed, rest)) if is_tls => (*failed, rest),
        _ => (false, broken),
    };
    html! {
        span .l .(class(kind)) {
            span .n { (label(kind)) }
            @if failed { span .broken { "✗ failed" } }
            @if !inner.is_empty() { (nest(inner, rest)) }
        }
    }
}
