//! Finding pods and services by the names that people and programs use.

use std::{fmt::Write, net::IpAddr};

use crate::model::{Mesh, Service};

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

    /// What a pod's `/etc/hosts` holds: itself, and every service by each name that the pod may use. It stands in for the
    /// cluster's DNS server.
    pub fn hosts_file(&self, pod: usize) -> String {
        let pod = &self.pods[pod];
        let mut text = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        for ip in pod.ips.both() {
            line(&mut text, ip, &[&pod.name.name]);
        }
        for service in &self.services {
            let full = &service.host;
            let with_svc = full.strip_suffix(".cluster.local").unwrap_or(full);
            let with_namespace = with_svc.strip_suffix(".svc").unwrap_or(with_svc);
            let mut names = vec![full.as_str(), with_svc, with_namespace];
            if service.name.namespace == pod.name.namespace {
                names.push(&service.name.name);
            }
            for ip in self.addresses(service) {
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
