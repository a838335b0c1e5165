//! The cost of each layer of a connection, in bytes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Flow, Layer, Tls, Traffic};

#[cfg(test)]
mod tests;

/// How a connection's bytes divide among its layers, both directions together. All sizes are in bytes.
///
/// A connection that several calls share is counted as a whole: the first call pays for its handshake.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Cost {
    /// TCP payload on the wire, without retransmissions.
    pub wire_bytes: u64,
    /// Payload of the innermost layer that could be opened: the apps' data, or what is still encrypted.
    pub inside_bytes: u64,
    /// The layers, outermost first.
    pub layers: Vec<LayerCost>,
}

/// The cost of one layer. `handshake_bytes`, `overhead_bytes`, `payload_bytes` and `unopened_bytes` add up to the payload of the
/// layer below, except for a truncated record at the end of the capture.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct LayerCost {
    /// Name of the layer: `mtls`, `tls`, `http/1.1`, `h2` or `tcp`.
    pub layer: &'static str,
    /// Number of TLS records; 0 for other layers.
    pub records: u64,
    /// Handshake records in the wide sense, including alerts: see [`Traffic::handshake_bytes`].
    pub handshake_bytes: u64,
    /// Overhead of data records: headers, tags, padding.
    pub overhead_bytes: u64,
    /// Payload: everything in the next layer, or all bytes of the innermost layer.
    pub payload_bytes: u64,
    /// Records that could not be decrypted.
    pub unopened_bytes: u64,
}

impl Flow {
    /// How the connection's bytes divide among its layers.
    pub fn cost(&self) -> Cost {
        let wire_bytes = self.sent.bytes + self.received.bytes;
        let mut carried = wire_bytes;
        let mut layers = Vec::new();
        for layer in self.content.iter() {
            let cost = match layer {
                Layer::Tls(tls) => of_tls(layer.name(), tls),
                Layer::Http1(_) | Layer::H2(_) | Layer::Tcp(_) => LayerCost {
                    layer: layer.name(),
                    records: 0,
                    handshake_bytes: 0,
                    overhead_bytes: 0,
                    payload_bytes: carried,
                    unopened_bytes: 0,
                },
            };
            carried = cost.payload_bytes + cost.unopened_bytes;
            layers.push(cost);
        }
        Cost { wire_bytes, inside_bytes: carried, layers }
    }
}

fn of_tls(layer: &'static str, tls: &Tls) -> LayerCost {
    let sum = |part: fn(&Traffic) -> u64| part(&tls.client) + part(&tls.server);
    LayerCost {
        layer,
        records: sum(|traffic| traffic.records),
        handshake_bytes: sum(|traffic| traffic.handshake_bytes),
        overhead_bytes: sum(|traffic| traffic.overhead_bytes),
        payload_bytes: sum(|traffic| traffic.payload_bytes),
        unopened_bytes: sum(|traffic| traffic.unopened_bytes),
    }
}
