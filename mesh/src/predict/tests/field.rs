//! Questions that real meshes put, restated from public reports: each names its source, and docs/fidelity.md lists them.

use pretty_assertions::assert_eq;

use super::*;
use crate::{
    account::{LegNumber, NoteKind},
    predict::CallError,
    testing::{INJECTED, faults, mesh, mesh_with_warnings},
};

mod endpoints;
mod not_modelled;

/// The pods `client` and `server` (label `app: server`), an app each, and what stands in the server's `spec` besides.
fn pods(server: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec: {{containers: [{{name: app, image: any}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: server, labels: {{app: server}}}}
spec: {{containers: [{{name: app, image: any}}], {server}}}
---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{{name: http, port: 80}}, {{name: tcp, port: 70}}]}}
"
    )
}

/// What becomes of a call of pod `client`: what leg 2 carried, and what the app sees.
fn answer(mesh: &Mesh, host: &str, port: u16, app: AppProtocol) -> String {
    let account = call(mesh, "client", host, port, app).account();
    let legs = account.leg(LegNumber::BetweenPods).map(|_| layers(&account, 2)).unwrap_or_default();
    format!("{legs}: {}", brief(&account.outcome))
}

fn strict(yaml: &str) -> Mesh {
    mesh(&(yaml.to_owned() + &policy("STRICT")))
}

/// <https://github.com/istio/istio/issues/39886>
#[test]
fn a_pod_of_a_stateful_set_is_called_by_its_own_name() {
    let set = "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: a, image: any}]}
---
{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 7000}, {name: http, port: 80}]}}
";
    let mesh = strict(&(INJECTED.to_owned() + &pods("") + set));
    assert_eq!(answer(&mesh, "db-1.db", 7000, AppProtocol::Tcp), "mtls,tcp: echo");
    // <https://github.com/istio/istio/issues/10659>
    assert_eq!(answer(&mesh, "db-0.db", 80, AppProtocol::Http), "mtls,http/1.1: 200");
    let account = call(&mesh, "client", "db-1.db", 7000, AppProtocol::Tcp).account();
    assert_eq!(
        (account.to.host.as_str(), account.to.pod.as_deref()),
        ("db.default.svc.cluster.local", Some("db-1.default"))
    );
}

/// <https://github.com/istio/istio/issues/32746>
#[test]
fn a_revision_injects_as_the_default_does() {
    let namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio.io/rev: 1-26}}}\n";
    let mesh = strict(&(namespace.to_owned() + &pods("")));
    assert_eq!(answer(&mesh, "server", 80, AppProtocol::Http), "mtls,http/1.1: 200");
}

/// <https://github.com/istio/istio/issues/38415>
#[test]
fn a_pod_as_a_cluster_prints_it_has_the_sidecar_that_it_shows() {
    let proxy = "{name: istio-proxy, image: istio/proxyv2, args: [proxy, sidecar], securityContext: {runAsUser: 1337}, \
                 ports: [{containerPort: 15090, name: http-envoy-prom}], \
                 env: [{name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}";
    let printed = |containers: &str| {
        let pod = |name: &str| {
            format!(
                "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {name}, security.istio.io/tlsMode: istio}}}}, spec: {{{containers}}}}}\n"
            )
        };
        let service = "---\n{apiVersion: v1, kind: Service, metadata: {name: server}, spec: {selector: {app: server}, ports: [{name: http, port: 80}]}}\n";
        pod("client") + &pod("server") + service
    };
    let as_container = printed(&format!(
        "containers: [{{name: app, image: any}}, {proxy}], initContainers: [{{name: istio-init, image: any}}]"
    ));
    let native = printed(&format!("containers: [{{name: app, image: any}}], initContainers: [{proxy}]"));
    for yaml in [as_container, native] {
        assert_eq!(faults(&yaml), "");
        let mesh = strict(&yaml);
        assert_eq!(answer(&mesh, "server", 80, AppProtocol::Http), "mtls,http/1.1: 200");
        assert_eq!(mesh.pods[0].containers.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["app"]);
    }
}

/// <https://istio.io/latest/docs/ambient/usage/add-workloads/>
#[test]
fn a_pod_of_the_ambient_mesh_is_never_answered_as_one_without_a_sidecar() {
    let namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio.io/dataplane-mode: ambient}}}\n";
    let yaml = namespace.to_owned() + &pods("");
    assert!(faults(&yaml).contains("warning: the pod is in the ambient mesh"), "{}", faults(&yaml));
    let mesh = mesh(&yaml);
    let error = predict(&mesh, &call(&mesh, "client", "server", 80, AppProtocol::Http).call);
    assert!(matches!(error, Err(CallError::NotModelled { .. })), "{error:?}");
}

