//! Predicts the call of a scenario's probe, or of a command line.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use envoy_rules::grpc::GrpcStatus;
use mesh::{
    account::{Account, AppSees},
    model::Mesh,
    predict::{Call, predict},
};

use crate::{
    manifests,
    scenario::{Probe, Speaks},
};

/// Predicts a scenario's call.
///
/// # Errors
/// If the calling pod does not exist, or the host does not resolve.
pub fn probe(mesh: &Mesh, probe: &Probe) -> Result<Account> {
    let call = Call {
        from: manifests::find_pod(mesh, &probe.from, manifests::DEFAULT_NAMESPACE)?,
        host: probe.host.clone(),
        port: probe.port,
        app: probe.app,
        server_first: probe.speaks == Some(Speaks::Greeting),
        family: Some(probe.family),
        server_app: None,
        subset: None,
        webhook: probe.webhook.as_deref().map(|name| webhook(mesh, probe, name)).transpose()?,
    };
    let mut account = predict(mesh, &call)?;
    if probe.speaks == Some(Speaks::Grpc) {
        set_grpc_status(&mut account);
    }
    Ok(account)
}

/// A sidecar's own answer to a gRPC request is a `200` with a gRPC status.
fn set_grpc_status(account: &mut Account) {
    let outcome = &mut account.outcome;
    let Some(status) = outcome.status.filter(|_| !outcome.delivered) else { return };
    let name = GrpcStatus::from_http(status).name();
    (outcome.status, outcome.app_sees) = (Some(200), AppSees::failure(name));
}

/// The webhook that a probe calls, which must be at the probe's address.
fn webhook(mesh: &Mesh, probe: &Probe, name: &str) -> Result<usize> {
    let known = || mesh.webhooks.iter().map(|webhook| webhook.name.as_str()).collect::<Vec<_>>().join(", ");
    let index = mesh.webhooks.iter().position(|webhook| webhook.name == name);
    let index = index.with_context(|| format!("no webhook {name} in the manifests; there are: {}", known()))?;
    let place = &mesh.webhooks[index].place;
    if (place.host(), place.port()) != (probe.host.clone(), probe.port) {
        bail!("webhook {name} is not at {}:{}; write `to: {}:{}`", probe.host, probe.port, place.host(), place.port());
    }
    Ok(index)
}

/// Splits `HOST:PORT`; an IPv6 address is in brackets.
///
/// # Errors
/// If the port is missing or invalid.
pub fn destination(text: &str) -> Result<(String, u16)> {
    let (host, port) = text.rsplit_once(':').with_context(|| format!("{text:?} is not HOST:PORT"))?;
    let port =
        port.parse().ok().filter(|port| *port > 0).with_context(|| format!("{port:?} is not a port (1-65535)"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || (host.contains(':') && host.parse::<IpAddr>().is_err()) {
        bail!("{host:?} is neither a name nor an address (an IPv6 address is written in brackets)");
    }
    Ok((host.to_owned(), port))
}
