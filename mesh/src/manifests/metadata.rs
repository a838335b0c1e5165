//! The syntax of names, labels, annotations and amounts (`k8s.io/apimachinery/pkg/util/validation`).

use super::object::Head;

/// What is wrong with an object's metadata: field and message.
pub(super) fn faults(head: &Head) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let name = &head.name.name;
    let name_field = "metadata.name".to_owned();
    if name.is_empty() && head.kind == "IstioOperator" {
        // A file of istioctl's, which gives it a name.
    } else if name.is_empty() {
        faults.push((name_field, "is missing; every object needs a name".to_owned()));
    } else {
        match head.kind {
            "Service" if !is_service_name(name) => faults.push((
                name_field,
                format!(
                    "{name:?} is not a service name: lower-case letters, digits and '-', a letter first, at most 63"
                ),
            )),
            "Namespace" if !is_dns_label(name) => faults.push((
                name_field,
                format!("{name:?} is not a namespace name: lower-case letters, digits and '-', at most 63"),
            )),
            _ if !is_dns_subdomain(name) => faults.push((
                name_field,
                format!("{name:?} is not an object name: lower-case letters, digits, '-' and '.', at most 253"),
            )),
            _ => {}
        }
    }
    if !head.name.namespace.is_empty() && !is_dns_label(&head.name.namespace) {
        faults.push(("metadata.namespace".to_owned(), format!("{:?} is not a namespace name", head.name.namespace)));
    }
    for (key, value) in &head.labels {
        let field = format!("metadata.labels[{key}]");
        if let Some(message) = label_fault(key, value) {
            faults.push((field, message));
        }
    }
    for key in head.annotations.keys() {
        if !is_qualified_name(&key.to_lowercase()) {
            faults.push((format!("metadata.annotations[{key}]"), format!("{key:?} is not an annotation key")));
        }
    }
    faults
}

/// What is wrong with a label.
pub(crate) fn label_fault(key: &str, value: &str) -> Option<String> {
    if !is_qualified_name(key) {
        Some(format!("{key:?} is not a label key: [PREFIX/]NAME of letters, digits, '-', '_' and '.', NAME at most 63"))
    } else if !is_label_value(value) {
        Some(format!("{value:?} is not a label value: letters, digits, '-', '_' and '.', at most 63"))
    } else {
        None
    }
}

/// RFC 1123 label.
pub(crate) fn is_dns_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A label as Istio checks those of its own resources: in any case (`IsDNS1123Label` in `pkg/config/labels/instance.go`).
pub(crate) fn is_istio_label(text: &str) -> bool {
    is_dns_label(&text.to_ascii_lowercase())
}

/// RFC 1123 subdomain. As for the API server, a label can be as long as the name (`IsDNS1123Subdomain`).
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 253 && text.split('.').all(is_label)
}

/// RFC 1035 label.
fn is_service_name(text: &str) -> bool {
    is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// IANA service name, the syntax of container port names.
pub(crate) fn is_port_name(text: &str) -> bool {
    is_dns_label(text) && text.len() <= 15 && text.contains(|c: char| c.is_ascii_lowercase()) && !text.contains("--")
}

fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    prefix.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with(|c: char| !c.is_ascii_alphanumeric())
        && !text.ends_with(|c: char| !c.is_ascii_alphanumeric())
}

/// Whether a text can be a key of a Secret's or a ConfigMap's data (`IsConfigMapKey`).
pub(crate) fn is_key(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(allowed) && text != "." && !text.starts_with("..")
}

/// Parses an amount of a resource (`k8s.io/apimachinery/pkg/api/resource/quantity.go`).
pub(crate) fn amount(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let suffixed = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (number, factor) = suffixed.unwrap_or((text, 1.0));
    let is_number = !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    number.parse::<f64>().ok().filter(|_| is_number).map(|number| number * factor)
}
