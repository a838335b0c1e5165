//! Authorization (`source/extensions/filters/common/rbac/{engine_impl,matchers}.cc`).

use std::net::{IpAddr, SocketAddr};

use envoy_api::{Authenticated, CidrRange, Permission, Principal, Rbac, RbacAction, RbacPolicy, UriTemplateConfig};
use ipnet::IpNet;
use thiserror::Error;

use crate::{
    header_match::{HeaderMatch, HeaderMatchError, RequestHead},
    path_template,
    re2::Re2Error,
    string_match::CompiledMatcher,
};

#[cfg(test)]
mod tests;

/// The body of the answer to a request that is denied.
pub const BODY: &str = "RBAC: access denied";

/// The facts that rules match.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The address that the connection is to: the original destination.
    pub destination: SocketAddr,
    /// The address of the connection's peer.
    pub peer_address: IpAddr,
    /// The client's address: what `x-forwarded-for` says, else the peer's.
    pub client_address: IpAddr,
    /// The names in the peer's certificate, if TLS was terminated here and it has one.
    pub peer: Option<Peer<'a>>,
    /// The SNI in lower case; empty if there is none.
    pub server_name: &'a str,
    /// The request; none for a connection.
    pub request: Option<RequestHead<'a>>,
}

/// The names of a peer's certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer<'a> {
    /// URI SANs.
    pub uri_sans: &'a [String],
    /// DNS SANs.
    pub dns_sans: &'a [String],
    /// The subject.
    pub subject: &'a str,
}

/// The decision about a request or connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The policy that matches, the first by name.
    pub policy: Option<&'a str>,
}

impl Verdict<'_> {
    /// The details of a denial in the access log, of a response or of a closed connection
    /// (`source/extensions/filters/common/rbac/utility.cc`, `responseDetail`).
    pub fn details(&self) -> String {
        let policy = self.policy.unwrap_or("none").replace(char::is_whitespace, "_");
        format!("rbac_access_denied_matched_policy[{policy}]")
    }
}

/// Why rules are invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RulesError {
    /// A header matcher.
    #[error(transparent)]
    Header(#[from] HeaderMatchError),
    /// A regular expression.
    #[error(transparent)]
    Regex(#[from] Re2Error),
    /// A range of addresses.
    #[error("{address}/{length} is not a range of addresses")]
    Range {
        /// Its address.
        address: IpAddr,
        /// The length of its prefix.
        length: u8,
    },
}

/// Rules, compiled.
#[derive(Clone, Debug)]
pub struct Rules {
    action: RbacAction,
    /// By name, in which order they are evaluated.
    policies: Vec<(String, Policy)>,
}

/// A policy, compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    permissions: Vec<Condition>,
    principals: Vec<Condition>,
}

/// A permission or a principal, compiled.
#[derive(Clone, Debug)]
pub enum Condition {
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// Everything.
    Always,
    /// Nothing: it depends on metadata of filters that are not supported.
    Never,
    /// A header of the request.
    Header(Box<HeaderMatch>),
    /// The path of the request, without its query.
    Path(CompiledMatcher),
    /// The path of the request, by a template.
    Template(String),
    /// The address that the connection is to.
    DestinationIp(IpNet),
    /// The port that the connection is to: from this one to before that one.
    DestinationPort(i32, i32),
    /// The SNI.
    ServerName(CompiledMatcher),
    /// A name in the peer's certificate; without a matcher, any certificate.
    Authenticated(Option<CompiledMatcher>),
    /// The address of the connection's peer.
    PeerAddress(IpNet),
    /// The client's address.
    ClientAddress(IpNet),
}

impl Rules {
    /// Compiles rules.
    ///
    /// # Errors
    /// If Envoy would refuse them.
    pub fn new(configured: &Rbac) -> Result<Self, RulesError> {
        let policies = configured.policies.iter();
        let policies = policies.map(|(name, policy)| Ok((name.clone(), Policy::new(policy)?)));
        Ok(Self { action: configured.action, policies: policies.collect::<Result<_, RulesError>>()? })
    }

    /// Evaluates them (`RoleBasedAccessControlEngineImpl::handleAction`).
    pub fn evaluate(&self, facts: &Facts<'_>) -> Verdict<'_> {
        let matched = self.policies.iter().find(|(_, policy)| policy.matches(facts));
        let allowed = match self.action {
            RbacAction::Allow => matched.is_some(),
            RbacAction::Deny => matched.is_none(),
            RbacAction::Log => true,
        };
        Verdict { allowed, policy: matched.map(|(name, _)| name.as_str()) }
    }
}

impl Policy {
    fn new(configured: &RbacPolicy) -> Result<Self, RulesError> {
        Ok(Self {
            permissions: configured.permissions.iter().map(Condition::of_permission).collect::<Result<_, _>>()?,
            principals: configured.principals.iter().map(Condition::of_principal).collect::<Result<_, _>>()?,
        })
    }

