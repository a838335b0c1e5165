//! What may change an answer and is not modelled.

use http::{HeaderName, HeaderValue};
use pretty_assertions::assert_eq;

use super::*;

/// The objects that are named as touching a call to `server` with this header and path.
fn named(objects: &str, header: Option<(&'static str, &'static str)>, path: &str) -> Vec<String> {
    let mesh = mesh(&(INJECTED.to_owned() + &pods("") + objects));
    let mut asked = call(&mesh, "client", "server", 80, AppProtocol::Http);
    asked.call.path = Some(path.into());
    if let Some((name, value)) = header {
        asked.call.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let notes = asked.account().notes.into_iter().filter(|note| note.kind == NoteKind::NotModelled);
    notes.filter_map(|note| Some(note.text.split_once(" touches")?.0.to_owned())).collect()
}

fn authentication(name: &str, app: &str, rule: &str) -> String {
    format!(
        "---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: {name}}}
spec: {{selector: {{matchLabels: {{app: {app}}}}}, jwtRules: [{{issuer: someone, jwksUri: 'https://someone/keys'{rule}}}]}}
"
    )
}

/// <https://github.com/istio/istio/issues/53048>
#[test]
fn what_touches_a_call_and_is_not_modelled_is_named() {
    let ingress =
        "---\n{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: entry}, spec: {}}\n".to_owned();
    let objects = authentication("mine", "server", "") + &authentication("others", "other", "") + &ingress;
    let token = Some(("authorization", "Bearer a.b.c"));
    assert_eq!(named(&objects, token, "/"), ["RequestAuthentication mine.default"]);
}

/// <https://istio.io/latest/docs/concepts/security/#request-authentication>: requests without a token are accepted.
#[test]
fn a_request_without_a_token_is_none_of_a_request_authentications_business() {
    let touched = ["RequestAuthentication mine.default"];
    let usual = authentication("mine", "server", "");
    assert_eq!(named(&usual, None, "/"), [""; 0]);
    assert_eq!(named(&usual, Some(("authorization", "Basic YTpi")), "/?token=1"), [""; 0]);
    assert_eq!(named(&usual, None, "/?a=1&access_token=a.b.c"), touched);
    let header = authentication("mine", "server", ", fromHeaders: [{name: X-Token, prefix: 'jwt '}]");
    assert_eq!(named(&header, Some(("authorization", "Bearer a.b.c")), "/"), [""; 0]);
    assert_eq!(named(&header, Some(("x-token", "jwt a.b.c")), "/"), touched);
    let elsewhere = authentication("mine", "server", ", fromParams: [token], fromCookies: [session]");
    assert_eq!(named(&elsewhere, None, "/?token=a.b.c"), touched);
    assert_eq!(named(&elsewhere, Some(("cookie", "a=b; session=a.b.c")), "/"), touched);
    assert_eq!(named(&elsewhere, Some(("cookie", "a=session")), "/"), [""; 0]);
}
