use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, server};

use super::*;

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["server".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let key = signing_key.serialize_der().try_into().unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    // Unread tickets would turn a dropped connection into a reset one.
    server.send_tls13_tickets = 0;
    (client.into(), server.into())
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (connected, accepted) = tokio::join!(connecting, listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

fn client(config: Arc<ClientConfig>) -> UnbufferedClientConnection {
    UnbufferedClientConnection::new(config, ServerName::try_from("server").unwrap()).unwrap()
}

/// Both ends with our implementation.
async fn ours() -> (TlsStream, TlsStream) {
    let (from, to) = configs();
    let (near, far) = sockets().await;
    let server = UnbufferedServerConnection::new(to).unwrap();
    let (near, far) = tokio::join!(TlsStream::connect(near, client(from), false), TlsStream::accept(far, server));
    (near.unwrap(), far.unwrap())
}

/// Our implementation with tokio-rustls as its peer.
async fn with_a_library() -> (TlsStream, server::TlsStream<TcpStream>) {
    let (from, to) = configs();
    let (near, far) = sockets().await;
    let (near, far) = tokio::join!(TlsStream::connect(near, client(from), false), TlsAcceptor::from(to).accept(far));
    (near.unwrap(), far.unwrap())
}

fn message(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

#[tokio::test]
async fn bulk_data_passes_in_both_directions_concurrently() {
    let (near, far) = ours().await;
    let sent = message(5_000_003);
    let pass = |stream: TlsStream| {
        let sent = sent.clone();
        async move {
            let (mut read, mut write) = tokio::io::split(stream);
            let writing = async {
                // With various lengths, so that records and buffers are filled differently.
                for part in sent.chunks(77_777) {
                    write.write_all(part).await.unwrap();
                }
                write.shutdown().await.unwrap();
            };
            let mut received = Vec::new();
            let (end, ()) = tokio::join!(read.read_to_end(&mut received), writing);
            end.unwrap();
            assert!(received == sent);
        }
    };
    tokio::join!(pass(near), pass(far));
}

#[tokio::test]
async fn a_reader_with_a_small_buffer_gets_everything() {
    let (mut near, mut far) = ours().await;
    let sent = message(100_000);
    let reading = async {
        let mut received = Vec::new();
        let mut room = [0; 7];
        while received.len() < 100_000 {
            let count = far.read(&mut room).await.unwrap();
            received.extend_from_slice(&room[..count]);
        }
        received
    };
    let writing = async { near.write_all(&sent).await.unwrap() };
    let (received, ()) = tokio::join!(reading, writing);
    assert!(received == sent);
}

#[tokio::test]
async fn an_idle_connection_has_no_buffer() {
    let (mut near, mut far) = ours().await;
    let mut room = [0; 5];
    near.write_all(b"hello").await.unwrap();
    far.read_exact(&mut room).await.unwrap();
    far.write_all(&room).await.unwrap();
    near.read_exact(&mut room).await.unwrap();
    for stream in [near, far] {
        assert!(stream.incoming.is_none() && stream.plaintext.is_none() && stream.outgoing.is_none());
    }
}

#[tokio::test]
async fn an_end_without_close_notify_is_distinguished_from_one_with() {
    let (mut near, mut far) = ours().await;
    near.write_all(b"all").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(far.read_to_end(&mut Vec::new()).await.unwrap(), 3);

    let (mut near, mut far) = ours().await;
    near.write_all(b"some").await.unwrap();
    drop(near);
    let error = far.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn after_sending_close_notify_data_can_still_be_received() {
    let (mut near, mut far) = ours().await;
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    far.write_all(b"late").await.unwrap();
    far.shutdown().await.unwrap();
    let mut heard = String::new();
    near.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "late");
    assert_eq!(near.write(b"no more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn keys_are_updated_on_the_peers_request() {
    let (mut near, mut far) = with_a_library().await;
    let mut room = [0; 4];
    for _ in 0..3 {
        far.get_mut().1.refresh_traffic_keys().unwrap();
        far.write_all(b"ping").await.unwrap();
        far.flush().await.unwrap();
        near.read_exact(&mut room).await.unwrap();
        near.write_all(b"pong").await.unwrap();
        far.read_exact(&mut room).await.unwrap();
        assert_eq!(&room, b"pong");
    }
}

#[tokio::test]
async fn a_refused_peer_receives_the_reason() {
    let (_, to) = configs();
    let (stranger, _) = configs();
    let (near, far) = sockets().await;
    let server = UnbufferedServerConnection::new(to).unwrap();
    let (near, far) = tokio::join!(TlsStream::connect(near, client(stranger), false), TlsStream::accept(far, server));
    assert_eq!(near.unwrap_err().kind(), io::ErrorKind::InvalidData);
    let heard = far.unwrap_err().into_inner().unwrap().downcast::<rustls::Error>().unwrap();
    assert!(matches!(*heard, rustls::Error::AlertReceived(_)), "{heard}");
}

#[tokio::test]
async fn a_peer_that_closes_during_the_handshake_is_an_unexpected_end() {
    let (_, to) = configs();
    let (near, far) = sockets().await;
    drop(near);
    let server = UnbufferedServerConnection::new(to).unwrap();
    assert_eq!(TlsStream::accept(far, server).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn if_bytes_follow_the_last_flight_is_sent_with_them() {
    let (from, to) = configs();
    let (near, far) = sockets().await;
    let calling = async {
        let mut near = TlsStream::connect(near, client(from), true).await.unwrap();
        assert!(near.outgoing.is_some());
        near.write_all(b"hello").await.unwrap();
        assert!(near.outgoing.is_none());
        near
    };
    let (mut far, _near) = tokio::join!(async { TlsAcceptor::from(to).accept(far).await.unwrap() }, calling);
    let mut room = [0; 5];
    far.read_exact(&mut room).await.unwrap();
    assert_eq!(&room, b"hello");
}

#[tokio::test]
async fn data_before_a_forged_record_is_read() {
    const FORGED: [u8; 37] = {
        let mut record = [0x55; 37];
        (record[0], record[1], record[2], record[3], record[4]) = (23, 3, 3, 0, 32);
        record
    };
    let (mut near, mut far) = with_a_library().await;
    far.write_all(b"genuine").await.unwrap();
    far.flush().await.unwrap();
    far.get_mut().0.write_all(&FORGED).await.unwrap();
    let mut seen = [0; 1024];
    // Both must have arrived for a single read.
    loop {
        let count = near.socket().peek(&mut seen).await.unwrap();
        if seen[..count].ends_with(&FORGED) {
            break;
        }
    }
    let mut read = [0; 1024];
    let count = near.read(&mut read).await.unwrap();
    assert_eq!(&read[..count], b"genuine");
    assert_eq!(near.read(&mut read).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
}
