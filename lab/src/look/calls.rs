//! Calls as they happen: the lines of access logs, joined to calls, with what each leg carried.

use std::{collections::HashMap, net::SocketAddr};

use mesh::{
    account::{Interface, LegNumber},
    model::{Mesh, Pod},
};
use observe::{Flow, Opening};
use serde::Serialize;

use crate::access_log::Line;

#[cfg(test)]
mod tests;

/// How many connections are remembered.
const MOST_CONNECTIONS: usize = 20_000;

/// What a connection carries, if its beginning was not captured.
const UNKNOWN: &str = "?";

/// A call that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Call {
    /// When it began, RFC 3339.
    pub(crate) at: String,
    /// The calling pod, or its address if it is none of the lab's.
    pub(crate) from: String,
    /// What was dialled: a service or a pod with its port, else the address.
    pub(crate) to: String,
    /// The pod that it reached, as far as a sidecar says so.
    pub(crate) server: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    /// The layers of legs 1 to 3, outermost first; `null` for a leg that does not exist, `?` for a connection that began before.
    pub(crate) legs: [Option<Vec<String>>; 3],
    /// The HTTP status; `null` for TCP, and if there was none.
    pub(crate) status: Option<u16>,
    /// Envoy's, such as `UF,URX`; `-` if there is none.
    pub(crate) response_flags: String,
    pub(crate) milliseconds: f64,
}

impl Call {
    /// `client -> server:8080  http/1.1 | mtls http/1.1 | http/1.1  200  3.1 ms`.
    pub(crate) fn line(&self) -> String {
        let leg = |leg: &Option<Vec<String>>| leg.as_ref().map_or_else(|| "-".to_owned(), |layers| layers.join(" "));
        let legs = self.legs.iter().map(leg).collect::<Vec<_>>().join(" | ");
        let status = self.status.map(|status| status.to_string());
        let flags = Some(self.response_flags.clone()).filter(|flags| flags != "-");
        let end: Vec<String> = status.into_iter().chain(flags).collect();
        let end = if end.is_empty() { "-".to_owned() } else { end.join(" ") };
        format!("{} -> {}  {legs}  {end}  {:.1} ms", short(&self.from), self.to, self.milliseconds)
    }
}

/// A pod's name, without the namespace `default`.
fn short(pod: &str) -> &str {
    pod.strip_suffix(".default").unwrap_or(pod)
}

/// A line of a sidecar's access log.
#[derive(Clone, Debug)]
struct Entry {
    /// Index of the sidecar's pod.
    pod: usize,
    line: Line,
    /// For how many turns it has been waiting for the other sidecar's line.
    turns: usize,
}

/// Joins lines and connections.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    waiting: Vec<Entry>,
    connections: Connections,
}

/// The layers of connections, by where they were seen and who opened them.
#[derive(Debug, Default)]
struct Connections(HashMap<(String, Interface, SocketAddr), Seen>);

#[derive(Clone, Debug)]
struct Seen {
    first_ns: u64,
    layers: Vec<String>,
    /// When the head of each response was complete, with that of its request, in nanoseconds since the Unix epoch.
    exchanges: Vec<(u64, u64)>,
}

impl Connections {
    fn add(&mut self, flow: &Flow) {
        let interface = if flow.interface.name == "lo" { Interface::Lo } else { Interface::Eth0 };
        let key = (flow.interface.host.clone(), interface, flow.initiator);
        let is_whole = flow.opening != Opening::NotSeen;
        let silent = flow.sent.bytes == 0 && flow.received.bytes == 0;
        let exchanges =
            flow.content.exchanges().iter().filter_map(|exchange| {
                Some((exchange.request.message.at_ns, exchange.response.as_ref()?.message.at_ns))
            });
        let exchanges: Vec<(u64, u64)> = exchanges.collect();
        match self.0.get_mut(&key) {
            // Packets of its beginning were dropped meanwhile.
            Some(seen) if !is_whole => seen.exchanges = exchanges,
            _ => {
                let layers = match (is_whole, silent) {
                    (true, true) => Vec::new(),
                    (true, false) => flow.layers().into_iter().map(str::to_owned).collect(),
                    (false, _) => vec![UNKNOWN.to_owned()],
                };
                self.0.insert(key, Seen { first_ns: flow.first_ns, layers, exchanges });
            }
        }
    }

