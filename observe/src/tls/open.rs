//! Opening a layer of TLS: the hellos first, then each side with its keys, then both together.

use super::certificate::Certificate;
use super::direction::{Direction, Ladder, Protection, hellos};
use super::keys::{Opener, Suite};
use super::messages::{ClientHello, Message, ServerHello, TLS12, TLS13};
use super::names;
use super::session::{Alert, Handshake, Keys, Side, Tickets, Tls, Traffic};
use crate::keylog::{KeyLog, to_hex};
use crate::stream::{End, Stream};

/// Opens a layer of TLS. The second value is its payload, unless that is encrypted or absent.
pub(crate) fn open(client: &Stream, server: &Stream, keys: &KeyLog) -> (Tls, Option<(Stream, Stream)>) {
    let hellos = Hellos::read(client, server);
    let answered_ns = (!server.bytes.is_empty()).then(|| server.complete_at(1));
    let (protections, mut missing) = hellos.protections(keys);
    let version = hellos.server.as_ref().map(|hello| hello.version);
    let client = Direction::read(Side::Client, client, version, protections.0);
    let server = Direction::read(Side::Server, server, version, protections.1);

    let handshake = handshake(&hellos, &client, &server);
    let sealed = client.is_sealed() || server.is_sealed();
    let mut tls = Tls { answered_ns, ..hellos.report() };
    tls.read_messages(&client, &server);
    tls.keys = match (sealed, client.opened || server.opened) {
        (true, _) => Keys::Missing,
        (false, true) => Keys::Found,
        (false, false) => Keys::NotNeeded,
    };
    tls.mutual = tls.client_certificate.is_some() && handshake == Handshake::Complete;
    if sealed && missing.is_empty() {
        missing.extend([&client, &server].into_iter().filter_map(Direction::describe_sealed));
    }
    tls.unopened.extend([client.unread, server.unread].concat());
    if sealed {
        tls.unopened.extend(missing);
    }
    tls.alerts = [client.alerts, server.alerts].concat();
    tls.alerts.sort_by_key(|alert| alert.at_ns);
    tls.client = client.traffic;
    tls.server = server.traffic;

    let began =
        handshake == Handshake::Complete || !client.payload.bytes.is_empty() || !server.payload.bytes.is_empty();
    let carried = began && (client.opened || server.opened);
    tls.handshake = handshake;
    (tls, carried.then_some((client.payload, server.payload)))
}

/// The hellos of both sides, which are in the clear.
struct Hellos {
    client: Option<ClientHello>,
    server: Option<ServerHello>,
    retry: bool,
}

/// Reasons why records may stay encrypted.
type Missing = Vec<String>;

impl Hellos {
    fn read(client: &Stream, server: &Stream) -> Self {
        let client =
            hellos(client, |message| matches!(message, Message::ClientHello(_))).into_iter().find_map(|message| {
                match message {
                    Message::ClientHello(hello) => Some(hello),
                    _ => None,
                }
            });
        let messages = hellos(server, |message| matches!(message, Message::ServerHello(hello) if !hello.retry));
        let mut retry = false;
        let mut server = None;
        for message in messages {
            match message {
                Message::ServerHello(hello) if hello.retry => retry = true,
                Message::ServerHello(hello) => server = Some(hello),
                _ => {}
            }
        }
        Self { client, server, retry }
    }

    /// The protections of client and server, and what is missing to remove them.
    fn protections(&self, keys: &KeyLog) -> ((Protection, Protection), Missing) {
        let (Some(client), Some(server)) = (&self.client, &self.server) else {
            let side = if self.client.is_none() { Side::Client } else { Side::Server };
            let why = format!("the {}'s hello was not captured, so no keys can be looked up", side.name());
            return ((Protection::Unknown, Protection::Unknown), vec![why]);
        };
        let suite = Suite::from_id(server.cipher_suite);
        let mut missing = Vec::new();
        if suite.is_none() {
            missing.push(format!("cipher suite {} is not supported", names::cipher_suite(server.cipher_suite)));
        }
        let mut secret = |label: &str| {
            let found = keys.secret(label, &client.random).map(<[u8]>::to_vec);
            if found.is_none() {
                missing.push(format!("the key log has no {label} for client random {}", to_hex(&client.random)));
            }
            found
        };
        let protections = if server.version == TLS13 {
            // Early data is optional, and so is its secret.
            let early = keys.secret("CLIENT_EARLY_TRAFFIC_SECRET", &client.random).map(<[u8]>::to_vec);
            let client = [early, secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), secret("CLIENT_TRAFFIC_SECRET_0")];
            let server = [secret("SERVER_HANDSHAKE_TRAFFIC_SECRET"), secret("SERVER_TRAFFIC_SECRET_0")];
            (
                Protection::Tls13(Ladder::new(suite, client.into_iter().flatten().collect())),
                Protection::Tls13(Ladder::new(suite, server.into_iter().flatten().collect())),
            )
        } else {
            let openers = secret("CLIENT_RANDOM")
                .zip(suite.filter(|_| server.version == TLS12))
                .and_then(|(secret, suite)| Opener::tls12(suite, &secret, &client.random, &server.random));
            let (client, server) = openers.unzip();
            (Protection::Tls12(client), Protection::Tls12(server))
        };
        (protections, missing)
    }

    /// What the hellos say; the rest is filled in later.
    fn report(self) -> Tls {
        let client = self.client.as_ref();
        let server = self.server.as_ref();
        Tls {
            mutual: false,
            version: server.map(|hello| names::version(hello.version)),
            cipher_suite: server.map(|hello| names::cipher_suite(hello.cipher_suite)),
            group: server.and_then(|hello| hello.group).map(names::group),
            sni: client.and_then(|hello| hello.sni.clone()),
            alpn_offered: client.map(|hello| hello.alpn.clone()).unwrap_or_default(),
            alpn: server.and_then(|hello| hello.alpn.clone()),
            client_certificate_requested: None,
            client_certificate: None,
            server_certificate: None,
            resumed: server.is_some_and(|hello| hello.psk),
            certificates_of_resumed_session: false,
            hello_retry: self.retry,
            early_data_offered: client.is_some_and(|hello| hello.early_data),
            alerts: Vec::new(),
            handshake: Handshake::Complete,
            keys: Keys::NotNeeded,
            unopened: Vec::new(),
            client: Traffic::default(),
            server: Traffic::default(),
            client_random: client.map(|hello| to_hex(&hello.random)),
            answered_ns: None,
            tickets: Tickets {
                issued: server
                    .filter(|hello| hello.version != TLS13 && !hello.session_id.is_empty())
                    .map(|hello| hello.session_id.clone())
                    .into_iter()
                    .collect(),
                presented: client.map(|hello| hello.tickets.clone()).unwrap_or_default(),
            },
        }
    }
}

