//! The mesh as resolved from its manifests, which both the compiler and the prediction read.
//!
//! Everything that manifests leave open (addresses, ports, policies, sidecars) is resolved here. A value from a document
//! has a [`Source`], so that an explanation can name it.

mod capture;
mod destination_rule;
mod envoy_filter;
mod family;
mod inbound_patches;
mod material;
mod mesh_config;
mod object;
mod peer_authentication;
mod pod;
mod resolved;
mod service;
mod service_entry;
mod svid;
mod webhook;

use std::{ops::Deref, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    capture::*, destination_rule::*, envoy_filter::*, family::*, material::*, mesh_config::*, object::*,
    peer_authentication::*, pod::*, resolved::*, service::*, service_entry::*, svid::*, webhook::*,
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

crate::display_as_serialized!(Flavor, MtlsMode, Protocol);

/// Resolved manifests as one of the two meshes, which share a [`Resolved`].
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Which mesh is compiled.
    pub flavor: Flavor,
    resolved: Arc<Resolved>,
}

impl Mesh {
    /// Creates one of the two meshes.
    pub fn new(resolved: Arc<Resolved>, flavor: Flavor) -> Self {
        Self { flavor, resolved }
    }
}

impl Deref for Mesh {
    type Target = Resolved;

    fn deref(&self) -> &Resolved {
        &self.resolved
    }
}
