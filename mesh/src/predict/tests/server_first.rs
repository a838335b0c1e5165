//! A server that speaks first, and a client that waits for it: F22.

use super::*;

fn greeted(mesh: &Mesh, from: &str, port: u16) -> Account {
    call(mesh, from, "server", port, AppProtocol::Tcp).to(Speaks::Greeting).waiting().account()
}

#[test]
fn a_tcp_port_under_mtls_lets_the_server_speak_first() {
    for flavor in [Flavor::Textbook, Flavor::Istio] {
        for mode in ["STRICT", "PERMISSIVE"] {
            let account = greeted(&mesh_of(flavor, &policy(mode)), "client", 70);
            assert_eq!((brief(&account.outcome).as_str(), layers(&account, 2).as_str()), ("echo", "mtls,tcp"));
        }
    }
}

#[test]
fn f22_plaintext_to_a_sidecar_that_looks_for_tls_waits_for_ever() {
    for mode in ["STRICT", "PERMISSIVE"] {
        let account = greeted(&istio(mode), "outsider", 70);
        assert_eq!(brief(&account.outcome), "server sidecar timeout - - -> timeout");
        assert_eq!(layers(&account, 2), "");
    }
    assert_eq!(brief(&greeted(&istio("DISABLE"), "outsider", 70).outcome), "echo");
    let textbook = mesh_of(Flavor::Textbook, &policy("DISABLE"));
    assert_eq!(brief(&greeted(&textbook, "client", 70).outcome), "server sidecar timeout - - -> timeout");
}

#[test]
fn a_port_that_is_found_out_waits_at_the_client() {
    let waits = "client sidecar timeout - - -> timeout";
    assert_eq!(brief(&greeted(&istio("STRICT"), "client", 81).outcome), waits);
    assert_eq!(brief(&greeted(&istio("STRICT"), "client", 80).outcome), waits);
    let with_timeout = mesh_of(Flavor::Istio, &mesh_config("protocolDetectionTimeout: 0.1s"));
    assert_eq!(brief(&greeted(&with_timeout, "client", 81).outcome), "echo");
}
