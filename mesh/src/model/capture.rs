//! What a sidecar's redirects capture.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

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
    /// `kubevirtInterfaces`): what they send is captured as what leaves the pod.
    pub reroute_interfaces: Vec<String>,
    /// Whose connections are captured (`ISTIO_OUTBOUND_OWNER_GROUPS`, `ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE`).
    pub owner_groups: OwnerGroups,
    /// Whether that takes in the pod's programs, by the group that their manifest gives them.
    pub app_group_is_captured: bool,
    /// What counts as loopback in IPv4 (`ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR`).
    pub ipv4_loopback: Ipv4Net,
    /// Whether packets that belong to no connection are dropped (`INVALID_DROP`).
    pub drop_invalid: bool,
}

impl Default for Capture {
    /// What injection asks for where no annotation says otherwise.
    fn default() -> Self {
        Self {
            mode: InterceptionMode::Redirect,
            include_inbound_ports: PortSet::All,
            exclude_inbound_ports: vec![15090, 15021, 15020],
            include_outbound_ports: vec![],
            exclude_outbound_ports: vec![],
            include_outbound_ip_ranges: None,
            exclude_outbound_ip_ranges: vec![],
            exclude_interfaces: vec![],
            reroute_interfaces: vec![],
            owner_groups: OwnerGroups::AllBut(vec![]),
            app_group_is_captured: true,
            ipv4_loopback: Ipv4Net::from(Ipv4Addr::LOCALHOST),
            drop_invalid: false,
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

/// A set of ports.
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

impl OwnerGroups {
    /// Whether a group is among them.
    pub fn contains(&self, group: u32) -> bool {
        let listed = |groups: &[String]| groups.iter().any(|listed| listed.parse() == Ok(group));
        match self {
            Self::AllBut(groups) => !listed(groups),
            Self::Only(groups) => listed(groups),
        }
    }
}
