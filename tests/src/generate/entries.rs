//! Random ServiceEntries and WorkloadEntries.

use serde_json::{Value, json};

use super::{APPS, Generator, HOSTS, NAMESPACES};

impl Generator {
    pub(super) fn service_entry(&mut self) {
        let namespace = self.one_of(&NAMESPACES);
        let host = self.one_of(&HOSTS);
        let resolution = self.one_of(&["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"]);
        let protocols = ["HTTP", "HTTPS", "TCP", "TLS", "HTTP2", "GRPC"];
        let mut ports = vec![];
        for (number, name) in [(80, "web"), (443, "secure"), (3306, "data")] {
            if self.chance(0.5) {
                ports.push(json!({"number": number, "name": name, "protocol": self.one_of(&protocols)}));
            }
        }
        if ports.is_empty() {
            ports.push(json!({"number": 443, "name": "secure", "protocol": "TLS"}));
        }
        if self.chance(0.15) && resolution != "NONE" {
            ports[0]["targetPort"] = 8443.into();
        }
        let mut hosts = vec![host];
        let is_told = |port: &Value| port["protocol"] != "TCP";
        if self.chance(0.15) && (resolution == "NONE" || ports.iter().all(is_told)) {
            hosts.push("second.example.com");
        }
        if self.chance(0.1) && matches!(resolution, "NONE" | "STATIC") {
            hosts = vec![self.one_of(&["*.example.com", "*.api.example.com"])];
        }
        let mut spec = json!({"hosts": hosts, "ports": ports, "resolution": resolution});
        if self.chance(0.7) {
            spec["location"] = self.one_of(&["MESH_EXTERNAL", "MESH_INTERNAL"]).into();
        }
        if self.chance(0.3) || resolution == "NONE" && self.chance(0.5) {
            spec["addresses"] =
                self.one_of(&[&["240.1.1.1"][..], &["240.1.1.1", "240.1.1.2"], &["240.2.0.0/16"]]).into();
        }
        match resolution {
            "STATIC" => {
                spec["endpoints"] =
                    json!([{"address": "203.0.113.9"}, {"address": "203.0.113.10", "labels": {"version": "v1"}}]);
                if self.chance(0.3) {
                    spec["endpoints"][0]["serviceAccount"] = "vm".into();
                }
                if self.chance(0.2) {
                    let mode = self.one_of(&["istio", "disabled"]);
                    spec["endpoints"][1]["labels"]["security.istio.io/tlsMode"] = mode.into();
                }
                if self.chance(0.2) {
                    spec["endpoints"][0]["weight"] = 3.into();
                }
                if self.chance(0.2) {
                    let name = spec["ports"][0]["name"].as_str().expect("a name").to_owned();
                    spec["endpoints"][0]["ports"] = json!({name: 9443});
                }
            }
            "DNS" if self.chance(0.4) => spec["endpoints"] = json!([{"address": "one.example.net"}]),
            _ => {}
        }
        if self.chance(0.2) {
            spec["subjectAltNames"] = json!(["entry.example.com"]);
        }
        if self.chance(0.3) {
            spec["exportTo"] = self.export_to();
        }
        let name = self.one_of(&["first", "second", "third"]);
        self.push("networking.istio.io/v1", "ServiceEntry", namespace, name, spec);
    }

    /// A WorkloadEntry, and now and then a ServiceEntry that selects such.
    pub(super) fn workload_entry(&mut self) {
        let (namespace, app) = (self.one_of(&NAMESPACES), self.one_of(&APPS));
        let number = self.documents.len();
        let mut spec = json!({"address": format!("203.0.113.{}", 50 + number % 100), "labels": {"app": app}});
        if self.chance(0.4) {
            spec["serviceAccount"] = "vm".into();
        }
        if self.chance(0.3) {
            spec["ports"] = json!({self.one_of(&["http", "web", "tcp", "secure"]): 9443});
        }
        if self.chance(0.2) {
            spec["labels"]["version"] = "v1".into();
        }
        if self.chance(0.2) {
            spec["labels"]["security.istio.io/tlsMode"] = self.one_of(&["istio", "disabled"]).into();
        }
        let name = format!("vm-{number}");
        self.push("networking.istio.io/v1", "WorkloadEntry", namespace, &name, spec);
        if self.chance(0.5) {
            let protocol = self.one_of(&["HTTP", "TCP", "TLS", "GRPC"]);
            let ports = json!([{"number": self.one_of(&[80, 443]), "name": "web", "protocol": protocol}]);
            let host = self.one_of(&["vm.internal.corp", HOSTS[0]]);
            let resolution = self.one_of(&["STATIC", "STATIC", "NONE", "DNS"]);
            let location = self.one_of(&["MESH_EXTERNAL", "MESH_INTERNAL"]);
            let spec = json!({"hosts": [host], "ports": ports, "resolution": resolution, "location": location,
                              "workloadSelector": {"labels": {"app": app}}});
            let name = self.one_of(&["selects", "selects-more"]);
            self.push("networking.istio.io/v1", "ServiceEntry", namespace, name, spec);
        }
    }
}
