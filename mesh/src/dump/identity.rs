//! The identity of a dumped sidecar.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use x509_parser::{extensions::GeneralName, pem::Pem};

/// Istio's default.
pub(super) const DEFAULT_TRUST_DOMAIN: &str = "cluster.local";

/// The node, from the bootstrap.
pub(super) fn node(configs: &[Value]) -> Option<&Value> {
    configs.iter().find_map(|config| config.get("bootstrap")?.get("node"))
}

/// `POD.NAMESPACE`, from `sidecar~IP~POD.NAMESPACE~DOMAIN`; the whole ID if it does not have Istio's format.
pub(super) fn pod(node: &Value) -> String {
    let id = node["id"].as_str().unwrap_or("(unnamed)");
    id.split('~').nth(2).unwrap_or(id).into()
}

pub(super) fn addresses(node: &Value) -> Option<Vec<IpAddr>> {
    let listed = node["metadata"]["INSTANCE_IPS"].as_str();
    let in_id = || node["id"].as_str()?.split('~').nth(1);
    let ips: Vec<IpAddr> = listed.or_else(in_id)?.split(',').filter_map(|ip| ip.trim().parse().ok()).collect();
    (!ips.is_empty()).then_some(ips)
}

/// A warning if it is not the Envoy that `stands_for_it`.
pub(super) fn other_version(node: &Value, stands_for_it: &str) -> Option<String> {
    let version = &node["user_agent_build_version"]["version"];
    let number = |field: &str| version[field].as_u64().unwrap_or_default();
    let (major, minor) = (number("major_number"), number("minor_number"));
    let istio = node["metadata"]["ISTIO_VERSION"].as_str().map(|istio| format!(" (Istio {istio})")).unwrap_or_default();
    (version.is_object() && (major, minor) != (1, 40))
        .then(|| format!("dumped by Envoy {major}.{minor}{istio}; {stands_for_it} Envoy 1.40"))
}

/// The SPIFFE ID of the secret `default`. Its certificate is dumped whole, only its key is not.
pub(super) fn spiffe_id(configs: &[Value], node: &Value) -> Option<String> {
    let secrets = super::found(configs, "SecretsConfigDump", "secret");
    let of_certificate = secrets.into_iter().filter(|secret| secret["name"] == "default").find_map(|secret| {
        let chain = &secret["tls_certificate"]["certificate_chain"];
        let pem = match (chain["inline_bytes"].as_str(), chain["inline_string"].as_str()) {
            (Some(bytes), _) => STANDARD.decode(bytes).ok()?,
            (_, text) => text?.as_bytes().to_vec(),
        };
        uri_san(&pem)
    });
    of_certificate.or_else(|| {
        // Without the certificate, the id that Istio's agent requests.
        let metadata = &node["metadata"];
        let (namespace, account) = (metadata["NAMESPACE"].as_str()?, metadata["SERVICE_ACCOUNT"].as_str()?);
        let trust_domain = metadata["MESH_ID"].as_str().unwrap_or(DEFAULT_TRUST_DOMAIN);
        Some(format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}"))
    })
}

fn uri_san(pem: &[u8]) -> Option<String> {
    let leaf = Pem::iter_from_buffer(pem).next()?.ok()?;
    let certificate = leaf.parse_x509().ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    })
}
