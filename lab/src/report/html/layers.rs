//! Layers as nested boxes. Each kind has a colour, and is always labelled.

use maud::{Markup, html};
use mesh::account::LayerKind;

/// The kinds that the legend explains.
pub(super) const LEGEND: [LayerKind; 5] =
    [LayerKind::Mtls, LayerKind::Tls, LayerKind::Http1, LayerKind::H2, LayerKind::Tcp];

/// The class that gives a kind its colour.
pub(super) fn class(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Mtls => "mtls",
        LayerKind::Tls => "tls",
        LayerKind::Http1 => "http",
        LayerKind::H2 => "h2",
        LayerKind::Tcp => "tcp",
    }
}

/// A kind's name as people write it.
pub(super) fn label(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Mtls => "mTLS",
        LayerKind::Tls => "TLS",
        LayerKind::Http1 => "HTTP/1.1",
        LayerKind::H2 => "HTTP/2",
        LayerKind::Tcp => "TCP",
    }
}

/// A kind, for the legend.
pub(super) fn meaning(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Mtls => "both sides presented a certificate",
        LayerKind::Tls => "only the server did",
        LayerKind::Http1 | LayerKind::H2 => "HTTP",
        LayerKind::Tcp => "other bytes",
    }
}

/// The layers as boxes in boxes, outermost first. `broken` says, for each TLS layer in the same order, whether its
/// handshake failed.
pub(super) fn nest(layers: &[LayerKind], broken: &[bool]) -> Markup {
    let Some((outer, inner)) = layers.split_first() else {
        return html! { span .l.none { "nothing" } };
    };
    let is_tls = matches!(outer, LayerKind::Mtls | LayerKind::Tls);
    let (failed, rest) = match broken.split_first() {
        Some((failed, rest)) if is_tls => (*failed, rest),
        _ => (false, broken),
    };
    html! {
        span .l .(class(*outer)) {
            span .n { (label(*outer)) }
            @if failed { span .broken { "✗ failed" } }
            @if !inner.is_empty() { (nest(inner, rest)) }
        }
    }
}
