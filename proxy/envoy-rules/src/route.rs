//! Finding the route of a request (`source/common/router/config_impl.cc`).

use std::collections::{HashMap, HashSet};

use envoy_api::{HeaderMatcher, RouteConfiguration, RouteMatch, StringMatcher, VirtualHost};
use http::{HeaderMap, HeaderName};
use thiserror::Error;

use crate::{authority::without_port, string_match::matches};

/// A route configuration, indexed for lookups.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// Matchers of the routes, by virtual host.
    routes: Vec<Vec<Matcher>>,
    exact: HashMap<String, usize>,
    /// Domains of the form `*.example.com`, without the `*`, longest first.
    suffixes: Vec<(String, usize)>,
    /// Domains of the form `example.*`, without the `*`, longest first.
    prefixes: Vec<(String, usize)>,
    /// Both kinds, as they are written.
    wildcards: HashSet<String>,
    any: Option<usize>,
    ignore_port: bool,
}

/// The position of a route in its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteIndex {
    /// Index into `virtual_hosts`.
    pub virtual_host: usize,
    /// Index into that host's `routes`.
    pub route: usize,
}

/// The parts of a request that routes match.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Value of `host` or `:authority`.
    pub authority: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Method, such as `GET`.
    pub method: &'a str,
    /// The other headers.
    pub headers: &'a HeaderMap,
}

/// An error in a route configuration. The message starts with the path of the field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// A domain is not unique.
    #[error("virtual_hosts[{host}].domains[{domain}]: {name} is in two virtual hosts")]
    DuplicateDomain {
        /// Index of the virtual host.
        host: usize,
        /// Index of the domain.
        domain: usize,
        /// The duplicate domain.
        name: String,
    },
    /// A match has no path criterion, or two.
    #[error("virtual_hosts[{host}].routes[{route}].match.prefix: expected one of prefix and path")]
    Path {
        /// Index of the virtual host.
        host: usize,
        /// Index of the route.
        route: usize,
    },
    /// A header name is invalid.
    #[error("virtual_hosts[{host}].routes[{route}].match.headers: {name:?} is not a header name")]
    HeaderName {
        /// Index of the virtual host.
        host: usize,
        /// Index of the route.
        route: usize,
        /// The invalid name.
        name: String,
    },
}

#[derive(Clone, Debug)]
struct Matcher {
    path: PathMatch,
    headers: Vec<(Header, StringMatcher)>,
}

#[derive(Clone, Debug)]
enum PathMatch {
    Prefix(String),
    Exact(String),
}

/// A header or pseudo-header to match.
#[derive(Clone, Debug)]
enum Header {
    Authority,
    Path,
    Method,
    Named(HeaderName),
}

impl RouteTable {
    /// Indexes a route configuration.
    ///
    /// # Errors
    /// If Envoy would refuse the configuration, or a match is not in the supported subset.
    pub fn new(configured: &RouteConfiguration) -> Result<Self, RouteError> {
        let mut table = Self { ignore_port: configured.ignore_port_in_host_matching, ..Self::default() };
        for (index, host) in configured.virtual_hosts.iter().enumerate() {
            table.add(index, host)?;
        }
        table.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(table)
    }

    fn add(&mut self, index: usize, host: &VirtualHost) -> Result<(), RouteError> {
        let wildcards = &mut self.wildcards;
        let mut push = |list: &mut Vec<(String, usize)>, domain: &str, part: &str| {
            list.push((part.to_owned(), index));
            !wildcards.insert(domain.to_owned())
        };
        for (at, domain) in host.domains.iter().enumerate() {
            let name = domain.to_ascii_lowercase();
            let twice = match (name.as_str(), name.strip_prefix('*'), name.strip_suffix('*')) {
                ("*", ..) => self.any.replace(index).is_some(),
                (_, Some(suffix), _) => push(&mut self.suffixes, &name, suffix),
                (_, None, Some(prefix)) => push(&mut self.prefixes, &name, prefix),
                (exact, None, None) => self.exact.insert(exact.to_owned(), index).is_some(),
            };
            if twice {
                return Err(RouteError::DuplicateDomain { host: index, domain: at, name });
            }
        }
        let routes = host.routes.iter().enumerate();
        let routes = routes.map(|(route, configured)| Matcher::new(&configured.matcher, index, route));
        self.routes.push(routes.collect::<Result<_, _>>()?);
        Ok(())
    }

    /// The route of a request: the first match in the most specific virtual host.
    pub fn find(&self, request: &RequestHead<'_>) -> Option<RouteIndex> {
        let virtual_host = self.virtual_host(request.authority)?;
        let route = self.routes[virtual_host].iter().position(|route| route.matches(request))?;
        Some(RouteIndex { virtual_host, route })
    }

    /// The virtual host with exactly this domain, or else the longest suffix, the longest prefix, or `*`
    /// (`RouteMatcher::findVirtualHost`). A wildcard stands for at least one character.
    fn virtual_host(&self, authority: &str) -> Option<usize> {
        let authority = if self.ignore_port { without_port(authority) } else { authority };
        let authority = authority.to_ascii_lowercase();
        let longer = |part: &str| authority.len() > part.len();
        let suffix = || self.suffixes.iter().find(|(suffix, _)| longer(suffix) && authority.ends_with(&**suffix));
        let prefix = || self.prefixes.iter().find(|(prefix, _)| longer(prefix) && authority.starts_with(&**prefix));
        let exact = self.exact.get(&authority).copied();
        exact.or_else(|| suffix().or_else(prefix).map(|(_, index)| *index)).or(self.any)
    }
}

impl Matcher {
    fn new(configured: &RouteMatch, host: usize, route: usize) -> Result<Self, RouteError> {
        let path = match (&configured.prefix, &configured.path) {
            (Some(prefix), None) => PathMatch::Prefix(prefix.clone()),
            (None, Some(path)) => PathMatch::Exact(path.clone()),
            _ => return Err(RouteError::Path { host, route }),
        };
        let header = |HeaderMatcher { name, string_match }: &HeaderMatcher| {
            let header = Header::parse(name).ok_or_else(|| RouteError::HeaderName { host, route, name: name.clone() });
            Ok((header?, string_match.clone()))
        };
        Ok(Self { path, headers: configured.headers.iter().map(header).collect::<Result<_, _>>()? })
    }

    fn matches(&self, request: &RequestHead<'_>) -> bool {
        // `PathUtil::removeQueryAndFragment`
        let path = request.path.split(['?', '#']).next().unwrap_or_default();
        let path_matches = match &self.path {
            PathMatch::Prefix(prefix) => path.starts_with(&**prefix),
            PathMatch::Exact(exact) => path == exact,
        };
        path_matches && self.headers.iter().all(|(header, matcher)| header.matches(matcher, request))
    }
}

impl Header {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            ":authority" | "host" => Self::Authority,
            ":path" => Self::Path,
            ":method" => Self::Method,
            _ => Self::Named(name.parse().ok()?),
        })
    }

    /// If a request has several headers of this name, each value is compared separately. A missing header does not match.
    fn matches(&self, matcher: &StringMatcher, request: &RequestHead<'_>) -> bool {
        match self {
            Self::Authority => matches(matcher, request.authority),
            Self::Path => matches(matcher, request.path),
            Self::Method => matches(matcher, request.method),
            Self::Named(name) => {
                let mut values = request.headers.get_all(name).iter();
                values.any(|value| matches(matcher, &String::from_utf8_lossy(value.as_bytes())))
            }
        }
    }
}

#[cfg(test)]
mod tests;
