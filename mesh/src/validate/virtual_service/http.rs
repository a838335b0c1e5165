//! Routes of HTTP (`pkg/config/validation/virtualservice.go`).

use envoy_rules::grpc;
use http::HeaderName;

use super::{destination, weights};
use crate::{
    compile::retries::is_status,
    manifests::virtual_service::{
        CorsPolicy, HeaderOperations, Headers, HttpDirectResponse, HttpFaultInjection, HttpMatch, HttpRedirect,
        HttpRetry, HttpRewrite, HttpRoute, Percent,
    },
    validate::{Checked, traffic_policy::duration},
};

mod matches;

/// Words of `retryOn` that Envoy knows.
const RETRY_ON: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// `validateHTTPRoute`.
pub(super) fn route(
    checked: &mut Checked<'_>,
    field: &str,
    route: &HttpRoute,
    is_delegate: bool,
    for_gateways_alone: bool,
) {
    conflicts(checked, field, route, is_delegate);
    for (i, one) in route.matches.iter().enumerate() {
        matches::matched(checked, &format!("{field}.match[{i}]"), one, for_gateways_alone);
    }
    if let Some(all) = &route.headers {
        headers(checked, &format!("{field}.headers"), all);
    }
    if let Some(policy) = &route.cors_policy {
        cors(checked, &format!("{field}.corsPolicy"), policy);
    }
    if let Some(injected) = &route.fault {
        fault(checked, &format!("{field}.fault"), injected);
    }
    if let Some(percent) = route.mirror_percent {
        if percent > 100 {
            checked.error(format!("{field}.mirrorPercent"), format!("{percent} is more than 100"));
        }
        checked.warn(format!("{field}.mirrorPercent"), "is deprecated; write mirrorPercentage: {value: ...}");
    }
    share(checked, &format!("{field}.mirrorPercentage"), route.mirror_percentage);
    if let Some(to) = &route.mirror {
        destination(checked, &format!("{field}.mirror"), to);
    }
    for (i, mirror) in route.mirrors.iter().enumerate() {
        let field = format!("{field}.mirrors[{i}]");
        match &mirror.destination {
            Some(to) => destination(checked, &format!("{field}.destination"), to),
            None => checked.error(format!("{field}.destination"), "is missing; name a host"),
        }
        share(checked, &format!("{field}.percentage"), mirror.percentage);
    }
    if let Some(to) = &route.redirect {
        redirect(checked, &format!("{field}.redirect"), to, &route.matches);
    }
    if let Some(response) = &route.direct_response {
        direct_response(checked, &format!("{field}.directResponse"), response);
    }
    if let Some(asked) = &route.retries {
        retries(checked, &format!("{field}.retries"), asked);
    }
    if let Some(asked) = &route.rewrite {
        rewrite(checked, &format!("{field}.rewrite"), asked);
    }
    authority_once(checked, field, route);
    for (i, one) in route.route.iter().enumerate() {
        let field = format!("{field}.route[{i}]");
        match &one.destination {
            Some(to) => destination(checked, &format!("{field}.destination"), to),
            None => checked.error(format!("{field}.destination"), "is missing; name a host"),
        }
        if let Some(all) = &one.headers {
            headers(checked, &format!("{field}.headers"), all);
        }
    }
    weights(checked, field, route.route.iter().map(|one| one.weight));
    duration(checked, &format!("{field}.timeout"), route.timeout.as_deref());
}

