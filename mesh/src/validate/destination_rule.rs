//! DestinationRule, by the rules of Istio's webhook (`pkg/config/validation/validation.go`,
//! `pkg/config/validation/agent/validation.go`).

use super::{Checked, is_wildcard_host, traffic_policy};
use crate::{
    fault::Faults,
    load::is_istio_label,
    manifests::{
        Object,
        destination_rule::{ClientTlsMode, DestinationRuleSpec, PortSpec, TlsSpec, TrafficPolicySpec},
    },
};

pub(super) fn validate(rule: &Object<DestinationRuleSpec>, faults: &mut Faults) {
    let mut checked = Checked::of(rule, faults);
    let spec = &rule.body;
    if !is_wildcard_host(&spec.host) {
        let message = format!("{:?} is not a host; expected a name, a name with * as its first label, or *", spec.host);
        checked.error("spec.host", message);
    }
    if let Some(policy) = &spec.traffic_policy {
        self::policy(&mut checked, "spec.trafficPolicy", policy);
    }
    for (i, subset) in spec.subsets.iter().enumerate() {
        let field = format!("spec.subsets[{i}]");
        if !is_istio_label(&subset.name) {
            let message = format!("{:?} is not a subset name: letters, digits and '-'", subset.name);
            checked.error(format!("{field}.name"), message);
        }
        checked.labels(&format!("{field}.labels"), &subset.labels);
        if let Some(policy) = &subset.traffic_policy {
            self::policy(&mut checked, &format!("{field}.trafficPolicy"), policy);
        }
    }
    let names = spec.subsets.iter().enumerate();
    checked.unique(names.map(|(i, subset)| (format!("spec.subsets[{i}].name"), subset.name.as_str())));
    export_to(&mut checked, spec);
    selector(&mut checked, spec);
}

fn policy(checked: &mut Checked<'_>, field: &str, policy: &TrafficPolicySpec) {
    if *policy == TrafficPolicySpec::default() {
        checked.error(field, "is empty; set a field, or remove it");
    }
    traffic_policy::load_balancer(checked, field, policy.load_balancer.as_ref(), policy.outlier_detection.is_some());
    traffic_policy::connection_pool(checked, field, policy.connection_pool.as_ref());
    traffic_policy::outlier_detection(checked, field, policy.outlier_detection.as_ref());
    for (name, is_set) in [("tunnel", policy.tunnel.is_some()), ("proxyProtocol", policy.proxy_protocol.is_some())] {
        if is_set {
            checked.error(format!("{field}.{name}"), "is not supported yet");
        }
    }
    if policy.retry_budget.is_some() {
        checked.warn(format!("{field}.retryBudget"), "is not supported yet and has no effect here");
    }
    if let Some(settings) = &policy.tls {
        tls(checked, &format!("{field}.tls"), settings);
    }
    for (i, port) in policy.port_level_settings.iter().flatten().enumerate() {
        port_level(checked, &format!("{field}.portLevelSettings[{i}]"), port, policy.tls.is_some());
    }
}

/// Settings of a port. They replace those of the whole destination, all at once (`MergeTrafficPolicy` in
/// `pilot/pkg/networking/util/util.go`).
fn port_level(checked: &mut Checked<'_>, field: &str, port: &PortSpec, hides_tls: bool) {
    match &port.port {
        Some(port) => checked.port(format!("{field}.port.number"), port.number),
        None => checked.error(format!("{field}.port"), "is missing; say which port of the service, as number: 8080"),
    }
    if (PortSpec { port: port.port.clone(), ..PortSpec::default() }) == *port {
        checked.error(field, "sets nothing; set tls, or remove the entry");
    }
    traffic_policy::load_balancer(checked, field, port.load_balancer.as_ref(), port.outlier_detection.is_some());
    traffic_policy::connection_pool(checked, field, port.connection_pool.as_ref());
    traffic_policy::outlier_detection(checked, field, port.outlier_detection.as_ref());
    match &port.tls {
        Some(settings) => tls(checked, &format!("{field}.tls"), settings),
        None if hides_tls => checked.warn(
            field,
            "has no tls, and takes none from the whole destination: a port's settings replace all of them; repeat tls here",
        ),
        None => {}
    }
}

