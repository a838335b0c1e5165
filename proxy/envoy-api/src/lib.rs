//! The subset of the Envoy v3 API that sidelab supports: the contract between its control plane, which writes these
//! messages as JSON, and the data planes (`sidecar-proxy` and the real Envoy), which read them.
//!
//! Only data, and how it is written and read: no decision is taken here. Each type has the name of its protobuf message and each field the protobuf field's
//! snake_case name, as Envoy's own JSON prints it. A field outside the subset is an error that names its path
//! ([`read`]), never silently ignored, so that what the native proxy does not do it does not pretend to do.
//!
//! The files of one sidecar, by kind, as Istio pushes them: a [`Bootstrap`] that names two [`DiscoveryResponse`] files
//! ([`Listener`]s and [`Cluster`]s), which name one file for each [`RouteConfiguration`], [`ClusterLoadAssignment`] and
//! [`Secret`].

mod access_log;
mod bootstrap;
mod cluster;
mod core;
mod http;
mod listener;
mod read;
mod tls;
mod typed;

pub use access_log::*;
pub use bootstrap::*;
pub use cluster::*;
pub use core::*;
pub use http::*;
pub use listener::*;
pub use read::{ReadError, read, read_value};
pub use tls::*;
pub use typed::TypeUrl;