/// `validateHTTPRouteConflict`.
fn conflicts(checked: &mut Checked<'_>, field: &str, route: &HttpRoute, is_delegate: bool) {
    if route.delegate.is_some() && !is_delegate {
        for (name, is_set) in [("redirect", route.redirect.is_some()), ("route", !route.route.is_empty())] {
            if is_set {
                checked.error(format!("{field}.{name}"), "cannot be combined with delegate; set it in the delegate");
            }
        }
        return;
    }
    if route.delegate.is_some() {
        checked.error(format!("{field}.delegate"), "a delegate cannot delegate itself");
    }
    let own_answer = match (&route.redirect, &route.direct_response) {
        (Some(_), _) => Some("redirect"),
        (None, Some(_)) => Some("directResponse"),
        (None, None) => None,
    };
    if let Some(own) = own_answer {
        let beside = [
            ("route", !route.route.is_empty()),
            ("fault", route.fault.is_some()),
            ("rewrite", route.rewrite.is_some()),
            ("directResponse", own == "redirect" && route.direct_response.is_some()),
        ];
        for (name, _) in beside.iter().filter(|(_, is_set)| *is_set) {
            checked.error(format!("{field}.{name}"), format!("cannot be combined with {own}; keep one"));
        }
    } else if route.route.is_empty() {
        checked.error(field, "has none of route, redirect and directResponse; add one");
    }
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        checked.error(format!("{field}.mirrors"), "cannot be combined with mirror; keep one");
    }
}

fn headers(checked: &mut Checked<'_>, field: &str, headers: &Headers) {
    for (name, operations, is_request) in [("request", &headers.request, true), ("response", &headers.response, false)]
    {
        let Some(HeaderOperations { set, add, remove }) = operations else { continue };
        for (operation, all) in [("set", set), ("add", add)] {
            for (header, value) in all {
                let field = format!("{field}.{name}.{operation}[{header}]");
                changed_header(checked, &field, header, is_request);
                header_value(checked, &field, value);
            }
        }
        for (i, header) in remove.iter().enumerate() {
            changed_header(checked, &format!("{field}.{name}.remove[{i}]"), header, false);
        }
    }
}

/// `ValidateHTTPHeaderOperationName`, and with the host `ValidateHTTPHeaderWithAuthorityOperationName`.
fn changed_header(checked: &mut Checked<'_>, field: &str, name: &str, may_be_host: bool) {
    let is_host = name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority");
    if name.is_empty() {
        checked.error(field, "has no name");
    } else if is_host && may_be_host {
        // It is a rewrite of the host.
    } else if is_host {
        checked.error(field, "the host cannot be changed here; write rewrite.authority");
    } else if name.starts_with(':') {
        checked.error(field, format!("{name:?} begins with a colon, and cannot be changed"));
    }
}

/// `ValidateHTTPHeaderValue`: text between two `%` is one of Envoy's command operators.
fn header_value(checked: &mut Checked<'_>, field: &str, value: &str) {
    let is_clean = value.chars().all(|c| c == '\t' || !c.is_control());
    let percents = value.replace("%%", "").matches('%').count();
    if !is_clean {
        checked.error(field, format!("{value:?} has a control character"));
    } else if percents % 2 == 1 {
        checked.error(field, format!("{value:?} has a single %; write %% for a percent sign"));
    }
}

/// `validateCORSPolicy`.
fn cors(checked: &mut Checked<'_>, field: &str, policy: &CorsPolicy) {
    const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];
    for (i, origin) in policy.allow_origins.iter().enumerate() {
        let field = format!("{field}.allowOrigins[{i}]");
        let texts = [&origin.exact, &origin.prefix, &origin.regex];
        if texts.into_iter().all(|text| text.as_deref().unwrap_or_default().is_empty()) {
            checked.error(&field, "is empty; give exact, prefix or regex");
        }
        matches::one_of(checked, &field, origin);
        matches::regex(checked, &format!("{field}.regex"), origin.regex.as_deref().filter(|text| !text.is_empty()));
    }
    for (i, method) in policy.allow_methods.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            checked.error(format!("{field}.allowMethods[{i}]"), format!("{method:?} is not a method of HTTP"));
        }
    }
    for (name, all) in [("allowHeaders", &policy.allow_headers), ("exposeHeaders", &policy.expose_headers)] {
        for (i, header) in all.iter().enumerate() {
            if header != "*" && header.parse::<HeaderName>().is_err() {
                checked.error(format!("{field}.{name}[{i}]"), format!("{header:?} is not a header name"));
            }
        }
    }
    let age = policy.max_age.as_deref();
    duration(checked, &format!("{field}.maxAge"), age);
    if age.and_then(crate::time::go_duration).is_some_and(|age| age.subsec_nanos() > 0) {
        checked.error(format!("{field}.maxAge"), "is not in whole seconds");
    }
}

