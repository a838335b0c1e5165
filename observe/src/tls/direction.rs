//! The records of one side of a TLS connection.

use super::keys::{Opener, Suite, next_secret};
use super::messages::{Joiner, Message, TLS13, parse};
use super::names;
use super::record::{self, Record, Tail};
use super::session::{Alert, Side, Traffic};
use crate::stream::{End, Stream};

/// The protection of a side's records, once it no longer sends in the clear.
pub(super) enum Protection {
    /// Unknown, because the server's choice was not captured.
    Unknown,
    /// TLS 1.3.
    Tls13(Ladder),
    /// TLS 1.2 and older; `None` if there is no key or the suite is not supported.
    Tls12(Option<Opener>),
}

/// The successive keys of one side in TLS 1.3.
pub(super) struct Ladder {
    suite: Option<Suite>,
    /// The traffic secrets that may come next: early data, handshake, application data.
    next: Vec<Vec<u8>>,
    current: Option<(Vec<u8>, Opener)>,
}

impl Ladder {
    pub(super) fn new(suite: Option<Suite>, secrets: Vec<Vec<u8>>) -> Self {
        Self { suite, next: secrets, current: None }
    }

    /// Opens a record with the current or the next key that fits. Since only one key opens it, trying shows when the side switched:
    /// after Finished, after early data (accepted or not), after a KeyUpdate.
    fn open(&mut self, record: &Record<'_>) -> Option<(u8, Vec<u8>)> {
        if let Some((_, opener)) = &mut self.current
            && let Some(opened) = opener.open_tls13(record)
        {
            return Some(opened);
        }
        let suite = self.suite?;
        for step in 0..self.next.len() {
            if let Some((opener, opened)) =
                Opener::tls13(suite, &self.next[step]).and_then(|opener| first(opener, record))
            {
                let secret = self.next.drain(..=step).next_back()?;
                self.current = Some((secret, opener));
                return Some(opened);
            }
        }
        let updated = next_secret(suite, &self.current.as_ref()?.0)?;
        let (opener, opened) = first(Opener::tls13(suite, &updated)?, record)?;
        self.current = Some((updated, opener));
        Some(opened)
    }
}

/// Opens the first record under a new key.
fn first(mut opener: Opener, record: &Record<'_>) -> Option<(Opener, (u8, Vec<u8>))> {
    let opened = opener.open_tls13(record)?;
    Some((opener, opened))
}

/// Everything that one side sent.
pub(super) struct Direction {
    pub(super) side: Side,
    /// Handshake messages that could be parsed, with their times.
    pub(super) messages: Vec<(u64, Message)>,
    pub(super) alerts: Vec<Alert>,
    /// The application data.
    pub(super) payload: Stream,
    pub(super) traffic: Traffic,
    /// Whether ChangeCipherSpec was sent. Only meaningful in TLS 1.2.
    pub(super) changed_cipher: bool,
    /// Whether Finished was sent; visible without keys in TLS 1.2.
    pub(super) finished: bool,
    /// Whether a protected record could be decrypted.
    pub(super) opened: bool,
    /// Set where the bytes are no longer TLS: the offset, and their start.
    pub(super) not_tls: Option<(usize, String)>,
    /// What could not be parsed or decrypted, and why.
    pub(super) unread: Vec<String>,
    /// Protected handshake records and alerts of TLS 1.2 that could not be decrypted.
    sealed_handshake: u64,
    joiner: Joiner,
    version: Option<u16>,
}

/// The handshake messages in the clear at the start of `stream`, up to the first for which `last` holds.
pub(super) fn hellos(stream: &Stream, last: impl Fn(&Message) -> bool) -> Vec<Message> {
    let (records, _) = record::split(&stream.bytes);
    let mut joiner = Joiner::default();
    let mut messages = Vec::new();
    for record in records.iter().filter(|record| record.kind == record::HANDSHAKE) {
        for (kind, body) in joiner.push(record.body) {
            messages.push(parse(kind, &body, None));
            if messages.last().is_some_and(&last) {
                return messages;
            }
        }
        // A stream that does not start with a hello is encrypted here, and its lengths are meaningless.
        if !matches!(messages.first(), None | Some(Message::ClientHello(_) | Message::ServerHello(_))) {
            return Vec::new();
        }
    }
    messages
}

impl Direction {
    /// Parses what `side` sent. `version` is the server's choice, if known.
    pub(super) fn read(side: Side, stream: &Stream, version: Option<u16>, mut protection: Protection) -> Self {
        let mut this = Self {
            side,
            messages: Vec::new(),
            alerts: Vec::new(),
            payload: Stream::new(),
            traffic: Traffic::default(),
            changed_cipher: false,
            finished: false,
            opened: false,
            not_tls: None,
            unread: Vec::new(),
            sealed_handshake: 0,
            joiner: Joiner::default(),
            version,
        };
        (this.payload.end, this.payload.end_ns) = (stream.end, stream.end_ns);
        let (records, tail) = record::split(&stream.bytes);
        for record in &records {
            this.read_record(record, stream.complete_at(record.end), &mut protection);
        }
        this.traffic.overhead_bytes = this.traffic.data_bytes - this.traffic.payload_bytes;
        this.note_tail(stream, tail);
        this
    }

