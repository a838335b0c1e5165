//! An API server and a webhook on loopback: the contract kept, and broken in every way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::failure::{CertificateProblem, FailureKind};
use crate::report::{ClientCertificate, ClientReport};
use crate::server::Protocol;
use crate::testing::{Behaviour, Pki, Running, deserted_port, parse, peer_that};

mod contract;
mod transport;

/// The name that an API server asks for.
const NAME: &str = "webhook.default.svc";

/// A webhook that runs, and whoever its caller has to trust.
struct Cluster {
    pki: Pki,
    server: Running,
    folder: TempDir,
}

impl Cluster {
    fn new() -> Self {
        Self::showing(&[NAME])
    }

    /// With a certificate for these names.
    fn showing(sans: &[&str]) -> Self {
        let pki = Pki::new();
        let server = Running::start_webhook(&format!("--https 127.0.0.1:0 {}", pki.issue("webhook", sans)));
        Self { pki, server, folder: tempfile::tempdir().unwrap() }
    }

    fn port(&self) -> u16 {
        self.server.port(Protocol::Webhook)
    }

    /// A webhook at a path of the service, for every Pod that is created.
    fn hook(&self, name: &str, path: &str) -> Value {
        let bundle = STANDARD.encode(std::fs::read(self.pki.ca()).unwrap());
        json!({
            "name": format!("{name}.example.com"),
            "clientConfig": {
                "service": {"name": "webhook", "namespace": "default", "path": path, "port": 443},
                "caBundle": bundle,
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 5,
        })
    }

    /// Creates an object, a plain Pod unless `line` names another, with these webhooks.
    async fn create(&self, line: &str, mutating: &[Value], validating: &[Value]) -> AdmissionReport {
        self.create_at(self.port(), line, mutating, validating).await
    }

    /// The same, with whatever listens at a port in the webhook's place.
    async fn create_at(&self, port: u16, line: &str, mutating: &[Value], validating: &[Value]) -> AdmissionReport {
        let configuration = |kind: &str, webhooks: &[Value]| {
            let (api_version, metadata) = ("admissionregistration.k8s.io/v1", json!({"name": "tested"}));
            json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "webhooks": webhooks})
        };
        let manifests = format!(
            "{}\n---\n{}\n",
            configuration("MutatingWebhookConfiguration", mutating),
            configuration("ValidatingWebhookConfiguration", validating),
        );
        let file = self.write("manifests.yaml", &manifests);
        let args: ApiserverArgs = parse(&format!("{line} --webhooks {file} --connect-to 127.0.0.1:{port}")).unwrap();
        let report = create(&args).await.unwrap();
        // Whatever a test provokes, its report must survive being printed and read.
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<AdmissionReport>(&json).unwrap(), report);
        report
    }

    /// What one validating webhook makes of a Pod.
    async fn validate(&self, hook: Value) -> AdmissionReport {
        self.create("", &[], &[hook]).await
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

/// A webhook with other fields.
fn with(mut hook: Value, fields: &Value) -> Value {
    for (field, value) in fields.as_object().unwrap() {
        hook[field] = value.clone();
    }
    hook
}

/// The message of a request that is not granted.
fn told(report: &AdmissionReport) -> &str {
    assert!(!report.created());
    report.message.as_deref().unwrap()
}

fn kind(call: &ClientReport) -> FailureKind {
    call.error.clone().unwrap().kind
}
