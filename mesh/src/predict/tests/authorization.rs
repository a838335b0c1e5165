//! AuthorizationPolicies: who is allowed, who is denied, and why.

use http::{HeaderName, HeaderValue};
use pretty_assertions::assert_eq;

use super::*;

/// An AuthorizationPolicy of this `spec` for the server.
fn authorization(spec: &str) -> String {
    authorization_named("p", "", spec)
}

fn authorization_named(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec: {{selector: {{matchLabels: {{app: server}}}}, {spec}}}
"
    )
}

const BY_PRINCIPAL: &str = "rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/client]}}]}]";

fn account(policies: &str, from: &str, port: u16, app: AppProtocol) -> Account {
    let mesh = mesh_of(Flavor::Istio, policies);
    call(&mesh, from, "server", port, app).account()
}

fn decision(account: &Account) -> &Step {
    account.steps.iter().find(|step| step.what == Decision::Authorization).expect("a decision")
}

#[test]
fn an_identity_is_allowed_by_name() {
    let account = account(&authorization(BY_PRINCIPAL), "client", 80, AppProtocol::Http);
    assert!(account.outcome.delivered);
    let step = decision(&account);
    assert_eq!((step.at, step.choice.as_str()), (Party::ServerSidecar, "allow"));
    assert_eq!(step.because, "rule 0 of AuthorizationPolicy default/p allows it");
    let source = step.source.as_ref().expect("a document").to_string();
    assert!(source.ends_with("spec.rules[0]"), "{source}");
}

/// The classic trap: PERMISSIVE lets the caller in, and the policy does not.
#[test]
fn a_caller_without_mtls_has_no_identity() {
    let account = account(&authorization(BY_PRINCIPAL), "outsider", 80, AppProtocol::Http);
    let Outcome { at, reason, status, details, response_flags, .. } = &account.outcome;
    assert_eq!((*at, *reason, *status), (Some(Party::ServerSidecar), Some(Reason::RbacDenied), Some(403)));
    assert_eq!((details.as_str(), response_flags.as_str()), ("rbac_access_denied_matched_policy[none]", "-"));
    let step = decision(&account);
    assert_eq!(step.choice, "deny");
    assert!(step.because.contains("the caller has no identity: the connection is not mutual TLS"), "{}", step.because);
}

#[test]
fn what_excludes_an_identity_lets_a_caller_without_one_in() {
    let spec = "rules: [{from: [{source: {notPrincipals: [cluster.local/ns/default/sa/client]}}]}]";
    assert!(account(&authorization(spec), "outsider", 80, AppProtocol::Http).outcome.delivered);
    assert!(!account(&authorization(spec), "client", 80, AppProtocol::Http).outcome.delivered);
}

#[test]
fn a_denied_connection_is_closed_after_the_app_was_reached() {
    let account = account(&authorization(BY_PRINCIPAL), "outsider", 70, AppProtocol::Tcp);
    let Outcome { reason, status, details, app_sees, .. } = &account.outcome;
    assert_eq!((*reason, *status), (Some(Reason::RbacDenied), None));
    assert_eq!(details.as_str(), "rbac_access_denied_matched_policy[none]");
    assert_eq!(*app_sees, AppSees::failure("eof"));
    let last = account.legs.last().expect("a leg");
    assert_eq!((last.path, last.layers.len(), last.dials.is_some()), (LegPath::SidecarToApp, 0, true));
}

#[test]
fn denied_is_denied_whatever_allows_it() {
    let policies = authorization("rules: [{}]") + &authorization_named("not", "", "action: DENY, rules: [{}]");
    let account = account(&policies, "client", 80, AppProtocol::Http);
    assert_eq!(account.outcome.details.as_str(), "rbac_access_denied_matched_policy[ns[default]-policy[not]-rule[0]]");
    assert_eq!(decision(&account).because, "rule 0 of AuthorizationPolicy default/not denies it");
}

#[test]
fn a_policy_without_rules_allows_nothing() {
    let account = account(&authorization("action: ALLOW"), "client", 80, AppProtocol::Http);
    assert_eq!(account.outcome.reason, Some(Reason::RbacDenied));
    assert!(decision(&account).because.contains("matches nothing"), "{}", decision(&account).because);
}

#[test]
fn a_rule_of_http_on_a_tcp_port_allows_nothing_and_denies_everything() {
    let rules = "rules: [{to: [{operation: {methods: [GET]}}]}]";
    let allow = account(&authorization(rules), "client", 70, AppProtocol::Tcp);
    assert_eq!(allow.outcome.reason, Some(Reason::RbacDenied));
    let step = decision(&allow);
    assert!(step.because.contains("default/p: it has fields of HTTP, which a TCP port has not"), "{}", step.because);
    assert!(step.source.is_some());
    let deny = account(&authorization(&format!("action: DENY, {rules}")), "client", 70, AppProtocol::Tcp);
    assert_eq!(deny.outcome.details.as_str(), "rbac_access_denied_matched_policy[ns[default]-policy[p]-rule[0]]");
    assert_eq!(
        decision(&deny).because,
        "rule 0 of AuthorizationPolicy default/p, without its fields of HTTP on a TCP port, denies it"
    );
}