/// <https://istio.io/latest/docs/setup/additional-setup/gateway/>
#[test]
fn a_call_to_a_gateway_of_the_gateway_api_is_not_predicted() {
    let gateway = "---
apiVersion: v1
kind: Pod
metadata: {name: gateway, labels: {app: gateway, gateway.istio.io/managed: istio.io-gateway-controller}}
spec: {containers: [{name: istio-proxy, image: istio/proxyv2, args: [proxy, router]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: gateway}, spec: {selector: {app: gateway}, ports: [{name: http, port: 80}]}}
";
    let mesh = mesh(&(INJECTED.to_owned() + &pods("") + gateway));
    let error = predict(&mesh, &call(&mesh, "client", "gateway", 80, AppProtocol::Http).call);
    assert!(error.is_err_and(|error| error.to_string().starts_with("gateway.default is a gateway")));
}

/// <https://github.com/istio/istio/issues/24886>
#[test]
fn an_external_name_of_a_service_is_another_name_for_it() {
    let alias = "---\n{apiVersion: v1, kind: Service, metadata: {name: other}, spec: {type: ExternalName, externalName: server.default.svc.cluster.local}}\n";
    let mesh = strict(&(INJECTED.to_owned() + &pods("") + alias));
    assert_eq!(answer(&mesh, "other", 80, AppProtocol::Http), "mtls,http/1.1: 200");
    assert_eq!(answer(&mesh, "other", 70, AppProtocol::Tcp), "mtls,tcp: echo");
}

/// <https://github.com/istio/istio/issues/18624>
#[test]
fn a_service_without_selector_leads_to_its_endpoints() {
    let service = "---\n{apiVersion: v1, kind: Service, metadata: {name: outside}, spec: {ports: [{name: https, port: 443, targetPort: 6443}]}}\n";
    let slice = "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: outside-1, labels: {kubernetes.io/service-name: outside}}
addressType: IPv4
ports: [{name: https, port: 6443}]
endpoints: [{addresses: [198.51.100.7]}]
";
    let endpoints = "---
apiVersion: v1
kind: Endpoints
metadata: {name: outside}
subsets: [{addresses: [{ip: 198.51.100.7}], ports: [{name: https, port: 6443}]}]
";
    for written in [slice, endpoints] {
        let mesh = strict(&(INJECTED.to_owned() + &pods("") + service + written));
        assert_eq!(answer(&mesh, "outside", 443, AppProtocol::Https), "tls,http/1.1: 200");
        let account = call(&mesh, "client", "outside", 443, AppProtocol::Https).account();
        assert_eq!(account.to.target_port, Some(6443));
    }
}

/// <https://github.com/istio/istio/issues/30177>
#[test]
fn only_with_dns_capture_an_app_resolves_the_host_of_a_service_entry() {
    let entry = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vm}
spec:
  hosts: [vm.internal]
  addresses: [240.240.0.1]
  ports: [{number: 8080, name: http, protocol: HTTP}]
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{address: 198.51.100.9}]
";
    let without = mesh(&(INJECTED.to_owned() + &pods("") + entry));
    let unresolved = call(&without, "client", "vm.internal", 8080, AppProtocol::Http).account();
    assert_eq!(brief(&unresolved.outcome), "client app name_not_resolved - - -> resolution");
    assert!(unresolved.notes.iter().any(|note| note.yaml.as_ref().is_some_and(|yaml| yaml.contains("DNS_CAPTURE"))));
    let capture = mesh_config("defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: \"true\"}}");
    let with = mesh(&(INJECTED.to_owned() + &pods("") + entry + &capture));
    assert_eq!(answer(&with, "vm.internal", 8080, AppProtocol::Http), "http/1.1: 200");
}

/// <https://github.com/strimzi/strimzi-kafka-operator/issues/1506>
#[test]
fn an_app_on_the_pods_address_alone_is_reached() {
    let server = "---
apiVersion: v1
kind: Pod
metadata: {name: zk, labels: {app: zk}}
spec:
  containers:
  - name: app
    image: sidelab/demo-server
    args: [--tcp, '$(POD_IP):2888']
    env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
---
{apiVersion: v1, kind: Service, metadata: {name: zk}, spec: {selector: {app: zk}, ports: [{name: tcp, port: 2888}]}}
";
    let mesh = strict(&(INJECTED.to_owned() + &pods("") + server));
    assert_eq!(answer(&mesh, "zk", 2888, AppProtocol::Tcp), "mtls,tcp: echo");
}

