//! `sidelab proxy-config` and `sidelab certs`: what sidecars answer on their administration ports.

use anyhow::Result;
use mesh::model::Pod;
use serde::Serialize;
use serde_json::{Value, json};

use super::{FAILED, OK, inspect, opened::Opened, print_json};
use crate::{
    admin,
    cli::{CertsArgs, Output, ProxyArgs, ProxyConfigArgs, ProxyOutput, ProxyPart},
    look::{
        columns::{KUBECTL, columns},
        dump::Dump,
        proxy_config::{self as format, ClusterFilter, EndpointFilter, ListenerFilter},
        secrets::{self, SecretItem},
    },
    terminal::{noteln, out, outln},
};

/// What is asked for the endpoints in use, with those that a cluster resolved itself.
const CLUSTERS: &str = "/clusters?format=json";

pub(super) fn proxy_config(args: &ProxyConfigArgs) -> Result<u8> {
    match &args.part {
        ProxyPart::Listeners { of, address, port, kind } => {
            let filter = ListenerFilter { address: address.clone(), port: *port, kind: kind.clone() };
            let dump = Asked::new(of)?.dump()?;
            let listeners = format::listeners(dump.listeners(), &filter);
            print(of, &listeners, || format::listener_table(&listeners))
        }
        ProxyPart::Routes { of, name } => {
            let dump = Asked::new(of)?.dump()?;
            let routes = format::routes(dump.routes(), name.as_deref());
            print(of, &routes, || format::route_table(&routes))
        }
        ProxyPart::Clusters { of, fqdn, port, subset, direction } => {
            let filter =
                ClusterFilter { fqdn: fqdn.clone(), port: *port, subset: subset.clone(), direction: direction.clone() };
            let dump = Asked::new(of)?.dump()?;
            let clusters = format::clusters(dump.clusters(), &filter);
            print(of, &clusters, || format::cluster_table(&clusters))
        }
        ProxyPart::Endpoints { of, address, port, cluster, status } => {
            let filter = EndpointFilter {
                address: address.clone(),
                port: *port,
                cluster: cluster.clone(),
                status: status.clone(),
            };
            let statuses = Asked::new(of)?.get(CLUSTERS)?;
            let clusters = format::clusters_with_endpoints(&statuses, &filter);
            print(of, &clusters, || format::endpoint_table(&statuses, &filter))
        }
        ProxyPart::Secrets { of } => {
            let dump = Asked::new(of)?.dump()?;
            let items = SecretItem::of_dump(&dump, jiff::Timestamp::now().as_second());
            print(of, &items, || secrets::table(&items))
        }
        ProxyPart::All { of } => all(of),
    }
}

fn all(of: &ProxyArgs) -> Result<u8> {
    let asked = Asked::new(of)?;
    let (dump, statuses) = (asked.dump()?, asked.get(CLUSTERS)?);
    let items = SecretItem::of_dump(&dump, jiff::Timestamp::now().as_second());
    print(of, dump.as_json(), || {
        let clusters = format::clusters(dump.clusters(), &ClusterFilter::default());
        let listeners = format::listeners(dump.listeners(), &ListenerFilter::default());
        let tables = [
            format::cluster_table(&clusters),
            format::listener_table(&listeners),
            format::route_table(&format::routes(dump.routes(), None)),
            format::endpoint_table(&statuses, &EndpointFilter::default()),
            secrets::table(&items),
        ];
        tables.join("\n")
    })
}

/// A sidecar that is asked.
struct Asked {
    pod: Pod,
    host: netns::Pod,
}

impl Asked {
    fn new(of: &ProxyArgs) -> Result<Self> {
        let (host, pod) = inspect::open_pod(&of.lab, &of.pod, &of.namespace)?;
        Ok(Self { pod, host })
    }

    fn get(&self, path: &str) -> Result<Value> {
        admin::get_json(&self.pod, &self.host, path)
    }

    fn dump(&self) -> Result<Dump> {
        self.get(Dump::PATH).map(Dump::new)
    }
}

fn print(of: &ProxyArgs, json: &impl Serialize, table: impl FnOnce() -> String) -> Result<u8> {
    match of.output {
        ProxyOutput::Short => out!("{}", table())?,
        ProxyOutput::Json => print_json(json)?,
        ProxyOutput::Yaml => out!("{}", serde_saphyr::to_string(json)?)?,
    }
    Ok(OK)
}

pub(super) fn certs(args: &CertsArgs) -> Result<u8> {
    let opened = Opened::new(&args.of.place.lab)?;
    let now = jiff::Timestamp::now().as_second();
    let (mut code, mut found) = (OK, Vec::new());
    for pod in opened.sidecars(&args.of)? {
        let host = opened.lab.pod(&pod.name.to_string())?;
        match admin::get_json(pod, &host, Dump::PATH) {
            Ok(dump) => found.push((pod.name.to_string(), SecretItem::of_dump(&Dump::new(dump), now))),
            Err(error) => {
                noteln!("error: {error}");
                code = FAILED;
            }
        }
    }
    match args.of.place.output.output {
        Output::Json => {
            let pods = found.iter().map(|(pod, secrets)| json!({ "pod": pod, "secrets": secrets }));
            print_json(&pods.collect::<Vec<_>>())?;
        }
        Output::Table if found.is_empty() => {
            if code == OK {
                outln!("no pod has a sidecar")?;
            }
        }
        Output::Table => {
            let titles = ["POD", "SECRET", "TYPE", "NAMES", "SERIAL NUMBER", "NOT AFTER", "LEFT"];
            let mut rows = vec![titles.map(str::to_owned)];
            for (pod, secrets) in &found {
                for (secret, one) in
                    secrets.iter().flat_map(|secret| secret.certificates.iter().map(move |one| (secret, one)))
                {
                    let names = if one.names.is_empty() { "-".to_owned() } else { one.names.join(",") };
                    let (kind, serial, not_after) =
                        (one.kind.to_owned(), one.serial_number.clone(), one.not_after.clone());
                    rows.push([pod.clone(), secret.name.clone(), kind, names, serial, not_after, secrets::left(one)]);
                }
            }
            out!("{}", columns(&rows, KUBECTL))?;
        }
    }
    Ok(code)
}
