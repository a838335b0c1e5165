//! TLS: what the handshake negotiated, which certificates were presented, and how many bytes it cost.

mod certificate;
mod direction;
mod keys;
mod messages;
mod names;
mod open;
mod record;
mod session;

pub use certificate::Certificate;
pub(crate) use open::open;
pub(crate) use record::recognize;
pub use session::{Alert, Handshake, Keys, Side, Tls, Traffic};

/// Whether `bytes` start with a ClientHello.
pub(crate) fn is_client_hello(bytes: &[u8]) -> bool {
    let first = record::split(bytes).0.into_iter().next();
    first.is_some_and(|first| first.kind == record::HANDSHAKE && first.body.first() == Some(&1))
}

/// Describes the TLS record that `bytes` start with, if any, for reports on plaintext that was answered with TLS.
pub(crate) fn describe(bytes: &[u8]) -> Option<String> {
    let record = record::split(bytes).0.into_iter().next()?;
    Some(match (record.kind, record.body) {
        (record::ALERT, &[_, code]) => format!("a TLS alert: {}", names::alert(code)),
        (record::HANDSHAKE, &[1, ..]) => "a TLS ClientHello".to_owned(),
        _ => format!("a TLS record of type {}", record.kind),
    })
}

#[cfg(test)]
mod tests;
