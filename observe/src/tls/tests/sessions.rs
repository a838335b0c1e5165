//! Unusual handshakes: retried, resumed, with key updates.

use std::io::Write;
use std::sync::Arc;

use pretty_assertions::assert_eq;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, ServerConnection};

use super::outer;
use crate::testing::{
    Pki, SharedLog, Talk, Wire, client_config, client_says, connect, drive, http_talk, provider, server_config,
    server_says, tls_talk,
};
use crate::{Handshake, KeyLog, Keys, Side};

const SUITE: &str = "TLS13_AES_128_GCM_SHA256";

#[test]
fn a_hello_retry_is_followed() {
    let (pki, log) = (Pki::new("root"), Arc::new(SharedLog::default()));
    let client = client_config(&pki, true, Arc::new(aws_lc_rs::default_provider()), &[&TLS13], &log);
    let mut only_p384 = aws_lc_rs::default_provider();
    only_p384.kx_groups = vec![kx_group::SECP384R1];
    let server = server_config(&pki, true, Arc::new(only_p384), &[&TLS13], &log);
    let talk = connect(client, server, &http_talk());
    let flow = Wire::default().whole(&talk).flow(&log.keys());
    assert_eq!(flow.layers(), ["mtls", "http/1.1"]);
    let tls = outer(&flow);
    assert!(tls.hello_retry);
    assert_eq!(tls.group.as_deref(), Some("secp384r1"));
}

