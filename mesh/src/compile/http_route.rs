//! Routes of HTTP that a VirtualService asks for (`pilot/pkg/networking/core/route/route.go`).

use std::{collections::BTreeMap, time::Duration};

use envoy_api::{
    CORS_FILTER, ClusterWeight, Decorator, Denominator, DirectResponseAction, DirectResponseBody, FAULT_FILTER,
    FractionalPercent, HeaderAppendAction, HeaderMatcher, HeaderValue, HeaderValueOption, HttpFault, Metadata,
    PerRouteConfig, ProtoDuration, QueryParameterMatcher, RedirectAction, RedirectResponseCode,
    RegexMatchAndSubstitute, RegexMatcher, RequestMirrorPolicy, Route, RouteAction, RouteMatch,
    RuntimeFractionalPercent, StringMatcher, StringPattern, WeightedCluster,
};
use envoy_rules::grpc::code_of;

use super::{balancing::hash_policy, filters::seconds, names, retries::retries, traffic_policy::duration};
use crate::{
    model::{
        ConsistentHash, CorsPolicy, Destination, FaultAbort, FaultDelay, HeaderOperations, Headers, HttpDirectResponse,
        HttpFaultInjection, HttpMatch, HttpRedirect, HttpRetry, HttpRoute, HttpRouteDestination, Percent, RedirectPort,
        StringMatch, UnmatchedPreflights,
    },
    time,
};

/// What a route is made for, and what it has to look up.
pub(super) struct Context<'a> {
    /// The port that is called.
    pub(super) port: u16,
    /// Whether the gateway that is called has TLS settings for it.
    pub(super) is_tls: bool,
    /// The VirtualService's name, for traces.
    pub(super) service: &'a str,
    /// What Istio notes on its routes.
    pub(super) metadata: Metadata,
    /// The cluster of a destination.
    pub(super) cluster: &'a dyn Fn(&Destination) -> String,
    /// What a DestinationRule has requests to a destination hashed by.
    pub(super) hash: &'a dyn Fn(&Destination) -> Option<&'a ConsistentHash>,
    /// MeshConfig's retries, of rules that say nothing of them.
    pub(super) default_retries: Option<&'a HttpRetry>,
}

/// The route of one match of a rule, or of a rule without any (`TranslateRoute`).
pub(super) fn translate(rule: &HttpRoute, matched: Option<&HttpMatch>, context: &Context<'_>) -> Route {
    let of_match = matched.filter(|one| !one.name.is_empty()).map(|one| format!(".{}", one.name));
    let mut route = Route {
        name: format!("{}{}", rule.name, of_match.unwrap_or_default()),
        matcher: route_match(matched),
        metadata: Some(context.metadata.clone()),
        stat_prefix: matched.map(|one| one.stat_prefix.clone()).unwrap_or_default(),
        ..Route::default()
    };
    let authority = rule.headers.as_ref().map(|headers| mutate(&mut route, headers)).unwrap_or_default();
    if let Some(redirect) = &rule.redirect {
        route.redirect = redirect_action(redirect, context);
    } else if let Some(response) = &rule.direct_response {
        route.direct_response = Some(direct_response(response));
    } else {
        let action = action(&mut route, rule, authority, context);
        route.route = Some(action);
    }
    route.decorator = Some(Decorator { operation: operation(&route, context) });
    if let Some(fault) = rule.fault.as_ref().map(fault) {
        route.typed_per_filter_config.insert(FAULT_FILTER.into(), PerRouteConfig::Fault(fault));
    }
    if let Some(policy) = &rule.cors_policy {
        route.typed_per_filter_config.insert(CORS_FILTER.into(), PerRouteConfig::Cors(cors(policy)));
    }
    route
}

/// Whether a route takes every request, so that none behind it is ever used (`IsCatchAllRoute`).
pub(super) fn takes_all(matcher: &RouteMatch) -> bool {
    let all =
        matcher.prefix.as_deref() == Some("/") || matcher.safe_regex.as_ref().is_some_and(|regex| regex.regex == ".*");
    all && matcher.headers.is_empty() && matcher.query_parameters.is_empty()
}

