//! What called apps answer, and what calling ones see of it.

use std::{net::IpAddr, time::Duration};

use crate::account::{AppSees, Reason};

use super::{
    app::{AppTls, ServerApp, Speaks},
    certificate::Why,
    tls::{Acceptor, Side},
    wire::{Reply, Sent, Version},
};

mod response;

/// The path at which `demo-webhook` never answers.
const HANGS: &str = "/hang";

/// The answer of a called app.
pub(super) struct Answered {
    pub(super) reply: Reply,
    /// The reason of its refusal, if it refused.
    pub(super) refusal: Option<Reason>,
    /// Whether it understood what the calling app sent.
    pub(super) understood: bool,
    /// How long it takes to answer.
    pub(super) delay: Duration,
    /// The status of gRPC that it answers with, if that is not `OK`.
    pub(super) grpc_status: Option<u32>,
}

impl Answered {
    /// A reply without a refusal.
    fn with(reply: Reply, understood: bool) -> Self {
        Self { reply, refusal: None, understood, delay: Duration::ZERO, grpc_status: None }
    }
}

/// What an app answers to a connection that comes to it at an address.
pub(super) fn answer(server: ServerApp, app_tls: &AppTls, dialled: IpAddr, sent: &[Sent]) -> Answered {
    let refused = |reply, reason| Answered { refusal: Some(reason), ..Answered::with(reply, false) };
    let understood = |reply| Answered::with(reply, true);
    if server.speaks == Speaks::Nothing || (server.loopback_only && !dialled.is_loopback()) {
        return refused(Reply::Refused, Reason::ConnectionRefused);
    }
    let [layer, inside @ ..] = sent else {
        // A connection without data.
        return Answered::with(Reply::Closed, false);
    };
    let AppTls { certificate, clients } = app_tls;
    let tls =
        |alpn: &[&str], mutual: bool| Acceptor::of_app(certificate.clone(), alpn, mutual.then(|| clients.clone()));
    let acceptor = match server.speaks {
        Speaks::Https { mutual } => Some((tls(&["h2", "http/1.1"], mutual), Speaks::Http)),
        Speaks::Webhook => Some((tls(&["h2", "http/1.1"], false), Speaks::Http)),
        Speaks::Tls { mutual } => Some((tls(&[], mutual), Speaks::Tcp)),
        Speaks::Anything | Speaks::AnythingInTls => Some((tls(&[], false), Speaks::Anything)),
        Speaks::Detects { tls: true } => {
            let acceptor = Acceptor { insists_on_alpn: false, ..tls(&["h2", "http/1.1"], false) };
            Some((acceptor, Speaks::Detects { tls: false }))
        }
        Speaks::Detects { tls: false }
        | Speaks::Http
        | Speaks::Http1
        | Speaks::Http2
        | Speaks::Tcp
        | Speaks::Greeting
        | Speaks::Reset
        | Speaks::Nothing => None,
    };
    let is_http = matches!(server.speaks, Speaks::Http | Speaks::Http1 | Speaks::Http2);
    let takes_plaintext = matches!(server.speaks, Speaks::Anything | Speaks::Detects { .. });
    let greets = matches!(server.speaks, Speaks::Greeting | Speaks::Anything);
    if matches!(layer, Sent::Nothing) {
        return match greets {
            true => understood(Reply::Echo),
            false => refused(Reply::Silence, Reason::Timeout),
        };
    }
    match (layer, acceptor) {
        (Sent::Tls(hello), Some((acceptor, speaks))) => {
            let (session, broken) = acceptor.handshake(hello);
            match broken {
                Some(broken) => {
                    let refusal = (broken.by == Side::Server).then_some(Reason::TlsHandshakeFailed);
                    Answered { refusal, ..Answered::with(Reply::Broken(session, broken), false) }
                }
                None => {
                    let inner = match inside {
                        [Sent::Http(_, request)] if server.speaks == Speaks::Webhook && request.path == HANGS => {
                            refused(Reply::Silence, Reason::Timeout)
                        }
                        _ => answer(ServerApp { speaks, ..server }, app_tls, dialled, inside),
                    };
                    Answered { reply: Reply::Tunnel(session, Box::new(inner.reply)), ..inner }
                }
            }
        }
        // A server that only speaks TLS answers other bytes with an alert.
        (_, Some(_)) if !takes_plaintext => refused(Reply::Alert, Reason::ProtocolError),
        // What it resets is a handshake, if it is sent a ClientHello.
        (Sent::Tls(_), _) if server.speaks == Speaks::Reset => refused(Reply::Reset, Reason::TlsHandshakeFailed),
        _ if server.speaks == Speaks::Reset => refused(Reply::Reset, Reason::ConnectionTerminated),
        (Sent::Http(Version::Http1, _), _) if server.speaks == Speaks::Http2 => {
            refused(Reply::Closed, Reason::ConnectionTerminated)
        }
        // No method begins like a ClientHello. The initiator of that TLS gives up.
        (Sent::Tls(_), _) if is_http => Answered::with(Reply::Response(Version::Http1, 400), false),
        // A line of text can be the start of a request: the server waits for the rest.
        (Sent::Bytes, _) if is_http => refused(Reply::Silence, Reason::Timeout),
        (Sent::Http(..), _) if matches!(server.speaks, Speaks::Tcp | Speaks::Greeting) => {
            refused(Reply::Echo, Reason::ProtocolError)
        }
        (Sent::Http(Version::Http2, _), _) if server.speaks == Speaks::Http1 => {
            refused(Reply::Closed, Reason::ConnectionTerminated)
        }
        // No app here takes an extended CONNECT.
        (Sent::Http(Version::Http2, request), _) if request.upgrade().is_some() => {
            refused(Reply::StreamReset, Reason::ProtocolError)
        }
        (Sent::Http(version, request), _) => {
            let (status, grpc_status) = response::to(&server, *version, request);
            let delay = response::requested_delay(&request.path);
            Answered { delay, grpc_status, ..understood(Reply::Response(*version, status)) }
        }
        _ => Answered::with(Reply::Echo, matches!(layer, Sent::Bytes)),
    }
}