#[test]
fn key_updates_are_followed() {
    let (pki, log) = (Pki::new("root"), Arc::new(SharedLog::default()));
    let client = client_config(&pki, true, provider(SUITE), &[&TLS13], &log);
    let server = server_config(&pki, true, provider(SUITE), &[&TLS13], &log);
    let mut client = ClientConnection::new(Arc::new(client), "server".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut talk = drive(&mut client, &mut server, &Talk::new());
    for round in 0..3 {
        client.refresh_traffic_keys().unwrap();
        server.refresh_traffic_keys().unwrap();
        let payload = vec![client_says(&format!("ping {round} ")), server_says(&format!("pong {round} "))];
        talk.extend(drive(&mut client, &mut server, &payload));
    }
    let flow = Wire::default().whole(&talk).flow(&log.keys());
    for sent in ["ping 0 ping 1 ping 2", "pong 0 pong 1 pong 2"] {
        assert!(flow.contains(sent), "{flow:#?}");
    }
    assert_eq!(outer(&flow).keys, Keys::Found);
}

#[test]
fn a_resumed_session_has_the_certificates_of_its_original_handshake() {
    for (suite, version) in [(SUITE, &TLS13), ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", &TLS12)] {
        let (pki, log) = (Pki::new("root"), Arc::new(SharedLog::default()));
        let client = client_config(&pki, true, provider(suite), &[version], &log);
        let server = server_config(&pki, true, provider(suite), &[version], &log);
        let first = Wire::default().whole(&connect(client.clone(), server.clone(), &http_talk()));
        let second = connect(client, server, &http_talk());
        let again = Wire { now_ns: first.now_ns, ..Wire::default() };
        let again = Wire { client: "10.244.0.2:45999".parse().unwrap(), ..again }.whole(&second);

        let mut both = first;
        let alone = again.packets.clone();
        both.packets.extend(again.packets);
        let flows = both.flows(&log.keys());
        let [first, again] = flows.as_slice() else { panic!("{flows:#?}") };
        assert!(!outer(first).resumed && outer(again).resumed);
        assert_eq!((first.layers(), again.layers()), (vec!["mtls", "http/1.1"], vec!["mtls", "http/1.1"]));
        assert!(outer(again).certificates_of_resumed_session);
        assert_eq!(outer(again).client_certificate, outer(first).client_certificate);

        // Without the original handshake, the identities are unknown.
        let flow = Wire { packets: alone, ..Wire::default() }.flow(&log.keys());
        assert_eq!(flow.layers(), ["tls", "http/1.1"]);
        assert!(outer(&flow).resumed && outer(&flow).client_certificate.is_none());
    }
}

#[test]
fn early_data_is_decrypted_and_comes_first() {
    let (pki, log) = (Pki::new("root"), Arc::new(SharedLog::default()));
    let mut client = client_config(&pki, false, provider(SUITE), &[&TLS13], &log);
    client.enable_early_data = true;
    let mut server = server_config(&pki, false, provider(SUITE), &[&TLS13], &log);
    server.max_early_data_size = 1000;
    let (client, server) = (Arc::new(client), Arc::new(server));
    let begin = || {
        let client = ClientConnection::new(Arc::clone(&client), "server".try_into().unwrap()).unwrap();
        (client, ServerConnection::new(Arc::clone(&server)).unwrap())
    };
    let (mut first_client, mut first_server) = begin();
    drive(&mut first_client, &mut first_server, &http_talk());

    let (mut client, mut server) = begin();
    client.early_data().unwrap().write_all(b"early, ").unwrap();
    let talk = drive(&mut client, &mut server, &vec![client_says("late")]);
    assert!(client.is_early_data_accepted());
    let flow = Wire::default().whole(&talk).flow(&log.keys());
    let tls = outer(&flow);
    assert!(tls.early_data_offered && flow.contains("early, late"), "{flow:#?}");
    assert_eq!((tls.keys, &tls.handshake), (Keys::Found, &Handshake::Complete));
}

#[test]
fn session_tickets_after_the_handshake_are_not_payload() {
    let (talk, keys) = tls_talk(true, SUITE, &TLS13);
    let flow = Wire::default().whole(&talk).flow(&keys);
    let tls = outer(&flow);
    assert!(!tls.tickets.issued.is_empty());
    assert_eq!((tls.server.data_records, tls.server.payload_bytes), (1, http_talk()[1].1.len() as u64));
    // Overhead of a record: header, inner type and tag.
    assert_eq!(tls.server.overhead_bytes, 5 + 1 + 16);
}

#[test]
fn a_hello_split_over_records_and_segments_is_joined() {
    let (mut talk, keys) = tls_talk(true, SUITE, &TLS13);
    let (_, hello) = &mut talk[0];
    let content = hello.split_off(5);
    *hello = content
        .chunks(100)
        .flat_map(|piece| {
            let mut record = vec![0x16, 3, 1, 0, u8::try_from(piece.len()).unwrap()];
            record.extend_from_slice(piece);
            record
        })
        .collect();
    let flow = Wire { mss: 7, ..Wire::default() }.whole(&talk).flow(&keys);
    assert_eq!(outer(&flow).sni.as_deref(), Some("server"));
    assert_eq!(flow.layers(), ["mtls", "http/1.1"]);
}

#[test]
fn traffic_secrets_alone_decrypt_the_payload() {
    let (talk, keys) = tls_talk(true, SUITE, &TLS13);
    let text: String =
        keys.text().lines().filter(|line| line.contains("TRAFFIC_SECRET_0")).map(|line| format!("{line}\n")).collect();
    let flow = Wire::default().whole(&talk).flow(&KeyLog::parse(&text));
    assert_eq!(flow.layers(), ["tls", "http/1.1"]);
    let tls = outer(&flow);
    assert_eq!((tls.keys, &tls.handshake), (Keys::Missing, &Handshake::Complete));
    assert!(tls.unopened[0].contains("HANDSHAKE_TRAFFIC_SECRET"), "{:?}", tls.unopened);
    assert_eq!(tls.client_certificate_requested, None);
}

#[test]
fn keys_of_another_connection_decrypt_nothing() {
    let (talk, keys) = tls_talk(true, SUITE, &TLS13);
    // The right labels with wrong secrets.
    let text: String = keys
        .text()
        .lines()
        .map(|line| {
            let (names, secret) = line.rsplit_once(' ').unwrap();
            format!("{names} {}\n", "5a".repeat(secret.len() / 2))
        })
        .collect();
    let flow = Wire::default().whole(&talk).flow(&KeyLog::parse(&text));
    assert_eq!(flow.layers(), ["tls"]);
    assert_eq!(outer(&flow).keys, Keys::Missing);
    let unopened = outer(&flow).unopened.join("; ");
    assert!(unopened.contains("3 of the client's 5 records cannot be decrypted with the logged secrets"), "{unopened}");
}

#[test]
fn without_keys_tls12_still_shows_certificates_and_that_it_is_mutual() {
    let (talk, _) = tls_talk(true, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", &TLS12);
    let flow = Wire::default().whole(&talk).flow(&KeyLog::default());
    assert_eq!(flow.layers(), ["mtls"]);
    let tls = outer(&flow);
    assert_eq!((tls.keys, &tls.handshake), (Keys::Missing, &Handshake::Complete));
    assert!(tls.client_certificate.is_some());
    assert_eq!((tls.client.unopened_records, tls.server.unopened_records), (1, 1));
}

#[test]
fn a_capture_cut_in_the_middle_of_a_record_is_reported() {
    let (talk, keys) = tls_talk(true, SUITE, &TLS13);
    let mut wire = Wire::default();
    wire.open();
    let (last, before) = talk[..talk.len() - 2].split_last().unwrap();
    wire.talk(&before.to_vec());
    wire.send(last.0, &last.1[..last.1.len() - 9]);
    let flow = wire.flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "http/1.1"]);
    let unopened = outer(&flow).unopened.join("; ");
    assert!(unopened.contains("the server's last record is cut") && unopened.contains("9 missing"), "{unopened}");
}

