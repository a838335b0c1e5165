//! What the API server rejects in pods and Services (`pkg/apis/core/validation/validation.go`).

use crate::testing::faults;

/// The faults of a pod with these fields of its container and of its spec.
fn of_pod(container: &str, spec: &str) -> String {
    faults(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: a, image: b, {container}}}], {spec}}}}}"
    ))
}

/// The faults of a Service with these fields of its spec.
fn of_service(spec: &str) -> String {
    let pod = crate::testing::pod("a", "labels: {a: b}");
    faults(&format!(
        "{pod}---\n{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{selector: {{a: b}}, {spec}}}}}"
    ))
}

#[test]
fn containers_that_an_api_server_rejects_are_rejected() {
    for (container, said) in [
        ("imagePullPolicy: Sometimes", "imagePullPolicy: \"Sometimes\" is none of Always, IfNotPresent, Never"),
        (
            "env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
            "valueFrom: cannot be combined with value",
        ),
        ("env: [{name: A, valueFrom: {}}]", "valueFrom: is empty"),
        (
            "env: [{name: A, value: b}, {name: A, value: c}]",
            "env[1].name: warning: \"A\" is duplicated; the last one applies",
        ),
        (
            "envFrom: [{configMapRef: {name: c}, secretRef: {name: s}}]",
            "envFrom[0]: needs exactly one of configMapRef and secretRef",
        ),
        ("ports: [{containerPort: 80}, {containerPort: 80}]", "ports[1].containerPort: warning: 80 is duplicated"),
        ("ports: [{containerPort: 80, hostPort: 70000}]", "hostPort: 70000 is out of range"),
        ("livenessProbe: {periodSeconds: 1}", "livenessProbe: has no handler"),
        ("readinessProbe: {tcpSocket: {port: 80}, exec: {command: [a]}}", "readinessProbe: may have only one handler"),
        ("livenessProbe: {successThreshold: 2, tcpSocket: {port: 80}}", "successThreshold: must be 1"),
        ("startupProbe: {httpGet: {port: 80, scheme: http}}", "httpGet.scheme: \"http\" is none of HTTP, HTTPS"),
        ("resources: {limits: {cpu: 1 core}}", "limits[cpu]: \"1 core\" is not an amount"),
        (
            "resources: {limits: {memory: 64Mi}, requests: {memory: 1Gi}}",
            "requests[memory]: 1Gi exceeds the limit, 64Mi",
        ),
        (
            "securityContext: {privileged: true, allowPrivilegeEscalation: false}",
            "allowPrivilegeEscalation: cannot be false",
        ),
    ] {
        let text = of_pod(container, "");
        assert!(text.contains(said), "{container}\nexpected {said}\nfound {text}");
    }
    assert_eq!(of_pod("resources: {limits: {cpu: 1, memory: 1e3}, requests: {cpu: 500m, memory: 1k}}", ""), "");
}

#[test]
fn pods_that_an_api_server_rejects_are_rejected() {
    for (spec, said) in [
        ("restartPolicy: Sometimes", "restartPolicy: \"Sometimes\" is none of Always, OnFailure, Never"),
        ("dnsPolicy: None", "dnsConfig.nameservers: is missing"),
        ("hostname: A_b", "hostname: \"A_b\" is not a label of DNS"),
        ("hostAliases: [{ip: nowhere}]", "hostAliases[0].ip: \"nowhere\" is not an address"),
        ("tolerations: [{key: a, operator: Exists, value: b}]", "tolerations[0].value: must be empty"),
        ("tolerations: [{operator: Equal}]", "tolerations[0].operator: must be Exists where key is empty"),
        ("initContainers: [{name: a, image: b}]", "containers[0].name: \"a\" is duplicated"),
        ("initContainers: [{name: i, image: b, lifecycle: {}}]", "initContainers[0].lifecycle: may not be set"),
        (
            "volumes: [{name: v, emptyDir: {}, hostPath: {path: /a}}]",
            "volumes[0]: may have only one source, and has emptyDir, hostPath",
        ),
        ("volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]", "volumes[1].name: \"v\" is duplicated"),
        ("volumes: [{name: V, emptyDir: {}}]", "volumes[0].name: \"V\" is not a volume name"),
        (
            "volumes: [{name: v, secret: {secretName: s, optional: true, defaultMode: 0o1000}}]",
            "defaultMode: 512 is out of range",
        ),
    ] {
        let text = of_pod("", spec);
        assert!(text.contains(said), "{spec}\nexpected {said}\nfound {text}");
    }
}

#[test]
fn services_that_an_api_server_rejects_are_rejected() {
    for (spec, said) in [
        ("ports: [{port: 80, nodePort: 30080}]", "spec.ports[0].nodePort: may not be used when type is ClusterIP"),
        ("type: NodePort, ports: [{port: 80, nodePort: 80}]", "nodePort: 80 is not in the range of node ports"),
        ("type: LoadBalancer, clusterIP: None, ports: [{port: 80}]", "spec.clusterIP: may not be None"),
        ("sessionAffinity: Cookie, ports: [{port: 80}]", "spec.sessionAffinity: \"Cookie\" is none of None, ClientIP"),
        ("externalTrafficPolicy: Local, ports: [{port: 80}]", "spec.externalTrafficPolicy: may only be set"),
        ("externalIPs: [a], ports: [{port: 80}]", "spec.externalIPs[0]: \"a\" is not an address"),
        ("ports: [{port: 80, appProtocol: 'a b'}]", "appProtocol: \"a b\" is not a name of a protocol"),
    ] {
        let text = of_service(spec);
        assert!(text.contains(said), "{spec}\nexpected {said}\nfound {text}");
    }
    assert_eq!(of_service("type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]"), "");
}

#[test]
fn secrets_of_a_type_without_its_keys_are_rejected() {
    let secret = |kind: &str, data: &str| {
        faults(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, type: {kind}, stringData: {{{data}}}}}"
        ))
    };
    let docker = "kubernetes.io/dockerconfigjson";
    assert!(secret(docker, "a: b").contains("data[.dockerconfigjson]: is missing"));
    assert!(secret(docker, ".dockerconfigjson: no JSON").contains("[.dockerconfigjson]: is not JSON"));
    assert_eq!(secret(docker, ".dockerconfigjson: '{}'"), "");
    assert!(secret("kubernetes.io/basic-auth", "a: b").contains("holds neither username nor password"));
}
