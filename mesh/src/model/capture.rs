//! What a sidecar's redirects capture.

/// What a sidecar's redirects capture, from the `traffic.sidecar.istio.io/*` annotations and injection's defaults
/// (`manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// `interceptionMode` REDIRECT, or NONE: no rules at all.
    pub mode: InterceptionMode,
    /// `includeInboundPorts`.
    pub include_inbound_ports: PortSet,
    /// `excludeInboundPorts`, with injection's own 15090, 15021 and the status port.
    pub exclude_inbound_ports: Vec<u16>,
    /// `includeOutboundPorts`.
    pub include_outbound_ports: Vec<u16>,
    /// `excludeOutboundPorts`.
    pub exclude_outbound_ports: Vec<u16>,
    /// `includeOutboundIPRanges`; `None` means `*`.
    pub include_outbound_ip_ranges: Option<Vec<ipnet::IpNet>>,
    /// `excludeOutboundIPRanges`.
    pub exclude_outbound_ip_ranges: Vec<ipnet::IpNet>,
    /// `excludeInterfaces`.
    pub exclude_interfaces: Vec<String>,
}

/// `sidecar.istio.io/interceptionMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterceptionMode {
    /// iptables REDIRECT.
    Redirect,
    /// No rules.
    None,
}

/// A set of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSet {
    /// `*`.
    All,
    /// A list, perhaps empty.
    List(Vec<u16>),
}
