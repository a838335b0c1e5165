use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::{
    address::{DownstreamLocal, DownstreamRemote},
    stream_info::{FilterState, TlsInfo, Transport},
};

fn connection(alpn: Option<&str>) -> ConnectionInfo {
    let tls = alpn.map(|alpn| TlsInfo {
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        group: None,
        alpn: Some(alpn.into()),
        peer: None,
        local_uri_sans: Arc::new([]),
        resumed: false,
    });
    ConnectionInfo {
        id: 0,
        started: Instant::now(),
        start_time: SystemTime::now(),
        remote: DownstreamRemote("10.0.0.9:1234".parse().unwrap()),
        local: DownstreamLocal("10.0.0.1:80".parse().unwrap()),
        original_dst: None,
        transport: Transport::RawBuffer,
        server_name: String::new(),
        application_protocols: Vec::new(),
        filter_chain: "".into(),
        tls,
        transport_failure: "".into(),
        filter_state: FilterState::default(),
    }
}

/// The version for bytes that arrive in these pieces, before the peer closes.
async fn decided(codec: CodecType, alpn: Option<&str>, pieces: &[&[u8]]) -> Option<(HttpVersion, Vec<u8>)> {
    let (mut peer, mut stream) = tokio::io::duplex(64);
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    tokio::spawn(async move {
        for piece in pieces {
            peer.write_all(&piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let (version, first) = version(&mut stream, &connection(alpn), codec).await.ok()?;
    Some((version, first.to_vec()))
}

#[tokio::test]
async fn the_preface_decides_without_alpn() {
    let preface: &[&[u8]] = &[b"PRI * ", b"HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    assert_eq!(decided(CodecType::Auto, None, preface).await, Some((HttpVersion::Http2, PREFACE.to_vec())));
    assert_eq!(decided(CodecType::Auto, None, &[b"GE"]).await, Some((HttpVersion::Http1, b"GE".to_vec())));
    assert_eq!(decided(CodecType::Auto, None, &[b"PRI", b"NT / HTTP/1.1"]).await.unwrap().0, HttpVersion::Http1);
    assert_eq!(decided(CodecType::Auto, None, &[b"PRI"]).await, Some((HttpVersion::Http1, b"PRI".to_vec())));
}

#[tokio::test]
async fn alpn_and_configuration_decide_without_reading() {
    assert_eq!(decided(CodecType::Auto, Some("h2"), &[]).await, Some((HttpVersion::Http2, Vec::new())));
    assert_eq!(decided(CodecType::Auto, Some("istio-peer-exchange"), &[]).await.unwrap().0, HttpVersion::Http1);
    assert_eq!(decided(CodecType::Http2, Some("http/1.1"), &[]).await.unwrap().0, HttpVersion::Http2);
    assert_eq!(decided(CodecType::Http1, Some("h2"), &[]).await.unwrap().0, HttpVersion::Http1);
}

#[tokio::test]
async fn a_peer_that_sends_nothing_has_no_version() {
    assert_eq!(decided(CodecType::Auto, None, &[]).await, None);
}
