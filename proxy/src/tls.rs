//! TLS contexts on rustls: what `DownstreamTlsContext` and `UpstreamTlsContext` ask for, as Envoy would end up with it.

mod peer;

pub use peer::PeerCertificate;
