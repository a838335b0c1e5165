//! RequestAuthentication (`ValidateRequestAuthentication` in `pkg/config/validation/validation.go`; its fields:
//! `security/v1beta1/request_authentication.proto` in istio/api).

use serde::Deserialize;

use super::{Checked, not_empty};
use crate::{
    manifests::{authorization_policy::TargetRef, istio::WorkloadSelector},
    model::host_and_port,
    validate::attachment,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RequestAuthentication {
    selector: Option<WorkloadSelector>,
    target_ref: Option<TargetRef>,
    target_refs: Vec<TargetRef>,
    jwt_rules: Vec<JwtRule>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JwtRule {
    issuer: String,
    audiences: Vec<String>,
    #[serde(alias = "jwks_uri")]
    jwks_uri: String,
    jwks: String,
    from_headers: Vec<FromHeader>,
    from_params: Vec<String>,
    from_cookies: Vec<String>,
    output_claim_to_headers: Vec<ClaimToHeader>,
    timeout: Option<String>,
    #[serde(rename = "outputPayloadToHeader")]
    _output_payload_to_header: String,
    #[serde(rename = "forwardOriginalToken")]
    _forward_original_token: bool,
    #[serde(rename = "spaceDelimitedClaims")]
    _space_delimited_claims: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FromHeader {
    name: String,
    #[serde(rename = "prefix")]
    _prefix: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClaimToHeader {
    header: String,
    claim: String,
}

pub(super) fn validate(checked: &mut Checked<'_>, spec: &RequestAuthentication) {
    attachment::check(checked, spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    for (i, rule) in spec.jwt_rules.iter().enumerate() {
        jwt_rule(checked, &format!("spec.jwtRules[{i}]"), rule);
    }
}

fn jwt_rule(checked: &mut Checked<'_>, field: &str, rule: &JwtRule) {
    let at = |name: &str| format!("{field}.{name}");
    not_empty(checked, &at("audiences"), &rule.audiences);
    not_empty(checked, &at("fromParams"), &rule.from_params);
    not_empty(checked, &at("fromCookies"), &rule.from_cookies);
    if rule.issuer.is_empty() && rule.jwks_uri.is_empty() {
        checked.error(at("issuer"), "is missing; name the issuer of the tokens, or give a jwksUri");
    }
    if !rule.jwks_uri.is_empty() {
        let rest = ["https://", "http://"].iter().find_map(|scheme| rule.jwks_uri.strip_prefix(scheme));
        if rest.and_then(host_and_port).is_none() {
            checked.error(at("jwksUri"), format!("{:?} is not a URL of http:// or https://", rule.jwks_uri));
        }
    }
    if !rule.jwks.is_empty() {
        let is_set = serde_json::from_str::<serde_json::Value>(&rule.jwks).is_ok_and(|set| set.is_object());
        if !is_set {
            checked.error(at("jwks"), "is not a set of keys in JSON (RFC 7517)");
        }
    }
    for (i, _) in rule.from_headers.iter().enumerate().filter(|(_, header)| header.name.is_empty()) {
        checked.error(at(&format!("fromHeaders[{i}].name")), "is missing; name the header with the token");
    }
    for (i, one) in rule.output_claim_to_headers.iter().enumerate() {
        let field = at(&format!("outputClaimToHeaders[{i}]"));
        if one.header.is_empty() || one.claim.is_empty() {
            checked.error(field, "needs both header and claim");
        } else if !one.header.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            checked.error(format!("{field}.header"), format!("{:?} is not a name of a header", one.header));
        }
    }
    if rule.timeout.as_deref().is_some_and(|timeout| {
        crate::time::go_duration(timeout).is_none_or(|time| time.subsec_nanos() % 1_000_000 != 0 || time.is_zero())
    }) {
        checked.error(at("timeout"), "is not a duration of whole milliseconds, such as 5s");
    }
}
