//! Finding the route of a request (`source/common/router/config_impl.cc`).

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use envoy_api::{RouteConfiguration, RouteMatch, TlsRequirement, VirtualHost};
use regex::Regex;
use thiserror::Error;

pub use crate::header_match::RequestHead;
use crate::{
    authority::without_port,
    header_match::{HeaderMatch, HeaderMatchError, QueryMatch},
    re2::{self, Re2Error},
};

/// A route configuration, indexed for lookups.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// Matchers of the routes, by virtual host.
    routes: Vec<Vec<Matcher>>,
    /// Whether each virtual host redirects requests without TLS.
    requires_tls: Vec<bool>,
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
    /// A match has no path criterion, or several.
    #[error(
        "virtual_hosts[{host}].routes[{route}].match.prefix: expected one of prefix, path, safe_regex and path_separated_prefix"
    )]
    Path {
        /// Index of the virtual host.
        host: usize,
        /// Index of the route.
        route: usize,
    },
    /// A regular expression is invalid.
    #[error("virtual_hosts[{host}].routes[{route}].match.safe_regex: {error}")]
    Regex {
        /// Index of the virtual host.
        host: usize,
        /// Index of the route.
        route: usize,
        /// Why.
        error: Re2Error,
    },
    /// A matcher of a header or of a parameter of the query is invalid.
    #[error("virtual_hosts[{host}].routes[{route}].match.headers: {error}")]
    Header {
        /// Index of the virtual host.
        host: usize,
        /// Index of the route.
        route: usize,
        /// Why.
        error: HeaderMatchError,
    },
}

#[derive(Clone, Debug)]
struct Matcher {
    path: PathMatch,
    case_sensitive: bool,
    headers: Vec<HeaderMatch>,
    query: Vec<QueryMatch>,
}

#[derive(Clone, Debug)]
enum PathMatch {
    Prefix(String),
    Exact(String),
    /// A prefix that ends at a `/` or at the end of the path.
    Separated(String),
    Regex(Regex),
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
        self.requires_tls.push(host.require_tls == TlsRequirement::All);
        Ok(())
    }

    /// The route of a request: the first match in the most specific virtual host.
    pub fn find(&self, request: &RequestHead<'_>) -> Option<RouteIndex> {
        let virtual_host = self.virtual_host(request.authority)?;
        let route = self.routes[virtual_host].iter().position(|route| route.matches(request))?;
        Some(RouteIndex { virtual_host, route })
    }

    /// Whether a request for this authority that came without TLS is redirected to HTTPS, whatever its routes
    /// (`VirtualHostImpl::getRouteFromEntries` in `source/common/router/config_impl.cc`).
    pub fn requires_tls(&self, authority: &str) -> bool {
        self.virtual_host(authority).is_some_and(|virtual_host| self.requires_tls[virtual_host])
    }

    /// Why a route of a virtual host does not match a request, in words; nothing if it does.
    pub fn why_not(&self, route: RouteIndex, request: &RequestHead<'_>) -> Option<String> {
        self.routes[route.virtual_host][route.route].why_not(request)
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
        let RouteMatch { prefix, path, safe_regex, path_separated_prefix, .. } = configured;
        let path = match (prefix, path, safe_regex, path_separated_prefix) {
            (Some(prefix), None, None, None) => PathMatch::Prefix(prefix.clone()),
            (None, Some(path), None, None) => PathMatch::Exact(path.clone()),
            (None, None, Some(regex), None) => {
                let compiled = re2::full_match(&regex.regex);
                PathMatch::Regex(compiled.map_err(|error| RouteError::Regex { host, route, error })?)
            }
            (None, None, None, Some(prefix)) => PathMatch::Separated(prefix.clone()),
            _ => return Err(RouteError::Path { host, route }),
        };
        let refused = |error| RouteError::Header { host, route, error };
        let headers = configured.headers.iter().map(HeaderMatch::new);
        let query = configured.query_parameters.iter().map(QueryMatch::new);
        Ok(Self {
            path,
            case_sensitive: configured.case_sensitive.unwrap_or(true),
            headers: headers.collect::<Result<_, _>>().map_err(refused)?,
            query: query.collect::<Result<_, _>>().map_err(refused)?,
        })
    }

    fn matches(&self, request: &RequestHead<'_>) -> bool {
        self.path.matches(without_query(request.path), self.case_sensitive)
            && self.headers.iter().all(|header| header.matches(request))
            && self.query.iter().all(|parameter| parameter.matches(request.path))
    }
}

impl Matcher {
    fn why_not(&self, request: &RequestHead<'_>) -> Option<String> {
        let path = without_query(request.path);
        if !self.path.matches(path, self.case_sensitive) {
            return Some(format!("path {path} is not {}", self.path));
        }
        let header = self.headers.iter().find(|header| !header.matches(request)).map(ToString::to_string);
        let parameter = || self.query.iter().find(|one| !one.matches(request.path)).map(ToString::to_string);
        header.or_else(parameter).map(|wanted| format!("it wants {wanted}"))
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => write!(f, "{prefix}..."),
            Self::Exact(exact) => f.write_str(exact),
            Self::Separated(prefix) => write!(f, "{prefix} or {prefix}/..."),
            Self::Regex(regex) => f.write_str(regex.as_str().trim_start_matches("^(?:").trim_end_matches(")$")),
        }
    }
}

impl PathMatch {
    fn matches(&self, path: &str, case_sensitive: bool) -> bool {
        let begins = |prefix: &str| match case_sensitive {
            true => path.starts_with(prefix),
            false => path.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix)),
        };
        match self {
            Self::Prefix(prefix) => begins(prefix),
            Self::Exact(exact) => path.len() == exact.len() && begins(exact),
            Self::Separated(prefix) => {
                begins(prefix) && (path.len() == prefix.len() || path.as_bytes()[prefix.len()] == b'/')
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// A path without its query and fragment (`PathUtil::removeQueryAndFragment`).
pub fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
