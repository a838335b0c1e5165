//! `sidelab import`: a cluster's manifests, as kubectl prints them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    import::{self, CUSTOM_RESOURCES, Imported, RESOURCES},
    model::{Family, Resolved},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{OK, USAGE, print_json};
use crate::{
    cli::{ImportArgs, Output},
    manifests::{self, BadManifests},
    report::words::counted,
    terminal::{noteln, outln},
};

/// The file that marks a folder as written by an import.
const MARK: &str = ".sidelab-import";

/// The files that an import writes.
const FILES: [&str; 3] = [MARK, "manifests.yaml", "scenario.yaml"];

pub(super) fn import(args: &ImportArgs) -> Result<u8> {
    check(&args.folder)?;
    let files = match &args.context {
        Some(context) => vec![SourceFile { name: format!("context {context}"), text: read_cluster(context)? }],
        None if args.files.is_empty() => {
            noteln!(
                "pass the output of these commands, or the cluster's context with --context NAME:\n\n{}",
                commands(&args.folder)
            );
            return Ok(USAGE);
        }
        None => manifests::read(&args.files)?,
    };
    let imported = import::import(&files, args.with_secrets).map_err(|faults| BadManifests { faults })?;
    if imported.objects.is_empty() {
        bail!("the input has no object that matters here; expected the output of `kubectl get -A -o yaml`");
    }
    let text = text(&imported);
    let probes = calls(&text);
    let has_calls = !probes.is_empty();
    let mut files = vec![("manifests.yaml", text)];
    if has_calls {
        files.push(("scenario.yaml", scenario(&probes)));
    }
    write(&args.folder, &files)?;
    report(args, &imported, has_calls)?;
    Ok(OK)
}

/// The version of [`ImportReport`].
pub(crate) const SCHEMA: &str = "sidelab.import/v1";

/// The result of an import.
#[derive(JsonSchema, Serialize)]
pub(crate) struct ImportReport<'a> {
    schema: &'static str,
    /// The folder that was written.
    folder: &'a Path,
    /// By kind, the number of objects that were kept.
    kept: &'a BTreeMap<&'a str, usize>,
    /// By reason, the number of objects that were left out.
    left_out: &'a BTreeMap<String, usize>,
    secret_values_replaced: usize,
}

fn report(args: &ImportArgs, imported: &Imported, has_calls: bool) -> Result<()> {
    let folder = &args.folder;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for object in &imported.objects {
        *kinds.entry(object["kind"].as_str().unwrap_or_default()).or_default() += 1;
    }
    if args.output.output == Output::Json {
        return print_json(&ImportReport {
            schema: SCHEMA,
            folder,
            kept: &kinds,
            left_out: &imported.left_out,
            secret_values_replaced: imported.replaced,
        });
    }
    let listed: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    outln!("{}: {}", folder.display(), listed.join(", "))?;
    for (reason, count) in &imported.left_out {
        outln!("  left out: {count} {reason}")?;
    }
    if imported.replaced > 0 {
        let values = counted(imported.replaced, "value");
        outln!(
            "  {values} of Secrets replaced (--with-secrets keeps them); certificates are kept, and private keys are replaced by new ones"
        )?;
    }
    let shown = folder.display();
    outln!(
        "\n  sidelab validate -f {shown}\n  sidelab explain -f {shown} --from POD --to HOST:PORT\n  sidelab up -f {shown}"
    )?;
    if has_calls {
        outln!("  sidelab run {shown}")?;
    }
    Ok(())
}

/// The commands whose output an import needs, for a person to run.
fn commands(folder: &Path) -> String {
    format!(
        "  kubectl get {} -A -o yaml > cluster.yaml\n  kubectl get {} -A -o yaml > istio.yaml\n  sidelab import {} -f cluster.yaml -f istio.yaml\n\n\
         (leave out of the second what `kubectl api-resources` does not list)",
        RESOURCES.join(","),
        CUSTOM_RESOURCES.join(","),
        folder.display()
    )
}

/// Reads a cluster with kubectl.
fn read_cluster(context: &str) -> Result<String> {
    let known = kubectl(&["--context", context, "api-resources", "--verbs=list", "-o", "name"])?;
    // A resource of the core group is printed without one.
    let known: Vec<&str> = known.lines().map(|line| line.trim().trim_end_matches('.')).collect();
    let asked: Vec<&str> =
        RESOURCES.iter().chain(CUSTOM_RESOURCES).copied().filter(|name| known.contains(name)).collect();
    if asked.is_empty() {
        bail!("context {context}: the cluster lists none of the resources that are needed");
    }
    kubectl(&["--context", context, "get", &asked.join(","), "--all-namespaces", "--output", "yaml"])
}

