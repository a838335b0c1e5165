//! `sidelab explain`.

use std::{fs, net::IpAddr, path::Path};

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    account::Account,
    dump::EnvoyDump,
    model::{Family, Mesh, Resolved},
    predict::{Call, predict, predict_dumps},
};
use serde_json::json;

use super::{OK, print_json};
use crate::{
    cli::{ExplainArgs, MeshChoice, Output},
    manifests,
    predict::destination,
    report::explain,
    terminal::{noteln, outln},
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
                outln!("{}", explain::render(account))?;
            }
        }
    }
    Ok(OK)
}

fn from_manifests(args: &ExplainArgs, call: &Call) -> Result<Vec<Account>> {
    let mut files = manifests::read(&args.files)?;
    let (mut resolved, warnings) = manifests::resolve(&files)?;
    manifests::tell(&warnings);
    let from = manifests::find_pod(&resolved, &args.from, &args.namespace).context("--from")?;
    let namespace = resolved.pods[from].name.namespace.clone();
    let host = host_of(&resolved, &call.host, &namespace);
    if is_unknown(&resolved, &host, from) {
        if PRIVATE_DOMAINS.contains(&host.rsplit('.').next().unwrap_or_default()) {
            bail!(
                "{host}: no DNS server knows it, so {} cannot resolve it: without DNS capture a ServiceEntry alone does not give it an address \
                 (proxyMetadata ISTIO_META_DNS_CAPTURE); give an address, or a pod that stands for it (sidelab.io/external-host)",
                args.from
            );
        }
        files.push(host_outside(&host));
        (resolved, _) = manifests::resolve(&files)?;
        noteln!("{host}: not in the manifests: assumed to be a host outside the cluster");
    }
    let account = |mesh: &Mesh| {
        let from = manifests::find_pod(mesh, &args.from, &args.namespace).context("--from")?;
        Ok(predict(mesh, &Call { from, ..call.clone() })?)
    };
    manifests::meshes(&resolved, &args.mesh.flavors()).iter().map(account).collect()
}

/// Whether a host has a public name and is in no manifest.
fn is_unknown(mesh: &Resolved, host: &str, from: usize) -> bool {
    let (Some((first, _)), Some((_, last))) = (host.split_once('.'), host.rsplit_once('.')) else { return false };
    // Such names are more likely mistakes.
    let of_cluster = ["svc", "local"].contains(&last)
        || mesh.namespaces.contains_key(last)
        || mesh.services.iter().any(|service| service.name.name == first || service.name.name == last);
    !of_cluster && host.parse::<IpAddr>().is_err() && mesh.resolve_in(from, host).is_empty()
}

/// Domains that no public DNS resolves (RFC 6761, RFC 6762, and ICANN's resolution of 2024-07-29 for `internal`).
const PRIVATE_DOMAINS: [&str; 8] = ["corp", "home", "internal", "intranet", "invalid", "lan", "private", "test"];

/// The external host that a name stands for: the name, or the target of an ExternalName.
fn host_of(mesh: &Resolved, host: &str, namespace: &str) -> String {
    let names = [format!("{host}.{namespace}.svc.cluster.local"), format!("{host}.svc.cluster.local"), host.to_owned()];
    let alias = mesh.external_names.iter().find(|alias| names.contains(&alias.host));
    alias.map_or_else(|| host.to_owned(), |alias| alias.target.clone())
}

/// A manifest that stands in for a host outside the cluster.
fn host_outside(host: &str) -> SourceFile {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "host", "namespace": "outside", "annotations": {"sidelab.io/external-host": host}},
        "spec": {"containers": [{"name": "app", "image": "host"}]},
    });
    SourceFile { name: "<assumed>".into(), text: pod.to_string() }
}

/// Reads a sidecar's `config_dump`, and reports what it leaves out.
fn read_dump(path: &Path) -> Result<EnvoyDump> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let dump = EnvoyDump::parse(&text).with_context(|| path.display().to_string())?;
    for warning in &dump.warnings {
        noteln!("{}: warning: {warning}", path.display());
    }
    Ok(dump)
}
