//! Reads captured packets and TLS key logs, and says what each leg of a call carried.
//!
//! A pure function: packets and keys in, facts out. [`observe`] joins the two directions of each TCP connection (also when
//! iptables' REDIRECT has made them look like two), puts their bytes together, and opens what they carry layer by layer:
//! TLS with the secrets that the participants logged, whatever is inside it by the same means, down to HTTP or to bytes that
//! nothing explains. What a capture does not hold is said to be missing, and never guessed.
//!
//! ```
//! use observe::{Capture, KeyLog, observe};
//!
//! let capture = Capture::default();
//! let keys = KeyLog::parse(&capture.secrets);
//! for flow in observe(&capture, &keys) {
//!     println!("{} -> {}: {:?}", flow.initiator, flow.dialled(), flow.layers());
//! }
//! ```

mod capture;
mod cost;
mod flow;
mod h2;
mod http;
mod http1;
mod join;
mod keylog;
mod layers;
mod opaque;
mod packet;
mod resumption;
mod stream;
mod tcp;
#[cfg(test)]
mod testing;
mod tls;

pub use capture::ReadError;
pub use cost::{Cost, LayerCost};
pub use flow::{Direction, Flow, Gap, InitiatorBy, Opening, Redirect};
pub use h2::{GoAway, H2};
pub use http::{Exchange, Message, Request, Reset, Response};
pub use http1::Http1;
pub use keylog::KeyLog;
pub use layers::{Layer, Layers};
pub use opaque::{Bytes, Opaque};
pub use packet::{Capture, Interface, Packet};
pub use stream::End;
pub use tls::{Alert, Certificate, Handshake, Keys, Side, Tls, Traffic};

use join::Connections;
use packet::Segment;

/// What is known of each TCP connection in `capture`, in the order in which they began, opened with `keys`.
///
/// A connection that several captured interfaces saw is there once for each.
pub fn observe(capture: &Capture, keys: &KeyLog) -> Vec<Flow> {
    let mut segments: Vec<_> = capture.packets.iter().filter_map(Segment::parse).collect();
    // Captures at several interfaces come one after the other, or interleaved as threads ran. The sort is stable.
    segments.sort_by_key(|segment| segment.timestamp_ns);
    let mut connections = Connections::default();
    for segment in &segments {
        connections.push(segment);
    }
    let mut flows = connections.into_flows(&capture.interfaces, keys);
    resumption::link(&mut flows);
    flows
}

#[cfg(test)]
mod tests;
