//! The route of a call.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a sidecar's route does with a call. What it does not do is null; a route of TLS or TCP has clusters alone.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RouteTaken {
    /// The virtual host.
    pub virtual_host: Option<String>,
    /// The route's name; null if it has none.
    pub name: Option<String>,
    /// The clusters of which one is chosen by chance; one alone has 100.
    pub clusters: Vec<WeightedTarget>,
    /// How long the whole may take: `2.5s`.
    pub timeout: Option<String>,
    /// How often it is tried again.
    pub retries: Option<Retries>,
    /// What is done to the request.
    pub fault: Option<Fault>,
    /// What is sent upstream in place of what came.
    pub rewrite: Option<Rewrite>,
    /// Where the caller is sent.
    pub redirect: Option<Redirect>,
    /// What the caller is answered.
    pub direct_response: Option<DirectResponse>,
    /// Who gets a copy.
    pub mirrors: Option<Vec<Mirror>>,
}

/// A cluster, and its share.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WeightedTarget {
    /// The cluster.
    pub name: String,
    /// Its share of the sum of all weights.
    pub weight: u32,
}

/// Retries of a request.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Retries {
    /// How often, at most.
    pub attempts: u32,
    /// How long each attempt may take.
    pub per_try_timeout: Option<String>,
    /// After what, as Envoy writes it.
    pub retry_on: String,
    /// After which statuses.
    pub retriable_status_codes: Vec<u16>,
}

/// What is done to requests on purpose.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Fault {
    /// Some are answered.
    pub abort: Option<Abort>,
    /// Some are held up.
    pub delay: Option<Delay>,
}

/// An answer instead of the app's.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Abort {
    /// The status of HTTP.
    pub status: Option<u16>,
    /// The status of gRPC.
    pub grpc_status: Option<u32>,
    /// Of how many requests in a hundred.
    pub percentage: f64,
}

/// A delay.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Delay {
    /// How long: `5s`.
    pub fixed: String,
    /// Of how many requests in a hundred.
    pub percentage: f64,
}

/// A request as it is sent upstream, where the route changes it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Rewrite {
    /// Its path and query.
    pub path: String,
    /// Its host.
    pub authority: String,
    /// The headers that the route changes, as they are then; null for one that is removed.
    pub headers: BTreeMap<String, Option<String>>,
}

/// Where a caller is sent.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Redirect {
    /// The status.
    pub status: u16,
    /// The header `Location`.
    pub location: String,
}

/// What a caller is answered.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct DirectResponse {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Option<String>,
}

/// Who gets a copy of a request.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Mirror {
    /// The cluster.
    pub cluster: String,
    /// Of how many requests in a hundred.
    pub percentage: f64,
}

/// A request as the called app gets it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct AppGets {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// The host that it asks for.
    pub authority: String,
}
