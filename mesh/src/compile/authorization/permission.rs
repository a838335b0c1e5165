//! What is asked for (`pilot/pkg/security/authz/model/generator.go`).

use envoy_api::{PathMatcher, Permission, PermissionSet, UriTemplate, UriTemplateConfig, UriTemplateMatchConfig};

use super::{
    attribute::{Attribute, Dropped, Layer},
    text,
};

/// An attribute of what is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Host,
    Method,
    Path,
    DestinationPort,
    DestinationIp,
    ServerName,
    /// What one of Envoy's filters noted; the key as it was written.
    EnvoyFilter(&'a str),
}

impl Attribute for Asked<'_> {
    type Matcher = Permission;

    fn each(&self, value: &str, layer: Layer) -> Result<Permission, Dropped> {
        match self {
            Self::Host | Self::Method | Self::Path if layer == Layer::Tcp => Err(Dropped),
            Self::Host => Ok(Permission::Header(text::header(":authority", value, true))),
            Self::Method => Ok(Permission::Header(text::header(":method", value, false))),
            Self::Path => Ok(path(value)),
            Self::DestinationPort => value.parse().map(Permission::DestinationPort).map_err(|_| Dropped),
            Self::DestinationIp => text::range(value).map(Permission::DestinationIp).ok_or(Dropped),
            Self::ServerName => Ok(Permission::RequestedServerName(text::pattern(value))),
            Self::EnvoyFilter(_) => Err(Dropped),
        }
    }

    fn together(&self, values: &[String], _layer: Layer) -> Option<Result<Permission, Dropped>> {
        match self {
            Self::EnvoyFilter(key) => Some(noted(key, values)),
            _ => None,
        }
    }

    fn any_of(rules: Vec<Permission>) -> Permission {
        Permission::OrRules(PermissionSet { rules })
    }

    fn all_of(rules: Vec<Permission>) -> Permission {
        Permission::AndRules(PermissionSet { rules })
    }

    fn not(rule: Permission) -> Permission {
        Permission::NotRule(Box::new(rule))
    }

    fn anything() -> Permission {
        Permission::Any(true)
    }
}

/// A path, or a template of one.
fn path(value: &str) -> Permission {
    if !value.contains("{*}") && !value.contains("{**}") {
        return Permission::UrlPath(PathMatcher { path: text::pattern(value) });
    }
    let config = UriTemplateMatchConfig { path_template: value.replace("{**}", "**").replace("{*}", "*") };
    Permission::UriTemplate(UriTemplate { name: "uri-template".into(), typed_config: UriTemplateConfig::Match(config) })
}

/// What a filter noted: `experimental.envoy.filters.FILTER[KEY]`. A value in brackets is an element of a list.
fn noted(key: &str, values: &[String]) -> Result<Permission, Dropped> {
    let key = key.strip_prefix("experimental.").unwrap_or(key);
    let (filter, field) = key.strip_suffix(']').unwrap_or(key).split_once('[').ok_or(Dropped)?;
    let value = |value: &String| match value.starts_with('[') && value.ends_with(']') {
        true => text::element(text::value(text::pattern(value.trim_matches(['[', ']'])))),
        false => text::value(text::pattern(value)),
    };
    let values = text::one_of(values.iter().map(value).collect());
    Ok(Permission::Metadata(text::metadata(filter, [field], values)))
}
