use pretty_assertions::assert_eq;

use super::*;
use crate::{
    account::AppProtocol,
    predict::{Call, predict},
    testing::{file, mesh},
};

const DUMP: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-7d9f-x2x4
    namespace: shop
    uid: 1-2-3
    resourceVersion: "7"
    managedFields: [{manager: kubelet}]
    annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", a: b}
  spec: {containers: [{name: app, image: web}]}
  status: {phase: Running, podIP: 10.1.2.3, podIPs: [{ip: 10.1.2.3}], conditions: []}
- {apiVersion: v1, kind: Pod, metadata: {name: done, namespace: shop}, spec: {containers: []}, status: {phase: Succeeded}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: kube-root-ca.crt, namespace: shop}, data: {}}
- {apiVersion: v1, kind: Pod, metadata: {name: proxy, namespace: kube-system}, spec: {containers: []}}
- {apiVersion: v1, kind: Event, metadata: {name: e, namespace: shop}}
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: n, namespace: shop}, spec: {podSelector: {}}}
- apiVersion: v1
  kind: Secret
  metadata: {name: s, namespace: shop}
  data: {password: aHVudGVyMg==}
"#;

#[test]
fn the_servers_bookkeeping_is_dropped_and_a_pods_addresses_stay() {
    let imported = import(&[file(DUMP)], false).unwrap();
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-7d9f-x2x4", "namespace": "shop", "annotations": {"a": "b"}},
        "spec": {"containers": [{"name": "app", "image": "web"}]},
        "status": {"podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}]},
    });
    assert_eq!(imported.objects[0], pod);
}

#[test]
fn objects_that_do_not_matter_are_counted_and_the_others_stay() {
    let imported = import(&[file(DUMP)], false).unwrap();
    let kinds: Vec<_> = imported.objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Pod", "NetworkPolicy", "Secret"]);
    let reasons: Vec<_> = imported.left_out.keys().map(String::as_str).collect();
    let expected = [
        "ConfigMap: made by the cluster itself",
        "Event: does not matter here",
        "Pod: has ended",
        "of namespace kube-system",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn values_of_secrets_are_replaced_unless_they_are_requested() {
    let text = |with| serde_json::to_string(&import(&[file(DUMP)], with).unwrap().objects).unwrap();
    assert!(!text(false).contains("aHVudGVyMg=="));
    assert!(text(true).contains("aHVudGVyMg=="));
    assert_eq!(import(&[file(DUMP)], false).unwrap().replaced, 1);
}

#[test]
fn certificates_stay_and_their_keys_are_replaced() {
    let own = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let secret = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "s"},
        "data": {"tls.crt": STANDARD.encode(&certificate), "tls.key": STANDARD.encode(&key)},
    });
    let mut imported = import(&[file(&secret.to_string())], false).unwrap();
    let secret = imported.objects.remove(0);
    assert_eq!(secret["data"]["tls.crt"], STANDARD.encode(&certificate));
    assert_ne!(secret["data"]["tls.key"], STANDARD.encode(&key));
    assert_eq!(
        crate::testing::faults(&secret.to_string()),
        "",
        "the certificate and the new key are known not to match"
    );
}

