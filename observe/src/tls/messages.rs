//! Handshake messages, as far as reports need them.

use tls_parser::{
    TlsExtension, parse_tls_extensions, parse_tls_handshake_client_hello, parse_tls_handshake_server_hello,
};

use super::certificate::Certificate;

/// The random that makes a ServerHello a HelloRetryRequest (RFC 8446, section 4.1.3).
const HELLO_RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

pub(super) const TLS12: u16 = 0x0303;
pub(super) const TLS13: u16 = 0x0304;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    ClientHello(ClientHello),
    ServerHello(ServerHello),
    NewSessionTicket(Vec<u8>),
    EndOfEarlyData,
    EncryptedExtensions {
        alpn: Option<String>,
    },
    /// `None` for an empty chain.
    Certificate(Option<Certificate>),
    CompressedCertificate,
    ServerKeyExchange {
        group: Option<u16>,
    },
    CertificateRequest,
    ServerHelloDone,
    CertificateVerify,
    ClientKeyExchange,
    Finished,
    KeyUpdate,
    Other(u8),
    /// A known type with malformed content.
    Malformed(u8),
}

impl Message {
    /// Name of the message type in the RFCs.
    pub(super) fn name(&self) -> String {
        let name = match self {
            Self::ClientHello(_) => "ClientHello",
            Self::ServerHello(hello) if hello.retry => "HelloRetryRequest",
            Self::ServerHello(_) => "ServerHello",
            Self::NewSessionTicket(_) => "NewSessionTicket",
            Self::EndOfEarlyData => "EndOfEarlyData",
            Self::EncryptedExtensions { .. } => "EncryptedExtensions",
            Self::Certificate(_) => "Certificate",
            Self::CompressedCertificate => "CompressedCertificate",
            Self::ServerKeyExchange { .. } => "ServerKeyExchange",
            Self::CertificateRequest => "CertificateRequest",
            Self::ServerHelloDone => "ServerHelloDone",
            Self::CertificateVerify => "CertificateVerify",
            Self::ClientKeyExchange => "ClientKeyExchange",
            Self::Finished => "Finished",
            Self::KeyUpdate => "KeyUpdate",
            Self::Other(kind) => return format!("a message of type {kind}"),
            Self::Malformed(kind) => return format!("a damaged message of type {kind}"),
        };
        name.to_owned()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) random: [u8; 32],
    pub(super) sni: Option<String>,
    pub(super) alpn: Vec<String>,
    pub(super) early_data: bool,
    /// The tickets (or the session id) that it offers for resumption.
    pub(super) tickets: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) retry: bool,
    pub(super) version: u16,
    pub(super) random: [u8; 32],
    pub(super) cipher_suite: u16,
    pub(super) group: Option<u16>,
    pub(super) psk: bool,
    /// TLS 1.2 only; in TLS 1.3 it is encrypted.
    pub(super) alpn: Option<String>,
    pub(super) session_id: Vec<u8>,
}

/// Reassembles handshake messages from the records of one direction.
#[derive(Default)]
pub(super) struct Joiner {
    pending: Vec<u8>,
}

impl Joiner {
    /// Adds a record's content, and returns the messages that are complete: their types and bodies.
    pub(super) fn push(&mut self, content: &[u8]) -> Vec<(u8, Vec<u8>)> {
        self.pending.extend_from_slice(content);
        let mut messages = Vec::new();
        let mut at = 0;
        while let Some(&[kind, a, b, c]) = self.pending.get(at..at + 4) {
            let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            let Some(body) = self.pending.get(at + 4..at + 4 + len) else {
                break;
            };
            messages.push((kind, body.to_vec()));
            at += 4 + len;
        }
        self.pending.drain(..at);
        messages
    }

    /// Whether an incomplete message is buffered.
    pub(super) fn is_partial(&self) -> bool {
        !self.pending.is_empty()
    }
}

/// Parses a message. `version` is the server's choice, if known: TLS 1.3 has other formats for some types.
pub(super) fn parse(kind: u8, body: &[u8], version: Option<u16>) -> Message {
    let tls13 = version == Some(TLS13);
    let parsed = match kind {
        1 => client_hello(body).map(Message::ClientHello),
        2 => server_hello(body).map(Message::ServerHello),
        4 => new_session_ticket(body, tls13).map(Message::NewSessionTicket),
        5 => Some(Message::EndOfEarlyData),
        8 => extensions(body, 0)
            .map(|extensions| Message::EncryptedExtensions { alpn: alpn(&extensions).into_iter().next() }),
        11 => certificate_chain(body, tls13).map(|chain| Message::Certificate(Certificate::of_chain(&chain))),
        12 => Some(Message::ServerKeyExchange { group: key_exchange_group(body) }),
        13 => Some(Message::CertificateRequest),
        14 => Some(Message::ServerHelloDone),
        15 => Some(Message::CertificateVerify),
        16 => Some(Message::ClientKeyExchange),
        20 => Some(Message::Finished),
        24 => Some(Message::KeyUpdate),
        25 => Some(Message::CompressedCertificate),
        other => Some(Message::Other(other)),
    };
    parsed.unwrap_or(Message::Malformed(kind))
}

