//! Authorization (`envoy.config.rbac.v3`, and the filters that enforce it in `envoy.extensions.filters`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    core::{CidrRange, Int32Range, StringMatcher},
    route::HeaderMatcher,
    typed::any_of,
};

/// `envoy.extensions.filters.http.rbac.v3.RBAC`: authorization of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRbac {
    /// Rules that are enforced; without any, every request is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rbac>,
    /// Rules that are evaluated and counted, and not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_rules: Option<Rbac>,
    /// Prefix of the shadow rules' statistics.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shadow_rules_stat_prefix: String,
}

/// `envoy.extensions.filters.network.rbac.v3.RBAC`: authorization of connections, at their first bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkRbac {
    /// Rules that are enforced; without any, every connection is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rbac>,
    /// Rules that are evaluated and counted, and not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_rules: Option<Rbac>,
    /// Prefix of the shadow rules' statistics.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shadow_rules_stat_prefix: String,
    /// Prefix of all statistics.
    pub stat_prefix: String,
}

/// `envoy.config.rbac.v3.RBAC`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rbac {
    /// What becomes of a request that a policy matches.
    #[serde(default, skip_serializing_if = "RbacAction::is_allow")]
    pub action: RbacAction,
    /// Policies by name, in which order they are evaluated. Without any, none matches.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, RbacPolicy>,
}

/// `envoy.config.rbac.v3.RBAC.Action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RbacAction {
    /// Allowed if a policy matches, otherwise denied.
    #[default]
    Allow,
    /// Denied if a policy matches, otherwise allowed.
    Deny,
    /// Always allowed; marked for the access log if a policy matches.
    Log,
}

impl RbacAction {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_allow(&self) -> bool {
        *self == Self::Allow
    }
}

/// `envoy.config.rbac.v3.Policy`: matches if a permission and a principal match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RbacPolicy {
    /// What is asked for: one of these.
    pub permissions: Vec<Permission>,
    /// Who asks: one of these.
    pub principals: Vec<Principal>,
}

/// `envoy.config.rbac.v3.Permission`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// All of these.
    AndRules(PermissionSet),
    /// One of these.
    OrRules(PermissionSet),
    NotRule(Box<Self>),
    /// Everything.
    Any(bool),
    /// A header of the request.
    Header(HeaderMatcher),
    /// The path of the request, without the query.
    UrlPath(PathMatcher),
    /// The path of the request, without the query, by a template.
    UriTemplate(UriTemplate),
    /// The address that the connection is to.
    DestinationIp(CidrRange),
    /// The port that the connection is to.
    DestinationPort(u16),
    DestinationPortRange(Int32Range),
    /// The SNI that the TLS inspector read; empty without one.
    RequestedServerName(StringMatcher),
    /// What another filter noted.
    Metadata(MetadataMatcher),
}

/// `envoy.config.rbac.v3.Permission.Set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionSet {
    /// At least one.
    pub rules: Vec<Permission>,
}

/// `envoy.config.rbac.v3.Principal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Principal {
    /// All of these.
    AndIds(PrincipalSet),
    /// One of these.
    OrIds(PrincipalSet),
    NotId(Box<Self>),
    /// Everybody.
    Any(bool),
    /// The peer's certificate.
    Authenticated(Authenticated),
    /// The address of the connection's peer.
    DirectRemoteIp(CidrRange),
    /// The client's address, which `x-forwarded-for` may name.
    RemoteIp(CidrRange),
    /// A header of the request.
    Header(HeaderMatcher),
    /// What another filter noted.
    Metadata(MetadataMatcher),
}

/// `envoy.config.rbac.v3.Principal.Set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalSet {
    /// At least one.
    pub ids: Vec<Principal>,
}

/// `envoy.config.rbac.v3.Principal.Authenticated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticated {
    /// Matches a URI SAN, a DNS SAN or the subject; without it any TLS will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_name: Option<StringMatcher>,
}

/// `envoy.type.matcher.v3.PathMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathMatcher {
    /// Matches the path.
    pub path: StringMatcher,
}

/// `envoy.config.core.v3.TypedExtensionConfig` of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UriTemplate {
    pub name: String,
    /// What it is.
    pub typed_config: UriTemplateConfig,
}

any_of! {
    /// The supported templates.
    #[derive(Eq)]
    UriTemplateConfig {
        /// Envoy's own.
        Match(UriTemplateMatchConfig) = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
    }
}

/// `envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UriTemplateMatchConfig {
    /// Segments, of which `*` stands for any one, and `**` for any number of them.
    pub path_template: String,
}

/// `envoy.type.matcher.v3.MetadataMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataMatcher {
    /// The filter that notes it.
    pub filter: String,
    /// Where it stands.
    pub path: Vec<PathSegment>,
    /// What it must be.
    pub value: ValueMatcher,
}

/// `envoy.type.matcher.v3.MetadataMatcher.PathSegment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathSegment {
    /// The key of a field.
    pub key: String,
}

/// `envoy.type.matcher.v3.ValueMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueMatcher {
    /// A text.
    StringMatch(StringMatcher),
    ListMatch(ListMatcher),
    /// One of these.
    OrMatch(OrMatcher),
}

/// `envoy.type.matcher.v3.ListMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListMatcher {
    /// One of its elements is this.
    pub one_of: Box<ValueMatcher>,
}

/// `envoy.type.matcher.v3.OrMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrMatcher {
    /// At least two.
    pub value_matchers: Vec<ValueMatcher>,
}
