//! Decodes captured packets with TLS key logs, and reports what each leg of a call carried.
//!
//! A pure function: packets and keys in, facts out. [`observe`] joins the two directions of each TCP connection (even if
//! iptables' REDIRECT made them look like two connections), reassembles their bytes, and opens them layer by layer: TLS with
//! the secrets that the participants logged, whatever is inside it in the same way, down to HTTP or to opaque bytes. Anything
//! missing from a capture is reported as missing, and never guessed.
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

#![warn(missing_docs)]

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
pub use packet::{Capture, Ends, Interface, Packet};
pub use stream::End;
pub use tls::{Alert, Certificate, Handshake, Keys, Side, Tls, Traffic};

use join::Connections;
use packet::Segment;

/// Decodes each TCP connection in `capture` with `keys`, in the order of their first packets.
///
/// A connection that was captured on several interfaces is returned once for each.
pub fn observe(capture: &Capture, keys: &KeyLog) -> Vec<Flow> {
    let mut segments: Vec<_> = capture.packets.iter().filter_map(Segment::parse).collect();
    // Packets may be grouped by interface, or interleaved in any order. The sort is stable.
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
