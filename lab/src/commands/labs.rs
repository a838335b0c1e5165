//! Running labs: finding one, and the record of what it was brought up from.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use mesh::{
    SourceFile,
    model::{Flavor, Mesh},
};
use netns::{Lab, LabState, LabSummary};
use serde::{Deserialize, Serialize};

use crate::{data_plane::DataPlane, manifests, output, report::words::did_you_mean};

/// What a lab was brought up from, stored next to its state file: enough to resolve it again.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) mesh: Flavor,
    pub(super) data_plane: DataPlane,
    pub(super) files: Vec<NotedFile>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NotedFile {
    pub(super) name: String,
    pub(super) text: String,
}

impl Note {
    pub(super) fn new(mesh: Flavor, data_plane: DataPlane, files: &[SourceFile]) -> Self {
        let noted = |file: &SourceFile| NotedFile { name: file.name.clone(), text: file.text.clone() };
        Self { mesh, data_plane, files: files.iter().map(noted).collect() }
    }

    pub(super) fn write(&self, lab: &Path) -> Result<()> {
        let path = lab.join("manifests.json");
        // It contains Secrets.
        let text = serde_json::to_string(self)?;
        Ok(output::write_secret(&path, |file| file.write_all(text.as_bytes()))?)
    }

    pub(super) fn read(lab: &Lab) -> Result<Self> {
        let path = lab.dir().join("manifests.json");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("lab {} was not brought up by `sidelab up`", lab.id()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    pub(super) fn resolve(self) -> Result<Mesh> {
        let files = self.files.into_iter().map(|NotedFile { name, text }| SourceFile { name, text });
        let (resolved, _) = manifests::resolve(&files.collect::<Vec<_>>())?;
        Ok(Mesh::new(resolved, self.mesh))
    }
}

/// The selected lab: the one named, else the only running one.
pub(super) fn select(id: Option<&str>) -> Result<String> {
    let labs = netns::labs()?.labs;
    if let Some(id) = id {
        let ids: Vec<&str> = labs.iter().map(|lab| lab.id.as_str()).collect();
        if !ids.contains(&id) && mesh::nearest(id, ids.iter().copied()).is_some() {
            bail!("no lab {id}{}", did_you_mean(id, ids));
        }
        return Ok(id.to_owned());
    }
    let up: Vec<LabSummary> = labs.into_iter().filter(|lab| lab.state == LabState::LeftUp).collect();
    match &up[..] {
        [lab] => Ok(lab.id.clone()),
        [] => bail!("no lab is up; bring one up with `sidelab up -f FILE`"),
        several => {
            let ids: Vec<&str> = several.iter().map(|lab| lab.id.as_str()).collect();
            bail!("several labs are up ({}); name one", ids.join(", "))
        }
    }
}

/// Whether the user caused an error, rather than the host.
pub(super) fn is_wrong_use(error: &netns::Error) -> bool {
    use netns::Error as E;
    // The manifests ask for a program that does not start, or ends at once.
    matches!(
        error,
        E::BadLabId { .. }
            | E::BadSpec { .. }
            | E::EndedBeforeReady { .. }
            | E::NoLab { .. }
            | E::NoPod { .. }
            | E::NotALab { .. }
            | E::NotReady { .. }
            | E::ProgramNotFound { .. }
    )
}