/// The source of a small mesh: two Deployments, one in a namespace that is injected and STRICT.
const SOURCE: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: legacy}}
---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: shop}, spec: {mtls: {mode: STRICT}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: web, ports: [{containerPort: 8080}]}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: shop}
spec:
  selector: {matchLabels: {app: client}}
  template: {metadata: {labels: {app: client}}, spec: {containers: [{name: app, image: curl, command: [sleep, infinity]}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: legacy}
spec:
  selector: {matchLabels: {app: client}}
  template: {metadata: {labels: {app: client}}, spec: {containers: [{name: app, image: curl, command: [sleep, infinity]}]}}
"#;

/// One of its pods as a cluster has it: owned by a ReplicaSet, and injected if its namespace's label asks for it.
fn printed(workload: &str, namespace: &str, ip: &str, ports: &str, injected: bool) -> String {
    let (labels, annotations, sidecar) = match injected {
        true => (
            ", security.istio.io/tlsMode: istio, service.istio.io/canonical-name: APP",
            r#"sidecar.istio.io/status: '{"containers":["istio-proxy"],"revision":"default"}', prometheus.io/port: "15020""#,
            ", {name: istio-proxy, image: 'docker.io/istio/proxyv2:1.28.0', args: [proxy, sidecar], ports: [{containerPort: 15090, name: http-envoy-prom}], \
             readinessProbe: {httpGet: {path: /healthz/ready, port: 15021}}, securityContext: {runAsUser: 1337}, \
             volumeMounts: [{name: istiod-ca-cert, mountPath: /var/run/secrets/istio}]}",
        ),
        false => ("", "", ""),
    };
    format!(
        "
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata: {{name: {workload}-7d9f, namespace: {namespace}, uid: r, ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: {workload}, uid: d, controller: true}}]}}
  spec: {{replicas: 1, selector: {{matchLabels: {{app: {workload}}}}}, template: {{metadata: {{labels: {{app: {workload}}}}}, spec: {{containers: [{{name: app, image: a}}]}}}}}}
  status: {{replicas: 1}}
- apiVersion: v1
  kind: Pod
  metadata:
    name: {workload}-7d9f-x2x4
    namespace: {namespace}
    uid: p
    resourceVersion: '12'
    creationTimestamp: '2026-01-02T03:04:05Z'
    managedFields: [{{manager: kubelet, operation: Update, apiVersion: v1, time: '2026-01-02T03:04:05Z', fieldsType: FieldsV1, fieldsV1: {{'f:status': {{}}}}}}]
    labels: {{app: {workload}, pod-template-hash: 7d9f{labels}}}
    annotations: {{{annotations}}}
    ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: {workload}-7d9f, uid: r, controller: true, blockOwnerDeletion: true}}]
  spec:
    nodeName: node-1
    containers: [{{name: app, image: a, ports: [{ports}], volumeMounts: [{{name: kube-api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}}]}}{sidecar}]
    volumes: [{{name: kube-api-access, projected: {{sources: [{{serviceAccountToken: {{path: token}}}}, {{configMap: {{name: kube-root-ca.crt}}}}]}}}}, {{name: istiod-ca-cert, configMap: {{name: istio-ca-root-cert}}}}]
  status: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}], conditions: [{{type: Ready, status: 'True'}}]}}"
    )
    .replace("APP", workload)
}

fn dump() -> String {
    let documents = SOURCE.split("---").map(|document| format!("\n- {}", document.trim().replace('\n', "\n  ")));
    let documents: String = documents.collect();
    let slice = "
- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-abc, namespace: shop, labels: {kubernetes.io/service-name: web, \
        endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}}, addressType: IPv4, endpoints: [{addresses: [10.1.0.7]}], ports: [{name: http, port: 8080}]}";
    let pods = printed("web", "shop", "10.1.0.7", "{containerPort: 8080}", true)
        + &printed("client", "shop", "10.1.0.8", "", true)
        + &printed("client", "legacy", "10.1.0.9", "", false);
    format!("apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: ''}}\nitems:{documents}{slice}{pods}\n")
}

#[test]
fn an_imported_cluster_gives_the_answers_of_its_source() {
    let imported = import(&[file(&dump())], false).unwrap();
    let text: Vec<_> = imported.objects.iter().map(ToString::to_string).collect();
    let (source, imported) = (mesh(SOURCE), mesh(&text.join("\n---\n")));
    assert_eq!(imported.pods.len(), source.pods.len(), "a Deployment, its ReplicaSet and its pods are the same once");
    for (from, delivered) in [("client.shop", true), ("client.legacy", false)] {
        let [expected, found] = [&source, &imported].map(|mesh| {
            let from = mesh.pod(from, "default").unwrap();
            let call = Call::new(from, "web.shop", 80, AppProtocol::Http);
            let account = predict(mesh, &call).unwrap();
            let layers: Vec<_> = account.legs.iter().map(|leg| leg.layers.clone()).collect();
            (layers, account.outcome, account.assumes)
        });
        assert_eq!(found, expected, "{from}");
        assert_eq!(found.1.delivered, delivered, "{from}");
    }
}
