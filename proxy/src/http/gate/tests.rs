use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn only_what_belongs_to_a_request_passes() {
    let (mut peer, stream) = tokio::io::duplex(64);
    let state = Arc::new(GateState::default());
    let mut gate = Gate::new(stream, state.clone());
    gate.write_all(b"before any request").await.unwrap();
    state.request_begun();
    gate.write_all(b"response").await.unwrap();
    state.response_ended();
    gate.write_all(b", its end").await.unwrap();
    gate.flush().await.unwrap();
    gate.write_all(b"after it was flushed").await.unwrap();
    drop(gate);
    let mut received = String::new();
    peer.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "response, its end");
}

#[tokio::test]
async fn the_stream_can_still_be_written_to_after_hyper_closed_it() {
    let (mut peer, stream) = tokio::io::duplex(64);
    let mut gate = Gate::new(stream, Arc::default());
    gate.shutdown().await.unwrap();
    gate.into_inner().write_all(b"last words").await.unwrap();
    let mut received = [0; 10];
    peer.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"last words");
}