    /// Whether one of its permissions and one of its principals match.
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let one = |conditions: &[Condition]| conditions.iter().any(|condition| condition.matches(facts));
        one(&self.permissions) && one(&self.principals)
    }
}

impl Condition {
    /// Compiles a permission.
    ///
    /// # Errors
    /// As [`Rules::new`].
    pub fn of_permission(permission: &Permission) -> Result<Self, RulesError> {
        let each = |rules: &[Permission]| rules.iter().map(Self::of_permission).collect::<Result<_, _>>();
        Ok(match permission {
            Permission::AndRules(set) => Self::All(each(&set.rules)?),
            Permission::OrRules(set) => Self::Any(each(&set.rules)?),
            Permission::NotRule(rule) => Self::Not(Box::new(Self::of_permission(rule)?)),
            Permission::Any(_) => Self::Always,
            Permission::Header(matcher) => Self::Header(Box::new(HeaderMatch::new(matcher)?)),
            Permission::UrlPath(matcher) => Self::Path(CompiledMatcher::new(&matcher.path)?),
            Permission::UriTemplate(template) => {
                let UriTemplateConfig::Match(config) = &template.typed_config;
                Self::Template(config.path_template.clone())
            }
            Permission::DestinationIp(range) => Self::DestinationIp(network(range)?),
            Permission::DestinationPort(port) => Self::DestinationPort(i32::from(*port), i32::from(*port) + 1),
            Permission::DestinationPortRange(range) => Self::DestinationPort(range.start, range.end),
            Permission::RequestedServerName(matcher) => Self::ServerName(CompiledMatcher::new(matcher)?),
            Permission::Metadata(_) => Self::Never,
        })
    }

    /// Compiles a principal.
    ///
    /// # Errors
    /// As [`Rules::new`].
    pub fn of_principal(principal: &Principal) -> Result<Self, RulesError> {
        let each = |ids: &[Principal]| ids.iter().map(Self::of_principal).collect::<Result<_, _>>();
        Ok(match principal {
            Principal::AndIds(set) => Self::All(each(&set.ids)?),
            Principal::OrIds(set) => Self::Any(each(&set.ids)?),
            Principal::NotId(id) => Self::Not(Box::new(Self::of_principal(id)?)),
            Principal::Any(_) => Self::Always,
            Principal::Authenticated(Authenticated { principal_name }) => {
                Self::Authenticated(principal_name.as_ref().map(CompiledMatcher::new).transpose()?)
            }
            Principal::DirectRemoteIp(range) => Self::PeerAddress(network(range)?),
            Principal::RemoteIp(range) => Self::ClientAddress(network(range)?),
            Principal::Header(matcher) => Self::Header(Box::new(HeaderMatch::new(matcher)?)),
            Principal::Metadata(_) => Self::Never,
        })
    }

    /// Whether it matches.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.matches(facts)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.matches(facts)),
            Self::Not(condition) => !condition.matches(facts),
            Self::Always => true,
            Self::Never => false,
            Self::Header(matcher) => facts.request.as_ref().is_some_and(|request| matcher.matches(request)),
            Self::Path(matcher) => path(facts).is_some_and(|path| matcher.matches(path)),
            Self::Template(template) => path_template::matches(template, path(facts).unwrap_or_default()),
            Self::DestinationIp(range) => range.contains(&facts.destination.ip()),
            Self::DestinationPort(start, end) => (*start..*end).contains(&i32::from(facts.destination.port())),
            Self::ServerName(matcher) => matcher.matches(facts.server_name),
            Self::Authenticated(name) => match (&facts.peer, name) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(peer), Some(name)) => has_name(peer, name),
            },
            Self::PeerAddress(range) => range.contains(&facts.peer_address),
            Self::ClientAddress(range) => range.contains(&facts.client_address),
        }
    }
}

/// Whether one of a certificate's names matches (`AuthenticatedMatcher::matches`).
fn has_name(peer: &Peer<'_>, name: &CompiledMatcher) -> bool {
    peer.uri_sans.iter().chain(peer.dns_sans).any(|san| name.matches(san)) || name.matches(peer.subject)
}

/// The path of the request, without its query (`PathMatcher::match` in `source/common/common/matchers.cc`).
fn path<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    facts.request.map(|request| request.path.split(['?', '#']).next().unwrap_or_default())
}

/// A range. An address of the other family is in none.
fn network(range: &CidrRange) -> Result<IpNet, RulesError> {
    let &CidrRange { address_prefix: address, prefix_len: length } = range;
    IpNet::new(address, length).map_err(|_| RulesError::Range { address, length })
}
