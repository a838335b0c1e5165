//! The labels of Istio's metrics.

use std::sync::Arc;

use crate::{
    access_log::{Entry, HttpFacts},
    stream_info::{StreamInfo, TlsInfo},
    workload::Workload,
};
use envoy_api::Metadata;
use http::{HeaderMap, HeaderValue};

#[cfg(test)]
mod tests;

const UNKNOWN: &str = "unknown";

/// Who reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// The caller's sidecar.
    Source,
    /// The called app's.
    Destination,
}

/// What distinguishes the metrics of one sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Labels {
    side: Side,
    /// The peer's workload, if its sidecar has said it.
    peer: Option<Arc<Workload>>,
    source_principal: Option<String>,
    destination_principal: Option<String>,
    service: Service,
    protocol: &'static str,
    /// Of requests: the status of HTTP, and that of gRPC, which is empty for others.
    response: Option<(u16, String)>,
    flags: String,
    security: &'static str,
}

/// The service that is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Service {
    host: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
}

impl Labels {
    pub(super) fn of_request(side: Side, entry: &Entry<'_>, cluster: Option<&Metadata>) -> Self {
        let Entry { stream, http } = entry;
        let is_grpc = http.and_then(|http| http.request.as_ref()).is_some_and(|head| is_grpc(&head.headers));
        let grpc_status = http.filter(|_| is_grpc).and_then(grpc_status).unwrap_or_default();
        Self {
            protocol: if is_grpc { "grpc" } else { "http" },
            response: Some((stream.response_code.unwrap_or(0), grpc_status)),
            flags: stream.more_flags.union(stream.outcome.flags()).to_string(),
            ..Self::of_session(side, stream, cluster)
        }
    }

    pub(super) fn of_session(side: Side, stream: &StreamInfo, cluster: Option<&Metadata>) -> Self {
        let first = |uris: &[String]| uris.first().cloned();
        let own = |tls: Option<&TlsInfo>| tls.and_then(|tls| first(&tls.local_uri_sans));
        let peer = |tls: Option<&TlsInfo>| tls?.peer.as_ref().and_then(|peer| first(&peer.uri_sans));
        let downstream = stream.connection.tls.as_ref();
        let upstream = stream.upstream.as_ref().and_then(|upstream| upstream.tls.as_ref());
        let (source_principal, destination_principal, security) = match side {
            // Whether the called sidecar has checked the caller is for it to say.
            Side::Source => (own(upstream), peer(upstream), UNKNOWN),
            Side::Destination => {
                let mutual = downstream.is_some_and(|tls| tls.peer.is_some());
                (peer(downstream), own(downstream), if mutual { "mutual_tls" } else { "none" })
            }
        };
        Self {
            side,
            peer: stream.peer.clone(),
            source_principal,
            destination_principal,
            service: Service::new(stream.cluster.as_deref(), cluster),
            protocol: "tcp",
            response: None,
            flags: stream.more_flags.union(stream.outcome.session_flags()).to_string(),
            security,
        }
    }

    /// All labels, in Istio's order.
    pub(super) fn all(&self, own: &Workload) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = vec![];
        let mut add = |name: &str, value: Option<&str>| {
            all.push((name.to_owned(), value.filter(|value| !value.is_empty()).unwrap_or(UNKNOWN).to_owned()));
        };
        let reporter = match self.side {
            Side::Source => "source",
            Side::Destination => "destination",
        };
        add("reporter", Some(reporter));
        for (end, side, principal) in [
            ("source", Side::Source, self.source_principal.as_deref()),
            ("destination", Side::Destination, self.destination_principal.as_deref()),
        ] {
            let workload = if side == self.side { Some(own) } else { self.peer.as_deref() };
            let of = |field: fn(&Workload) -> Option<&str>| workload.and_then(field);
            add(&format!("{end}_workload"), of(|workload| workload.name.as_deref()));
            let namespace = of(|workload| workload.namespace.as_deref()).or_else(|| principal.and_then(namespace));
            add(&format!("{end}_workload_namespace"), namespace);
            add(&format!("{end}_principal"), principal);
            add(&format!("{end}_app"), of(|workload| workload.app.as_deref()));
            add(&format!("{end}_version"), of(|workload| workload.version.as_deref()));
            add(&format!("{end}_canonical_service"), of(|workload| workload.canonical_service.as_deref()));
            add(&format!("{end}_canonical_revision"), of(|workload| workload.canonical_revision.as_deref()));
            add(&format!("{end}_cluster"), of(|workload| workload.cluster.as_deref()));
        }
        add("destination_service", self.service.host.as_deref());
        add("destination_service_name", self.service.name.as_deref());
        add("destination_service_namespace", self.service.namespace.as_deref());
        add("request_protocol", Some(self.protocol));
        add("response_flags", Some(&self.flags));
        add("connection_security_policy", Some(self.security));
        if let Some((status, grpc_status)) = &self.response {
            all.push(("response_code".into(), status.to_string()));
            all.push(("grpc_response_status".into(), grpc_status.clone()));
        }
        all
    }
}

impl Service {
    /// The first service that a cluster notes, or the cluster that stands for all that is unknown.
    fn new(cluster: Option<&str>, metadata: Option<&Metadata>) -> Self {
        if let Some(name) = cluster.filter(|name| name.contains("Passthrough") || name.contains("BlackHole")) {
            return Self { name: Some(name.to_owned()), ..Self::default() };
        }
        let noted = metadata.and_then(|metadata| metadata.filter_metadata.get("istio")?.get("services")?.get(0));
        let field = |name: &str| noted.and_then(|service| service.get(name)?.as_str()).map(str::to_owned);
        Self { host: field("host"), name: field("name"), namespace: field("namespace") }
    }
}

/// The namespace in a SPIFFE ID, `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`.
fn namespace(principal: &str) -> Option<&str> {
    principal.split_once("/ns/")?.1.split('/').next()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(b"application/grpc")
}

fn grpc_status(http: &HttpFacts) -> Option<String> {
    let status = http.trailers.get("grpc-status").or_else(|| http.response.get("grpc-status"))?;
    status.to_str().ok().map(str::to_owned)
}
