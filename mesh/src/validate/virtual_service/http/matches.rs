//! What a route of HTTP matches: `validateHTTPRouteMatchRequest`, and strings and regular expressions wherever they stand.

use envoy_rules::re2;
use http::HeaderName;

use crate::{
    load::is_dns_label,
    manifests::virtual_service::{HttpMatch, StringMatch},
    validate::{Checked, virtual_service::gateways},
};

/// `validateHTTPRouteMatchRequest`.
pub(super) fn matched(checked: &mut Checked<'_>, field: &str, one: &HttpMatch, for_gateways_alone: bool) {
    let pairs = [("scheme", &one.scheme), ("method", &one.method), ("authority", &one.authority)];
    if let Some(uri) = &one.uri {
        one_of(checked, &format!("{field}.uri"), uri);
        regex(checked, &format!("{field}.uri.regex"), uri.regex.as_deref());
    }
    for (name, text) in pairs {
        if let Some(text) = text {
            string_match(checked, &format!("{field}.{name}"), text);
        }
    }
    for (name, text) in &one.headers {
        let field = format!("{field}.headers[{name}]");
        header_name(checked, &field, name, for_gateways_alone);
        match text {
            Some(text) => string_match(checked, &field, text),
            None => checked.error(field, "is null; write {} to match any value"),
        }
    }
    for (name, text) in &one.without_headers {
        let field = format!("{field}.withoutHeaders[{name}]");
        header_name(checked, &field, name, for_gateways_alone);
        // `*` is not a regular expression: it means that the header is present.
        if let Some(text) = text.as_ref().filter(|text| text.regex.as_deref() != Some("*")) {
            string_match(checked, &field, text);
        }
    }
    for (name, text) in &one.query_params {
        if let Some(text) = text {
            string_match(checked, &format!("{field}.queryParams[{name}]"), text);
        }
    }
    if one.port != 0 {
        checked.port(format!("{field}.port"), one.port);
    }
    checked.labels(&format!("{field}.sourceLabels"), &one.source_labels);
    gateways(checked, &format!("{field}.gateways"), &one.gateways);
    if !one.source_namespace.is_empty() && !is_dns_label(&one.source_namespace) {
        checked.error(format!("{field}.sourceNamespace"), format!("{:?} is not a namespace", one.source_namespace));
    }
}

/// `ValidateHTTPHeaderNameOrJwtClaimRoute`.
fn header_name(checked: &mut Checked<'_>, field: &str, name: &str, for_gateways_alone: bool) {
    if name.starts_with("@request.auth.claims") {
        if !for_gateways_alone {
            checked.error(field, "claims of a JWT can only be matched at gateways");
        }
        return;
    }
    let is_pseudo = [":method", ":scheme", ":authority", ":path"].contains(&name);
    if !is_pseudo && name.parse::<HeaderName>().is_err() {
        checked.error(field, format!("{name:?} is not a header name"));
    }
}

/// A `StringMatch` is a oneof, which has at most one condition.
pub(super) fn one_of(checked: &mut Checked<'_>, field: &str, text: &StringMatch) {
    let count = [&text.exact, &text.prefix, &text.regex].into_iter().flatten().count();
    if count > 1 {
        checked.error(field, "has several of exact, prefix and regex; keep one");
    }
}

/// `validateStringMatch`.
fn string_match(checked: &mut Checked<'_>, field: &str, text: &StringMatch) {
    one_of(checked, field, text);
    if text.prefix.as_deref() == Some("") {
        checked.error(format!("{field}.prefix"), "is empty; write {} to match any value");
    }
    regex(checked, &format!("{field}.regex"), text.regex.as_deref());
}

/// `validateStringMatchRegexp`.
pub(super) fn regex(checked: &mut Checked<'_>, field: &str, text: Option<&str>) {
    const LONGEST: usize = 1024;
    let Some(text) = text else { return };
    if text.is_empty() {
        checked.error(field, "is empty; give a regular expression");
    } else if text.len() > LONGEST {
        checked.error(field, format!("is longer than {LONGEST} characters"));
    } else if let Err(error) = re2::full_match(text) {
        let message =
            format!("{text:?} does not compile: {error} (RE2 syntax: https://github.com/google/re2/wiki/Syntax)");
        checked.error(field, message);
    }
}
