//! Finding pods, services and hosts outside the cluster by the names that people and programs use.

use std::{fmt::Write, net::IpAddr};

use crate::{
    manifests::nearest,
    model::{CLUSTER_DNS, Resolved, Service, Webhook},
};

impl Resolved {
    /// The pod of this name: `client` in the namespace given, or `client.NAMESPACE`. A workload's name, with or without its
    /// kind, means its first pod: `server`, `deploy/server`.
    pub fn pod(&self, name: &str, default_namespace: &str) -> Option<usize> {
        let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
        let in_namespace = |name: &str, namespace: &str| {
            let mut pods = self.pods.iter().enumerate().filter(|(_, pod)| pod.name.namespace == namespace);
            let mut of_workload = None;
            let is = pods.find(|(i, pod)| {
                if pod.workload == name && of_workload.is_none() {
                    of_workload = Some(*i);
                }
                pod.name.name == name
            });
            is.map(|(i, _)| i).or(of_workload)
        };
        in_namespace(name, default_namespace).or_else(|| {
            let (name, namespace) = name.rsplit_once('.')?;
            in_namespace(name, namespace)
        })
    }

    /// The service that a pod of a namespace reaches by a host name, as its resolver completes it: `server`, `server.NS`,
    /// `server.NS.svc`, the full name, or that of an ExternalName for one of these.
    pub fn service(&self, host: &str, namespace: &str) -> Option<&Service> {
        completed(host, namespace).find_map(|name| self.service_of_full_name(&name, 0))
    }

    /// The service of a full name, following ExternalNames up to a limit.
    fn service_of_full_name(&self, name: &str, steps: usize) -> Option<&Service> {
        let service = self.services.iter().find(|service| service.host == name);
        service.or_else(|| {
            let alias = self.external_names.iter().find(|alias| alias.host == name && steps < ALIAS_STEPS)?;
            self.service_of_full_name(&alias.target, steps + 1)
        })
    }

    /// The pod with a separate DNS name, below that of its headless service (`db-0.db`), as a pod of a namespace resolves
    /// it, with that service.
    pub fn pod_of_headless(&self, host: &str, namespace: &str) -> Option<(usize, &Service)> {
        completed(host, namespace).find_map(|name| {
            let (_, domain) = name.split_once('.')?;
            let service = self.services.iter().find(|service| service.host == domain && service.is_headless())?;
            let pod = self.pods.iter().position(|pod| pod.dns_name.as_deref() == Some(name.as_str()))?;
            let is_behind =
                |port: &crate::model::ServicePort| port.endpoints.iter().any(|endpoint| endpoint.pod == pod);
            service.ports.iter().any(is_behind).then_some((pod, service))
        })
    }

