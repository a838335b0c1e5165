//! Routes that one VirtualService delegates to another (`pilot/pkg/model/virtualservice.go`, `MergeHTTPRoutes`;
//! `pilot/pkg/model/virtualservice_controller.go`).

use std::collections::BTreeMap;

use crate::{
    fault::Faults,
    manifests::{Manifests, Named},
    model::{HttpMatch, HttpRoute, Rule, StringMatch, VirtualService},
};

/// Puts the routes of delegates in the places of those that delegate. Where there is no delegate, or none that the root sees,
/// that route alone is left out.
pub(super) fn put_in_place(root: &mut VirtualService, delegates: &[VirtualService], faults: &mut Faults) {
    let mut merged = vec![];
    for rule in std::mem::take(&mut root.http) {
        let Some(delegate) = &rule.spec.delegate else {
            merged.push(rule);
            continue;
        };
        let namespace = if delegate.namespace.is_empty() { &root.name.namespace } else { &delegate.namespace };
        let is_it = |other: &&VirtualService| other.name.name == delegate.name && other.name.namespace == *namespace;
        let at = Named(rule.source.at(""), format!("VirtualService {}", root.name));
        let field = format!("{}.delegate", rule.source.field);
        let Some(found) = delegates.iter().find(is_it) else {
            let message = format!(
                "there is no VirtualService {namespace}/{} without hosts: this route is left out",
                delegate.name
            );
            faults.warn(&at, field, message);
            continue;
        };
        if !is_exported(found, &root.name.namespace) {
            let message =
                format!("{} is not exported to {}: this route is left out", found.full_name(), root.name.namespace);
            faults.warn(&at, field, message);
            continue;
        }
        for of_delegate in &found.http {
            match merge(&rule.spec, of_delegate.spec.clone()) {
                Some(spec) => merged.push(Rule { spec, source: of_delegate.source.clone() }),
                None => {
                    let message =
                        format!("its match contradicts that of {}, which delegates to it: it is left out", rule.source);
                    let at = Named(of_delegate.source.at(""), format!("VirtualService {}", found.name));
                    faults.warn(&at, format!("{}.match", of_delegate.source.field), message);
                }
            }
        }
    }
    root.http = merged;
}

/// Warns about delegates to which nobody delegates.
pub(super) fn warn_of_unused(delegates: &[VirtualService], manifests: &Manifests, faults: &mut Faults) {
    let asked: Vec<(&str, &str)> = manifests
        .virtual_services
        .iter()
        .flat_map(|root| root.body.http.iter().map(move |route| (root, route)))
        .filter_map(|(root, route)| {
            let delegate = route.delegate.as_ref()?;
            let own = root.head.name.namespace.as_str();
            let namespace = if delegate.namespace.is_empty() { own } else { &delegate.namespace };
            Some((namespace, delegate.name.as_str()))
        })
        .collect();
    for delegate in delegates.iter().filter(|one| !asked.contains(&(&one.name.namespace, &one.name.name))) {
        let at = Named(delegate.source.clone(), format!("VirtualService {}", delegate.name));
        faults.warn(&at, "spec.hosts", "is empty, and no VirtualService delegates to it: nobody uses it");
    }
}

fn is_exported(delegate: &VirtualService, namespace: &str) -> bool {
    let names = &delegate.export_to;
    let at_home = names.contains(".") && delegate.name.namespace == namespace;
    names.is_empty() || names.contains("*") || names.contains(namespace) || at_home
}

/// A delegate's route with what the root's says beside; nothing if their matches contradict each other.
fn merge(root: &HttpRoute, delegate: HttpRoute) -> Option<HttpRoute> {
    let matches = merged_matches(&root.matches, &delegate.matches)?;
    let name = joined(&root.name, &delegate.name);
    Some(HttpRoute {
        matches,
        name,
        rewrite: delegate.rewrite.or_else(|| root.rewrite.clone()),
        direct_response: delegate.direct_response.or_else(|| root.direct_response.clone()),
        timeout: delegate.timeout.or_else(|| root.timeout.clone()),
        retries: delegate.retries.or_else(|| root.retries.clone()),
        fault: delegate.fault.or_else(|| root.fault.clone()),
        mirror: delegate.mirror.or_else(|| root.mirror.clone()),
        mirror_percent: delegate.mirror_percent.or(root.mirror_percent),
        mirror_percentage: delegate.mirror_percentage.or(root.mirror_percentage),
        cors_policy: delegate.cors_policy.or_else(|| root.cors_policy.clone()),
        mirrors: if delegate.mirrors.is_empty() { root.mirrors.clone() } else { delegate.mirrors },
        headers: delegate.headers.or_else(|| root.headers.clone()),
        ..delegate
    })
}

fn joined(root: &str, delegate: &str) -> String {
    match (root, delegate) {
        (root, "") => root.to_owned(),
        ("", delegate) => delegate.to_owned(),
        (root, delegate) => format!("{root}-{delegate}"),
    }
}

