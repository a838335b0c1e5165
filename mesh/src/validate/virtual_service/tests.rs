use crate::testing::{faults, pod};

/// The faults of a VirtualService for service `s` with this in its spec.
fn of(spec: &str) -> String {
    faults(
        &(pod("a", "labels: {app: a}")
            + "---
{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {app: a}, ports: [{name: http, port: 80}]}}
---
" + &format!(
            "{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: r}}, spec: {{{spec}}}}}"
        )),
    )
}

#[track_caller]
fn says(spec: &str, expected: &str) {
    let text = of(spec);
    assert!(text.contains(expected), "{spec}\nexpected {expected}\nfound {text}");
}

const TO: &str = "route: [{destination: {host: s}}]";

#[test]
fn what_istios_webhook_refuses_is_refused() {
    for (http, expected) in [
        ("{}".to_owned(), "has none of route, redirect and directResponse"),
        (format!("{{{TO}, redirect: {{uri: /}}}}"), "http[0].route: cannot be combined with redirect"),
        (format!("{{{TO}, directResponse: {{status: 200}}}}"), "http[0].route: cannot be combined with directResponse"),
        (format!("{{{TO}, match: [{{uri: {{regex: '['}}}}]}}"), "match[0].uri.regex: \"[\" does not compile"),
        (format!("{{{TO}, match: [{{uri: {{regex: '(?=a)'}}}}]}}"), "does not compile"),
        (format!("{{{TO}, match: [{{method: {{prefix: ''}}}}]}}"), "match[0].method.prefix: is empty"),
        (
            format!("{{{TO}, match: [{{headers: {{'@request.auth.claims.a': {{exact: b}}}}}}]}}"),
            "only be matched at gateways",
        ),
        (format!("{{{TO}, match: [{{port: 70000}}]}}"), "70000 is out of range"),
        (format!("{{{TO}, rewrite: {{}}}}"), "http[0].rewrite: is empty"),
        (
            format!("{{{TO}, rewrite: {{uri: /, uriRegexRewrite: {{match: a, rewrite: b}}}}}}"),
            "has both uri and uriRegexRewrite",
        ),
        (format!("{{{TO}, rewrite: {{authority: a}}, headers: {{request: {{set: {{Host: b}}}}}}}}"), "sets the host"),
        (format!("{{{TO}, fault: {{}}}}"), "has neither abort nor delay"),
        (format!("{{{TO}, fault: {{abort: {{httpStatus: 700, percentage: {{value: 1}}}}}}}}"), "700 is not a status"),
        (format!("{{{TO}, fault: {{abort: {{grpcStatus: NOPE, percentage: {{value: 1}}}}}}}}"), "not a status of gRPC"),
        (
            format!("{{{TO}, fault: {{delay: {{fixedDelay: 1s, percentage: {{value: 101}}}}}}}}"),
            "101 is neither 0 nor from",
        ),
        (format!("{{{TO}, retries: {{attempts: 0, retryOn: 5xx}}}}"), "is 0, which disables retries"),
        (
            format!("{{{TO}, retries: {{attempts: 1, retryOn: 'often'}}}}"),
            "\"often\" is neither one of Envoy's conditions",
        ),
        (format!("{{{TO}, timeout: 1us}}"), "is less than 1ms"),
        (
            format!("{{{TO}, mirror: {{host: s}}, mirrors: [{{destination: {{host: s}}}}]}}"),
            "cannot be combined with mirror",
        ),
        (format!("{{{TO}, headers: {{response: {{set: {{Host: b}}}}}}}}"), "the host cannot be changed here"),
        (format!("{{{TO}, headers: {{request: {{set: {{a: '50%'}}}}}}}}"), "has a single %"),
        ("{redirect: {}}".to_owned(), "http[0].redirect: is empty"),
        ("{redirect: {uri: /, redirectCode: 200}}".to_owned(), "200 is not a status from 300"),
        ("{directResponse: {status: 99}}".to_owned(), "99 is not a status"),
        ("{route: [{destination: {host: '*'}}]}".to_owned(), "\"*\" is not a host"),
        ("{route: [{}]}".to_owned(), "route[0].destination: is missing"),
        ("{route: [{destination: {host: s}}, {destination: {host: s}}]}".to_owned(), "add up to 0"),
        ("{route: [{destination: {host: s}, weight: -1}]}".to_owned(), "-1 is negative"),
        (format!("{{delegate: {{name: d}}, {TO}}}"), "cannot be combined with delegate"),
    ] {
        says(&format!("hosts: [s], http: [{http}]"), expected);
    }
}

#[test]
fn routes_of_tls_and_tcp_are_checked_too() {
    says("hosts: [s], tls: [{match: [{sniHosts: [t]}], route: [{destination: {host: s}}]}]", "is none of spec.hosts");
    says("hosts: [s], tls: [{route: [{destination: {host: s}}]}]", "a TLS route needs sniHosts");
    says("hosts: [s], tcp: [{}]", "tcp[0].route: is missing");
    says("hosts: [s], tcp: [{http: []}]", "tcp[0].http");
    says("hosts: [s]", "has none of http, tls and tcp");
}

#[test]
fn hosts_are_names_and_differ() {
    says(&format!("hosts: ['*'], http: [{{{TO}}}]"), "* is allowed only at gateways");
    says(&format!("hosts: ['a_b'], http: [{{{TO}}}]"), "is not a host");
    says(&format!("hosts: ['*.a.com', b.a.com], http: [{{{TO}}}]"), "is duplicated by");
    says("gateways: [g], http: []", "must be empty without hosts");
}

#[test]
fn routes_that_no_request_reaches_are_warned_of() {
    says(
        &format!("hosts: [s], http: [{{{TO}}}, {{{TO}}}]"),
        "http[1]: warning: is never used: spec.http[0] has no match",
    );
    let same = format!("{{match: [{{uri: {{exact: /a}}}}], {TO}}}");
    says(&format!("hosts: [s], http: [{same}, {same}]"), "has the same match before it");
    let narrow = format!("{{match: [{{uri: {{prefix: /a/b}}}}], {TO}}}");
    let wide = format!("{{match: [{{uri: {{prefix: /a}}}}], {TO}}}");
    says(&format!("hosts: [s], http: [{wide}, {narrow}]"), "takes all paths that begin with \"/a\" before it");
    assert_eq!(of(&format!("hosts: [s], http: [{narrow}, {wide}]")), "");
}
