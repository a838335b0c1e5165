//! Checks Secrets, and the certificates and keys in them. The API server asks only for their keys (`ValidateSecret` in
//! `pkg/apis/core/validation/validation.go`).

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::{Checked, Known, keys, size};
use crate::{fault::Faults, manifests::Object, pem};

/// Accepts a certificate that is not valid now, for scenarios that demonstrate the failure.
const ALLOW_EXPIRED: &str = "sidelab.io/allow-expired";

/// Says that values were replaced when the Secret was read from a cluster, and its keys with them.
pub(crate) const VALUES_REPLACED: &str = "sidelab.io/values-replaced";

pub(super) fn validate(secret: &Object<Secret>, known: &Known<'_>, faults: &mut Faults) {
    let mut checked = Checked::of(secret, faults);
    let is_used = known.is_secret_used(&secret.head.name);
    let data = secret.body.data.iter().flatten().map(|(key, ByteString(value))| ("data", key, value.clone()));
    let text = secret.body.string_data.iter().flatten();
    let text = text.map(|(key, value)| ("stringData", key, value.clone().into_bytes()));
    let entries: Vec<_> = data.chain(text).collect();
    keys(&mut checked, entries.iter().map(|(field, key, _)| (*field, *key)));
    for (field, key, value) in &entries {
        if value.trim_ascii_start().starts_with(b"-----BEGIN CERTIFICATE") {
            certificates(&mut checked, &format!("{field}[{key}]"), value, is_used);
        }
    }
    // stringData overrides data.
    let entries: BTreeMap<_, _> = entries.iter().map(|(field, key, value)| (key.as_str(), (*field, value))).collect();
    if secret.body.type_.as_deref() == Some("kubernetes.io/tls") {
        for key in ["tls.crt", "tls.key"] {
            match entries.get(key) {
                None => {
                    let message = "is missing; a Secret of type kubernetes.io/tls holds tls.crt and tls.key";
                    checked.error(format!("data[{key}]"), message);
                }
                Some((field, value)) if !pem::is_pem(value) => {
                    let message = "is not PEM; expected text that begins with -----BEGIN";
                    unusable(&mut checked, &format!("{field}[{key}]"), message, is_used);
                }
                Some(_) => {}
            }
        }
    }
    typed(&mut checked, secret.body.type_.as_deref(), &entries);
    size(&mut checked, entries.values().map(|(_, value)| value.len()).sum());
    if checked.head.annotations.get(VALUES_REPLACED).map(String::as_str) == Some("true") {
        return;
    }
    for (certificate, key) in [("tls.crt", "tls.key"), ("cert", "key")] {
        if let (Some((_, certificate)), Some((field, key_text))) = (entries.get(certificate), entries.get(key))
            && let Some(message) = pem::not_the_key(certificate, key_text)
        {
            // The API server and istiod take it.
            checked.warn(format!("{field}[{key}]"), format!("{message}: Envoy rejects both"));
        }
    }
}

/// Content that the API server takes, and that nobody can use: an error where something refers to the Secret.
fn unusable(checked: &mut Checked<'_>, field: &str, message: &str, is_used: bool) {
    if is_used {
        checked.error(field, message);
    } else {
        checked.warn(field, format!("{message} (nothing here uses the Secret)"));
    }
}

/// What Secrets of Kubernetes' own types must hold (`ValidateSecret`).
fn typed(checked: &mut Checked<'_>, kind: Option<&str>, entries: &BTreeMap<&str, (&str, &Vec<u8>)>) {
    let needed: &[&str] = match kind {
        Some("kubernetes.io/dockercfg") => &[".dockercfg"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed {
        match entries.get(key) {
            None => checked.error(
                format!("data[{key}]"),
                format!("is missing; a Secret of type {} holds it", kind.unwrap_or_default()),
            ),
            Some((field, value))
                if key.starts_with('.') && serde_json::from_slice::<serde_json::Value>(value).is_err() =>
            {
                checked.error(format!("{field}[{key}]"), "is not JSON");
            }
            Some(_) => {}
        }
    }
    let has = |key: &str| entries.contains_key(key);
    if kind == Some("kubernetes.io/basic-auth") && !has("username") && !has("password") {
        checked.error(
            "data",
            "holds neither username nor password; a Secret of type kubernetes.io/basic-auth holds one at least",
        );
    }
    let account = "kubernetes.io/service-account.name";
    if kind == Some("kubernetes.io/service-account-token") && !checked.head.annotations.contains_key(account) {
        checked.error(format!("metadata.annotations[{account}]"), "is missing; a token is some ServiceAccount's");
    }
}

/// Whether each certificate can be read, and is valid now.
fn certificates(checked: &mut Checked<'_>, field: &str, text: &[u8], is_used: bool) {
    if let Some(message) = pem::not_certificates(text) {
        return unusable(checked, field, message, is_used);
    }
    let allowed = checked.head.annotations.get(ALLOW_EXPIRED).map(String::as_str) == Some("true");
    if let Some(fault) = pem::not_valid_now(text).filter(|_| !allowed) {
        let message = format!(
            r#"{fault}: every handshake with it fails; renew it, or annotate the Secret {ALLOW_EXPIRED}: "true" to see it fail"#
        );
        unusable(checked, field, &message, is_used);
    }
}

#[cfg(test)]
mod tests;
