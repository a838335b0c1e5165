//! Misbehaving upstreams: what the client receives, whether its connection continues, and the log entry.
//!
//! A row is `name | method | how the upstream ends (keep, fin, rst) | its bytes`; the method POST sends a body of 5 MB, which
//! the upstream does not read.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use crate::{
    compare::{Facts, compare, on_lanes},
    http1::{answers, behind, listeners, port},
    planes::{Kind, Plane, lines_of},
    rows::{self, Row},
    support::{
        loopback,
        tcp::{self, reset},
    },
    wire::{self, Patience, short},
};

const LANES: usize = 8;
const BODY: usize = 5_000_000;

#[test]
fn misbehaving_upstreams_have_the_same_effects_as_in_envoy() {
    compare("upstream", include_str!("upstream.rows"), play);
}

/// How an upstream handles a request: the bytes that it sends, in parts, and how it ends.
#[derive(Clone, Debug, Default)]
struct Script {
    parts: Vec<Vec<u8>>,
    end: String,
}

impl Script {
    fn of(row: &Row) -> Self {
        let [_, end, bytes] = &row.columns[..] else { panic!("{}: three columns", row.name) };
        Self { parts: rows::parts(bytes), end: end.trim().into() }
    }
}

fn play(kind: Kind, envoy: &Path, rows: &[Row], patience: Patience) -> Vec<Facts> {
    let ip = loopback();
    rows.iter().enumerate().for_each(|(number, row)| serve(behind(ip, number), &Script::of(row)));
    let plane = Plane::start(kind, envoy, |address, log| listeners(address, log, rows.len(), ip));
    let played = on_lanes(LANES, rows, |row, number| {
        let (method, address) = (&row.columns[0], SocketAddr::new(plane.ip, port(number)));
        let is_post = method == "POST";
        let mut request = format!("{method} /x HTTP/1.1\r\nHost: server\r\n");
        if is_post {
            request += &format!("Content-Length: {BODY}\r\n");
        }
        let mut request = (request + "\r\n").into_bytes();
        if is_post {
            request.resize(request.len() + BODY, b'x');
        }
        let heard = wire::talk(address, &[request], patience);
        let next = b"GET /next HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n".to_vec();
        (heard, wire::talk(address, &[next], patience), is_post)
    });
    let log = plane.end();
    let facts = played.into_iter().map(|(heard, next, is_post)| -> Facts {
        let (mut answer, mut log) = (answers(&heard.bytes), lines_of(&log, &heard).join(" & "));
        if is_post {
            // How much of a large body is read depends on buffers, and so does whether the request was complete before the response,
            // and whether the unread rest closes or resets the connection.
            answer = answer.replace("connection: close; ", "").replace("; x-envoy-upstream-service-time: some", "");
            log = log.split(' ').take(7).collect::<Vec<_>>().join(" ");
        }
        vec![
            ("answer", short(&answer)),
            ("end", if is_post { String::new() } else { heard.how.into() }),
            ("log", short(&log)),
            ("next", short(&answers(&next.bytes))),
        ]
    });
    facts.collect()
}

/// An app that handles a first request according to a script, and answers `/next` normally.
fn serve(address: SocketAddr, script: &Script) {
    let script = script.clone();
    tcp::serve(address, move |stream| answer_all(stream, &script));
}

fn answer_all(mut stream: TcpStream, script: &Script) {
    stream.set_nodelay(true).unwrap();
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        if head.windows(6).any(|window| window == b" /next") {
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext").is_err() {
                return;
            }
            head.clear();
            continue;
        }
        head.clear();
        if wire::send(&stream, &script.parts).is_err() {
            return;
        }
        match script.end.as_str() {
            "rst" => {
                wire::pause(); // the parts are to arrive before the reset
                return reset(stream);
            }
            "fin" => return,
            _ => {}
        }
    }
}