/// <https://github.com/istio/istio/pull/51776>, `selectServices` in `pilot/pkg/model/sidecar.go`
#[test]
fn of_a_host_in_two_namespaces_a_client_knows_the_entry_of_its_own() {
    let entry = |namespace: &str, port: u16| {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: pay-{port}, namespace: {namespace}}}
spec: {{hosts: [pay.example.com], ports: [{{number: {port}, name: tls-{port}, protocol: TLS}}], resolution: DNS}}
"
        )
    };
    let outside = "---
apiVersion: v1
kind: Pod
metadata: {name: pay, namespace: outside, annotations: {sidelab.io/external-host: pay.example.com}}
spec: {containers: [{name: app, image: any}]}
";
    let registry_only = mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}");
    let of = |namespaces: [&str; 2]| {
        let entries = entry(namespaces[0], 443) + &entry(namespaces[1], 8443);
        mesh(&(INJECTED.to_owned() + &pods("") + outside + &entries + &registry_only))
    };
    let both = |mesh: &Mesh| {
        [443, 8443].map(|port| call(mesh, "client", "pay.example.com", port, AppProtocol::Https).outcome().delivered)
    };
    assert_eq!(both(&of(["default", "default"])), [true, true]);
    assert_eq!(both(&of(["default", "elsewhere"])), [true, false]);
    assert_eq!(both(&of(["elsewhere", "default"])), [false, true]);
}

/// <https://github.com/istio/istio/issues/30435>
#[test]
fn settings_of_a_port_without_tls_hide_those_of_the_whole_destination() {
    let rule = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server}
spec:
  host: server
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL}
    portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]
";
    let text = faults(&(INJECTED.to_owned() + &pods("") + rule));
    assert!(
        text.contains("portLevelSettings[0]: warning: has no tls, and takes none from the whole destination"),
        "{text}"
    );
}

/// <https://github.com/istio/istio/issues/15556>
#[test]
fn a_rule_in_a_third_namespace_is_said_to_be_used_by_nobody() {
    let rule = |namespace: &str| {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: r, namespace: {namespace}}}
spec: {{host: server.default.svc.cluster.local, trafficPolicy: {{tls: {{mode: DISABLE}}}}}}
"
        )
    };
    let said = |namespace: &str| {
        faults(&(INJECTED.to_owned() + &pods("") + &rule(namespace))).contains("is used by no client")
    };
    assert!(said("third") && !said("default") && !said("istio-system"));
}

/// <https://github.com/istio/istio/issues/27994>
#[test]
fn a_policy_for_a_port_that_no_manifest_names_is_in_force_and_no_fault() {
    let policy = "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: open}
spec: {selector: {matchLabels: {app: server}}, mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: PERMISSIVE}}}
";
    let outsider = "---\n{apiVersion: v1, kind: Pod, metadata: {name: outsider, labels: {sidecar.istio.io/inject: 'false'}}, spec: {containers: [{name: a, image: any}]}}\n";
    let yaml = INJECTED.to_owned()
        + &pods("").replace("image: any}], }", "image: any, ports: [{containerPort: 80}]}], }")
        + outsider
        + policy;
    assert_eq!(faults(&yaml), "");
    let mesh = mesh(&yaml);
    assert!(call(&mesh, "outsider", "10.244.0.4", 9090, AppProtocol::Http).outcome().delivered);
    assert!(!call(&mesh, "outsider", "10.244.0.4", 80, AppProtocol::Http).outcome().delivered);
}

/// <https://istio.io/latest/docs/tasks/security/authentication/mtls-migration/>: an old trust domain stays trusted by its alias.
#[test]
fn an_alias_of_the_trust_domain_is_let_in() {
    let config = mesh_config("{trustDomain: new.example, trustDomainAliases: [cluster.local]}");
    let mesh = strict(&(INJECTED.to_owned() + &pods("") + &config));
    assert_eq!(mesh.config.trust_domain_aliases, ["cluster.local"]);
    assert_eq!(answer(&mesh, "server", 80, AppProtocol::Http), "mtls,http/1.1: 200");
}

/// <https://github.com/istio/istio/issues/9379>
#[test]
fn a_greeting_on_a_port_of_protocol_tls_hangs() {
    let entry = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mail}
spec: {hosts: [mail.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 587, name: tls, protocol: TLS}]}
---
apiVersion: v1
kind: Pod
metadata: {name: mail, namespace: outside, annotations: {sidelab.io/external-host: mail.example.com}}
spec: {containers: [{name: app, image: any}]}
";
    let mesh = mesh(&(INJECTED.to_owned() + &pods("") + entry));
    let greeted = |port| brief(&call(&mesh, "client", "mail.example.com", port, AppProtocol::Tcp).waiting().outcome());
    assert_eq!(greeted(587), "client sidecar timeout - - -> timeout");
    assert_eq!(greeted(2525), "echo");
}

