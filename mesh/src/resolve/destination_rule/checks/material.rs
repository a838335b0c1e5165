//! Checks that the certificates and keys that a rule names exist and can be used.

use std::collections::BTreeMap;

use crate::{
    fault::Faults,
    manifests::{
        Object,
        destination_rule::{DestinationRuleSpec as Spec, TlsSpec},
    },
    model::{ClientMaterial, ClientTls, ClientTlsMode, Pem, Resolved, Roots, Service},
    pem,
};

/// Checks each of a rule's TLS settings for the clients that follow it.
pub(super) fn check(rule: &Object<Spec>, services: &[&Service], mesh: &Resolved, faults: &mut Faults) {
    if !names_certificates(rule) {
        return;
    }
    for (tls, clients) in followed(rule, services, mesh) {
        let field = tls.source.field.as_str();
        let heeding: Vec<_> =
            clients.iter().copied().filter(|client| !tls.is_ignored_by(&mesh.pods[*client])).collect();
        if heeding.is_empty() {
            let message = "only applies in a rule with a workloadSelector: Istio uses no TLS, and sends plaintext (at gateways it applies in any rule)";
            faults.warn(rule, format!("{field}.credentialName"), message);
            continue;
        }
        // If one client has all of it, the others are assumed not to call.
        let of_clients: Vec<_> = heeding.iter().map(|&client| mesh.client_material(client, tls)).collect();
        match of_clients.iter().find(|material| missing(material).is_empty()) {
            Some(material) => unusable(rule, tls, material, faults),
            None => {
                for (name, pem) in of_clients.first().map(missing).unwrap_or_default() {
                    let name = if tls.spec.credential_name.is_empty() { name } else { "credentialName" };
                    faults.warn(rule, format!("{field}.{name}"), nothing_there(&pem, tls));
                }
            }
        }
    }
}

/// Whether any of a rule's settings needs certificates: with most rules there is nothing to look at.
fn names_certificates(rule: &Object<Spec>) -> bool {
    let needs = |tls: &Option<TlsSpec>| {
        tls.as_ref().is_some_and(|tls| matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual))
    };
    let of_subsets = rule.body.subsets.iter().filter_map(|subset| subset.traffic_policy.as_ref());
    rule.body
        .traffic_policy
        .iter()
        .chain(of_subsets)
        .any(|policy| needs(&policy.tls) || policy.port_level_settings.iter().flatten().any(|port| needs(&port.tls)))
}

/// The settings of this document that need certificates, each with the clients that follow it.
fn followed<'m>(rule: &Object<Spec>, services: &[&Service], mesh: &'m Resolved) -> Vec<(&'m ClientTls, Vec<usize>)> {
    let mut by_field: BTreeMap<&str, (&ClientTls, Vec<usize>)> = BTreeMap::new();
    let own = |tls: &&ClientTls| {
        matches!(tls.spec.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual)
            && (&tls.source.file, tls.source.document) == (&rule.head.source.file, rule.head.source.document)
    };
    for (client, pod) in mesh.pods.iter().enumerate().filter(|(_, pod)| pod.sidecar.is_some()) {
        for service in services {
            let Some(found) = mesh.destination_rules.find(pod, &service.host, &service.name.namespace) else {
                continue;
            };
            let subsets = found.subsets.iter().map(|subset| Some(subset.name.as_str())).chain([None]);
            let settings =
                subsets.flat_map(|subset| service.ports.iter().map(move |port| found.tls(port.port, subset)));
            for tls in settings.flatten().filter(own) {
                let clients = &mut by_field.entry(&tls.source.field).or_insert((tls, Vec::new())).1;
                if clients.last() != Some(&client) {
                    clients.push(client);
                }
            }
        }
    }
    by_field.into_values().collect()
}

/// The missing material, by field.
fn missing<'a>(material: &ClientMaterial<'a>) -> Vec<(&'static str, Pem<'a>)> {
    let roots = match &material.roots {
        Roots::Pem(roots) => Some(roots),
        Roots::System | Roots::Anyone => None,
    };
    let all = [
        ("clientCertificate", material.certificate.as_ref()),
        ("privateKey", material.key.as_ref()),
        ("caCertificates", roots),
    ];
    let named = all.into_iter().filter_map(|(field, pem)| Some((field, pem?.clone())));
    named.filter(|(_, pem)| pem.content.is_none()).collect()
}

fn nothing_there(pem: &Pem<'_>, tls: &ClientTls) -> String {
    if tls.spec.credential_name.is_empty() {
        format!(
            "no client's sidecar has a file {}: its calls fail; mount a Secret there, with annotations sidecar.istio.io/userVolume and userVolumeMount",
            pem.name
        )
    } else {
        format!("there is no {} in the client's namespace: its calls fail", pem.name)
    }
}

fn unusable(rule: &Object<Spec>, tls: &ClientTls, material: &ClientMaterial<'_>, faults: &mut Faults) {
    let field = |name: &str| format!("{}.{name}", tls.source.field);
    let content = |pem: Option<&Pem<'_>>| pem.and_then(|pem| Some((pem.name.clone(), pem.content?.to_vec())));
    let certificate = content(material.certificate.as_ref());
    if let Some((name, text)) = &certificate
        && let Some(fault) = pem::not_certificates(text)
    {
        faults.error(rule, field("clientCertificate"), format!("{name} {fault}"));
    }
    if let (Some((_, certificate)), Some((name, key))) = (&certificate, content(material.key.as_ref()))
        && let Some(fault) = pem::not_the_key(certificate, &key)
    {
        faults.error(rule, field("privateKey"), format!("{name} {fault}"));
    }
    if let Roots::Pem(roots) = &material.roots
        && let Some(fault) = roots.content.and_then(pem::not_certificates)
    {
        faults.error(rule, field("caCertificates"), format!("{} {fault}", roots.name));
    }
}

#[cfg(test)]
mod tests;
