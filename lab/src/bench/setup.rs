//! The conditions of a bench: those that vary within it, and those that all series share.

use std::{fmt, time::Duration};

use clap::ValueEnum;
use mesh::{ca::KeyType, compile::Options};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{data_plane::DataPlane, tuning::Tuning};

/// The conditions of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
pub struct Setup {
    pub data_plane: DataPlane,
    /// The number of workers of each sidecar.
    pub concurrency: u32,
    /// The round trip that was added to the node's links; in JSON `rtt_us`, microseconds.
    #[schemars(with = "u64")]
    #[serde(rename = "rtt_us", serialize_with = "as_micros", deserialize_with = "from_micros")]
    pub rtt: Duration,
    /// Bytes of the answer to each request of the measures that count connections or requests.
    pub message_bytes: u64,
}

impl Setup {
    /// The default size of an answer in bytes: small, so that other costs dominate.
    pub const MESSAGE_BYTES: u64 = 64;

    /// One worker in each sidecar, no round trip added, small answers.
    pub fn plain(data_plane: DataPlane) -> Self {
        Self { data_plane, concurrency: 1, rtt: Duration::ZERO, message_bytes: Self::MESSAGE_BYTES }
    }

    /// What requires a separate lab: the sidecars, and their number of workers.
    pub fn lab(self) -> (DataPlane, u32) {
        (self.data_plane, self.concurrency)
    }

    /// Whether another setup differs at most in the round trip.
    pub fn is_alike_but_for_rtt(self, other: Self) -> bool {
        Self { rtt: other.rtt, ..self } == other
    }
}

impl fmt::Display for Setup {
    /// `native`, with what is not the default: `native, 2 workers, 10ms RTT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = Self::plain(self.data_plane);
        write!(f, "{}", self.data_plane)?;
        if self.concurrency != plain.concurrency {
            write!(f, ", {} workers", self.concurrency)?;
        }
        if self.rtt != plain.rtt {
            write!(f, ", {:?} RTT", self.rtt)?;
        }
        if self.message_bytes != plain.message_bytes {
            write!(f, ", {} bytes", self.message_bytes)?;
        }
        Ok(())
    }
}

fn as_micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

fn from_micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_micros)
}

/// The settings that all series of a bench share, of the sidecars and the load.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Settings {
    /// The key type of the mesh's certificates. The apps' keys are always P-256.
    pub key: Key,
    /// The key exchange of all TLS, the sidecars' and the apps'.
    pub key_exchange: KeyExchange,
    /// Whether the sidecars resume TLS sessions.
    pub resumption: bool,
    /// Whether the sidecars write an access log.
    pub access_log: bool,
    /// Whether each program runs on separate CPUs.
    pub pin: bool,
    /// Whether concurrent measures use a fixed rate below what the layering can do.
    pub open_loop: bool,
    /// Concurrent connections in the measures under load.
    pub connections: u32,
    /// Requests per connection in the measures of new connections.
    pub requests_per_connection: u32,
    /// The numbers of idle connections to hold, from 0 on.
    pub idle: Vec<u32>,
}

/// Kernel settings of a bench's pods: many short connections from one pod to one port of another need many ports (those of
/// sidecars and apps lie below them), and need them again soon.
const SYSCTLS: [(&str, &str); 2] = [("net.ipv4.ip_local_port_range", "16384 65535"), ("net.ipv4.tcp_tw_reuse", "1")];

impl Settings {
    /// The tuning of labs that are measured.
    pub fn tuning(&self, concurrency: u32) -> Tuning {
        Tuning {
            concurrency,
            key_type: self.key.into(),
            compile: Options {
                group: Some(self.key_exchange.group().to_owned()),
                resumption: self.resumption,
                access_log: self.access_log,
                key_log: false,
            },
            pin: self.pin,
            sysctls: SYSCTLS.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            unconfined: false,
        }
    }

    /// The tuning of labs in which the layerings are checked on the wire: with all logs, and with full handshakes, which show
    /// certificates.
    pub fn tuning_of_check(&self) -> Tuning {
        let tuning = self.tuning(1);
        let compile = Options { resumption: false, access_log: true, key_log: true, ..tuning.compile };
        Tuning { compile, ..tuning }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: Key::P256,
            key_exchange: KeyExchange::X25519Mlkem768,
            resumption: false,
            access_log: false,
            pin: false,
            open_loop: false,
            connections: 16,
            requests_per_connection: 1,
            idle: vec![0, 1000, 5000],
        }
    }
}

/// A type of key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Key {
    /// ECDSA on P-256.
    #[default]
    P256,
    /// RSA with 2048 bits, Istio's default.
    Rsa2048,
    /// ECDSA on P-384.
    P384,
}

impl From<Key> for KeyType {
    fn from(key: Key) -> Self {
        match key {
            Key::P256 => Self::P256,
            Key::Rsa2048 => Self::Rsa2048,
            Key::P384 => Self::P384,
        }
    }
}

/// A group of TLS 1.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeyExchange {
    /// X25519 alone.
    X25519,
    /// X25519 and ML-KEM-768 together, which resists quantum computers: the preference of Envoy and rustls.
    #[default]
    #[value(name = "x25519mlkem768")]
    X25519Mlkem768,
}

impl KeyExchange {
    /// Its name, as Envoy and the apps accept it.
    pub fn group(self) -> &'static str {
        match self {
            Self::X25519 => "X25519",
            Self::X25519Mlkem768 => "X25519MLKEM768",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_is_named_by_what_is_not_the_default() {
        let plain = Setup::plain(DataPlane::Native);
        assert_eq!(plain.to_string(), "native");
        let other =
            Setup { data_plane: DataPlane::Envoy, concurrency: 2, rtt: Duration::from_millis(10), message_bytes: 4096 };
        assert_eq!(other.to_string(), "envoy, 2 workers, 10ms RTT, 4096 bytes");
    }

    #[test]
    fn a_setup_reads_back_as_it_was_written() {
        let setup = Setup { rtt: Duration::from_micros(1500), ..Setup::plain(DataPlane::NativeToEnvoy) };
        let text = serde_json::to_string(&setup).unwrap();
        assert_eq!(text, r#"{"data_plane":"native-to-envoy","concurrency":1,"rtt_us":1500,"message_bytes":64}"#);
        assert_eq!(serde_json::from_str::<Setup>(&text).unwrap(), setup);
    }
}
