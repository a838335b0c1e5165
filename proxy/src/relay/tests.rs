use tokio::io::AsyncReadExt as _;

use super::*;

/// A relay between two connections, and their peers' ends.
async fn relay(stats: &RelayStats) -> (Box<Relay<'_>>, TcpStream, TcpStream) {
    let (client, downstream) = pair().await;
    let (upstream, server) = pair().await;
    (Relay::new(Downstream::Plain(downstream), Upstream::Plain(upstream), stats), client, server)
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (connected, accepted) = tokio::join!(connecting, listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

fn stats() -> RelayStats {
    RelayStats::new(&Stats::default(), Counter::default(), Counter::default())
}

/// Runs a relay until `done` completes.
async fn until<T>(relay: &mut Relay<'_>, done: impl Future<Output = T>) -> T {
    tokio::select! {
        end = relay.run_to_end(None) => panic!("the relay ended: {end:?}"),
        done = done => done,
    }
}

#[tokio::test]
async fn a_direction_without_data_holds_no_buffer_and_no_pipe() {
    let stats = stats();
    let (mut relay, mut client, mut server) = relay(&stats).await;
    let mut bytes = [0; 3];
    until(&mut relay, async {
        client.write_all(b"one").await.unwrap();
        server.read_exact(&mut bytes).await.unwrap();
    })
    .await;
    let Way::Plain { up, down, .. } = &relay.way else { panic!("both sides are plain") };
    assert!(up.is_empty() && down.is_empty());
    assert_eq!(relay.up.moved, 3);
}

#[tokio::test]
async fn small_messages_are_copied_and_bulk_data_is_spliced_after_the_first_read() {
    let stats = stats();
    let (mut relay, mut client, mut server) = relay(&stats).await;
    let mut small = [0; 3];
    until(&mut relay, async {
        client.write_all(b"one").await.unwrap();
        server.read_exact(&mut small).await.unwrap();
    })
    .await;
    assert_eq!((stats.copied.get(), stats.spliced.get()), (3, 0));

    let mut large = vec![0; 8 << 20];
    let sent = large.clone();
    until(&mut relay, async {
        tokio::join!(async { client.write_all(&sent).await.unwrap() }, async {
            server.read_exact(&mut large).await.unwrap();
        });
    })
    .await;
    assert_eq!(stats.copied.get() + stats.spliced.get(), 3 + (8 << 20));
    assert!(stats.spliced.get() > 7 << 20, "{} bytes were copied", stats.copied.get());
}

#[tokio::test]
async fn a_pipe_is_reused_by_the_next_connection() {
    let (stats, drain) = (stats(), Drain::default());
    for _ in 0..3 {
        let (relay, mut client, mut server) = relay(&stats).await;
        let relaying = relay.run(None, &drain);
        let calling = async {
            client.write_all(&vec![1; 4 << 20]).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let answering = async {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            drop(server);
            all.len()
        };
        let (ended, (), received) = tokio::join!(relaying, calling, answering);
        assert_eq!((ended.end, ended.received, received), (End::Done, 4 << 20, 4 << 20));
    }
    // Each direction may use one at a time.
    assert!((1..=2).contains(&splice::free()), "{} pipes", splice::free());
}

#[tokio::test]
async fn bytes_that_are_not_read_wait() {
    let stats = stats();
    let (mut relay, mut client, mut server) = relay(&stats).await;
    let megabytes = vec![1; 64 << 20];
    // Nothing reads at the other end, so all buffers in between fill up.
    let writing = client.write_all(&megabytes);
    let stuck = until(&mut relay, tokio::time::timeout(Duration::from_millis(300), writing)).await;
    assert!(stuck.is_err());
    let Way::Plain { up, .. } = &relay.way else { panic!("both sides are plain") };
    assert!(!up.is_empty());
    let moved = relay.up.moved;
    until(&mut relay, server.read_exact(&mut vec![0; 1 << 20])).await.unwrap();
    assert!(relay.up.moved >= moved);
}

#[tokio::test]
async fn an_idle_connection_ends_after_the_timeout_and_not_before() {
    const IDLE: Duration = Duration::from_millis(50);
    let stats = stats();
    let (relay, _client, _server) = relay(&stats).await;
    let started = Instant::now();
    let ended = relay.run(Some(IDLE), &Drain::default()).await;
    assert_eq!(ended.end, End::Idle);
    assert!(started.elapsed() >= IDLE);
}

#[tokio::test]
async fn a_forced_relay_ends() {
    let stats = stats();
    let (relay, mut client, _server) = relay(&stats).await;
    let drain = Drain::default();
    drain.force();
    let ended = relay.run(None, &drain).await;
    assert_eq!(ended.end, End::Forced);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_reset_after_fin_is_a_normal_end() {
    let stats = stats();
    let (mut relay, mut client, mut server) = relay(&stats).await;
    until(&mut relay, async {
        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
    abort(&server);
    drop(server);
    let ending = async {
        // The first bytes may still be buffered; those after the reset are not.
        while client.write_all(b"late").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let end = tokio::select! {
        end = relay.run_to_end(None) => end,
        () = ending => panic!("the client's connection was not the one to end"),
    };
    assert_eq!(end, End::Done);
}
