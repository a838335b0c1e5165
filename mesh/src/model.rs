//! The mesh as resolved from its manifests, which both the compiler and the prediction read.
//!
//! Everything that manifests leave open (addresses, ports, policies, sidecars) is resolved here. A value from a document
//! has a [`Source`], so that an explanation can name it.

mod attachment;
mod authorization;
mod capture;
mod destination_rule;
mod envoy_filter;
mod family;
mod gateway;
mod inbound_patches;
mod material;
mod merged_gateway;
mod mesh_config;
mod node_metadata;
mod not_modelled;
mod object;
mod peer_authentication;
mod pod;
mod provider_host;
mod proxy_config;
mod pushed;
mod resolved;
mod service;
mod service_entry;
mod sidecar_scope;
mod svid;
mod telemetry;
mod virtual_service;
mod webhook;

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    authorization::*, capture::*, destination_rule::*, envoy_filter::*, family::*, gateway::*, material::*,
    merged_gateway::*, mesh_config::*, node_metadata::*, not_modelled::*, object::*, peer_authentication::*, pod::*,
    provider_host::*, proxy_config::*, pushed::*, resolved::*, service::*, service_entry::*, sidecar_scope::*, svid::*,
    telemetry::*, virtual_service::*, webhook::*,
};

/// Which of the two meshes is compiled: they differ only in `flavor::Decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// The mesh as it is usually described.
    Textbook,
    /// What a current Istio control plane generates.
    Istio,
}

crate::display_as_serialized!(ControlPlane, Flavor, MtlsMode, PolicyScope, Protocol);

/// Resolved manifests as one of the two meshes, which share a [`Resolved`].
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Which mesh is compiled.
    pub flavor: Flavor,
    resolved: Arc<Resolved>,
    /// What another control plane pushes to each sidecar, by `POD.NAMESPACE`; `None` if the compiler writes the files.
    pushed: Option<(ControlPlane, Arc<BTreeMap<String, Pushed>>)>,
}

impl Mesh {
    /// Creates one of the two meshes.
    pub fn new(resolved: Arc<Resolved>, flavor: Flavor) -> Self {
        Self { flavor, resolved, pushed: None }
    }

    /// Replaces the compiler's files by what another control plane pushes to each sidecar, by `POD.NAMESPACE`.
    #[must_use]
    pub fn pushed_by(self, control_plane: ControlPlane, pushed: BTreeMap<String, Pushed>) -> Self {
        Self { pushed: Some((control_plane, pushed.into())), ..self }
    }

    /// The source of the sidecars' files.
    pub fn control_plane(&self) -> ControlPlane {
        self.pushed.as_ref().map_or(ControlPlane::Compiler, |(control_plane, _)| *control_plane)
    }

    /// What another control plane pushes to a pod's sidecar; `None` if the compiler writes its files, or it does not know the pod.
    pub fn pushed(&self, pod: &ObjectName) -> Option<&Pushed> {
        self.pushed.as_ref()?.1.get(&pod.to_string())
    }
}

impl Deref for Mesh {
    type Target = Resolved;

    fn deref(&self) -> &Resolved {
        &self.resolved
    }
}
