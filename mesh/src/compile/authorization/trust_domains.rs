//! Trust domains in principals, and their aliases (`pilot/pkg/security/trustdomain/bundle.go`).

#[cfg(test)]
mod tests;

/// What stands for the mesh's own trust domain, whatever that is called.
const LOCAL: &str = "cluster.local";

/// Principals, each in the mesh's trust domain and in its aliases if it is in one of them. `domains` are the mesh's own and its
/// aliases (`ReplaceTrustDomainAliases`).
pub(super) fn with_aliases(principals: &[String], domains: &[String]) -> Vec<String> {
    principals.iter().flat_map(|principal| of_principal(principal, domains)).collect()
}

fn of_principal(principal: &str, domains: &[String]) -> Vec<String> {
    let as_it_is = || vec![principal.to_owned()];
    // DOMAIN/ns/NAMESPACE/sa/ACCOUNT; with a domain of any name there is nothing to replace.
    let parts: Vec<_> = principal.split('/').collect();
    let [domain, rest @ ..] = &parts[..] else { return as_it_is() };
    let is_ours = |own: &String| matches_domain(domain, own);
    if parts.len() != 5 || *domain == "*" || !(domains.iter().any(is_ours) || *domain == LOCAL) {
        return as_it_is();
    }
    let mut all = Vec::new();
    for own in domains {
        let renamed = match ends_with(own, domain) {
            true => principal.to_owned(),
            false => format!("{own}/{}", rest.join("/")),
        };
        if !all.contains(&renamed) {
            all.push(renamed);
        }
    }
    all
}

/// Trust domains, each with all of the mesh's if it is one of them (`ExpandTrustDomainAliases`).
pub(super) fn expanded(values: &[String], domains: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in values {
        let own = if domains.contains(value) { domains } else { std::slice::from_ref(value) };
        for domain in own {
            if !all.contains(domain) {
                all.push(domain.clone());
            }
        }
    }
    all
}

/// Whether a domain of a principal is one of the mesh's; either may be a pattern (`stringMatch` in `util.go`).
fn matches_domain(pattern: &str, own: &str) -> bool {
    let fits = |text, pattern| starts_with(text, pattern) || ends_with(text, pattern);
    pattern == own || own == "*" || fits(own, pattern) || fits(pattern, own)
}

/// `prefixMatch`.
fn starts_with(text: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').is_some_and(|prefix| text.starts_with(prefix))
}

/// `suffixMatch`.
fn ends_with(text: &str, pattern: &str) -> bool {
    pattern.strip_prefix('*').is_some_and(|suffix| text.ends_with(suffix))
}