    fn read_record(&mut self, record: &Record<'_>, at_ns: u64, protection: &mut Protection) {
        self.traffic.records += 1;
        self.traffic.bytes += record.len();
        match protection {
            _ if record.kind == record::CHANGE_CIPHER_SPEC => {
                self.changed_cipher = true;
                self.traffic.handshake_bytes += record.len();
            }
            Protection::Tls12(opener) if self.changed_cipher => {
                match opener.as_mut().and_then(|it| it.open_tls12(record)) {
                    Some(content) => self.read_content(record.kind, &content, true, record, at_ns),
                    None => self.pass_over_tls12(record),
                }
            }
            _ if record.kind != record::APPLICATION_DATA => {
                self.read_content(record.kind, record.body, false, record, at_ns);
            }
            Protection::Tls13(ladder) => match ladder.open(record) {
                Some((kind, content)) => self.read_content(kind, &content, true, record, at_ns),
                None => self.pass_over(record),
            },
            Protection::Tls12(_) | Protection::Unknown => self.pass_over(record),
        }
    }

    /// Counts a record that could not be decrypted.
    fn pass_over(&mut self, record: &Record<'_>) {
        self.traffic.unopened_records += 1;
        self.traffic.unopened_bytes += record.len();
    }

    /// Like `pass_over`, but TLS 1.2 shows the type of an encrypted record.
    fn pass_over_tls12(&mut self, record: &Record<'_>) {
        if record.kind == record::APPLICATION_DATA {
            return self.pass_over(record);
        }
        self.traffic.handshake_bytes += record.len();
        self.sealed_handshake += 1;
        self.finished |= record.kind == record::HANDSHAKE;
    }

    fn read_content(&mut self, kind: u8, content: &[u8], encrypted: bool, record: &Record<'_>, at_ns: u64) {
        self.opened |= encrypted;
        if kind == record::APPLICATION_DATA {
            self.traffic.data_records += 1;
            self.traffic.data_bytes += record.len();
            self.traffic.payload_bytes += content.len() as u64;
            // What follows a record that could not be decrypted does not continue the payload.
            if self.payload.cut.is_none() {
                self.payload.push(content, at_ns);
            }
            return;
        }
        self.traffic.handshake_bytes += record.len();
        match (kind, content) {
            (record::HANDSHAKE, _) => self.read_handshake(content, at_ns),
            (record::ALERT, &[level, code, ..]) => {
                let name = names::alert(code);
                if name == "close_notify" {
                    (self.payload.end, self.payload.end_ns) = (End::Fin, at_ns);
                }
                let level = names::alert_level(level);
                self.alerts.push(Alert { from: self.side, level, name, encrypted, at_ns });
            }
            _ => self.unread.push(format!("a record of type {kind} from the {} is damaged", self.side.name())),
        }
    }

    fn read_handshake(&mut self, content: &[u8], at_ns: u64) {
        for (kind, body) in self.joiner.push(content) {
            let message = parse(kind, &body, self.version);
            match message {
                Message::Finished => self.finished = true,
                Message::Malformed(_) => self.unread.push(format!("{} from the {}", message.name(), self.side.name())),
                _ => {}
            }
            self.messages.push((at_ns, message));
        }
    }

    /// Records why the records end where they do, unless the side's bytes end there in order.
    fn note_tail(&mut self, stream: &Stream, tail: Tail) {
        let side = self.side.name();
        let why = match tail {
            Tail::Nothing if self.joiner.is_partial() => {
                self.unread.push(format!("a handshake message from the {side} is incomplete"));
                stream.cut.clone()
            }
            Tail::Nothing => stream.cut.clone(),
            Tail::Partial { have, missing } => {
                let why = stream.cut.as_deref().unwrap_or("nothing more was captured");
                Some(format!("the {side}'s last record is cut: {have} bytes of it, at least {missing} missing ({why})"))
            }
            Tail::NotTls { offset } => {
                let begin = &stream.bytes[offset..];
                let text = crate::http1::status_line(begin)
                    .unwrap_or_else(|| begin[..begin.len().min(32)].escape_ascii().to_string());
                let why = format!("byte {offset} from the {side} is not the start of a TLS record but \"{text}\"");
                self.not_tls = Some((offset, text));
                Some(why)
            }
        };
        if let Some(why) = why {
            self.payload.cut.get_or_insert_with(|| why.clone());
            self.unread.push(why);
        }
    }

    /// Whether there are protected records that could not be decrypted.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed() > 0
    }

    fn sealed(&self) -> u64 {
        self.traffic.unopened_records + self.sealed_handshake
    }

    /// Describes how many records could not be decrypted although there are keys, if any.
    pub(super) fn describe_sealed(&self) -> Option<String> {
        let (sealed, all, side) = (self.sealed(), self.traffic.records, self.side.name());
        self.is_sealed()
            .then(|| format!("{sealed} of the {side}'s {all} records cannot be decrypted with the logged secrets"))
    }

    /// Whether the connection uses TLS 1.3.
    pub(super) fn is_tls13(&self) -> bool {
        self.version == Some(TLS13)
    }
}
