//! Rotates the certificates of a lab that is up: those of its sidecars, and the root that signs them.

use std::time::Duration;

use anyhow::{Context, Result};
use mesh::{
    ca::Authority,
    model::Mesh,
    rollout::{Rollout, to_secret},
};
use netns::{Lab, Privilege};

use super::roll::{self, Taken};
use crate::{authorities::Authorities, parallel};

/// The order in which a new root replaces the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Every sidecar trusts both roots; then they get certificates of the new one; then the old one is no longer trusted.
    Overlap,
    /// Certificates of the new root before anyone trusts it.
    LeafFirst,
    /// Each sidecar gets the new root instead of the old one, with its certificate, one sidecar after the other.
    NoOverlap,
}

/// A phase of a rotation that every sidecar has been given.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) what: &'static str,
    /// What each sidecar did, by `POD.NAMESPACE`.
    pub(crate) taken: Vec<(String, Taken)>,
}

/// What sidecars get in a phase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Certificate,
    Roots,
    Both,
}

/// A rotation in a lab.
pub(crate) struct Rotation<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) mesh: &'a Mesh,
    /// The pods whose sidecars get new certificates; all for a new root.
    pub(crate) pods: Vec<usize>,
    /// How long each sidecar can take.
    pub(crate) patience: Duration,
    /// The privilege with which the lab was made.
    pub(crate) privilege: Privilege,
}

impl Rotation<'_> {
    /// Gives sidecars new certificates of the same root.
    ///
    /// # Errors
    /// If a file can't be written.
    pub(crate) fn certificates(&self) -> Result<Vec<Phase>> {
        let authorities = Authorities::read(self.lab.dir())?;
        Ok(vec![self.phase("new certificate", Part::Certificate, &authorities, &|| Ok(()))?])
    }

    /// Replaces the mesh's root. `between` is called after each sidecar if they change one after the other, and `done` gets each phase as
    /// it ends; if one fails, the rest is completed nevertheless, since a rotation that stops in between leaves sidecars that reject each
    /// other.
    ///
    /// # Errors
    /// If a file can't be written, and the first error of `between` and `done`.
    pub(crate) fn root(
        &self,
        order: Order,
        between: &dyn Fn() -> Result<()>,
        mut done: impl FnMut(&Phase) -> Result<()>,
    ) -> Result<()> {
        let mut authorities = Authorities::read(self.lab.dir())?;
        let next = authorities.next_mesh(&self.mesh.config.trust_domain)?;
        let mut failed = Ok(());
        for step in steps(order) {
            (step.change)(&mut authorities, &next)?;
            authorities.write(self.lab.dir())?;
            let phase = self.phase(step.what, step.part, &authorities, between)?;
            failed = failed.and_then(|()| done(&phase));
        }
        failed
    }

    /// Gives every sidecar its part, and waits until each has taken it: both parts one after the other, since it matters without overlap
    /// that not all sidecars change at the same moment; others in parallel.
    fn phase(
        &self,
        what: &'static str,
        part: Part,
        authorities: &Authorities,
        between: &dyn Fn() -> Result<()>,
    ) -> Result<Phase> {
        let mut taken = Vec::new();
        if part == Part::Both {
            let mut failed = Ok(());
            for index in &self.pods {
                if let Some(one) = self.give(*index, part, authorities)? {
                    taken.push(one);
                    failed = failed.and_then(|()| between());
                }
            }
            failed?;
        } else {
            let all = parallel::each(&self.pods, roll::AT_ONCE, |index| self.give(*index, part, authorities))?;
            taken.extend(all.into_iter().flatten());
        }
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Phase { what, taken })
    }

    fn give(&self, index: usize, part: Part, authorities: &Authorities) -> Result<Option<(String, Taken)>> {
        let pod = &self.mesh.pods[index];
        let Some(sidecar) = &pod.sidecar else { return Ok(None) };
        let name = pod.name.to_string();
        let mut way = Rollout::default();
        for secret in authorities.secrets(sidecar)? {
            let is_certificate = secret.tls_certificate.is_some();
            if part == Part::Both || is_certificate == (part == Part::Certificate) {
                way.steps.push(to_secret(&secret));
            }
        }
        let taken = roll::roll(&self.lab.pod(&name)?, &way, self.privilege, self.patience);
        Ok(Some((name.clone(), taken.with_context(|| format!("the sidecar of {name}"))?)))
    }
}

/// A step of a root's rotation: a change of the authorities, and what sidecars then get.
struct Step {
    what: &'static str,
    change: fn(&mut Authorities, &Authority) -> Result<()>,
    part: Part,
}

fn steps(order: Order) -> Vec<Step> {
    let step = |what, change, part| Step { what, change, part };
    let sign: fn(&mut Authorities, &Authority) -> Result<()> = |authorities, next| {
        authorities.sign_by(Authority::restore(next.kept().clone())?);
        Ok(())
    };
    match order {
        Order::Overlap => vec![
            step(
                "both roots trusted",
                |authorities, next| {
                    authorities.also_trust(next.root_pem());
                    Ok(())
                },
                Part::Roots,
            ),
            step(
                "certificate of the new root",
                |authorities, next| {
                    let old = authorities.sign_by(Authority::restore(next.kept().clone())?);
                    authorities.also_trust(old.root_pem());
                    Ok(())
                },
                Part::Certificate,
            ),
            step(
                "old root no longer trusted",
                |authorities, _| {
                    authorities.trust_only_own();
                    Ok(())
                },
                Part::Roots,
            ),
        ],
        Order::LeafFirst => vec![
            step("certificate of the new root", sign, Part::Certificate),
            step("new root trusted instead of the old one", |_, _| Ok(()), Part::Roots),
        ],
        Order::NoOverlap => vec![step("new root and its certificate instead of the old ones", sign, Part::Both)],
    }
}