/// What a calling app sees: the status if it gets one, and the word for it, as `demo-client` reports it.
pub(super) fn sees(sent: &[Sent], reply: &Reply) -> (Option<u16>, AppSees) {
    let [layer, inside @ ..] = sent else { unreachable!("a sender sends at least one layer") };
    let word = |word: &str| (None, AppSees::failure(word));
    match (layer, reply) {
        (_, Reply::Refused) => word("connection_refused"),
        (_, Reply::Unreachable) => word("network_unreachable"),
        (_, Reply::Silence) => word("timeout"),
        (_, Reply::Reset) => word("connection_reset"),
        (_, Reply::Closed) => word("eof"),
        (_, Reply::StreamReset) => word("http_protocol"),
        (Sent::Tls(_), Reply::Tunnel(_, inner)) => sees(inside, inner),
        (Sent::Tls(_), Reply::Broken(_, broken)) => match (broken.by, &broken.why) {
            (Side::Client, Why::UnknownIssuer) => word("unknown_issuer"),
            (Side::Client, Why::Expired) => word("expired"),
            (Side::Client, Why::NotYetValid) => word("not_yet_valid"),
            (Side::Client, _) => word("not_valid_for_name"),
            (Side::Server, why) => word(why.alert()),
        },
        (Sent::Tls(_), Reply::Alert) => word("decode_error"),
        // The echo of a ClientHello is TLS, but not an answer.
        (Sent::Tls(_), Reply::Echo) => word("tls_protocol"),
        (Sent::Tls(_), Reply::Response(..)) => word("not_tls"),
        (Sent::Http(sent, _), Reply::Response(version, status)) if sent == version => {
            (Some(*status), AppSees::Status(*status))
        }
        (Sent::Http(..), _) => word("http_parse"),
        (Sent::Bytes | Sent::Nothing, Reply::Echo) => (None, AppSees::Echo),
        (Sent::Bytes | Sent::Nothing, _) => word("echo_mismatch"),
    }
}
