//! A mesh of many services, and the steps from its manifests to the files of one sidecar.

use std::{fmt::Write as _, sync::Arc};

use mesh::{
    SourceFile,
    compile::{Placement, PodConfig, compile},
    load,
    manifests::Manifests,
    model::{Flavor, Mesh},
    resolve,
};

#[cfg(test)]
mod tests;

/// Number of services in each namespace.
const A_NAMESPACE: usize = 50;

/// Manifests of this number of services, each with two ports and this number of pods, and of a client: namespaces with injection, each
/// with its own policy, and a DestinationRule for every tenth service.
pub fn manifests(services: usize, pods: usize) -> SourceFile {
    let mut text = pod("client", "default", "client");
    for namespace in 0..services.div_ceil(A_NAMESPACE) {
        let _ = write!(
            text,
            "---
apiVersion: v1
kind: Namespace
metadata: {{name: team-{namespace}, labels: {{istio-injection: enabled}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: team-{namespace}}}
spec: {{mtls: {{mode: {}}}}}
",
            if namespace % 2 == 0 { "STRICT" } else { "PERMISSIVE" }
        );
    }
    for service in 0..services {
        let namespace = format!("team-{}", service / A_NAMESPACE);
        for replica in 0..pods {
            text.push_str(&pod(&format!("server-{service}-{replica}"), &namespace, &format!("service-{service}")));
        }
        let _ = write!(
            text,
            "---
apiVersion: v1
kind: Service
metadata: {{name: service-{service}, namespace: {namespace}}}
spec:
  selector: {{app: service-{service}}}
  ports:
  - {{name: http, port: 8080}}
  - {{name: tcp, port: 9000}}
"
        );
        if service % 10 == 0 {
            let _ = write!(
                text,
                "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: service-{service}, namespace: {namespace}}}
spec:
  host: service-{service}
  trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL}}}}
"
            );
        }
    }
    SourceFile { name: "services.yaml".into(), text }
}

fn pod(name: &str, namespace: &str, app: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {app}, sidecar.istio.io/inject: \"true\"}}}}
spec:
  containers:
  - name: app
    image: sidelab/demo-server
    ports: [{{containerPort: 8080}}, {{containerPort: 9000}}]
"
    )
}

/// Parses and validates manifests.
///
/// # Panics
/// If they are invalid.
pub fn read(manifests: &SourceFile) -> Manifests {
    let loaded = load(std::slice::from_ref(manifests));
    assert!(!loaded.has_errors(), "{:?}", loaded.faults);
    loaded.manifests
}

/// Resolves the manifests for an Istio mesh.
///
/// # Panics
/// If they are invalid.
pub fn resolve_mesh(manifests: &Manifests) -> Mesh {
    let (resolved, _) = resolve(manifests).expect("nothing is wrong with them");
    Mesh::new(Arc::new(resolved), Flavor::Istio)
}

/// Compiles the sidecar of pod `client`.
///
/// # Panics
/// If the mesh has no such pod.
pub fn compile_client(mesh: &Mesh) -> PodConfig {
    compile_pod(mesh, "client")
}

/// Compiles the sidecar of a pod in namespace `default`.
pub(crate) fn compile_pod(mesh: &Mesh, pod: &str) -> PodConfig {
    let placement = Placement::in_folder("/etc/sidecar");
    compile(mesh, mesh.pod(pod, "default").expect("it has that pod"), &placement)
}