#[test]
fn policies_that_are_not_used_are_named_with_the_reason() {
    let objects = "---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: mesh, namespace: istio-system}, spec: {mtls: {mode: STRICT}}}
---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: whole}, spec: {mtls: {mode: PERMISSIVE}}}
---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: others}, spec: {selector: {matchLabels: {app: other}}, mtls: {mode: DISABLE}}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: dotted}, spec: {host: server.default}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: away, namespace: third}, spec: {host: server.default.svc.cluster.local}}
";
    let mesh = mesh(&(INJECTED.to_owned() + &pods("") + objects));
    let notes = call(&mesh, "client", "server", 80, AppProtocol::Http).account().notes;
    let said: Vec<_> =
        notes.iter().filter(|note| note.kind == NoteKind::NotUsed).map(|note| note.text.as_str()).collect();
    assert_eq!(
        said,
        [
            "PeerAuthentication istio-system/mesh: PeerAuthentication default/whole is more specific",
            "PeerAuthentication default/others: its selector does not select server.default",
            "DestinationRule default/dotted: its host server.default has a dot, so it is not completed, and is no service's; write \
             server.default.svc.cluster.local",
            "DestinationRule third/away: it is in namespace third: rules are looked up in the client's (default), the service's \
             (default) and istio-system",
        ]
    );
}

#[test]
fn a_fix_is_yaml_that_has_the_call_delivered() {
    let bare = "---
{apiVersion: v1, kind: Pod, metadata: {name: bare, labels: {sidecar.istio.io/inject: 'false'}}, spec: {containers: [{name: app, image: any}]}}
";
    let yaml = INJECTED.to_owned() + &pods("") + bare + &policy("STRICT");
    let ask = |yaml: &str| call(&mesh(yaml), "bare", "server", 80, AppProtocol::Http).account();
    let refused = ask(&yaml);
    assert!(!refused.outcome.delivered);
    let fix = refused.notes.iter().find_map(|note| note.yaml.clone()).expect("a fix");
    assert!(ask(&format!("{yaml}---\n{fix}")).outcome.delivered, "{fix}");
}

/// <https://github.com/istio/istio/issues/9926>
#[test]
fn ports_that_contradict_each_other_on_a_container_port_are_a_warning() {
    let service = |ports: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: both}}, spec: {{selector: {{app: server}}, ports: [{ports}]}}}}\n"
        )
    };
    let said = |ports: &str| {
        let (_, warnings) = mesh_with_warnings(&(INJECTED.to_owned() + &pods("") + &service(ports)), Flavor::Istio);
        warnings
            .iter()
            .map(|warning| warning.message.clone())
            .filter(|text| text.contains("takes precedence"))
            .collect()
    };
    let said: [Vec<String>; 2] = [
        said("{name: http, port: 81, targetPort: 8080}, {name: grpc, port: 82, targetPort: 8080}"),
        said("{name: http, port: 81, targetPort: 8080}, {name: grpc, port: 82, targetPort: 8081}"),
    ];
    let warning = "port 82 is GRPC, and port 81 of Service both, with the same container port 8080 of server, is HTTP and takes precedence: \
                   its sidecar treats both as HTTP";
    assert_eq!(said, [vec![warning.to_owned()], vec![]]);
}

#[test]
fn what_is_spoken_on_top_of_http_decides_too() {
    let said_in = |mesh: &Mesh, host: &str, app, speaks| {
        let mut call = call(mesh, "client", host, 80, app);
        call.call.speaks = Some(speaks);
        brief(&call.outcome())
    };
    let plain = mesh(&(INJECTED.to_owned() + &pods("")));
    let said = |host: &str, app, speaks| said_in(&plain, host, app, speaks);
    assert_eq!(said("server", AppProtocol::Http, AppSpeaks::Websocket), "101");
    let no_tunnel = "client sidecar no_route NR route_not_found -> 404";
    assert_eq!(said("server", AppProtocol::Http, AppSpeaks::Connect), no_tunnel);
    // The client's sidecar takes HTTP/1.0 for no HTTP, and passes it on as it is; the server's answers it.
    assert!(said("server", AppProtocol::Http, AppSpeaks::Http10).contains("426"));
    let taken = mesh_config(r#"defaultConfig: {proxyMetadata: {ISTIO_META_HTTP10: "1"}}"#);
    let taken = mesh(&(INJECTED.to_owned() + &pods("") + &taken));
    assert_eq!(said_in(&taken, "server", AppProtocol::Http, AppSpeaks::Http10), "200");
}
