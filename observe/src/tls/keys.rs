//! Record protection from logged secrets: key schedules of TLS 1.3 (RFC 8446, section 7) and TLS 1.2 (RFC 5246, section
//! 6.3).

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use aws_lc_rs::{hkdf, hmac};
use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherSuite, TlsPRF};

use super::record::Record;

/// The algorithms of a cipher suite.
#[derive(Clone, Copy)]
pub(super) struct Suite {
    aead: &'static Algorithm,
    /// The hash of TLS 1.3's key schedule.
    hkdf: hkdf::Algorithm,
    /// The hash of TLS 1.2's pseudo-random function.
    prf: hmac::Algorithm,
}

impl Suite {
    /// The suite with this id, if its AEAD is supported.
    pub(super) fn from_id(id: u16) -> Option<Self> {
        let suite = TlsCipherSuite::from_id(id)?;
        let aead = match (&suite.enc, &suite.enc_mode, suite.enc_size) {
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => &AES_128_GCM,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => &AES_256_GCM,
            (TlsCipherEnc::Chacha20_Poly1305, _, _) => &CHACHA20_POLY1305,
            _ => return None,
        };
        let sha384 = suite.prf == TlsPRF::Sha384 || suite.name.ends_with("SHA384");
        let (hkdf, prf) =
            if sha384 { (hkdf::HKDF_SHA384, hmac::HMAC_SHA384) } else { (hkdf::HKDF_SHA256, hmac::HMAC_SHA256) };
        Some(Self { aead, hkdf, prf })
    }
}

/// How a record's nonce is constructed.
enum NonceRule {
    /// A fixed part XOR the sequence number: TLS 1.3, and ChaCha20-Poly1305 in TLS 1.2 (RFC 7905).
    Sequence([u8; NONCE_LEN]),
    /// Four fixed bytes, then eight from the record: AES-GCM in TLS 1.2 (RFC 5288).
    Carried([u8; 4]),
}

/// Decrypts one side's records under one key.
pub(super) struct Opener {
    key: LessSafeKey,
    nonce: NonceRule,
    sequence: u64,
}

impl Opener {
    /// Derives the key of a TLS 1.3 traffic secret.
    pub(super) fn tls13(suite: Suite, secret: &[u8]) -> Option<Self> {
        let key = expand_label(suite, secret, b"key", suite.aead.key_len())?;
        let iv = expand_label(suite, secret, b"iv", NONCE_LEN)?;
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(suite.aead, &key).ok()?),
            nonce: NonceRule::Sequence(iv.try_into().ok()?),
            sequence: 0,
        })
    }

    /// Derives the keys of client and server from a TLS 1.2 master secret.
    pub(super) fn tls12(
        suite: Suite,
        master_secret: &[u8],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> Option<(Self, Self)> {
        let key_len = suite.aead.key_len();
        let carried = suite.aead != &CHACHA20_POLY1305;
        let fixed_len = if carried { 4 } else { NONCE_LEN };
        let seed = [b"key expansion".as_slice(), server_random, client_random].concat();
        let block = prf(suite.prf, master_secret, &seed, 2 * (key_len + fixed_len));
        let (keys, fixed) = block.split_at(2 * key_len);
        let opener = |key: &[u8], fixed: &[u8]| {
            Some(Self {
                key: LessSafeKey::new(UnboundKey::new(suite.aead, key).ok()?),
                nonce: match carried {
                    true => NonceRule::Carried(fixed.try_into().ok()?),
                    false => NonceRule::Sequence(fixed.try_into().ok()?),
                },
                sequence: 0,
            })
        };
        let client = opener(&keys[..key_len], &fixed[..fixed_len])?;
        let server = opener(&keys[key_len..], &fixed[fixed_len..])?;
        Some((client, server))
    }

    /// Decrypts a TLS 1.3 record: its inner type, and its content without padding. `None` if the key does not fit; the
    /// sequence number then stays the same.
    pub(super) fn open_tls13(&mut self, record: &Record<'_>) -> Option<(u8, Vec<u8>)> {
        let mut plain = self.open(record.body, record.header)?;
        while plain.last() == Some(&0) {
            plain.pop();
        }
        let kind = plain.pop()?;
        Some((kind, plain))
    }

    /// Decrypts a TLS 1.2 record. `None` if the key does not fit.
    pub(super) fn open_tls12(&mut self, record: &Record<'_>) -> Option<Vec<u8>> {
        let explicit = match self.nonce {
            NonceRule::Carried(_) => 8,
            NonceRule::Sequence(_) => 0,
        };
        let tag_len = self.key.algorithm().tag_len();
        let plain_len = u16::try_from(record.body.len().checked_sub(explicit + tag_len)?).ok()?;
        let mut aad = self.sequence.to_be_bytes().to_vec();
        aad.extend_from_slice(&record.header[..3]);
        aad.extend_from_slice(&plain_len.to_be_bytes());
        self.open(record.body, &aad)
    }

    fn open(&mut self, body: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = match &self.nonce {
            NonceRule::Sequence(iv) => {
                let mut nonce = *iv;
                let sequence = self.sequence.to_be_bytes();
                for (byte, number) in nonce[NONCE_LEN - sequence.len()..].iter_mut().zip(sequence) {
                    *byte ^= number;
                }
                (nonce, body)
            }
            NonceRule::Carried(fixed) => {
                let (explicit, sealed) = body.split_first_chunk::<8>()?;
                let mut nonce = [0; NONCE_LEN];
                nonce[..4].copy_from_slice(fixed);
                nonce[4..].copy_from_slice(explicit);
                (nonce, sealed)
            }
        };
        let mut buffer = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let len = self.key.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?.len();
        buffer.truncate(len);
        self.sequence += 1;
        Some(buffer)
    }
}

/// The traffic secret after a KeyUpdate (RFC 8446, section 7.2).
pub(super) fn next_secret(suite: Suite, secret: &[u8]) -> Option<Vec<u8>> {
    expand_label(suite, secret, b"traffic upd", secret.len())
}

/// HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
fn expand_label(suite: Suite, secret: &[u8], label: &[u8], len: usize) -> Option<Vec<u8>> {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }

    // A secret of the wrong length is from another connection's key log.
    if secret.len() != suite.hkdf.hmac_algorithm().digest_algorithm().output_len {
        return None;
    }
    let label = [b"tls13 ".as_slice(), label].concat();
    let info =
        [u16::try_from(len).ok()?.to_be_bytes().as_slice(), &[u8::try_from(label.len()).ok()?], &label, &[0]].concat();
    let mut out = vec![0; len];
    hkdf::Prk::new_less_safe(suite.hkdf, secret).expand(&[&info], Len(len)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

/// The pseudo-random function of TLS 1.2 (RFC 5246, section 5); `seed` includes the label.
fn prf(algorithm: hmac::Algorithm, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let key = hmac::Key::new(algorithm, secret);
    let mut out = Vec::with_capacity(len + 64);
    let mut a = hmac::sign(&key, seed);
    while out.len() < len {
        out.extend_from_slice(hmac::sign(&key, &[a.as_ref(), seed].concat()).as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    out.truncate(len);
    out
}
