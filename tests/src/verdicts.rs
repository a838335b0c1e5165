//! What the real API server says of manifests: of every scenario's objects, and of objects with one thing wrong. Its answers are
//! stored, so that a machine without it can compare, too.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use lab::{
    api_server::{KubeApiserver, tries::Request},
    manifests,
    reference::{self, Object},
};
use mesh::SourceFile;
use serde::{Deserialize, Serialize};

use crate::{checkout, mutations};

/// Where the answers are stored.
const STORED: &str = "tests/kube-apiserver.json.gz";

/// The verdicts of one version of Kubernetes.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Verdicts {
    pub kubernetes: String,
    /// By the name of a manifest, why each of its objects is refused; `None` for an object that is accepted.
    pub of: BTreeMap<String, Vec<Option<String>>>,
}

/// A manifest that the API server is asked about.
pub struct Asked {
    /// A scenario, or a mutation.
    pub name: String,
    pub file: SourceFile,
}

/// All of them.
pub fn asked() -> Vec<Asked> {
    let scenarios = crate::scenarios();
    let scenarios = scenarios.iter().map(|scenario| {
        let text = manifests::read(&[scenario.manifests()]).expect("manifests can be read").remove(0).text;
        Asked { name: format!("scenario {}", scenario.name), file: file(text) }
    });
    let mutations = mutations::all().into_iter();
    scenarios.chain(mutations.map(|mutation| Asked { file: file(mutation.yaml()), name: mutation.name })).collect()
}

fn file(text: String) -> SourceFile {
    SourceFile { name: "manifests.yaml".into(), text }
}

impl Verdicts {
    /// Asks the server.
    pub fn ask(server: &KubeApiserver, asked: &[Asked]) -> anyhow::Result<Self> {
        let requests: Vec<_> = asked.iter().map(|one| Request::new(std::slice::from_ref(&one.file))).collect();
        let answers = server.try_all(&requests)?;
        let kubernetes = answers.first().map(|answer| answer.kubernetes.clone()).unwrap_or_default();
        let refusal = |object: Object| (!object.allowed).then_some(object.message);
        let of = asked.iter().zip(answers);
        let of = of.map(|(one, answer)| (one.name.clone(), answer.objects.into_iter().map(refusal).collect()));
        Ok(Self { kubernetes, of: of.collect() })
    }

    /// Those that are stored.
    pub fn stored() -> anyhow::Result<Self> {
        reference::stored(&path())?.with_context(|| format!("{STORED} is missing"))
    }

    /// Stores them.
    pub fn store(&self) -> anyhow::Result<()> {
        reference::store(&path(), self)
    }
}

fn path() -> PathBuf {
    checkout().join(STORED)
}