/// `validateHTTPFaultInjection`.
fn fault(checked: &mut Checked<'_>, field: &str, fault: &HttpFaultInjection) {
    if fault.abort.is_none() && fault.delay.is_none() {
        checked.error(field, "has neither abort nor delay; give one, or remove it");
    }
    if let Some(abort) = &fault.abort {
        let field = format!("{field}.abort");
        percentage(checked, &field, abort.percentage);
        if abort.percentage.is_none() {
            checked.warn(
                format!("{field}.percentage"),
                "is missing, so no request is aborted; write percentage: {value: 100}",
            );
        }
        let kinds = [abort.http_status.is_some(), abort.grpc_status.is_some(), abort.http2_error.is_some()];
        match kinds.iter().filter(|is_set| **is_set).count() {
            0 => checked.warn(&field, "has no status, so no request is aborted; write httpStatus or grpcStatus"),
            1 => {}
            _ => checked.error(&field, "has several statuses; keep one"),
        }
        if let Some(status) = abort.http_status {
            http_status(checked, &format!("{field}.httpStatus"), i64::from(status));
        }
        if let Some(status) = abort.grpc_status.as_deref().filter(|status| grpc::code_of(status).is_none()) {
            checked
                .error(format!("{field}.grpcStatus"), format!("{status:?} is not a status of gRPC, such as NOT_FOUND"));
        }
        if abort.http2_error.is_some() {
            checked.error(format!("{field}.http2Error"), "is not supported by Istio");
        }
    }
    if let Some(delay) = &fault.delay {
        let field = format!("{field}.delay");
        percentage(checked, &field, delay.percentage);
        if delay.percentage.is_none() && delay.percent == 0 {
            checked.warn(
                format!("{field}.percentage"),
                "is missing, so no request is delayed; write percentage: {value: 100}",
            );
        }
        duration(checked, &format!("{field}.fixedDelay"), delay.fixed_delay.as_deref());
        if delay.exponential_delay.is_some() {
            checked.error(format!("{field}.exponentialDelay"), "is not supported by Istio; write fixedDelay");
        } else if delay.fixed_delay.is_none() {
            checked.warn(format!("{field}.fixedDelay"), "is missing, so no request is delayed");
        }
    }
}

fn http_status(checked: &mut Checked<'_>, field: &str, status: i64) {
    if !(200..=600).contains(&status) {
        checked.error(field, format!("{status} is not a status from 200 to 599"));
    }
}

/// `validatePercentage`.
fn percentage(checked: &mut Checked<'_>, field: &str, percentage: Option<Percent>) {
    if let Some(Percent { value }) = percentage
        && value != 0.0
        && !(0.0001..=100.0).contains(&value)
    {
        checked.error(format!("{field}.percentage.value"), format!("{value} is neither 0 nor from 0.0001 to 100"));
    }
}

fn share(checked: &mut Checked<'_>, field: &str, percentage: Option<Percent>) {
    if let Some(Percent { value }) = percentage
        && !(0.0..=100.0).contains(&value)
    {
        checked.error(format!("{field}.value"), format!("{value} is not a percentage; a number from 0 to 100"));
    }
}

/// `validateHTTPRetry`.
fn retries(checked: &mut Checked<'_>, field: &str, asked: &HttpRetry) {
    if asked.attempts < 0 {
        checked.error(format!("{field}.attempts"), format!("{} is negative", asked.attempts));
    }
    let says_more =
        asked.per_try_timeout.is_some() || !asked.retry_on.is_empty() || asked.retry_remote_localities.is_some();
    if asked.attempts == 0 && says_more {
        checked.error(
            format!("{field}.attempts"),
            "is 0, which disables retries, but other fields are set; give a number, or remove them",
        );
    }
    duration(checked, &format!("{field}.perTryTimeout"), asked.per_try_timeout.as_deref());
    duration(checked, &format!("{field}.backoff"), asked.backoff.as_deref());
    for word in asked.retry_on.split(',').filter(|_| !asked.retry_on.is_empty()) {
        if !RETRY_ON.contains(&word) && !is_status(word) {
            checked.error(
                format!("{field}.retryOn"),
                format!("{word:?} is neither one of Envoy's conditions nor a status"),
            );
        }
    }
}

