//! The RBAC filters of the inbound listener (`pilot/pkg/security/authz/builder/builder.go`).

mod attribute;
mod permission;
mod principal;
mod rule;
mod text;
mod trust_domains;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use envoy_api::{
    Filter, HttpFilter, HttpFilterConfig, HttpRbac, NetworkFilter, NetworkRbac, Permission, Principal, Rbac,
    RbacAction, RbacPolicy,
};

use self::attribute::Layer;
use super::{Compiler, Resource};
use crate::{manifests::authorization_policy::Action, model::AuthorizationPolicy};

/// The prefix of all statistics of connections.
const TCP_STAT_PREFIX: &str = "tcp.";

/// The policies of one action, as rules.
struct Built {
    rules: Option<Rbac>,
    shadow_rules: Option<Rbac>,
    shadow_rules_stat_prefix: String,
}

impl<'a> Compiler<'a> {
    /// The filters in front of the router.
    pub(super) fn authorize_requests(&self) -> Vec<HttpFilter> {
        let filter = |built: Built| {
            let Built { rules, shadow_rules, shadow_rules_stat_prefix } = built;
            let rbac = HttpRbac { rules, shadow_rules, shadow_rules_stat_prefix };
            HttpFilter { name: "envoy.filters.http.rbac".into(), typed_config: HttpFilterConfig::Rbac(rbac) }
        };
        self.authorization(Layer::Http).map(filter).collect()
    }

    /// The filters in front of the TCP proxy.
    pub(super) fn authorize_connections(&self) -> Vec<Filter> {
        let filter = |built: Built| {
            let Built { rules, shadow_rules, shadow_rules_stat_prefix } = built;
            let stat_prefix = TCP_STAT_PREFIX.into();
            let rbac = NetworkRbac { rules, shadow_rules, shadow_rules_stat_prefix, stat_prefix };
            Filter { name: "envoy.filters.network.rbac".into(), typed_config: NetworkFilter::Rbac(rbac) }
        };
        self.authorization(Layer::Tcp).map(filter).collect()
    }

    /// What CUSTOM policies match whose provider can't decide, provider by provider: it is denied.
    fn denied_for_lack_of_a_provider(&self, layer: Layer) -> impl Iterator<Item = Built> {
        let domains = self.mesh.config.trust_domains();
        let mut by_provider: BTreeMap<&str, BTreeMap<String, RbacPolicy>> = BTreeMap::new();
        for policy in self.policies() {
            let Some(provider) = &policy.missing_provider else { continue };
            let denied = by_provider.entry(&provider.name).or_default();
            if !policy.dry_run {
                let rules = rules(policy, &domains, RbacAction::Deny, layer);
                denied.extend(rules.into_iter().map(|(name, rule)| (denied_name(&provider.name, &name), rule)));
            }
        }
        by_provider.into_values().map(|policies| Built {
            rules: Some(Rbac { action: RbacAction::Deny, policies }),
            shadow_rules: None,
            shadow_rules_stat_prefix: String::new(),
        })
    }

    /// Records the document of each rule.
    pub(super) fn authorization_provenance(&mut self) {
        let domains = self.mesh.config.trust_domains();
        for policy in self.policies() {
            let provider = policy.missing_provider.as_ref();
            let Some(action) = action(policy).or_else(|| provider.map(|_| RbacAction::Deny)) else { continue };
            let [on_requests, on_connections] = [Layer::Http, Layer::Tcp]
                .map(|layer| rules(policy, &domains, action, layer).into_iter().collect::<BTreeMap<_, _>>());
            for rule in 0..policy.rules.len().max(1) {
                let because = match policy.rules.len() {
                    0 => format!("{}, which has no rules", policy.full_name()),
                    _ => format!("rule {rule} of {}", policy.full_name()),
                };
                let field = if policy.rules.is_empty() { "spec".into() } else { format!("spec.rules[{rule}]") };
                let name = policy.rule_name(rule).to_string();
                let source = policy.source.at(field);
                // Unless it is dropped there.
                let loses_fields = on_connections.get(&name).is_some_and(|there| on_requests.get(&name) != Some(there));
                if loses_fields {
                    let resource = Resource::AuthorizationOfConnections(name.clone());
                    self.because(resource, format!("{because}, without its fields of HTTP on a TCP port,"), &source);
                }
                let (name, because) = match provider {
                    Some(provider) => {
                        let lacks = format!("{because}, whose provider {} {}", provider.name, provider.reason);
                        (denied_name(&provider.name, &name), lacks)
                    }
                    None => (name, because),
                };
                self.because(Resource::Authorization(name), because, &source);
            }
        }
    }

