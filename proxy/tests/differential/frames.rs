//! HTTP/2 frames as text, and back.
//!
//! Frames are separated by ` ; `, each `TYPE[/LENGTH][+FLAG...] STREAM PAYLOAD...`. `N* FRAME & FRAME ; ` repeats a group; `#` as a
//! stream is then the next odd number. A payload's parts are separated by spaces: `@NAME` is a request's fields, `name=value` one field, not
//! indexed, `0xHEX[*N]` bytes and `'TEXT` a text as in rows.rs. LENGTH replaces the true length. `raw PART` is no frame. `pause` alone waits, and `until
//! TEXT` until the app has received a text: what follows then never overtakes what came before.

use crate::rows::{bytes, hex};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const TYPES: [&str; 10] =
    ["data", "headers", "priority", "rst", "settings", "push", "ping", "goaway", "window", "continuation"];

/// A part of what is sent: bytes, or a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Bytes(Vec<u8>),
    Pause,
    Until(String),
}

/// The parts of a column, each of at most some hundred frames.
pub(crate) fn parts(column: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for group in column.split(" ; ").map(str::trim).filter(|group| !group.is_empty()) {
        if group == "pause" {
            parts.push(Part::Pause);
            continue;
        }
        if let Some(text) = group.strip_prefix("until ") {
            parts.push(Part::Until(text.into()));
            continue;
        }
        let (times, frames) = match group.split_once("* ") {
            Some((times, frames)) if times.parse::<u32>().is_ok() => (times.parse().unwrap(), frames),
            _ => (1, group),
        };
        let mut chunk = Vec::new();
        let written =
            |number: u32| frames.split(" & ").flat_map(|text| frame(text, 2 * number + 1)).collect::<Vec<u8>>();
        let same = (!frames.contains(" #")).then(|| written(0));
        for number in 0..times {
            match &same {
                Some(same) => chunk.extend_from_slice(same),
                None => chunk.extend(written(number)),
            }
            if chunk.len() > 16 * 1024 {
                parts.push(Part::Bytes(std::mem::take(&mut chunk)));
            }
        }
        parts.push(Part::Bytes(chunk));
    }
    parts
}

fn frame(text: &str, next: u32) -> Vec<u8> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    if let Some(text) = text.strip_prefix("raw ") {
        return payload(text);
    }
    let mut flags = words.next().expect("a type").split('+');
    let kind = flags.next().unwrap_or_default();
    let (kind, length) = kind.split_once('/').map_or((kind, None), |(kind, length)| (kind, Some(length)));
    let kind = TYPES.iter().position(|name| *name == kind).map_or_else(|| hex(kind)[0], |at| at as u8);
    let flags = flags.fold(0, |flags, name| {
        flags
            | match name {
                "es" | "ack" => 1,
                "eh" => 4,
                "pad" => 8,
                "pri" => 32,
                "all" => 255,
                other => panic!("flag {other}"),
            }
    });
    let stream = match words.next().expect("a stream") {
        "#" => next,
        number => number.parse().expect("a stream"),
    };
    let payload: Vec<u8> = words.flat_map(payload).collect();
    let length = length.map_or(payload.len() as u32, |length| length.parse().expect("a length"));
    written(kind, flags, stream, length, &payload)
}

/// A frame in bytes (RFC 9113 section 4.1).
pub(crate) fn written(kind: u8, flags: u8, stream: u32, length: u32, payload: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn payload(word: &str) -> Vec<u8> {
    let request = |method: &str, path: &str| {
        let fields = [(":method", method), (":scheme", "http"), (":authority", "server"), (":path", path)];
        fields.iter().flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect()
    };
    match word {
        "@get" => request("GET", "/x"),
        "@post" => request("POST", "/x"),
        "@hold" => request("GET", "/hold"),
        "@upload" => request("POST", "/hold"),
        "@big" => request("GET", "/bytes/1000000"),
        "@small" => request("GET", "/bytes/1000"),
        _ => {
            if let Some(digits) = word.strip_prefix("0x") {
                let (digits, times) = digits.split_once('*').unwrap_or((digits, "1"));
                return hex(digits).repeat(times.parse().unwrap());
            }
            if let Some(text) = word.strip_prefix('\'') {
                return bytes(text);
            }
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{word}: no part of a payload"));
            field(&bytes(name), &bytes(value))
        }
    }
}

/// A literal field without indexing (RFC 7541 section 6.2.2).
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0], &length(name.len())[..], name, &length(value.len()), value].concat()
}

/// A length with a prefix of 7 bits (RFC 7541 section 5.1).
fn length(length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![length as u8];
    }
    let (mut rest, mut out) = (length - 127, vec![127]);
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
    out
}

/// A frame that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: &'static str,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// Takes the first frame from bytes, if it is complete.
pub(crate) fn take(bytes: &mut Vec<u8>) -> Option<Frame> {
    let head: [u8; 9] = bytes.get(..9)?.try_into().unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let payload = bytes.get(9..9 + length)?.to_vec();
    bytes.drain(..9 + length);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
    Some(Frame { kind: TYPES.get(head[3] as usize).unwrap_or(&"unknown"), flags: head[4], stream, payload })
}

#[test]
fn frames_are_written_and_read() {
    assert_eq!(parts("ping 0 '12345678")[0], Part::Bytes([&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], b"12345678"].concat()));
    assert_eq!(parts("data/5+es 1 0x0a*2"), [Part::Bytes(vec![0, 0, 5, 0, 1, 0, 0, 0, 1, 10, 10])]);
    assert_eq!(parts("77 0 ; pause ; until /hold")[1..], [Part::Pause, Part::Until("/hold".into())]);
    let Part::Bytes(mut two) = parts("2* headers+es+eh # a={b*200}").remove(0) else { panic!("bytes") };
    let first = take(&mut two).unwrap();
    assert_eq!((first.kind, first.flags, first.stream), ("headers", 5, 1));
    assert_eq!(first.payload[..5], [0, 1, b'a', 127, 73]);
    assert_eq!((take(&mut two).unwrap().stream, two.len()), (3, 0));
}
