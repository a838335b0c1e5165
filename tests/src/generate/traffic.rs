//! Random VirtualServices.

use serde_json::{Value, json};

use super::{APPS, Generator, HOSTS, NAMESPACES};

impl Generator {
    pub(super) fn virtual_service(&mut self) {
        let namespace = self.one_of(&NAMESPACES);
        let host = self.destination_host();
        let mut hosts = vec![host.clone()];
        if self.chance(0.2) {
            hosts.push("virtual.example.com".into());
        }
        if self.chance(0.1) {
            hosts = vec![self.one_of(&["*.example.com", "*.shop.svc.cluster.local"]).into()];
        }
        let mut spec = json!({"hosts": hosts});
        let kind = self.between(0, 5);
        if kind < 4 {
            let count = self.between(1, 3);
            let mut rules: Vec<Value> = (0..count).map(|_| self.http_rule(&host)).collect();
            if self.chance(0.15) {
                rules.insert(0, self.delegation(namespace, &host));
            }
            spec["http"] = rules.into();
        }
        if kind == 4 || self.chance(0.1) {
            let count = self.between(1, 2);
            spec["tcp"] = (0..count).map(|_| self.tcp_rule(&host)).collect();
        }
        if kind == 5 {
            let count = self.between(1, 2);
            spec["tls"] = (0..count).map(|_| self.tls_rule(&host, &hosts)).collect();
        }
        if self.chance(0.1) {
            spec["gateways"] = self.one_of(&[&["mesh"][..], &["mesh", "shop/public"], &["shop/public"]]).into();
        }
        if self.chance(0.2) {
            spec["exportTo"] = self.export_to();
        }
        let name = self.one_of(&["first", "second", "third"]);
        self.push("networking.istio.io/v1", "VirtualService", namespace, name, spec);
    }

    /// A rule whose routes stand in another VirtualService, which is made as well, as a rule.
    fn delegation(&mut self, namespace: &str, host: &str) -> Value {
        let of = if self.chance(0.6) { namespace } else { self.one_of(&NAMESPACES) };
        let mut rule = json!({"delegate": {"name": "delegate"}});
        if of != namespace || self.chance(0.3) {
            rule["delegate"]["namespace"] = of.into();
        }
        if self.chance(0.5) {
            rule["match"] = json!([{"uri": {"prefix": "/api"}}]);
        }
        if self.chance(0.3) {
            rule["timeout"] = "7s".into();
        }
        self.headers(&mut rule, 0.3);
        if self.chance(0.9) {
            let count = self.between(1, 2);
            let mut spec = json!({"http": (0..count).map(|_| self.http_rule(host)).collect::<Vec<_>>()});
            if self.chance(0.3) {
                spec["exportTo"] = self.export_to();
            }
            self.push("networking.istio.io/v1", "VirtualService", of, "delegate", spec);
        }
        rule
    }

    pub(super) fn tcp_rule(&mut self, host: &str) -> Value {
        let mut rule = json!({"route": self.l4_route(host)});
        if self.chance(0.6) {
            let count = self.between(1, 2);
            rule["match"] = (0..count).map(|_| self.l4_match()).collect();
        }
        rule
    }

    pub(super) fn tls_rule(&mut self, host: &str, hosts: &[String]) -> Value {
        let mut matched = self.l4_match();
        if matched == json!({}) || self.chance(0.4) {
            matched = json!({});
        }
        let count = self.between(1, hosts.len());
        matched["sniHosts"] = hosts[..count].into();
        let mut matches = vec![matched];
        if self.chance(0.2) {
            matches.push(json!({"sniHosts": [hosts[hosts.len() - 1]], "port": self.one_of(&[443, 9443])}));
        }
        json!({"match": matches, "route": self.l4_route(host)})
    }

    fn l4_match(&mut self) -> Value {
        let mut matched = json!({});
        if self.chance(0.5) {
            matched["port"] = self.one_of(&[80, 443, 3306, 8080]).into();
        }
        if self.chance(0.15) {
            matched["destinationSubnets"] =
                self.one_of(&[&["240.2.0.0/16"][..], &["10.0.0.0/8"], &["203.0.113.9", "240.1.0.0/16"]]).into();
        }
        if self.chance(0.15) {
            matched["sourceLabels"] = json!({"app": self.one_of(&APPS)});
        }
        if self.chance(0.1) {
            matched["sourceNamespace"] = self.one_of(&NAMESPACES).into();
        }
        if self.chance(0.1) {
            matched["gateways"] = self.one_of(&[&["mesh"][..], &["mesh", "shop/public"], &["shop/public"]]).into();
        }
        matched
    }

    pub(super) fn destination_host(&mut self) -> String {
        let app = self.one_of(&["server", "store", "web", "client"]);
        let of = self.one_of(&NAMESPACES);
        match self.between(0, 5) {
            0 => app.to_owned(),
            1 => format!("{app}.{of}"),
            2 => self.one_of(&HOSTS).to_owned(),
            _ => format!("{app}.{of}.svc.cluster.local"),
        }
    }

    pub(super) fn destination(&mut self, host: &str) -> Value {
        let host = if self.chance(0.75) { host.to_owned() } else { self.destination_host() };
        let mut destination = json!({"host": host});
        if self.chance(0.3) {
            destination["subset"] = self.one_of(&["v1", "v1", "v2"]).into();
        }
        if self.chance(0.3) {
            destination["port"] = json!({"number": self.one_of(&[80, 443, 8080, 3306])});
        }
        destination
    }

    fn l4_route(&mut self, host: &str) -> Value {
        if self.chance(0.6) {
            return json!([{"destination": self.destination(host)}]);
        }
        json!([{"destination": self.destination(host), "weight": 80}, {"destination": self.destination(host), "weight": 20}])
    }
}
