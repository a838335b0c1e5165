//! Kernel settings of the calling thread's network namespace.

use std::{fs, path::Path};

use crate::error::{Doing, Result};

/// Settings of every pod and of the node, in the order in which they are written.
///
/// `default` applies to interfaces that are created later. A new namespace may inherit the host's settings
/// (`net.core.devconf_inherit_init_net`), so everything is set explicitly.
pub(crate) const EVERY_HOST: &[(&str, &str)] = &[
    // Redirected packets do not come back on the path that the routing table predicts.
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.lo.rp_filter", "0"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("net.ipv6.conf.lo.disable_ipv6", "0"),
    // Neighbours, addresses and routes are static: nothing needs to be discovered or advertised.
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    // 1: no automatic link-local address, which nothing would use.
    ("net.ipv6.conf.default.addr_gen_mode", "1"),
];

/// Settings that make a namespace a router. `all` also covers interfaces that are created later.
pub(crate) const ROUTER: &[(&str, &str)] =
    &[("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.forwarding", "1"), ("net.ipv6.conf.default.forwarding", "1")];

/// Settings of the node's connection tracking, which exists once rules are loaded.
pub(crate) const NODE_TRACKING: &[(&str, &str)] = &[
    // A connection that its server reset is forgotten at once. Its entry would pass the old translation to the next connection from the
    // same port, whatever the rules are by then (`nf_conntrack_tcp_packet`, state CLOSE).
    ("net.netfilter.nf_conntrack_tcp_timeout_close", "0"),
];

/// Sets a kernel setting by its dotted name, as in `sysctl -w`.
pub(crate) fn set(name: &str, value: &str) -> Result<()> {
    // /proc/sys/net shows the namespace of the thread that opens the file.
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    fs::write(&path, value).doing(|| format!("set {name}={value}"))
}

pub(crate) fn set_all<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
    settings.into_iter().try_for_each(|(name, value)| set(name, value))
}
