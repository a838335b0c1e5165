//! Who asks (`pilot/pkg/security/authz/model/generator.go`).

use envoy_api::{Authenticated, Principal, PrincipalSet, StringMatcher};

use super::{
    attribute::{Attribute, Dropped, Layer},
    text,
};

/// The filter that verifies tokens, and where it notes their claims.
const JWT_FILTER: &str = "envoy.filters.http.jwt_authn";
const PAYLOAD: &str = "payload";

/// An attribute of who asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asking<'a> {
    Principal,
    TrustDomain,
    Namespace,
    /// Of a service account; its namespace by default.
    ServiceAccount(&'a str),
    SourceIp,
    RemoteIp,
    RequestPrincipal,
    Audiences,
    Presenter,
    /// A header of the request; the key after `request.headers`.
    Header(&'a str),
    /// A claim of a token; the key after `request.auth.claims`.
    Claim(&'a str),
}

impl Attribute for Asking<'_> {
    type Matcher = Principal;

    fn each(&self, value: &str, layer: Layer) -> Result<Principal, Dropped> {
        match self {
            Self::Principal => Ok(named(text::pattern_after("spiffe://", value))),
            Self::TrustDomain => Ok(named(trust_domain(value))),
            Self::Namespace => {
                let parts: Vec<_> = value.split('*').map(text::quoted).collect();
                Ok(named(text::expression(&format!(".*/ns/{}/.*", parts.join(".*")))))
            }
            Self::ServiceAccount(namespace) => {
                let (namespace, name) = value.split_once('/').unwrap_or((namespace, value));
                let (namespace, name) = (text::quoted(namespace), text::quoted(name));
                Ok(named(text::expression(&format!("spiffe://.+/ns/{namespace}/(.+/|)sa/{name}(/.+)?"))))
            }
            Self::SourceIp => text::range(value).map(Principal::DirectRemoteIp).ok_or(Dropped),
            Self::RemoteIp => text::range(value).map(Principal::RemoteIp).ok_or(Dropped),
            Self::Header(key) if layer == Layer::Http => {
                Ok(Principal::Header(text::header(in_brackets(key)?, value, false)))
            }
            Self::Header(_) | Self::RequestPrincipal | Self::Audiences | Self::Presenter | Self::Claim(_) => {
                Err(Dropped)
            }
        }
    }

    fn together(&self, values: &[String], layer: Layer) -> Option<Result<Principal, Dropped>> {
        let of_token = matches!(self, Self::RequestPrincipal | Self::Audiences | Self::Presenter | Self::Claim(_));
        if of_token && layer == Layer::Tcp {
            return Some(Err(Dropped));
        }
        match self {
            Self::RequestPrincipal => Some(Ok(request_principals(values))),
            Self::Audiences => Some(Ok(claim(&["aud"], values))),
            Self::Presenter => Some(Ok(claim(&["azp"], values))),
            Self::Claim(key) => Some(nested(key).map(|path| claim(&path, values))),
            _ => None,
        }
    }

    fn any_of(ids: Vec<Principal>) -> Principal {
        Principal::OrIds(PrincipalSet { ids })
    }

    fn all_of(ids: Vec<Principal>) -> Principal {
        Principal::AndIds(PrincipalSet { ids })
    }

    fn not(id: Principal) -> Principal {
        Principal::NotId(Box::new(id))
    }

    fn anything() -> Principal {
        Principal::Any(true)
    }
}

fn named(name: StringMatcher) -> Principal {
    Principal::Authenticated(Authenticated { principal_name: Some(name) })
}

fn trust_domain(value: &str) -> StringMatcher {
    match value.split_once('*') {
        _ if value == "*" => StringMatcher::prefix("spiffe://"),
        None => StringMatcher::prefix(format!("spiffe://{value}/")),
        Some((before, after)) => {
            text::expression(&format!("spiffe://{}[^/]*{}/.*", text::quoted(before), text::quoted(after)))
        }
    }
}

/// `ISSUER/SUBJECT`, either with a `*` (`requestPrincipalGenerator`).
fn request_principals(values: &[String]) -> Principal {
    let any = || text::expression(".+");
    let one = |value: &String| {
        // An issuer may be a URL.
        let split = value.rsplit_once('/');
        let (issuer, subject) = match (value.as_str(), split) {
            ("*", _) => (any(), any()),
            (value, Some((issuer, subject))) if value.starts_with('*') => {
                let issuer = issuer.strip_prefix('*').unwrap_or(issuer);
                let issuer = if issuer.is_empty() { any() } else { text::suffix(issuer) };
                (issuer, StringMatcher::exact(subject))
            }
            (value, None) if value.starts_with('*') => (any(), text::suffix(value.strip_prefix('*').unwrap_or(value))),
            (value, Some((issuer, subject))) if value.ends_with('*') => {
                let subject = subject.strip_suffix('*').unwrap_or(subject);
                let subject = if subject.is_empty() { any() } else { StringMatcher::prefix(subject) };
                (StringMatcher::exact(issuer), subject)
            }
            (value, None) if value.ends_with('*') => {
                (StringMatcher::prefix(value.strip_suffix('*').unwrap_or(value)), any())
            }
            (value, split) => {
                let (issuer, subject) = split.unwrap_or((value, ""));
                (StringMatcher::exact(issuer), StringMatcher::exact(subject))
            }
        };
        let of =
            |claim, pattern| Principal::Metadata(text::metadata(JWT_FILTER, [PAYLOAD, claim], text::value(pattern)));
        Principal::AndIds(PrincipalSet { ids: vec![of("iss", issuer), of("sub", subject)] })
    };
    let mut ids: Vec<_> = values.iter().map(one).collect();
    if ids.len() == 1 { ids.remove(0) } else { Principal::OrIds(PrincipalSet { ids }) }
}

/// A claim that is one of these texts, or a list that has one of them.
fn claim<T: AsRef<str>>(path: &[T], values: &[String]) -> Principal {
    let one = text::one_of(values.iter().map(|value| text::value(text::pattern(value))).collect());
    let value = text::one_of(vec![text::element(one.clone()), one]);
    let path = [PAYLOAD].into_iter().chain(path.iter().map(AsRef::as_ref));
    Principal::Metadata(text::metadata(JWT_FILTER, path, value))
}

/// `[NAME]`.
fn in_brackets(key: &str) -> Result<&str, Dropped> {
    key.strip_prefix('[').and_then(|key| key.strip_suffix(']')).ok_or(Dropped)
}

/// `[NAME]`, or `[NAME][NAME]` for a claim in another; what is not of this form is one name, whatever is in it.
fn nested(key: &str) -> Result<Vec<String>, Dropped> {
    let mut names = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        let name = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        match name {
            Some((name, after)) if !name.contains('[') => {
                names.push(name.to_owned());
                rest = after;
            }
            _ => return in_brackets(key).map(|name| vec![name.to_owned()]),
        }
    }
    Ok(names)
}