/// Each match of the delegate with each of the root's that it does not contradict; nothing if one of them finds none.
fn merged_matches(root: &[HttpMatch], delegate: &[HttpMatch]) -> Option<Vec<HttpMatch>> {
    if root.is_empty() {
        return Some(delegate.to_vec());
    }
    if delegate.is_empty() {
        return Some(root.to_vec());
    }
    let mut all = vec![];
    for of_delegate in delegate {
        let fitting = root.iter().filter(|of_root| !contradict(of_root, of_delegate));
        let before = all.len();
        all.extend(fitting.map(|of_root| merged_match(of_root, of_delegate)));
        if all.len() == before {
            return None;
        }
    }
    Some(all)
}

fn merged_match(root: &HttpMatch, delegate: &HttpMatch) -> HttpMatch {
    fn united<T: Clone>(root: &BTreeMap<String, T>, delegate: &BTreeMap<String, T>) -> BTreeMap<String, T> {
        root.iter().chain(delegate).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
    let or = |delegate: &str, root: &str| if delegate.is_empty() { root.to_owned() } else { delegate.to_owned() };
    let delegate = delegate.clone();
    HttpMatch {
        name: joined(&root.name, &delegate.name),
        uri: delegate.uri.or_else(|| root.uri.clone()),
        scheme: delegate.scheme.or_else(|| root.scheme.clone()),
        method: delegate.method.or_else(|| root.method.clone()),
        authority: delegate.authority.or_else(|| root.authority.clone()),
        headers: united(&root.headers, &delegate.headers),
        without_headers: united(&root.without_headers, &delegate.without_headers),
        query_params: united(&root.query_params, &delegate.query_params),
        source_labels: united(&root.source_labels, &delegate.source_labels),
        port: if delegate.port == 0 { root.port } else { delegate.port },
        source_namespace: or(&delegate.source_namespace, &root.source_namespace),
        gateways: if delegate.gateways.is_empty() { root.gateways.clone() } else { delegate.gateways },
        stat_prefix: or(&delegate.stat_prefix, &root.stat_prefix),
        ignore_uri_case: delegate.ignore_uri_case,
    }
}

/// Whether a delegate's match is for something that the root's is not for (`hasConflict`).
fn contradict(root: &HttpMatch, delegate: &HttpMatch) -> bool {
    let pairs = [
        (&root.uri, &delegate.uri),
        (&root.scheme, &delegate.scheme),
        (&root.method, &delegate.method),
        (&root.authority, &delegate.authority),
    ];
    let maps = [
        (&root.headers, &delegate.headers),
        (&root.without_headers, &delegate.without_headers),
        (&root.query_params, &delegate.query_params),
    ];
    let of_maps = maps.into_iter().any(|(root, delegate)| {
        delegate.iter().any(|(key, value)| {
            let of_root = root.get(key).and_then(Option::as_ref);
            texts_contradict(of_root, value.as_ref())
        })
    });
    let labels = delegate.source_labels.iter();
    let labels = labels.filter_map(|(key, value)| Some((root.source_labels.get(key)?, value)));
    let ports = root.port > 0 && delegate.port > 0 && root.port != delegate.port;
    let namespaces = !root.source_namespace.is_empty() && delegate.source_namespace != root.source_namespace;
    let gateways = !root.gateways.is_empty()
        && !delegate.gateways.is_empty()
        && (root.gateways.len() < delegate.gateways.len()
            || delegate.gateways.iter().any(|gateway| !root.gateways.contains(gateway)));
    pairs.into_iter().any(|(root, delegate)| texts_contradict(root.as_ref(), delegate.as_ref()))
        || of_maps
        || root.ignore_uri_case != delegate.ignore_uri_case
        || ports
        || namespaces
        || labels.into_iter().any(|(root, delegate)| root != delegate)
        || gateways
}

/// `stringMatchConflict`: with a regular expression on one side, the other must have nothing.
fn texts_contradict(root: Option<&StringMatch>, delegate: Option<&StringMatch>) -> bool {
    let (Some(root), Some(delegate)) = (root, delegate) else { return false };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (exact, prefix, regex) = (text(&root.exact), text(&root.prefix), text(&root.regex));
    let (sub_exact, sub_prefix, sub_regex) = (text(&delegate.exact), text(&delegate.prefix), text(&delegate.regex));
    let says = |exact: &str, prefix: &str, regex: &str| !(exact.is_empty() && prefix.is_empty() && regex.is_empty());
    if !regex.is_empty() && says(&sub_exact, &sub_prefix, &sub_regex)
        || !sub_regex.is_empty() && says(&exact, &prefix, &regex)
    {
        return true;
    }
    if !exact.is_empty() {
        return !sub_prefix.is_empty() || sub_exact != exact;
    }
    if !(prefix.is_empty() || sub_prefix.is_empty() && sub_exact.is_empty()) {
        let sub = if sub_prefix.is_empty() { sub_exact } else { sub_prefix };
        return !sub.starts_with(&prefix);
    }
    true
}
