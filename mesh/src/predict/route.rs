//! What a route does with a request: the facts of it, and the request as it is sent upstream.

use std::collections::BTreeMap;

use envoy_api::{ClusterWeight, DirectResponseBody, HttpFault, Route, RouteAction};
use envoy_rules::{
    forwarded,
    rewrite::{self, Mutations, plain_value},
    route::RequestHead,
};

use super::wire::Request;
use crate::account::{
    Abort, Delay, DirectResponse, Fault, Mirror, Redirect, Retries, Rewrite, RouteTaken, WeightedTarget,
};

impl Request {
    /// What routes match of it.
    pub(super) fn head(&self) -> RequestHead<'_> {
        let Self { authority, path, method, headers, .. } = self;
        RequestHead { authority, path, method: method.as_str(), scheme: forwarded::scheme(headers, false), headers }
    }

    /// It as a route sends it to one of its clusters.
    pub(super) fn rewritten(&self, route: &Route, action: &RouteAction, cluster: Option<&ClusterWeight>) -> Self {
        let mut request = self.clone();
        Mutations::of_request(route, cluster)
            .apply(&mut request.headers, |text| plain_value(text).unwrap_or_else(|| text.to_owned()));
        if let Some(path) = rewrite::path(action, &route.matcher, &self.path) {
            request.path = path;
        }
        if let Some(authority) = rewrite::authority(action, cluster) {
            request.authority = authority.into();
        }
        request
    }
}

/// A relay of bytes to a cluster.
pub(super) fn of_cluster(clusters: Vec<(&str, u32)>) -> RouteTaken {
    RouteTaken { clusters: targets(clusters), ..RouteTaken::default() }
}

/// What a route does with a request, which is sent upstream as `sent`, if it is.
pub(super) fn taken(virtual_host: &str, route: &Route, request: &Request, sent: Option<&Request>) -> RouteTaken {
    let action = route.route.as_ref();
    let clusters = action.map(|action| targets(action.clusters())).unwrap_or_default();
    if let [only] = &clusters[..]
        && matches!(only.name.as_str(), "PassthroughCluster" | "BlackHoleCluster")
    {
        return RouteTaken { clusters, ..RouteTaken::default() };
    }
    let retry = action.and_then(|action| action.retry_policy.as_ref());
    let timeout = action.and_then(|action| action.timeout).filter(|timeout| !timeout.0.is_zero());
    let mirrors = action.map(|action| &action.request_mirror_policies[..]).unwrap_or_default();
    RouteTaken {
        virtual_host: Some(virtual_host.to_owned()),
        name: (!route.name.is_empty()).then(|| route.name.clone()),
        clusters,
        timeout: timeout.map(|timeout| timeout.to_string()),
        retries: retry.map(|policy| Retries {
            attempts: policy.num_retries.unwrap_or(1),
            per_try_timeout: policy.per_try_timeout.map(|timeout| timeout.to_string()),
            retry_on: policy.retry_on.clone(),
            retriable_status_codes: policy.retriable_status_codes.clone(),
        }),
        fault: route.fault().and_then(fault),
        rewrite: sent.and_then(|sent| rewrite(route, request, sent)),
        redirect: route.redirect.as_ref().map(|redirect| Redirect {
            status: redirect.response_code.status(),
            location: rewrite::location(redirect, &route.matcher, &request.head()),
        }),
        direct_response: route.direct_response.as_ref().map(|response| DirectResponse {
            status: response.status,
            body: response.body.as_ref().map(|body| match body {
                DirectResponseBody::InlineString(text) | DirectResponseBody::InlineBytes(text) => text.clone(),
            }),
        }),
        mirrors: (!mirrors.is_empty()).then(|| {
            let mirror = |policy: &envoy_api::RequestMirrorPolicy| Mirror {
                cluster: policy.cluster.clone(),
                percentage: policy.runtime_fraction.map_or(100.0, |share| share.default_value.percent()),
            };
            mirrors.iter().map(mirror).collect()
        }),
    }
}

fn targets(clusters: Vec<(&str, u32)>) -> Vec<WeightedTarget> {
    clusters.into_iter().map(|(name, weight)| WeightedTarget { name: name.to_owned(), weight }).collect()
}

fn fault(fault: &HttpFault) -> Option<Fault> {
    let abort = fault.abort.as_ref().map(|abort| Abort {
        status: abort.http_status,
        grpc_status: abort.grpc_status,
        percentage: abort.percentage.unwrap_or_default().percent(),
    });
    let delay = fault.delay.as_ref().and_then(|delay| {
        let fixed = delay.fixed_delay?.to_string();
        Some(Delay { fixed, percentage: delay.percentage.unwrap_or_default().percent() })
    });
    (abort.is_some() || delay.is_some()).then_some(Fault { abort, delay })
}

/// The request as it is sent upstream, if the route changes it.
fn rewrite(route: &Route, request: &Request, sent: &Request) -> Option<Rewrite> {
    let cluster = |one: &ClusterWeight| {
        let names =
            one.request_headers_to_remove.iter().chain(one.request_headers_to_add.iter().map(|add| &add.header.key));
        names.map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let weighted = route.route.as_ref().and_then(|action| action.weighted_clusters.as_ref());
    let of_clusters = weighted.into_iter().flat_map(|weighted| &weighted.clusters).flat_map(cluster);
    let names = Mutations::of_request(route, None).names().into_iter().map(str::to_ascii_lowercase).chain(of_clusters);
    let headers: BTreeMap<String, Option<String>> = names
        .filter(|name| request.headers.get_all(name).iter().ne(sent.headers.get_all(name)))
        .map(|name| {
            let values: Vec<_> = sent.headers.get_all(&name).iter().collect();
            let text = values.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>();
            (name, (!text.is_empty()).then(|| text.join(",")))
        })
        .collect();
    let same = sent.path == request.path && sent.authority == request.authority && headers.is_empty();
    (!same).then(|| Rewrite { path: sent.path.clone(), authority: sent.authority.clone(), headers })
}
