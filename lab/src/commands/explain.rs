//! `sidelab explain`.

use std::{fs, net::IpAddr, path::Path};

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    account::Account,
    dump::EnvoyDump,
    model::{Family, Mesh},
    predict::{Call, predict, predict_dumps},
};
use serde_json::json;

use super::{OK, print_json};
use crate::{
    cli::{ExplainArgs, MeshChoice, Output},
    manifests,
    predict::destination,
    report::explain,
};

pub(super) fn explain(args: &ExplainArgs) -> Result<u8> {
    let (host, port) = destination(&args.to).context("--to")?;
    let call = Call {
        from: 0,
        host,
        port,
        app: args.app,
        server_first: false,
        family: args.ipv6.then_some(Family::Ipv6),
        server_app: None,
        subset: args.subset.clone(),
        webhook: None,
    };
    let accounts = match &args.config_dump[..] {
        [] => from_manifests(args, &call)?,
        [client, server] => {
            vec![predict_dumps(&read_dump(client)?, &read_dump(server)?, &call)?]
        }
        _ => bail!("--config-dump takes two files, separated by a comma: the client's, then the server's"),
    };
    match args.output.output {
        Output::Json if args.mesh == MeshChoice::Both => print_json(&accounts)?,
        Output::Json => accounts.iter().try_for_each(print_json)?,
        Output::Table => {
            for account in &accounts {
                anstream::println!("{}", explain::render(account));
            }
        }
    }
    Ok(OK)
}

fn from_manifests(args: &ExplainArgs, call: &Call) -> Result<Vec<Account>> {
    let mut files = manifests::read(&args.files)?;
    let (mut meshes, warnings) = manifests::resolve_each(&files, &args.mesh.flavors())?;
    manifests::tell(&warnings);
    if meshes.iter().all(|mesh| is_unknown(mesh, &call.host)) {
        files.push(host_outside(&call.host));
        (meshes, _) = manifests::resolve_each(&files, &args.mesh.flavors())?;
        anstream::eprintln!("{}: no manifest has it: taken for a host outside of the cluster", call.host);
    }
    let account = |mesh: &Mesh| {
        let from = manifests::find_pod(mesh, &args.from, &args.namespace).context("--from")?;
        Ok(predict(mesh, &Call { from, ..call.clone() })?)
    };
    meshes.iter().map(account).collect()
}

/// Whether a host is named as one outside of the cluster is, and no manifest says where.
fn is_unknown(mesh: &Mesh, host: &str) -> bool {
    let (Some((first, _)), Some((_, last))) = (host.split_once('.'), host.rsplit_once('.')) else { return false };
    // In these it is rather a mistake.
    let of_cluster = ["svc", "local"].contains(&last)
        || mesh.namespaces.contains_key(last)
        || mesh.services.iter().any(|service| service.name.name == first);
    !of_cluster && host.parse::<IpAddr>().is_err() && mesh.external_host(host).is_none()
}

/// What the manifests would say of a host outside of the cluster.
fn host_outside(host: &str) -> SourceFile {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "host", "namespace": "outside", "annotations": {"sidelab.io/external-host": host}},
        "spec": {"containers": [{"name": "app", "image": "host"}]},
    });
    SourceFile { name: "<assumed>".into(), text: pod.to_string() }
}

/// Reads a sidecar's `config_dump`; what is left out of it is told.
fn read_dump(path: &Path) -> Result<EnvoyDump> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let dump = EnvoyDump::parse(&text).with_context(|| path.display().to_string())?;
    for warning in &dump.warnings {
        anstream::eprintln!("{}: warning: {warning}", path.display());
    }
    Ok(dump)
}
