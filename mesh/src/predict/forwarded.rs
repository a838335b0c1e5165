//! What a proxy says of a request's sender to those behind it: `x-forwarded-for` and `x-forwarded-proto`.

use std::net::IpAddr;

use envoy_api::HttpConnectionManager;
use envoy_rules::forwarded::{FORWARDED_FOR, FORWARDED_PROTO, Trust};
use http::{HeaderMap, HeaderValue};

use super::wire::Request;

impl Request {
    /// It as a manager's filters and routes get it from `peer`, with the address of its client.
    pub(super) fn received(&self, manager: &HttpConnectionManager, peer: IpAddr, has_tls: bool) -> (Self, IpAddr) {
        let trust = Trust::new(manager);
        let list = forwarded_for(&self.headers);
        let client = trust.client(&list).unwrap_or(peer);
        let mut request = self.clone();
        if trust.use_remote_address {
            let list = if list.is_empty() { peer.to_string() } else { format!("{list},{peer}") };
            if let Ok(list) = HeaderValue::try_from(list) {
                request.headers.insert(FORWARDED_FOR, list);
            }
        }
        if !trust.keeps_proto() || !request.headers.contains_key(FORWARDED_PROTO) {
            let proto = HeaderValue::from_static(if has_tls { "https" } else { "http" });
            request.headers.insert(FORWARDED_PROTO, proto);
        }
        (request, client)
    }
}

/// All headers of the name as one.
fn forwarded_for(headers: &HeaderMap) -> String {
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}