    /// The admission webhook of a name.
    pub fn webhook(&self, name: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.name == name)
    }

    /// The service that has a virtual address.
    pub fn service_at(&self, ip: IpAddr) -> Option<&Service> {
        self.services.iter().find(|s| s.has_address(ip))
    }

    /// The pod that has an address.
    pub fn pod_at(&self, ip: IpAddr) -> Option<usize> {
        self.pods.iter().position(|p| p.ips.contains(ip))
    }

    /// The addresses that a service's name resolves to: its own, or its pods' if it is headless.
    pub fn addresses(&self, service: &Service) -> Vec<IpAddr> {
        if !service.is_headless() {
            return service.vips.clone();
        }
        let mut pods: Vec<_> = service.ports.iter().flat_map(|port| &port.endpoints).map(|e| e.pod).collect();
        pods.sort_unstable();
        pods.dedup();
        let of = |family| pods.iter().map(move |&pod| self.pods[pod].ips.of(family));
        service.families.iter().flat_map(|&family| of(family)).collect()
    }

    /// The addresses that a host's name resolves to in a pod of a namespace: a service's, else those of a host
    /// outside the cluster. Empty for an unknown name.
    pub fn resolve(&self, host: &str, namespace: &str) -> Vec<IpAddr> {
        if let Some(service) = self.service(host, namespace) {
            return self.addresses(service);
        }
        if let Some((pod, service)) = self.pod_of_headless(host, namespace) {
            return service.families.iter().map(|&family| self.pods[pod].ips.of(family)).collect();
        }
        let target = completed(host, namespace)
            .find_map(|name| self.external_names.iter().find(|alias| alias.host == name))
            .map(|alias| alias.target.as_str());
        let outside = self.external_host(target.unwrap_or(host));
        outside.map(|pod| self.pods[pod].ips.both().into()).unwrap_or_default()
    }

    /// The addresses that a host's name resolves to for a program in a pod. With DNS capture the sidecar's agent also knows the
    /// addresses of ServiceEntries, and answers first (`pkg/dns/client/dns.go`).
    pub fn resolve_in(&self, pod: usize, host: &str) -> Vec<IpAddr> {
        let pod = &self.pods[pod];
        let namespace = pod.name.namespace.as_str();
        let by_file = pod.in_hosts_file(host);
        if !by_file.is_empty() {
            return by_file;
        }
        let is_captured = pod.sidecar.as_ref().is_some_and(|sidecar| sidecar.capture.dns);
        let is_seen = |service: &&Service| service.is_seen_from(namespace) && !service.vips.is_empty();
        let mut entries = self.entries.iter().filter(|_| is_captured).filter(is_seen);
        match entries.find(|service| service.host.eq_ignore_ascii_case(host)) {
            Some(service) => service.vips.clone(),
            None => self.resolve(host, namespace),
        }
    }

    /// The name most similar to one that does not resolve, as a pod of `namespace` would write it.
    pub fn nearest_host(&self, host: &str, namespace: &str) -> Option<String> {
        let services = self.services.iter().flat_map(|service| {
            let short = (service.name.namespace == namespace).then(|| service.name.name.clone());
            short.into_iter().chain([service.name.to_string(), service.host.clone()])
        });
        let outside = self.pods.iter().flat_map(|pod| pod.external_hosts.clone());
        let names: Vec<String> = services.chain(outside).collect();
        nearest(host, names.iter().map(String::as_str)).map(str::to_owned)
    }

    /// The pod that plays a host outside the cluster.
    pub fn external_host(&self, host: &str) -> Option<usize> {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        self.pods.iter().position(|pod| pod.external_hosts.iter().any(|name| name == host))
    }

    /// The contents of a pod's `/etc/hosts`: the pod itself, as the kubelet writes it.
    pub fn hosts_file(&self, pod: usize) -> String {
        let pod = &self.pods[pod];
        let mut text = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        for ip in pod.ips.both() {
            line(&mut text, ip, &[&pod.hostname]);
        }
        for alias in &pod.host_aliases {
            line(&mut text, alias.0, &alias.1.iter().map(String::as_str).collect::<Vec<_>>());
        }
        text
    }

    /// The contents of a pod's `/etc/resolv.conf`: the cluster's DNS server, and the search list for short names of services. A
    /// host outside the cluster asks the same server.
    pub fn resolv_conf(&self, pod: usize) -> String {
        let mut text = String::new();
        for ip in CLUSTER_DNS.both() {
            writeln!(text, "nameserver {ip}").expect("writing into a String cannot fail");
        }
        let namespace = &self.pods[pod].name.namespace;
        writeln!(text, "search {namespace}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5")
            .expect("writing into a String cannot fail");
        text
    }

    /// The records of the cluster's DNS server, in the format of `/etc/hosts`: every service and every host outside the
    /// cluster, by its full name.
    pub fn dns_records(&self) -> String {
        let mut text = String::new();
        for service in &self.services {
            for ip in self.addresses(service) {
                line(&mut text, ip, &[&service.host]);
            }
        }
        for alias in &self.external_names {
            for ip in self.resolve(&format!("{}.", alias.host), "") {
                line(&mut text, ip, &[&alias.host]);
            }
        }
        for pod in &self.pods {
            let name = pod.dns_name.as_deref().filter(|name| self.pod_of_headless(&format!("{name}."), "").is_some());
            for ip in pod.ips.both().into_iter().filter(|_| name.is_some()) {
                line(&mut text, ip, &[name.unwrap_or_default()]);
            }
        }
        for pod in &self.pods {
            let names: Vec<&str> = pod.external_hosts.iter().map(String::as_str).collect();
            for ip in pod.ips.both().into_iter().filter(|_| pod.is_external()) {
                line(&mut text, ip, &names);
            }
        }
        text
    }
}

/// The maximum length of a chain of ExternalNames.
const ALIAS_STEPS: usize = 8;

/// The full names that a resolver tries for a name, by its search list.
fn completed(host: &str, namespace: &str) -> impl Iterator<Item = String> {
    let host = host.to_ascii_lowercase();
    let (host, search) = match host.strip_suffix('.') {
        Some(absolute) => (absolute.to_owned(), vec![]),
        None => {
            (host, vec![format!("{namespace}.svc.cluster.local"), "svc.cluster.local".into(), "cluster.local".into()])
        }
    };
    let names: Vec<_> = search.iter().map(|domain| format!("{host}.{domain}")).chain([host.clone()]).collect();
    names.into_iter()
}

fn line(text: &mut String, ip: IpAddr, names: &[&str]) {
    writeln!(text, "{ip}\t{}", names.join(" ")).expect("writing into a String cannot fail");
}

#[cfg(test)]
mod tests;
