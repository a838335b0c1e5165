//! `sidelab proxy-status`.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use mesh::model::{ControlPlane, Pod};
use serde_json::{Value, json};

use super::{FAILED, OK, opened::Opened, print_json};
use crate::{
    admin,
    cli::{Output, ProxyStatusArgs},
    look::{
        columns::{ISTIOCTL, columns, row},
        dump::{items, text},
        sync::{ConfigFile, Kind, Values, status},
    },
    sidecar::{self, Folders},
    terminal::{noteln, out},
};

const TITLES: [&str; 9] = ["NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "ECDS", "ISTIOD", "VERSION"];

pub(super) fn proxy_status(args: &ProxyStatusArgs) -> Result<u8> {
    let opened = Opened::new(&args.of.place.lab)?;
    opened.note_faults();
    let (mut code, mut rows) = (OK, Vec::new());
    for pod in opened.sidecars(&args.of)? {
        match row_of(&opened, pod) {
            Ok(row) => rows.push(row),
            Err(error) => {
                noteln!("error: {error:#}");
                code = FAILED;
            }
        }
    }
    match args.of.place.output.output {
        Output::Json => {
            let keys = TITLES.map(str::to_lowercase);
            let object = |row: &Vec<String>| -> Value {
                keys.iter().cloned().zip(row.iter().map(|cell| json!(cell))).collect::<serde_json::Map<_, _>>().into()
            };
            print_json(&rows.iter().map(object).collect::<Vec<_>>())?;
        }
        Output::Table => {
            let rows: Vec<Vec<String>> = [row(TITLES)].into_iter().chain(rows).collect();
            out!("{}", columns(&rows, ISTIOCTL))?;
        }
    }
    Ok(code)
}

fn row_of(opened: &Opened, pod: &Pod) -> Result<Vec<String>> {
    let host = opened.lab.pod(&pod.name.to_string())?;
    // Before the sidecar is asked: a file that is written in between is then not counted as missed.
    let files = files(&Folders::new(&host).config)?;
    let stats = admin::get(pod, &host, "/stats?filter=update_")?;
    let values: Values = sidecar::counters(&stats).map(|(name, value)| (name.replace(':', "_"), value)).collect();
    let server = admin::get_json(pod, &host, "/server_info")?;
    let istiod = match opened.record.control_plane {
        ControlPlane::Compiler => "sidelab",
        ControlPlane::Istiod => "istiod",
        ControlPlane::Dumps => "dumps",
    };
    let of_kind = |kind| status(kind, &files, &values);
    let name = pod.name.to_string();
    let version = version(text(&server, "/version"));
    let [cds, lds, eds, rds] = [Kind::Clusters, Kind::Listeners, Kind::Endpoints, Kind::Routes].map(of_kind);
    Ok(row([&name, "Kubernetes", cds, lds, eds, rds, "NOT SENT", istiod, &version]))
}

/// `sidecar-proxy/0.1.0`, or the second part of Envoy's `COMMIT/VERSION/STATUS/TYPE/TLS`.
fn version(text: &str) -> String {
    match text.split('/').collect::<Vec<_>>()[..] {
        [_, version, _, ..] => format!("envoy/{version}"),
        _ => text.to_owned(),
    }
}

/// The files in a sidecar's folder that it follows.
fn files(folder: &Path) -> Result<Vec<ConfigFile>> {
    let mut files = Vec::new();
    let fixed =
        [(Kind::Clusters, "cds.json", "cluster_manager.cds"), (Kind::Listeners, "lds.json", "listener_manager.lds")];
    for (kind, name, counted_by) in fixed {
        let path = folder.join(name);
        files.push(ConfigFile { kind, counted_by: counted_by.to_owned(), written_ms: written_ms(&path)? });
    }
    for (kind, name, prefix) in [(Kind::Endpoints, "eds", "cluster"), (Kind::Routes, "rds", "rds")] {
        for path in fs::read_dir(folder.join(name)).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let Some(resource) = resource(&path) else { continue };
            files.push(ConfigFile { kind, counted_by: format!("{prefix}.{resource}"), written_ms: written_ms(&path)? });
        }
    }
    Ok(files)
}

/// The name of a file's single resource, as counters spell it; `None` if the file was removed meanwhile.
fn resource(path: &Path) -> Option<String> {
    let response: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    let resource = items(&response, "/resources").first()?;
    let name = [text(resource, "/name"), text(resource, "/cluster_name")].into_iter().find(|name| !name.is_empty())?;
    Some(name.replace(':', "_"))
}

fn written_ms(path: &Path) -> Result<u64> {
    let written = fs::metadata(path).and_then(|file| file.modified());
    let written: SystemTime = written.with_context(|| format!("can't read {}", path.display()))?;
    Ok(u64::try_from(written.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_program() {
        assert_eq!(version("sidecar-proxy/0.1.0"), "sidecar-proxy/0.1.0");
        assert_eq!(version("dc2d3098ae5641555f15c71d5bb5ce0060a8015c/1.40.0/Clean/RELEASE/BoringSSL"), "envoy/1.40.0");
    }
}