fn tls(checked: &mut Checked<'_>, field: &str, tls: &TlsSpec) {
    let mode = tls.mode;
    let files = [
        ("clientCertificate", !tls.client_certificate.is_empty()),
        ("privateKey", !tls.private_key.is_empty()),
        ("caCertificates", !tls.ca_certificates.is_empty()),
        ("caCrl", !tls.ca_crl.is_empty()),
    ];
    if !tls.ca_crl.is_empty() {
        checked.set_aside(&format!("{field}.caCrl"), "is not modelled: a certificate that it revokes is taken here");
    }
    match mode {
        ClientTlsMode::Disable | ClientTlsMode::IstioMutual => {
            return takes_no_certificates(checked, field, tls, &files);
        }
        ClientTlsMode::Simple | ClientTlsMode::Mutual => {}
    }
    if !tls.credential_name.is_empty() {
        credential(checked, field, tls, &files);
        return;
    }
    if tls.insecure_skip_verify && (!tls.ca_certificates.is_empty() || !tls.subject_alt_names.is_empty()) {
        let message = "cannot be combined with caCertificates or subjectAltNames, which say how to verify; remove one";
        checked.error(format!("{field}.insecureSkipVerify"), message);
    }
    if mode == ClientTlsMode::Mutual {
        for (name, said) in &files[..2] {
            if !said {
                checked.error(format!("{field}.{name}"), "is missing; MUTUAL needs clientCertificate and privateKey");
            }
        }
    }
}

/// Istio's webhook lets these pass, and then drops them without a word.
fn takes_no_certificates(checked: &mut Checked<'_>, field: &str, tls: &TlsSpec, files: &[(&str, bool)]) {
    let credential = ("credentialName", !tls.credential_name.is_empty());
    for (name, _) in files.iter().chain([&credential]).filter(|(_, said)| *said) {
        let field = format!("{field}.{name}");
        // The API's documentation wants all of them empty.
        let message = match tls.mode {
            ClientTlsMode::IstioMutual => {
                "has no effect: ISTIO_MUTUAL takes its certificates from the mesh; remove it, or write MUTUAL"
            }
            _ => "has no effect: DISABLE does no TLS; remove it, or write SIMPLE or MUTUAL",
        };
        checked.warn(field, message);
    }
}

fn credential(checked: &mut Checked<'_>, field: &str, tls: &TlsSpec, files: &[(&str, bool)]) {
    let field_of_name = format!("{field}.credentialName");
    if tls.credential_name.starts_with("configmap://") {
        checked.error(&field_of_name, "a ConfigMap is not supported yet");
    }
    for (name, _) in files.iter().filter(|(_, said)| *said) {
        checked.error(format!("{field}.{name}"), "cannot be combined with credentialName; remove one");
    }
    let names_ca = tls.mode == ClientTlsMode::Simple;
    if tls.insecure_skip_verify && (names_ca || !tls.subject_alt_names.is_empty()) {
        let message = "cannot be combined with credentialName or subjectAltNames, which say how to verify; remove one";
        checked.error(format!("{field}.insecureSkipVerify"), message);
    }
}

fn export_to<'a>(checked: &mut Checked<'a>, spec: &'a DestinationRuleSpec) {
    let own = &checked.head.name.namespace;
    let seen = super::export_to(checked, &spec.export_to, false);
    if spec.workload_selector.is_some() && !seen.is_empty() && (seen.len() > 1 || !seen.contains(own.as_str())) {
        checked.error(
            "spec.exportTo",
            "a rule with a workloadSelector is for its own namespace alone; write '.', or nothing",
        );
    }
}

fn selector(checked: &mut Checked<'_>, spec: &DestinationRuleSpec) {
    let Some(selector) = &spec.workload_selector else { return };
    if selector.match_labels.is_empty() {
        checked.warn("spec.workloadSelector", "has no labels: it selects every pod of the namespace");
    }
    for (key, value) in &selector.match_labels {
        if key.is_empty() || key.contains('*') || value.contains('*') {
            let message = "an empty key or a wildcard is not allowed in a selector; labels must be equal";
            checked.error(format!("spec.workloadSelector.matchLabels[{key}]"), message);
        }
    }
}

#[cfg(test)]
mod tests;
