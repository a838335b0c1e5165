//! The control plane: Kubernetes and Istio YAML in, Envoy files, redirect rules and a prediction out.
//!
//! A pure function of the manifests: nothing here opens a socket, needs root, or knows how a pod is built.

pub mod account;
pub mod compile;
pub mod flavor;
pub mod model;
pub mod redirect;
