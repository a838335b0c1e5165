//! What a proxy reports of itself to istiod.

use std::time::Duration;

/// What a proxy reports of itself in `ISTIO_META_*` variables, as far as istiod compiles by it (`NodeMetadata` in
/// `pkg/model/proxy.go`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeMetadata {
    /// Whether it takes HTTP/1.0 (`ISTIO_META_HTTP10`).
    pub accepts_http_10: bool,
    /// How long its connections may be idle (`ISTIO_META_IDLE_TIMEOUT`); `None` is Envoy's hour, and zero is without end.
    pub idle_timeout: Option<Duration>,
}
