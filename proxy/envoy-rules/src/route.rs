//! Which route a request takes (`source/common/router/config_impl.cc`).

use std::collections::HashMap;

use envoy_api::{HeaderMatcher, RouteConfiguration, RouteMatch, StringMatcher, VirtualHost};
use http::{HeaderMap, HeaderName};
use thiserror::Error;

use crate::{authority::without_port, string_match::matches};

/// A route configuration, indexed for looking up routes.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// The routes' matches, by virtual host.
    routes: Vec<Vec<Matcher>>,
    exact: HashMap<String, usize>,
    /// Domains `*.example.com` without the `*`, longest first.
    suffixes: Vec<(String, usize)>,
    /// Domains `example.*` without the `*`, longest first.
    prefixes: Vec<(String, usize)>,
    any: Option<usize>,
    ignore_port: bool,
}

/// Where a route stands in its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteIndex {
    /// An index of `virtual_hosts`.
    pub virtual_host: usize,
    /// An index of that host's `routes`.
    pub route: usize,
}

/// What routes look at.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// `host` or `:authority`.
    pub authority: &'a str,
    /// With the query.
    pub path: &'a str,
    /// Such as `GET`.
    pub method: &'a str,
    /// The others.
    pub headers: &'a HeaderMap,
}

/// Why a route configuration makes no table. The text begins with the path of the field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// A domain stands in two places.
    #[error("virtual_hosts[{host}].domains[{domain}]: {name} stands in two virtual hosts")]
    DuplicateDomain {
        /// The virtual host's index.
        host: usize,
        /// The domain's index in it.
        domain: usize,
        /// The domain.
        name: String,
    },
    /// A match has no path, or two.
    #[error("virtual_hosts[{host}].routes[{route}].match.prefix: expected one of prefix and path")]
    Path {
        /// The virtual host's index.
        host: usize,
        /// The route's index in it.
        route: usize,
    },
    /// A header that no request can have.
    #[error("virtual_hosts[{host}].routes[{route}].match.headers: {name:?} is not a header's name")]
    HeaderName {
        /// The virtual host's index.
        host: usize,
        /// The route's index in it.
        route: usize,
        /// The name.
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

/// A header or pseudo-header by which a route can match.
#[derive(Clone, Debug)]
enum Header {
    Authority,
    Path,
    Method,
    Named(HeaderName),
}

impl RouteTable {
    /// The table of a route configuration.
    ///
    /// # Errors
    /// When Envoy would refuse the configuration, or a match is not one of the supported subset.
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
        let push = |list: &mut Vec<(String, usize)>, part: &str| {
            let twice = list.iter().any(|(other, _)| other == part);
            list.push((part.to_owned(), index));
            twice
        };
        for (at, domain) in host.domains.iter().enumerate() {
            let name = domain.to_ascii_lowercase();
            let twice = match (name.as_str(), name.strip_prefix('*'), name.strip_suffix('*')) {
                ("*", ..) => self.any.replace(index).is_some(),
                (_, Some(suffix), _) => push(&mut self.suffixes, suffix),
                (_, None, Some(prefix)) => push(&mut self.prefixes, prefix),
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

    /// The route of a request: of the most specific virtual host the first route that matches.
    pub fn find(&self, request: &RequestHead<'_>) -> Option<RouteIndex> {
        let virtual_host = self.virtual_host(request.authority)?;
        let route = self.routes[virtual_host].iter().position(|route| route.matches(request))?;
        Some(RouteIndex { virtual_host, route })
    }

    /// The virtual host that has the name itself, else the longest suffix of it, else the longest prefix, else `*`
    /// (`RouteMatcher::findVirtualHost`). A wildcard stands for one character at least.
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

    /// Of a header that a request has several times, each value is looked at by itself. One that it does not have does not match.
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
