//! Logging session secrets to a file, so that captured packets can be decrypted. Only for labs.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

use rustls::KeyLog;

use crate::{
    config::{At as _, Fault, Invalid},
    logging::Seldom,
};

/// A file in NSS key log format. Several contexts may append to the same file: each line is a single write.
#[derive(Debug)]
pub(super) struct KeyLogFile(File);

impl KeyLogFile {
    pub(super) fn open(path: &Path) -> Result<Self, Invalid> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map(Self)
            .map_err(|error| Fault::File { file: path.to_owned(), error })
            .at("key_log.path")
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        static LOST: Seldom = Seldom::new();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        if let Err(error) = (&self.0).write_all(line.as_bytes())
            && let Some(left_out) = LOST.due()
        {
            tracing::warn!(%error, left_out, "session secrets could not be written to the key log");
        }
    }
}

/// Encodes bytes as lower-case hexadecimal text.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