fn kubectl(arguments: &[&str]) -> Result<String> {
    noteln!("kubectl {}", arguments.join(" "));
    let output = Command::new("kubectl").args(arguments).output().context(
        "kubectl can't be run here; run the commands that `sidelab import FOLDER` prints where it can be, and pass their output with -f",
    )?;
    if !output.status.success() {
        bail!("kubectl: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("kubectl printed something other than text")
}

/// The objects as documents, in JSON: it is YAML without ambiguous scalars.
fn text(imported: &Imported) -> String {
    let mut text = String::from("# Written by `sidelab import`.\n");
    for object in &imported.objects {
        let _ = writeln!(text, "---\n{object:#}");
    }
    text
}

/// A scenario of these calls, without expectations: those are for a person to write.
fn scenario(probes: &[Value]) -> String {
    let scenario = json!({
        "title": "An imported cluster",
        "shows": "how a call to each service from another pod goes",
        "claims": [],
        "probes": probes,
    });
    format!("# Written by `sidelab import`; add what you expect of a call as `expect`.\n{scenario:#}\n")
}

/// The calls to make: none if the manifests are not a mesh yet, which is reported.
fn calls(manifests: &str) -> Vec<Value> {
    let file = SourceFile { name: "manifests.yaml".into(), text: manifests.to_owned() };
    match manifests::resolve(&[file]) {
        Ok((mesh, _)) => probes(&mesh),
        Err(error) => {
            noteln!("the manifests are written, but do not make a mesh yet:\n{error}");
            vec![]
        }
    }
}

/// A call to each port of each service that has endpoints, from the first pod that is not one of them, in the same namespace if
/// possible.
fn probes(mesh: &Resolved) -> Vec<Value> {
    let mut probes = Vec::new();
    for service in &mesh.services {
        for port in &service.ports {
            let is_behind = |pod: usize| port.endpoints.iter().any(|endpoint| endpoint.pod == pod);
            let callers = || (0..mesh.pods.len()).filter(|pod| !mesh.pods[*pod].is_external() && !is_behind(*pod));
            let same = callers().find(|pod| mesh.pods[*pod].name.namespace == service.name.namespace);
            let Some(from) = same.or_else(|| callers().next()).filter(|_| !port.endpoints.is_empty()) else { continue };
            let app = if port.protocol.is_tls() {
                "https"
            } else if port.protocol.is_http() || port.protocol.is_auto() {
                "http"
            } else {
                "tcp"
            };
            let mut probe = json!({
                "name": format!("{} port {}", service.name, port.port),
                "from": mesh.pods[from].name.to_string(),
                "to": format!("{}:{}", service.name, port.port),
                "app": app,
            });
            if !service.families.contains(&Family::Ipv4) {
                probe["family"] = json!(Family::Ipv6);
            }
            probes.push(probe);
        }
    }
    probes
}

/// Checks that a folder may be replaced: it does not exist, is empty, or contains only what an import wrote.
///
/// # Errors
/// If it is a file, or contains anything else.
fn check(folder: &Path) -> Result<()> {
    let Ok(metadata) = folder.symlink_metadata() else { return Ok(()) };
    if !metadata.is_dir() {
        bail!("{} exists and is not a folder; name another", folder.display());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    let is_ours = names.iter().any(|name| name == MARK);
    match names.iter().find(|name| !FILES.iter().any(|own| *name == own)) {
        None if is_ours || names.is_empty() => Ok(()),
        Some(other) if is_ours => bail!(
            "{} contains {}, which no import wrote; move it away, or name another folder",
            folder.display(),
            other.display()
        ),
        _ => bail!("{} was not written by an import; name another folder", folder.display()),
    }
}

/// Writes a folder aside, and renames it into place.
fn write(folder: &Path, files: &[(&str, String)]) -> Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || format!("can't write {}", folder.display());
    fs::create_dir_all(above).with_context(written)?;
    let aside = tempfile::Builder::new().prefix(".sidelab-import-").tempdir_in(above).with_context(written)?;
    let new: PathBuf = aside.path().join("new");
    fs::create_dir(&new).with_context(written)?;
    // The manifests may contain Secrets.
    fs::set_permissions(&new, fs::Permissions::from_mode(0o700)).with_context(written)?;
    let mark = (MARK, "This folder was written by `sidelab import`, which may replace it.\n".to_owned());
    for (name, text) in files.iter().chain([&mark]) {
        fs::write(new.join(name), text).with_context(written)?;
    }
    if folder.symlink_metadata().is_ok() {
        check(folder)?;
        let old = aside.path().join("old");
        fs::rename(folder, &old).with_context(written)?;
        if let Err(error) = fs::rename(&new, folder) {
            fs::rename(&old, folder).with_context(written)?;
            return Err(error).with_context(written);
        }
        return Ok(());
    }
    fs::rename(&new, folder).with_context(written)
}
