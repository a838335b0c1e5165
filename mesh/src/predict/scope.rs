//! Services that a call is to and that the calling sidecar does not know, because a Sidecar (the kind) leaves them out.

use super::Ends;
use crate::{
    account::{Account, Note, NoteKind, Party},
    model::{Egress, ScopedHost, ScopedNamespace, Service, SidecarScope, Source},
};

/// What leaves a called service out.
pub(super) struct LeftOut<'a> {
    pub(super) scope: &'a SidecarScope,
    service: &'a Service,
    /// What decides on the called port; `None`: nothing does, and no service is known there.
    egress: Option<&'a Egress>,
}

impl<'a> LeftOut<'a> {
    /// Whether the called service is left out.
    pub(super) fn of(ends: &Ends<'a>) -> Option<Self> {
        let (scope, service) = (ends.mesh.scope_of(ends.client)?, ends.to.0?);
        let home = &ends.client.name.namespace;
        let egress = scope.egress_of(ends.call.port);
        let knows = |egress: &Egress| egress.knows(home, &service.name.namespace, &service.host);
        let is_limited = ends.client.sidecar.is_some() && !scope.egress.is_empty();
        (is_limited && !egress.is_some_and(knows)).then_some(Self { scope, service, egress })
    }

    /// The place of what decides.
    fn place(&self) -> Source {
        self.egress.map_or_else(|| self.scope.source.at("spec.egress"), |egress| egress.source.clone())
    }

    /// Whom it leaves out, in words.
    fn words(&self) -> String {
        let (name, host) = (self.scope.full_name(), &self.service.host);
        match self.egress {
            Some(egress) => {
                let hosts: Vec<_> = egress.hosts.iter().map(ToString::to_string).collect();
                format!("{host} is out of the scope of {name}, which lets in {}", hosts.join(", "))
            }
            None => format!("{host} is out of the scope of {name}, which has no egress listener for the port"),
        }
    }
}

/// A note that the sidecar does not know the called service.
pub(super) fn note(ends: &Ends<'_>) -> Option<Note> {
    let left_out = LeftOut::of(ends)?;
    let text = format!(
        "{}: the sidecar of {} treats it as an unknown destination, without mTLS, routes and rules",
        left_out.words(),
        ends.client.name
    );
    Some(Note::new(NoteKind::NotUsed, text).about(&left_out.place()))
}

/// What lets the called service in, where a sidecar refuses the call.
pub(super) fn fix(ends: &Ends<'_>, account: &Account) -> Option<Note> {
    let left_out = LeftOut::of(ends)?;
    let by_sidecar = matches!(account.outcome.at, Some(Party::ClientSidecar | Party::ServerSidecar));
    let (service, source) = (left_out.service, left_out.place());
    let host = ScopedHost {
        namespace: match service.name.namespace == ends.client.name.namespace {
            true => ScopedNamespace::Own,
            false => ScopedNamespace::Named(service.name.namespace.clone()),
        },
        host: service.host.clone(),
        excluded: false,
    };
    let text = format!("add {host} to {} of {}", source.field, left_out.scope.full_name());
    by_sidecar.then(|| Note::new(NoteKind::Fix, text).about(&source))
}