/// `validateHTTPRedirect`.
fn redirect(checked: &mut Checked<'_>, field: &str, to: &HttpRedirect, matches: &[HttpMatch]) {
    if !to.uri.is_empty() && !to.prefix_rewrite.is_empty() {
        return checked.error(field, "has both uri and prefixRewrite; keep one");
    }
    let not_prefix = |one: &&HttpMatch| one.uri.as_ref().is_some_and(|uri| uri.prefix.is_none());
    if !to.prefix_rewrite.is_empty() && matches.iter().any(|one| not_prefix(&one)) {
        return checked.error(format!("{field}.prefixRewrite"), "requires that each match of uri uses prefix");
    }
    let texts = [&to.uri, &to.prefix_rewrite, &to.authority, &to.scheme];
    if texts.into_iter().all(String::is_empty) && to.port.is_none() && to.derive_port.is_none() {
        return checked.error(field, "is empty; give uri, authority, scheme or port");
    }
    if to.redirect_code != 0 && !(300..=399).contains(&to.redirect_code) {
        return checked
            .error(format!("{field}.redirectCode"), format!("{} is not a status from 300 to 399", to.redirect_code));
    }
    if !["", "http", "https"].contains(&to.scheme.as_str()) {
        return checked.error(format!("{field}.scheme"), format!("{:?} is neither http nor https", to.scheme));
    }
    if let Some(port) = to.port.filter(|port| *port > 0) {
        checked.port(format!("{field}.port"), port);
    }
}

/// `validateHTTPDirectResponse`.
fn direct_response(checked: &mut Checked<'_>, field: &str, response: &HttpDirectResponse) {
    let body = response.body.as_ref().and_then(|body| body.string.as_ref().or(body.bytes.as_ref()));
    match body.map_or(0, String::len) {
        size if size > 1024 * 1024 => checked.error(format!("{field}.body"), "is longer than 1 MB"),
        size if size > 100 * 1024 => {
            checked.warn(format!("{field}.body"), "is longer than 100 kB, which slows down the control plane");
        }
        _ => {}
    }
    http_status(checked, &format!("{field}.status"), i64::from(response.status));
}

/// `validateHTTPRewrite`.
fn rewrite(checked: &mut Checked<'_>, field: &str, asked: &HttpRewrite) {
    let HttpRewrite { uri, authority, uri_regex_rewrite } = asked;
    if !uri.is_empty() && uri_regex_rewrite.is_some() {
        checked.error(field, "has both uri and uriRegexRewrite; keep one");
    }
    if uri.is_empty() && authority.is_empty() && uri_regex_rewrite.is_none() {
        checked.error(field, "is empty; give uri, uriRegexRewrite or authority");
    }
    if let Some(by) = uri_regex_rewrite {
        let field = format!("{field}.uriRegexRewrite");
        if by.pattern.is_empty() || by.rewrite.is_empty() {
            checked.error(&field, "needs both match and rewrite");
        }
        matches::regex(checked, &format!("{field}.match"), Some(by.pattern.as_str()).filter(|text| !text.is_empty()));
    }
}

/// `validateAuthorityRewrite`: the host is set once.
fn authority_once(checked: &mut Checked<'_>, field: &str, route: &HttpRoute) {
    let request = route.headers.as_ref().and_then(|headers| headers.request.as_ref());
    let named = request.into_iter().flat_map(|operations| operations.set.keys().chain(operations.add.keys()));
    let of_headers = named.filter(|name| name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority"));
    let of_rewrite = usize::from(route.rewrite.as_ref().is_some_and(|rewrite| !rewrite.authority.is_empty()));
    if of_headers.count() + of_rewrite > 1 {
        checked.error(format!("{field}.headers.request"), "sets the host, which is set elsewhere too; keep one");
    }
}
