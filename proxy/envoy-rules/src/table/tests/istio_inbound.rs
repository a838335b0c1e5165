//! The chains that Istio generates for an inbound port (`pilot/pkg/networking/core/filterchain_options.go`), and which of them
//! each kind of connection matches.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    Match,
    Stage::{ApplicationProtocol, TransportProtocol},
    Transport,
    testing::{Incoming, none, raw, table, tls},
};

const MTLS_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
const MTLS_TCP: &[&str] = &["istio-peer-exchange", "istio"];
const MTLS_ALL: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2", "istio-peer-exchange", "istio"];
const PLAIN_HTTP: &[&str] = &["http/1.1", "h2c"];
const ANY: &[&str] = &[];

/// How a connection is processed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// mTLS is terminated, HTTP inside.
    MtlsHttp,
    /// mTLS is terminated, TCP inside.
    MtlsTcp,
    /// Plaintext HTTP.
    Http,
    /// Opaque TCP.
    Tcp,
    /// No chain, because plaintext is not accepted.
    NoPlaintext,
    /// No chain, because TLS lacks Istio's ALPN.
    NoForeignTls,
}
use Fate::{Http, MtlsHttp, MtlsTcp, NoForeignTls, NoPlaintext, Tcp};

/// A chain: transport protocol, application protocols, and how it processes connections.
type Chain = (&'static str, &'static [&'static str], Fate);

/// Kinds of connections, as detected by the inspectors.
fn connections() -> [(&'static str, Incoming); 9] {
    [
        ("plain http/1.1", raw(&["http/1.1"])),
        ("plain h2", raw(&["h2c"])),
        ("plain tcp", raw(&[])),
        ("mesh http/1.1", tls(&["istio-http/1.1", "istio", "http/1.1"])),
        ("mesh h2", tls(&["istio-h2", "istio", "h2"])),
        ("mesh tcp", tls(&["istio-peer-exchange", "istio"])),
        ("mesh tcp of an http/2 cluster", tls(&["istio-peer-exchange", "istio", "h2"])),
        ("https", tls(&["h2", "http/1.1"])),
        ("tls without alpn", tls(&[])),
    ]
}

#[track_caller]
fn check(chains: &[Chain], expected: [Fate; 9]) {
    let matcher = |(transport, protocols, _): &Chain| -> Value {
        json!({"destination_port": 8080, "transport_protocol": transport, "application_protocols": protocols})
    };
    // A catch-all chain for any port, which must never match.
    let matches: Vec<Value> = chains.iter().map(matcher).chain([json!({})]).collect();
    let table = table(&matches);
    for ((kind, connection), expected) in connections().into_iter().zip(expected) {
        let found = connection.meets(&table);
        match (expected, found) {
            (NoPlaintext, _) => assert_eq!(found, none(TransportProtocol), "{kind}"),
            (NoForeignTls, _) => assert_eq!(found, none(ApplicationProtocol), "{kind}"),
            (_, Match::Chain(index)) => assert_eq!(chains[index].2, expected, "{kind}"),
            _ => panic!("{kind}: {found:?}"),
        }
    }
}

#[test]
fn a_strict_tcp_port_terminates_all_tls_and_has_no_chain_for_plaintext() {
    check(
        &[("tls", ANY, MtlsTcp)],
        [NoPlaintext, NoPlaintext, NoPlaintext, MtlsTcp, MtlsTcp, MtlsTcp, MtlsTcp, MtlsTcp, MtlsTcp],
    );
}

#[test]
fn a_strict_http_port_terminates_all_tls_and_has_no_chain_for_plaintext() {
    check(
        &[("tls", ANY, MtlsHttp)],
        [NoPlaintext, NoPlaintext, NoPlaintext, MtlsHttp, MtlsHttp, MtlsHttp, MtlsHttp, MtlsHttp, MtlsHttp],
    );
}

#[test]
fn a_strict_auto_port_distinguishes_http_from_tcp_by_the_mesh_alpn() {
    check(
        &[("tls", MTLS_HTTP, MtlsHttp), ("tls", ANY, MtlsTcp)],
        [NoPlaintext, NoPlaintext, NoPlaintext, MtlsHttp, MtlsHttp, MtlsTcp, MtlsTcp, MtlsTcp, MtlsTcp],
    );
}

#[test]
fn a_permissive_tcp_port_relays_everything_that_is_not_from_the_mesh() {
    check(
        &[("tls", MTLS_ALL, MtlsTcp), ("tls", ANY, Tcp), ("raw_buffer", ANY, Tcp)],
        [Tcp, Tcp, Tcp, MtlsTcp, MtlsTcp, MtlsTcp, MtlsTcp, Tcp, Tcp],
    );
}

#[test]
fn a_permissive_http_port_has_no_chain_for_foreign_tls() {
    check(
        &[("tls", MTLS_ALL, MtlsHttp), ("raw_buffer", ANY, Http)],
        [Http, Http, Http, MtlsHttp, MtlsHttp, MtlsHttp, MtlsHttp, NoForeignTls, NoForeignTls],
    );
}

#[test]
fn a_permissive_auto_port_has_a_chain_for_everything() {
    check(
        &[
            ("tls", MTLS_HTTP, MtlsHttp),
            ("raw_buffer", PLAIN_HTTP, Http),
            ("tls", MTLS_TCP, MtlsTcp),
            ("raw_buffer", ANY, Tcp),
            ("tls", ANY, Tcp),
        ],
        [Http, Http, Tcp, MtlsHttp, MtlsHttp, MtlsTcp, MtlsTcp, Tcp, Tcp],
    );
}

/// The same connections without the TLS inspector, for which TLS is opaque TCP.
fn uninspected() -> [(&'static str, Incoming); 9] {
    connections().map(|(kind, connection)| match connection.transport {
        Transport::Tls => (kind, raw(&[])),
        Transport::RawBuffer => (kind, connection),
    })
}

#[test]
fn disabled_ports_match_tls_with_the_chains_for_plaintext() {
    let declared = table(&[json!({"transport_protocol": "raw_buffer"})]);
    let auto = table(&[
        json!({"transport_protocol": "raw_buffer", "application_protocols": PLAIN_HTTP}),
        json!({"transport_protocol": "raw_buffer"}),
    ]);
    for (kind, connection) in uninspected() {
        let is_http = kind.starts_with("plain h");
        assert_eq!(connection.meets(&declared), Match::Chain(0), "{kind}");
        assert_eq!(connection.meets(&auto), Match::Chain(usize::from(!is_http)), "{kind}");
    }
}
