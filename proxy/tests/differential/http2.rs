//! Hostile and unusual HTTP/2: responses, whether the connection goes on, what the upstream receives, and the log entries of responses.
//!
//! How a refusal is announced is not compared: by which code of RST_STREAM or GOAWAY, or by the end of the connection alone, by FIN or
//! RST, and whether a request that got no response has an entry in the log. That is a matter of the HTTP/2 libraries, and not even
//! the same in two versions of Envoy.
//!
//! A row is `name | frames | options`: the frames, after a preface and SETTINGS, are in the syntax of frames.rs. The options are
//! separated by spaces: `N=V`, a setting; `mute`, to read nothing until all is sent; `bare`, to send the frames alone.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    app::App,
    compare::{Facts, compare},
    frames::{self, Frame, PREFACE, Part},
    http1::play_rows,
    planes::{Kind, lines_of},
    rows::Row,
    support::LONG,
    wire::{self, Heard, Patience, short, text},
};

/// How many entries of a connection are shown.
const SHOWN: usize = 6;

#[test]
fn http2_frames_have_the_same_effects_as_in_envoy() {
    compare("http2", include_str!("http2.rows"), play);
}

/// How much of a flood is taken, and whether the connection ends, depends on the time.
#[test]
fn after_a_flood_of_http2_frames_another_client_is_served() {
    compare("floods", include_str!("floods.rows"), play_floods);
}

/// The options of a row.
#[derive(Default)]
struct Options {
    settings: Vec<u8>,
    mute: bool,
    bare: bool,
}

fn options(row: &Row) -> Options {
    let mut options = Options::default();
    for word in row.columns.get(1).map_or("", String::as_str).split(' ').filter(|word| !word.is_empty()) {
        match word {
            "mute" => options.mute = true,
            "bare" => options.bare = true,
            setting => {
                let (name, value) = setting.split_once('=').unwrap_or_else(|| panic!("{}: {setting}", row.name));
                options.settings.extend(name.parse::<u16>().unwrap().to_be_bytes());
                options.settings.extend(value.parse::<u32>().unwrap().to_be_bytes());
            }
        }
    }
    options
}

fn play(kind: Kind, envoy: &Path, rows: &[Row], patience: Patience) -> Vec<Facts> {
    let (heard, seen, log) = play_rows(kind, envoy, rows, |address, row, app| talk(address, row, app, patience));
    let facts = heard.into_iter().zip(seen).map(|(heard, mut seen)| -> Facts {
        let received = Received::new(heard.bytes.clone());
        let connection = if heard.how.starts_with("waits") && !received.is_over { "goes on" } else { "ends" };
        let mut lines = lines_of(&log, &heard);
        lines.retain(|line| !line.contains(" HTTP/2 0 "));
        lines.sort();
        seen.sort();
        vec![
            ("responses", short(&received.responses.values().map(String::as_str).collect::<Vec<_>>().join("; "))),
            ("connection", connection.into()),
            ("upstream", some(&seen)),
            ("log", some(&lines)),
        ]
    });
    facts.collect()
}

fn play_floods(kind: Kind, envoy: &Path, rows: &[Row], patience: Patience) -> Vec<Facts> {
    let (statuses, _, _) = play_rows(kind, envoy, rows, |address, row, app| {
        talk(address, row, app, patience);
        let request = b"GET /x HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n".to_vec();
        let answer = wire::talk(address, &[request], Patience { answer: LONG, ..Patience::LONG });
        text(&answer.bytes).lines().next().unwrap_or_default().to_owned()
    });
    statuses.into_iter().map(|status| vec![("another client", status)]).collect()
}

/// The first of some entries, and how many there are.
fn some(all: &[String]) -> String {
    let first = all.iter().take(SHOWN).map(|one| short(one)).collect::<Vec<_>>().join(" & ");
    if all.len() > SHOWN { format!("{SHOWN} of {}: {first}", all.len()) } else { first }
}

/// Sends a row's frames, while another thread reads.
fn talk(address: SocketAddr, row: &Row, app: &App, patience: Patience) -> Heard {
    let options = options(row);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let (client, sent) = (stream.local_addr().unwrap(), AtomicBool::new(false));
    let settings = frames::written(4, 0, 0, options.settings.len() as u32, &options.settings);
    let begin = (!options.bare).then(|| Part::Bytes([PREFACE, &settings].concat()));
    let parts: Vec<Part> = begin.into_iter().chain(frames::parts(&row.columns[0])).collect();
    let write = || {
        let result = send(&stream, &parts, app);
        sent.store(true, Ordering::SeqCst);
        result
    };
    let read = || read(&stream, &sent, patience);
    let (result, (bytes, how)) = if options.mute {
        (write(), read())
    } else {
        thread::scope(|scope| {
            let reader = scope.spawn(read);
            (write(), reader.join().unwrap())
        })
    };
    result.unwrap_or_else(|error| panic!("{}: {error}", row.name));
    Heard { client, server: address, bytes, how }
}

