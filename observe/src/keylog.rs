//! TLS key logs in the NSS format, which `SSLKEYLOGFILE` made common (draft-ietf-tls-keylogfile).

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

/// The TLS secrets of many connections, by client random and label.
#[derive(Clone, Debug, Default)]
pub struct KeyLog {
    secrets: HashMap<[u8; 32], HashMap<String, Vec<u8>>>,
    /// The well-formed lines, each once, in a stable order.
    lines: BTreeSet<String>,
}

impl KeyLog {
    /// Reads a key log. See [`KeyLog::add`].
    pub fn parse(text: &str) -> Self {
        let mut keys = Self::default();
        keys.add(text);
        keys
    }

    /// Adds a participant's key log. Lines that are there already (both ends of a connection log the same secrets) change
    /// nothing; comments, and lines that are no `LABEL CLIENT_RANDOM SECRET`, such as one that is still being written, are passed over.
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(label), Some(random), Some(secret), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Some(random) = hex(random).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
                continue;
            };
            // The shortest secret is a SHA-256; a shorter one is a line cut short.
            let Some(secret) = hex(secret).filter(|secret| secret.len() >= 32) else {
                continue;
            };
            self.lines.insert(line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
            self.secrets.entry(random).or_default().insert(label.to_owned(), secret);
        }
    }

    /// The secret that `label` names for the connection whose ClientHello had `client_random`.
    pub fn secret(&self, label: &str, client_random: &[u8; 32]) -> Option<&[u8]> {
        self.secrets.get(client_random)?.get(label).map(Vec::as_slice)
    }

    /// Whether nothing could be read out of the logs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All secrets as one key log, each line once: what the Decryption Secrets Block of a pcapng file holds.
    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

impl Extend<String> for KeyLog {
    /// Adds the key logs of many participants.
    fn extend<T: IntoIterator<Item = String>>(&mut self, logs: T) {
        for log in logs {
            self.add(&log);
        }
    }
}

/// The bytes that hexadecimal text stands for.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        })
        .collect()
}

/// Bytes as lower-case hexadecimal text.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
