//! Istio's own HTTP filter `istio.alpn`, which stock Envoy lacks: it replaces the ALPN that a cluster would offer.

use std::collections::BTreeMap;

use serde_json::Value;

/// The ALPN that HTTP connections offer, by the version that is spoken upstream (`HTTP10`, `HTTP11`, `HTTP2`).
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpAlpn(BTreeMap<String, Vec<String>>);

impl HttpAlpn {
    /// Collects the settings of a listener's filters, which are the same in all listeners of a sidecar.
    pub(super) fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(overrides) = fields.get("alpn_override").and_then(Value::as_array) {
                    for one in overrides {
                        // The first value of the enumeration is left out of JSON.
                        let version = one["upstream_protocol"].as_str().unwrap_or("HTTP10");
                        let offered = one["alpn_override"].as_array().into_iter().flatten();
                        let offered = offered.filter_map(Value::as_str).map(Into::into).collect();
                        self.0.insert(version.into(), offered);
                    }
                }
                fields.values().for_each(|field| self.learn(field));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    /// The ALPN offered for HTTP/1.1, else for HTTP/2.
    pub(crate) fn offered(&self, http2: bool) -> Option<&Vec<String>> {
        self.0.get(if http2 { "HTTP2" } else { "HTTP11" })
    }
}
