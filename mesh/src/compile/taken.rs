//! What a sidecar takes on a container port, and who says so: a service that sends to it, or a Sidecar.

use std::net::IpAddr;

use super::{parts::WILDCARDS, protocol_because};
use crate::model::{Ingress, Pod, Protocol, Service, ServicePort, SidecarScope, Source};

/// What a sidecar takes on a container port.
#[derive(Clone, Debug)]
pub(super) struct Taken<'a> {
    /// The service that sends to it; where a Sidecar lists it, that one's name and the pod's namespace.
    pub(super) host: String,
    /// The address that names its chains.
    pub(super) bind: IpAddr,
    /// Decides the protocol.
    pub(super) port: &'a ServicePort,
    /// The Sidecar's listener, if one lists it.
    pub(super) ingress: Option<&'a Ingress>,
    /// The Sidecar's name, if one lists it.
    sidecar: Option<String>,
}

impl<'a> Taken<'a> {
    pub(super) fn by_service(service: &'a Service, port: &'a ServicePort) -> Self {
        Self { host: service.host.clone(), bind: WILDCARDS[0], port, ingress: None, sidecar: None }
    }

    pub(super) fn by_sidecar(scope: &SidecarScope, ingress: &'a Ingress, pod: &Pod) -> Self {
        Self {
            host: format!("{}.{}", scope.name.name, pod.name.namespace),
            bind: ingress.bind.unwrap_or_else(|| pod.ips.v4.into()),
            port: &ingress.port,
            ingress: Some(ingress),
            sidecar: Some(scope.full_name()),
        }
    }

    pub(super) fn is_grpc(&self) -> bool {
        matches!(self.port.protocol, Protocol::Grpc | Protocol::GrpcWeb)
    }

    /// Why it is taken as its protocol.
    pub(super) fn because(&self) -> String {
        match &self.sidecar {
            Some(sidecar) => format!("{sidecar} says {} for port {}", self.port.protocol, self.port.port),
            None => protocol_because(self.port),
        }
    }

    pub(super) fn source(&self) -> &'a Source {
        self.ingress.map_or(&self.port.protocol_source, |ingress| &ingress.source)
    }
}
