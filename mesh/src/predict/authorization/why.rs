//! Why a policy does not match, in words: of the alternatives the one that fits best, and what is wrong with it.

use envoy_api::{
    Authenticated, CidrRange, HeaderMatcher, Permission, Principal, RbacPolicy, StringMatcher, StringPattern,
    UriTemplateConfig,
};
use envoy_rules::rbac::{Condition, Facts};

/// Why a policy does not match.
pub(super) fn not(policy: &RbacPolicy, facts: &Facts<'_>) -> String {
    let permission = (!policy.permissions.iter().any(|permission| permits(permission, facts)))
        .then(|| nearest(policy.permissions.iter().map(|permission| of_permission(permission, facts))));
    let principal = (!policy.principals.iter().any(|principal| is(principal, facts)))
        .then(|| nearest(policy.principals.iter().map(|principal| of_principal(principal, facts))));
    let mut reasons: Vec<String> = principal.into_iter().chain(permission).flatten().collect();
    reasons.dedup();
    if reasons.is_empty() { "it matches".to_owned() } else { reasons.join(", and ") }
}

fn permits(permission: &Permission, facts: &Facts<'_>) -> bool {
    Condition::of_permission(permission).is_ok_and(|condition| condition.matches(facts))
}

fn is(principal: &Principal, facts: &Facts<'_>) -> bool {
    Condition::of_principal(principal).is_ok_and(|condition| condition.matches(facts))
}

/// Of alternatives the one with the fewest reasons against it.
fn nearest(alternatives: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    alternatives.min_by_key(Vec::len).unwrap_or_default()
}

/// Of alternatives about one attribute: all that they ask for, and what there is.
fn none_of(wanted: impl Iterator<Item = String>, found: &str) -> String {
    const SHOWN: usize = 4;
    let mut wanted: Vec<_> = wanted.collect();
    let more = wanted.len().saturating_sub(SHOWN);
    wanted.truncate(SHOWN);
    if more > 0 {
        wanted.push(format!("{more} more"));
    }
    format!("{found}, not {}", wanted.join(" or "))
}

fn of_permission(permission: &Permission, facts: &Facts<'_>) -> Vec<String> {
    if permits(permission, facts) {
        return vec![];
    }
    match permission {
        Permission::AndRules(set) => set.rules.iter().flat_map(|rule| of_permission(rule, facts)).collect(),
        Permission::OrRules(set) => match set.rules.first().map(|first| found(first, facts)) {
            Some(found) => vec![none_of(set.rules.iter().map(wanted), &found)],
            None => vec![],
        },
        Permission::NotRule(rule) => match &**rule {
            Permission::OrRules(set) => match set.rules.iter().find(|rule| permits(rule, facts)) {
                Some(excluded) => vec![format!("{}, which is excluded ({})", found(excluded, facts), wanted(excluded))],
                None => vec![],
            },
            Permission::Any(_) => vec!["it has no rules and matches nothing".to_owned()],
            rule => vec![format!("{} is excluded", wanted(rule))],
        },
        other => vec![none_of([wanted(other)].into_iter(), &found(other, facts))],
    }
}

fn of_principal(principal: &Principal, facts: &Facts<'_>) -> Vec<String> {
    if is(principal, facts) {
        return vec![];
    }
    match principal {
        Principal::AndIds(set) => set.ids.iter().flat_map(|id| of_principal(id, facts)).collect(),
        Principal::OrIds(set) => match set.ids.first().map(|first| who(first, facts)) {
            Some(found) => vec![none_of(set.ids.iter().map(whom), &found)],
            None => vec![],
        },
        Principal::NotId(id) => match &**id {
            Principal::OrIds(set) => match set.ids.iter().find(|id| is(id, facts)) {
                Some(excluded) => vec![format!("{}, which is excluded ({})", who(excluded, facts), whom(excluded))],
                None => vec![],
            },
            // What never matches says so once.
            Principal::Any(_) => vec![],
            id => vec![format!("{} is excluded", whom(id))],
        },
        other => vec![none_of([whom(other)].into_iter(), &who(other, facts))],
    }
}