fn action(route: &mut Route, rule: &HttpRoute, mut authority: String, context: &Context<'_>) -> RouteAction {
    let timeout = duration(rule.timeout.as_deref()).unwrap_or(seconds(0));
    let mut action = RouteAction {
        timeout: Some(timeout),
        max_grpc_timeout: (!timeout.0.is_zero()).then_some(timeout),
        ..RouteAction::default()
    };
    if let Some(rewrite) = &rule.rewrite {
        match &rewrite.uri_regex_rewrite {
            Some(regex) => {
                let pattern = RegexMatcher::new(&regex.pattern);
                action.regex_rewrite = Some(RegexMatchAndSubstitute { pattern, substitution: regex.rewrite.clone() });
            }
            None => action.prefix_rewrite.clone_from(&rewrite.uri),
        }
        if !rewrite.authority.is_empty() {
            authority.clone_from(&rewrite.authority);
        }
    }
    action.host_rewrite_literal = authority;
    let mirrors = rule.mirror.iter().map(|to| (to, mirrored(rule)));
    let more = rule.mirrors.iter().filter_map(|one| Some((one.destination.as_ref()?, share(one.percentage))));
    action.request_mirror_policies = mirrors
        .chain(more)
        .filter(|(_, share)| !share.is_none())
        .map(|(to, share)| RequestMirrorPolicy {
            cluster: (context.cluster)(to),
            runtime_fraction: Some(RuntimeFractionalPercent { default_value: share }),
            trace_sampled: Some(false),
            disable_shadow_host_suffix_append: true,
        })
        .collect();
    let hash = |one: &HttpRouteDestination| one.destination.as_ref().and_then(context.hash);
    let mut hashes = false;
    if let [only] = &rule.route[..] {
        destination(route, &mut action, only, context);
        action.hash_policy = hash(only).and_then(hash_policy).into_iter().collect();
        hashes = hash(only).is_some();
    } else {
        let weighted = || rule.route.iter().filter(|one| one.weight != 0);
        let clusters = weighted().map(|one| weight(one, context)).collect();
        action.weighted_clusters = Some(WeightedCluster { clusters });
        action.hash_policy = weighted().filter_map(hash).filter_map(hash_policy).collect();
    }
    action.retry_policy = retries(rule.retries.as_ref().or(context.default_retries), hashes);
    action
}

/// The only destination of a route (`processDestination`).
fn destination(route: &mut Route, action: &mut RouteAction, only: &HttpRouteDestination, context: &Context<'_>) {
    action.cluster = only.destination.as_ref().map(context.cluster).unwrap_or_default();
    if let Some(headers) = &only.headers {
        let authority = mutate(route, headers);
        if action.host_rewrite_literal.is_empty() {
            action.host_rewrite_literal = authority;
        }
    }
}

/// One of several destinations (`processWeightedDestination`).
fn weight(one: &HttpRouteDestination, context: &Context<'_>) -> ClusterWeight {
    let mut own = Route::default();
    let host_rewrite_literal = one.headers.as_ref().map(|headers| mutate(&mut own, headers)).unwrap_or_default();
    ClusterWeight {
        name: one.destination.as_ref().map(context.cluster).unwrap_or_default(),
        weight: one.weight.unsigned_abs(),
        host_rewrite_literal,
        request_headers_to_add: own.request_headers_to_add,
        request_headers_to_remove: own.request_headers_to_remove,
        response_headers_to_add: own.response_headers_to_add,
        response_headers_to_remove: own.response_headers_to_remove,
    }
}

/// Adds what happens to headers, and returns the host that they set (`TranslateHeadersOperations`).
fn mutate(route: &mut Route, headers: &Headers) -> String {
    let none = HeaderOperations::default();
    let request = headers.request.as_ref().unwrap_or(&none);
    let response = headers.response.as_ref().unwrap_or(&none);
    let added = |operations: &HeaderOperations| -> Vec<HeaderValueOption> {
        let set = header_values(&operations.set, HeaderAppendAction::OverwriteIfExistsOrAdd);
        set.chain(header_values(&operations.add, HeaderAppendAction::AppendIfExistsOrAdd)).collect()
    };
    let removed = |operations: &HeaderOperations| -> Vec<String> {
        operations.remove.iter().filter(|name| !is_internal(name)).cloned().collect()
    };
    route.request_headers_to_add.extend(added(request));
    route.request_headers_to_remove.extend(removed(request));
    route.response_headers_to_add.extend(added(response));
    route.response_headers_to_remove.extend(removed(response));
    let host = |all: &BTreeMap<String, String>| {
        all.iter().rfind(|(name, _)| is_authority(name)).map(|(_, value)| value.clone())
    };
    host(&request.set).or_else(|| host(&request.add)).unwrap_or_default()
}

