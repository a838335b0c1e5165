//! Routes: the targets of requests, and their options.

use std::{sync::Arc, time::Duration};

use envoy_api::{DirectResponseBody, Route, RouteConfiguration, VirtualHost};
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
    /// The cluster that it leads to; none for a direct response.
    pub(super) fn cluster(&self) -> Option<&str> {
        match &self.target {
            Target::Cluster { name, .. } => Some(name),
            Target::Direct { .. } => None,
        }
    }

    fn new(route: &Route, include_attempt_count: bool) -> Result<Self, Invalid> {
        if let Some(field) = not_done(route) {
            return Err("is not supported yet").at(field);
        }
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
                body: match &direct.body {
                    Some(DirectResponseBody::InlineString(text)) => text.clone(),
                    Some(DirectResponseBody::InlineBytes(_)) => {
                        return Err("is not supported yet").at("direct_response.body.inline_bytes");
                    }
                    None => String::new(),
                },
            },
            _ => return Err("expected one of route and direct_response").at("route"),
        };
        Ok(Self { name: route.name.as_str().into(), target, include_attempt_count })
    }
}

/// The first field of a route that is read and not done.
fn not_done(route: &Route) -> Option<&'static str> {
    let action = route.route.as_ref();
    let retry = action.and_then(|action| action.retry_policy.as_ref());
    let fields = [
        ("redirect", route.redirect.is_some()),
        ("request_headers_to_add", !route.request_headers_to_add.is_empty()),
        ("request_headers_to_remove", !route.request_headers_to_remove.is_empty()),
        ("response_headers_to_add", !route.response_headers_to_add.is_empty()),
        ("response_headers_to_remove", !route.response_headers_to_remove.is_empty()),
        ("typed_per_filter_config", !route.typed_per_filter_config.is_empty()),
        ("route.weighted_clusters", action.is_some_and(|action| action.weighted_clusters.is_some())),
        ("route.prefix_rewrite", action.is_some_and(|action| !action.prefix_rewrite.is_empty())),
        ("route.regex_rewrite", action.is_some_and(|action| action.regex_rewrite.is_some())),
        ("route.host_rewrite_literal", action.is_some_and(|action| !action.host_rewrite_literal.is_empty())),
        ("route.request_mirror_policies", action.is_some_and(|action| !action.request_mirror_policies.is_empty())),
        ("route.hash_policy", action.is_some_and(|action| !action.hash_policy.is_empty())),
        (
            "route.max_grpc_timeout",
            action.and_then(|action| action.max_grpc_timeout).is_some_and(|most| !most.0.is_zero()),
        ),
        ("route.retry_policy.per_try_timeout", retry.is_some_and(|retry| retry.per_try_timeout.is_some())),
        ("route.retry_policy.retry_priority", retry.is_some_and(|retry| retry.retry_priority.is_some())),
    ];
    fields.iter().find(|(_, is_set)| *is_set).map(|(field, _)| *field)
}

#[cfg(test)]
mod tests;