/// Sends parts, as far as the peer reads them.
///
/// # Errors
///
/// If the app does not receive what a part waits for.
fn send(mut stream: &TcpStream, parts: &[Part], app: &App) -> Result<(), String> {
    for part in parts {
        match part {
            Part::Pause => wire::pause(),
            Part::Until(text) => app.wait_for(text)?,
            Part::Bytes(bytes) => {
                if stream.write_all(bytes).is_err() {
                    break; // the reason is read
                }
            }
        }
    }
    Ok(())
}

/// Reads until the end, or until there is silence after everything was sent; then closes the sending side, and reads again. SETTINGS
/// are acknowledged after everything was sent: an ACK must not come between a row's frames.
fn read(mut stream: &TcpStream, sent: &AtomicBool, patience: Patience) -> (Vec<u8>, &'static str) {
    let (mut all, mut unread, mut buffer) = (Vec::new(), Vec::new(), vec![0; 64 * 1024]);
    let mut owed = 0;
    let mut closing = None;
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut silent_since = Instant::now();
    loop {
        let was_sent = sent.load(Ordering::SeqCst);
        match stream.read(&mut buffer) {
            Ok(0) => return (all, if closing.is_some() { "waits, then closes" } else { "closes" }),
            Ok(count) => {
                silent_since = Instant::now();
                all.extend_from_slice(&buffer[..count]);
                unread.extend_from_slice(&buffer[..count]);
                while let Some(frame) = frames::take(&mut unread) {
                    owed += usize::from(frame.kind == "settings" && frame.flags & 1 == 0);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return (all, if closing.is_some() { "waits, then resets" } else { "resets" }),
        }
        if !was_sent {
            silent_since = Instant::now();
        } else if owed > 0 && closing.is_none() {
            let _ = stream.write_all(&frames::written(4, 1, 0, 0, &[]).repeat(owed));
            owed = 0;
        }
        match closing {
            None if silent_since.elapsed() > patience.answer => {
                let _ = stream.shutdown(Shutdown::Write);
                closing = Some(Instant::now());
            }
            Some(since) if since.elapsed() > patience.end => return (all, "waits forever"),
            _ => {}
        }
    }
}

/// What was received.
#[derive(Default)]
struct Received {
    /// By stream: the status, the number of bytes, and whether it was completed.
    responses: BTreeMap<u32, String>,
    /// Whether no further stream would be served.
    is_over: bool,
}

impl Received {
    fn new(mut bytes: Vec<u8>) -> Self {
        let (mut received, mut decoder, mut data) =
            (Self::default(), loona_hpack::Decoder::new(), BTreeMap::<u32, usize>::new());
        while let Some(frame) = frames::take(&mut bytes) {
            let is_end = frame.flags & 1 == 1;
            match frame.kind {
                "headers" => received.note(frame.stream, &head(&mut decoder, &frame)),
                "data" => *data.entry(frame.stream).or_default() += frame.payload.len(),
                "rst" if received.responses.contains_key(&frame.stream) => received.note(frame.stream, "reset"),
                "goaway" => received.is_over = true,
                _ => {}
            }
            if is_end && matches!(frame.kind, "headers" | "data") {
                let count = data.remove(&frame.stream).unwrap_or_default();
                received.note(frame.stream, &format!("{count} bytes, end"));
            }
        }
        for (stream, count) in data {
            received.note(stream, &format!("{count} bytes"));
        }
        if !bytes.is_empty() {
            received.note(0, &format!("no frame: {}", short(&text(&bytes))));
        }
        received
    }

    fn note(&mut self, stream: u32, what: &str) {
        let notes = self.responses.entry(stream).or_default();
        if !notes.is_empty() {
            notes.push_str(", ");
        }
        notes.push_str(what);
    }
}

/// The status in a response's head, or its fields if there is none.
fn head(decoder: &mut loona_hpack::Decoder<'static>, frame: &Frame) -> String {
    let Ok(fields) = decoder.decode(&frame.payload) else { return "unreadable fields".into() };
    let status = fields.iter().find(|(name, _)| name == b":status");
    status.map_or_else(
        || fields.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect::<Vec<_>>().join(" "),
        |(_, status)| text(status),
    )
}