    /// Forgets the oldest half if there are too many.
    fn forget_oldest(&mut self) {
        if self.0.len() > MOST_CONNECTIONS {
            let mut times: Vec<u64> = self.0.values().map(|seen| seen.first_ns).collect();
            let (_, median, _) = times.select_nth_unstable(MOST_CONNECTIONS / 2);
            let median = *median;
            self.0.retain(|_, seen| seen.first_ns >= median);
        }
    }

    fn find(&self, pod: &Pod, interface: Interface, initiator: SocketAddr) -> Option<&Seen> {
        self.0.get(&(pod.name.to_string(), interface, initiator))
    }
}

/// How many turns a line waits for that of the other sidecar.
const PATIENCE: usize = 6;

impl Calls {
    /// Adds a line of a pod's sidecar.
    pub(crate) fn add_line(&mut self, pod: usize, line: Line) {
        self.waiting.push(Entry { pod, line, turns: 0 });
    }

    /// Whether lines wait, so that connections are needed.
    pub(crate) fn needs_flows(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Adds what was seen of connections.
    pub(crate) fn add_flows(&mut self, flows: &[Flow]) {
        flows.iter().for_each(|flow| self.connections.add(flow));
        self.connections.forget_oldest();
    }

    /// The calls that are complete, or have waited long enough. Called in regular turns.
    pub(crate) fn take(&mut self, mesh: &Mesh) -> Vec<Call> {
        let mut done = Vec::new();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.iter_mut().for_each(|entry| entry.turns += 1);
        let (outbound, mut inbound): (Vec<Entry>, Vec<Entry>) =
            waiting.into_iter().partition(|entry| !is_inbound(&mesh.pods[entry.pod], &entry.line));
        for client in outbound {
            let server = inbound.iter().position(|server| are_one_call(mesh, &client, server));
            let server = server.map(|index| inbound.remove(index));
            let waits = server.is_none() && expects_server(mesh, &client.line) && client.turns < PATIENCE;
            // Keys and packets of a line's last bytes may still be on their way in its first turn.
            if waits || client.turns < 2 {
                self.waiting.push(client);
                self.waiting.extend(server);
            } else {
                done.push(self.call(mesh, Some(&client), server.as_ref()));
            }
        }
        for server in inbound {
            let caller = server.line.downstream_remote_address.and_then(|remote| mesh.pod_at(remote.ip()));
            let has_sidecar = caller.is_some_and(|pod| mesh.pods[pod].sidecar.is_some());
            if server.turns < if has_sidecar { PATIENCE } else { 2 } {
                self.waiting.push(server);
            } else {
                done.push(self.call(mesh, None, Some(&server)));
            }
        }
        done.sort_by(|a, b| a.at.cmp(&b.at));
        done
    }

    fn call(&self, mesh: &Mesh, client: Option<&Entry>, server: Option<&Entry>) -> Call {
        let line = client.or(server).map(|entry| entry.line.clone()).unwrap_or_default();
        let caller = match client {
            Some(client) => Some(client.pod),
            None => line.downstream_remote_address.and_then(|remote| mesh.pod_at(remote.ip())),
        };
        let leg1 = client.and_then(|client| {
            self.connections.find(&mesh.pods[client.pod], Interface::Lo, client.line.downstream_remote_address?)
        });
        let from_client = client.and_then(|client| {
            let initiator = client.line.upstream_local_address?;
            let find = |interface| self.connections.find(&mesh.pods[client.pod], interface, initiator);
            find(Interface::Eth0).or_else(|| find(Interface::Lo))
        });
        let at_server = || {
            let server = server?;
            let initiator = server.line.downstream_remote_address?;
            let find = |interface| self.connections.find(&mesh.pods[server.pod], interface, initiator);
            find(Interface::Eth0).or_else(|| find(Interface::Lo))
        };
        let leg2 = from_client.or_else(at_server);
        let leg3 = server.and_then(|server| {
            self.connections.find(&mesh.pods[server.pod], Interface::Lo, server.line.upstream_local_address?)
        });
        // A leg that a log names, and the capture does not have, is unknown rather than absent.
        let unknown = |named: bool| named.then(|| vec![UNKNOWN.to_owned()]);
        let layers = |seen: Option<&Seen>, named: bool| seen.map(|seen| seen.layers.clone()).or_else(|| unknown(named));
        let legs = [
            layers(leg1, client.is_some()),
            layers(leg2, server.is_some() || line.upstream_local_address.is_some()),
            layers(leg3, server.is_some_and(|server| server.line.upstream_local_address.is_some())),
        ];
        let number = if client.is_some() { LegNumber::ToSidecar } else { LegNumber::BetweenPods };
        let first = if number == LegNumber::ToSidecar { leg1 } else { leg2 };
        let on_wire = first.and_then(|seen| duration(seen, &line));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a call")]
        let milliseconds = on_wire.unwrap_or(line.duration as f64);
        Call {
            at: line.start_time.map(|time| time.to_string()).unwrap_or_default(),
            from: caller.map_or_else(
                || line.downstream_remote_address.map(|remote| remote.ip().to_string()).unwrap_or_default(),
                |pod| mesh.pods[pod].name.to_string(),
            ),
            to: line.downstream_local_address.map(|address| dialled(mesh, address)).unwrap_or_default(),
            server: server.map(|server| mesh.pods[server.pod].name.to_string()),
            method: line.method.clone(),
            path: line.path.clone(),
            legs,
            status: Some(line.response_code).filter(|code| *code > 0),
            response_flags: line.response_flags.unwrap_or_else(|| "-".to_owned()),
            milliseconds,
        }
    }
}

/// The time from request to response on a connection, in milliseconds, of the exchange that a line is about.
fn duration(seen: &Seen, line: &Line) -> Option<f64> {
    let start = u64::try_from(line.start_time?.as_nanosecond()).ok()?;
    // Logs have milliseconds.
    let near = seen.exchanges.iter().filter(|(request, _)| request.abs_diff(start) < 50_000_000);
    let (request, response) = near.min_by_key(|(request, _)| request.abs_diff(start))?;
    #[expect(clippy::cast_precision_loss, reason = "a time within one call")]
    let nanoseconds = response.saturating_sub(*request) as f64;
    Some(nanoseconds / 1e6)
}

/// Whether a line is about a connection to its pod.
fn is_inbound(pod: &Pod, line: &Line) -> bool {
    line.downstream_local_address.is_some_and(|local| pod.ips.contains(local.ip()))
}

/// Whether a client's line names an endpoint with a sidecar, which will log the call, too.
fn expects_server(mesh: &Mesh, client: &Line) -> bool {
    let reached = client.upstream_host.and_then(|host| mesh.pod_at(host.ip()));
    reached.is_some_and(|pod| mesh.pods[pod].sidecar.is_some())
}

/// Whether two sidecars logged the same request or connection.
fn are_one_call(mesh: &Mesh, client: &Entry, server: &Entry) -> bool {
    let reached = client.line.upstream_host.is_some_and(|host| mesh.pods[server.pod].ips.contains(host.ip()));
    let same_connection = client.line.upstream_local_address.is_some()
        && client.line.upstream_local_address == server.line.downstream_remote_address;
    reached && same_connection && (client.line.request_id == server.line.request_id || server.line.request_id.is_none())
}

/// What an address means to a reader: `server:8080`, `server.shop:8080`, else the address.
fn dialled(mesh: &Mesh, address: SocketAddr) -> String {
    let service = mesh.services.iter().find(|service| service.vips.contains(&address.ip()));
    let service = service.map(|service| match &service.entry {
        None => short(&service.name.to_string()).to_owned(),
        Some(_) => service.host.clone(),
    });
    let pod = || mesh.pod_at(address.ip()).map(|pod| short(&mesh.pods[pod].name.to_string()).to_owned());
    match service.or_else(pod) {
        Some(name) => format!("{name}:{}", address.port()),
        None => address.to_string(),
    }
}
