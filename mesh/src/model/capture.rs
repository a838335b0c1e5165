//! What a sidecar's redirects capture.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use crate::sidecar::{HEALTH_PORT, PROMETHEUS_PORT, STATUS_PORT};

/// What a sidecar's redirects capture, from the `traffic.sidecar.istio.io/*` annotations and injection's defaults
/// (`manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`), and from what annotation
/// `proxy.istio.io/config` hands to `istio-iptables` as environment.
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
    pub include_outbound_ip_ranges: Option<Vec<IpNet>>,
    /// `excludeOutboundIPRanges`.
    pub exclude_outbound_ip_ranges: Vec<IpNet>,
    /// `excludeInterfaces`.
    pub exclude_interfaces: Vec<String>,
    /// Interfaces behind which virtual machines of the pod sit (`istio.io/reroute-virtual-interfaces`, else
    /// `kubevirtInterfaces`): their traffic is captured like that of the pod.
    pub reroute_interfaces: Vec<String>,
    /// Whose connections are captured (`ISTIO_OUTBOUND_OWNER_GROUPS`, `ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE`).
    pub owner_groups: OwnerGroups,
    /// The group of the pod's programs, from their manifest; root's if it names none.
    pub app_gid: u32,
    /// The range that counts as loopback in IPv4 (`ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR`).
    pub ipv4_loopback: Ipv4Net,
    /// Whether packets that belong to no connection are dropped (`INVALID_DROP`).
    pub drop_invalid: bool,
    /// Whether the agent answers DNS (`ISTIO_META_DNS_CAPTURE`), so that programs can resolve hosts of ServiceEntries.
    pub dns: bool,
}

impl Default for Capture {
    /// Injection's default, without annotations.
    fn default() -> Self {
        Self {
            mode: InterceptionMode::Redirect,
            include_inbound_ports: PortSet::All,
            exclude_inbound_ports: vec![PROMETHEUS_PORT, HEALTH_PORT, STATUS_PORT],
            include_outbound_ports: vec![],
            exclude_outbound_ports: vec![],
            include_outbound_ip_ranges: None,
            exclude_outbound_ip_ranges: vec![],
            exclude_interfaces: vec![],
            reroute_interfaces: vec![],
            owner_groups: OwnerGroups::AllBut(vec![]),
            app_gid: 0,
            ipv4_loopback: Ipv4Net::from(Ipv4Addr::LOCALHOST),
            drop_invalid: false,
            dns: false,
        }
    }
}

/// `sidecar.istio.io/interceptionMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterceptionMode {
    /// iptables REDIRECT.
    Redirect,
    /// No rules.
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSet {
    /// `*`.
    All,
    /// A list, perhaps empty.
    List(Vec<u16>),
}

/// Groups of programs, by number or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerGroups {
    /// All but these.
    AllBut(Vec<String>),
    /// These alone.
    Only(Vec<String>),
}
