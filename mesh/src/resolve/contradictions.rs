//! Service ports that declare different protocols for the same container port: its sidecar follows one of them.

use std::collections::HashMap;

use crate::{
    fault::Faults,
    manifests::Named,
    model::{Pod, Protocol, Service, ServicePort},
};

/// Warns of each service port whose protocol is overridden by another port with the same container port: the oldest service decides
/// (`buildInboundListeners` in `pilot/pkg/networking/core/listener_inbound.go`).
pub(super) fn warn(services: &[Service], pods: &[Pod], faults: &mut Faults) {
    let mut by_age: Vec<&Service> = services.iter().collect();
    by_age.sort_by_key(|service| &service.age);
    let mut first: HashMap<(usize, u16), (&Service, &ServicePort)> = HashMap::new();
    for service in by_age {
        for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
            let contradicted = port.endpoints.iter().find_map(|endpoint| {
                let (older, other) = *first.entry((endpoint.pod, endpoint.port)).or_insert((service, port));
                let differs = treated(other.protocol) != treated(port.protocol)
                    && pods[endpoint.pod].sidecar.is_some()
                    && !pods[endpoint.pod].is_gateway();
                differs.then_some((older, other, endpoint))
            });
            let Some((older, other, endpoint)) = contradicted else { continue };
            let message = format!(
                "port {} is {}, and port {} of Service {}, with the same container port {} of {}, is {} and takes precedence: its sidecar treats both \
                 as {}",
                port.port,
                port.protocol,
                other.port,
                older.name.name,
                endpoint.port,
                pods[endpoint.pod].name.name,
                other.protocol,
                other.protocol
            );
            let at = Named(service.source.clone(), format!("Service {}", service.name.name));
            faults.warn(&at, port.protocol_source.field.clone(), message);
        }
    }
}

/// How a sidecar treats a protocol towards its app.
fn treated(protocol: Protocol) -> (bool, bool, bool) {
    (protocol.is_http(), protocol.is_http2(), protocol.is_auto())
}

#[cfg(test)]
mod tests {
    use crate::testing::{INJECTED, faults, pod};

    #[test]
    fn a_port_whose_protocol_is_overridden_by_another_is_named() {
        let service = |name: &str, port: &str| {
            format!(
                "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{selector: {{a: b}}, ports: [{port}]}}}}\n"
            )
        };
        let pods = INJECTED.to_owned() + &pod("p", "labels: {a: b}");
        let both = "{name: http, port: 80, targetPort: 8080}, {name: grpc, port: 443, targetPort: 8080}";
        let text = faults(&(pods.clone() + &service("s", both)));
        let expected = "spec.ports[1].name: warning: port 443 is GRPC, and port 80 of Service s, with the same container port 8080 of p, \
                        is HTTP and takes precedence: its sidecar treats both as HTTP";
        assert!(text.contains(expected), "{text}");
        let alike =
            service("s", "{name: http, port: 80, targetPort: 8080}") + &service("t", "{name: http-web, port: 8080}");
        assert_eq!(faults(&(pods + &alike)), "");
    }
}
