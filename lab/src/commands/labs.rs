//! Running labs: finding one.

use anyhow::{Result, bail};
use netns::{LabState, LabSummary};

use crate::report::words::did_you_mean;

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