/// What the facts have where a permission asks.
fn found(permission: &Permission, facts: &Facts<'_>) -> String {
    let request = facts.request.as_ref();
    match permission {
        Permission::Header(matcher) => header(matcher, facts),
        Permission::UrlPath(_) | Permission::UriTemplate(_) => {
            let path = request.map_or("", |request| request.path.split(['?', '#']).next().unwrap_or_default());
            format!("the path is {path}")
        }
        Permission::DestinationIp(_) => format!("the destination is {}", facts.destination.ip()),
        Permission::DestinationPort(_) | Permission::DestinationPortRange(_) => {
            format!("the port is {}", facts.destination.port())
        }
        Permission::RequestedServerName(_) if facts.server_name.is_empty() => "there is no SNI".to_owned(),
        Permission::RequestedServerName(_) => format!("the SNI is {}", facts.server_name),
        Permission::Metadata(matcher) => format!("{} notes nothing here", matcher.filter),
        Permission::AndRules(_) | Permission::OrRules(_) | Permission::NotRule(_) | Permission::Any(_) => {
            "something else is asked for".to_owned()
        }
    }
}

/// What a permission asks for.
fn wanted(permission: &Permission) -> String {
    match permission {
        Permission::Header(matcher) => header_value(matcher),
        Permission::UrlPath(matcher) => text(&matcher.path),
        Permission::UriTemplate(template) => {
            let UriTemplateConfig::Match(config) = &template.typed_config;
            config.path_template.clone()
        }
        Permission::DestinationIp(range) => cidr(range),
        Permission::DestinationPort(port) => port.to_string(),
        Permission::DestinationPortRange(range) => format!("{} to {}", range.start, range.end - 1),
        Permission::RequestedServerName(name) => text(name),
        Permission::Metadata(_) => "what the rule asks for".to_owned(),
        Permission::AndRules(_) | Permission::OrRules(_) | Permission::NotRule(_) | Permission::Any(_) => {
            "another combination".to_owned()
        }
    }
}

/// Who asks, where a principal says who may.
fn who(principal: &Principal, facts: &Facts<'_>) -> String {
    match principal {
        Principal::Authenticated(_) => match &facts.peer {
            None => "the caller has no identity: the connection is not mutual TLS".to_owned(),
            Some(peer) => match peer.uri_sans.first() {
                Some(name) => format!("the caller is {name}"),
                None => "the caller has no identity: it has no certificate".to_owned(),
            },
        },
        Principal::DirectRemoteIp(_) => format!("the connection is from {}", facts.peer_address),
        Principal::RemoteIp(_) => format!("the client is {}", facts.client_address),
        Principal::Header(matcher) => header(matcher, facts),
        Principal::Metadata(_) => "no token is verified here".to_owned(),
        Principal::AndIds(_) | Principal::OrIds(_) | Principal::NotId(_) | Principal::Any(_) => {
            "no token is verified here".to_owned()
        }
    }
}

/// Who may ask.
fn whom(principal: &Principal) -> String {
    match principal {
        Principal::Authenticated(Authenticated { principal_name: Some(name) }) => text(name),
        Principal::Authenticated(Authenticated { principal_name: None }) => "somebody with a certificate".to_owned(),
        Principal::DirectRemoteIp(range) | Principal::RemoteIp(range) => cidr(range),
        Principal::Header(matcher) => header_value(matcher),
        Principal::Metadata(_)
        | Principal::AndIds(_)
        | Principal::OrIds(_)
        | Principal::NotId(_)
        | Principal::Any(_) => "one that the rule asks for".to_owned(),
    }
}

fn header(matcher: &HeaderMatcher, facts: &Facts<'_>) -> String {
    let Some(request) = &facts.request else { return "a connection has no headers".to_owned() };
    match matcher.name.as_str() {
        ":authority" => format!("the host is {}", request.authority),
        ":method" => format!("the method is {}", request.method),
        name => match request.headers.get(name) {
            Some(value) => format!("header {name} is {}", String::from_utf8_lossy(value.as_bytes())),
            None => format!("header {name} is not there"),
        },
    }
}

fn header_value(matcher: &HeaderMatcher) -> String {
    matcher.string_match.as_ref().map_or_else(|| "any that is there".to_owned(), text)
}

fn text(matcher: &StringMatcher) -> String {
    match &matcher.pattern {
        StringPattern::Exact(text) => text.clone(),
        StringPattern::Prefix(text) => format!("{text}*"),
        StringPattern::Suffix(text) => format!("*{text}"),
        StringPattern::Contains(text) => format!("*{text}*"),
        StringPattern::SafeRegex(matcher) => format!("~{}", matcher.regex),
    }
}

fn cidr(range: &CidrRange) -> String {
    format!("{}/{}", range.address_prefix, range.prefix_len)
}