impl Tls {
    fn read_messages(&mut self, client: &Direction, server: &Direction) {
        let mut requested = false;
        let mut hello_done = false;
        let mut compressed = false;
        for (_, message) in &server.messages {
            match message {
                Message::EncryptedExtensions { alpn } => self.alpn.clone_from(alpn),
                Message::Certificate(certificate) => self.server_certificate.clone_from(certificate),
                Message::CompressedCertificate => compressed = true,
                Message::ServerKeyExchange { group: Some(group) } => self.group = Some(names::group(*group)),
                Message::CertificateRequest => requested = true,
                Message::ServerHelloDone => hello_done = true,
                Message::NewSessionTicket(ticket) => self.tickets.issued.push(ticket.clone()),
                _ => {}
            }
        }
        self.client_certificate = client.messages.iter().find_map(|(_, message)| match message {
            Message::Certificate(certificate) => certificate.clone(),
            _ => None,
        });
        // Without the key exchange of a full handshake, the server has resumed a session (RFC 5246, section 7.3).
        let abbreviated = !server.is_tls13() && server.changed_cipher && self.version.is_some() && !hello_done;
        self.resumed |= abbreviated;
        if compressed {
            self.unopened.push("the server's certificate is compressed".to_owned());
        }
        let told_all = server.finished || hello_done;
        self.client_certificate_requested = (requested || told_all).then_some(requested);
    }

    /// Sets the certificates of the session that this handshake resumed.
    pub(crate) fn resume(&mut self, client: Option<Certificate>, server: Option<Certificate>) {
        self.client_certificate = client;
        self.server_certificate = server;
        self.certificates_of_resumed_session = true;
        self.mutual = self.client_certificate.is_some() && self.handshake == Handshake::Complete;
    }
}

/// The state of the handshake.
fn handshake(hellos: &Hellos, client: &Direction, server: &Direction) -> Handshake {
    // Application data that could be decrypted proves a Finished whose handshake secret is missing.
    let done = |side: &Direction| side.finished || side.traffic.data_records > 0;
    let refusal = |side: &Direction| side.alerts.iter().find(|alert| alert.refuses()).cloned();
    let refused = |alert: Alert| Handshake::Refused { by: alert.from, alert: alert.name };

    if done(client) && done(server) {
        // In TLS 1.3 the server verifies the client's certificate after sending its own Finished. Tickets and data show that
        // it accepted it.
        let content = server.traffic.data_records > 0
            || server.messages.iter().any(|(_, message)| matches!(message, Message::NewSessionTicket(_)));
        return match refusal(server).filter(|_| server.is_tls13() && !content) {
            Some(alert) => refused(alert),
            None => Handshake::Complete,
        };
    }
    let first = [refusal(client), refusal(server)].into_iter().flatten().min_by_key(|alert| alert.at_ns);
    if let Some(alert) = first {
        return refused(alert);
    }
    for side in [server, client] {
        if let Some((_, sent)) = &side.not_tls {
            return Handshake::NotTls { by: side.side, sent: sent.clone() };
        }
    }
    if hellos.client.is_none() {
        return Handshake::Unknown { why: "the capture does not start with a ClientHello".to_owned() };
    }
    if client.is_sealed() || server.is_sealed() {
        return Handshake::Unknown { why: "the relevant records are encrypted, and keys are missing".to_owned() };
    }

    let last = client.messages.iter().chain(&server.messages).max_by_key(|(at, _)| *at);
    let after = last.map_or_else(|| "nothing".to_owned(), |(_, message)| message.name());
    let closed = [client, server]
        .into_iter()
        .filter(|side| side.payload.end != End::Open)
        .min_by_key(|side| side.payload.end_ns);
    match closed {
        Some(side) => Handshake::Closed { by: side.side, how: side.payload.end, after },
        None => Handshake::Unfinished { after },
    }
}
