use serde_json::json;

use super::*;

fn matches(selector: &str) -> bool {
    let labels = json!({"app": "server", "tier": "back", "app.kubernetes.io/name": "x", "empty": ""});
    selector.parse::<Selector>().unwrap().matches(&labels)
}

#[test]
fn a_label_is_selected_as_kubectl_does() {
    for selector in [
        "app=server",
        "app==server",
        "app = server",
        "app!=client",
        "missing!=x",
        "app in (client, server)",
        "tier notin (front)",
        "missing notin (x)",
        "app",
        "!missing",
        "app.kubernetes.io/name=x",
        "empty=",
        "app=server,tier=back,!missing,app in (server,x)",
    ] {
        assert!(matches(selector), "{selector}");
    }
    for selector in ["app=client", "app!=server", "app notin (server)", "!app", "missing", "app=server,tier=front"] {
        assert!(!matches(selector), "{selector}");
    }
}

#[test]
fn what_is_no_selector_is_refused() {
    for wrong in ["", "=x", "app in server", "app in (a", "app)", "app within (a)", "a b", "app=a=b", "app,"] {
        assert!(wrong.parse::<Selector>().is_err(), "{wrong}");
    }
    let error = "app within (a)".parse::<Selector>().unwrap_err();
    assert!(error.contains("is not a requirement such as app=server"), "{error}");
}
