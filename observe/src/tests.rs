//! Damaged input is reported, and never causes a panic.

use rustls::version::{TLS12, TLS13};

use crate::testing::{Wire, http_talk, tls_talk};
use crate::{Capture, KeyLog, observe};

/// A deterministic pseudo-random generator (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
}

/// Captures of all kinds, with their keys.
fn samples() -> Vec<(Capture, KeyLog)> {
    let mut samples = Vec::new();
    for (suite, version) in [("TLS13_AES_128_GCM_SHA256", &TLS13), ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", &TLS12)]
    {
        let (talk, keys) = tls_talk(true, suite, version);
        samples.push((Wire::redirected().whole(&talk).capture(), keys));
    }
    samples.push((Wire::redirected_v6().whole(&http_talk()).capture(), KeyLog::default()));
    samples
}

#[test]
fn flipped_bytes_never_panic() {
    let mut dice = Dice(0x5eed);
    for (capture, keys) in samples() {
        for _ in 0..300 {
            let mut damaged = capture.clone();
            for _ in 0..=dice.roll(8) {
                let at = dice.roll(damaged.packets.len());
                let data = &mut damaged.packets[at].data;
                let at = dice.roll(data.len());
                data[at] ^= u8::try_from(1 + dice.roll(255)).unwrap();
            }
            serde_json::to_string(&observe(&damaged, &keys)).unwrap();
        }
    }
}

/// Flips bytes of the payload only, so that all damage reaches the layers above TCP.
#[test]
fn flipped_payload_never_panics() {
    let mut dice = Dice(0xfeed);
    for (capture, keys) in samples() {
        for _ in 0..300 {
            let mut damaged = capture.clone();
            let carriers: Vec<_> =
                (0..capture.packets.len()).filter(|&at| capture.packets[at].data.len() > 80).collect();
            let data = &mut damaged.packets[carriers[dice.roll(carriers.len())]].data;
            let at = 74 + dice.roll(data.len() - 74);
            data[at] ^= u8::try_from(1 + dice.roll(255)).unwrap();
            serde_json::to_string(&observe(&damaged, &keys)).unwrap();
        }
    }
}

#[test]
fn truncated_captures_never_panic() {
    for (capture, keys) in samples() {
        for packets in 0..capture.packets.len() {
            for missing in [0, 1, 5, 30, 1000] {
                let mut cut = capture.clone();
                cut.packets.truncate(packets + 1);
                let last = &mut cut.packets[packets].data;
                last.truncate(last.len().saturating_sub(missing));
                observe(&cut, &keys);
            }
            let mut late = capture.clone();
            late.packets.drain(..packets);
            observe(&late, &keys);
            let mut lossy = capture.clone();
            lossy.packets.remove(packets);
            observe(&lossy, &keys);
        }
    }
}

#[test]
fn garbage_frames_are_not_flows() {
    let mut dice = Dice(0xbead);
    let mut capture = Capture::default();
    for at in 0..500 {
        let data = (0..dice.roll(200)).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
        capture.packets.push(crate::Packet { interface: 0, timestamp_ns: at, data });
    }
    assert!(observe(&capture, &KeyLog::default()).is_empty());
}
