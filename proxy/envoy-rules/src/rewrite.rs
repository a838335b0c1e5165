//! What a route makes of a request before it is sent upstream: its path, its host, its headers
//! (`source/common/router/config_impl.cc`, `source/common/router/header_parser.cc`), and where a redirect leads.

use envoy_api::{ClusterWeight, HeaderAppendAction, HeaderValueOption, RedirectAction, Route, RouteAction, RouteMatch};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    re2,
    route::{RequestHead, without_query},
};

#[cfg(test)]
mod tests;

/// The path and query that a request is sent upstream with, if the route rewrites it. What the route matched is replaced: a
/// prefix, or the whole path.
pub fn path(action: &RouteAction, matcher: &RouteMatch, path: &str) -> Option<String> {
    let whole = without_query(path);
    if let Some(regex) = &action.regex_rewrite {
        let pattern = re2::anywhere(&regex.pattern.regex).ok()?;
        let replaced = re2::replace_all(&pattern, whole, &regex.substitution);
        return Some(format!("{replaced}{}", &path[whole.len()..]));
    }
    (!action.prefix_rewrite.is_empty()).then(|| {
        let matched = matched_prefix(matcher).map_or(whole.len(), str::len);
        format!("{}{}", action.prefix_rewrite, path.get(matched..).unwrap_or_default())
    })
}

fn matched_prefix(matcher: &RouteMatch) -> Option<&str> {
    matcher.prefix.as_deref().or(matcher.path_separated_prefix.as_deref())
}

/// The host that a request is sent upstream with, if the route rewrites it, or else its cluster among several does.
pub fn authority<'a>(action: &'a RouteAction, cluster: Option<&'a ClusterWeight>) -> Option<&'a str> {
    let of_cluster = cluster.map_or("", |cluster| &cluster.host_rewrite_literal);
    let literal = if action.host_rewrite_literal.is_empty() { of_cluster } else { &action.host_rewrite_literal };
    (!literal.is_empty()).then_some(literal)
}

/// Changes of headers: what is removed, then what is added, in the order in which they are done.
#[derive(Clone, Debug, Default)]
pub struct Mutations<'a> {
    steps: Vec<(&'a [String], &'a [HeaderValueOption])>,
}

impl<'a> Mutations<'a> {
    /// Those of a request: of the chosen cluster among several, then of the route.
    pub fn of_request(route: &'a Route, cluster: Option<&'a ClusterWeight>) -> Self {
        let of_cluster = cluster.map(|one| (&one.request_headers_to_remove[..], &one.request_headers_to_add[..]));
        let of_route = (&route.request_headers_to_remove[..], &route.request_headers_to_add[..]);
        Self { steps: of_cluster.into_iter().chain([of_route]).collect() }
    }

    /// Those of a response.
    pub fn of_response(route: &'a Route, cluster: Option<&'a ClusterWeight>) -> Self {
        let of_cluster = cluster.map(|one| (&one.response_headers_to_remove[..], &one.response_headers_to_add[..]));
        let of_route = (&route.response_headers_to_remove[..], &route.response_headers_to_add[..]);
        Self { steps: of_cluster.into_iter().chain([of_route]).collect() }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|(removed, added)| removed.is_empty() && added.is_empty())
    }

    /// The names of all headers that are changed.
    pub fn names(&self) -> Vec<&'a str> {
        let names = self.steps.iter().flat_map(|(removed, added)| {
            removed.iter().map(String::as_str).chain(added.iter().map(|one| one.header.key.as_str()))
        });
        names.collect()
    }

    /// Makes the changes. `value` says what the text of a value stands for.
    pub fn apply(&self, headers: &mut HeaderMap, value: impl Fn(&str) -> String) {
        for (removed, added) in &self.steps {
            for name in *removed {
                headers.remove(name.as_str());
            }
            for HeaderValueOption { header, append_action } in *added {
                let (Ok(name), Ok(value)) =
                    (header.key.parse::<HeaderName>(), HeaderValue::from_str(&value(&header.value)))
                else {
                    continue;
                };
                let is_there = headers.contains_key(&name);
                match append_action {
                    HeaderAppendAction::AppendIfExistsOrAdd => {
                        headers.append(name, value);
                    }
                    HeaderAppendAction::AddIfAbsent if is_there => {}
                    HeaderAppendAction::OverwriteIfExists if !is_there => {}
                    _ => {
                        headers.insert(name, value);
                    }
                }
            }
        }
    }
}

/// The text of a header's value without commands: `%%` is `%`. Nothing if it has a command, which stands for a fact of the request.
pub fn plain_value(text: &str) -> Option<String> {
    let without = text.replace("%%", "\u{0}");
    (!without.contains('%')).then(|| without.replace('\u{0}', "%"))
}

/// Where a redirect leads: the value of `Location` (`RouteEntryImplBase::newUri`, `newPath`).
pub fn location(redirect: &RedirectAction, matcher: &RouteMatch, request: &RequestHead<'_>) -> String {
    let scheme = match (&*redirect.scheme_redirect, redirect.https_redirect) {
        ("", true) => "https",
        ("", false) => request.scheme,
        (scheme, _) => scheme,
    };
    // The port of the host that was asked for goes where it is the old scheme's own, or another one is set.
    let (name, port) = split(request.authority);
    let is_own = matches!((request.scheme, port), ("http", ":80") | ("https", ":443"));
    let drops = redirect.port_redirect > 0 || (scheme != request.scheme && is_own);
    let host = match (&*redirect.host_redirect, drops) {
        ("", true) => name.to_owned(),
        ("", false) => request.authority.to_owned(),
        (host, _) => host.to_owned(),
    };
    let port = if redirect.port_redirect > 0 { format!(":{}", redirect.port_redirect) } else { String::new() };
    let path = new_path(redirect, matcher, request.path);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{host}{port}{slash}{path}")
}

fn new_path(redirect: &RedirectAction, matcher: &RouteMatch, path: &str) -> String {
    let whole = without_query(path);
    let query = if redirect.strip_query { "" } else { &path[whole.len()..] };
    if !redirect.path_redirect.is_empty() {
        // A query in the redirect replaces the request's.
        return match redirect.path_redirect.contains('?') {
            true => redirect.path_redirect.clone(),
            false => format!("{}{query}", redirect.path_redirect),
        };
    }
    if !redirect.prefix_rewrite.is_empty() {
        let matched = matched_prefix(matcher).map_or(whole.len(), str::len);
        return format!("{}{}{query}", redirect.prefix_rewrite, whole.get(matched..).unwrap_or_default());
    }
    format!("{whole}{query}")
}

/// A host, and its port with the colon.
fn split(authority: &str) -> (&str, &str) {
    let name = crate::authority::without_port(authority);
    (name, &authority[name.len()..])
}
