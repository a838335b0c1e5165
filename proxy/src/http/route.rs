//! Routes: the targets of requests, and their options.

use std::{sync::Arc, time::Duration};

use envoy_api::{Route, RouteConfiguration, VirtualHost};
use envoy_rules::{
    retry::RetryPolicy,
    route::{RequestHead, RouteTable},
};
use http::StatusCode;

use super::timeout::timeout;
use crate::config::{At as _, Fault, Invalid};

/// Default timeout of a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// A route configuration, indexed for lookups. The default is empty.
#[derive(Debug, Default)]
pub struct Routes {
    configuration: RouteConfiguration,
    table: RouteTable,
    /// Routes, by virtual host.
    entries: Vec<Vec<Arc<RouteEntry>>>,
}

/// A configured route.
#[derive(Debug)]
pub(super) struct RouteEntry {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) include_attempt_count: bool,
}

/// The action of a route.
#[derive(Debug)]
pub(super) enum Target {
    Cluster {
        name: Arc<str>,
        /// `None` for no limit.
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    },
    Direct {
        status: StatusCode,
        body: String,
    },
}

impl Routes {
    /// Builds the routes of a configuration.
    ///
    /// # Errors
    /// If Envoy would refuse it, a route has not exactly one action, or something is not supported. The message starts with the
    /// path of the field.
    pub fn new(configured: &RouteConfiguration) -> Result<Self, Invalid> {
        let table = RouteTable::new(configured)?;
        let hosts = configured.virtual_hosts.iter().enumerate();
        let entries = hosts.map(|(i, host)| entries(host).at(format_args!("virtual_hosts[{i}]")));
        Ok(Self { entries: entries.collect::<Result<_, _>>()?, configuration: configured.clone(), table })
    }

    /// The configuration that it was built from.
    pub fn configuration(&self) -> &RouteConfiguration {
        &self.configuration
    }

    /// The route of a request.
    pub(super) fn find(&self, request: &RequestHead<'_>) -> Option<&Arc<RouteEntry>> {
        self.table.find(request).map(|found| &self.entries[found.virtual_host][found.route])
    }
}

fn entries(host: &VirtualHost) -> Result<Vec<Arc<RouteEntry>>, Invalid> {
    let entry = |(i, route)| {
        let entry = RouteEntry::new(route, host.include_request_attempt_count);
        entry.map(Arc::new).at(format_args!("routes[{i}]"))
    };
    host.routes.iter().enumerate().map(entry).collect()
}

impl RouteEntry {
    fn new(route: &Route, include_attempt_count: bool) -> Result<Self, Invalid> {
        let target = match (&route.route, &route.direct_response) {
            (Some(action), None) => {
                if let Some(name) = action.retry_policy.as_ref().and_then(RetryPolicy::unsupported) {
                    let fault = Fault::Value { value: name.to_owned(), not: "not a supported condition" };
                    return Err(fault).at("route.retry_policy.retry_on");
                }
                Target::Cluster {
                    name: action.cluster.as_str().into(),
                    timeout: timeout(action.timeout, RESPONSE_TIMEOUT),
                    retry: action.retry_policy.as_ref().map(RetryPolicy::new),
                }
            }
            (None, Some(direct)) => Target::Direct {
                status: StatusCode::from_u16(direct.status)
                    .map_err(|_| Fault::Value { value: direct.status.to_string(), not: "not an HTTP status" })
                    .at("direct_response.status")?,
                body: direct.body.as_ref().map(|body| body.inline_string.clone()).unwrap_or_default(),
            },
            _ => return Err("expected one of route and direct_response").at("route"),
        };
        Ok(Self { name: route.name.as_str().into(), target, include_attempt_count })
    }
}

#[cfg(test)]
mod tests;
