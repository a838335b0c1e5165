//! The claims that scenarios test (`scenarios/claims.yaml`).

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The file of claims, in the folder of scenarios.
pub const FILE: &str = "claims.yaml";

/// A statement about meshes that scenarios test.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub claim: String,
    /// What happens in the textbook mesh.
    pub textbook: String,
    /// What happens in Istio; `same` if it does not differ.
    pub istio: String,
}

/// Reads the claims, by number.
///
/// # Errors
/// If the file is missing or is not a map of claims.
pub fn read(root: &Path) -> anyhow::Result<BTreeMap<u16, Claim>> {
    let path = root.join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let named: BTreeMap<String, Claim> =
        serde_saphyr::from_str(&text).with_context(|| format!("{} is not a map of claims", path.display()))?;
    named
        .into_iter()
        .map(|(name, claim)| {
            let number = name.strip_prefix('C').and_then(|digits| digits.parse().ok());
            let number = number.with_context(|| format!("{}: {name:?} is not a claim's number", path.display()))?;
            Ok((number, claim))
        })
        .collect()
}

/// The number in `C4`.
pub fn number(name: &str) -> Option<u16> {
    name.strip_prefix('C')?.parse().ok()
}