fn client_hello(body: &[u8]) -> Option<ClientHello> {
    let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
    let (_, extensions) = parse_tls_extensions(hello.ext.unwrap_or_default()).ok()?;
    let mut this = ClientHello {
        random: hello.random.try_into().ok()?,
        sni: None,
        alpn: alpn(&extensions),
        early_data: false,
        tickets: Vec::new(),
    };
    for extension in &extensions {
        match extension {
            TlsExtension::SNI(names) => {
                this.sni = names.first().map(|(_, name)| String::from_utf8_lossy(name).into_owned());
            }
            TlsExtension::EarlyData(_) => this.early_data = true,
            TlsExtension::SessionTicket(ticket) if !ticket.is_empty() => this.tickets.push(ticket.to_vec()),
            TlsExtension::PreSharedKey(offer) => this.tickets.extend(psk_identities(offer)),
            _ => {}
        }
    }
    this.tickets.extend(hello.session_id.map(<[u8]>::to_vec));
    Some(this)
}

fn server_hello(body: &[u8]) -> Option<ServerHello> {
    let (_, hello) = parse_tls_handshake_server_hello(body).ok()?;
    let (_, extensions) = parse_tls_extensions(hello.ext.unwrap_or_default()).ok()?;
    let random = hello.random.try_into().ok()?;
    let mut this = ServerHello {
        retry: random == HELLO_RETRY,
        version: hello.version.0,
        random,
        cipher_suite: hello.cipher.0,
        group: None,
        psk: false,
        alpn: alpn(&extensions).into_iter().next(),
        session_id: hello.session_id.unwrap_or_default().to_vec(),
    };
    for extension in &extensions {
        match extension {
            TlsExtension::SupportedVersions(versions) => {
                this.version = versions.first().map_or(this.version, |version| version.0);
            }
            TlsExtension::KeyShare([high, low, ..]) => this.group = Some(u16::from_be_bytes([*high, *low])),
            TlsExtension::PreSharedKey(_) => this.psk = true,
            _ => {}
        }
    }
    Some(this)
}

fn alpn(extensions: &[TlsExtension<'_>]) -> Vec<String> {
    extensions
        .iter()
        .find_map(|extension| match extension {
            TlsExtension::ALPN(names) => {
                Some(names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
            }
            _ => None,
        })
        .unwrap_or_default()
}

/// The extensions in a length-prefixed list at `offset` of a message.
fn extensions(body: &[u8], offset: usize) -> Option<Vec<TlsExtension<'_>>> {
    let list = Fields(body.get(offset..)?).vector(2)?;
    parse_tls_extensions(list).ok().map(|(_, extensions)| extensions)
}

/// The identities in a pre_shared_key extension (RFC 8446, section 4.2.11).
fn psk_identities(offer: &[u8]) -> Vec<Vec<u8>> {
    let mut identities = Vec::new();
    let mut fields = Fields(Fields(offer).vector(2).unwrap_or_default());
    while let Some(identity) = fields.vector(2) {
        identities.push(identity.to_vec());
        // obfuscated_ticket_age
        if fields.take(4).is_none() {
            break;
        }
    }
    identities
}

fn new_session_ticket(body: &[u8], tls13: bool) -> Option<Vec<u8>> {
    let mut fields = Fields(body);
    // ticket_lifetime; then, in TLS 1.3, ticket_age_add and ticket_nonce.
    fields.take(4)?;
    if tls13 {
        fields.take(4)?;
        fields.vector(1)?;
    }
    fields.vector(2).map(<[u8]>::to_vec)
}

fn certificate_chain(body: &[u8], tls13: bool) -> Option<Vec<&[u8]>> {
    let mut fields = Fields(body);
    if tls13 {
        // certificate_request_context
        fields.vector(1)?;
    }
    let mut list = Fields(fields.vector(3)?);
    let mut chain = Vec::new();
    while !list.0.is_empty() {
        chain.push(list.vector(3)?);
        if tls13 {
            // extensions of the entry
            list.vector(2)?;
        }
    }
    Some(chain)
}

/// The named group of a ServerKeyExchange (RFC 8422, section 5.4).
fn key_exchange_group(body: &[u8]) -> Option<u16> {
    match body {
        &[3, high, low, ..] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// A cursor over the fields of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(field)
    }

    /// A vector whose length is in the first `len_bytes` bytes.
    fn vector(&mut self, len_bytes: usize) -> Option<&'a [u8]> {
        let len = self.take(len_bytes)?.iter().fold(0, |len, &byte| len << 8 | usize::from(byte));
        self.take(len)
    }
}
