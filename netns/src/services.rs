//! Service addresses, translated on the node as in kube-proxy's iptables mode.

use std::{fmt::Write as _, net::IpAddr};

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    faults::{self, FaultSpec},
    rules::Family,
};

#[cfg(test)]
mod tests;

/// The node's interface for its default route. Nothing is behind it, and the rules reject what is routed there.
pub(crate) const UPLINK: &str = "uplink";

/// One port of a service, in one IP version. A service with two ports, or in both IP versions, is several of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Kubernetes' name of a service port, `NAMESPACE/SERVICE:PORT`, or without `:PORT` if the port has no name. The names of chains
    /// are derived from it as in kube-proxy.
    pub name: String,
    /// The cluster IP. No pod has it.
    pub vip: IpAddr,
    /// TCP port of the service.
    pub port: u16,
    /// Addresses and ports of the pods behind it, in the same IP version. Without any, connections are refused.
    pub endpoints: Vec<(IpAddr, u16)>,
}

/// The node's whole nat and filter tables for one IP version, in the format of `iptables-restore`.
///
/// A connection to a service goes to a random endpoint; one to an unknown address is rejected as unreachable. A pod that reaches
/// itself through its own service is masqueraded, so that the answers pass through the node. Faults come first.
///
/// # Errors
///
/// [`Error::BadSpec`] if an endpoint's IP version differs from its service's.
pub(crate) fn rules(services: &[ServiceSpec], faults: &[FaultSpec], family: Family) -> Result<String> {
    let mut nat = Table::default();
    let mut filter = Table::default();
    for service in services {
        service.check()?;
        if Family::of(service.vip) != family {
            continue;
        }
        if service.endpoints.is_empty() {
            filter.refuse(service);
        } else {
            nat.translate(service);
        }
    }
    let Table { chains, rules } = nat;
    let nat = format!(
        "*nat\n\
         :PREROUTING ACCEPT [0:0]\n\
         :INPUT ACCEPT [0:0]\n\
         :OUTPUT ACCEPT [0:0]\n\
         :POSTROUTING ACCEPT [0:0]\n\
         :KUBE-SERVICES - [0:0]\n\
         :KUBE-MARK-MASQ - [0:0]\n\
         :KUBE-POSTROUTING - [0:0]\n\
         {chains}\
         -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n\
         -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n\
         -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000\n\
         -A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully\n\
         -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n\
         {rules}\
         COMMIT\n"
    );
    let Table { rules, .. } = filter;
    let faults = faults::rules(faults, family);
    let unreachable = match family {
        Family::V4 => "icmp-net-unreachable",
        Family::V6 => "icmp6-no-route",
    };
    let filter = format!(
        "*filter\n\
         :INPUT ACCEPT [0:0]\n\
         :FORWARD ACCEPT [0:0]\n\
         :OUTPUT ACCEPT [0:0]\n\
         :KUBE-SERVICES - [0:0]\n\
         {faults}\
         -A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         {rules}\
         -A FORWARD -o {UPLINK} -j REJECT --reject-with {unreachable}\n\
         COMMIT\n"
    );
    Ok(nat + &filter)
}

/// Lines of one table. Chains and rules are separate because all chains come first.
#[derive(Default)]
struct Table {
    chains: String,
    rules: String,
}

impl Table {
    /// Adds rules that distribute a service's connections over its endpoints.
    fn translate(&mut self, service: &ServiceSpec) {
        let ServiceSpec { name, endpoints, .. } = service;
        let service_chain = chain("KUBE-SVC", &[name, "tcp"]);
        let portal = service.portal();
        self.chain(&service_chain);
        self.rule(format_args!(
            "KUBE-SERVICES {portal} -m comment --comment \"{name} cluster IP\" -m tcp --dport {} -j {service_chain}",
            service.port
        ));
        for (index, (address, port)) in endpoints.iter().enumerate() {
            let endpoint = match address {
                IpAddr::V4(_) => format!("{address}:{port}"),
                IpAddr::V6(_) => format!("[{address}]:{port}"),
            };
            let endpoint_chain = chain("KUBE-SEP", &[name, "tcp", &endpoint]);
            self.chain(&endpoint_chain);
            // Each takes its share of what the previous ones left; the last one takes the rest.
            let left = endpoints.len() - index;
            let share = if left > 1 {
                let probability = 1.0 / left as f64;
                format!(" -m statistic --mode random --probability {probability:.10}")
            } else {
                String::new()
            };
            self.rule(format_args!(
                "{service_chain} -m comment --comment \"{name} -> {endpoint}\"{share} -j {endpoint_chain}"
            ));
            self.rule(format_args!("{endpoint_chain} -s {address} -m comment --comment \"{name}\" -j KUBE-MARK-MASQ"));
            self.rule(format_args!(
                "{endpoint_chain} -p tcp -m comment --comment \"{name}\" -m tcp -j DNAT --to-destination {endpoint}"
            ));
        }
    }

    /// Adds a rule that refuses connections to a service without endpoints.
    ///
    /// kube-proxy rejects with ICMP, which gives the caller the same error. Here the ICMP message would arrive before the caller's
    /// `connect` has released its socket; the kernel then only notes the error, and the call fails a second later, on retransmission.
    fn refuse(&mut self, service: &ServiceSpec) {
        let portal = service.portal();
        self.rule(format_args!(
            "KUBE-SERVICES {portal} -m comment --comment \"{} has no endpoints\" -m tcp --dport {} -j REJECT --reject-with tcp-reset",
            service.name, service.port
        ));
    }

    fn chain(&mut self, name: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.chains, ":{name} - [0:0]");
    }

    fn rule(&mut self, rule: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.rules, "-A {rule}");
    }
}

impl ServiceSpec {
    fn portal(&self) -> String {
        format!("-d {} -p tcp", self.vip)
    }

    fn check(&self) -> Result<()> {
        let bad = |why: String| Err(Error::BadSpec { what: format!("service `{}`", self.name), why });
        if self.name.contains(['"', '\\', '\n']) {
            return bad("a service's name has no quotes, backslashes or line ends".to_owned());
        }
        let family = Family::of(self.vip);
        match self.endpoints.iter().find(|(address, _)| Family::of(*address) != family) {
            Some((address, _)) => bad(format!("endpoint {address} differs in IP version from {}", self.vip)),
            None => Ok(()),
        }
    }
}

/// kube-proxy's name of a chain: a prefix, and the first 16 characters of the base32-encoded SHA-256 of what it is for.
fn chain(prefix: &str, subject: &[&str]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = Sha256::digest(subject.concat());
    // 16 characters of 5 bits each are the first 10 bytes.
    let bits = hash[..10].iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let name: String = (0..16).rev().map(|place| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize])).collect();
    format!("{prefix}-{name}")
}
