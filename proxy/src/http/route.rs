//! Routes: the targets of requests, and their options.

use std::{collections::HashMap, sync::Arc, time::Duration};

use envoy_api::{
    ClusterWeight, DirectResponseBody, RedirectAction, Route, RouteAction, RouteConfiguration, VirtualHost,
};
use envoy_rules::{
    re2,
    retry::RetryPolicy,
    rewrite::plain_value,
    route::{RequestHead, RouteTable},
};
use http::StatusCode;
use rand::RngExt as _;

use super::timeout::timeout;
use crate::{
    access_log::{Entry, Format},
    config::{At as _, Fault, Invalid},
};

/// Default timeout of a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// A route configuration, indexed for lookups. The default is empty.
#[derive(Debug, Default)]
pub struct Routes {
    configuration: RouteConfiguration,
    table: RouteTable,
    /// Routes, by virtual host.
    entries: Vec<Vec<Arc<RouteEntry>>>,
    /// The answer of virtual hosts that require TLS to requests without it.
    to_https: Option<Arc<RouteEntry>>,
}

/// A configured route.
#[derive(Debug)]
pub(super) struct RouteEntry {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) include_attempt_count: bool,
    pub(super) configured: Route,
    /// The values of headers that it adds and that have commands, by their texts.
    values: HashMap<String, Format>,
}

/// The action of a route.
#[derive(Debug)]
pub(super) enum Target {
    Cluster {
        clusters: Clusters,
        action: Box<RouteAction>,
        /// `None` for no limit.
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    },
    Redirect(RedirectAction),
    Direct {
        status: StatusCode,
        body: String,
    },
}

/// Where a route sends requests.
#[derive(Debug)]
pub(super) enum Clusters {
    One(Arc<str>),
    /// One of several, by chance.
    Weighted {
        all: Vec<(Arc<str>, ClusterWeight)>,
        total: u32,
    },
}

impl Clusters {
    fn new(action: &RouteAction) -> Result<Self, Invalid> {
        let Some(weighted) = &action.weighted_clusters else { return Ok(Self::One(action.cluster.as_str().into())) };
        let open = weighted.clusters.iter().filter(|one| one.weight > 0);
        let all: Vec<(Arc<str>, ClusterWeight)> = open.map(|one| (one.name.as_str().into(), one.clone())).collect();
        let total = all.iter().try_fold(0_u32, |sum, (_, one)| sum.checked_add(one.weight));
        match total {
            Some(total) if total > 0 => Ok(Self::Weighted { all, total }),
            _ => Err("the weights add up to 0, or to more than there are numbers").at("route.weighted_clusters"),
        }
    }

    /// The cluster of a request.
    pub(super) fn choose(&self) -> (&Arc<str>, Option<&ClusterWeight>) {
        match self {
            Self::One(name) => (name, None),
            Self::Weighted { all, total } => {
                let mut left = rand::rng().random_range(0..*total);
                for (name, one) in all {
                    if left < one.weight {
                        return (name, Some(one));
                    }
                    left -= one.weight;
                }
                // The weights add up to the total.
                (&all[0].0, Some(&all[0].1))
            }
        }
    }
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
        let redirect = RedirectAction { https_redirect: true, ..RedirectAction::default() };
        let to_https = Route { redirect: Some(redirect), ..Route::default() };
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
            configuration: configured.clone(),
            to_https: Some(Arc::new(RouteEntry::new(&to_https, false)?)),
            table,
        })
    }

    /// The configuration that it was built from.
    pub fn configuration(&self) -> &RouteConfiguration {
        &self.configuration
    }

    /// The route of a request.
    pub(super) fn find(&self, request: &RequestHead<'_>) -> Option<&Arc<RouteEntry>> {
        if request.scheme != "https" && self.table.requires_tls(request.authority) {
            return self.to_https.as_ref();
        }
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
    /// The cluster that it leads to, by chance one of several; none for a redirect or a direct response.
    pub(super) fn cluster(&self) -> Option<&str> {
        match &self.target {
            Target::Cluster { clusters, .. } => Some(clusters.choose().0),
            Target::Redirect(_) | Target::Direct { .. } => None,
        }
    }

    fn new(route: &Route, include_attempt_count: bool) -> Result<Self, Invalid> {
        if let Some(field) = not_done(route) {
            return Err("is not supported yet").at(field);
        }
        let target = match (&route.route, &route.redirect, &route.direct_response) {
            (Some(action), None, None) => {
                if let Some(name) = action.retry_policy.as_ref().and_then(RetryPolicy::unsupported) {
                    let fault = Fault::Value { value: name.to_owned(), not: "not a supported condition" };
                    return Err(fault).at("route.retry_policy.retry_on");
                }
                if let Some(regex) = &action.regex_rewrite {
                    re2::anywhere(&regex.pattern.regex)
                        .map_err(|_| Fault::Value {
                            value: regex.pattern.regex.clone(),
                            not: "not a regular expression",
                        })
                        .at("route.regex_rewrite.pattern.regex")?;
                }
                Target::Cluster {
                    clusters: Clusters::new(action)?,
                    action: Box::new(action.clone()),
                    timeout: timeout(action.timeout, RESPONSE_TIMEOUT),
                    retry: action.retry_policy.as_ref().map(RetryPolicy::new),
                }
            }
            (None, Some(redirect), None) => Target::Redirect(redirect.clone()),
            (None, None, Some(direct)) => Target::Direct {
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
            _ => return Err("expected one of route, redirect and direct_response").at("route"),
        };
        let name = route.name.as_str().into();
        Ok(Self { name, target, include_attempt_count, values: values(route)?, configured: route.clone() })
    }

    /// What the value of a header that it adds stands for.
    pub(super) fn value(&self, text: &str, entry: &Entry<'_>) -> String {
        plain_value(text).or_else(|| Some(self.values.get(text)?.line(entry))).unwrap_or_else(|| text.to_owned())
    }
}

/// The values of headers with commands, as formats.
fn values(route: &Route) -> Result<HashMap<String, Format>, Invalid> {
    let weighted = route.route.as_ref().and_then(|action| action.weighted_clusters.as_ref());
    let of_clusters = weighted.into_iter().flat_map(|weighted| &weighted.clusters);
    let of_clusters = of_clusters.flat_map(|one| one.request_headers_to_add.iter().chain(&one.response_headers_to_add));
    let all = route.request_headers_to_add.iter().chain(&route.response_headers_to_add).chain(of_clusters);
    let with_commands = all.map(|one| &one.header.value).filter(|text| plain_value(text).is_none());
    let format = |text: &String| Ok((text.clone(), Format::text(text).at("request_headers_to_add.header.value")?));
    with_commands.map(format).collect()
}

/// The first field of a route that is read and not done.
fn not_done(route: &Route) -> Option<&'static str> {
    let action = route.route.as_ref();
    action.is_some_and(|action| action.append_x_forwarded_host).then_some("route.append_x_forwarded_host")
}

#[cfg(test)]
mod tests;
