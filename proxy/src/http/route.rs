//! Routes: which cluster a request goes to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use envoy_api::{HeaderMatcher, Route, RouteConfiguration, RouteMatch, VirtualHost};
use http::{HeaderMap, HeaderName, StatusCode};

use super::{config::timeout, retry::RetryPolicy};
use crate::matcher;

/// How long a response may take where the route does not say.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// A route configuration, ready to look up in.
#[derive(Debug)]
pub struct Routes {
    configuration: RouteConfiguration,
    /// The routes of each virtual host.
    hosts: Vec<Vec<Arc<RouteEntry>>>,
    exact: HashMap<String, usize>,
    /// Without the `*`, longest first.
    suffixes: Vec<(String, usize)>,
    /// Without the `*`, longest first.
    prefixes: Vec<(String, usize)>,
    any: Option<usize>,
    ignore_port: bool,
}

/// A route.
#[derive(Debug)]
pub(super) struct RouteEntry {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) include_attempt_count: bool,
    path: PathMatch,
    headers: Vec<(HeaderName, envoy_api::StringMatcher)>,
}

/// Where a route leads.
#[derive(Debug)]
pub(super) enum Target {
    Cluster {
        name: Arc<str>,
        /// `None`: for ever.
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    },
    Direct {
        status: StatusCode,
        body: String,
    },
}

impl Default for Routes {
    /// A table in which nothing is found.
    fn default() -> Self {
        Self::empty(RouteConfiguration {
            name: String::new(),
            virtual_hosts: Vec::new(),
            validate_clusters: None,
            ignore_port_in_host_matching: false,
        })
    }
}

#[derive(Debug)]
enum PathMatch {
    Prefix(String),
    Exact(String),
}

impl Routes {
    /// Reads a route configuration.
    ///
    /// # Errors
    /// When a domain stands twice, a route has no target or more than one, or a match none; the text begins with the
    /// path of the field.
    pub fn new(configured: &RouteConfiguration) -> Result<Self, String> {
        let mut routes = Self::empty(configured.clone());
        for (index, host) in configured.virtual_hosts.iter().enumerate() {
            routes.add(index, host).map_err(|e| format!("virtual_hosts[{index}].{e}"))?;
        }
        routes.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        routes.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(routes)
    }

    /// A table in which nothing is found.
    fn empty(configuration: RouteConfiguration) -> Self {
        Self {
            ignore_port: configuration.ignore_port_in_host_matching,
            configuration,
            hosts: Vec::new(),
            exact: HashMap::new(),
            suffixes: Vec::new(),
            prefixes: Vec::new(),
            any: None,
        }
    }

    /// What it was read from.
    pub fn configuration(&self) -> &RouteConfiguration {
        &self.configuration
    }

    fn add(&mut self, index: usize, host: &VirtualHost) -> Result<(), String> {
        for (i, domain) in host.domains.iter().enumerate() {
            let domain = domain.to_ascii_lowercase();
            let twice = if domain == "*" {
                self.any.replace(index).is_some()
            } else if let Some(suffix) = domain.strip_prefix('*') {
                self.suffixes.push((suffix.to_owned(), index));
                false
            } else if let Some(prefix) = domain.strip_suffix('*') {
                self.prefixes.push((prefix.to_owned(), index));
                false
            } else {
                self.exact.insert(domain.clone(), index).is_some()
            };
            if twice {
                return Err(format!("domains[{i}]: {domain} stands in two virtual hosts"));
            }
        }
        let routes = host.routes.iter().enumerate().map(|(i, route)| {
            RouteEntry::new(route, host.include_request_attempt_count)
                .map(Arc::new)
                .map_err(|e| format!("routes[{i}].{e}"))
        });
        self.hosts.push(routes.collect::<Result<_, _>>()?);
        Ok(())
    }

    /// The route of a request, by the host it names, its path (with query) and headers.
    pub(super) fn find(&self, authority: &str, path: &str, headers: &HeaderMap) -> Option<&Arc<RouteEntry>> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        self.host(authority)?.iter().find(|route| route.matches(path, headers))
    }

    /// The most specific virtual host: exact, then the longest suffix, the longest prefix, and `*`.
    fn host(&self, authority: &str) -> Option<&[Arc<RouteEntry>]> {
        let mut authority = authority.to_ascii_lowercase();
        if self.ignore_port {
            authority.truncate(without_port(&authority).len());
        }
        let index = self.exact.get(&authority).copied();
        let index = index.or_else(|| {
            let longer = |part: &str| authority.len() > part.len();
            let suffix = self.suffixes.iter().find(|(suffix, _)| longer(suffix) && authority.ends_with(&**suffix));
            let prefix = || self.prefixes.iter().find(|(prefix, _)| longer(prefix) && authority.starts_with(&**prefix));
            suffix.or_else(prefix).map(|(_, index)| *index)
        });
        self.hosts.get(index.or(self.any)?).map(Vec::as_slice)
    }
}

impl RouteEntry {
    fn new(route: &Route, include_attempt_count: bool) -> Result<Self, String> {
        let target = match (&route.route, &route.direct_response) {
            (Some(action), None) => Target::Cluster {
                name: action.cluster.as_str().into(),
                timeout: timeout(action.timeout, RESPONSE_TIMEOUT),
                retry: action
                    .retry_policy
                    .as_ref()
                    .map(RetryPolicy::new)
                    .transpose()
                    .map_err(|e| format!("route.retry_policy.{e}"))?,
            },
            (None, Some(direct)) => Target::Direct {
                status: StatusCode::from_u16(direct.status)
                    .map_err(|_| format!("direct_response.status: {} is not a status", direct.status))?,
                body: direct.body.as_ref().map(|body| body.inline_string.clone()).unwrap_or_default(),
            },
            _ => return Err("route: expected one of route and direct_response".into()),
        };
        let (path, headers) = matching(&route.matcher).map_err(|e| format!("match.{e}"))?;
        Ok(Self { name: route.name.as_str().into(), target, include_attempt_count, path, headers })
    }

    fn matches(&self, path: &str, headers: &HeaderMap) -> bool {
        let path = match &self.path {
            PathMatch::Prefix(prefix) => path.starts_with(&**prefix),
            PathMatch::Exact(exact) => path == exact,
        };
        path && self.headers.iter().all(|(name, value)| {
            // Values of one name count as one, joined by commas, as RFC 9110 has it.
            let values: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
            !values.is_empty() && matcher::matches(value, &values.join(","))
        })
    }
}

type Matching = (PathMatch, Vec<(HeaderName, envoy_api::StringMatcher)>);

fn matching(configured: &RouteMatch) -> Result<Matching, String> {
    let path = match (&configured.prefix, &configured.path) {
        (Some(prefix), None) => PathMatch::Prefix(prefix.clone()),
        (None, Some(path)) => PathMatch::Exact(path.clone()),
        _ => return Err("prefix: expected one of prefix and path".into()),
    };
    let header = |HeaderMatcher { name, string_match }: &HeaderMatcher| {
        let name = name.parse().map_err(|_| format!("headers: {name:?} is not a header's name"))?;
        Ok((name, string_match.clone()))
    };
    Ok((path, configured.headers.iter().map(header).collect::<Result<_, String>>()?))
}

/// A host without its port; the colons of an IPv6 address in brackets are its own.
pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
