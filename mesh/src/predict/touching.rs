//! Objects and fields that take part in a call and are not modelled.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Call, Ends};
use crate::{
    account::{Note, NoteKind},
    manifests::authorization_policy::Action,
    model::{NotModelled, Pod},
};

/// A note for each object that is not modelled and touches the call.
pub(super) fn notes(ends: &Ends<'_>) -> Vec<Note> {
    let touching = ends.mesh.not_modelled.iter().filter(|object| touches(object, ends));
    let revoked = ends.to.0.zip(ends.to.1).and_then(|(service, port)| {
        let rule = ends.mesh.destination_rules.find(ends.client, &service.host, &service.name.namespace)?;
        let tls = rule.tls(port.port, ends.call.subset.as_deref()).filter(|tls| !tls.spec.ca_crl.is_empty())?;
        let text = format!("caCrl of {} is not modelled: a certificate that it revokes is accepted here", tls.by);
        Some(Note::new(NoteKind::NotModelled, text).about(&tls.source))
    });
    touching
        .map(|object| {
            let NotModelled { kind, name, may_change, .. } = object;
            let text = format!("{kind} {name} touches this call: {may_change}");
            Note::new(NoteKind::NotModelled, text).about(&object.source)
        })
        .chain(revoked)
        .chain(external_authorizers(ends))
        .collect()
}

/// The policies that leave the decision to somebody else.
fn external_authorizers<'a>(ends: &Ends<'a>) -> impl Iterator<Item = Note> + use<'a> {
    let server = ends.server.filter(|server| server.sidecar.is_some());
    let policies = server.into_iter().flat_map(|server| ends.mesh.authorization_of(server));
    policies.filter(|policy| policy.action == Action::Custom && policy.missing_provider.is_none()).map(|policy| {
        let text = format!(
            "{} leaves requests that its rules match to an external authorizer, which is not asked: it may refuse the call",
            policy.full_name()
        );
        Note::new(NoteKind::NotModelled, text).about(&policy.source)
    })
}

/// Whether an object may affect a call; true when in doubt.
fn touches(object: &NotModelled, ends: &Ends<'_>) -> bool {
    let spec = &object.spec;
    match object.kind.as_str() {
        "RequestAuthentication" => {
            ends.server.is_some_and(|server| guards(object, server, ends)) && has_token(spec, ends.call)
        }
        "WasmPlugin" | "TrafficExtension" => {
            [Some(ends.client), ends.server].into_iter().flatten().any(|pod| guards(object, pod, ends))
        }
        "HTTPRoute" | "GRPCRoute" | "TCPRoute" | "TLSRoute" | "UDPRoute" => {
            ends.client.sidecar.is_some() && refers_to_service(spec, "parentRefs", ends)
        }
        "XBackendTrafficPolicy" => refers_to_service(spec, "targetRefs", ends),
        "NetworkPolicy" | "CiliumNetworkPolicy" => {
            let selects =
                |pod: &Pod| pod.name.namespace == object.name.namespace && selects(pod_selector(spec), &pod.labels);
            ends.server.is_some_and(selects) || (selects(ends.client) && spec.get("egress").is_some())
        }
        "AdminNetworkPolicy"
        | "BaselineAdminNetworkPolicy"
        | "ClusterNetworkPolicy"
        | "GlobalNetworkPolicy"
        | "CiliumClusterwideNetworkPolicy" => true,
        "ServiceImport" | "ServiceEntry" => ends.to.0.is_some_and(|service| service.name == object.name),
        _ => ends.to.0.and_then(|service| Some((service, service.selector.as_ref()?))).is_some_and(
            |(service, selector)| {
                let made = spec.pointer("/template/metadata/labels").and_then(Value::as_object);
                service.name.namespace == object.name.namespace
                    && made.is_some_and(|made| {
                        selector.iter().all(|(key, value)| made.get(key).is_some_and(|own| own == value))
                    })
            },
        ),
    }
}

/// Whether a request has a token where one of the rules looks for it. Without one it passes, and has no claims (Envoy's
/// `source/extensions/filters/http/jwt_authn/extractor.cc`; Istio's rules allow a missing token:
/// `pilot/pkg/security/authn/policy_applier.go`).
fn has_token(spec: &Value, call: &Call) -> bool {
    let list = |rule: &Value, field: &str| rule.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let query = call.path.as_deref().and_then(|path| path.split_once('?')).map_or("", |(_, query)| query);
    let has_param = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let has_header = |name: &str, prefix: &str| {
        let mut values = call.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.contains(prefix))
    };
    let has_cookie = |name: &str| {
        let cookies = call.headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|line| line.split(';')).any(|pair| pair.trim().split('=').next() == Some(name))
    };
    let rules = spec.get("jwtRules").and_then(Value::as_array).into_iter().flatten();
    rules.into_iter().any(|rule| {
        let (headers, params, cookies) =
            (list(rule, "fromHeaders"), list(rule, "fromParams"), list(rule, "fromCookies"));
        if headers.is_empty() && params.is_empty() && cookies.is_empty() {
            return has_header("authorization", "Bearer ") || has_param("access_token");
        }
        let text = |of: &Value, field: &str| of.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        headers.iter().any(|from| has_header(&text(from, "name"), &text(from, "prefix")))
            || params.iter().filter_map(Value::as_str).any(has_param)
            || cookies.iter().filter_map(Value::as_str).any(has_cookie)
    })
}

/// Whether an object is in the pod's namespace or in the root namespace.
fn covers(object: &NotModelled, pod: &Pod, ends: &Ends<'_>) -> bool {
    [&pod.name.namespace, &ends.mesh.config.root_namespace].contains(&&object.name.namespace)
}

/// Whether a policy applies to the pod's sidecar. One with `targetRefs` is for waypoints and gateways.
fn guards(object: &NotModelled, pod: &Pod, ends: &Ends<'_>) -> bool {
    let for_others = ["targetRef", "targetRefs"].iter().any(|field| object.spec.get(field).is_some());
    pod.sidecar.is_some()
        && !for_others
        && covers(object, pod, ends)
        && selects(object.spec.get("selector"), &pod.labels)
}

/// Whether a list of references names the called service.
fn refers_to_service(spec: &Value, field: &str, ends: &Ends<'_>) -> bool {
    let Some(service) = ends.to.0 else { return false };
    let mut references = spec.get(field).and_then(Value::as_array).into_iter().flatten();
    references.any(|one| {
        one.get("kind").is_some_and(|kind| kind == "Service" || kind == "ServiceEntry")
            && one.get("name").is_some_and(|name| *name == *service.name.name)
    })
}

fn pod_selector(spec: &Value) -> Option<&Value> {
    ["podSelector", "endpointSelector", "selector"].iter().find_map(|field| spec.get(field))
}

/// Whether a label selector may match `labels`; `matchExpressions` are assumed to match.
fn selects(selector: Option<&Value>, labels: &BTreeMap<String, String>) -> bool {
    let wanted = selector.and_then(|selector| selector.get("matchLabels")).and_then(Value::as_object);
    wanted.into_iter().flatten().all(|(key, value)| is(labels, key, value))
}

fn is(labels: &BTreeMap<String, String>, key: &str, value: &Value) -> bool {
    labels.get(key).is_some_and(|own| value == own)
}
