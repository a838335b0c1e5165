//! The proxy's TLS stream with a library's client at the other end of a wire that splits, joins, delays, alters and cuts what is sent.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
};

use proxy::fuzz::accept_tls;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig,
    client::Resumption,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    runtime,
};

/// Handshakes are slow, and more steps than these reach no other state.
const STEPS: usize = 64;

/// What happens on the wire, a byte each. When there is nothing left, all that was sent arrives, and the client closes.
enum Step {
    /// The client sends so many bytes.
    Send(usize),
    /// At most so many bytes arrive at once.
    Arrive(usize),
    /// The reader has to wait.
    Wait,
    /// A bit of the next bytes to arrive is flipped.
    Alter,
    /// The client's keys are changed.
    NewKeys,
    /// The client closes in order.
    Close,
    /// The wire is cut.
    Cut,
}

impl Step {
    fn new(byte: u8) -> Self {
        let number = usize::from(byte);
        match byte {
            // Up to two records.
            0..96 => Self::Send(number * number * 4),
            96..192 => Self::Arrive((number - 95) * (number - 95) * 2),
            192..224 => Self::Wait,
            224..232 => Self::Alter,
            232..244 => Self::NewKeys,
            244..250 => Self::Close,
            250.. => Self::Cut,
        }
    }
}

/// The client, and the wire from it and to it.
struct Wire {
    steps: VecDeque<Step>,
    client: ClientConnection,
    /// Sent by the client and not arrived.
    records: VecDeque<u8>,
    /// The client's bytes so far.
    sent: Vec<u8>,
    /// What the client has decrypted.
    received: Vec<u8>,
    altered: bool,
    is_closed: bool,
    is_cut: bool,
}

impl Wire {
    fn new(bytes: &[u8]) -> Option<Self> {
        let (first, steps) = bytes.split_first()?;
        let (config, _) = &CONFIGS[usize::from(first % 2)];
        let client = ClientConnection::new(Arc::clone(config), ServerName::try_from("server").ok()?).ok()?;
        let steps = steps.iter().take(STEPS).map(|byte| Step::new(*byte)).collect();
        let (records, sent, received) = (VecDeque::new(), Vec::new(), Vec::new());
        Some(Self { steps, client, records, sent, received, altered: false, is_closed: false, is_cut: false })
    }

    fn close(&mut self) {
        if !self.is_closed {
            self.client.send_close_notify();
            self.is_closed = true;
        }
    }

    /// Performs a step; `Some` with a limit if bytes may arrive now.
    fn step(&mut self, cx: &Context<'_>) -> Poll<Option<usize>> {
        match self.steps.pop_front() {
            Some(Step::Send(count)) if !self.is_closed => {
                let bytes: Vec<u8> = (self.sent.len()..).take(count).map(|i| (i % 251) as u8).collect();
                // Before the handshake is complete the client takes a limited number.
                let taken = self.client.writer().write(&bytes).unwrap_or(0);
                self.sent.extend(&bytes[..taken]);
            }
            Some(Step::Arrive(count)) => return Poll::Ready(Some(count)),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Alter) => self.altered |= self.records.front_mut().map(|byte| *byte ^= 0x10).is_some(),
            Some(Step::NewKeys) => drop(self.client.refresh_traffic_keys()),
            Some(Step::Close) if !self.client.is_handshaking() => self.close(),
            Some(Step::Cut) => self.is_cut = true,
            Some(Step::Send(_) | Step::Close) => {}
            None if self.client.is_handshaking() => return Poll::Ready(Some(usize::MAX)),
            None => {
                self.close();
                return Poll::Ready(Some(usize::MAX));
            }
        }
        Poll::Ready(None)
    }

    fn take_records(&mut self) {
        while self.client.wants_write() {
            let mut records = Vec::new();
            self.client.write_tls(&mut records).expect("a vector takes any number of bytes");
            self.records.extend(records);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            self.take_records();
            if self.is_cut {
                return Poll::Ready(Ok(()));
            }
            let was_last = self.steps.is_empty();
            let Some(limit) = std::task::ready!(self.step(cx)) else { continue };
            self.take_records();
            let count = limit.min(buf.remaining()).min(self.records.len());
            if count > 0 {
                let arrived: Vec<u8> = self.records.drain(..count).collect();
                buf.put_slice(&arrived);
                return Poll::Ready(Ok(()));
            }
            if was_last {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut rest = buf;
        let count = this.client.read_tls(&mut rest)?;
        match this.client.process_new_packets() {
            Ok(state) => {
                let mut plaintext = vec![0; state.plaintext_bytes_to_read()];
                io::Read::read_exact(&mut this.client.reader(), &mut plaintext)?;
                this.received.extend(plaintext);
            }
            // The client sends an alert, which arrives like everything else.
            Err(_) => assert!(this.altered, "the client rejects what was sent to it"),
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// TLS 1.2 and 1.3. Nothing is remembered between two connections, so that the same input always does the same.
static CONFIGS: LazyLock<[(Arc<ClientConfig>, Arc<ServerConfig>); 2]> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["server".to_owned()]).expect("a valid name");
    [&TLS12, &TLS13].map(|version| {
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a certificate that was just made");
        let client = ClientConfig::builder_with_protocol_versions(&[version]);
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.resumption = Resumption::disabled();
        let key = signing_key.serialize_der().try_into().expect("a key that was just made");
        let server = ServerConfig::builder_with_protocol_versions(&[version]).with_no_client_auth();
        let mut server = server.with_single_cert(vec![cert.der().clone()], key).expect("a key and its certificate");
        server.send_tls13_tickets = 0;
        (Arc::new(client), Arc::new(server))
    })
});

static RUNTIME: LazyLock<runtime::Runtime> =
    LazyLock::new(|| runtime::Builder::new_current_thread().build().expect("a runtime without drivers"));

/// Sends what is read back, with buffers of several sizes.
pub(crate) fn check(bytes: &[u8]) {
    let Some(mut wire) = Wire::new(bytes) else { return };
    let (_, config) = &CONFIGS[usize::from(bytes[0] % 2)];
    let mut read = Vec::new();
    let echo = async {
        let mut stream = accept_tls(&mut wire, Arc::clone(config)).await?;
        for size in [1, 100, 5_000, 40_000].into_iter().cycle() {
            let mut buffer = vec![0; size];
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            read.extend(&buffer[..count]);
            stream.write_all(&buffer[..count]).await?;
        }
        stream.shutdown().await
    };
    let ended: io::Result<()> = RUNTIME.block_on(echo);
    assert!(wire.sent.starts_with(&read), "something else was read than was sent");
    assert!(read.starts_with(&wire.received), "something else was answered than was read");
    if !wire.altered && !wire.is_cut {
        ended.expect("nothing has disturbed the connection");
        assert_eq!(wire.sent.len(), read.len(), "not all was read");
        assert_eq!(read.len(), wire.received.len(), "not all was answered");
    }
}

/// Steps in both versions: whole records, single bytes, new keys, a changed byte, and a cut.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let steps: [&[u8]; 6] = [
        &[],
        &[10, 95, 96, 96, 96, 120, 10, 191, 20],
        &[96, 200, 110, 191, 191, 50, 50, 50, 100, 100, 191],
        &[191, 191, 30, 235, 30, 235, 98, 98, 191, 245],
        &[191, 191, 60, 191, 40, 225, 191],
        &[191, 191, 95, 130, 251],
    ];
    steps.iter().flat_map(|steps| [0, 1].map(|version| [&[version], *steps].concat())).collect()
}
