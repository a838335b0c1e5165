//! Where the textbook's mesh differs from Istio's, by the numbers of the claims.

use super::*;

const HTTPS: Speaks = Speaks::Https { mutual: false };

/// The outcomes of one call in the textbook's mesh and in Istio's, both under a mesh-wide mode.
fn both(mode: &str, from: &str, port: u16, app: AppProtocol, speaks: Speaks) -> [Account; 2] {
    [Flavor::Textbook, Flavor::Istio].map(|flavor| {
        let mesh = mesh_of(flavor, &policy(mode));
        call(&mesh, from, "server", port, app).to(speaks).account()
    })
}

fn briefs(accounts: &[Account; 2]) -> [String; 2] {
    [brief(&accounts[0].outcome), brief(&accounts[1].outcome)]
}

const NO_CHAIN: &str = "server sidecar no_filter_chain_match NR filter_chain_not_found -> connection_reset";

#[test]
fn c4_one_alpn_marks_all_mesh_traffic() {
    for (port, app) in [(70, AppProtocol::Tcp), (80, AppProtocol::Http), (83, AppProtocol::H2)] {
        let [textbook, _] = both("STRICT", "client", port, app, Speaks::Anything);
        let tls = &leg(&textbook, 2).tls[0];
        assert_eq!(
            (tls.alpn_offered.join(","), tls.alpn.as_deref()),
            ("istio-peer-exchange".into(), Some("istio-peer-exchange"))
        );
        assert!(textbook.outcome.delivered, "{app}: {}", brief(&textbook.outcome));
    }
}

#[test]
fn c6_the_app_is_dialled_on_loopback() {
    let accounts = both("STRICT", "client", 80, AppProtocol::Http, Speaks::Http);
    let last = accounts.each_ref().map(|account| (leg(account, 3).source, leg(account, 3).dials));
    assert_eq!(last[0], ("127.0.0.1".parse().ok(), "127.0.0.1:80".parse().ok()));
    assert_eq!(last[1], ("127.0.0.6".parse().ok(), "10.244.0.4:80".parse().ok()));
}

#[test]
fn c31_tls_on_an_http_port_breaks_at_the_clients_sidecar_whatever_the_policy() {
    for mode in ["STRICT", "PERMISSIVE", "DISABLE"] {
        let [textbook, _] = both(mode, "client", 80, AppProtocol::Https, HTTPS);
        assert_eq!(brief(&textbook.outcome), "client sidecar protocol_error DPE http1.codec_error -> not_tls");
        assert_eq!(layers(&textbook, 2), "", "nothing leaves the pod");
    }
}

#[test]
fn c33_a_port_that_says_nothing_is_opaque() {
    let accounts = both("STRICT", "client", 81, AppProtocol::Http, Speaks::Http);
    let offered = accounts.each_ref().map(|account| leg(account, 2).tls[0].alpn_offered.join(","));
    assert_eq!(offered, ["istio-peer-exchange", "istio-http/1.1,istio,http/1.1"]);
    assert_eq!(accounts.each_ref().map(|account| account.outcome.details.as_str()), ["-", "via_upstream"]);
}

#[test]
fn c37_foreign_tls_under_strict_finds_no_chain() {
    let seen = briefs(&both("STRICT", "outsider", 82, AppProtocol::Https, HTTPS));
    assert_eq!(seen, [NO_CHAIN, "client app tls_handshake_failed - - -> unknown_issuer"]);
}

#[test]
fn c38_foreign_tls_under_permissive_passes_to_an_http_port_too() {
    assert_eq!(briefs(&both("PERMISSIVE", "outsider", 82, AppProtocol::Https, HTTPS)), ["200", "200"]);
    assert_eq!(briefs(&both("PERMISSIVE", "outsider", 80, AppProtocol::Https, HTTPS)), ["200", NO_CHAIN]);
}

#[test]
fn c48_app_tls_to_a_plaintext_app_fails_in_both() {
    let refused = "client app tls_handshake_failed - - -> not_tls";
    assert_eq!(briefs(&both("STRICT", "client", 82, AppProtocol::Https, Speaks::Http)), [refused, refused]);
}
