//! AuthorizationPolicies, and which of them are for a pod.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    attachment::is_attached,
    mesh_config::MeshConfig,
    object::{ObjectName, Source},
    pod::Pod,
};
use crate::manifests::authorization_policy::{Action, Rule, TargetRef};

/// The annotation of a policy that is evaluated and not enforced.
pub(crate) const DRY_RUN: &str = "istio.io/dry-run";

/// A boolean as Go reads it (`strconv.ParseBool`).
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// An AuthorizationPolicy.
#[derive(Clone, Debug)]
pub struct AuthorizationPolicy {
    /// Its name.
    pub name: ObjectName,
    /// What becomes of what it matches.
    pub action: Action,
    /// Whether it is evaluated and not enforced.
    pub dry_run: bool,
    /// For CUSTOM, the provider that is to decide, if it can't: what the rules match is then denied.
    pub missing_provider: Option<MissingProvider>,
    /// Which pods it selects, by their labels; all if empty.
    pub selector: BTreeMap<String, String>,
    /// What it is attached to in place of pods.
    pub targets: Vec<TargetRef>,
    /// Its rules; without any it matches nothing.
    pub rules: Vec<Rule>,
    /// Its document.
    pub source: Source,
}

/// A provider that can't decide.
#[derive(Clone, Debug)]
pub struct MissingProvider {
    pub name: String,
    /// Why, such as `is not in MeshConfig`.
    pub reason: String,
}

/// For how much of the mesh a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyScope {
    /// For the pods that its selector selects.
    Workload,
    /// For all pods of its namespace.
    Namespace,
    /// For all pods of the mesh.
    Mesh,
}

impl AuthorizationPolicy {
    /// `AuthorizationPolicy NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("AuthorizationPolicy {}/{}", self.name.namespace, self.name.name)
    }

    /// For how much of the mesh it is.
    pub fn scope(&self, config: &MeshConfig) -> PolicyScope {
        match (self.selector.is_empty(), self.name.namespace == config.root_namespace) {
            (false, _) => PolicyScope::Workload,
            (true, true) => PolicyScope::Mesh,
            (true, false) => PolicyScope::Namespace,
        }
    }

    /// The name of one of its rules in Envoy's configuration (`policyName` in `pilot/pkg/security/authz/builder/builder.go`). One
    /// without rules has a rule that never matches.
    pub fn rule_name(&self, rule: usize) -> RuleName<'_> {
        RuleName { policy: &self.name, rule }
    }

    /// Whether it is for a pod (`ShouldAttachPolicy` in `pilot/pkg/model/policyattachment.go`): one that is attached to something
    /// else is for no sidecar.
    pub fn is_for(&self, pod: &Pod, config: &MeshConfig) -> bool {
        let namespace = &self.name.namespace;
        let covers = *namespace == config.root_namespace || *namespace == pod.name.namespace;
        covers && is_attached(namespace, &self.selector, &self.targets, pod)
    }
}

/// The name of a rule in Envoy's configuration.
#[derive(Clone, Copy, Debug)]
pub struct RuleName<'a> {
    policy: &'a ObjectName,
    rule: usize,
}

impl fmt::Display for RuleName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, rule } = self;
        write!(f, "ns[{}]-policy[{}]-rule[{rule}]", policy.namespace, policy.name)
    }
}
