//! A rule as a policy of Envoy's (`pilot/pkg/security/authz/model/model.go`).

use envoy_api::{RbacAction, RbacPolicy};

use super::{
    attribute::{Attribute, Dropped, Layer},
    permission::Asked,
    principal::Asking,
    trust_domains,
};
use crate::manifests::authorization_policy::{Condition, Operation, Rule, SourceSpec};

/// An attribute with its values.
#[derive(Clone, Debug)]
struct Field<A> {
    attribute: A,
    values: Vec<String>,
    /// Those that it must not have.
    not_values: Vec<String>,
}

/// How rules are translated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Translation<'a> {
    /// The namespace of the policy.
    pub(super) namespace: &'a str,
    /// The mesh's trust domain and its aliases.
    pub(super) domains: &'a [String],
    pub(super) action: RbacAction,
    pub(super) layer: Layer,
}

impl<'a> Translation<'a> {
    /// A rule; none if it can't be matched.
    ///
    /// What can't be matched on a TCP port makes an ALLOW rule go, and is left out of others, so that never more is allowed than
    /// was written.
    pub(super) fn policy(&self, rule: &'a Rule) -> Option<RbacPolicy> {
        let (mut asked, mut asking) = (vec![], vec![]);
        for condition in &rule.when {
            self.condition(condition, &mut asked, &mut asking)?;
        }
        let sources = rule.from.iter().flatten().map(|from| from.as_ref().and_then(|from| from.source.as_ref()));
        let sources = or_one(sources.collect(), |source| with(self.source(source), &asking));
        let operations = rule.to.iter().flatten().map(|to| to.as_ref().and_then(|to| to.operation.as_ref()));
        let operations = or_one(operations.collect(), |operation| with(self.operation(operation), &asked));
        let permissions = operations.iter().map(|fields| self.all(fields)).collect::<Result<_, _>>().ok()?;
        let principals = sources.iter().map(|fields| self.all(fields)).collect::<Result<_, _>>().ok()?;
        Some(RbacPolicy { permissions, principals })
    }

    /// Adds a condition to one of the two; nothing for an attribute that there is not.
    fn condition(
        &self,
        condition: &'a Condition,
        asked: &mut Vec<Field<Asked<'a>>>,
        asking: &mut Vec<Field<Asking<'a>>>,
    ) -> Option<()> {
        let Condition { key, values, not_values } = condition;
        let of_asking = match key.as_str() {
            "source.ip" => Some(Asking::SourceIp),
            "remote.ip" => Some(Asking::RemoteIp),
            "source.namespace" => Some(Asking::Namespace),
            "source.trustDomain" => Some(Asking::TrustDomain),
            "source.serviceAccount" => Some(Asking::ServiceAccount(self.namespace)),
            "source.principal" => Some(Asking::Principal),
            "request.auth.principal" => Some(Asking::RequestPrincipal),
            "request.auth.audiences" => Some(Asking::Audiences),
            "request.auth.presenter" => Some(Asking::Presenter),
            key => key
                .strip_prefix("request.headers")
                .map(Asking::Header)
                .or_else(|| key.strip_prefix("request.auth.claims").map(Asking::Claim)),
        };
        if let Some(attribute) = of_asking {
            asking.extend(self.asking(attribute, values, not_values));
            return Some(());
        }
        let attribute = match key.as_str() {
            "destination.ip" => Asked::DestinationIp,
            "destination.port" => Asked::DestinationPort,
            "connection.sni" => Asked::ServerName,
            key if key.starts_with("experimental.envoy.filters.") => Asked::EnvoyFilter(key),
            _ => return None,
        };
        asked.extend(field(attribute, values, not_values));
        Some(())
    }

    fn source(&self, source: Option<&'a SourceSpec>) -> Vec<Field<Asking<'a>>> {
        let Some(of) = source else { return vec![] };
        let account = Asking::ServiceAccount(self.namespace);
        [
            self.asking(Asking::Principal, &of.principals, &of.not_principals),
            self.asking(Asking::RequestPrincipal, &of.request_principals, &of.not_request_principals),
            self.asking(account, &of.service_accounts, &of.not_service_accounts),
            self.asking(Asking::TrustDomain, &of.trust_domains, &of.not_trust_domains),
            self.asking(Asking::Namespace, &of.namespaces, &of.not_namespaces),
            self.asking(Asking::RemoteIp, &of.remote_ip_blocks, &of.not_remote_ip_blocks),
            self.asking(Asking::SourceIp, &of.ip_blocks, &of.not_ip_blocks),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    #[allow(clippy::unused_self)] // like its sibling
    fn operation(&self, operation: Option<&Operation>) -> Vec<Field<Asked<'a>>> {
        let Some(of) = operation else { return vec![] };
        [
            field(Asked::Host, &of.hosts, &of.not_hosts),
            field(Asked::Method, &of.methods, &of.not_methods),
            field(Asked::Path, &of.paths, &of.not_paths),
            field(Asked::DestinationPort, &of.ports, &of.not_ports),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// A field of who asks, in all trust domains of the mesh where it names one.
    fn asking(&self, attribute: Asking<'a>, values: &[String], not_values: &[String]) -> Option<Field<Asking<'a>>> {
        let widened = |values: &[String]| match attribute {
            Asking::Principal => trust_domains::with_aliases(values, self.domains),
            Asking::TrustDomain => trust_domains::expanded(values, self.domains),
            _ => values.to_vec(),
        };
        field(attribute, &widened(values), &widened(not_values))
    }

    fn all<A: Attribute>(&self, fields: &[Field<A>]) -> Result<A::Matcher, Dropped> {
        let mut all = Vec::new();
        for Field { attribute, values, not_values } in fields {
            all.extend(self.any(attribute, values)?);
            all.extend(self.any(attribute, not_values)?.map(A::not));
        }
        if all.is_empty() {
            all.push(A::anything());
        }
        Ok(A::all_of(all))
    }

    /// One of the values; nothing if none is left.
    fn any<A: Attribute>(&self, attribute: &A, values: &[String]) -> Result<Option<A::Matcher>, Dropped> {
        if values.is_empty() {
            return Ok(None);
        }
        if let Some(together) = attribute.together(values, self.layer) {
            return self.kept(together);
        }
        let mut any = Vec::new();
        for value in values {
            any.extend(self.kept(attribute.each(value, self.layer))?);
        }
        Ok((!any.is_empty()).then(|| A::any_of(any)))
    }

    fn kept<M>(&self, matcher: Result<M, Dropped>) -> Result<Option<M>, Dropped> {
        match matcher {
            Ok(matcher) => Ok(Some(matcher)),
            Err(Dropped) if self.action == RbacAction::Allow => Err(Dropped),
            Err(Dropped) => Ok(None),
        }
    }
}

/// A field, if it has values.
fn field<A>(attribute: A, values: &[String], not_values: &[String]) -> Option<Field<A>> {
    let has_values = !values.is_empty() || !not_values.is_empty();
    has_values.then(|| Field { attribute, values: values.to_vec(), not_values: not_values.to_vec() })
}

/// Fields, and behind them those of the conditions.
fn with<A: Clone>(mut fields: Vec<Field<A>>, conditions: &[Field<A>]) -> Vec<Field<A>> {
    fields.extend_from_slice(conditions);
    fields
}

/// One list of fields for each item, or one without any item.
fn or_one<T, F>(items: Vec<Option<T>>, fields: impl Fn(Option<T>) -> F) -> Vec<F> {
    if items.is_empty() { vec![fields(None)] } else { items.into_iter().map(fields).collect() }
}
