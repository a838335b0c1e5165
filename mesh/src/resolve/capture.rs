//! What a sidecar's redirects capture: the `traffic.sidecar.istio.io/*` annotations with injection's defaults
//! (`pkg/kube/inject/validate.go`, `pkg/kube/inject/template.go`, `files/injection-template.yaml`).

pub(super) mod proxy_config;

use std::str::FromStr;

use ipnet::IpNet;

use super::{drafts::Draft, proxy_configs::ProxyConfigs};
use crate::{
    fault::Faults,
    load::nearest,
    model::{Capture, InterceptionMode, MeshConfig, PROXY_CONFIG, PortSet, Source},
    sidecar::{HEALTH_PORT, PROMETHEUS_PORT, STATUS_PORT},
};

const PREFIX: &str = "traffic.sidecar.istio.io/";
const MODE: &str = "sidecar.istio.io/interceptionMode";
const REROUTE: &str = "istio.io/reroute-virtual-interfaces";
const STATUS_ANNOTATION: &str = "status.sidecar.istio.io/port";

/// Every annotation that affects the capture, without the prefix.
const TRAFFIC: [&str; 8] = [
    "includeInboundPorts",
    "excludeInboundPorts",
    "includeOutboundPorts",
    "excludeOutboundPorts",
    "includeOutboundIPRanges",
    "excludeOutboundIPRanges",
    "excludeInterfaces",
    "kubevirtInterfaces",
];

/// Ports that injection always excludes from the inbound capture.
const OWN_PORTS: [u16; 2] = [PROMETHEUS_PORT, HEALTH_PORT];

/// Reads a pod's annotations. A value that does not parse is an error, since Istio's injection would fail.
pub(super) fn of(pod: &Draft<'_>, mesh: &MeshConfig, proxy_configs: &ProxyConfigs<'_>, faults: &mut Faults) -> Capture {
    let mut read = Annotations { pod, mesh, faults };
    read.refuse_unknown();
    let config = proxy_config::read(&mut read, proxy_configs);
    let mode = match pod.annotations.get(MODE) {
        Some(mode) => read.mode_of(MODE, mode),
        None => config.mode,
    };
    let status_port = read.parsed(STATUS_ANNOTATION, one_port).unwrap_or(STATUS_PORT);
    let mut exclude_inbound_ports = OWN_PORTS.to_vec();
    exclude_inbound_ports.extend(read.traffic("excludeInboundPorts", ports).unwrap_or_default());
    if status_port != 0 && !exclude_inbound_ports[OWN_PORTS.len()..].contains(&status_port) {
        exclude_inbound_ports.push(status_port);
    }
    let reroute = if pod.annotations.contains_key(REROUTE) {
        read.parsed(REROUTE, interfaces)
    } else {
        read.traffic("kubevirtInterfaces", interfaces)
    };
    Capture {
        mode: mode.unwrap_or(InterceptionMode::Redirect),
        include_inbound_ports: read.traffic("includeInboundPorts", port_set).unwrap_or(PortSet::All),
        exclude_inbound_ports,
        include_outbound_ports: read.traffic("includeOutboundPorts", ports).unwrap_or_default(),
        exclude_outbound_ports: read.traffic("excludeOutboundPorts", ports).unwrap_or_default(),
        include_outbound_ip_ranges: read.traffic("includeOutboundIPRanges", all_or_ranges).unwrap_or(None),
        exclude_outbound_ip_ranges: read.traffic("excludeOutboundIPRanges", ranges).unwrap_or_default(),
        exclude_interfaces: read.traffic("excludeInterfaces", interfaces).unwrap_or_default(),
        reroute_interfaces: reroute.unwrap_or_default(),
        app_gid: app_gid(pod),
        owner_groups: config.owner_groups,
        ipv4_loopback: config.ipv4_loopback,
        drop_invalid: config.drop_invalid,
        dns: config.dns,
    }
}

/// Where a pod's interception mode is set.
pub(super) fn mode_source(pod: &Draft<'_>) -> Source {
    let own = [MODE, PROXY_CONFIG].into_iter().find(|name| pod.annotations.contains_key(*name));
    own.map_or_else(
        || Source::default_of("MeshConfig defaultConfig.interceptionMode"),
        |name| pod.at(&format!("metadata.annotations[{name}]")),
    )
}

