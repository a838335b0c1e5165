//! AuthorizationPolicy, by the rules of Istio's webhook (`ValidateAuthorizationPolicy` in `pkg/config/validation/validation.go`,
//! `pkg/config/security/security.go`).

mod values;

#[cfg(test)]
mod tests;

use self::values::Kind;
use super::{Checked, attachment};
use crate::{
    fault::Faults,
    manifests::{
        Object,
        authorization_policy::{Action, AuthorizationPolicySpec, Condition, Operation, Rule, SourceSpec},
    },
    model::{DRY_RUN, parse_bool},
};

pub(super) fn validate(policy: &Object<AuthorizationPolicySpec>, faults: &mut Faults) {
    let mut checked = Checked::of(policy, faults);
    let spec = &policy.body;
    dry_run(&mut checked, spec.action);
    attachment::check(&mut checked, spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    action(&mut checked, spec);
    for (i, rule) in spec.rules.iter().flatten().enumerate() {
        let field = format!("spec.rules[{i}]");
        match rule {
            Some(rule) => self::rule(&mut checked, &field, rule, spec.action),
            None => checked.error(field, "is null; write {} for a rule that matches everything, or remove it"),
        }
    }
}

/// `istio.io/dry-run` is for ALLOW and DENY alone (`checkDryRunAnnotation`).
fn dry_run(checked: &mut Checked<'_>, action: Action) {
    let field = format!("metadata.annotations[{DRY_RUN}]");
    match (checked.head.annotations.get(DRY_RUN), action) {
        (None, _) => {}
        (Some(value), Action::Allow | Action::Deny) => {
            if parse_bool(value).is_none() {
                checked.error(field, format!("{value:?} is neither true nor false"));
            }
        }
        (Some(_), action) => checked.error(field, format!("is for actions ALLOW and DENY alone, not for {action}")),
    }
}

fn action(checked: &mut Checked<'_>, spec: &AuthorizationPolicySpec) {
    match spec.action {
        // A list without items is none for Istio.
        Action::Custom | Action::Deny if spec.rules.as_ref().is_none_or(Vec::is_empty) => {
            let message = format!(
                "are missing: {} without rules matches nothing; write rules: [{{}}] to match everything",
                spec.action
            );
            checked.error("spec.rules", message);
        }
        Action::Custom if spec.provider.as_ref().is_none_or(|provider| provider.name.is_empty()) => {
            checked.error("spec.provider.name", "is missing: action CUSTOM needs a provider of MeshConfig");
        }
        _ => {}
    }
    if spec.provider.is_some() && spec.action != Action::Custom {
        checked.error("spec.provider", format!("is for action CUSTOM alone, not for {}", spec.action));
    }
}

fn rule(checked: &mut Checked<'_>, field: &str, rule: &Rule, action: Action) {
    let empty = |list: Option<usize>| list == Some(0);
    for (name, count) in [("from", rule.from.as_ref().map(Vec::len)), ("to", rule.to.as_ref().map(Vec::len))] {
        if empty(count) {
            checked.warn(format!("{field}.{name}"), "is empty, which is the same as none: it matches everything");
        }
    }
    let (mut sources, mut operations) = (vec![], vec![]);
    for (i, from) in rule.from.iter().flatten().enumerate() {
        match from.as_ref().and_then(|from| from.source.as_ref()) {
            Some(of) => {
                source(checked, &format!("{field}.from[{i}].source"), of, action);
                sources.push(of);
            }
            None => checked.error(format!("{field}.from[{i}].source"), "is missing; say who asks, or remove the item"),
        }
    }
    for (i, to) in rule.to.iter().flatten().enumerate() {
        match to.as_ref().and_then(|to| to.operation.as_ref()) {
            Some(of) => {
                operation(checked, &format!("{field}.to[{i}].operation"), of);
                operations.push(of);
            }
            None => checked
                .error(format!("{field}.to[{i}].operation"), "is missing; say what is asked for, or remove the item"),
        }
    }
    for (i, condition) in rule.when.iter().enumerate() {
        self::condition(checked, &format!("{field}.when[{i}]"), condition, action);
    }
    // As the webhook counts it: of `from` alone, of `to` in any case.
    let only_http_from = !sources.is_empty() && operations.is_empty() && !sources.iter().any(|s| s.has_tcp_fields());
    let only_http_to = !operations.is_empty() && !operations.iter().any(|o| o.has_tcp_fields());
    if action == Action::Deny && (only_http_from || only_http_to) {
        let message = "has only fields of HTTP, which are left out on TCP ports: there it denies everything; add to.operation.ports";
        checked.warn(field, message);
    }
}

fn source(checked: &mut Checked<'_>, field: &str, source: &SourceSpec, action: Action) {
    let lists = source.lists();
    if lists.iter().all(|(_, values)| values.is_empty()) {
        checked.error(field, "is empty; say who asks, or remove the item");
    }
    let set = |names: [&str; 4]| lists.iter().any(|(name, values)| names.contains(name) && !values.is_empty());
    let by_account = set(["serviceAccounts", "notServiceAccounts", "", ""]);
    if by_account && set(["principals", "notPrincipals", "namespaces", "notNamespaces"]) {
        checked.error(field, "has serviceAccounts beside principals or namespaces; keep one kind");
    }
    for (name, list) in lists {
        let field = format!("{field}.{name}");
        if action == Action::Custom && !list.is_empty() && !name.to_lowercase().ends_with("ipblocks") {
            checked.error(&field, "is not supported with action CUSTOM");
        }
        let kind = match name {
            "ipBlocks" | "notIpBlocks" | "remoteIpBlocks" | "notRemoteIpBlocks" => Kind::Addresses,
            "serviceAccounts" | "notServiceAccounts" => Kind::ServiceAccounts,
            "trustDomains" | "notTrustDomains" => Kind::TrustDomains,
            _ => Kind::Text,
        };
        kind.check(checked, &field, list);
    }
}

fn operation(checked: &mut Checked<'_>, field: &str, operation: &Operation) {
    let lists = operation.lists();
    if lists.iter().all(|(_, values)| values.is_empty()) {
        checked.error(field, "is empty; say what is asked for, or remove the item");
    }
    for (name, list) in lists {
        let kind = match name {
            "ports" | "notPorts" => Kind::Ports,
            "paths" | "notPaths" => Kind::Paths,
            _ => Kind::Text,
        };
        kind.check(checked, &format!("{field}.{name}"), list);
    }
}

fn condition(checked: &mut Checked<'_>, field: &str, condition: &Condition, action: Action) {
    let Condition { key, values, not_values } = condition;
    let of_key = format!("{field}.key");
    if key.is_empty() {
        return checked.error(of_key, "is missing; name an attribute, such as source.ip or request.headers[x-token]");
    }
    let of_identity = ["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"];
    if action == Action::Custom && (of_identity.contains(&key.as_str()) || key.starts_with("request.auth.")) {
        checked.error(&of_key, format!("{key} is not supported with action CUSTOM"));
    }
    if values.is_empty() && not_values.is_empty() {
        return checked.error(field, format!("has neither values nor notValues for {key}"));
    }
    match Kind::of_attribute(key) {
        Ok(kind) => {
            kind.check(checked, &format!("{field}.values"), values);
            kind.check(checked, &format!("{field}.notValues"), not_values);
        }
        Err(message) => checked.error(of_key, message),
    }
}

impl SourceSpec {
    /// Its lists, by name.
    fn lists(&self) -> [(&'static str, &[String]); 14] {
        [
            ("principals", &self.principals),
            ("notPrincipals", &self.not_principals),
            ("requestPrincipals", &self.request_principals),
            ("notRequestPrincipals", &self.not_request_principals),
            ("namespaces", &self.namespaces),
            ("notNamespaces", &self.not_namespaces),
            ("serviceAccounts", &self.service_accounts),
            ("notServiceAccounts", &self.not_service_accounts),
            ("trustDomains", &self.trust_domains),
            ("notTrustDomains", &self.not_trust_domains),
            ("ipBlocks", &self.ip_blocks),
            ("notIpBlocks", &self.not_ip_blocks),
            ("remoteIpBlocks", &self.remote_ip_blocks),
            ("notRemoteIpBlocks", &self.not_remote_ip_blocks),
        ]
    }

    /// Whether it has fields that count on TCP ports, too; `trustDomains` is none of them for the webhook.
    fn has_tcp_fields(&self) -> bool {
        let is_not = |name: &str| {
            name.to_lowercase().ends_with("requestprincipals") || name.to_lowercase().ends_with("trustdomains")
        };
        self.lists().iter().any(|(name, values)| !is_not(name) && !values.is_empty())
    }
}

impl Operation {
    /// Its lists, by name.
    fn lists(&self) -> [(&'static str, &[String]); 8] {
        [
            ("hosts", &self.hosts),
            ("notHosts", &self.not_hosts),
            ("ports", &self.ports),
            ("notPorts", &self.not_ports),
            ("methods", &self.methods),
            ("notMethods", &self.not_methods),
            ("paths", &self.paths),
            ("notPaths", &self.not_paths),
        ]
    }

    fn has_tcp_fields(&self) -> bool {
        !self.ports.is_empty() || !self.not_ports.is_empty()
    }
}
