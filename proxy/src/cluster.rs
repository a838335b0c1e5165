//! Clusters: choosing endpoints and connecting to them.

mod balance;
mod connect;
mod dns;
mod eligible;
mod endpoint;
mod health;
mod limits;
mod outlier;
mod source;
mod state;

pub use connect::{ConnectContext, ConnectFailure, Connected, ConnectionGuard, PoolKey};
pub use dns::refresh_names;
pub use endpoint::{Endpoint, Load, Transport};
pub use limits::{InUse, Resources};
pub use state::{Cluster, Clusters};
