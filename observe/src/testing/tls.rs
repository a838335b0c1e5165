//! Real TLS between a client and a server in memory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::pki::Pki;
use super::{Talk, http_talk};
use crate::keylog::to_hex;
use crate::{KeyLog, Side};

/// A key log in memory.
#[derive(Debug, Default)]
pub(crate) struct SharedLog(Mutex<String>);

impl SharedLog {
    pub(crate) fn keys(&self) -> KeyLog {
        KeyLog::parse(&self.0.lock().unwrap())
    }
}

impl rustls::KeyLog for SharedLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut log = self.0.lock().unwrap();
        writeln!(log, "{label} {} {}", to_hex(client_random), to_hex(secret)).unwrap();
    }
}

/// A crypto provider with a single cipher suite.
pub(crate) fn provider(suite: &str) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|have| format!("{:?}", have.suite()) == suite);
    assert!(!provider.cipher_suites.is_empty(), "{suite}");
    Arc::new(provider)
}

pub(crate) fn client_config(
    pki: &Pki,
    mutual: bool,
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    log: &Arc<SharedLog>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(pki.roots());
    let mut config = if mutual {
        let (chain, key) = pki.leaf("client", Some("spiffe://cluster.local/ns/default/sa/client"));
        builder.with_client_auth_cert(chain, key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.key_log = Arc::<SharedLog>::clone(log);
    config.alpn_protocols = vec![b"istio-peer-exchange".to_vec(), b"istio".to_vec()];
    config
}

pub(crate) fn server_config(
    pki: &Pki,
    mutual: bool,
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    log: &Arc<SharedLog>,
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = if mutual {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(pki.roots()), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let (chain, key) = pki.leaf("server", Some("spiffe://cluster.local/ns/default/sa/server"));
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.key_log = Arc::<SharedLog>::clone(log);
    config.alpn_protocols = vec![b"istio".to_vec()];
    config
}

/// The bytes that `client` and `server` exchange for a handshake and `payload`. Ends early, with the alert, if either refuses the
/// other.
pub(crate) fn drive(client: &mut ClientConnection, server: &mut ServerConnection, payload: &Talk) -> Talk {
    let mut wire = Talk::new();
    let mut payload = payload.iter();
    let mut refused = false;
    loop {
        let before = wire.len();
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        if !bytes.is_empty() {
            refused |= read(&bytes, server);
            wire.push((Side::Client, bytes));
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        if !bytes.is_empty() {
            refused |= read(&bytes, client);
            wire.push((Side::Server, bytes));
        }
        if wire.len() > before {
            continue;
        }
        match payload.next().filter(|_| !refused) {
            Some((Side::Client, bytes)) => client.writer().write_all(bytes).unwrap(),
            Some((Side::Server, bytes)) => server.writer().write_all(bytes).unwrap(),
            None => return wire,
        }
    }
}

/// Passes bytes to a connection and discards the payload. Returns whether they were refused.
fn read<C, D>(mut bytes: &[u8], connection: &mut C) -> bool
where
    C: std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
    D: rustls::SideData,
{
    while !bytes.is_empty() {
        connection.read_tls(&mut bytes).unwrap();
        let Ok(state) = connection.process_new_packets() else {
            return true;
        };
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        std::io::Read::read_exact(&mut connection.reader(), &mut plain).unwrap();
    }
    false
}

/// A TLS connection with an HTTP exchange in it, and its keys.
pub(crate) fn tls_talk(mutual: bool, suite: &str, version: &'static SupportedProtocolVersion) -> (Talk, KeyLog) {
    let pki = Pki::new("root");
    let log = Arc::new(SharedLog::default());
    let client = client_config(&pki, mutual, provider(suite), &[version], &log);
    let server = server_config(&pki, mutual, provider(suite), &[version], &log);
    let talk = connect(client, server, &http_talk());
    (talk, log.keys())
}

/// TLS in TLS to a depth, mutual on the outside, with all keys: see [`nested_apart`].
pub(crate) fn nested(depth: usize) -> (Talk, KeyLog) {
    let (talk, logs) = nested_apart(depth);
    (talk, KeyLog::parse(&logs.concat()))
}

/// TLS in TLS to a depth, and the key log of each layer, outermost first. The outermost is mutual, as between sidecars;
/// the inner ones alternate between TLS 1.2 and 1.3, with an app's ALPN.
pub(crate) fn nested_apart(depth: usize) -> (Talk, Vec<String>) {
    let mut talk = http_talk();
    let mut logs = Vec::new();
    for layer in (0..depth).rev() {
        let pki = Pki::new("root");
        let log = Arc::new(SharedLog::default());
        let (suite, version) = match layer % 2 {
            0 => ("TLS13_AES_128_GCM_SHA256", &TLS13),
            _ => ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", &TLS12),
        };
        let mut client = client_config(&pki, layer == 0, provider(suite), &[version], &log);
        let mut server = server_config(&pki, layer == 0, provider(suite), &[version], &log);
        if layer > 0 {
            client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            server.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        talk = connect(client, server, &talk);
        logs.insert(0, log.keys().text());
    }
    (talk, logs)
}

/// The bytes that a client and a server with these configurations exchange, including close_notify.
pub(crate) fn connect(client: ClientConfig, server: ServerConfig, payload: &Talk) -> Talk {
    let mut client = ClientConnection::new(Arc::new(client), "server".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut wire = drive(&mut client, &mut server, payload);
    client.send_close_notify();
    wire.extend(drive(&mut client, &mut server, &Talk::new()));
    server.send_close_notify();
    wire.extend(drive(&mut client, &mut server, &Talk::new()));
    wire
}
