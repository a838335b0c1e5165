//! What each target checks.

use std::sync::Arc;

use envoy_api::{DiscoveryResponse, read};
use mesh::{
    SourceFile,
    account::AppProtocol,
    model::{Flavor, Mesh},
    predict::{Call, predict},
};
use observe::{Capture, KeyLog, observe};
use proxy::{access_log::Format, fuzz};

use crate::conversation;

pub(crate) fn client_hello(bytes: &[u8]) {
    is_final(bytes, fuzz::tls_inspector);
}

pub(crate) fn http_inspector(bytes: &[u8]) {
    is_final(bytes, fuzz::http_inspector);
}

/// The first decision about a prefix is the decision about all bytes.
fn is_final<T: PartialEq + std::fmt::Debug>(bytes: &[u8], look: impl Fn(&[u8]) -> Option<T>) {
    /// Longer prefixes are probed in steps, since each is parsed from its start.
    const EACH: usize = 64;
    let step = (bytes.len() / EACH).max(1);
    let early = (0..bytes.len()).step_by(step).find_map(|length| look(&bytes[..length]));
    if let Some(early) = early {
        assert_eq!(Some(early), look(bytes));
    }
}

pub(crate) fn http1_requests(bytes: &[u8]) {
    is_split_anywhere(bytes, fuzz::requests);
}

pub(crate) fn http1_responses(bytes: &[u8]) {
    is_split_anywhere(bytes, fuzz::responses);
}

/// The same is read whether the bytes arrive at once, in two pieces or one by one. Of several faults in a head, the one that is found
/// first depends on the pieces, in Envoy too: a request line is judged when it is there, other bytes when the head is complete.
fn is_split_anywhere(bytes: &[u8], read: impl Fn(&[&[u8]]) -> Vec<fuzz::Event>) {
    let read = |pieces: &[&[u8]]| -> Vec<fuzz::Event> {
        let any_fault = |event| if let fuzz::Event::Rejected(_) = event { fuzz::Event::Rejected("") } else { event };
        read(pieces).into_iter().map(any_fault).collect()
    };
    let whole = read(&[bytes]);
    let singly: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(whole, read(&singly), "one by one");
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    assert_eq!(whole, read(&[head, tail]), "in two pieces");
}

pub(crate) fn envoy_files(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    again::<envoy_api::Bootstrap>(text);
    again::<DiscoveryResponse>(text);
}

/// What can be read is the same after it was written and read again.
fn again<T: serde::de::DeserializeOwned + serde::Serialize>(text: &str) {
    let Ok(value) = read::<T>(text) else { return };
    let written = serde_json::to_string(&value).expect("what was read can be written");
    let read_again = read::<T>(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(written, serde_json::to_string(&read_again).expect("it can be written again"));
}

pub(crate) fn access_log(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = Format::text(text);
    for line in lab::access_log::read(text) {
        let _ = line.outcome();
    }
}

pub(crate) fn conversation(bytes: &[u8]) {
    let (capture, keys) = conversation::capture(bytes);
    for flow in observe(&capture, &KeyLog::parse(&keys)) {
        let _ = (flow.layers(), flow.dialled());
    }
}

pub(crate) fn pcapng(bytes: &[u8]) {
    let Ok(capture) = Capture::read_pcapng(bytes) else { return };
    observe(&capture, &KeyLog::parse(&capture.secrets));
}

pub(crate) fn manifests(bytes: &[u8]) {
    /// Services that are called.
    const CALLED: usize = 3;
    let Ok(text) = str::from_utf8(bytes) else { return };
    let file = SourceFile { name: "fuzz.yaml".into(), text: text.into() };
    let Ok((resolved, faults)) = lab::manifests::resolve(&[file]) else { return };
    for fault in faults {
        let _ = fault.to_string();
    }
    for flavor in [Flavor::Textbook, Flavor::Istio] {
        let mesh = Mesh::new(Arc::clone(&resolved), flavor);
        if mesh.pods.is_empty() {
            continue;
        }
        for service in mesh.services.iter().take(CALLED) {
            for port in service.ports.iter().take(1) {
                let host = format!("{}.{}", service.name.name, service.name.namespace);
                for app in [AppProtocol::Http, AppProtocol::Https, AppProtocol::Tcp] {
                    let _ = predict(&mesh, &Call::new(0, host.clone(), port.port, app));
                }
            }
        }
    }
}
