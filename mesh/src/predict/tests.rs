//! Whole calls. What Istio's own simulation tests claim is claimed here too (`pilot/pkg/networking/core/*_simulation_test.go`),
//! and the failure signatures that are known of real meshes (docs: F1 to F26).

use std::net::IpAddr;

use envoy_api::TlsProtocol;

use crate::{
    account::{Account, AppProtocol, AppSees, AppSpeaks, Decision, Leg, LegPath, Outcome, Party, Reason, Step},
    compile::compile,
    model::{ControlPlane, Family, Flavor, Mesh},
    testing::mesh_with_warnings,
};

use super::{
    AppTls, Call, ServerApp, Speaks,
    certificate::{Authority, Certificate, Check},
    place::Arrival,
    predict, predict_each,
    simulate::Simulation,
    tls::Hello,
    trace::{Role, Trace},
    ways::Picks,
    wire::{Request, Sent, Version},
    world::{World, nowhere},
};

mod app_tls;
mod authorization;
mod destination_rule;
mod egress;
mod field;
mod gateway;
mod inbound;
mod outbound;
mod peer_authentication;
mod programs;
mod reach;
mod scope;
mod server_first;
mod signatures;
mod textbook;
mod virtual_service;
mod webhook;

/// The pods of most tests: `client`, and `outsider` without a sidecar, call `server` by the service of that name, whose ports
/// are 70 (tcp), 80 (http), 81 (web, which says nothing), 82 (https), 83 (grpc), each at the same container port.
const PODS: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {serviceAccountName: client, containers: [{name: app, image: any}]}
---
apiVersion: v1
kind: Pod
metadata: {name: outsider, labels: {sidecar.istio.io/inject: 'false'}}
spec: {containers: [{name: app, image: any}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}, annotations: {sidelab.io/app-speaks: any}}
spec: {serviceAccountName: server, containers: [{name: app, image: any}]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec:
  selector: {app: server}
  ports:
  - {name: tcp, port: 70}
  - {name: http, port: 80}
  - {name: web, port: 81}
  - {name: https, port: 82}
  - {name: grpc, port: 83}
";

/// The metadata of `server` in `PODS`, whose program is none that is assumed to speak what its ports are named for.
const SERVER: &str = "metadata: {name: server, labels: {app: server}, annotations: {sidelab.io/app-speaks: any}}";

/// `PODS`, and more documents.
fn mesh_of(flavor: Flavor, more: &str) -> Mesh {
    mesh_with_warnings(&format!("{PODS}{more}"), flavor).0
}

/// `PODS` in an Istio mesh whose policy for everything is this mode.
fn istio(mode: &str) -> Mesh {
    mesh_of(Flavor::Istio, &policy(mode))
}

/// A PeerAuthentication for the whole mesh.
fn policy(mode: &str) -> String {
    format!(
        "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: {mode}}}}}
"
    )
}

/// MeshConfig with these lines.
fn mesh_config(lines: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: '{lines}'}}
"
    )
}

/// A call from a pod; what the server's app is can be said with [`Calling::to`].
struct Calling<'a> {
    mesh: &'a Mesh,
    call: Call,
}

fn call<'a>(mesh: &'a Mesh, from: &str, host: &str, port: u16, app: AppProtocol) -> Calling<'a> {
    let from = mesh.pod(from, "default").expect("a pod of that name");
    Calling { mesh, call: Call::new(from, host, port, app) }
}

impl Calling<'_> {
    fn to(mut self, speaks: Speaks) -> Self {
        self.call.server_app = Some(ServerApp { speaks, ..ServerApp::default() });
        self
    }

    fn on_loopback(mut self) -> Self {
        self.call.server_app = Some(ServerApp { loopback_only: true, ..ServerApp::default() });
        self
    }

    fn waiting(mut self) -> Self {
        self.call.speaks = Some(AppSpeaks::Greeting);
        self
    }

    fn over(mut self, family: Family) -> Self {
        self.call.family = Some(family);
        self
    }

    fn account(&self) -> Account {
        predict(self.mesh, &self.call).expect("a prediction")
    }

    fn outcome(&self) -> Outcome {
        self.account().outcome
    }
}

/// What an outcome comes to, in one line: `200`, or `server sidecar no_filter_chain_match NR filter_chain_not_found -> eof`.
fn brief(outcome: &Outcome) -> String {
    let Outcome { at, reason, response_flags, details, app_sees, .. } = outcome;
    match (at, reason) {
        (Some(at), Some(reason)) => {
            format!("{at} {reason} {response_flags} {details} -> {app_sees}")
        }
        _ => app_sees.to_string(),
    }
}

fn leg(account: &Account, number: u8) -> &Leg {
    account.leg(number.try_into().expect("a leg's number")).expect("that leg")
}

/// A leg's layers, such as `mtls,http/1.1`.
fn layers(account: &Account, number: u8) -> String {
    leg(account, number).layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The last step in which something of a kind was chosen at a place.
fn choice(steps: &[Step], at: Party, what: Decision) -> Option<&str> {
    steps.iter().rev().find(|step| step.at == at && step.what == what).map(|step| step.choice.as_str())
}

fn step(account: &Account, at: Party, what: Decision) -> &Step {
    account.steps.iter().find(|step| step.at == at && step.what == what).expect("that step")
}
