//! Running labs: finding one.

use anyhow::{Result, bail};
use netns::{LabState, LabSummary};

use crate::report::words::did_you_mean;

/// The selected lab, by its id or its name; else the only running one. An ordinary user's is entered, so call it before any thread
/// is started.
pub(super) fn select(lab: Option<&str>) -> Result<String> {
    let id = find(lab)?;
    netns::enter(&id)?;
    Ok(id)
}

fn find(lab: Option<&str>) -> Result<String> {
    let labs = netns::labs()?.labs;
    if let Some(wanted) = lab {
        let mut named = labs.iter().filter(|lab| lab.id == wanted || lab.name.as_deref() == Some(wanted));
        match (named.next(), named.next()) {
            (Some(lab), None) => return Ok(lab.id.clone()),
            (Some(_), Some(_)) => bail!("several labs are named {wanted}; name one by its id (`sidelab get labs`)"),
            (None, _) => {}
        }
        let names = || labs.iter().flat_map(|lab| [Some(lab.id.as_str()), lab.name.as_deref()]).flatten();
        if mesh::nearest(wanted, names()).is_some() {
            bail!("no lab {wanted}{}", did_you_mean(wanted, names()));
        }
        return Ok(wanted.to_owned());
    }
    let up: Vec<LabSummary> = labs.into_iter().filter(|lab| lab.state == LabState::LeftUp).collect();
    match &up[..] {
        [lab] => Ok(lab.id.clone()),
        [] => bail!("no lab is up; bring one up with `sidelab up -f FILE`"),
        several => {
            let ids: Vec<&str> = several.iter().map(|lab| lab.id.as_str()).collect();
            bail!("several labs are up ({}); name one with --lab", ids.join(", "))
        }
    }
}

/// Another lab that has pods in a namespace: its name, else its id.
pub(super) fn with_namespace(namespace: &str, except: &str) -> Result<Option<String>> {
    let labs = netns::labs()?.labs.into_iter();
    let is_in = |pod: &String| pod.rsplit_once('.').is_some_and(|(_, of_pod)| of_pod == namespace);
    let mut others = labs.filter(|lab| lab.id != except && lab.pods.iter().any(is_in));
    Ok(others.next().map(|lab| lab.name.unwrap_or(lab.id)))
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
