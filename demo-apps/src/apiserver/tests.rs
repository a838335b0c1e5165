//! An API server and a webhook on loopback, with the contract kept and violated.

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

/// The name that the webhook's certificate must have.
const NAME: &str = "webhook.default.svc";

/// A running webhook, and the CA that its caller trusts.
struct Cluster {
    pki: Pki,
    server: Running,
    folder: TempDir,
}

impl Cluster {
    fn new() -> Self {
        Cluster::with_names(&[NAME])
    }

    /// A cluster whose webhook has a certificate for these names.
    fn with_names(sans: &[&str]) -> Self {
        let pki = Pki::new();
        let server = Running::start_webhook(&format!("--https 127.0.0.1:0 {}", pki.issue("webhook", sans)));
        Self { pki, server, folder: tempfile::tempdir().unwrap() }
    }

    fn port(&self) -> u16 {
        self.server.port(Protocol::Webhook)
    }

    /// A webhook configuration for a path, matching all Pods.
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

    /// The same, with the webhooks at another port.
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
        // Every report must survive serialization.
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<AdmissionReport>(&json).unwrap(), report);
        report
    }

    /// Creates a Pod with a single validating webhook.
    async fn validate(&self, hook: Value) -> AdmissionReport {
        self.create("", &[], &[hook]).await
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

/// A webhook configuration with additional fields.
fn with(mut hook: Value, fields: &Value) -> Value {
    for (field, value) in fields.as_object().unwrap() {
        hook[field] = value.clone();
    }
    hook
}

/// The message of a refused request.
fn message_of(report: &AdmissionReport) -> &str {
    assert!(!report.created());
    report.message.as_deref().unwrap()
}

fn kind(call: &ClientReport) -> FailureKind {
    call.error.clone().unwrap().kind
}