    fn authorization(&self, layer: Layer) -> impl Iterator<Item = Built> {
        let policies = self.policies();
        let decided = [RbacAction::Log, RbacAction::Deny, RbacAction::Allow].into_iter().filter_map(move |action| {
            let of_action: Vec<_> =
                policies.iter().copied().filter(|policy| self::action(policy) == Some(action)).collect();
            (!of_action.is_empty()).then(|| self.built(&of_action, action, layer))
        });
        self.denied_for_lack_of_a_provider(layer).chain(decided)
    }

    /// The policies for this pod: those of the root namespace first, each namespace's by age
    /// (`ListAuthorizationPolicies` in `pilot/pkg/model/authorization.go`).
    fn policies(&self) -> Vec<&'a AuthorizationPolicy> {
        self.mesh.authorization_of(self.pod)
    }

    fn built(&self, policies: &[&AuthorizationPolicy], action: RbacAction, layer: Layer) -> Built {
        let domains: Vec<String> = self.mesh.config.trust_domains();
        let of = |dry_run: bool| {
            let mut policies = policies.iter().filter(|policy| policy.dry_run == dry_run).peekable();
            policies.peek()?;
            let rules = policies.flat_map(|policy| rules(policy, &domains, action, layer));
            Some(Rbac { action, policies: rules.collect() })
        };
        let shadow_rules = of(true);
        // Istio asks for the action of rules that are not there, too, which is ALLOW.
        let shadow_rules_stat_prefix = match shadow_rules.as_ref().map_or(RbacAction::Allow, |rules| rules.action) {
            RbacAction::Allow => "istio_dry_run_allow_",
            RbacAction::Deny => "istio_dry_run_deny_",
            RbacAction::Log => "",
        };
        Built { rules: of(false), shadow_rules, shadow_rules_stat_prefix: shadow_rules_stat_prefix.into() }
    }
}

/// The name of a CUSTOM policy's rule that denies (`policyName`, `getBadCustomDenyRules`).
fn denied_name(provider: &str, rule: &str) -> String {
    format!("istio-ext-authz-{provider}-{rule}-deny-due-to-bad-CUSTOM-action")
}

/// Envoy's action; none for CUSTOM, whose external authorizers are not modelled.
fn action(policy: &AuthorizationPolicy) -> Option<RbacAction> {
    match policy.action {
        Action::Allow => Some(RbacAction::Allow),
        Action::Deny => Some(RbacAction::Deny),
        Action::Audit => Some(RbacAction::Log),
        Action::Custom => None,
    }
}

/// The rules of a policy, by their names. A policy without rules has one that never matches.
fn rules(
    policy: &AuthorizationPolicy,
    domains: &[String],
    action: RbacAction,
    layer: Layer,
) -> Vec<(String, RbacPolicy)> {
    if policy.rules.is_empty() {
        return vec![(policy.rule_name(0).to_string(), never())];
    }
    let namespace = &policy.name.namespace;
    let translation = rule::Translation { namespace, domains, action, layer };
    let named = |(i, rule)| Some((policy.rule_name(i).to_string(), translation.policy(rule)?));
    policy.rules.iter().enumerate().filter_map(named).collect()
}

fn never() -> RbacPolicy {
    RbacPolicy {
        permissions: vec![Permission::NotRule(Box::new(Permission::Any(true)))],
        principals: vec![Principal::NotId(Box::new(Principal::Any(true)))],
    }
}