#[test]
fn a_dry_run_decides_nothing_and_is_named() {
    let policy = authorization_named("p", "istio.io/dry-run: 'true'", "action: DENY, rules: [{}]");
    let account = account(&policy, "client", 80, AppProtocol::Http);
    assert!(account.outcome.delivered);
    let step = decision(&account);
    assert_eq!(step.because, "dry run: rule 0 of AuthorizationPolicy default/p would deny it");
    assert!(step.source.is_some());
}

#[test]
fn grpc_gets_a_status_of_its_own() {
    let mesh = mesh_of(Flavor::Istio, &authorization(BY_PRINCIPAL));
    let mut calling = call(&mesh, "outsider", "server", 83, AppProtocol::H2);
    calling.call.speaks = Some(AppSpeaks::Grpc);
    let outcome = calling.account().outcome;
    assert_eq!((outcome.status, outcome.grpc_status), (Some(200), Some(7)));
    assert_eq!(outcome.app_sees, AppSees::failure("PERMISSION_DENIED"));
}

#[test]
fn a_caller_that_sends_nothing_is_not_denied_before_it_does() {
    let mesh = mesh_of(Flavor::Istio, &authorization("action: ALLOW"));
    let greeting = call(&mesh, "client", "server", 70, AppProtocol::Tcp).waiting().to(Speaks::Greeting).account();
    assert!(greeting.steps.iter().all(|step| step.what != Decision::Authorization));
}

#[test]
fn an_external_authorizer_is_named_as_not_modelled() {
    let policy = authorization("action: CUSTOM, provider: {name: authz}, rules: [{}]")
        + &mesh_config(
            "extensionProviders: [{name: authz, envoyExtAuthzGrpc: {service: server.default.svc.cluster.local, port: 80}}]",
        );
    let account = account(&policy, "client", 80, AppProtocol::Http);
    let notes: Vec<_> = account.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(notes.iter().any(|text| text.contains("external authorizer")), "{notes:?}");
}

#[test]
fn the_sidecar_of_the_caller_authorizes_nothing() {
    let policy = authorization("action: ALLOW").replace("app: server", "app: client");
    assert!(account(&policy, "client", 80, AppProtocol::Http).outcome.delivered);
}

/// `getBadCustomDenyRules` in `pilot/pkg/security/authz/builder/builder.go`.
#[test]
fn a_custom_policy_whose_provider_cannot_be_asked_denies_what_it_matches() {
    let policy = "---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ext}
spec: {action: CUSTOM, provider: {name: oauth2}, selector: {matchLabels: {app: server}}, rules: [{to: [{operation: {paths: [/admin]}}]}]}
";
    let provider = |service: &str| {
        mesh_config(&format!(
            "extensionProviders: [{{name: oauth2, envoyExtAuthzHttp: {{service: {service}, port: 80}}}}]"
        ))
    };
    let denied = "server sidecar rbac_denied";
    for (config, admin) in [
        (String::new(), denied),
        (provider("nowhere.example.com"), denied),
        (provider("shop/server.default.svc.cluster.local"), denied),
        (provider("default/server.default.svc.cluster.local"), "200"),
    ] {
        let mesh = mesh_of(Flavor::Istio, &(policy.to_owned() + &config));
        let at = |path: &str| {
            let mut calling = call(&mesh, "client", "server", 80, AppProtocol::Http);
            calling.call.path = Some(path.into());
            calling.account()
        };
        assert!(brief(&at("/admin").outcome).starts_with(admin), "{}", brief(&at("/admin").outcome));
        assert_eq!(brief(&at("/").outcome), "200");
        let is_open = at("/admin").notes.iter().any(|note| note.kind == crate::account::NoteKind::NotModelled);
        assert_eq!(is_open, admin == "200");
    }
}

/// <https://github.com/istio/istio/issues/30166>: a sidecar takes the last address of `x-forwarded-for` for the client's, whoever sent it.
#[test]
fn a_callers_x_forwarded_for_is_its_remote_address_at_a_sidecar() {
    let rules = "rules: [{from: [{source: {remoteIpBlocks: [9.9.9.9]}}]}]";
    let denied = |action: &str, forwarded: Option<&'static str>| {
        let mesh = mesh_of(Flavor::Istio, &authorization(&format!("action: {action}, {rules}")));
        let mut asked = call(&mesh, "client", "server", 80, AppProtocol::Http);
        let header = forwarded.map(|list| (HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(list)));
        asked.call.headers.extend(header.map(|(name, value)| (Some(name), value)));
        asked.account().outcome.status == Some(403)
    };
    assert!(!denied("ALLOW", Some("1.1.1.1, 9.9.9.9")) && denied("ALLOW", None));
    assert!(denied("DENY", Some("9.9.9.9")) && !denied("DENY", Some("9.9.9.9, 1.1.1.1")));
}
