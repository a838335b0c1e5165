//! The first bytes of connections: what the TLS inspector detects as a ClientHello, and which filter chain that selects.
//!
//! A row is `name | bytes to send`: `bytes TEXT`, or `hello` with changes to it:
//! `sni=NAME`, `alpn=A,B`, `legacy=HEX` (the version), `versions=HEX`, `session=N`, `suites=HEX`, `compression=HEX`,
//! `pad=N`, `extension=TYPE:HEX`, `without=TYPE`, `after=HEX` (in the message), `kind=N`, `length=N` (of the message),
//! `record=HEX` (its version), `split=N` (bytes a record), `before=TEXT` and `then=TEXT` (around the records).

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    compare::{Facts, compare, on_lanes},
    planes::{ENDS, Kind, Plane, lines_of},
    rows::{self, Row, hex},
    support::{cluster, loopback},
    wire::{self, Patience, short, text},
};

const LANES: usize = 12;
/// The chains, which are also the clusters and what their apps send.
const CHAINS: [&str; 3] = ["istio", "tls", "plain"];
const FORMAT: &str = "%FILTER_CHAIN_NAME% %REQUESTED_SERVER_NAME% %RESPONSE_FLAGS%";

#[test]
fn first_bytes_select_the_same_chain_as_in_envoy() {
    compare("tls", include_str!("tls.rows"), play);
}

fn play(kind: Kind, envoy: &Path, rows: &[Row], patience: Patience) -> Vec<Facts> {
    let ip = loopback();
    let apps: Vec<SocketAddr> = (0..3).map(|i| SocketAddr::new(ip, 20_000 + i)).collect();
    apps.iter().zip(CHAINS).for_each(|(address, name)| serve(*address, name));
    let plane = Plane::start(kind, envoy, |ip, log| resources(ip, log, &apps));
    let address = SocketAddr::new(plane.ip, 10_000);
    let played = on_lanes(LANES, rows, |row, _| wire::talk(address, &parts(&row.columns[0]), patience));
    let log = plane.end();
    let facts = played.into_iter().map(|heard| -> Facts {
        vec![
            ("answer", short(&text(&heard.bytes))),
            ("end", heard.how.into()),
            ("log", short(&lines_of(&log, &heard).join(" & "))),
        ]
    });
    facts.collect()
}

fn resources(ip: std::net::IpAddr, log: &str, apps: &[SocketAddr]) -> Value {
    let chain = |name: &str, matches: Value| {
        json!({"name": name, "filter_chain_match": matches, "filters": [{"name": "tcp", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": name, "cluster": name,
        }}]})
    };
    let clusters = apps.iter().zip(CHAINS).map(|(address, name)| {
        let mut value = cluster(name, *address);
        value.as_object_mut().unwrap().remove("@type");
        value
    });
    json!({
        "listeners": [{
            "name": "l",
            "address": {"socket_address": {"address": ip, "port_value": 10_000}},
            "listener_filters_timeout": "5s",
            "listener_filters": [{"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}],
            "access_log": [{"name": "file", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": log, "log_format": {"text_format_source": {"inline_string": format!("{FORMAT}{ENDS}")}},
            }}],
            "filter_chains": [
                chain("istio", json!({"transport_protocol": "tls", "application_protocols": ["istio-http/1.1", "istio"]})),
                chain("tls", json!({"transport_protocol": "tls"})),
                chain("plain", json!({"transport_protocol": "raw_buffer"})),
            ],
        }],
        "clusters": clusters.collect::<Vec<_>>(),
    })
}

/// An app that sends its name, and then reads.
fn serve(address: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let _ = stream.write_all(name.as_bytes());
                let mut waste = vec![0; 64 * 1024];
                while let Ok(1..) = stream.read(&mut waste) {}
            });
        }
    });
}

/// The bytes of a row.
fn parts(text: &str) -> Vec<Vec<u8>> {
    let (kind, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    match kind {
        "bytes" => rows::parts(rest),
        "hello" => Hello::new(rest).parts(),
        other => panic!("{other:?} is not a kind of opening"),
    }
}

/// The description of a ClientHello.
struct Hello<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Hello<'a> {
    fn new(text: &'a str) -> Self {
        Self(text.split(' ').filter(|word| !word.is_empty()).map(|word| word.split_once('=').unwrap()).collect())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn hex(&self, name: &str, default: &str) -> Vec<u8> {
        hex(self.get(name).unwrap_or(default))
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.get(name).map(|value| value.parse().unwrap())
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        let body = self.body();
        let length = (self.number("length").unwrap_or(body.len()) as u32).to_be_bytes();
        let message = [&[self.number("kind").unwrap_or(1) as u8], &length[1..], &body].concat();
        let version = self.hex("record", "0301");
        let records = message.chunks(self.number("split").unwrap_or(16 * 1024));
        let record = |bytes: &[u8]| [&[22][..], &version, &(bytes.len() as u16).to_be_bytes(), bytes].concat();
        let mut all = rows::parts(self.get("before").unwrap_or(""));
        all.last_mut().unwrap().extend(records.flat_map(record));
        let then = rows::parts(self.get("then").unwrap_or(""));
        all.last_mut().unwrap().extend(&then[0]);
        all.extend_from_slice(&then[1..]);
        match self.number("cut") {
            Some(count) => vec![all.concat()[..count].to_vec()],
            None => all,
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut out = self.hex("legacy", "0303");
        out.extend([7; 32]);
        out.extend(vec8(&vec![9; self.number("session").unwrap_or(32)]));
        out.extend(vec16(&self.hex("suites", "130113021303c02bc02f")));
        out.extend(vec8(&self.hex("compression", "00")));
        if self.get("extensions") != Some("none") {
            out.extend(vec16(&self.extensions()));
        }
        out.extend(self.hex("after", ""));
        out
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all: Vec<(u16, Vec<u8>)> = Vec::new();
        let name = rows::bytes(self.get("sni").unwrap_or("server.example"));
        all.push((0, vec16(&[&[0][..], &vec16(&name)].concat())));
        let protocols = self.get("alpn").unwrap_or("istio-http/1.1,istio,http/1.1");
        let protocols: Vec<u8> = protocols.split(',').flat_map(|protocol| vec8(&rows::bytes(protocol))).collect();
        all.push((16, vec16(&protocols)));
        all.push((10, vec16(&hex("001d0017"))));
        all.push((13, vec16(&hex("0403080404010503"))));
        all.push((43, vec8(&self.hex("versions", "03040303"))));
        all.push((51, vec16(&[&hex("001d")[..], &vec16(&[5; 32])].concat())));
        if let Some(count) = self.number("pad") {
            all.push((21, vec![0; count]));
        }
        let numbers = |name: &'a str| self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value);
        for without in numbers("without") {
            all.retain(|(kind, _)| kind.to_string() != without);
        }
        for extension in numbers("extension") {
            let (kind, body) = extension.split_once(':').unwrap();
            all.push((kind.parse().unwrap(), hex(body)));
        }
        for i in 0..self.number("many").unwrap_or(0) {
            all.push((10_000 + i as u16, vec![1, 2]));
        }
        all.iter().flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &vec16(body)].concat()).collect()
    }
}

fn vec8(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8], bytes].concat()
}

fn vec16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}
