//! Policies that could be expected to apply to a call and do not, and why.

mod routes;

use super::{Ends, scope::LeftOut};
use crate::{
    account::{Account, Note, NoteKind},
    model::{Pod, PolicyHead, RuleHead, Service},
};

/// More notes than these would hide the rest of the answer.
const NAMED: usize = 8;

/// A note for each policy that a reader might think is in force for the call.
pub(super) fn notes(ends: &Ends<'_>, account: &Account) -> Vec<Note> {
    let mut notes = peer_authentications(ends, account.to.target_port);
    if let Some(service) = ends.to.0 {
        notes.extend(destination_rules(ends, service));
        notes.extend(routes::of_virtual_services(ends, service));
    }
    let left_out = notes.len().saturating_sub(NAMED);
    notes.truncate(NAMED);
    if left_out > 0 {
        notes.push(Note::new(NoteKind::NotUsed, format!("and {left_out} more policies")));
    }
    notes
}

fn note(name: &str, why: &str, source: &crate::model::Source) -> Note {
    Note::new(NoteKind::NotUsed, format!("{name}: {why}")).about(source)
}

fn peer_authentications(ends: &Ends<'_>, port: Option<u16>) -> Vec<Note> {
    let Some((server, port)) = ends.server.zip(port) else { return vec![] };
    let in_force = &server.peer_authentication.on_port(port).by;
    let looked_at =
        ends.mesh.policies.iter().filter(|policy| policy.full_name != *in_force && concerns(ends, policy, server));
    looked_at.map(|policy| note(&policy.full_name, &why_not(ends, policy, server, in_force), &policy.source)).collect()
}

/// Whether a reader might think that a policy applies to the server: it is in the server's, the client's or the root namespace.
fn concerns(ends: &Ends<'_>, policy: &PolicyHead, server: &Pod) -> bool {
    let root = &ends.mesh.config.root_namespace;
    [root, &server.name.namespace, &ends.client.name.namespace].contains(&&policy.namespace)
}

fn why_not(ends: &Ends<'_>, policy: &PolicyHead, server: &Pod, in_force: &str) -> String {
    let root = &ends.mesh.config.root_namespace;
    let namespace = &server.name.namespace;
    if server.sidecar.is_none() {
        return format!("{} has no sidecar to enforce it", server.name);
    }
    if policy.namespace != *namespace && policy.namespace != *root {
        return format!("it applies to pods in namespace {}, and {} is called", policy.namespace, server.name);
    }
    if policy.selector.is_some() && policy.namespace == *root {
        return "a policy with a selector in the root namespace applies to no pod".into();
    }
    if !policy.selects(&server.labels) {
        return format!("its selector does not select {}", server.name);
    }
    let same_scope = |other: &&PolicyHead| {
        other.namespace == policy.namespace
            && other.selector.is_some() == policy.selector.is_some()
            && other.selects(&server.labels)
            && other.age < policy.age
    };
    match ends.mesh.policies.iter().find(same_scope) {
        Some(older) => format!("{} is older, and only the oldest applies", older.full_name),
        None if in_force == "default" => "it does not set the mode (UNSET)".into(),
        None if policy.selector.is_some() => format!("it does not set the mode of this port, and {in_force} does"),
        None => format!("{in_force} is more specific"),
    }
}

fn destination_rules(ends: &Ends<'_>, service: &Service) -> Vec<Note> {
    let rules = &ends.mesh.destination_rules;
    let used = rules.find(ends.client, &service.host, &service.name.namespace);
    let client = &ends.client.name.namespace;
    let left_out = LeftOut::of(ends);
    let mut notes = vec![];
    for rule in &rules.heads {
        let full = format!("{}.svc.cluster.local", rule.host);
        if full == service.host {
            let why =
                format!("its host {} has a dot, so it is not completed, and is no service's; write {full}", rule.host);
            notes.push(note(&rule.full_name, &why, &rule.source));
            continue;
        }
        let is_used = used.is_some_and(|used| used.from.iter().any(|(name, _)| *name == rule.full_name));
        if !rule.is_for(&service.host) || (is_used && ends.client.sidecar.is_some() && left_out.is_none()) {
            continue;
        }
        let places = [client, &service.name.namespace, &ends.mesh.config.root_namespace];
        let selects_client =
            rule.workload_selector.iter().flatten().all(|(key, value)| ends.client.labels.get(key) == Some(value));
        let why = if ends.client.sidecar.is_none() {
            format!("{} has no sidecar, and the client's sidecar applies rules", ends.client.name)
        } else if let Some(left_out) = &left_out {
            format!("{} is out of the scope of {}", service.host, left_out.scope.full_name())
        } else if !places.contains(&&rule.namespace) {
            format!(
                "it is in namespace {}: rules are looked up in the client's ({client}), the service's ({}) and {}",
                rule.namespace, service.name.namespace, ends.mesh.config.root_namespace
            )
        } else if !rule.is_exported_to(client) {
            format!("its exportTo does not name the client's namespace, {client}")
        } else if rule.workload_selector.is_some() && (rule.namespace != *client || !selects_client) {
            format!("its workloadSelector does not select {}", ends.client.name)
        } else {
            used.map_or_else(|| "it is not found".into(), |used| before(used, rule))
        };
        notes.push(note(&rule.full_name, &why, &rule.source));
    }
    notes
}

/// Why the rule in use takes precedence over another.
fn before(used: &crate::model::DestinationRule, rule: &RuleHead) -> String {
    let first = used.from.first().map_or("another", |(name, _)| name.as_str());
    if used.namespace != rule.namespace {
        format!("{first} in namespace {} takes precedence", used.namespace)
    } else if used.host != rule.host {
        format!("{first} is for the more specific host {}", used.host)
    } else {
        format!("{first} is for the same host, and takes precedence")
    }
}
