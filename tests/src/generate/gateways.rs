//! Random gateways: their pods and services, Gateways, and the VirtualServices for them.

use serde_json::{Value, json};

use super::{Generator, NAMESPACES};

/// Hosts of servers.
const SERVED: [&str; 6] =
    ["api.example.com", "*.example.com", "*", "shop/*", "./db.example.com", "shop/store.shop.svc.cluster.local"];

impl Generator {
    /// A gateway with its service, one or two Gateways, and VirtualServices for them.
    pub(super) fn gateways(&mut self) {
        let namespace = self.one_of(&["istio-system", "shop"]);
        let labels = json!({"istio": "ingressgateway", "sidecar.istio.io/inject": "true"});
        let metadata = json!({"name": "gateway-0", "namespace": namespace, "labels": labels,
                              "annotations": {"inject.istio.io/templates": "gateway"}});
        let spec = json!({"containers": [{"name": "istio-proxy", "image": "auto"}]});
        self.documents.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}));
        if self.chance(0.8) {
            let ports = json!([{"name": "http2", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443},
                               {"name": "tcp", "port": 9000}, {"name": "tls", "port": 15443}]);
            let spec = json!({"type": "LoadBalancer", "selector": {"istio": "ingressgateway"}, "ports": ports});
            self.push("v1", "Service", namespace, "gateway", spec);
        }
        let names: &[&str] = if self.chance(0.4) { &["public", "partners"] } else { &["public"] };
        for name in names {
            let servers: Vec<Value> = (0..self.between(1, 3)).map(|number| self.server(number)).collect();
            let spec = json!({"selector": {"istio": "ingressgateway"}, "servers": servers});
            self.push("networking.istio.io/v1", "Gateway", "shop", name, spec);
        }
        for _ in 0..self.between(1, 3) {
            self.virtual_service_of_gateway();
        }
    }

    fn server(&mut self, number: usize) -> Value {
        let (port, protocol) = self.one_of(&[
            (80, "HTTP"),
            (80, "HTTP2"),
            (443, "HTTPS"),
            (443, "HTTPS"),
            (443, "TLS"),
            (9000, "TCP"),
            (9001, "TLS"),
            (15443, "TLS"),
        ]);
        let hosts: Vec<&str> = match self.between(0, 3) {
            0 => vec![self.one_of(&SERVED), "second.example.com"],
            _ => vec![self.one_of(&SERVED)],
        };
        let port =
            json!({"number": port, "name": format!("{}-{number}", protocol.to_lowercase()), "protocol": protocol});
        let mut server = json!({"port": port, "hosts": hosts});
        match protocol {
            "HTTPS" | "TLS" => server["tls"] = self.server_tls(),
            "HTTP" | "HTTP2" if self.chance(0.3) => server["tls"] = json!({"httpsRedirect": true}),
            _ => {}
        }
        if self.chance(0.1) {
            server["bind"] = "10.0.0.1".into();
        }
        server
    }

    fn server_tls(&mut self) -> Value {
        let mode = self.one_of(&[
            "SIMPLE",
            "SIMPLE",
            "MUTUAL",
            "OPTIONAL_MUTUAL",
            "ISTIO_MUTUAL",
            "PASSTHROUGH",
            "AUTO_PASSTHROUGH",
        ]);
        let mut tls = json!({"mode": mode});
        if matches!(mode, "PASSTHROUGH" | "AUTO_PASSTHROUGH") {
            return tls;
        }
        if mode != "ISTIO_MUTUAL" {
            match self.between(0, 3) {
                0 => {
                    tls["serverCertificate"] = "/etc/certs/cert.pem".into();
                    tls["privateKey"] = "/etc/certs/key.pem".into();
                    if mode != "SIMPLE" {
                        tls["caCertificates"] = "/etc/certs/ca.pem".into();
                    }
                }
                1 => tls["credentialNames"] = json!(["edge"]),
                _ => tls["credentialName"] = self.one_of(&["edge", "kubernetes://edge"]).into(),
            }
            if self.chance(0.3) {
                tls["minProtocolVersion"] = self.one_of(&["TLSV1_2", "TLSV1_3", "TLS_AUTO"]).into();
            }
            if self.chance(0.2) {
                tls["maxProtocolVersion"] = self.one_of(&["TLSV1_2", "TLSV1_3"]).into();
            }
            if self.chance(0.2) {
                tls["cipherSuites"] = json!(["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]);
            }
        }
        if self.chance(0.2) {
            tls["subjectAltNames"] = json!(["client.example.com"]);
        }
        tls
    }

    fn virtual_service_of_gateway(&mut self) {
        let namespace = self.one_of(&NAMESPACES);
        let host = self.destination_host();
        let mut hosts: Vec<String> = vec![
            self.one_of(&["api.example.com", "db.example.com", "*.example.com", "*", "store.shop.svc.cluster.local"])
                .into(),
        ];
        if self.chance(0.2) && hosts[0] != "*" {
            hosts = vec!["api.example.com".into(), "second.example.com".into()];
        }
        let gateways =
            self.one_of(&[&["shop/public"][..], &["shop/public", "shop/partners"], &["shop/public", "mesh"]]);
        if hosts[0] == "*" && gateways.contains(&"mesh") {
            hosts = vec!["api.example.com".into()];
        }
        let mut spec = json!({"hosts": hosts, "gateways": gateways});
        match self.between(0, 3) {
            0 => spec["tcp"] = json!([self.tcp_rule(&host)]),
            1 => spec["tls"] = json!([self.tls_rule(&host, &hosts)]),
            _ => spec["http"] = (0..self.between(1, 2)).map(|_| self.http_rule(&host)).collect(),
        }
        if self.chance(0.15) {
            spec["exportTo"] = self.export_to();
        }
        let name = self.one_of(&["at-gateway", "at-edge"]);
        self.push("networking.istio.io/v1", "VirtualService", namespace, name, spec);
    }
}
