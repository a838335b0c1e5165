//! The TLS settings of a Gateway's server (`validateTLSOptions` in `pkg/config/validation/validation.go`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    manifests::sidecar::{ServerTls, ServerTlsMode},
    model::is_cipher_suite,
    validate::Checked,
};

pub(super) fn settings(checked: &mut Checked<'_>, field: &str, tls: &ServerTls) {
    not_modelled(checked, field, tls);
    cipher_suites(checked, &format!("{field}.cipherSuites"), &tls.cipher_suites);
    match tls.mode {
        ServerTlsMode::IstioMutual => return of_mesh(checked, field, tls),
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough => return passed_on(checked, field, tls),
        ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => {}
    }
    let by_files = !tls.server_certificate.is_empty() && !tls.private_key.is_empty();
    let sources =
        [by_files, !tls.credential_name.is_empty(), !tls.credential_names.is_empty(), !tls.tls_certificates.is_empty()];
    if sources.iter().filter(|given| **given).count() > 1 {
        let message = "has several certificates; give one of credentialName, credentialNames, serverCertificate and tlsCertificates";
        checked.error(field, message);
    }
    let verifies = tls.mode != ServerTlsMode::Simple;
    if !tls.credential_name.is_empty() || !tls.credential_names.is_empty() {
        return;
    }
    let mut needed = vec![];
    if tls.tls_certificates.is_empty() {
        needed.push(("serverCertificate", &tls.server_certificate));
        needed.push(("privateKey", &tls.private_key));
    }
    if verifies {
        needed.push(("caCertificates", &tls.ca_certificates));
    }
    for (name, _) in needed.iter().filter(|(_, path)| path.is_empty()) {
        let message = "is missing; name a file in the gateway, or a Secret by credentialName";
        checked.error(format!("{field}.{name}"), message);
    }
    if tls.tls_certificates.len() > 2 {
        checked.error(
            format!("{field}.tlsCertificates"),
            "has more than two certificates, which is the most there can be",
        );
    }
    for (i, certificate) in tls.tls_certificates.iter().enumerate() {
        for name in ["serverCertificate", "privateKey"] {
            if certificate.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                checked.error(format!("{field}.tlsCertificates[{i}].{name}"), "is missing; name a file in the gateway");
            }
        }
    }
    if !tls.ca_crl.is_empty() && !verifies {
        checked.error(format!("{field}.caCrl"), "is not for mode SIMPLE, which verifies no client");
    }
}

/// `IsValidCipherSuite` in `pkg/config/security/security.go`; the others are left out of the configuration.
fn cipher_suites(checked: &mut Checked<'_>, field: &str, suites: &[String]) {
    let mut seen = BTreeSet::new();
    for (i, suite) in suites.iter().enumerate() {
        let field = format!("{field}[{i}]");
        if !is_cipher_suite(suite) {
            checked.warn(field, format!("{suite:?} is not a cipher suite that Istio knows: it is left out"));
        } else if !seen.insert(suite) {
            checked.warn(field, format!("{suite:?} is duplicated: it is left out"));
        }
    }
}

fn of_mesh(checked: &mut Checked<'_>, field: &str, tls: &ServerTls) {
    for (name, _) in given(tls).iter().filter(|(name, given)| *given && *name != "caCrl") {
        checked.error(format!("{field}.{name}"), "is not for ISTIO_MUTUAL, which uses the mesh's certificates");
    }
}

fn passed_on(checked: &mut Checked<'_>, field: &str, tls: &ServerTls) {
    for (name, _) in given(tls).iter().filter(|(_, given)| *given) {
        checked.warn(format!("{field}.{name}"), "has no effect: TLS that passes through needs no certificate here");
    }
}

/// The fields that name certificates, each with whether it is given.
fn given(tls: &ServerTls) -> [(&'static str, bool); 7] {
    [
        ("serverCertificate", !tls.server_certificate.is_empty()),
        ("privateKey", !tls.private_key.is_empty()),
        ("caCertificates", !tls.ca_certificates.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("caCrl", !tls.ca_crl.is_empty()),
    ]
}

/// What is read, may matter, and is left out.
fn not_modelled(checked: &mut Checked<'_>, field: &str, tls: &ServerTls) {
    let beside = [
        ("caCrl", !tls.ca_crl.is_empty()),
        ("caCertCredentialName", !tls.ca_cert_credential_name.is_empty()),
        ("credentialNames", tls.credential_names.len() > 1),
        ("tlsCertificates", tls.tls_certificates.len() > 1),
        ("verifyCertificateSpki", !tls.verify_certificate_spki.is_empty()),
        ("verifyCertificateHash", !tls.verify_certificate_hash.is_empty()),
    ];
    for (name, _) in beside.iter().filter(|(_, given)| *given) {
        checked.set_aside(
            &format!("{field}.{name}"),
            "is not supported yet: only the first certificate and its roots count",
        );
    }
    for (name, version) in
        [("minProtocolVersion", &tls.min_protocol_version), ("maxProtocolVersion", &tls.max_protocol_version)]
    {
        let known = ["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"];
        checked.one_of(&format!("{field}.{name}"), version.as_deref(), &known);
        if matches!(version.as_deref(), Some("TLSV1_0" | "TLSV1_1")) {
            let message = "is below TLS 1.2, which is the lowest here: an older client is refused";
            checked.set_aside(&format!("{field}.{name}"), message);
        }
    }
}
