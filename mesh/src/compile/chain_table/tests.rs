use pretty_assertions::assert_eq;

use super::*;
use crate::model::Flavor;

const HTTP_SET: &str = "istio-http/1.0,istio-http/1.1,istio-h2";
const ALL: &str = "istio-http/1.0,istio-http/1.1,istio-h2,istio-peer-exchange,istio";

/// Chains as lines: `TRANSPORT ALPN -> terminate|pass TERMINAL`.
fn table(flavor: Flavor, mode: MtlsMode, class: PortClass) -> Vec<String> {
    let line = |chain: Chain| {
        let alpn = if chain.alpn.is_empty() { "any".into() } else { chain.alpn.join(",") };
        let end = if chain.terminates { "terminate" } else { "pass" };
        format!("{} {alpn} -> {end} {:?}", chain.transport.as_str(), chain.terminal)
    };
    chains(mode, class, &Decisions::of(flavor)).into_iter().map(line).collect()
}

#[test]
fn istio_strict_takes_any_tls_and_no_plaintext() {
    let strict = |class| table(Flavor::Istio, MtlsMode::Strict, class);
    assert_eq!(strict(PortClass::Tcp), ["tls any -> terminate Tcp"]);
    assert_eq!(strict(PortClass::Http), ["tls any -> terminate Http"]);
    assert_eq!(
        strict(PortClass::Detected),
        [format!("tls {HTTP_SET} -> terminate Http"), "tls any -> terminate Tcp".into()]
    );
}

#[test]
fn istio_permissive_tells_mesh_traffic_by_its_alpn() {
    let permissive = |class| table(Flavor::Istio, MtlsMode::Permissive, class);
    assert_eq!(
        permissive(PortClass::Tcp),
        [&format!("tls {ALL} -> terminate Tcp"), "tls any -> pass Tcp", "raw_buffer any -> pass Tcp"]
    );
    assert_eq!(
        permissive(PortClass::Detected),
        [
            &format!("tls {HTTP_SET} -> terminate Http"),
            "raw_buffer http/1.1,h2c -> pass Http",
            "tls istio-peer-exchange,istio -> terminate Tcp",
            "raw_buffer any -> pass Tcp",
            "tls any -> pass Tcp",
        ]
    );
}

#[test]
fn istio_permissive_http_ports_have_no_chain_for_foreign_tls() {
    assert_eq!(
        table(Flavor::Istio, MtlsMode::Permissive, PortClass::Http),
        [&format!("tls {ALL} -> terminate Http"), "raw_buffer any -> pass Http"]
    );
}

#[test]
fn istio_disable_terminates_nothing() {
    let disable = |class| table(Flavor::Istio, MtlsMode::Disable, class);
    assert_eq!(disable(PortClass::Tcp), ["raw_buffer any -> pass Tcp"]);
    assert_eq!(disable(PortClass::Http), ["raw_buffer any -> pass Http"]);
    assert_eq!(disable(PortClass::Detected), ["raw_buffer http/1.1,h2c -> pass Http", "raw_buffer any -> pass Tcp"]);
}

#[test]
fn textbook_strict_has_only_the_chain_with_the_mesh_alpn() {
    let strict = |class| table(Flavor::Textbook, MtlsMode::Strict, class);
    assert_eq!(strict(PortClass::Tcp), ["tls istio-peer-exchange -> terminate Tcp"]);
    assert_eq!(strict(PortClass::Http), ["tls istio-peer-exchange -> terminate Http"]);
}

#[test]
fn textbook_permissive_falls_to_a_passthrough_chain_on_http_ports_too() {
    let permissive = |class| table(Flavor::Textbook, MtlsMode::Permissive, class);
    assert_eq!(
        permissive(PortClass::Tcp),
        ["tls istio-peer-exchange -> terminate Tcp", "tls any -> pass Tcp", "raw_buffer any -> pass Tcp"]
    );
    assert_eq!(
        permissive(PortClass::Http),
        ["tls istio-peer-exchange -> terminate Http", "raw_buffer any -> pass Http", "tls any -> pass Tcp"]
    );
}

#[test]
fn textbook_disable_has_only_raw_buffer_chains() {
    let disable = |class| table(Flavor::Textbook, MtlsMode::Disable, class);
    assert_eq!(disable(PortClass::Tcp), ["raw_buffer any -> pass Tcp"]);
    assert_eq!(disable(PortClass::Http), ["raw_buffer any -> pass Http"]);
}