fn header_values(
    all: &BTreeMap<String, String>,
    append_action: HeaderAppendAction,
) -> impl Iterator<Item = HeaderValueOption> {
    all.iter().filter(|(name, _)| !is_internal(name)).map(move |(name, value)| HeaderValueOption {
        header: HeaderValue { key: name.clone(), value: value.clone() },
        append_action,
    })
}

/// Whether Envoy does not let a header be changed.
fn is_internal(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host")
}

/// `TranslateRouteMatch`.
fn route_match(matched: Option<&HttpMatch>) -> RouteMatch {
    let all = RouteMatch { prefix: Some("/".into()), ..RouteMatch::default() };
    let Some(matched) = matched else { return all };
    let mut out = match matched.uri.as_ref().map(|uri| (&uri.exact, &uri.prefix, &uri.regex)) {
        Some((Some(exact), ..)) => RouteMatch { path: Some(exact.clone()), ..RouteMatch::default() },
        Some((_, Some(prefix), _)) => RouteMatch { prefix: Some(prefix.clone()), ..RouteMatch::default() },
        Some((.., Some(regex))) => RouteMatch { safe_regex: Some(RegexMatcher::new(regex)), ..RouteMatch::default() },
        _ => all,
    };
    out.case_sensitive = Some(!matched.ignore_uri_case);
    out.headers = matched.headers.iter().map(|(name, text)| header_match(name, text.as_ref())).collect();
    out.headers.extend(matched.without_headers.iter().map(|(name, text)| {
        let positive = header_match(name, text.as_ref());
        // A missing header is no empty one where presence is what counts.
        let treat_missing_header_as_empty = positive.string_match.is_some();
        HeaderMatcher { invert_match: true, treat_missing_header_as_empty, ..positive }
    }));
    out.headers.sort_by(|a, b| a.name.cmp(&b.name));
    for (name, text) in [(":method", &matched.method), (":authority", &matched.authority), (":scheme", &matched.scheme)]
    {
        out.headers.extend(text.as_ref().map(|text| header_match(name, Some(text))));
    }
    let parameters = matched.query_params.iter().map(|(name, text)| {
        let HeaderMatcher { name, string_match, present_match, .. } = header_match(name, text.as_ref());
        QueryParameterMatcher { name, string_match, present_match }
    });
    out.query_parameters = parameters.collect();
    out
}

/// A header that has to be there where nothing else is said, or `*`, which is no regular expression.
fn header_match(name: &str, text: Option<&StringMatch>) -> HeaderMatcher {
    let text = text.and_then(string_matcher);
    HeaderMatcher {
        name: name.to_owned(),
        present_match: text.is_none().then_some(true),
        string_match: text,
        ..HeaderMatcher::default()
    }
}

fn string_matcher(text: &StringMatch) -> Option<StringMatcher> {
    let pattern = match (&text.exact, &text.prefix, &text.regex) {
        (Some(exact), ..) => StringPattern::Exact(exact.clone()),
        (_, Some(prefix), _) => StringPattern::Prefix(prefix.clone()),
        (.., Some(regex)) if regex != "*" => StringPattern::SafeRegex(RegexMatcher::new(regex)),
        _ => return None,
    };
    Some(StringMatcher { pattern, ignore_case: false })
}

/// `ApplyRedirect`; nothing for a status that Istio does not know.
fn redirect_action(redirect: &HttpRedirect, context: &Context<'_>) -> Option<RedirectAction> {
    let asked = match (redirect.port, redirect.derive_port) {
        (Some(port), _) => port,
        (None, Some(RedirectPort::FromRequestPort)) => context.port.into(),
        (None, _) => 0,
    };
    let of_request = if context.is_tls { "https" } else { "http" };
    let scheme = if redirect.scheme.is_empty() { of_request } else { &redirect.scheme };
    let is_default = matches!((asked, scheme), (80, "http") | (443, "https"));
    let by_prefix = !redirect.prefix_rewrite.is_empty();
    Some(RedirectAction {
        host_redirect: redirect.authority.clone(),
        port_redirect: if is_default { 0 } else { asked },
        path_redirect: if by_prefix { String::new() } else { redirect.uri.clone() },
        prefix_rewrite: redirect.prefix_rewrite.clone(),
        scheme_redirect: redirect.scheme.clone(),
        response_code: match redirect.redirect_code {
            0 | 301 => RedirectResponseCode::MovedPermanently,
            302 => RedirectResponseCode::Found,
            303 => RedirectResponseCode::SeeOther,
            307 => RedirectResponseCode::TemporaryRedirect,
            308 => RedirectResponseCode::PermanentRedirect,
            _ => return None,
        },
        ..RedirectAction::default()
    })
}

