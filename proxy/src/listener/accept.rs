//! From an accepted connection to its filter chain.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use tokio::net::TcpStream;

use super::{
    Chain, Listener, Terminal,
    inspect::{Inspected, Refused},
};
use crate::{
    address::{DownstreamLocal, DownstreamRemote, unmapped},
    http,
    peek::Unseen,
    stats::Held,
    stream_info::{ConnectionInfo, StreamInfo, Transport},
    worker::Worker,
};
use envoy_rules::outcome::Outcome;

#[cfg(test)]
mod tests;

/// Serves a connection until it ends.
pub(super) async fn serve(
    socket: TcpStream,
    remote: DownstreamRemote,
    mut listener: Arc<Listener>,
    worker: Arc<Worker>,
) {
    let Ok(local) = socket.local_addr() else { return };
    let _ = socket.set_nodelay(true); // fails only if the peer is gone, which the first read reports
    let mut info = Arc::new(accepted(remote, DownstreamLocal(unmapped(local))));
    let mut inspected = inspect(&listener, &socket, &mut info, &worker).await;
    if let (Ok(()), Some(other)) = (inspected, hand_over(&listener, &info, &worker)) {
        listener = other;
        inspected = inspect(&listener, &socket, &mut info, &worker).await;
    }
    let chain = match inspected {
        Ok(()) => find_chain(&listener, &mut info),
        Err(_) => Err(Box::new(StreamInfo::session(info.clone()))),
    };
    let _active = chain.is_ok().then(|| listener.count());
    // A connection keeps its chain, but not the listener, which may be replaced.
    let access_log = listener.access_log.clone();
    drop(listener);
    let mut session = match chain {
        Ok(chain) => dispatch(socket, info, chain, worker).await,
        // The socket is closed afterwards. Unread bytes make the kernel reset the connection.
        Err(session) => session,
    };
    if !access_log.is_empty() {
        session.end();
        access_log.log_session(&session);
    }
}

/// The initial facts about a connection.
fn accepted(remote: DownstreamRemote, local: DownstreamLocal) -> ConnectionInfo {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    ConnectionInfo {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        started: Instant::now(),
        start_time: SystemTime::now(),
        remote,
        local,
        original_dst: None,
        transport: Transport::RawBuffer,
        server_name: String::new(),
        application_protocols: Vec::new(),
        filter_chain: Arc::default(),
        tls: None,
        transport_failure: "".into(),
        filter_state: Default::default(),
    }
}

async fn inspect(
    listener: &Listener,
    socket: &TcpStream,
    info: &mut Arc<ConnectionInfo>,
    worker: &Worker,
) -> Result<(), Refused> {
    let result = tokio::select! {
        result = Box::pin(listener.inspectors.run(socket, Arc::make_mut(info))) => result,
        () = worker.drain.forced() => Err(Refused::Forced),
    };
    match result {
        Ok(Inspected::InPart) | Err(Refused::TimedOut) => listener.stats.pre_cx_timeout.inc(),
        Err(Refused::Unseen(Unseen::PeerClosed)) => listener.stats.filter_remote_close.inc(),
        Ok(Inspected::Whole) | Err(Refused::Unseen(Unseen::TooLong) | Refused::Invalid | Refused::Forced) => {}
    }
    result.map(drop)
}

/// The listener for the original destination, if it is another one.
fn hand_over(listener: &Arc<Listener>, info: &ConnectionInfo, worker: &Worker) -> Option<Arc<Listener>> {
    if listener.config.use_original_dst != Some(true) {
        return None;
    }
    let destination = info.original_dst?;
    let listeners = worker.listeners.load();
    listeners.of_destination(destination.0).filter(|other| other.name != listener.name).cloned()
}

/// The chain for a connection, or what to log if there is none.
fn find_chain(listener: &Listener, info: &mut Arc<ConnectionInfo>) -> Result<Arc<Chain>, Box<StreamInfo>> {
    let found = listener.chain(&envoy_rules::Connection {
        destination: info.local.0,
        source: info.remote.0,
        server_name: &info.server_name,
        transport_protocol: info.transport,
        application_protocols: &info.application_protocols,
    });
    match found {
        Ok(chain) => {
            Arc::make_mut(info).filter_chain = chain.name.clone();
            Ok(chain.clone())
        }
        Err(stage) => {
            tracing::debug!(listener = %listener.name, remote = %info.remote, ?stage, "no filter chain matches");
            listener.stats.no_filter_chain_match.inc();
            let mut session = Box::new(StreamInfo::session(info.clone()));
            session.outcome = Outcome::NoFilterChainMatch;
            Err(session)
        }
    }
}

/// Passes a connection to its chain. Returns the facts about the whole session when it has ended.
async fn dispatch(
    socket: TcpStream,
    mut info: Arc<ConnectionInfo>,
    chain: Arc<Chain>,
    worker: Arc<Worker>,
) -> Box<StreamInfo> {
    let filter_state = chain.filter_state(&info);
    Arc::make_mut(&mut info).filter_state = filter_state;
    match &chain.terminal {
        Terminal::TcpProxy(proxy) => {
            proxy.serve(socket, info, &chain.transport_socket, &chain.drain, &worker.clusters).await
        }
        Terminal::Http(hcm) => {
            let mut handshake = Box::pin(chain.transport_socket.handshake(socket, info.offered_in_tls())).await;
            let known = Arc::make_mut(&mut info);
            match &mut handshake {
                Ok((_, tls)) => known.tls = tls.take(),
                Err(reason) => known.transport_failure = reason.clone(),
            }
            // Without a handshake there is no request, and so nothing for the connection manager to log.
            if let Ok((downstream, _)) = handshake {
                Box::pin(http::serve(downstream, info.clone(), hcm.clone(), worker, chain.drain.clone())).await;
            }
            Box::new(StreamInfo::session(info))
        }
    }
}

impl Listener {
    /// Counts a connection with a chain, and counts it as active until the result is dropped.
    fn count(&self) -> Held {
        self.stats.cx_total.inc();
        self.stats.cx_active.hold()
    }
}
