//! The ways that a call may go where a load balancer or resolver may pick any of several endpoints or addresses.

use crate::account::{Account, Decision, LegNumber};

use super::CallError;

/// The most ways that are followed.
const WAYS: usize = 64;

/// Picks one of several equal candidates, time after time: first as `script` says, then always the first candidate.
#[derive(Debug, Default)]
pub(super) struct Picks {
    script: Vec<usize>,
    /// The number of candidates at each pick so far.
    among: Vec<usize>,
}

impl Picks {
    /// The index of the one that is picked among this many.
    pub(super) fn pick(&mut self, among: usize) -> usize {
        let taken = self.script.get(self.among.len()).copied().unwrap_or(0);
        self.among.push(among);
        taken
    }
}

/// Follows every way, first the one that always picks the first candidate. Fails if a way can't be followed.
pub(super) fn each(
    mut follow: impl FnMut(Picks) -> Result<(Account, Picks), CallError>,
) -> Result<Vec<Account>, CallError> {
    let (account, picks) = follow(Picks::default())?;
    let mut accounts = vec![account];
    let mut scripts = others(&picks);
    let mut next = 0;
    while next < scripts.len() && accounts.len() < WAYS {
        let script = scripts[next].clone();
        next += 1;
        let (account, picks) = follow(Picks { script, among: vec![] })?;
        scripts.extend(others(&picks));
        accounts.push(account);
    }
    Ok(accounts)
}

/// The scripts that extend `picks.script` and pick differently at one place after its end.
fn others(picks: &Picks) -> Vec<Vec<usize>> {
    let Picks { script, among } = picks;
    let open = among.iter().enumerate().skip(script.len());
    open.flat_map(|(at, among)| {
        (1..*among).map(move |other| {
            let mut other_script = script.clone();
            other_script.resize(at, 0);
            other_script.push(other);
            other_script
        })
    })
    .collect()
}

/// Whether two ways have the same result, apart from the endpoint's addresses.
pub(super) fn is_same_answer(one: &Account, other: &Account) -> bool {
    let legs = |account: &Account| {
        LegNumber::ALL.map(|number| {
            account
                .leg(number)
                .map(|leg| (leg.path, leg.layers.clone(), leg.tls.clone(), leg.interface, leg.redirected_to))
        })
    };
    let clusters = |account: &Account| {
        let chosen = account.steps.iter().filter(|step| step.what == Decision::Cluster);
        chosen.map(|step| (step.at, step.choice.clone())).collect::<Vec<_>>()
    };
    clusters(one) == clusters(other)
        && one.app_gets == other.app_gets
        && legs(one) == legs(other)
        && one.outcome == other.outcome
        && one.read_by == other.read_by
}

#[cfg(test)]
mod tests;
