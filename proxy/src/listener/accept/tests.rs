use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::task::TaskTracker;

use std::time::Duration;

use super::*;
use crate::{config::Manager, http::Pools};

/// Maximum memory for a new connection, in bytes, besides its socket's in the kernel. It grows with everything that is held
/// across an `await`; box what only some connections need.
const MOST: usize = 1024;

#[tokio::test]
async fn a_connection_uses_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bootstrap.json");
    let bootstrap = json!({"static_resources": {"listeners": [{
        "name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "c", "cluster": "c",
        }}]}],
    }]}});
    std::fs::write(&path, bootstrap.to_string()).unwrap();
    let (sender, mut sockets) = unbounded_channel();
    let manager = Manager::load(&path, vec![sender], Duration::ZERO).unwrap();
    let shared = manager.shared();
    let worker = Arc::new(Worker {
        index: 0,
        clusters: shared.clusters.clone(),
        listeners: shared.listeners.clone(),
        connections: TaskTracker::new(),
        drain: shared.drain.clone(),
        accept_stats: shared.accept_stats.clone(),
        http: Pools::new(&shared.stats),
    });
    let (listening, accept) = sockets.try_recv().unwrap();
    let socket = TcpStream::connect(listening.local_addr().unwrap()).await.unwrap();
    let remote = DownstreamRemote(socket.local_addr().unwrap());
    let connection = serve(socket, remote, accept.listener.load_full(), worker);
    let size = size_of_val(&connection);
    assert!(size <= MOST, "{size} bytes");
}
