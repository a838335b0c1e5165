//! A strict minimal app, which records what it receives.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use crate::{
    support::LONG,
    wire::{short, text},
};

/// What an app has received.
pub(crate) struct App {
    state: Mutex<State>,
    changed: Condvar,
    address: SocketAddr,
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    /// The bytes that it has received, of all connections.
    received: Vec<u8>,
    /// How many connections are open.
    open: usize,
    /// Whether the connection that [`App::seen`] makes was accepted.
    last: bool,
    /// Why it no longer accepts connections.
    failure: Option<String>,
}

/// The first byte of the connection that is made last.
const LAST: u8 = 0xff;

impl App {
    /// Serves `ok` to each request, N bytes to `/bytes/N`, and nothing to `/hold`.
    pub(crate) fn serve(address: SocketAddr) -> Arc<Self> {
        let listener = TcpListener::bind(address).unwrap();
        let app = Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), address });
        let own = app.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = match stream {
                    Ok(stream) => stream,
                    Err(error) => return own.change(|state| state.failure = Some(error.to_string())),
                };
                own.change(|state| state.open += 1);
                let app = own.clone();
                thread::spawn(move || {
                    app.answer_all(&stream);
                    app.change(|state| state.open -= 1);
                });
            }
        });
        app
    }

    /// All that it has received, once every connection has ended: those of a data plane that has.
    pub(crate) fn seen(&self) -> Vec<String> {
        // Connections are accepted in their order, so none is missing once this one is there.
        let last = TcpStream::connect(self.address).and_then(|mut last| last.write_all(&[LAST]));
        self.wait("the end of its connections", |state| last.is_ok() && state.last && state.open == 0)
            .unwrap()
            .seen
            .clone()
    }

    /// Waits until it has received a text.
    ///
    /// # Errors
    ///
    /// If it does not receive it within [`LONG`].
    pub(crate) fn wait_for(&self, text: &str) -> Result<(), String> {
        self.wait(text, |state| state.received.windows(text.len()).any(|window| window == text.as_bytes())).map(drop)
    }

    fn wait(&self, what: &str, is_there: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>, String> {
        let state = self.state.lock().unwrap();
        let goes_on = |state: &mut State| state.failure.is_none() && !is_there(state);
        let (state, _) = self.changed.wait_timeout_while(state, LONG, goes_on).unwrap();
        if is_there(&state) { Ok(state) } else { Err(format!("the app waits for {what}: {:?}", state.failure)) }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn note(&self, what: String) {
        self.change(|state| state.seen.push(what));
    }

    fn answer_all(&self, mut stream: &TcpStream) {
        let mut buffer = Vec::new();
        while let Some(request) = self.read_request(stream, &mut buffer) {
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            self.note(request);
            if path == "/hold" {
                continue;
            }
            let body = path.strip_prefix("/bytes/").and_then(|count| count.parse().ok());
            let body = body.map_or_else(|| b"ok".to_vec(), |count| vec![b'x'; count]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            if stream.write_all(&[head.into_bytes(), body].concat()).is_err() {
                break;
            }
        }
        if buffer == [LAST] {
            self.change(|state| state.last = true);
        } else if !buffer.is_empty() {
            self.note(format!("cut: {}", text(&buffer)));
        }
    }

    /// A request in the recorded form; `None` at the end, or if it is incomplete.
    fn read_request(&self, stream: &TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
        let line = |buffer: &mut Vec<u8>, end: &[u8]| -> Option<Vec<u8>> {
            loop {
                if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
                    let line = buffer[..at].to_vec();
                    buffer.drain(..at + end.len());
                    return Some(line);
                }
                self.more(stream, buffer)?;
            }
        };
        let head = line(buffer, b"\r\n\r\n")?;
        let head = text(&head);
        let lower = head.to_ascii_lowercase();
        let mut body = Vec::new();
        if lower.contains("\r\ntransfer-encoding: chunked") {
            loop {
                let size = usize::from_str_radix(&text(&line(buffer, b"\r\n")?), 16).ok()?;
                while buffer.len() < size + 2 {
                    self.more(stream, buffer)?;
                }
                body.extend(buffer.drain(..size));
                buffer.drain(..2);
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        {
            while buffer.len() < length {
                let before = buffer.len();
                if self.more(stream, buffer).is_none() {
                    let cut = text(buffer);
                    buffer.clear();
                    buffer.extend(format!("{before} of {length} bytes: {cut}").into_bytes());
                    return None;
                }
            }
            body.extend(buffer.drain(..length));
        }
        Some(format!("{} [{}]", normalized(&head), short(&text(&body))))
    }

    fn more(&self, mut stream: &TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
        let mut bytes = [0; 16 * 1024];
        match stream.read(&mut bytes) {
            Ok(count @ 1..) => {
                buffer.extend_from_slice(&bytes[..count]);
                self.change(|state| state.received.extend_from_slice(&bytes[..count]));
                Some(())
            }
            _ => None,
        }
    }
}

/// A head with its lines sorted.
pub(crate) fn normalized(head: &str) -> String {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let changing = |line: &str| {
        let line = line.to_owned();
        let (name, _) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "date" if line.ends_with("GMT") => "date: now".into(),
            "x-envoy-upstream-service-time" => "x-envoy-upstream-service-time: some".into(),
            "x-request-id" if line.len() == "x-request-id: ".len() + 36 => "x-request-id: some".into(),
            _ => line,
        }
    };
    let rest: BTreeSet<String> = lines.map(changing).collect();
    [vec![first.to_owned()], rest.into_iter().collect()].concat().join("; ")
}
