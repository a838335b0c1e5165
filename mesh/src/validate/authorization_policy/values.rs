//! The values of an AuthorizationPolicy's lists (`pkg/config/security/security.go`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::Checked;

/// How many service accounts a list may have.
const MOST_SERVICE_ACCOUNTS: usize = 16;
/// How long one may be.
const LONGEST_SERVICE_ACCOUNT: usize = 320;

/// What values may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text but the empty one.
    Text,
    /// Addresses and ranges.
    Addresses,
    Ports,
    /// `NAME` or `NAMESPACE/NAME`.
    ServiceAccounts,
    /// Texts with a `*` at one end.
    Wildcards,
    /// The same without `/`.
    TrustDomains,
    /// Paths and templates of them.
    Paths,
}

impl Kind {
    /// What the values of an attribute may be.
    ///
    /// # Errors
    /// If there is no such attribute (`ValidateAttribute`).
    pub(super) fn of_attribute(key: &str) -> Result<Self, String> {
        const KNOWN: &str = "source.ip, source.namespace, source.principal, source.serviceAccount, source.trustDomain, \
                             remote.ip, destination.ip, destination.port, connection.sni, request.headers[NAME], \
                             request.auth.principal, request.auth.audiences, request.auth.presenter, request.auth.claims[NAME]";
        const MAPS: [&str; 3] = ["request.headers", "request.auth.claims", "experimental.envoy.filters."];
        match key {
            "source.ip" | "remote.ip" | "destination.ip" => Ok(Self::Addresses),
            "destination.port" => Ok(Self::Ports),
            "source.serviceAccount" => Ok(Self::ServiceAccounts),
            "source.trustDomain" => Ok(Self::Wildcards),
            "source.namespace"
            | "source.principal"
            | "connection.sni"
            | "request.auth.principal"
            | "request.auth.audiences"
            | "request.auth.presenter" => Ok(Self::Text),
            "destination.namespace" => Err("destination.namespace is gone: a policy is for its own namespace".into()),
            "destination.name" | "destination.user" => Err(format!("{key} is gone: use the policy's selector")),
            _ if key.starts_with("destination.labels") => Err(format!("{key} is gone: use the policy's selector")),
            _ if MAPS.iter().any(|prefix| key.starts_with(prefix)) => match key.find('[') {
                Some(open) if open > 0 && key.ends_with(']') && open + 2 < key.len() => Ok(Self::Text),
                _ => Err(format!("{key:?} has no name in brackets, such as request.headers[x-token]")),
            },
            _ => Err(format!("{key:?} is no attribute; known are {KNOWN}")),
        }
    }

    /// Reports what is wrong with the values of a list.
    pub(super) fn check(self, checked: &mut Checked<'_>, field: &str, values: &[String]) {
        for (i, value) in values.iter().enumerate() {
            if let Some(message) = self.fault(value) {
                checked.error(format!("{field}[{i}]"), message);
            }
        }
        if self == Self::ServiceAccounts && values.len() > MOST_SERVICE_ACCOUNTS {
            checked.error(field, format!("has {} values, and may have {MOST_SERVICE_ACCOUNTS}", values.len()));
        }
    }

    fn fault(self, value: &str) -> Option<String> {
        match self {
            _ if value.is_empty() => Some("is empty, which is not allowed".to_owned()),
            Self::Text => None,
            Self::Addresses => addresses(value),
            Self::Ports => ports(value),
            Self::ServiceAccounts => service_accounts(value),
            Self::Wildcards => wildcards(value),
            Self::TrustDomains => trust_domains(value),
            Self::Paths => paths(value),
        }
    }
}

fn addresses(value: &str) -> Option<String> {
    let good = match value.split_once('/') {
        // Go allows no zeros in front of the length.
        Some((_, length)) => value.parse::<IpNet>().is_ok() && (length == "0" || !length.starts_with('0')),
        None => value.parse::<IpAddr>().is_ok(),
    };
    (!good).then(|| format!("{value:?} is neither an address nor a range, such as 10.0.0.0/8"))
}

fn ports(value: &str) -> Option<String> {
    let good = value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse::<u16>().is_ok();
    (!good).then(|| format!("{value:?} is not a port; a port is a number up to 65535"))
}

fn service_accounts(value: &str) -> Option<String> {
    let parts: Vec<_> = value.split('/').collect();
    if value.contains('*') {
        Some(format!("{value:?}: a wildcard is not allowed; use principals or namespaces"))
    } else if parts.len() > 2 || parts.contains(&"") {
        Some(format!("{value:?} is neither SERVICEACCOUNT nor NAMESPACE/SERVICEACCOUNT"))
    } else if value.len() > LONGEST_SERVICE_ACCOUNT {
        Some(format!("is {} characters long, and may be {LONGEST_SERVICE_ACCOUNT}", value.len()))
    } else {
        None
    }
}

/// One `*` at most, at an end.
fn wildcards(value: &str) -> Option<String> {
    let count = value.matches('*').count();
    let at_end = value.starts_with('*') || value.ends_with('*');
    (count > 1 || (count == 1 && !at_end)).then(|| format!("{value:?}: one * is allowed, at the start or the end"))
}

fn trust_domains(value: &str) -> Option<String> {
    let slash = value.contains('/').then(|| format!("{value:?}: a trust domain has no '/'"));
    wildcards(value).or(slash)
}

/// Templates: `{*}` and `{**}` are whole segments, and `{**}` is the last of them (`CheckValidPathTemplate`).
fn paths(value: &str) -> Option<String> {
    let is_template = value.contains("{*}") || value.contains("{**}");
    let mut after_any = false;
    for segment in value.trim_matches('/').split('/') {
        match segment {
            "{*}" | "{**}" if after_any => return Some(format!("{value:?}: {{**}} must be the last of the templates")),
            "{*}" => {}
            "{**}" => after_any = true,
            _ if segment.contains(['{', '}']) => {
                return Some(format!(
                    "{value:?}: {{*}} and {{**}} are whole segments, and other braces are not allowed"
                ));
            }
            _ if is_template && !is_literal(segment) => {
                return Some(format!("{value:?}: segment {segment:?} may not stand beside a template"));
            }
            _ => {}
        }
    }
    None
}

/// The characters that RFC 3986 allows in a segment (`validLiteral`).
fn is_literal(segment: &str) -> bool {
    !segment.is_empty()
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&byte))
}
