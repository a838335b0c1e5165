use serde_json::{Value, json};

use super::JsonPath;

fn pods() -> Value {
    json!({"kind": "List", "items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "shop"}}, "spec": {"containers": [{"name": "app"}]}},
        {"metadata": {"name": "b"}, "status": {"ready": true}},
    ]})
}

#[track_caller]
fn renders(template: &str, expected: &str) {
    assert_eq!(template.parse::<JsonPath>().unwrap().render(&pods()), expected, "{template}");
}

/// The templates of istio.io's tasks, and of kubectl's documentation.
#[test]
fn templates_print_what_kubectl_does() {
    renders("{.items[0].metadata.name}", "a");
    renders("{.items[*].metadata.name}", "a b");
    renders("{.items..metadata.name}", "a b");
    renders("{..metadata.name}", "a b");
    renders("{.items[-1].metadata.name}", "b");
    renders("{$.kind}", "List");
    renders("{.items[1].status}", r#"{"ready":true}"#);
    renders("{.items[1].status.ready} of {.kind}", "true of List");
    renders(r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "shop");
    renders("{.items[0].metadata.labels['app.kubernetes.io/name']}", "shop");
    renders(r#"{range .items[*]}{.metadata.name}{"\t"}{.spec.containers[*].name}{"\n"}{end}"#, "a\tapp\nb\t\n");
    renders("{.items[7].metadata.name}{.nothing.there}", "");
}

#[test]
fn what_is_no_path_is_refused_with_the_reason() {
    for (template, why) in [
        ("{.items[0", "a brace is not closed"),
        ("{.items[0}", "a bracket is not closed"),
        ("{.items[?(@.kind=='Pod')].metadata.name}", "is not supported"),
        ("{items}", "a field begins with a dot"),
        ("{range .items[*]}{.kind}", "{range} has no {end}"),
        ("{end}", "{end} without {range}"),
        ("{.a...b}", "a field has no name"),
    ] {
        let refused = template.parse::<JsonPath>().unwrap_err();
        assert!(refused.contains(why), "{template}: {refused}");
    }
}
