//! The real Istio control plane: runs the program that `scripts/istiod` builds from Istio's packages, or reads its stored answer
//! for a scenario.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    compile::{Options, Placement, compile},
    differences::{Difference, Judged, compare},
    model::Mesh,
    redirect::ProxyIdentity,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod verdicts;

use crate::{
    reference::{self, Manifest, Reference, ask},
    tools::MissingTool,
};

pub use crate::reference::Object;

const PROGRAM: Reference = Reference {
    name: "istiod",
    variable: "SIDELAB_ISTIOD",
    fix: "build it with `scripts/istiod` (which needs Go, or gets it from PyPI), or name its path in SIDELAB_ISTIOD",
};

/// The file of a scenario with istiod's answer for its manifests.
pub const GOLDEN: &str = "istiod.json.gz";

#[derive(Clone, Debug, Serialize)]
pub struct Request {
    manifests: Vec<Manifest>,
    addresses: Addresses,
    /// YAML on top of all other MeshConfig.
    #[serde(skip_serializing_if = "str::is_empty")]
    mesh_config: &'static str,
}

/// The addresses of a lab's cluster, by `NAMESPACE/NAME`.
#[derive(Clone, Debug, Default, Serialize)]
struct Addresses {
    pods: BTreeMap<String, Vec<String>>,
    services: BTreeMap<String, Vec<String>>,
}

impl Request {
    /// A request for these manifests, with the addresses that they get in `mesh`; without a mesh istiod assigns addresses.
    pub fn new(files: &[SourceFile], mesh: Option<&Mesh>) -> Self {
        let manifests = files.iter().map(Manifest::from).collect();
        let mut addresses = Addresses::default();
        for pod in mesh.iter().flat_map(|mesh| &mesh.pods).filter(|pod| !pod.is_external()) {
            let ips = pod.ips.both().iter().map(ToString::to_string).collect();
            addresses.pods.insert(format!("{}/{}", pod.name.namespace, pod.name.name), ips);
        }
        for service in mesh.iter().flat_map(|mesh| &mesh.services) {
            let vips = service.vips.iter().map(ToString::to_string).collect();
            addresses.services.insert(format!("{}/{}", service.name.namespace, service.name.name), vips);
        }
        Self { manifests, addresses, mesh_config: "" }
    }

    /// Adapts the request to a lab: access logs are enabled, in the default format, which the lab can read, whatever the manifests say.
    #[must_use]
    pub fn for_lab(self) -> Self {
        Self { mesh_config: "accessLogFile: /dev/stdout\naccessLogFormat: ''\n", ..self }
    }
}

/// istiod's answer to one request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Answer {
    /// The version of `istio.io/istio`.
    pub istio: String,
    /// Why the request failed; empty if it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Its webhook's verdict on each Istio object.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// Objects of kinds that the control plane does not read.
    #[serde(default)]
    pub ignored: Vec<String>,
    #[serde(default, deserialize_with = "or_none")]
    pub pods: Vec<Pod>,
}

/// Go writes a list without elements as null.
fn or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Pod>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A pod, with what Istio generates for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub ips: Vec<String>,
    /// Whether the injector added a sidecar.
    pub sidecar: bool,
    /// Why the injector failed; empty if it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub injection_error: String,
    /// Its labels after injection.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its annotations after injection.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The probes of its containers after injection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// LDS.
    #[serde(default)]
    pub listeners: Vec<Value>,
    /// RDS.
    #[serde(default)]
    pub routes: Vec<Value>,
    /// CDS.
    #[serde(default)]
    pub clusters: Vec<Value>,
    /// EDS.
    #[serde(default)]
    pub endpoints: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Redirect {
    /// The arguments of `istio-init`.
    pub args: Vec<String>,
    /// What it loads with `iptables-restore`.
    pub ipv4: String,
    /// What it loads with `ip6tables-restore`.
    pub ipv6: String,
}

impl Pod {
    /// `POD.NAMESPACE`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// The configuration pushed to its sidecar, in the format of `sidelab config -o json`.
    pub fn resources(&self) -> Value {
        serde_json::json!({
            "listeners": self.listeners, "routes": self.routes, "clusters": self.clusters, "endpoints": self.endpoints,
        })
    }
}

