//! The control plane: Kubernetes and Istio YAML in, Envoy files, redirect rules and a prediction out.
//!
//! A pure function of the manifests: nothing here opens a socket, needs root, or knows how a pod is built.

pub mod account;
pub mod ca;
mod check;
pub mod compile;
pub mod dump;
mod fault;
pub mod flavor;
mod load;
pub mod manifests;
pub mod model;
mod names;
mod pem;
pub mod policy;
pub mod predict;
pub mod redirect;
mod resolve;
#[cfg(test)]
mod testing;
mod validate;

pub use check::check;
pub use fault::{Fault, Severity};
pub use load::{Loaded, SourceFile, load};
pub use resolve::resolve;
