//! Finding pods, services and hosts outside of the cluster by the names that people and programs use.

use std::{fmt::Write, net::IpAddr};

use crate::model::{CLUSTER_DNS, Mesh, Service, Webhook};

impl Mesh {
    /// The pod of this name: `client` in the namespace given, or `client.NAMESPACE`. A Deployment's name stands for its
    /// first pod.
    pub fn pod(&self, name: &str, default_namespace: &str) -> Option<usize> {
        let in_namespace = |name: &str, namespace: &str| {
            let is = |name: &str| self.pods.iter().position(|p| p.name.name == name && p.name.namespace == namespace);
            is(name).or_else(|| is(&format!("{name}-0")))
        };
        in_namespace(name, default_namespace).or_else(|| {
            let (name, namespace) = name.rsplit_once('.')?;
            in_namespace(name, namespace)
        })
    }

    /// The service that a pod of a namespace reaches by a host name, as its resolver completes it: `server`, `server.NS`,
    /// `server.NS.svc`, or the full name.
    pub fn service(&self, host: &str, namespace: &str) -> Option<&Service> {
        let host = host.to_ascii_lowercase();
        let host = match host.strip_suffix('.') {
            Some(absolute) => return self.services.iter().find(|s| s.host == absolute),
            None => host,
        };
        let search = [format!("{namespace}.svc.cluster.local"), "svc.cluster.local".into(), "cluster.local".into()];
        let completed = search.iter().map(|domain| format!("{host}.{domain}"));
        completed.chain([host.clone()]).find_map(|name| self.services.iter().find(|s| s.host == name))
    }

    /// The admission webhook of a name.
    pub fn webhook(&self, name: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.name == name)
    }

    /// The service that has a virtual address.
    pub fn service_at(&self, ip: IpAddr) -> Option<&Service> {
        self.services.iter().find(|s| s.vips.contains(&ip))
    }

    /// The pod that has an address.
    pub fn pod_at(&self, ip: IpAddr) -> Option<usize> {
        self.pods.iter().position(|p| p.ips.contains(ip))
    }

    /// The addresses that a service's name stands for: its own, or its pods' when it is headless.
    pub fn addresses(&self, service: &Service) -> Vec<IpAddr> {
        if !service.is_headless() {
            return service.vips.clone();
        }
        let mut pods: Vec<_> = service.ports.iter().flat_map(|port| &port.endpoints).map(|e| e.pod).collect();
        pods.sort_unstable();
        pods.dedup();
        let v4 = pods.iter().map(|&pod| IpAddr::V4(self.pods[pod].ips.v4));
        let v6 = pods.iter().map(|&pod| IpAddr::V6(self.pods[pod].ips.v6));
        v4.chain(v6).collect()
    }

    /// The addresses that a host's name stands for, as a pod of a namespace resolves it: a service's, else those of a host
    /// outside of the cluster. None for a name that nobody has.
    pub fn resolve(&self, host: &str, namespace: &str) -> Vec<IpAddr> {
        if let Some(service) = self.service(host, namespace) {
            return self.addresses(service);
        }
        self.external_host(host).map(|pod| self.pods[pod].ips.both().into()).unwrap_or_default()
    }

    /// The pod that stands for a host outside of the cluster.
    pub fn external_host(&self, host: &str) -> Option<usize> {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        self.pods.iter().position(|pod| pod.external_hosts.iter().any(|name| name == host))
    }

    /// What a pod's `/etc/hosts` holds: itself, as the kubelet writes it.
    pub fn hosts_file(&self, pod: usize) -> String {
        let pod = &self.pods[pod];
        let mut text = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        for ip in pod.ips.both() {
            line(&mut text, ip, &[&pod.name.name]);
        }
        text
    }

    /// What a pod's `/etc/resolv.conf` holds: the cluster's DNS server, and how short names of services are completed. A
    /// host outside of the cluster asks the same server.
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

    /// All that the cluster's DNS server knows, in the form of `/etc/hosts`: every service and every host outside of the
    /// cluster, by its full name.
    pub fn dns_records(&self) -> String {
        let mut text = String::new();
        for service in &self.services {
            for ip in self.addresses(service) {
                line(&mut text, ip, &[&service.host]);
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

fn line(text: &mut String, ip: IpAddr, names: &[&str]) {
    writeln!(text, "{ip}\t{}", names.join(" ")).expect("writing into a String cannot fail");
}

#[cfg(test)]
mod tests;