#[test]
fn a_capture_that_starts_after_the_handshake_is_reported() {
    let (talk, keys) = tls_talk(true, SUITE, &TLS13);
    let mut wire = Wire::default();
    wire.open();
    let payload = talk.len() - 4;
    wire.talk(&talk[payload..].to_vec());
    let flow = wire.flow(&keys);
    assert_eq!(flow.layers(), ["tls"]);
    assert_eq!(outer(&flow).unopened, ["the client's hello was not captured, so no keys can be looked up"]);
    assert!(matches!(outer(&flow).handshake, Handshake::Unknown { .. }));
}

#[test]
fn a_damaged_record_is_not_decrypted_and_nothing_after_it_is_payload() {
    let (mut talk, keys) = tls_talk(true, SUITE, &TLS13);
    // The request, before the response and the two close_notify alerts.
    let request = talk.len() - 4;
    talk[request].1[20] ^= 1;
    let flow = Wire::default().whole(&talk).flow(&keys);
    let tls = outer(&flow);
    // A reader that skips the record expects another sequence number for the close_notify that follows.
    assert_eq!((tls.client.unopened_records, tls.server.unopened_records), (2, 0));
    assert_eq!((tls.client.payload_bytes, &tls.handshake), (0, &Handshake::Complete));
    assert_eq!(tls.unopened, ["2 of the client's 5 records cannot be decrypted with the logged secrets"]);
}

#[test]
fn a_packet_truncated_by_the_capture_is_reported_for_the_record_in_it() {
    let (talk, keys) = tls_talk(true, SUITE, &TLS13);
    let mut wire = Wire::default();
    wire.open();
    wire.talk(&talk[..talk.len() - 2].to_vec());
    // The response, truncated by ten bytes, and the end, which shows that they were sent.
    let response = &mut wire.packets.last_mut().unwrap().data;
    response.truncate(response.len() - 10);
    wire.fin(Side::Server);
    let flow = wire.flow(&keys);
    assert_eq!(flow.layers(), ["mtls", "http/1.1"]);
    assert_eq!(flow.received.gaps[0].bytes, 10);
    let unopened = outer(&flow).unopened.join("; ");
    assert!(unopened.contains("the server's last record is cut"), "{unopened}");
    assert!(unopened.contains("10 bytes after byte") && unopened.contains("are not in the capture"), "{unopened}");
}

#[test]
fn retransmitted_and_overlapping_segments_are_decrypted_as_if_they_were_not() {
    let (talk, keys) = tls_talk(true, SUITE, &TLS13);
    let clean = Wire::default().whole(&talk).flow(&keys);
    let mut wire = Wire { mss: 100, ..Wire::default() };
    wire.open();
    for (side, bytes) in &talk {
        wire.send(*side, bytes);
        // The last 40 bytes again, in a separate segment that starts in the middle of the previous one.
        let again = &bytes[bytes.len().saturating_sub(40)..];
        let back = u32::try_from(again.len()).unwrap();
        match side {
            Side::Client => wire.client_seq -= back,
            Side::Server => wire.server_seq -= back,
        }
        wire.send(*side, again);
    }
    wire.fin(Side::Client);
    wire.fin(Side::Server);
    let flow = wire.flow(&keys);
    assert!(flow.sent.retransmitted_bytes > 0 && flow.received.retransmitted_bytes > 0);
    assert_eq!((flow.sent.conflicting_bytes, flow.received.conflicting_bytes), (0, 0));
    assert_eq!((flow.layers(), outer(&flow).unopened.as_slice()), (clean.layers(), [].as_slice()));
    assert_eq!((&outer(&flow).client, &outer(&flow).server), (&outer(&clean).client, &outer(&clean).server));
}
