//! The policies in force for a pod, as `sidelab config POD --policy` prints them: PeerAuthentication modes and AuthorizationPolicies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    manifests::telemetry::WorkloadMode::{Client, Server},
    model::{AuthorizationPolicy, Decided, Mesh, MtlsMode, PolicyScope},
    telemetry::{Tracing, tracing},
};

/// The version of [`Policy`].
pub const SCHEMA: &str = "sidelab.policy/v1";

/// The policies in force for a pod; JSON contract `sidelab.policy/v1` (docs/json.md).
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Policy {
    /// `sidelab.policy/v1`.
    pub schema: &'static str,
    /// `POD.NAMESPACE`.
    pub pod: String,
    /// Whether there is a sidecar to enforce them.
    pub sidecar: bool,
    /// On ports without an entry.
    #[serde(flatten)]
    pub workload: PolicyMode,
    /// By container port.
    pub ports: BTreeMap<u16, PolicyMode>,
    /// AuthorizationPolicies, in the order in which the control plane looks at them. Without any, everything is allowed.
    pub authorization: Vec<PolicyAuthorization>,
    /// Which requests its sidecar traces, and whom it tells. Empty if it reports no spans.
    pub tracing: Vec<PolicyTracing>,
}

/// A mode, and the policy that decided it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct PolicyMode {
    pub mode: MtlsMode,
    /// Such as `PeerAuthentication istio-system/default`, or `default`.
    pub decided_by: String,
    /// Its place, such as `mesh.yaml#1 spec.mtls.mode`.
    pub source: String,
}

/// An AuthorizationPolicy for a pod.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct PolicyAuthorization {
    /// `NAMESPACE/NAME`.
    pub policy: String,
    /// `ALLOW`, `DENY`, `AUDIT` or `CUSTOM`.
    pub action: String,
    /// Whether it is evaluated and not enforced.
    pub dry_run: bool,
    /// For how much of the mesh it is.
    pub scope: PolicyScope,
    /// Its place, such as `mesh.yaml#1`.
    pub source: String,
}

/// The tracing of a pod's calls, of those that it makes or of those that it answers.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct PolicyTracing {
    /// `made` or `answered`.
    pub calls: &'static str,
    /// How many of 100 requests are traced, of those without a trace.
    pub percent: f64,
    /// Its name among `extensionProviders` of MeshConfig.
    pub provider: String,
    /// `HOST:PORT`.
    pub collector: String,
    /// What decided it, such as `mesh.yaml#1 spec.tracing`.
    pub source: String,
}

impl Policy {
    /// The policies in force for a pod of the mesh.
    pub fn for_pod(mesh: &Mesh, pod: usize) -> Self {
        let pod = &mesh.pods[pod];
        let modes = &pod.peer_authentication;
        Self {
            schema: SCHEMA,
            pod: pod.name.to_string(),
            sidecar: pod.sidecar.is_some(),
            workload: PolicyMode::new(&modes.workload),
            ports: modes.ports.iter().map(|(port, decided)| (*port, PolicyMode::new(decided))).collect(),
            authorization: mesh
                .authorization_of(pod)
                .into_iter()
                .map(|policy| PolicyAuthorization::new(mesh, policy))
                .collect(),
            tracing: [("made", Client), ("answered", Server)]
                .into_iter()
                .filter(|_| pod.sidecar.is_some())
                .filter_map(|(calls, mode)| Some(PolicyTracing::new(calls, &tracing(mesh, pod, mode)?)))
                .collect(),
        }
    }
}

impl PolicyTracing {
    fn new(calls: &'static str, tracing: &Tracing<'_>) -> Self {
        Self {
            calls,
            percent: tracing.sampling,
            provider: tracing.name.to_owned(),
            collector: format!("{}:{}", tracing.host, tracing.provider.port),
            source: tracing.source.to_string(),
        }
    }
}

impl PolicyAuthorization {
    fn new(mesh: &Mesh, policy: &AuthorizationPolicy) -> Self {
        Self {
            policy: format!("{}/{}", policy.name.namespace, policy.name.name),
            action: policy.action.to_string(),
            dry_run: policy.dry_run,
            scope: policy.scope(&mesh.config),
            source: policy.source.to_string(),
        }
    }
}

impl PolicyMode {
    fn new(decided: &Decided) -> Self {
        Self { mode: decided.mode, decided_by: decided.by.clone(), source: decided.source.to_string() }
    }
}
