//! The control plane: Kubernetes and Istio YAML in, Envoy files, redirect rules and a prediction out.
//!
//! A pure function of the manifests: nothing here opens a socket, needs root, or knows how a pod is built. It goes in steps,
//! each a module: [`load`] reads and checks documents, [`resolve`] settles what they leave open into a [`model::Mesh`],
//! [`compile`] writes one sidecar's files from it, [`redirect`] its pod's iptables rules, [`predict`] simulates a call.
//!
//! ```
//! use mesh::{SourceFile, load, model::{Flavor, Mesh}, resolve};
//!
//! let text = r#"
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: client, labels: {sidecar.istio.io/inject: "true"}}
//! spec: {containers: [{name: app, image: sidelab/demo-client}]}
//! "#;
//! let loaded = load(&[SourceFile { name: "client.yaml".into(), text: text.into() }]);
//! assert!(!loaded.has_errors(), "{:?}", loaded.faults);
//!
//! let (resolved, _warnings) = resolve(&loaded.manifests).expect("nothing is wrong with it");
//! let mesh = Mesh::new(resolved.into(), Flavor::Istio);
//! let client = &mesh.pods[mesh.pod("client", "default").expect("it is there")];
//! let sidecar = client.sidecar.as_ref().expect("its label asks for one");
//! assert_eq!(sidecar.spiffe_id, "spiffe://cluster.local/ns/default/sa/default");
//! ```

/// Implements `Display` for enums with serde's names of their variants, so that each name is spelled once.
#[macro_export]
macro_rules! display_as_serialized {
    ($($name:ty),+ $(,)?) => {$(
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::serde::Serialize::serialize(self, f)
            }
        }
    )+};
}

pub mod account;
pub mod ca;
mod check;
pub mod compile;
pub mod control_plane;
pub mod differences;
pub mod dump;
mod fault;
pub mod flavor;
pub mod import;
mod load;
pub mod manifests;
pub mod model;
mod names;
mod objects;
mod pem;
pub mod policy;
pub mod predict;
pub mod redirect;
mod resolve;
pub mod rollout;
pub mod sidecar;
pub mod stand_in;
pub mod system_roots;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod time;
mod validate;

pub use check::{Check, check};
pub use fault::{Fault, Place, Severity};
pub use load::{Loaded, Places, SourceFile, load, load_objects, locate, nearest};
pub use objects::{Applied, Key, Objects, What, is_namespaced, kind_of_word};
pub use resolve::{Addresses, resolve, resolve_at};
