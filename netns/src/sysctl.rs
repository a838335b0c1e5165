//! Kernel settings of the namespace that the calling thread is in.

use std::{fs, path::Path};

use crate::error::{Doing, Result};

/// What every pod and the node need, in the order in which it is written.
///
/// `default` is what interfaces made later start from. A new namespace may inherit the host's own settings
/// (`net.core.devconf_inherit_init_net`), so nothing is taken for granted.
pub(crate) const EVERY_HOST: &[(&str, &str)] = &[
    // Redirected packets come back by another way than the routing table says.
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.lo.rp_filter", "0"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("net.ipv6.conf.lo.disable_ipv6", "0"),
    // Neighbours are fixed, and addresses and routes are given: nobody needs to ask or to advertise.
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    // 1: no link-local address of the kernel's own making, which nobody would use.
    ("net.ipv6.conf.default.addr_gen_mode", "1"),
];

/// What makes a namespace a router. `all` also covers interfaces that are made later.
pub(crate) const ROUTER: &[(&str, &str)] =
    &[("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.forwarding", "1"), ("net.ipv6.conf.default.forwarding", "1")];

/// Sets one kernel setting by its dotted name, as `sysctl` writes it.
pub(crate) fn set(name: &str, value: &str) -> Result<()> {
    // The kernel looks below /proc/sys/net with the namespace of the thread that opens the file.
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    fs::write(&path, value).doing(|| format!("set {name}={value}"))
}

/// Sets several.
pub(crate) fn set_all<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
    settings.into_iter().try_for_each(|(name, value)| set(name, value))
}
