//! What each layer of a connection cost.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Flow, Layer, Tls, Traffic};

#[cfg(test)]
mod tests;

/// What a connection's bytes were spent on, both directions together. All sizes are in bytes.
///
/// A connection that several calls share is counted whole: its handshake is paid once, by the first of them.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Cost {
    /// TCP payload on the wire, each byte once.
    pub wire_bytes: u64,
    /// What is left when all layers that could be opened are off: what the apps wrote, or what is still sealed.
    pub inside_bytes: u64,
    /// The layers, outermost first.
    pub layers: Vec<LayerCost>,
}

/// What one layer cost. `handshake_bytes`, `overhead_bytes`, `payload_bytes` and `unopened_bytes` add up to what the layer
/// below carries, but for a record that the capture cut.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct LayerCost {
    /// The layer's name: `mtls`, `tls`, `http/1.1`, `h2` or `tcp`.
    pub layer: &'static str,
    /// TLS records; 0 of what is not TLS.
    pub records: u64,
    /// Records of the handshake in the wide sense, alerts included: see [`Traffic::handshake_bytes`].
    pub handshake_bytes: u64,
    /// What the layer adds to what it carries: record headers, tags, padding.
    pub overhead_bytes: u64,
    /// What it carries: the whole of the next layer. Of the innermost, all of it.
    pub payload_bytes: u64,
    /// Records that could not be opened.
    pub unopened_bytes: u64,
}

impl Flow {
    /// What the connection's bytes were spent on.
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
