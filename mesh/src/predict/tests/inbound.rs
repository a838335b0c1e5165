//! Connections of every kind to the inbound listener, in every mode: the table of Istio's `TestInbound`.

use super::*;
use Fate::{BadMtls, BadProtocol, Cluster, NoChain};

/// What comes of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// It goes to that cluster.
    Cluster(&'static str),
    /// No filter chain.
    NoChain,
    /// TLS that the sidecar ends, and a client without a certificate of the mesh.
    BadMtls,
    /// No HTTP for the connection manager.
    BadProtocol,
}

const TCP: Fate = Cluster("inbound|70||");
const HTTP: Fate = Cluster("inbound|80||");
const AUTO: Fate = Cluster("inbound|81||");
const ELSEWHERE: Fate = Cluster("InboundPassthroughCluster");

/// A client without a sidecar's TLS: its protocols, and its certificate's SPIFFE ID.
pub(super) fn hello(alpn: &[&str], uri: Option<&str>) -> Sent {
    let certificate = uri.map(Certificate::of_mesh);
    let alpn = alpn.iter().map(ToString::to_string).collect();
    Sent::Tls(Hello { server_name: None, alpn, certificate, check: Check::default(), latest: TlsProtocol::V1_3 })
}

fn request(version: Version) -> Sent {
    Sent::Http(version, Request::new("foo", "/", None))
}

const CLIENT: Option<&str> = Some("spiffe://cluster.local/ns/default/sa/client");

/// A kind of connection, and what is sent on it.
pub(super) fn connection(kind: &str) -> Vec<Sent> {
    match kind {
        "tcp" => vec![Sent::Bytes],
        "http" => vec![request(Version::Http1)],
        "http2" => vec![request(Version::Http2)],
        "tls" => vec![hello(&[], None), Sent::Bytes],
        "https" => vec![hello(&["http/1.1"], None), request(Version::Http1)],
        "mtls tcp" => vec![hello(&["istio"], CLIENT), Sent::Bytes],
        "mtls http" => vec![hello(&["istio-http/1.1"], CLIENT), request(Version::Http1)],
        _ => unreachable!("{kind}"),
    }
}

/// What comes of a connection to a port of `server`.
pub(super) fn fate(mesh: &Mesh, port: u16, sent: &[Sent]) -> String {
    let server = mesh.pod("server", "default").expect("the server");
    let world = World::of_mesh(mesh);
    let server_app = |_: Option<usize>, _: u16| (ServerApp::default(), AppTls::unknown(Authority::Apps));
    let mut simulation = Simulation {
        world: &world,
        server_app: &server_app,
        subset: None,
        picks: Picks::default(),
        trace: Trace::default(),
    };
    let destination = (mesh.pods[server].ips.v4, port).into();
    let arrival = Arrival { destination, source: IpAddr::from([10, 244, 9, 9]) };
    simulation.enter(server, 15006, Role::Server, arrival, sent).expect("a listener");
    let trace = simulation.trace;
    match trace.refusal {
        Some((Party::ServerSidecar, Reason::NoFilterChainMatch)) => format!("{NoChain:?}"),
        Some((Party::ServerSidecar, Reason::TlsHandshakeFailed)) => format!("{BadMtls:?}"),
        Some((Party::ServerSidecar, Reason::ProtocolError)) => format!("{BadProtocol:?}"),
        _ => {
            let cluster = choice(&trace.steps, Party::ServerSidecar, Decision::Cluster).expect("a cluster");
            format!("Cluster({cluster:?})")
        }
    }
}

/// Kind, port, and the fates under DISABLE, PERMISSIVE and STRICT.
type Row = (&'static str, u16, [Fate; 3]);

const ROWS: &[Row] = &[
    ("tcp", 70, [TCP, TCP, NoChain]),
    ("http", 70, [TCP, TCP, NoChain]),
    ("tls", 70, [TCP, TCP, BadMtls]),
    ("https", 70, [TCP, TCP, BadMtls]),
    ("mtls tcp", 70, [TCP, TCP, TCP]),
    ("mtls http", 70, [TCP, TCP, TCP]),
    ("http", 80, [HTTP, HTTP, NoChain]),
    ("tls", 80, [BadProtocol, NoChain, BadMtls]),
    ("https", 80, [BadProtocol, NoChain, BadMtls]),
    ("mtls http", 80, [BadProtocol, HTTP, HTTP]),
    ("tcp", 80, [BadProtocol, BadProtocol, NoChain]),
    ("http", 81, [AUTO, AUTO, NoChain]),
    ("http2", 81, [AUTO, AUTO, NoChain]),
    ("tcp", 81, [AUTO, AUTO, NoChain]),
    ("tls", 81, [AUTO, AUTO, BadMtls]),
    ("https", 81, [AUTO, AUTO, BadMtls]),
    ("mtls tcp", 81, [AUTO, AUTO, AUTO]),
    ("mtls http", 81, [AUTO, AUTO, AUTO]),
    ("http", 99, [ELSEWHERE, ELSEWHERE, NoChain]),
    ("tcp", 99, [ELSEWHERE, ELSEWHERE, NoChain]),
    ("tls", 99, [ELSEWHERE, ELSEWHERE, BadMtls]),
    ("https", 99, [ELSEWHERE, ELSEWHERE, BadMtls]),
    ("mtls http", 99, [ELSEWHERE, ELSEWHERE, ELSEWHERE]),
];

#[test]
fn every_kind_of_connection_meets_its_fate_in_every_mode() {
    for (column, mode) in ["DISABLE", "PERMISSIVE", "STRICT"].into_iter().enumerate() {
        let mesh = istio(mode);
        for (kind, port, fates) in ROWS {
            assert_eq!(
                fate(&mesh, *port, &connection(kind)),
                format!("{:?}", fates[column]),
                "{kind} to {port}, {mode}"
            );
        }
    }
}

#[test]
fn no_row_of_the_table_stands_there_twice() {
    for (index, (kind, port, _)) in ROWS.iter().enumerate() {
        assert!(!ROWS[..index].iter().any(|(other, at, _)| other == kind && at == port), "{kind} to {port}");
    }
}

#[test]
fn a_connection_to_the_inbound_port_itself_falls_into_the_black_hole() {
    assert_eq!(fate(&istio("PERMISSIVE"), 15006, &connection("tcp")), format!("{:?}", Cluster("BlackHoleCluster")));
}

#[test]
fn a_client_of_a_foreign_trust_domain_is_refused() {
    let foreign = hello(&["istio"], Some("spiffe://elsewhere/ns/default/sa/client"));
    assert_eq!(fate(&istio("STRICT"), 70, &[foreign, Sent::Bytes]), format!("{BadMtls:?}"));
}