/// The group of a pod's programs; root by default.
fn app_gid(pod: &Draft<'_>) -> u32 {
    let of_container = pod.spec.containers.first().and_then(|c| c.security_context.as_ref()?.run_as_group);
    let of_pod = || pod.spec.security_context.as_ref().and_then(|context| context.run_as_group);
    of_container.or_else(of_pod).and_then(|group| u32::try_from(group).ok()).unwrap_or(0)
}

struct Annotations<'a, 'b> {
    pod: &'a Draft<'a>,
    /// The defaults.
    mesh: &'a MeshConfig,
    faults: &'b mut Faults,
}

impl Annotations<'_, '_> {
    fn traffic<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        self.parsed(&format!("{PREFIX}{name}"), parse)
    }

    fn parsed<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let value = self.pod.annotations.get(name).or_else(|| self.mesh.injection_defaults.get(name))?;
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(e) => {
                self.error(name, &e);
                None
            }
        }
    }

    /// An interception mode that one of the annotations sets.
    fn mode_of(&mut self, annotation: &str, mode: &str) -> Option<InterceptionMode> {
        match mode {
            "REDIRECT" => return Some(InterceptionMode::Redirect),
            "NONE" => return Some(InterceptionMode::None),
            // The same connections reach the sidecar (`tools/istio-iptables/pkg/capture/run.go`).
            "TPROXY" => {
                let message = "TPROXY is taken for REDIRECT: the same connections are captured, but the app sees 127.0.0.6 for the address of the caller";
                self.warn(annotation, message);
                return Some(InterceptionMode::Redirect);
            }
            other => {
                let message = format!("injection fails: {other:?} is not a mode; expected REDIRECT, TPROXY or NONE");
                self.error(annotation, &message);
            }
        }
        None
    }

    fn refuse_unknown(&mut self) {
        for (key, _) in self.pod.annotations.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
            let name = &key[PREFIX.len()..];
            if !TRAFFIC.contains(&name) {
                // Istio ignores it silently, so a mistake would go unnoticed.
                let message = match nearest(name, TRAFFIC.into_iter()) {
                    Some(meant) => format!("Istio has no such annotation; did you mean {PREFIX}{meant}?"),
                    None => format!("Istio has no such annotation; it knows {}", TRAFFIC.join(", ")),
                };
                self.faults.warn(self.pod.head, self.pod.at(&format!("metadata.annotations[{key}]")).field, message);
            }
        }
    }

    fn error(&mut self, name: &str, message: &str) {
        let field = self.pod.at(&format!("metadata.annotations[{name}]")).field;
        self.faults.error(self.pod.head, field, message);
    }

    fn note(&mut self, name: &str, message: &str) {
        let field = self.pod.at(&format!("metadata.annotations[{name}]")).field;
        self.faults.note(self.pod.head, field, message);
    }

    fn warn(&mut self, name: &str, message: &str) {
        let field = self.pod.at(&format!("metadata.annotations[{name}]")).field;
        self.faults.warn(self.pod.head, field, message);
    }
}

fn one_port(text: &str) -> Result<u16, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("injection fails: {text:?} is not a port; expected a number from 0 to 65535"))
}

/// A comma list; an empty text is an empty list.
fn ports(text: &str) -> Result<Vec<u16>, String> {
    if text.trim().is_empty() { Ok(Vec::new()) } else { text.trim().split(',').map(one_port).collect() }
}

fn port_set(text: &str) -> Result<PortSet, String> {
    if text == "*" { Ok(PortSet::All) } else { ports(text).map(PortSet::List) }
}

fn ranges(text: &str) -> Result<Vec<IpNet>, String> {
    let range = |cidr: &str| {
        IpNet::from_str(cidr).map_err(|_| {
            format!("injection fails: {cidr:?} is not an address range; expected ADDRESS/BITS, such as 10.0.0.0/8")
        })
    };
    if text.is_empty() { Ok(Vec::new()) } else { text.split(',').map(range).collect() }
}

/// `None` stands for `*`.
fn all_or_ranges(text: &str) -> Result<Option<Vec<IpNet>>, String> {
    if text == "*" { Ok(None) } else { ranges(text).map(Some) }
}

/// A comma list of interface names (Linux allows 15 bytes).
fn interfaces(text: &str) -> Result<Vec<String>, String> {
    let interface = |name: &str| {
        let name = name.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        if !name.is_empty() && name.len() <= 15 && name.chars().all(allowed) {
            Ok(name.to_owned())
        } else {
            Err(format!("injection fails: {name:?} is not a name of an interface"))
        }
    };
    if text.is_empty() { Ok(Vec::new()) } else { text.split(',').map(interface).collect() }
}

#[cfg(test)]
mod tests;
