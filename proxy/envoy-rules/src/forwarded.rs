//! Who the client of a request is, according to `x-forwarded-for` (Envoy's `ConnectionManagerUtility::mutateRequestHeaders` in
//! `source/common/http/conn_manager_utility.cc`, and `Utility::getLastAddressFromXFF` in `source/common/http/utility.cc`).

use std::net::IpAddr;

use envoy_api::HttpConnectionManager;
use http::{HeaderMap, HeaderName};

#[cfg(test)]
mod tests;

/// The addresses from which a request was sent on.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How its client called: `http` or `https`.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The scheme of a request that came with TLS or without: what its client's proxy says, if that is one.
pub fn scheme(headers: &HeaderMap, has_tls: bool) -> &'static str {
    let proto = headers.get(FORWARDED_PROTO).map(http::HeaderValue::as_bytes);
    let is = |scheme: &[u8]| proto.is_some_and(|proto| proto.eq_ignore_ascii_case(scheme));
    match (is(b"https"), is(b"http")) {
        (true, _) => "https",
        (_, true) => "http",
        _ if has_tls => "https",
        _ => "http",
    }
}

/// How far a manager trusts what proxies before it say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Whether the peer is the client, unless it is one of the trusted proxies.
    pub use_remote_address: bool,
    /// The number of trusted proxies before the peer.
    pub hops: u32,
}

impl Trust {
    /// That of a connection manager.
    pub fn new(manager: &HttpConnectionManager) -> Self {
        Self {
            use_remote_address: manager.use_remote_address.unwrap_or(false),
            hops: manager.xff_num_trusted_hops.unwrap_or(0),
        }
    }

    /// The client's address according to the header as it was received; `None` means the peer's.
    pub fn client(self, forwarded_for: &str) -> Option<IpAddr> {
        // The peer itself is the first hop where it is appended to the header.
        let skipped = self.hops.checked_sub(u32::from(self.use_remote_address))?;
        forwarded_for.rsplit(',').nth(usize::try_from(skipped).ok()?)?.trim().parse().ok()
    }

    /// Whether `x-forwarded-proto` stays as it was received.
    pub fn keeps_proto(self) -> bool {
        !self.use_remote_address || self.hops > 0
    }
}
