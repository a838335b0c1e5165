//! `/certs`, and the secrets of contexts.

use std::collections::BTreeMap;

use base64::Engine as _;
use envoy_api::{CommonTlsContext, DataSource, Secret};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use crate::{config::Shared, tls::PeerCertificate};

/// A context's configuration, and the secrets that it has received.
type Context = (CommonTlsContext, Vec<Secret>);

/// The certificates of all contexts: trusted roots, and own chains.
pub(super) fn certs(shared: &Shared) -> Value {
    let certificates = contexts(shared).into_iter().map(|(common, received)| {
        let mut roots = Vec::new();
        let mut chain = Vec::new();
        let in_place = common
            .validation_context
            .iter()
            .chain(common.combined_validation_context.iter().map(|c| &c.default_validation_context));
        for validation in in_place.chain(received.iter().filter_map(|secret| secret.validation_context.as_ref())) {
            roots.extend(validation.trusted_ca.iter().flat_map(described));
        }
        for own in
            common.tls_certificates.iter().chain(received.iter().filter_map(|secret| secret.tls_certificate.as_ref()))
        {
            chain.extend(described(&own.certificate_chain));
        }
        json!({ "ca_cert": roots, "cert_chain": chain })
    });
    json!({ "certificates": certificates.collect::<Value>() })
}

/// The secrets that were received from files, by name.
pub(super) fn received(shared: &Shared) -> Vec<Secret> {
    let secrets = contexts(shared).into_iter().flat_map(|(_, received)| received);
    secrets.map(|secret| (secret.name.clone(), secret)).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn contexts(shared: &Shared) -> Vec<Context> {
    let listeners = shared.listeners.load();
    let downstream =
        listeners.all().iter().flat_map(|listener| &listener.chains).filter_map(|chain| chain.transport_socket.tls());
    let mut contexts: Vec<Context> = downstream.map(|tls| (tls.common().clone(), tls.received())).collect();
    for cluster in super::clusters::sorted(shared) {
        contexts.extend(cluster.tls_contexts().map(|tls| (tls.common().clone(), tls.received())));
    }
    contexts
}

/// The certificates of a PEM source. Unreadable ones are omitted; contexts in use have none.
fn described(source: &DataSource) -> Vec<Value> {
    let (path, pem) = match source {
        DataSource::Filename(path) => (path.display().to_string(), std::fs::read(path).unwrap_or_default()),
        DataSource::InlineString(text) => ("<inline>".into(), text.clone().into_bytes()),
        DataSource::InlineBytes(text) => {
            ("<inline>".into(), base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default())
        }
    };
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    certificates
        .filter_map(|der| PeerCertificate::parse(&der).ok())
        .map(|certificate| describe(&path, &certificate))
        .collect()
}

fn describe(path: &str, certificate: &PeerCertificate) -> Value {
    let uris = certificate.uri_sans.iter().map(|uri| json!({ "uri": uri }));
    let names = certificate.dns_sans.iter().map(|dns| json!({ "dns": dns }));
    let now = Timestamp::now().as_second();
    let time = |seconds| Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
    json!({
        "path": path,
        "serial_number": certificate.serial,
        "subject_alt_names": uris.chain(names).collect::<Value>(),
        "days_until_expiration": ((certificate.not_after - now).max(0) / 86_400).to_string(),
        "valid_from": time(certificate.not_before),
        "expiration_time": time(certificate.not_after),
    })
}
