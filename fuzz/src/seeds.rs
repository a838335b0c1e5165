//! Inputs to start from, made by the programs that make them in earnest.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use envoy_api::{DiscoveryResponse, Resource};
use mesh::{
    SourceFile,
    compile::{Placement, compile},
    model::{Flavor, Mesh},
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};

use crate::conversation::{END_OF_KEYS, control};

/// ClientHellos of rustls, alone and before other bytes.
pub fn client_hellos() -> Vec<Vec<u8>> {
    let names = ["server.default.svc.cluster.local", "outbound_.8080_._.server.default.svc.cluster.local"];
    let protocols: [&[&str]; 3] = [&[], &["h2", "http/1.1"], &["istio-http/1.1", "istio", "http/1.1"]];
    let mut seeds = vec![b"GET / HTTP/1.1\r\n".to_vec(), vec![0x15, 3, 1, 0, 2, 1, 0]];
    for name in names {
        for alpn in protocols {
            let hello = client_hello(name, alpn);
            seeds.push([&hello[..], b"more"].concat());
            seeds.push(hello);
        }
    }
    seeds
}

fn client_hello(name: &str, alpn: &[&str]) -> Vec<u8> {
    let mut config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("the seeds' names are DNS names");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("the configuration is complete");
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).expect("a vector takes any number of bytes");
    bytes
}

/// Requests: bodies of either kind, pipelining, upgrades, folded lines.
pub fn requests() -> Vec<Vec<u8>> {
    let texts = [
        "GET /a?b=c HTTP/1.1\r\nHost: server:8080\r\n\r\nGET /d HTTP/1.1\r\nHost: server\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: server\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: server\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nTrailer: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw",
        "CONNECT server:443 HTTP/1.1\r\nHost: server:443\r\n\r\nraw",
        "OPTIONS * HTTP/1.1\r\nHost: server\r\nX: a\r\n b\r\n\r\n",
        "GET http://server:8080/x HTTP/1.0\n\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: server\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// Responses: every way in which a body ends, and interim responses.
pub fn responses() -> Vec<Vec<u8>> {
    let texts = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// The files of every sidecar in two scenarios, each as it is written and each of its resources alone.
pub fn envoy_files() -> Vec<Vec<u8>> {
    let placement = Placement::in_folder("/etc/sidecar");
    let mut seeds = vec![];
    for scenario in ["routing", "authorization"] {
        let text = fs::read_to_string(scenarios().join(scenario).join("manifests.yaml")).expect("the scenario exists");
        let file = SourceFile { name: "manifests.yaml".into(), text };
        let (resolved, _) = lab::manifests::resolve(&[file]).expect("the scenario's manifests are valid");
        let mesh = Mesh::new(resolved, Flavor::Istio);
        let config = compile(&mesh, 0, &placement);
        seeds.extend(config.files(&[]).into_iter().map(|(_, text)| text.into_bytes()));
        seeds.extend(config.listeners.into_iter().map(|listener| alone(Resource::Listener(listener))));
        seeds.extend(config.clusters.into_iter().map(|cluster| alone(Resource::Cluster(cluster))));
    }
    seeds
}

fn alone(resource: Resource) -> Vec<u8> {
    let response = DiscoveryResponse { version_info: "1".into(), resources: vec![resource] };
    serde_json::to_vec(&response).expect("what is compiled can be written")
}

/// A format with commands of each kind, and lines of a log.
pub fn access_logs() -> Vec<Vec<u8>> {
    let texts = [
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS%\n",
        "%RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %REQUESTED_SERVER_NAME%",
        "[2026-01-01T00:00:00.000Z] \"GET / HTTP/1.1\" 503 UF,URX upstream_reset_before_response_started{connection_failure} - \"-\" 0 91 5 - \"-\"",
        r#"{"start_time":"2026-01-01T00:00:00.000Z","response_code":503,"response_flags":"UF,URX","response_code_details":"a{b}"}"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// HTTP/1, HTTP/2 and TLS in both directions, with segments that are lost or sent again.
pub fn conversations() -> Vec<Vec<u8>> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const REQUEST: &[u8] = &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];
    const RESPONSE: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
    let hello = client_hello("server.default.svc.cluster.local", &["h2"]);
    let (first, second) = hello.split_at(hello.len().min(200));
    let server = control::FROM_SERVER;
    let talks: [&[(u8, &[u8])]; 4] = [
        &[
            (0, &requests()[0]),
            (server | control::AGAIN, &responses()[0]),
            (control::FIN, b""),
            (server | control::FIN, b""),
        ],
        &[(0, PREFACE), (0, SETTINGS), (0, REQUEST), (server, SETTINGS), (server, RESPONSE)],
        &[(0, first), (control::LOST, second), (server, &[0x15, 3, 3, 0, 2, 2, 40])],
        &[(server, b"220 mail ready\r\n"), (0, b"EHLO client\r\n"), (control::AGAIN, b"QUIT\r\n")],
    ];
    let keys = b"CLIENT_RANDOM 0000000000000000000000000000000000000000000000000000000000000000 00";
    let mut seeds = Vec::new();
    for talk in talks {
        let mut bytes = [&keys[..], END_OF_KEYS].concat();
        for (control, payload) in talk {
            for part in payload.chunks(255) {
                bytes.extend([*control, u8::try_from(part.len()).expect("at most 255")]);
                bytes.extend(part);
            }
        }
        seeds.push(bytes);
    }
    seeds
}

/// A capture with a block of each type that is read.
pub fn captures() -> Vec<Vec<u8>> {
    let block = |kind: u32, body: &[u8]| {
        let length = u32::try_from(12 + body.len()).expect("seeds are short");
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), body, &length.to_le_bytes()].concat()
    };
    let section = [&0x1A2B_3C4D_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let interface = [1, 0, 0, 0, 0, 0, 4, 0];
    let secrets = [&0x544c_534b_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"A B\n"].concat();
    let packet = [&[0; 12][..], &16_u32.to_le_bytes(), &16_u32.to_le_bytes(), &[2; 16]].concat();
    vec![[block(0x0A0D_0D0A, &section), block(1, &interface), block(10, &secrets), block(6, &packet)].concat()]
}

/// The manifests of this project's scenarios.
pub fn manifests() -> Vec<Vec<u8>> {
    let folders = fs::read_dir(scenarios()).into_iter().flatten().flatten();
    let mut paths: Vec<_> =
        folders.map(|folder| folder.path().join("manifests.yaml")).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}
