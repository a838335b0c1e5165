use crate::{Fault, SourceFile, load, model::*, policy::Policy, resolve};

fn mesh(yaml: &str) -> Mesh {
    let loaded = load(&[SourceFile { name: "m.yaml".into(), text: yaml.into() }]);
    assert!(!loaded.has_errors(), "{:#?}", loaded.faults);
    match resolve(&loaded.manifests, Flavor::Istio) {
        Ok((mesh, _)) => mesh,
        Err(faults) => panic!("{faults:#?}"),
    }
}

#[test]
fn a_small_mesh_resolves() {
    let mesh = mesh(
        "
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: app, image: sidelab/demo-client}]
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  containers: [{name: app, image: sidelab/demo-server, ports: [{name: web, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec:
  selector: {app: server}
  ports: [{name: http, port: 80, targetPort: web}]
---
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
",
    );
    println!("{mesh:#?}\n{}", mesh.hosts_file(0));
    println!("{}", serde_json::to_string_pretty(&Policy::of(&mesh, 1)).unwrap());
}

#[test]
fn faults_print() {
    let loaded = load(&[SourceFile {
        name: "m.yaml".into(),
        text: "
apiVersion: v1
kind: Service
metadata: {name: server}
spec:
  selector: {app: server}
  ports: [{name: http, port: 80, targetport: web}]
  sessionAffinityy: foo
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {ports: [{port: http}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: a}
spec: {mtls: {mode: STRICTT}, selctor: {}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
---
apiVersion: networking.istio.io/v1
kind: PeerAuthentification
metadata: {name: a}
---
foo: [
"
        .into(),
    }]);
    for fault in &loaded.faults {
        println!("{fault}");
    }
    let _: Vec<Fault> = loaded.faults;
}
