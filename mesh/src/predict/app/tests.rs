use pretty_assertions::assert_eq;

use super::*;
use crate::{
    account::AppProtocol,
    model::Mesh,
    predict::{
        Call,
        answer::{answer, sees},
        wire::{Reply, Sent},
    },
};

const APPS: [AppProtocol; 4] = [AppProtocol::Http, AppProtocol::H2, AppProtocol::Https, AppProtocol::Tcp];

fn own() -> AppTls {
    AppTls::unknown(Authority::Apps)
}

fn sent(app: AppProtocol, host: &str) -> Vec<Sent> {
    Call::new(0, host, 8080, app).layers(Check::of_apps(), None)
}

/// What an app of each kind sees when it calls another without any sidecar between.
fn seen(speaks: Speaks) -> [String; 4] {
    APPS.map(|app| {
        let sent = sent(app, "server");
        let answered = answer(ServerApp { speaks, ..ServerApp::default() }, &own(), [10, 0, 0, 1].into(), &sent);
        sees(&sent, &answered.reply).1.to_string()
    })
}

#[test]
fn apps_see_what_comes_of_a_protocol_that_fits_or_does_not() {
    assert_eq!(seen(Speaks::Anything), ["200", "200", "200", "echo"]);
    assert_eq!(seen(Speaks::Http), ["200", "200", "not_tls", "timeout"]);
    assert_eq!(seen(Speaks::Http1), ["200", "eof", "not_tls", "timeout"]);
    assert_eq!(seen(Speaks::AnythingInTls), ["http_parse", "http_parse", "200", "echo_mismatch"]);
    assert_eq!(seen(Speaks::Http2), ["eof", "200", "not_tls", "timeout"]);
    assert_eq!(seen(Speaks::Reset), ["connection_reset"; 4]);
    assert_eq!(seen(Speaks::Https { mutual: false }), ["http_parse", "http_parse", "200", "echo_mismatch"]);
    assert_eq!(seen(Speaks::Https { mutual: true })[2], "certificate_required");
    assert_eq!(seen(Speaks::Tcp), ["http_parse", "http_parse", "tls_protocol", "echo"]);
    assert_eq!(seen(Speaks::Tls { mutual: false }), ["http_parse", "http_parse", "http_parse", "echo_mismatch"]);
    assert_eq!(seen(Speaks::Nothing), ["connection_refused"; 4]);
}

#[test]
fn an_address_is_never_sent_as_server_name() {
    for (host, expected) in [("Server", Some("server")), ("10.0.0.1", None), ("fd00::1", None)] {
        let sent = sent(AppProtocol::Https, host);
        let [Sent::Tls(hello), Sent::Http(_, request)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!(hello.server_name.as_deref(), expected);
        assert_eq!(request.authority.contains('['), host.contains(':'), "{}", request.authority);
    }
}

#[test]
fn an_app_on_loopback_is_there_for_loopback_alone() {
    let server = ServerApp { loopback_only: true, ..ServerApp::default() };
    let reply = |ip: [u8; 4]| answer(server, &own(), ip.into(), &[Sent::Bytes]).reply;
    assert!(matches!(reply([127, 0, 0, 1]), Reply::Echo));
    assert!(matches!(reply([10, 0, 0, 1]), Reply::Refused));
}

/// A mesh of one pod with one container: what of its spec is not its name.
fn pod_of(container: &str) -> Mesh {
    crate::testing::mesh(&format!(
        "{}---
apiVersion: v1
kind: Pod
metadata: {{name: ours}}
spec: {{containers: [{{name: app, {container}}}]}}
",
        crate::testing::INJECTED
    ))
}

#[test]
fn the_demo_servers_own_arguments_say_what_it_does_at_each_port() {
    let app = |speaks, loopback_only| ServerApp { speaks, loopback_only, is_demo: true, clue: None };
    let words = "[--http, '8080', '--https=127.0.0.1:8443', --tcp, '[::1]:9000', --quiet, --mtls, '9443', --http2, '50051', \
                 --tcp-reset, '9001', --self-signed, server, --client-ca, /ca.pem]";
    for container in [
        format!("image: 'registry.example:5000/sidelab/demo-server:1.0', args: {words}"),
        format!("image: any, command: [/usr/bin/demo-server], args: {words}"),
    ] {
        let pod = pod_of(&container);
        assert_eq!(ServerApp::of(&pod, 0, 8080), app(Speaks::Http, false));
        assert_eq!(ServerApp::of(&pod, 0, 8443), app(Speaks::Https { mutual: false }, true));
        assert_eq!(ServerApp::of(&pod, 0, 9000), app(Speaks::Tcp, true));
        assert_eq!(ServerApp::of(&pod, 0, 9443), app(Speaks::Tls { mutual: true }, false));
        assert_eq!(ServerApp::of(&pod, 0, 50051), app(Speaks::Http2, false));
        assert_eq!(ServerApp::of(&pod, 0, 9001), app(Speaks::Reset, false));
        assert_eq!(ServerApp::of(&pod, 0, 1).speaks, Speaks::Nothing);
    }
}

#[test]
fn a_demo_server_that_refuses_its_arguments_listens_nowhere() {
    for args in ["[--http, '80', --gopher, '70']", "[--http, '80', --https, '443']"] {
        let pod = pod_of(&format!("image: sidelab/demo-server, args: {args}"));
        assert_eq!(ServerApp::of(&pod, 0, 80).speaks, Speaks::Nothing, "{args}");
    }
}

#[test]
fn a_command_of_its_own_takes_the_place_of_what_the_image_is_named_for() {
    let pod = pod_of("image: sidelab/demo-server, command: [python3, -m, http.server], args: ['80']");
    assert_eq!(ServerApp::of(&pod, 0, 80), ServerApp::default());
}

#[test]
fn of_other_programs_nothing_is_known() {
    let mesh = crate::testing::mesh(&format!(
        "{}---
apiVersion: v1
kind: Pod
metadata: {{name: ours}}
spec: {{containers: [{{name: app, image: sidelab/demo-server, args: [--http, '8080']}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: theirs}}
spec: {{containers: [{{name: app, image: nginx}}]}}
",
        crate::testing::INJECTED
    ));
    let [ours, theirs] = [0, 1];
    assert_eq!(ServerApp::of(&mesh, theirs, 80), ServerApp::default());
    assert_eq!(ServerApp::of(&mesh, ours, 8080).speaks, Speaks::Http);
    assert_eq!(ServerApp::of(&mesh, ours, 80).speaks, Speaks::Nothing);
}
