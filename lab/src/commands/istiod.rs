//! `sidelab istiod`.

use std::fs;

use anyhow::{Context, Result};
use mesh::{
    SourceFile,
    model::{Flavor, Mesh},
};

use super::{OK, print_json};
use crate::{
    cli::{IstiodArgs, Output},
    istiod::{self, Answer, Istiod, Pod, Request},
    manifests, scenario,
    terminal::{noteln, outln},
};

pub(super) fn istiod(args: &IstiodArgs) -> Result<u8> {
    let program = Istiod::find()?;
    if args.goldens {
        return goldens(args, &program);
    }
    let answer = answer(&program, &manifests::read(&args.files)?)?;
    let pods: Vec<&Pod> = match &args.pod {
        None => answer.pods.iter().collect(),
        Some(name) => {
            let name = if name.contains('.') { name.clone() } else { format!("{name}.{}", args.namespace) };
            vec![answer.pod(&name)?]
        }
    };
    match args.output.output {
        Output::Json if args.pod.is_some() => pods.iter().try_for_each(print_json)?,
        Output::Json => print_json(&answer)?,
        Output::Table => table(&answer, &pods)?,
    }
    Ok(OK)
}

/// istiod's answer for manifests, with the addresses that they get here. istiod may accept what the compiler rejects; it then
/// assigns addresses itself.
fn answer(program: &Istiod, files: &[SourceFile]) -> Result<Answer> {
    let mesh = manifests::resolve(files).map(|(resolved, _)| Mesh::new(resolved, Flavor::Istio));
    if let Err(faults) = &mesh {
        noteln!("sidelab rejects these manifests; what follows is only istiod's answer:\n{faults}");
    }
    program.ask_one(Request::new(files, mesh.as_ref().ok()))
}

fn table(answer: &Answer, pods: &[&Pod]) -> Result<()> {
    outln!("istio.io/istio {}", answer.istio)?;
    for object in &answer.objects {
        let verdict = if object.allowed { "accepted" } else { "rejected" };
        let name = format!("{} {}/{}", object.kind, object.namespace, object.name);
        outln!("{name}: {verdict}{}{}", if object.message.is_empty() { "" } else { ": " }, object.message)?;
        for warning in &object.warnings {
            outln!("  warning: {warning}")?;
        }
    }
    for ignored in &answer.ignored {
        outln!("{ignored}: not read by the control plane")?;
    }
    for pod in pods {
        let name = pod.full_name();
        if !pod.sidecar {
            let reason =
                if pod.injection_error.is_empty() { String::new() } else { format!(": {}", pod.injection_error) };
            outln!("pod {name}: no sidecar{reason}")?;
            continue;
        }
        outln!(
            "pod {name}: sidecar, {} listeners, {} routes, {} clusters, {} endpoints",
            pod.listeners.len(),
            pod.routes.len(),
            pod.clusters.len(),
            pod.endpoints.len()
        )?;
        if let Some(redirect) = &pod.redirect {
            outln!("  istio-init {}", redirect.args.join(" "))?;
        }
    }
    outln!("\n-o json prints everything.")?;
    Ok(())
}

/// Stores the answer for each scenario.
fn goldens(args: &IstiodArgs, program: &Istiod) -> Result<u8> {
    let scenarios = scenario::find(&args.root.folder(), &[])?;
    let mut requests = vec![];
    for scenario in &scenarios {
        let files = manifests::read(&[scenario.manifests()])?;
        let files: Vec<_> = files.into_iter().map(nameless).collect();
        let (resolved, _) = manifests::resolve(&files)?;
        let mesh = Mesh::new(resolved, Flavor::Istio);
        requests.push(Request::new(&files, Some(&mesh)));
    }
    for (scenario, answer) in scenarios.iter().zip(program.ask(&requests)?) {
        anyhow::ensure!(answer.error.is_empty(), "{}: istiod: {}", scenario.name, answer.error);
        let text = fs::read_to_string(scenario.manifests()).with_context(|| scenario.name.clone())?;
        istiod::keep(&scenario.directory, &text, &answer)?;
        outln!("{}", scenario.directory.join(istiod::GOLDEN).display())?;
    }
    Ok(OK)
}

/// A file without its folder, which differs between machines.
fn nameless(file: SourceFile) -> SourceFile {
    let name = file.name.rsplit('/').next().unwrap_or_default().to_owned();
    SourceFile { name, ..file }
}
