//! Parsing a ClientHello (RFC 8446, section 4.1.2).

use super::{Hello, Opening};

/// Maximum length of a name in SNI, in bytes.
const MAX_NAME: usize = 255;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// Parses a ClientHello. If it is malformed, the connection is not TLS.
pub(super) fn read(message: &[u8]) -> Opening {
    let mut reader = Reader(message);
    match hello(&mut reader) {
        None => Opening::Plaintext,
        // TLS 1.0 to 1.3; older or undefined versions are invalid.
        Some((0x0301..=0x0304, hello)) => Opening::Hello(hello),
        Some((_, hello)) => Opening::Invalid(hello),
    }
}

/// A ClientHello without extensions.
pub(super) fn bare() -> Vec<u8> {
    let random = [0; 32];
    [&[3, 1][..], &random, &[0], &[0, 2, 0, 0], &[1, 0]].concat()
}

/// The version, and the relevant contents.
fn hello(reader: &mut Reader<'_>) -> Option<(u16, Hello)> {
    let version = reader.u16()?;
    reader.take(32)?; // random
    let session = reader.vec8()?;
    let suites = reader.vec16()?;
    let compressions = reader.vec8()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 != 0 || compressions.is_empty() {
        return None;
    }
    let mut hello = Hello::default();
    if !reader.0.is_empty() {
        let extensions = extensions(Reader(reader.vec16()?))?;
        if !reader.0.is_empty() {
            return None;
        }
        let body = |wanted: u16| extensions.iter().find(|(kind, _)| *kind == wanted).map(|(_, body)| *body);
        if let Some(body) = body(SERVER_NAME) {
            hello.server_name = server_name(Reader(body))?;
        }
        if let Some(body) = body(ENCRYPTED_CLIENT_HELLO) {
            encrypted(Reader(body))?;
        }
        // A malformed list is left to the handshake.
        hello.alpn = body(ALPN).and_then(|body| alpn(Reader(body))).unwrap_or_default();
    }
    Some((version, hello))
}

/// The extensions, which must be unique.
fn extensions(mut reader: Reader<'_>) -> Option<Vec<(u16, &[u8])>> {
    let mut all = Vec::new();
    while !reader.0.is_empty() {
        all.push((reader.u16()?, reader.vec16()?));
    }
    let mut kinds: Vec<u16> = all.iter().map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.windows(2).all(|pair| pair[0] != pair[1]).then_some(all)
}

/// The host name, in lower case.
fn server_name(mut reader: Reader<'_>) -> Option<String> {
    let mut list = Reader(reader.vec16()?);
    let kind = list.u8()?;
    let name = list.vec16()?;
    let is_one = kind == 0 && list.0.is_empty() && reader.0.is_empty();
    if !is_one || name.is_empty() || name.len() > MAX_NAME || name.contains(&0) {
        return None;
    }
    Some(name.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect())
}

fn alpn(mut reader: Reader<'_>) -> Option<Vec<String>> {
    let mut list = Reader(reader.vec16()?);
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let protocol = list.vec8().filter(|protocol| !protocol.is_empty())?;
        protocols.push(String::from_utf8_lossy(protocol).into_owned());
    }
    reader.0.is_empty().then_some(protocols)
}

/// Checks an encrypted ClientHello. Like Envoy, only examines the outer type.
fn encrypted(mut reader: Reader<'_>) -> Option<()> {
    if reader.u8()? != 0 {
        return Some(());
    }
    reader.take(5)?; // cipher suite and config id
    reader.vec16()?; // encapsulated key
    reader.vec16().filter(|payload| !payload.is_empty())?;
    reader.0.is_empty().then_some(())
}

/// A cursor over bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vec8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vec16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}
