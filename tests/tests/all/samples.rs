//! Istio's published samples, unedited, with the results that the tasks of its documentation describe.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tests::{checkout, folder, has_envoy, labs::OwnLabs, may_make_labs};

/// The folder of Istio's samples, of the version that `istiod/go.mod` names, in Go's cache, where `scripts/istiod` gets it. If it is not
/// there, the test reports that it is skipped.
fn samples() -> Option<PathBuf> {
    const MODULE: &str = "istio.io/istio";
    let modules = fs::read_to_string(checkout().join("istiod/go.mod")).unwrap();
    let version = modules.lines().find_map(|line| line.trim().strip_prefix(MODULE)?.strip_prefix(" v"))?;
    let folder = module_cache()?.join(format!("{MODULE}@v{version}")).join("samples");
    if !folder.is_dir() {
        println!("skipped: Istio's module is not in Go's cache: run scripts/istiod");
        return None;
    }
    Some(folder)
}

/// Where Go keeps the sources of modules (`go help environment`).
fn module_cache() -> Option<PathBuf> {
    let path = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    path("GOMODCACHE")
        .or_else(|| path("GOPATH").map(|path| path.join("pkg/mod")))
        .or_else(|| path("HOME").map(|home| home.join("go/pkg/mod")))
}

/// What `kubectl label namespace default istio-injection=enabled` makes of the namespace.
const INJECTED: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio-injection: enabled}}\n";

/// Of `tasks/security/authorization/authz-http`.
const VIEWER: &str = r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reviews-viewer, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  action: ALLOW
  rules:
  - from: [{source: {principals: ["cluster.local/ns/default/sa/bookinfo-productpage"]}}]
    to: [{operation: {methods: ["GET"]}}]
"#;

/// A gateway as Istio's charts install it, which the samples' Gateways select.
const GATEWAY: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: istio-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata:
      labels: {istio: ingressgateway, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway}
    spec: {containers: [{name: istio-proxy, image: auto}]}
---
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {istio: ingressgateway}
  ports: [{name: http2, port: 80, targetPort: 8080}, {name: tcp, port: 31400}]
"#;

/// A request of the pod `from`.
#[derive(Clone, Copy)]
struct Call<'a> {
    from: &'a str,
    to: &'a str,
    path: &'a str,
    header: Option<&'a str>,
}

const REVIEWS: Call<'_> = Call { from: "productpage-v1-0", to: "reviews:9080", path: "/reviews/0", header: None };
const RATINGS: Call<'_> = Call { from: "reviews-v2-0", to: "ratings:9080", path: "/ratings/0", header: None };

impl Call<'_> {
    /// The same call, made for a user who is logged in.
    fn of_jason(self) -> Self {
        Self { header: Some("end-user: jason"), ..self }
    }

    fn curl(&self, labs: &OwnLabs, options: &[&str], times: usize) -> String {
        let url = format!("http://{}{}", self.to, self.path);
        let header = self.header.iter().flat_map(|header| ["-H", header]);
        let urls = std::iter::repeat_n(url.as_str(), times);
        let words = ["exec", self.from, "--", "curl", "-s"].into_iter();
        let words: Vec<&str> = words.chain(options.iter().copied()).chain(header).chain(urls).collect();
        String::from_utf8(labs.sidelab(&words).stdout).unwrap()
    }

    fn status(&self, labs: &OwnLabs) -> String {
        self.status_within("30", labs)
    }

    /// The status; `000` if there is none within these seconds.
    fn status_within(&self, seconds: &str, labs: &OwnLabs) -> String {
        self.curl(labs, &["-m", seconds, "-o", "/dev/null", "-w", "%{http_code}"], 1)
    }

    /// What the apps saw that answered this many calls.
    fn seen(&self, labs: &OwnLabs, times: usize) -> Vec<Value> {
        let bodies = self.curl(labs, &["-m", "30"], times);
        let seen: Vec<Value> = serde_json::Deserializer::from_str(&bodies).into_iter().map(Result::unwrap).collect();
        assert_eq!(seen.len(), times, "{bodies}");
        seen
    }

    /// The pods that answered this many calls.
    fn answered_by(&self, labs: &OwnLabs, times: usize) -> BTreeSet<String> {
        self.seen(labs, times).iter().map(|seen| seen["app"].as_str().unwrap().to_owned()).collect()
    }

    /// What `explain` predicts of the call in the lab.
    fn explain(&self, labs: &OwnLabs) -> Value {
        let words = ["explain", "--from", self.from, "--to", self.to, "--path", self.path, "-o", "json"];
        let header = self.header.iter().flat_map(|header| ["--header", header]);
        serde_json::from_str(&labs.done(&words.into_iter().chain(header).collect::<Vec<_>>())).unwrap()
    }
}