impl Answer {
    /// Sorts the resources by name: istiod iterates over maps, in a random order.
    fn in_order(mut self) -> Self {
        let name = |resource: &Value| {
            let name = resource["name"].as_str().or_else(|| resource["cluster_name"].as_str());
            name.unwrap_or_default().to_owned()
        };
        for pod in &mut self.pods {
            for list in [&mut pod.listeners, &mut pod.routes, &mut pod.clusters, &mut pod.endpoints] {
                list.sort_by_key(name);
            }
        }
        self
    }

    /// The answer's part for one pod.
    ///
    /// # Errors
    /// If the answer does not contain the pod.
    pub fn pod(&self, name: &str) -> Result<&Pod> {
        let found = self.pods.iter().find(|pod| pod.full_name() == name);
        found.with_context(|| format!("istiod does not know pod {name}"))
    }
}

#[derive(Clone, Debug)]
pub struct Istiod {
    program: PathBuf,
}

impl Istiod {
    /// Finds the program: in `SIDELAB_ISTIOD`, else in the project's cache.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn find() -> Result<Self, MissingTool> {
        PROGRAM.find().map(|program| Self { program })
    }

    /// Sends several requests to one process, one after the other.
    ///
    /// # Errors
    /// If the program can't be run, or does not answer.
    pub fn ask(&self, requests: &[Request]) -> Result<Vec<Answer>> {
        let answers: Vec<Answer> = ask(Command::new(&self.program).arg("--requests"), requests)?;
        Ok(answers.into_iter().map(Answer::in_order).collect())
    }

    /// Sends one request.
    ///
    /// # Errors
    /// If the program can't be run, or does not answer.
    pub fn ask_one(&self, request: Request) -> Result<Answer> {
        let answer = self.ask(&[request])?.pop().context("an answer for the request")?;
        if !answer.error.is_empty() {
            bail!("istiod: {}", answer.error);
        }
        Ok(answer)
    }
}

/// The differences between istiod and the compiler for one pod.
#[derive(Clone, Debug)]
pub struct PodDifferences {
    /// `POD.NAMESPACE`.
    pub pod: String,
    /// The differences, each with its reason if it is known.
    pub judged: Vec<Judged>,
}

/// The differences between istiod and the compiler, for each pod to which either gives a sidecar.
///
/// # Errors
/// If istiod does not know a pod.
pub fn differences(mesh: &Mesh, answer: &Answer) -> Result<Vec<PodDifferences>> {
    let mut all = vec![];
    for (index, pod) in mesh.pods.iter().enumerate().filter(|(_, pod)| !pod.is_external()) {
        let name = pod.name.to_string();
        let theirs = answer.pod(&name)?;
        let judged = match (theirs.sidecar, pod.sidecar.is_some()) {
            (true, true) => {
                let config = compile(mesh, index, &placement(ProxyIdentity::ISTIO));
                compare(&theirs.resources(), &config.to_json(&[]))
            }
            (false, false) => continue,
            (istio, here) => vec![Judged {
                difference: Difference {
                    path: vec!["sidecar".into()],
                    istio: Some(istio.into()),
                    here: Some(here.into()),
                },
                known: None,
            }],
        };
        all.push(PodDifferences { pod: name, judged });
    }
    Ok(all)
}

/// Where a real sidecar's files would be.
pub fn placement(redirect: ProxyIdentity) -> Placement {
    Placement { config_dir: "/etc/istio/proxy".into(), log_dir: "/dev".into(), redirect, options: Options::default() }
}

/// A stored answer, with the manifests that it is for.
#[derive(Debug, Deserialize, Serialize)]
struct Golden {
    manifests: String,
    answer: Answer,
}

/// istiod's stored answer for a scenario's manifests; `None` if they have changed since.
///
/// # Errors
/// If the file can't be read.
pub fn golden(folder: &Path, manifests: &str) -> Result<Option<Answer>> {
    let path = folder.join(GOLDEN);
    let golden: Option<Golden> = reference::stored(&path)
        .with_context(|| format!("{}: not what `sidelab istiod --goldens` wrote", path.display()))?;
    Ok(golden.filter(|golden| golden.manifests == manifests).map(|golden| golden.answer.in_order()))
}

/// Stores istiod's answer for a scenario.
///
/// # Errors
/// If the file can't be written.
pub fn keep(folder: &Path, manifests: &str, answer: &Answer) -> Result<()> {
    reference::store(&folder.join(GOLDEN), &Golden { manifests: manifests.into(), answer: answer.clone() })
}
