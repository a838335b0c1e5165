//! AuthorizationPolicy (`security/v1beta1/authorization_policy.proto` in istio/api).

use std::fmt;

use serde::Deserialize;

use super::istio::WorkloadSelector;

/// `spec` of an AuthorizationPolicy. A list that is there and empty is not the same as none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthorizationPolicySpec {
    /// Which pods; all of the namespace (of the mesh, in the root namespace) if unset or without labels.
    pub selector: Option<WorkloadSelector>,
    /// What it is attached to in place of pods; the older field.
    pub target_ref: Option<TargetRef>,
    /// What it is attached to in place of pods: waypoints and gateways.
    pub target_refs: Vec<TargetRef>,
    /// Which requests it is for: those that one of these matches.
    pub rules: Option<Vec<Option<Rule>>>,
    /// What becomes of them.
    pub action: Action,
    /// Who decides, for CUSTOM.
    pub provider: Option<Provider>,
}

impl AuthorizationPolicySpec {
    /// What it is attached to.
    pub fn targets(&self) -> impl Iterator<Item = &TargetRef> {
        let older = self.target_ref.iter().filter(|_| self.target_refs.is_empty());
        self.target_refs.iter().chain(older)
    }
}

/// `AuthorizationPolicy.Action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// They are allowed, and of all others that no other ALLOW policy matches, none is.
    #[default]
    Allow,
    /// They are denied.
    Deny,
    /// They are marked for the log.
    Audit,
    /// An external authorizer decides.
    Custom,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Audit => "AUDIT",
            Self::Custom => "CUSTOM",
        })
    }
}

/// `AuthorizationPolicy.ExtensionProvider`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// Its name in `extensionProviders` of MeshConfig.
    pub name: String,
}

/// `PolicyTargetReference` (`type/v1beta1/selector.proto`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TargetRef {
    /// The API group; empty for the core group.
    pub group: String,
    pub kind: String,
    pub name: String,
    /// The namespace, which must not be set.
    pub namespace: String,
}

/// `Rule`: matches if one of `from`, one of `to` and all of `when` do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Who asks; anybody if unset.
    pub from: Option<Vec<Option<From>>>,
    /// What is asked for; anything if unset.
    pub to: Option<Vec<Option<To>>>,
    /// Further conditions.
    pub when: Vec<Condition>,
}

/// `Rule.From`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct From {
    /// Who asks.
    pub source: Option<SourceSpec>,
}

/// `Source`: matches if all fields that are set do, each by one of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceSpec {
    /// Identities without `spiffe://`.
    pub principals: Vec<String>,
    /// Other than these.
    pub not_principals: Vec<String>,
    /// `ISSUER/SUBJECT` of a token.
    pub request_principals: Vec<String>,
    /// Other than these.
    pub not_request_principals: Vec<String>,
    /// Namespaces of identities.
    pub namespaces: Vec<String>,
    /// Other than these.
    pub not_namespaces: Vec<String>,
    /// `NAMESPACE/NAME`, or the name of one in the policy's namespace.
    pub service_accounts: Vec<String>,
    /// Other than these.
    pub not_service_accounts: Vec<String>,
    /// Trust domains of identities.
    pub trust_domains: Vec<String>,
    /// Other than these.
    pub not_trust_domains: Vec<String>,
    /// Addresses and ranges of the connection's peer.
    pub ip_blocks: Vec<String>,
    /// Other than these.
    pub not_ip_blocks: Vec<String>,
    /// Addresses and ranges of the client, which `x-forwarded-for` may name.
    pub remote_ip_blocks: Vec<String>,
    /// Other than these.
    pub not_remote_ip_blocks: Vec<String>,
}

/// `Rule.To`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct To {
    /// What is asked for.
    pub operation: Option<Operation>,
}

/// `Operation`: matches if all fields that are set do, each by one of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Operation {
    /// Values of `host`.
    pub hosts: Vec<String>,
    /// Other than these.
    pub not_hosts: Vec<String>,
    /// Container ports.
    pub ports: Vec<String>,
    /// Other than these.
    pub not_ports: Vec<String>,
    pub methods: Vec<String>,
    /// Other than these.
    pub not_methods: Vec<String>,
    /// Paths, with `*` at an end, or as templates.
    pub paths: Vec<String>,
    /// Other than these.
    pub not_paths: Vec<String>,
}

/// `Condition`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// The attribute, such as `request.headers[x-token]`.
    pub key: String,
    pub values: Vec<String>,
    /// Other than these.
    pub not_values: Vec<String>,
}