/// Waits until a log, which is written in the background, contains a text.
#[track_caller]
fn await_log(labs: &OwnLabs, of: &[&str], text: &str) {
    let begun = Instant::now();
    loop {
        let log = labs.done(&[&["logs"], of].concat());
        if log.contains(text) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{text} is not in {log}");
    }
}

fn pods(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A file of bookinfo's, as an argument.
fn bookinfo(samples: &Path, file: &str) -> String {
    samples.join("bookinfo").join(file).display().to_string()
}

/// `tasks/traffic-management/{request-routing,traffic-shifting,fault-injection}` and `tasks/security/authorization/authz-http`.
#[track_caller]
fn bookinfo_is_answered(data_plane: &str) {
    let Some(samples) = samples() else { return };
    let (_folder, files) = folder(&[("default.yaml", INJECTED), ("viewer.yaml", VIEWER)]);
    let [injected, viewer] = [&files[0], &files[1]].map(|file| file.display().to_string());
    let labs = OwnLabs::new();
    let app = bookinfo(&samples, "platform/kube/bookinfo.yaml");
    let [subsets, all_v1] = ["destination-rule-all", "virtual-service-all-v1"]
        .map(|name| bookinfo(&samples, &format!("networking/{name}.yaml")));
    labs.up(&["-f", &injected, "-f", &app, "-f", &subsets, "-f", &all_v1, "--data-plane", data_plane]);
    let apply = |name: &str| {
        let file = bookinfo(&samples, &format!("networking/{name}.yaml"));
        let applied = labs.done(&["apply", "--wait", "-f", &file]);
        assert!(!applied.contains("replaced"), "routes change in place: {applied}");
    };

    assert_eq!(REVIEWS.answered_by(&labs, 10), pods(&["reviews-v1-0"]));
    let seen = REVIEWS.seen(&labs, 1).remove(0);
    let identity = "URI=spiffe://cluster.local/ns/default/sa/bookinfo-productpage";
    assert!(seen["headers"].to_string().contains(identity), "leg 2 is mTLS: {seen}");

    apply("virtual-service-reviews-50-v3");
    // One of them alone answers 40 calls once in 5e11 runs.
    assert_eq!(REVIEWS.answered_by(&labs, 40), pods(&["reviews-v1-0", "reviews-v3-0"]));
    let cluster = |subset: &str| format!("outbound|9080|{subset}|reviews.default.svc.cluster.local");
    assert_eq!(
        REVIEWS.explain(&labs)["route"]["clusters"],
        json!([{"name": cluster("v1"), "weight": 50}, {"name": cluster("v3"), "weight": 50}])
    );

    apply("virtual-service-reviews-test-v2");
    assert_eq!(REVIEWS.answered_by(&labs, 5), pods(&["reviews-v1-0"]));
    assert_eq!(REVIEWS.of_jason().answered_by(&labs, 5), pods(&["reviews-v2-0"]));
    assert_eq!(REVIEWS.of_jason().explain(&labs)["to"]["pod"], "reviews-v2-0.default");

    apply("virtual-service-ratings-test-abort");
    assert_eq!((RATINGS.of_jason().status(&labs), RATINGS.status(&labs)), ("500".into(), "200".into()));
    let abort = RATINGS.of_jason().explain(&labs);
    assert_eq!((&abort["outcome"]["app_sees"], &abort["outcome"]["response_flags"]), (&json!("500"), &json!("FI")));
    await_log(&labs, &["reviews-v2-0", "-c", "istio-proxy"], "\"GET /ratings/0 HTTP/1.1\" 500 FI fault_filter_abort");

    apply("virtual-service-ratings-test-delay");
    // Jason's call is delayed by 7 s.
    assert_eq!((RATINGS.of_jason().status_within("3", &labs), RATINGS.status(&labs)), ("000".into(), "200".into()));
    let delay = RATINGS.of_jason().explain(&labs);
    assert_eq!(delay["route"]["fault"]["delay"], json!({"fixed": "7s", "percentage": 100.0}));

    apply("destination-rule-all-mtls");
    labs.done(&["apply", "--wait", "-f", &viewer]);
    let from_ratings = Call { from: "ratings-v1-0", ..REVIEWS };
    assert_eq!((REVIEWS.status(&labs), from_ratings.status(&labs)), ("200".into(), "403".into()));
    let denied = from_ratings.explain(&labs);
    assert_eq!((&denied["outcome"]["reason"], &denied["outcome"]["status"]), (&json!("rbac_denied"), &json!(403)));
    let denied = "\"GET /reviews/0 HTTP/1.1\" 403 - rbac_access_denied_matched_policy[none]";
    await_log(&labs, &["reviews-v1-0", "-c", "istio-proxy"], denied);
}

#[test]
fn bookinfo_is_routed_shifted_broken_and_guarded_as_istios_tasks_say() {
    if may_make_labs() {
        bookinfo_is_answered("native");
    }
}

#[test]
fn bookinfo_is_answered_by_envoy_as_istios_tasks_say() {
    if may_make_labs() && has_envoy() {
        bookinfo_is_answered("envoy");
    }
}

/// `tasks/traffic-management/tcp-traffic-shifting`, and the samples' own instructions.
#[test]
fn helloworld_httpbin_and_tcp_echo_are_reached_through_the_ingress_gateway() {
    if !may_make_labs() {
        return;
    }
    let Some(samples) = samples() else { return };
    let (_folder, files) = folder(&[("default.yaml", INJECTED), ("gateway.yaml", GATEWAY)]);
    let published = [
        "curl/curl.yaml",
        "httpbin/httpbin.yaml",
        "helloworld/helloworld.yaml",
        "helloworld/helloworld-gateway.yaml",
        "tcp-echo/tcp-echo-services.yaml",
        "tcp-echo/tcp-echo-all-v1.yaml",
    ];
    let files: Vec<String> = files
        .into_iter()
        .chain(published.map(|file| samples.join(file)))
        .map(|file| file.display().to_string())
        .collect();
    let labs = OwnLabs::new();
    labs.up(&files.iter().flat_map(|file| ["-f", file]).collect::<Vec<_>>());
    let caller = ["get", "pod", "-l", "app=curl", "-o", "jsonpath={.items..metadata.name}"];
    let caller = labs.done(&caller);
    assert_eq!(caller, "curl-0");

    let teapot = Call { from: &caller, to: "httpbin:8000", path: "/status/418", header: None };
    assert_eq!(teapot.status(&labs), "418");
    let hello = Call { to: "istio-ingressgateway.istio-system:80", path: "/hello", ..teapot };
    // One of them alone answers 40 calls once in 5e11 runs.
    assert_eq!(hello.answered_by(&labs, 40), pods(&["helloworld-v1-0", "helloworld-v2-0"]));
    assert_eq!(Call { path: "/else", ..hello }.status(&labs), "404");
    let gateway = ["deploy/istio-ingressgateway", "-n", "istio-system"];
    await_log(&labs, &gateway, "\"GET /else HTTP/2\" 404 NR route_not_found");

    let echo = "exec 3<>/dev/tcp/istio-ingressgateway.istio-system/31400; echo hello >&3; head -n 1 <&3";
    assert_eq!(labs.done(&["exec", &caller, "--", "bash", "-c", echo]), "hello\n");
    // Of all ways that the call may go.
    let clusters = || {
        let to = "istio-ingressgateway.istio-system:31400";
        let explained = labs.done(&["explain", "--from", &caller, "--to", to, "--app", "tcp", "-o", "json"]);
        let account: Value = serde_json::from_str(&explained).unwrap();
        let others = account["alternatives"].as_array().into_iter().flatten();
        let steps = others.chain([&account]).flat_map(|way| way["steps"].as_array().unwrap());
        let chosen = steps.filter(|step| step["at"] == "gateway" && step["what"] == "cluster");
        chosen.map(|step| step["choice"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let cluster = |subset: &str| format!("outbound|9000|{subset}|tcp-echo.default.svc.cluster.local");
    assert_eq!(clusters(), [cluster("v1")].into());
    let shifted = samples.join("tcp-echo/tcp-echo-20-v2.yaml").display().to_string();
    labs.done(&["apply", "--wait", "-f", &shifted]);
    assert_eq!(clusters(), [cluster("v1"), cluster("v2")].into());
    assert_eq!(labs.done(&["exec", &caller, "--", "bash", "-c", echo]), "hello\n");
}
