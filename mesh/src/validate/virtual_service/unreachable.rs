//! Routes that no request ever reaches (`analyzeUnreachableHTTPRules` in `pkg/config/validation/validation.go`).

use crate::{
    manifests::virtual_service::{HttpMatch, StringMatch, VirtualServiceSpec},
    validate::Checked,
};

/// Warns about routes behind one that takes all, and about matches that an earlier route has.
pub(super) fn warn(checked: &mut Checked<'_>, spec: &VirtualServiceSpec) {
    let http = spec.http.iter().map(|route| keys(&route.matches)).collect::<Vec<_>>();
    let tls = spec.tls.iter().map(|route| keys(&route.matches)).collect::<Vec<_>>();
    let tcp = spec.tcp.iter().map(|route| keys(&route.matches)).collect::<Vec<_>>();
    for (kind, routes) in [("http", http), ("tls", tls), ("tcp", tcp)] {
        behind(checked, kind, &routes);
    }
    covered(checked, spec);
}

/// The matches as texts, of which equal ones are the same.
fn keys<T: serde::Serialize>(matches: &[T]) -> Vec<String> {
    matches.iter().map(|one| serde_json::to_string(one).unwrap_or_default()).collect()
}

fn behind(checked: &mut Checked<'_>, kind: &str, routes: &[Vec<String>]) {
    let takes_all = routes.iter().position(Vec::is_empty);
    for (i, matches) in routes.iter().enumerate() {
        let field = format!("spec.{kind}[{i}]");
        if let Some(first) = takes_all.filter(|first| *first < i) {
            checked.warn(field, format!("is never used: spec.{kind}[{first}] has no match, and takes everything"));
            continue;
        }
        let earlier = |key: &String| routes[..i].iter().position(|other| other.contains(key));
        for (k, key) in matches.iter().enumerate() {
            if let Some(other) = earlier(key).or_else(|| matches[..k].contains(key).then_some(i)) {
                let message = format!("is never used: spec.{kind}[{other}] has the same match before it");
                checked.warn(format!("{field}.match[{k}]"), message);
            }
        }
    }
}

/// Prefixes that begin with an earlier one, where nothing else tells them apart.
fn covered(checked: &mut Checked<'_>, spec: &VirtualServiceSpec) {
    let takes_all = spec.http.iter().position(|route| route.matches.is_empty()).unwrap_or(spec.http.len());
    let mut earlier: Vec<(String, &HttpMatch)> = vec![];
    for (i, route) in spec.http.iter().enumerate().take(takes_all) {
        for (k, one) in route.matches.iter().enumerate() {
            let Some(prefix) = prefix(one) else { continue };
            let field = format!("spec.http[{i}].match[{k}]");
            let cover = earlier.iter().find(|(_, other)| {
                self::prefix(other).is_some_and(|other| prefix.starts_with(other) && prefix != other)
                    && covers(other, one)
            });
            if let Some((place, other)) = cover {
                let by = self::prefix(other).unwrap_or_default();
                checked
                    .warn(&field, format!("is never used: {place} takes all paths that begin with {by:?} before it"));
            }
            earlier.push((field, one));
        }
    }
}

fn prefix(one: &HttpMatch) -> Option<&str> {
    one.uri.as_ref()?.prefix.as_deref().filter(|prefix| !prefix.is_empty())
}

/// Whether a match, beside its path, is for all that another is for.
fn covers(one: &HttpMatch, other: &HttpMatch) -> bool {
    let text = |text: &Option<StringMatch>| text.clone().unwrap_or_default();
    one.port == other.port
        && (one.method.is_none() || text(&one.method) == text(&other.method))
        && (one.authority.is_none() || text(&one.authority) == text(&other.authority))
        && one.scheme == other.scheme
        && one.source_labels == other.source_labels
        && one.source_namespace == other.source_namespace
        && one.gateways == other.gateways
        && (one.ignore_uri_case || !other.ignore_uri_case)
        && one.headers == other.headers
        && one.query_params == other.query_params
        && one.without_headers == other.without_headers
}