fn direct_response(response: &HttpDirectResponse) -> DirectResponseAction {
    let body = response.body.as_ref().and_then(|body| match (&body.string, &body.bytes) {
        (Some(text), _) => Some(DirectResponseBody::InlineString(text.clone())),
        (None, Some(bytes)) => Some(DirectResponseBody::InlineBytes(bytes.clone())),
        (None, None) => None,
    });
    DirectResponseAction { status: u16::try_from(response.status).unwrap_or(u16::MAX), body }
}

/// Which share `mirror` gets (`MirrorPercent`).
fn mirrored(rule: &HttpRoute) -> FractionalPercent {
    match (rule.mirror_percentage, rule.mirror_percent) {
        (None, Some(percent)) => FractionalPercent { numerator: percent, denominator: Denominator::Hundred },
        (percentage, _) => share(percentage),
    }
}

/// All where nothing is said.
fn share(percentage: Option<Percent>) -> FractionalPercent {
    percentage.map_or(FractionalPercent { numerator: 100, denominator: Denominator::Hundred }, millionths)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as Go converts it; it is checked to be from 0 to 100"
)]
fn millionths(percent: Percent) -> FractionalPercent {
    FractionalPercent { numerator: (percent.value * 10_000.0) as u32, denominator: Denominator::Million }
}

/// `TranslateFault`.
fn fault(fault: &HttpFaultInjection) -> HttpFault {
    let delay = |delay: &FaultDelay| {
        let fixed = delay.fixed_delay.as_deref().and_then(time::go_duration)?;
        let percent = u32::try_from(delay.percent).unwrap_or_default();
        let of_hundred = FractionalPercent { numerator: percent, denominator: Denominator::Hundred };
        Some(envoy_api::FaultDelay {
            fixed_delay: Some(ProtoDuration(fixed)),
            percentage: Some(delay.percentage.map_or(of_hundred, millionths)),
        })
    };
    let abort = |abort: &FaultAbort| {
        let http_status = abort.http_status.and_then(|status| u16::try_from(status).ok());
        let grpc_status = abort.grpc_status.as_deref().and_then(code_of).map(u32::from);
        (http_status.is_some() || grpc_status.is_some()).then(|| envoy_api::FaultAbort {
            http_status,
            grpc_status: grpc_status.filter(|_| http_status.is_none()),
            percentage: abort.percentage.map(millionths),
        })
    };
    HttpFault { delay: fault.delay.as_ref().and_then(delay), abort: fault.abort.as_ref().and_then(abort) }
}

/// `TranslateCORSPolicy`.
fn cors(policy: &CorsPolicy) -> envoy_api::CorsPolicy {
    let exact = |origin: &String| StringMatcher::exact(origin.as_str());
    let allow_origin_string_match = match policy.allow_origins.is_empty() {
        true => policy.allow_origin.iter().map(exact).collect(),
        false => policy.allow_origins.iter().filter_map(string_matcher).collect(),
    };
    let max_age = policy.max_age.as_deref().and_then(time::go_duration).as_ref().map(Duration::as_secs);
    let all = FractionalPercent { numerator: 100, denominator: Denominator::Hundred };
    envoy_api::CorsPolicy {
        allow_origin_string_match,
        allow_methods: policy.allow_methods.join(","),
        allow_headers: policy.allow_headers.join(","),
        expose_headers: policy.expose_headers.join(","),
        max_age: max_age.map(|seconds| seconds.to_string()).unwrap_or_default(),
        allow_credentials: policy.allow_credentials,
        filter_enabled: Some(RuntimeFractionalPercent { default_value: all }),
        forward_not_matching_preflights: Some(policy.unmatched_preflights != UnmatchedPreflights::Ignore),
    }
}

/// The name of the route's operation in traces (`GetRouteOperation`).
fn operation(route: &Route, context: &Context<'_>) -> String {
    let matcher = &route.matcher;
    let path = match (&matcher.prefix, &matcher.path, &matcher.safe_regex) {
        (Some(prefix), ..) => format!("{prefix}*"),
        (_, Some(path), _) => path.clone(),
        (.., Some(regex)) => regex.regex.clone(),
        _ => "/*".into(),
    };
    let cluster = route.route.as_ref().map_or("", |action| &action.cluster);
    match names::parts_of_cluster(cluster) {
        Some((port, host)) => format!("{host}:{port}{path}"),
        None => format!("{}:{}{path}", context.service, context.port),
    }
}
