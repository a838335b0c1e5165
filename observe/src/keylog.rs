//! TLS key logs in the NSS format of `SSLKEYLOGFILE` (draft-ietf-tls-keylogfile).

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

/// TLS secrets of many connections, by client random and label.
#[derive(Clone, Debug, Default)]
pub struct KeyLog {
    secrets: HashMap<[u8; 32], HashMap<String, Vec<u8>>>,
    /// The well-formed lines, without duplicates, in a stable order.
    lines: BTreeSet<String>,
}

impl KeyLog {
    /// Parses a key log. See [`KeyLog::add`].
    pub fn parse(text: &str) -> Self {
        let mut keys = Self::default();
        keys.add(text);
        keys
    }

    /// Adds a participant's key log. Duplicates (both ends of a connection log the same secrets) have no effect. Comments are ignored,
    /// as are lines that are not of the form `LABEL CLIENT_RANDOM SECRET`, such as one that is still being written.
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
            // The shortest secret has the length of a SHA-256. A shorter one is a truncated line.
            let Some(secret) = hex(secret).filter(|secret| secret.len() >= 32) else {
                continue;
            };
            self.lines.insert(line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
            self.secrets.entry(random).or_default().insert(label.to_owned(), secret);
        }
    }

    /// The secret with this label for the connection whose ClientHello had `client_random`.
    pub fn secret(&self, label: &str, client_random: &[u8; 32]) -> Option<&[u8]> {
        self.secrets.get(client_random)?.get(label).map(Vec::as_slice)
    }

    /// Whether there are no secrets.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All secrets as one key log without duplicates, as for the Decryption Secrets Block of a pcapng file.
    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

impl Extend<String> for KeyLog {
    /// Adds the key logs of several participants.
    fn extend<T: IntoIterator<Item = String>>(&mut self, logs: T) {
        for log in logs {
            self.add(&log);
        }
    }
}

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

/// Encodes bytes as lower-case hexadecimal text.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
