//! What is found where a call is made: in a lab that is up, or in manifests.

use std::{fs, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use mesh::{
    account::{Account, AppProtocol},
    model::{Family, Flavor, Mesh},
    predict::Call,
};
use netns::LabState;
use procfs::net::TcpState;

use super::{super::opened::Opened, CallReport};
use crate::{
    access_log::{self, Line},
    admin,
    cli::DiagnoseArgs,
    diagnose::{Found, diagnose},
    look::{dump::Dump, secrets::SecretItem, status::PodStatus},
    manifests,
    predict::{Manifests, destination},
    sidecar,
};

/// The call, and what is found of it; `None` if neither the arguments nor the text name one.
///
/// # Errors
/// If the call or the lab does not exist, or can't be read.
pub(super) fn look(args: &DiagnoseArgs, text: &str) -> Result<Option<(CallReport, Vec<Found>)>> {
    let Some((from, to)) = args.from.as_deref().zip(args.to.as_deref()) else { return look_up(args, text) };
    let (host, port) = destination(to).context("--to")?;
    if args.files.is_empty() {
        let opened = Opened::new(&args.place.lab).context("without -f, a call in a lab is looked at")?;
        let from = manifests::find_pod(&opened.mesh, from, &args.place.namespace).context("--from")?;
        return look_in(&opened, &call(args, from, &host, port)).map(Some);
    }
    let manifests = Manifests::read(&args.files, from, &args.place.namespace, (&host, port))?;
    let mesh = Mesh::new(Arc::clone(&manifests.resolved), Flavor::Istio);
    let account = manifests.predict(&mesh, &call(args, 0, &host, port))?;
    let report = CallReport { from: account.from.pod.clone(), to: format!("{host}:{port}"), lab: None };
    Ok(Some((report, vec![Found::predicted(&account)])))
}

fn call(args: &DiagnoseArgs, from: usize, host: &str, port: u16) -> Call {
    Call { speaks: args.app.speaks, ..Call::new(from, host, port, args.app.sends) }
}

/// The call of a line of an access log, between pods of a lab that is up.
fn look_up(args: &DiagnoseArgs, text: &str) -> Result<Option<(CallReport, Vec<Found>)>> {
    let lines = access_log::read(text);
    let Some(line) = lines.first() else { return Ok(None) };
    let up = netns::labs()?.labs.into_iter().filter(|lab| lab.state == LabState::LeftUp).count();
    if args.place.lab.lab.is_none() && up != 1 {
        return Ok(None);
    }
    let opened = Opened::new(&args.place.lab)?;
    let of = |address: Option<SocketAddr>| {
        let ip = address?.ip();
        opened.mesh.pods.iter().position(|pod| pod.ips.contains(ip))
    };
    let (Some(from), Some(dialled)) = (of(line.downstream_remote_address), line.downstream_local_address) else {
        return Ok(None);
    };
    let outbound = line.upstream_cluster.as_deref().and_then(|name| name.strip_prefix("outbound|"));
    let host = outbound.and_then(|rest| rest.rsplit('|').next()).filter(|host| !host.is_empty());
    let app = if line.method.is_some() { AppProtocol::Http } else { AppProtocol::Tcp };
    let host = host.map_or_else(|| dialled.ip().to_string(), str::to_owned);
    let call = Call { family: Some(Family::of(dialled.ip())), ..Call::new(from, host, dialled.port(), app) };
    look_in(&opened, &call).map(Some)
}

/// What a lab shows of a call.
fn look_in(opened: &Opened, call: &Call) -> Result<(CallReport, Vec<Found>)> {
    let account = opened.predict(call)?;
    let (statuses, clock) = opened.statuses()?;
    let mut found = vec![Found::predicted(&account)];
    found.extend(opened.record.faults.iter().map(|numbered| Found::fault(&numbered.fault)));
    let mut pods = vec![call.from];
    pods.extend(called(&opened.mesh, &account).into_iter().filter(|pod| *pod != call.from));
    for index in pods {
        let (pod, status, is_caller) = (&opened.mesh.pods[index], &statuses[index], index == call.from);
        let name = pod.name.to_string();
        let host = opened.lab.pod(&name)?;
        found.extend(Found::programs(&name, status, is_caller, clock.now));
        if let (false, Some(port)) = (is_caller, account.to.target_port) {
            found.extend(Found::listeners(&name, port, &listeners(status)));
        }
        if pod.sidecar.is_some() {
            // A sidecar that does not run has no certificates; that it does not run is found above.
            if let Ok(dump) = admin::get_json(pod, &host, Dump::PATH) {
                found.extend(Found::certificates(&name, &SecretItem::of_dump(&Dump::new(dump), clock.now)));
            }
            let line = newest(&host, |line| is_about(line, &account, is_caller));
            found.extend(line.map(|line| {
                let causes = diagnose(&line.raw).first().map(|finding| finding.cause.id);
                Found::logged(&name, &line, clock.now, causes.into_iter().collect())
            }));
        }
    }
    let report = CallReport {
        from: opened.mesh.pods[call.from].name.to_string(),
        to: format!("{}:{}", call.host, call.port),
        lab: Some(opened.lab.id().to_owned()),
    };
    Ok((report, found))
}

/// The pods that may answer.
fn called(mesh: &Mesh, account: &Account) -> Vec<usize> {
    let accounts = std::iter::once(account).chain(&account.alternatives);
    let names = accounts.filter_map(|account| account.to.pod.as_deref());
    let mut pods: Vec<usize> =
        names.filter_map(|name| mesh.pods.iter().position(|pod| pod.name.to_string() == name)).collect();
    pods.sort_unstable();
    pods.dedup();
    pods
}

/// The addresses on which the running programs of a pod listen (proc_net_tcp(5)).
fn listeners(status: &PodStatus) -> Vec<SocketAddr> {
    // All programs of a pod are in one network namespace.
    let Some(pid) = status.containers.iter().find_map(|container| container.pid) else { return Vec::new() };
    let process = i32::try_from(pid).ok().and_then(|pid| procfs::process::Process::new(pid).ok());
    let sockets = process.into_iter().flat_map(|process| [process.tcp(), process.tcp6()]).flatten().flatten();
    sockets.filter(|socket| socket.state == TcpState::Listen).map(|socket| socket.local_address).collect()
}

/// The last line of a sidecar's access log that is about a call.
fn newest(host: &netns::Pod, is_about: impl Fn(&Line) -> bool) -> Option<Line> {
    let path = sidecar::logs(host).pop()?;
    let log = fs::read_to_string(path).ok()?;
    access_log::read(&log).into_iter().rev().find(is_about)
}

/// Whether a line of the caller's sidecar, or of the called pod's, is about such a call.
fn is_about(line: &Line, account: &Account, is_callers: bool) -> bool {
    let (Some(dialled), Some(peer)) = (line.downstream_local_address, line.downstream_remote_address) else {
        return false;
    };
    if is_callers {
        dialled == SocketAddr::new(account.to.address, account.to.port)
    } else {
        Some(dialled.port()) == account.to.target_port && account.from.ips.contains(&peer.ip())
    }
}
