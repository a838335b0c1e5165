//! Misbehaving upstreams: what the client receives, whether its connection continues, and the log entry.
//!
//! A row is `name | method | how the upstream ends (keep, fin, rst) | its bytes`; the method POST sends a body of 5 MB, which
//! the upstream does not read.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::{
    compare::{Facts, compare, on_lanes},
    http1::{answers, behind, listeners, port},
    planes::{Kind, Plane, lines_of},
    rows::{self, Row},
    support::{loopback, tcp::reset},
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

fn play(kind: Kind, envoy: &Path, rows: &[Row], patience: Patience) -> Vec<Facts> {
    let ip = loopback();
    let scripts: Vec<Arc<Mutex<Script>>> = (0..LANES).map(|lane| serve(behind(ip, lane))).collect();
    let plane = Plane::start(kind, envoy, |address, log| listeners(address, log, LANES, ip));
    let played = on_lanes(LANES, rows, |lane, _, row| {
        let [method, end, bytes] = &row.columns[..] else { panic!("{}: three columns", row.name) };
        let is_post = method == "POST";
        *scripts[lane].lock().unwrap() = Script { parts: rows::parts(bytes), end: end.trim().into() };
        let address = SocketAddr::new(plane.ip, port(lane));
        let mut request = format!("{method} /x HTTP/1.1\r\nHost: server\r\n");
        if is_post {
            request += &format!("Content-Length: {BODY}\r\n");
        }
        let mut request = (request + "\r\n").into_bytes();
        if is_post {
            request.resize(request.len() + BODY, b'x');
        }
        let heard = wire::talk(address, &[request], patience);
        let next = wire::talk(
            address,
            &[b"GET /next HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n".to_vec()],
            patience,
        );
        (heard, next, is_post)
    });
    let log = plane.end();
    let facts = played.into_iter().map(|(heard, next, is_post)| -> Facts {
        let (mut answer, mut log) = (answers(&heard.bytes), lines_of(&log, &heard).join(" & "));
        if is_post {
            // How much of a large body is read depends on buffers, and so does whether the unread rest closes or resets the connection.
            answer = answer.replace("connection: close; ", "");
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

/// An app that handles a first request according to its script, and answers `/next` normally.
fn serve(address: SocketAddr) -> Arc<Mutex<Script>> {
    let listener = TcpListener::bind(address).unwrap();
    let script = Arc::<Mutex<Script>>::default();
    let own = script.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let script = own.clone();
            thread::spawn(move || answer_all(stream.unwrap(), &script));
        }
    });
    script
}

fn answer_all(mut stream: TcpStream, script: &Mutex<Script>) {
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
        let Script { parts, end } = script.lock().unwrap().clone();
        if head.windows(6).any(|window| window == b" /next") {
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext").is_err() {
                return;
            }
            head.clear();
            continue;
        }
        head.clear();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                thread::sleep(Duration::from_millis(if parts.len() > 20 { 3 } else { 150 }));
            }
            if stream.write_all(part).is_err() {
                return;
            }
        }
        match end.as_str() {
            "rst" => {
                thread::sleep(Duration::from_millis(150));
                return reset(stream);
            }
            "fin" => return,
            _ => {}
        }
    }
}
